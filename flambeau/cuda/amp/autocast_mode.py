"""Autocasting on CUDA, which is off without a device."""

from __future__ import annotations

import functools
import warnings

import flambeau

__all__ = ["autocast", "custom_bwd", "custom_fwd"]


def deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"`flambeau.cuda.amp.{name}(args...)` is deprecated. Please use `{instead}` instead.",
        FutureWarning,
        stacklevel=3,
    )


class autocast:
    """Would run ops in half precision inside a ``with`` block or a decorated function. Without a
    device it says so and changes nothing.

    Args:
        enabled: whether it was wanted; False asks for what happens anyway, without a warning.
        dtype: what ops would be cast to.
        cache_enabled: whether casts of weights would be kept.
    """

    def __init__(
        self,
        enabled: bool = True,
        dtype: flambeau.dtype = flambeau.float16,
        cache_enabled: bool = True,
    ) -> None:
        deprecated("autocast", "torch.amp.autocast('cuda', args...)")
        if enabled:
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling",
                stacklevel=2,
            )
        self.device = "cuda"
        self.fast_dtype = dtype

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        pass

    def __call__(self, func):
        @functools.wraps(func)
        def decorated(*args, **kwargs):
            with self:
                return func(*args, **kwargs)

        return decorated


def custom_fwd(fwd=None, *, cast_inputs: flambeau.dtype | None = None):
    """Decorates the ``forward`` of a custom Function; inputs are cast where autocasting is on,
    which on CUDA it never is."""
    deprecated("custom_fwd", "torch.amp.custom_fwd(args..., device_type='cuda')")
    if fwd is None:
        return functools.partial(_without_autocast)
    return _without_autocast(fwd)


def _without_autocast(fwd):
    @functools.wraps(fwd)
    def decorated(ctx, *args, **kwargs):
        ctx._fwd_used_autocast = False
        return fwd(ctx, *args, **kwargs)

    return decorated


def custom_bwd(bwd):
    """Decorates the ``backward`` of a custom Function, which runs in the state of its forward."""
    deprecated("custom_bwd", "torch.amp.custom_bwd(args..., device_type='cuda')")

    @functools.wraps(bwd)
    def decorated(*args, **kwargs):
        return bwd(*args, **kwargs)

    return decorated
