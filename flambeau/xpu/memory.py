"""Memory of XPU: none is there, so counters are 0."""

from __future__ import annotations

from typing import Any

from flambeau._absent import AbsentClass

from ._device import xpu as _xpu

__all__ = [
    "MemPool",
    "XPUPluggableAllocator",
    "change_current_allocator",
    "empty_cache",
    "get_per_process_memory_fraction",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "memory_stats_as_nested_dict",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_per_process_memory_fraction",
    "use_mem_pool",
]

empty_cache = _xpu.empty_cache
get_per_process_memory_fraction = _xpu.get_per_process_memory_fraction
set_per_process_memory_fraction = _xpu.set_per_process_memory_fraction
memory_allocated = _xpu.memory_allocated
max_memory_allocated = _xpu.max_memory_allocated
memory_reserved = _xpu.memory_reserved
max_memory_reserved = _xpu.max_memory_reserved
memory_stats = _xpu.memory_stats
memory_stats_as_nested_dict = _xpu.memory_stats_as_nested_dict
mem_get_info = _xpu.mem_get_info
reset_peak_memory_stats = _xpu.reset_peak_memory_stats
reset_accumulated_memory_stats = _xpu.reset_accumulated_memory_stats
use_mem_pool = _xpu.use_mem_pool


class MemPool(AbsentClass):
    """A pool of memory; making one raises RuntimeError."""


class XPUPluggableAllocator(AbsentClass):
    """An allocator of another library; making one raises RuntimeError."""


def change_current_allocator(allocator) -> None:
    """Raises: there is no allocator."""
    _xpu.refuse("change_current_allocator", AttributeError)


def memory_snapshot(mempool_id=None) -> list[dict[str, Any]]:
    """Empty: there is no allocator."""
    return []
