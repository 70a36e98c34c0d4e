"""Calls of every record with valid and hostile arguments, in child processes.

    python -m tests.fuzz --seed 1 --calls 200000    # or --seconds 60
    python -m tests.fuzz --seed 1 --show 4711       # one call: what it is given and what comes out

Call number N of a seed is the same wherever a run begins. See `tests.fuzz.__main__`.
"""
