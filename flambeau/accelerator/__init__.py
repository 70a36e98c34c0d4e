"""Whatever accelerator there is: this build has none of its own, and a package from outside may
bring one (``docs/devices.md``). What needs one and finds none raises RuntimeError."""

from __future__ import annotations

from typing import Any as _Any

import flambeau as _flambeau
from flambeau import _C

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


def _name() -> str | None:
    """The kind of device that a package from outside has brought."""
    name = _C._get_privateuse1_backend_name()
    return name if _C._device_count(name) else None


def _required(function: str) -> str:
    return _name() or _refuse(function)


def is_available() -> bool:
    """Whether a package from outside has brought devices."""
    return _name() is not None


def device_count() -> int:
    """How many devices of the accelerator's kind there are."""
    name = _name()
    return _C._device_count(name) if name else 0


def current_accelerator(check_available: bool = False) -> _flambeau.device | None:
    """The kind of device that the accelerator is, or None where there is none."""
    name = _name()
    return _flambeau.device(name) if name else None


def current_device_index() -> int:
    """The device that is meant where none is named; raises where there is no accelerator."""
    return _C._current_device(_required("current_device_index"))


def set_device_index(device, /) -> None:
    """Choose it; raises where there is no accelerator."""
    name = _required("set_device_index")
    where = _flambeau.device(name, device) if isinstance(device, int) else _flambeau.device(device)
    _C._set_current_device(where)


current_device_idx = current_device_index
set_device_idx = set_device_index


def get_device_capability(device=None, /) -> dict[str, _Any]:
    """Raises: there is no accelerator."""
    _refuse("get_device_capability")


def current_stream(device=None, /) -> _Any:
    """The queue that work goes to; raises where there is no accelerator."""
    name = _required("current_stream")
    where = _flambeau.device(name if device is None else device)
    return _flambeau.Stream(where, stream_id=_C._current_stream(where))


def set_stream(stream) -> None:
    """Let work go to ``stream``."""
    if not isinstance(stream, _flambeau.Stream):
        raise TypeError(f"accelerator.set_stream: expected a stream, got {type(stream).__name__}")
    _C._set_current_stream(stream.device, stream.stream_id)


def synchronize(device=None, /) -> None:
    """Wait until all work of a device is done; raises where there is no accelerator."""
    name = _required("synchronize")
    _C._synchronize_device(name if device is None else device)


class device_index:
    """Makes a device current in a ``with`` block; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            self._before = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *exc_info) -> None:
        if self.idx is not None:
            set_device_index(self._before)
