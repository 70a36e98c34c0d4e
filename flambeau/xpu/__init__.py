"""Intel GPUs: this build has none, and answers as PyTorch's builds for the CPU do."""

from __future__ import annotations

from typing import Any as _Any

from flambeau import _absent

from . import graphs, memory, random, streams  # noqa: F401
from ._device import xpu as _xpu
from .graphs import *  # noqa: F403
from .memory import *  # noqa: F403
from .random import *  # noqa: F403
from .streams import *  # noqa: F403

is_available = _xpu.is_available
is_initialized = _xpu.is_initialized
device_count = _xpu.device_count
is_bf16_supported = _xpu.is_bf16_supported
is_tf32_supported = _xpu.is_tf32_supported
get_arch_list = _xpu.get_arch_list
get_gencode_flags = _xpu.get_gencode_flags
init = _xpu.init
current_device = _xpu.current_device
get_device_name = _xpu.get_device_name
get_device_capability = _xpu.get_device_capability
get_device_properties = _xpu.get_device_properties
synchronize = _xpu.synchronize
current_stream = _xpu.current_stream
get_stream_from_external = _xpu.get_stream_from_external
set_stream = _xpu.set_stream
StreamContext = stream = _absent.NoStream

_is_compiled = _xpu._is_compiled
_is_in_bad_fork = _xpu._is_in_bad_fork
_lazy_init = _xpu._lazy_init

default_generators: tuple[()] = ()


class device(_absent.AbsentDevice):
    """Makes a device current in a ``with`` block; None and negative numbers change nothing."""

    _kind = _xpu


class device_of(device):
    """Makes a tensor's device current in a ``with`` block; that of a CPU tensor is none."""

    def __init__(self, obj) -> None:
        super().__init__(obj.get_device() if obj.device.type == "xpu" else -1)


def can_device_access_peer(device, peer) -> bool:
    """Raises: there is no device."""
    _xpu.refuse("can_device_access_peer")


def set_device(device) -> None:
    """Raises: there is no device."""
    _xpu.refuse("set_device")


def _from_pyzes(function: str) -> _Any:
    raise ImportError(f"xpu.{function}: pyzes is required, and there is no GPU to measure")


def utilization(device=None) -> float:
    """Raises: there is no device to measure."""
    return _from_pyzes("utilization")


def memory_usage(device=None) -> float:
    """Raises: there is no device to measure."""
    return _from_pyzes("memory_usage")


def device_memory_used(device=None) -> int:
    """Raises: there is no device to measure."""
    return _from_pyzes("device_memory_used")


def temperature(device=None) -> float:
    """Raises: there is no device to measure."""
    return _from_pyzes("temperature")


def power_draw(device=None) -> float:
    """Raises: there is no device to measure."""
    return _from_pyzes("power_draw")


def clock_rate(device=None) -> float:
    """Raises: there is no device to measure."""
    return _from_pyzes("clock_rate")
