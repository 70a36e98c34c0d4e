"""NVIDIA GPUs: this build has none, and answers as PyTorch's builds for the CPU do.

``is_available()`` is False, ``device_count()`` 0, seeds are taken, counters are 0; what needs a
device raises AssertionError.
"""

from __future__ import annotations

from typing import Any as _Any
from typing import NoReturn as _NoReturn

from flambeau import OutOfMemoryError as OutOfMemoryError
from flambeau import _absent

from . import amp, graphs, memory, nccl, nvtx, profiler, random, streams  # noqa: F401
from ._device import cuda as _cuda
from .graphs import *  # noqa: F403
from .memory import *  # noqa: F403
from .random import *  # noqa: F403
from .streams import *  # noqa: F403

is_available = _cuda.is_available
is_initialized = _cuda.is_initialized
device_count = _cuda.device_count
is_bf16_supported = _cuda.is_bf16_supported
is_tf32_supported = _cuda.is_tf32_supported
get_arch_list = _cuda.get_arch_list
get_gencode_flags = _cuda.get_gencode_flags
init = _cuda.init
current_device = _cuda.current_device
get_device_name = _cuda.get_device_name
get_device_capability = _cuda.get_device_capability
get_device_properties = _cuda.get_device_properties
can_device_access_peer = _cuda.can_device_access_peer
synchronize = _cuda.synchronize
current_stream = _cuda.current_stream
default_stream = _cuda.default_stream
get_stream_from_external = _cuda.get_stream_from_external
set_stream = _cuda.set_stream
StreamContext = stream = _absent.NoStream

_is_compiled = _cuda._is_compiled
_is_in_bad_fork = _cuda._is_in_bad_fork
_lazy_init = _cuda._lazy_init
_get_device_index = _cuda.device_index
_initialized = False

default_generators: tuple[()] = ()
has_half = True
has_magma = False


class DeferredCudaCallError(Exception):
    """A call that waited for CUDA to start has failed."""


class cudaStatus:
    """Codes of the CUDA runtime."""

    SUCCESS = 0
    ERROR_NOT_READY = 34


class CudaError(RuntimeError):
    """A code of the CUDA runtime as an exception; raises AttributeError without the runtime."""

    def __init__(self, code: int) -> None:
        _cuda.refuse("CudaError", AttributeError)


class device(_absent.AbsentDevice):
    """Makes a device current in a ``with`` block; None and negative numbers change nothing."""

    _kind = _cuda


class device_of(device):
    """Makes a tensor's device current in a ``with`` block; that of a CPU tensor is none."""

    def __init__(self, obj) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def set_device(device) -> None:
    """Raises, unless the number is negative: there is no device."""
    if (_cuda.device_index(device) or 0) >= 0:
        _cuda.refuse("set_device", AttributeError)


def check_error(res: int) -> _NoReturn:
    """Raises: there is no CUDA runtime whose codes could be read."""
    _cuda.refuse("check_error", AttributeError)


def cudart() -> _Any:
    """Raises: there is no CUDA runtime."""
    _cuda.refuse("cudart")


def current_blas_handle() -> _Any:
    """Raises: there is no cuBLAS."""
    _cuda.refuse("current_blas_handle")


def current_solver_handle() -> _Any:
    """Raises: there is no cuSOLVER."""
    _cuda.refuse("current_solver_handle")


def ipc_collect() -> None:
    """Raises: there is no memory of CUDA to collect."""
    _cuda.refuse("ipc_collect")


def get_sync_debug_mode() -> int:
    """Raises: there is no device."""
    _cuda.refuse("get_sync_debug_mode")


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """Raises: there is no device."""
    _cuda.refuse("set_sync_debug_mode")


def _lazy_call(callable, **kwargs) -> None:
    # It would wait for a start that never comes.
    pass


def _from_nvml(function: str) -> _NoReturn:
    raise ModuleNotFoundError(f"cuda.{function}: nvidia-ml-py can't be imported: there is no GPU")


def utilization(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("utilization")


def memory_usage(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("memory_usage")


def device_memory_used(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("device_memory_used")


def temperature(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("temperature")


def power_draw(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("power_draw")


def clock_rate(device=None) -> int:
    """Raises: there is no device to measure."""
    _from_nvml("clock_rate")


def __getattr__(name: str) -> _Any:
    tensors = _absent.typed_tensors(__name__)
    if name not in tensors:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals().update(tensors)
    return tensors[name]
