"""What a program sets once for all: the default device and tensor type, and what it asks of
algorithms."""

from __future__ import annotations

import flambeau

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_autocast_cpu_dtype",
    "get_autocast_gpu_dtype",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "is_autocast_cpu_enabled",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_autocast_cpu_dtype",
    "set_autocast_cpu_enabled",
    "set_autocast_gpu_dtype",
    "set_default_device",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "use_deterministic_algorithms",
]

# ---- where new tensors are


def get_default_device() -> flambeau.device:
    """Where functions that make tensors put them when they are not told.

    >>> flambeau.get_default_device()
    device(type='cpu')
    """
    from flambeau.utils._device import innermost

    context = innermost()
    return flambeau.device("cpu") if context is None else context.device


def set_default_device(device) -> None:
    """Where functions that make tensors put them, in this thread, when they are not told; None
    for the CPU.

    >>> flambeau.set_default_device("meta")
    >>> flambeau.ones(2).device
    device(type='meta')
    >>> flambeau.set_default_device(None)
    """
    from flambeau.utils._device import replace_default

    replace_default(device)


def set_default_tensor_type(t) -> None:
    """The default dtype by the old name of a type: ``torch.DoubleTensor``, or it as text."""
    from flambeau._tensor import dtype_of_type

    dtype = dtype_of_type(t, "set_default_tensor_type")
    if not dtype.is_floating_point:
        raise TypeError(
            "set_default_tensor_type: only floating-point types are supported as the default "
            f"type, but got {t}"
        )
    flambeau.set_default_dtype(dtype)


# ---- how exact and how alike from run to run

_deterministic = False
_warn_only = False


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same results in every run. Every algorithm here gives them, so this only changes
    the answer of `are_deterministic_algorithms_enabled`.

    Args:
        mode: whether to ask for it.
        warn_only: whether an algorithm that is not so should only warn; there is none.
    """
    global _deterministic, _warn_only
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms: mode must be a bool, not {type(mode)}")
    _deterministic, _warn_only = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told last.

    >>> flambeau.are_deterministic_algorithms_enabled()
    False
    """
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """The ``warn_only`` that `use_deterministic_algorithms` was told last."""
    return _warn_only


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: nothing is asked of algorithms, a warning of those that differ from run to run,
    or an error."""
    return (1 if _warn_only else 2) if _deterministic else 0


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by number or word: 0 ``"default"``, 1 ``"warn"``, 2
    ``"error"``."""
    words = ("default", "warn", "error")
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(
            "set_deterministic_debug_mode: debug_mode must be str or int, but got "
            f"{type(debug_mode)}"
        )
    if debug_mode not in (*words, *range(len(words))):
        raise RuntimeError(
            "set_deterministic_debug_mode: invalid value of debug_mode, expected one of `default`, "
            f"`warn`, `error`, 0, 1, 2, but got {debug_mode}"
        )
    mode = words.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


_precision = "highest"


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told last.

    >>> flambeau.get_float32_matmul_precision()
    'highest'
    """
    return _precision


def set_float32_matmul_precision(precision: str) -> None:
    """How exact products of ``float32`` matrices have to be at least: ``"highest"``, ``"high"`` or
    ``"medium"``. On the CPU they are always as exact as ``float32`` is, which satisfies all."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"set_float32_matmul_precision: {precision!r} is not one of 'highest', 'high', 'medium'"
        )
    _precision = precision


# ---- autocast by the names that it had when there was one for each kind of device


def _renamed(old: str, new: str) -> None:
    import warnings

    warnings.warn(
        f"torch.{old} is deprecated. Please use torch.{new} instead.",
        DeprecationWarning,
        stacklevel=3,
    )


def is_autocast_cpu_enabled() -> bool:
    """The old name of ``is_autocast_enabled("cpu")``."""
    _renamed("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return flambeau.is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The old name of ``set_autocast_enabled("cpu", enabled)``."""
    _renamed("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    flambeau.set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> flambeau.dtype:
    """The old name of ``get_autocast_dtype("cpu")``."""
    _renamed("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return flambeau.get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: flambeau.dtype) -> None:
    """The old name of ``set_autocast_dtype("cpu", dtype)``."""
    _renamed("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    flambeau.set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> flambeau.dtype:
    """The old name of ``get_autocast_dtype("cuda")``."""
    _renamed("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return flambeau.get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: flambeau.dtype) -> None:
    """The old name of ``set_autocast_dtype("cuda", dtype)``."""
    _renamed("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    flambeau.set_autocast_dtype("cuda", dtype)
