"""Whatever accelerator there is: this build has none. What needs one raises RuntimeError."""

from __future__ import annotations

from typing import Any as _Any

import flambeau as _flambeau

from . import graphs, memory  # noqa: F401
from ._device import refuse as _refuse
from .graphs import Graph
from .memory import (
    empty_cache,
    empty_host_cache,
    get_memory_info,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
)

__all__ = [
    "Graph",
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "empty_host_cache",
    "get_device_capability",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    """False: there is no accelerator."""
    return False


def device_count() -> int:
    """0: there is no accelerator."""
    return 0


def current_accelerator(check_available: bool = False) -> _flambeau.device | None:
    """None: there is no accelerator."""
    return None


def current_device_index() -> int:
    """Raises: there is no accelerator."""
    _refuse("current_device_index")


def set_device_index(device, /) -> None:
    """Raises: there is no accelerator."""
    _refuse("set_device_index")


current_device_idx = current_device_index
set_device_idx = set_device_index


def get_device_capability(device=None, /) -> dict[str, _Any]:
    """Raises: there is no accelerator."""
    _refuse("get_device_capability")


def current_stream(device=None, /) -> _Any:
    """Raises: there is no accelerator."""
    _refuse("current_stream")


def set_stream(stream) -> None:
    """Raises: there is no accelerator whose stream it could be."""
    raise TypeError(f"accelerator.set_stream: expected a stream, got {type(stream).__name__}")


def synchronize(device=None, /) -> None:
    """Raises: there is no accelerator."""
    _refuse("synchronize")


class device_index:
    """Makes a device current in a ``with`` block; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            _refuse("device_index")

    def __exit__(self, *exc_info) -> None:
        pass
