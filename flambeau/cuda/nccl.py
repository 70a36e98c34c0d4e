"""NVIDIA's collective library: this build has none."""

import warnings

from ._device import cuda as _cuda

__all__ = ["all_gather", "all_reduce", "broadcast", "reduce", "reduce_scatter"]


def is_available(tensors) -> bool:
    """False, with a warning."""
    warnings.warn("nccl: this build has no NCCL support", stacklevel=2)
    return False


def version() -> tuple[int, ...]:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.version", AttributeError)


def unique_id() -> bytes:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.unique_id", AttributeError)


def all_reduce(inputs, outputs=None, op=0, streams=None, comms=None) -> None:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.all_reduce", AttributeError)


def reduce(inputs, output=None, root=0, op=0, streams=None, comms=None, *, outputs=None) -> None:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.reduce", AttributeError)


def broadcast(inputs, root=0, streams=None, comms=None) -> None:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.broadcast", AttributeError)


def all_gather(inputs, outputs, streams=None, comms=None) -> None:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.all_gather", AttributeError)


def reduce_scatter(inputs, outputs, op=0, streams=None, comms=None) -> None:
    """Raises: there is no NCCL."""
    _cuda.refuse("nccl.reduce_scatter", AttributeError)
