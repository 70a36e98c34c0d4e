"""Memory of an accelerator: there is none."""

from __future__ import annotations

from typing import Any

from ._device import refuse as _refuse

__all__ = [
    "empty_cache",
    "empty_host_cache",
    "get_memory_info",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
]


def empty_cache() -> None:
    """Raises: there is no accelerator."""
    _refuse("empty_cache")


def empty_host_cache() -> None:
    """Raises: there is no accelerator."""
    _refuse("empty_host_cache")


def get_memory_info(device_index=None, /) -> tuple[int, int]:
    """Raises: there is no accelerator."""
    _refuse("get_memory_info")


def max_memory_allocated(device_index=None, /) -> int:
    """Raises: there is no accelerator."""
    _refuse("max_memory_allocated")


def max_memory_reserved(device_index=None, /) -> int:
    """Raises: there is no accelerator."""
    _refuse("max_memory_reserved")


def memory_allocated(device_index=None, /) -> int:
    """Raises: there is no accelerator."""
    _refuse("memory_allocated")


def memory_reserved(device_index=None, /) -> int:
    """Raises: there is no accelerator."""
    _refuse("memory_reserved")


def memory_stats(device_index=None, /) -> dict[str, Any]:
    """Raises: there is no accelerator."""
    _refuse("memory_stats")


def reset_accumulated_memory_stats(device_index=None, /) -> None:
    """Raises: there is no accelerator."""
    _refuse("reset_accumulated_memory_stats")


def reset_peak_memory_stats(device_index=None, /) -> None:
    """Raises: there is no accelerator."""
    _refuse("reset_peak_memory_stats")
