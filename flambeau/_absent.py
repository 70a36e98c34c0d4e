"""Accelerators that this build does not have: what `flambeau.cuda`, `flambeau.xpu` and the like
answer. Programs ask first, so questions have an answer; what needs the device raises.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any, NoReturn

import flambeau

__all__ = ["Absent", "AbsentClass", "AbsentDevice", "AbsentTensor", "NoStream", "typed_tensors"]


class Absent:
    """A kind of accelerator that is not there; modules hand out its methods as their functions.

    Args:
        name: how messages call it, ``"CUDA"``.
        type: the device type, ``"cuda"``.
        error: what a call that needs the device raises.
        hint: follows in the message.
    """

    def __init__(self, name: str, type: str, error: type[Exception], hint: str = "") -> None:
        self.name = name
        self.type = type
        self.error = error
        self.hint = hint

    def refuse(self, function: str = "", error: type[Exception] | None = None) -> NoReturn:
        """What every call that needs the device comes to. ``error``: where PyTorch's differs, as
        it does where a build without the device misses what the call is made of."""
        asked = f"{self.type}.{function}: " if function else ""
        raise (error or self.error)(
            f"{asked}Torch not compiled with {self.name} enabled{self.hint}: this build computes "
            f"on the CPU. Ask flambeau.{self.type}.is_available() first."
        )

    # ---- questions

    def is_available(self) -> bool:
        """False: this build has no such device."""
        return False

    def is_initialized(self) -> bool:
        """False: there is nothing to start."""
        return False

    def device_count(self) -> int:
        """0: this build has no such device."""
        return 0

    def is_bf16_supported(self, including_emulation: bool = True) -> bool:
        """False: there is no device to support it."""
        return False

    def is_tf32_supported(self) -> bool:
        """False: there is no device to support it."""
        return False

    def get_arch_list(self) -> list[str]:
        """Empty: kernels were compiled for no such device."""
        return []

    def get_gencode_flags(self) -> str:
        """Empty: kernels were compiled for no such device."""
        return ""

    def _is_compiled(self) -> bool:
        return False

    def _is_in_bad_fork(self) -> bool:
        return False

    def _lazy_init(self) -> NoReturn:
        self.refuse()

    # ---- devices

    def init(self) -> None:
        """Raises: there is no device to start."""
        self.refuse("init")

    def current_device(self) -> int:
        """Raises: there is no device."""
        self.refuse("current_device")

    def get_device_name(self, device=None) -> str:
        """Raises: there is no device."""
        self.refuse("get_device_name")

    def get_device_capability(self, device=None) -> Any:
        """Raises: there is no device."""
        self.refuse("get_device_capability")

    def get_device_properties(self, device=None) -> Any:
        """Raises: there is no device."""
        self.refuse("get_device_properties")

    def can_device_access_peer(self, device, peer_device) -> bool:
        """Raises: there is no device."""
        self.refuse("can_device_access_peer")

    def synchronize(self, device=None) -> None:
        """Raises: there is no device whose work could be waited for."""
        self.refuse("synchronize")

    def device_index(self, device, optional: bool = False) -> int | None:
        """The number that ``device`` names; None for the current one, where that is allowed."""
        if isinstance(device, str):
            device = flambeau.device(device)
        if isinstance(device, flambeau.device):
            if device.type != self.type:
                raise ValueError(f"Expected a {self.type} device, but got: {device}")
            device = device.index
        if isinstance(device, int):
            return device
        if not optional:
            raise ValueError(
                f"Expected a torch.device with a specified index or an integer, but got:{device}"
            )
        return None

    # ---- streams

    def current_stream(self, device=None) -> Any:
        """Raises: there is no device."""
        self.refuse("current_stream")

    def default_stream(self, device=None) -> Any:
        """Raises: there is no device."""
        self.refuse("default_stream")

    def get_stream_from_external(self, data_ptr: int, device=None) -> Any:
        """Raises: there is no device."""
        self.refuse("get_stream_from_external")

    def set_stream(self, stream) -> None:
        """Does nothing with None, the only stream that there is."""
        if stream is not None:
            self.refuse("set_stream")

    # ---- memory

    def empty_cache(self) -> None:
        """Does nothing: no memory of such a device is kept."""

    def memory_allocated(self, device=None) -> int:
        """0 bytes."""
        return 0

    def max_memory_allocated(self, device=None) -> int:
        """0 bytes."""
        return 0

    def memory_reserved(self, device=None) -> int:
        """0 bytes."""
        return 0

    def max_memory_reserved(self, device=None) -> int:
        """0 bytes."""
        return 0

    def memory_stats(self, device=None) -> dict[str, Any]:
        """Empty: nothing is counted."""
        return OrderedDict()

    def memory_stats_as_nested_dict(self, device=None) -> dict[str, Any]:
        """Empty: nothing is counted."""
        return {}

    def mem_get_info(self, device=None) -> tuple[int, int]:
        """Raises: there is no device."""
        self.refuse("mem_get_info")

    def get_per_process_memory_fraction(self, device=None) -> float:
        """Raises: there is no device."""
        self.refuse("get_per_process_memory_fraction")

    def set_per_process_memory_fraction(self, fraction: float, device=None) -> None:
        """Raises: there is no device."""
        self.refuse("set_per_process_memory_fraction")

    def reset_peak_memory_stats(self, device=None) -> None:
        """Raises: nothing is counted."""
        self.refuse("reset_peak_memory_stats", AttributeError)

    def reset_accumulated_memory_stats(self, device=None) -> None:
        """Raises: nothing is counted."""
        self.refuse("reset_accumulated_memory_stats", AttributeError)

    @contextmanager
    def use_mem_pool(self, pool, device=None):
        """Raises when entered: there is no device."""
        self.refuse("use_mem_pool")
        yield

    # ---- random numbers: the seeds are for devices that a program could still get

    def manual_seed(self, seed: int) -> None:
        """Takes a seed for the current device, of which there is none."""
        int(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Takes a seed for all devices, of which there are none."""
        int(seed)

    def seed(self) -> None:
        """Does nothing: there is no generator."""

    def seed_all(self) -> None:
        """Does nothing: there is no generator."""

    def initial_seed(self) -> int:
        """Raises: there is no generator."""
        self.refuse("initial_seed")

    def get_rng_state(self, device=None) -> flambeau.Tensor:
        """Raises: there is no generator."""
        self.refuse("get_rng_state")

    def get_rng_state_all(self) -> list[flambeau.Tensor]:
        """Empty: there are no generators."""
        return []

    def set_rng_state(self, new_state: flambeau.Tensor, device=None) -> None:
        """Takes a state for the generator of a device, of which there is none."""

    def set_rng_state_all(self, new_states: Iterable[flambeau.Tensor]) -> None:
        """Takes a state for each generator, of which there are none."""


