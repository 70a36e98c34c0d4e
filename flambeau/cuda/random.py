"""Random numbers of CUDA: seeds are taken, and there is no generator."""

from ._device import cuda as _cuda

__all__ = [
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
]

get_rng_state = _cuda.get_rng_state
get_rng_state_all = _cuda.get_rng_state_all
initial_seed = _cuda.initial_seed
manual_seed = _cuda.manual_seed
manual_seed_all = _cuda.manual_seed_all
seed = _cuda.seed
seed_all = _cuda.seed_all
set_rng_state = _cuda.set_rng_state
set_rng_state_all = _cuda.set_rng_state_all
