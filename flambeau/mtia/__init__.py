"""Meta's accelerators: this build has none, and answers as PyTorch's builds for the CPU do."""

from __future__ import annotations

from typing import Any as _Any

from flambeau import _absent

# Its runtime, not its device, is what most calls miss, and PyTorch tells the two apart.
_mtia = _absent.Absent("MTIA", "mtia", RuntimeError)

is_available = _mtia.is_available
is_initialized = _mtia.is_initialized
device_count = _mtia.device_count
current_device = _mtia.current_device
get_device_capability = _mtia.get_device_capability
get_device_properties = _mtia.get_device_properties
synchronize = _mtia.synchronize
current_stream = _mtia.current_stream
default_stream = _mtia.default_stream
set_stream = _mtia.set_stream
memory_allocated = _mtia.memory_allocated
max_memory_allocated = _mtia.max_memory_allocated
memory_stats = _mtia.memory_stats_as_nested_dict
manual_seed = _mtia.manual_seed
manual_seed_all = _mtia.manual_seed_all
seed = _mtia.seed
seed_all = _mtia.seed_all
get_rng_state_all = _mtia.get_rng_state_all

_is_compiled = _mtia._is_compiled
_is_in_bad_fork = _mtia._is_in_bad_fork

default_generators: tuple[()] = ()


class DeferredMtiaCallError(Exception):
    """A call that waited for MTIA to start has failed."""


class device(_absent.AbsentDevice):
    """Makes a device current in a ``with`` block: entered, it raises."""

    _kind = _mtia

    def __enter__(self) -> None:
        self._kind.refuse("device")


class StreamContext(_absent.NoStream):
    """Selects a stream in a ``with`` block: entered, it raises."""

    def __enter__(self) -> None:
        _mtia.refuse("stream")


stream = StreamContext


class MTIAGraph(_absent.AbsentClass):
    """Recorded work of a device; making one raises RuntimeError."""


class graph(_absent.AbsentClass):
    """Records work into an `MTIAGraph`; making one raises RuntimeError."""


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """True: every such device supports it."""
    return True


def is_fbcode() -> bool:
    """False."""
    return False


def is_prod() -> bool:
    """False."""
    return False


def init() -> None:
    """Raises: there is no device to start."""
    _mtia.refuse("init", AssertionError)


def initial_seed() -> int:
    """Raises: there is no generator."""
    _mtia.refuse("initial_seed", AssertionError)


def get_rng_state(device="mtia") -> _Any:
    """Raises: there is no generator."""
    _mtia.refuse("get_rng_state", AssertionError)


def set_rng_state(new_state, device="mtia") -> None:
    """Raises: there is no generator."""
    _mtia.refuse("set_rng_state")


def set_rng_state_all(new_states) -> None:
    """Takes a state for each generator, of which there are none."""


def set_device(device) -> None:
    """Raises, unless the number is negative: there is no device."""
    if (_mtia.device_index(device) or 0) >= 0:
        _mtia.refuse("set_device")


def empty_cache() -> None:
    """Raises: there is no allocator."""
    _mtia.refuse("empty_cache")


def reset_peak_memory_stats(device=None) -> None:
    """Does nothing: nothing is counted."""


def attach_out_of_memory_observer(observer) -> None:
    """Raises: there is no allocator."""
    _mtia.refuse("attach_out_of_memory_observer")


def record_memory_history(
    enabled: str | None = "all", stacks: str = "python", max_entries: int = 0
) -> None:
    """Does nothing: there is no allocator whose history could be kept."""


def snapshot() -> dict[str, _Any]:
    """Raises: there is no allocator."""
    _mtia.refuse("snapshot")


def graph_pool_handle() -> _Any:
    """Raises: there is no device."""
    _mtia.refuse("graph_pool_handle")
