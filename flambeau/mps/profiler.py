"""Traces of MPS: there is no device to trace."""

from contextlib import contextmanager

from ._device import mps as _mps

__all__ = [
    "is_capturing_metal",
    "is_metal_capture_enabled",
    "metal_capture",
    "profile",
    "start",
    "stop",
]


def start(mode: str = "interval", wait_until_completed: bool = False) -> None:
    """Raises: there is no device."""
    _mps.refuse("profiler.start")


def stop() -> None:
    """Raises: there is no device."""
    _mps.refuse("profiler.stop")


@contextmanager
def profile(mode: str = "interval", wait_until_completed: bool = False):
    """Raises when entered: there is no device."""
    start(mode, wait_until_completed)
    yield


def is_metal_capture_enabled() -> bool:
    """Raises: there is no Metal."""
    _mps.refuse("profiler.is_metal_capture_enabled", AttributeError)


def is_capturing_metal() -> bool:
    """Raises: there is no Metal."""
    _mps.refuse("profiler.is_capturing_metal", AttributeError)


@contextmanager
def metal_capture(fname: str):
    """Raises when entered: there is no Metal."""
    _mps.refuse("profiler.metal_capture", AttributeError)
    yield
