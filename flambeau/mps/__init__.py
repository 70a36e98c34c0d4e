"""Apple's GPUs: this build has none, and answers as PyTorch's builds for the CPU do."""

from __future__ import annotations

from typing import Any as _Any

from . import event as event
from . import profiler
from ._device import mps as _mps
from .event import Event

__all__ = [
    "Event",
    "compile_shader",
    "current_allocated_memory",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_rng_state",
    "is_available",
    "load_metallib",
    "manual_seed",
    "profiler",
    "recommended_max_memory",
    "seed",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "synchronize",
]

is_available = _mps.is_available
device_count = _mps.device_count
manual_seed = _mps.manual_seed
_is_in_bad_fork = _mps._is_in_bad_fork


def synchronize() -> None:
    """Raises: there is no device whose work could be waited for."""
    _mps.refuse("synchronize")


def current_allocated_memory() -> int:
    """Raises: there is no device."""
    _mps.refuse("current_allocated_memory")


def driver_allocated_memory() -> int:
    """Raises: there is no device."""
    _mps.refuse("driver_allocated_memory")


def recommended_max_memory() -> int:
    """Raises: there is no device."""
    _mps.refuse("recommended_max_memory")


def set_per_process_memory_fraction(fraction) -> None:
    """Raises: there is no device."""
    if not isinstance(fraction, float):
        raise TypeError(
            f"mps.set_per_process_memory_fraction: fraction must be a float, got {fraction!r}"
        )
    _mps.refuse("set_per_process_memory_fraction")


def empty_cache() -> None:
    """Raises: there is no allocator."""
    _mps.refuse("empty_cache")


def seed() -> None:
    """Raises: there is no generator."""
    _mps.refuse("seed")


def get_rng_state(device="mps") -> _Any:
    """Raises: there is no generator."""
    _mps.refuse("get_rng_state")


def set_rng_state(new_state, device="mps") -> None:
    """Raises: there is no generator."""
    _mps.refuse("set_rng_state")


def compile_shader(source: str) -> _Any:
    """Raises: there is no device to compile for."""
    _mps.refuse("compile_shader")


def load_metallib(source) -> _Any:
    """Raises: there is no device to load it on."""
    _mps.refuse("load_metallib")
