"""NVIDIA's profiler: there is no device to profile."""

from contextlib import contextmanager

from ._device import cuda as _cuda

__all__ = ["profile", "start", "stop"]


def start() -> None:
    """Raises: there is no device."""
    _cuda.refuse("profiler.start")


def stop() -> None:
    """Raises: there is no device."""
    _cuda.refuse("profiler.stop")


@contextmanager
def profile():
    """Raises when entered: there is no device."""
    start()
    yield
