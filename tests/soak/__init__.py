"""What has to hold hundreds of times: processes that are killed at random moments.

    python -m tests.soak --seconds 60 --seed 0          # all kinds, in turns
    python -m tests.soak --only loader --rounds 500
    python -m tests.soak --only loader --show 41        # one round again

Each kind is a module here with ``run(rng, folder)``, which raises where something is wrong. Round
N of a seed is the same wherever a run begins. The suite runs a few rounds of each
(``tests/soak/test_soak.py``).
"""
