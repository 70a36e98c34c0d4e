"""Autocast: ops compute in half precision, or in float32, as each needs."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import flambeau
from flambeau import _C

__all__ = ["autocast", "autocast_decorator", "custom_bwd", "custom_fwd", "is_autocast_available"]

_HALVES = (flambeau.bfloat16, flambeau.float16)
_AVAILABLE = ("cpu", "cuda", "xpu", "mtia", "hpu", "ipu", "xla", "mps", "maia", "privateuseone")


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a type of devices.

    Args:
        device_type: its name.

    Shape:
        - no tensors.

    Example::

        >>> is_autocast_available("cpu"), is_autocast_available("meta")
        (True, False)
    """
    if not isinstance(device_type, str):
        raise TypeError(
            "is_autocast_available(): argument 'device_type' (position 1) must be str, not "
            f"{type(device_type).__name__}"
        )
    return flambeau.device(device_type).type in _AVAILABLE


def autocast_decorator(autocast_instance, func):
    """The function, called within that scope of autocast."""

    @functools.wraps(func)
    def decorated(*args, **kwargs):
        with autocast_instance:
            return func(*args, **kwargs)

    return decorated


class autocast:
    """A scope, or a decorator, in which products and convolutions compute in half precision, what
    needs more in float32, and all else in the dtype that it is given: PyTorch's lists of ops.

    Args:
        device_type: the type of the devices whose ops are cast.
        dtype: the lower dtype; bfloat16 on the CPU when None.
        enabled: False turns autocast off within.
        cache_enabled: whether a parameter that is used several times is cast once.

    Shape:
        - tensors of any shape.

    Example::

        >>> import flambeau
        >>> x = flambeau.ones(2, 2)
        >>> with autocast("cpu"):
        ...     y = x @ x
        >>> y.dtype, (x @ x).dtype
        (torch.bfloat16, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: flambeau.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        self.device = device_type
        self.fast_dtype = _C.get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = (
            _C.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        )
        if device_type == "cuda" and enabled and not flambeau.cuda.is_available():
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling",
                stacklevel=2,
            )
            enabled = False
        if device_type == "cpu" and enabled and self.fast_dtype not in _HALVES:
            warnings.warn(
                f"In {device_type} autocast, but the target dtype is not supported. Disabling "
                f"autocast.\n{device_type} Autocast only supports dtypes of "
                f"{', '.join(map(str, _HALVES))} currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[tuple] = []

    def __enter__(self):
        kind = self.device
        self._before.append(
            (
                _C.is_autocast_enabled(kind),
                _C.get_autocast_dtype(kind),
                _C.is_autocast_cache_enabled(),
            )
        )
        _C.set_autocast_enabled(kind, self._enabled)
        _C.set_autocast_dtype(kind, self.fast_dtype)
        _C.autocast_increment_nesting()
        _C.set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> bool:
        kind = self.device
        enabled, dtype, cache = self._before.pop()
        if _C.autocast_decrement_nesting() == 0:
            _C.clear_autocast_cache()
        _C.set_autocast_enabled(kind, enabled)
        _C.set_autocast_dtype(kind, dtype)
        _C.set_autocast_cache_enabled(cache)
        return False

    def __call__(self, func):
        return autocast_decorator(self, func)


def _cast(value, device_type: str, dtype: flambeau.dtype):
    """Floating tensors of the device, other than float64, in another dtype; at any depth."""
    if isinstance(value, flambeau.Tensor):
        fits = value.is_floating_point() and value.device.type == device_type
        return value.to(dtype) if fits and value.dtype is not flambeau.float64 else value
    if isinstance(value, dict):
        return {
            _cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [_cast(v, device_type, dtype) for v in value]
        return type(value)(items) if type(value) in (list, tuple) else items
    return value


def custom_fwd(fwd=None, *, device_type: str, cast_inputs: flambeau.dtype | None = None):
    """For ``forward`` of an `autograd.Function`: what autocast is there.

    Args:
        fwd: the function.
        device_type: whose autocast.
        cast_inputs: the dtype that inputs are cast to, with autocast off within; None leaves both
            as they are.

    Shape:
        - tensors of any shape.

    Example::

        >>> import flambeau
        >>> class Square(flambeau.autograd.Function):
        ...     @staticmethod
        ...     @custom_fwd(device_type="cpu", cast_inputs=flambeau.float32)
        ...     def forward(ctx, x):
        ...         return x * x
        ...     @staticmethod
        ...     @custom_bwd(device_type="cpu")
        ...     def backward(ctx, g):
        ...         return g
        >>> with autocast("cpu"):
        ...     Square.apply(flambeau.ones(1, dtype=flambeau.bfloat16)).dtype
        torch.float32
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args, **kwargs):
        context = args[0]
        context._dtype = _C.get_autocast_dtype(device_type)
        context._fwd_used_autocast = on = _C.is_autocast_enabled(device_type)
        if cast_inputs is None:
            return fwd(*args, **kwargs)
        context._fwd_used_autocast = False
        if not on:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs)
            )

    return decorated


def custom_bwd(bwd=None, *, device_type: str):
    """For ``backward`` of an `autograd.Function` whose ``forward`` has `custom_fwd`: it runs in
    the state of autocast that forward ran in.

    Args:
        bwd: the function.
        device_type: whose autocast.

    Shape:
        - tensors of any shape.

    Example::

        >>> custom_bwd(device_type="cpu")(lambda ctx, g: g).__name__
        '<lambda>'
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args, **kwargs):
        context = args[0]
        with autocast(device_type, context._dtype, context._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return decorated
