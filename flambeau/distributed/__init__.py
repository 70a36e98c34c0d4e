"""Training on many processes: this build has none of it, and says so when asked."""

from __future__ import annotations

import os as _os
from typing import NoReturn as _NoReturn

__all__ = [
    "DistBackendError",
    "DistError",
    "DistNetworkError",
    "DistStoreError",
    "ProcessGroup",
    "QueueEmptyError",
    "get_rank",
    "get_world_size",
    "is_available",
    "is_backend_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "is_ucc_available",
    "is_xccl_available",
]


class DistError(RuntimeError):
    """Something between processes has failed."""


class DistBackendError(DistError):
    """What moves tensors between processes has failed."""


class DistNetworkError(DistError):
    """The network between processes has failed."""


class DistStoreError(DistError):
    """The store that processes share has failed."""


class QueueEmptyError(DistStoreError):
    """A queue of the store is empty."""


class ProcessGroup:
    """Stands for a group of processes in annotations."""


def is_available() -> bool:
    """False: this build has no communication between processes."""
    return False


def is_initialized() -> bool:
    """False: there is no group of processes."""
    return False


def is_backend_available(backend: str) -> bool:
    """False: there is none."""
    return False


def is_gloo_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


def is_ucc_available() -> bool:
    """False."""
    return False


def is_xccl_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether ``torchrun`` started this process, which sets ``TORCHELASTIC_RUN_ID``."""
    return _os.environ.get("TORCHELASTIC_RUN_ID") is not None


def _refuse(function: str) -> _NoReturn:
    raise ValueError(
        f"distributed.{function}: Default process group has not been initialized, and this build "
        "has none. Ask flambeau.distributed.is_available() first."
    )


def get_rank(group: ProcessGroup | None = None) -> int:
    """Raises: there is no group of processes."""
    _refuse("get_rank")


def get_world_size(group: ProcessGroup | None = None) -> int:
    """Raises: there is no group of processes."""
    _refuse("get_world_size")
