"""Memory of CUDA: none is there, so counters are 0."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import Any

from flambeau._absent import AbsentClass

from ._device import cuda as _cuda

__all__ = [
    "CUDAPluggableAllocator",
    "MemPool",
    "caching_allocator_alloc",
    "caching_allocator_delete",
    "caching_allocator_disabled",
    "caching_allocator_enable",
    "change_current_allocator",
    "empty_cache",
    "get_allocator_backend",
    "get_per_process_memory_fraction",
    "host_memory_stats",
    "host_memory_stats_as_nested_dict",
    "list_gpu_processes",
    "max_memory_allocated",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_cached",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "memory_stats_as_nested_dict",
    "memory_summary",
    "reset_accumulated_host_memory_stats",
    "reset_accumulated_memory_stats",
    "reset_max_memory_allocated",
    "reset_max_memory_cached",
    "reset_peak_host_memory_stats",
    "reset_peak_memory_stats",
    "set_per_process_memory_fraction",
    "use_mem_pool",
]

empty_cache = _cuda.empty_cache
get_per_process_memory_fraction = _cuda.get_per_process_memory_fraction
set_per_process_memory_fraction = _cuda.set_per_process_memory_fraction
memory_allocated = _cuda.memory_allocated
max_memory_allocated = _cuda.max_memory_allocated
memory_reserved = memory_cached = _cuda.memory_reserved
max_memory_reserved = max_memory_cached = _cuda.max_memory_reserved
memory_stats = _cuda.memory_stats
memory_stats_as_nested_dict = _cuda.memory_stats_as_nested_dict
mem_get_info = _cuda.mem_get_info
reset_peak_memory_stats = _cuda.reset_peak_memory_stats
reset_max_memory_allocated = reset_max_memory_cached = _cuda.reset_peak_memory_stats
reset_accumulated_memory_stats = _cuda.reset_accumulated_memory_stats
use_mem_pool = _cuda.use_mem_pool


class MemPool(AbsentClass):
    """A pool of memory; making one raises RuntimeError."""


class CUDAPluggableAllocator(AbsentClass):
    """An allocator of another library; making one raises RuntimeError."""


def change_current_allocator(allocator) -> None:
    """Raises: there is no allocator."""
    _cuda.refuse("change_current_allocator", AttributeError)


def caching_allocator_alloc(size: int, device=None, stream=None) -> int:
    """Raises: there is no allocator."""
    _cuda.refuse("caching_allocator_alloc")


def caching_allocator_delete(mem_ptr: int) -> None:
    """Raises: there is no allocator."""
    _cuda.refuse("caching_allocator_delete", AttributeError)


def caching_allocator_enable(value: bool = True) -> None:
    """Does nothing: there is no allocator that could keep memory."""


@contextmanager
def caching_allocator_disabled():
    """Does nothing: there is no allocator that could keep memory."""
    yield


def get_allocator_backend() -> str:
    """Raises: there is no allocator."""
    _cuda.refuse("get_allocator_backend", AttributeError)


def host_memory_stats() -> dict[str, Any]:
    """Empty: nothing is counted."""
    return OrderedDict()


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """Empty: nothing is counted."""
    return {}


def memory_snapshot(mempool_id=None, include_traces=True) -> Any:
    """Raises: there is no allocator."""
    _cuda.refuse("memory_snapshot", AttributeError)


def memory_summary(device=None, abbreviated: bool = False) -> str:
    """Raises: nothing is counted."""
    _cuda.refuse("memory_summary", KeyError)


def list_gpu_processes(device=None) -> str:
    """A sentence in place of a list: there is no device."""
    return "pynvml module not found, please install nvidia-ml-py"


def reset_peak_host_memory_stats() -> None:
    """Raises: nothing is counted."""
    _cuda.refuse("reset_peak_host_memory_stats", AttributeError)


def reset_accumulated_host_memory_stats() -> None:
    """Raises: nothing is counted."""
    _cuda.refuse("reset_accumulated_host_memory_stats", AttributeError)
