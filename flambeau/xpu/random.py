"""Random numbers of XPU: seeds are taken, and there is no generator."""

from ._device import xpu as _xpu

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

get_rng_state = _xpu.get_rng_state
get_rng_state_all = _xpu.get_rng_state_all
initial_seed = _xpu.initial_seed
manual_seed = _xpu.manual_seed
manual_seed_all = _xpu.manual_seed_all
seed = _xpu.seed
seed_all = _xpu.seed_all
set_rng_state = _xpu.set_rng_state
set_rng_state_all = _xpu.set_rng_state_all
