"""The CPU as a device: programs that are written for any accelerator find what they ask for."""

from flambeau import _C

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """True: there always is a CPU."""
    return True


def is_initialized() -> bool:
    """True: the CPU needs no start."""
    return True


def device_count() -> int:
    """1: all cores are one device."""
    return 1


def current_device() -> str:
    """The name of the only device."""
    return "cpu"


def set_device(device) -> None:
    """Does nothing: there is one CPU device."""


def synchronize(device=None) -> None:
    """Does nothing: ops on the CPU have finished when they return."""


def memory_stats() -> dict[str, int]:
    """What the allocator counts, in bytes and calls.

    ``allocated_bytes`` is what live tensors asked for, ``peak_allocated_bytes`` the most so far,
    ``cached_bytes`` what is kept for reuse; ``allocations``, ``cache_hits`` and
    ``system_allocations`` are numbers of calls.

    >>> before = flambeau.cpu.memory_stats()["allocated_bytes"]
    >>> x = flambeau.empty(1024)
    >>> flambeau.cpu.memory_stats()["allocated_bytes"] - before
    4096
    """
    return _C._memory_stats()


def reset_peak_memory_stats() -> None:
    """Starts ``peak_allocated_bytes`` anew from what is allocated now."""
    _C._reset_peak_memory()


def empty_cache() -> None:
    """Gives memory that is kept for reuse back to the system."""
    _C._trim_memory()
