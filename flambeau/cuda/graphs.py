"""Recorded work of CUDA: there is no device to record."""

from __future__ import annotations

from typing import Any

from flambeau._absent import AbsentClass

from ._device import cuda as _cuda

__all__ = [
    "CUDAGraph",
    "graph",
    "graph_pool_handle",
    "is_current_stream_capturing",
    "make_graphed_callables",
]


class CUDAGraph(AbsentClass):
    """Recorded work of a device; making one raises RuntimeError."""


class graph(AbsentClass):
    """Records work into a `CUDAGraph`; making one raises RuntimeError."""


def graph_pool_handle() -> Any:
    """Raises: there is no device."""
    _cuda.refuse("graph_pool_handle", RuntimeError)


def is_current_stream_capturing() -> bool:
    """Raises: there is no stream."""
    _cuda.refuse("is_current_stream_capturing", RuntimeError)


def make_graphed_callables(
    callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None
) -> Any:
    """Raises: there is no device to record."""
    _cuda.refuse("make_graphed_callables", RuntimeError)