class AbsentClass:
    """Base of classes whose instances would live on an absent device: making one raises."""

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(
            f"Tried to instantiate dummy base class {cls.__name__}: {cls.__module__}."
            f"{cls.__name__} needs a device that this build does not have."
        )


class AbsentDevice:
    """Makes a device current in a ``with`` block; None and negative numbers change nothing."""

    _kind: Absent

    def __init__(self, device) -> None:
        self.idx = self._kind.device_index(device, optional=True)

    def __enter__(self) -> None:
        if self.idx is not None and self.idx >= 0:
            self._kind.refuse("device", RuntimeError)

    def __exit__(self, type, value, traceback) -> None:
        pass


class NoStream:
    """Selects no stream, which is all that there is; entered with another one it raises."""

    def __init__(self, stream) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            raise RuntimeError("stream: this build has no device that has streams")

    def __exit__(self, type, value, traceback) -> None:
        pass


class AbsentTensor(type):
    """An old type of tensors on a device that is not there: nothing is an instance."""

    dtype: flambeau.dtype

    def __call__(cls, *args, **kwargs):
        raise TypeError(
            f"type {cls.__module__}.{cls.__name__} not available: Torch not compiled with CUDA "
            "enabled. Make the tensor with flambeau.empty(..., dtype=...)."
        )

    def __instancecheck__(cls, instance) -> bool:
        return False


def typed_tensors(module: str) -> dict[str, AbsentTensor]:
    """The old types of tensors, ``FloatTensor`` and so on, of ``module``."""
    names = {
        "BFloat16Tensor": flambeau.bfloat16,
        "BoolTensor": flambeau.bool,
        "ByteTensor": flambeau.uint8,
        "CharTensor": flambeau.int8,
        "DoubleTensor": flambeau.float64,
        "FloatTensor": flambeau.float32,
        "HalfTensor": flambeau.float16,
        "IntTensor": flambeau.int32,
        "LongTensor": flambeau.int64,
        "ShortTensor": flambeau.int16,
    }
    return {
        name: AbsentTensor(name, (), {"__module__": module, "dtype": dtype})
        for name, dtype in names.items()
    }
