"""Autocast by its old name."""

from __future__ import annotations

import warnings

import flambeau
from flambeau import amp

__all__ = ["autocast"]


class autocast(amp.autocast):
    """Deprecated: ``amp.autocast("cpu", ...)``.

    Args:
        enabled: False turns autocast off within.
        dtype: the lower dtype.
        cache_enabled: whether a parameter that is used several times is cast once.
    """

    def __init__(
        self,
        enabled: bool = True,
        dtype: flambeau.dtype = flambeau.bfloat16,
        cache_enabled: bool = True,
    ) -> None:
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use "
            "`torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", dtype, enabled, cache_enabled)
