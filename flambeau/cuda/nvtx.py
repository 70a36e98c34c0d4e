"""Marks for NVIDIA's tools: this build makes none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import NoReturn

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]


def _refuse(function: str) -> NoReturn:
    raise RuntimeError(
        f"nvtx.{function}: NVTX functions not installed. This build computes on the CPU."
    )


def range_push(msg: str) -> int:
    """Raises: there is no NVTX."""
    _refuse("range_push")


def range_pop() -> int:
    """Raises: there is no NVTX."""
    _refuse("range_pop")


def range_start(msg: str) -> int:
    """Raises: there is no NVTX."""
    _refuse("range_start")


def range_end(range_id: int) -> None:
    """Raises: there is no NVTX."""
    _refuse("range_end")


def mark(msg: str) -> None:
    """Raises: there is no NVTX."""
    _refuse("mark")


@contextmanager
def range(msg: str, *args, **kwargs):
    """Raises when entered: there is no NVTX."""
    _refuse("range")
    yield
