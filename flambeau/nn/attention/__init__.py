"""Which implementation of attention may be used, and masks that attention knows."""

from __future__ import annotations

import contextlib
import enum

from flambeau.backends import cuda as _settings

from . import _implementations, bias
from ._implementations import *  # noqa: F403

__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "bias", "sdpa_kernel"]
__all__ += _implementations.__all__

# Whether PyTorch says why an implementation cannot be used; there is one here, so nothing is said.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """The implementations of `flambeau.nn.functional.scaled_dot_product_attention` that PyTorch
    knows.

    Example::

        >>> SDPBackend.MATH
        <SDPBackend.MATH: 0>
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


# Backend -> how it is asked for and set.
_SWITCHES = {
    SDPBackend.FLASH_ATTENTION: (_settings.flash_sdp_enabled, _settings.enable_flash_sdp),
    SDPBackend.EFFICIENT_ATTENTION: (
        _settings.mem_efficient_sdp_enabled,
        _settings.enable_mem_efficient_sdp,
    ),
    SDPBackend.MATH: (_settings.math_sdp_enabled, _settings.enable_math_sdp),
    SDPBackend.CUDNN_ATTENTION: (_settings.cudnn_sdp_enabled, _settings.enable_cudnn_sdp),
}


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """The backends that are allowed."""
    return [backend for backend, (enabled, _) in _SWITCHES.items() if enabled()]


@contextlib.contextmanager
def sdpa_kernel(backends, set_priority: bool = False):
    """Allow only some backends, while it is active.

    The CPU has one implementation, which gives what each of them gives; it is used whichever is
    allowed.

    Args:
        backends: a `SDPBackend`, or a list of them.
        set_priority: whether their order says which one is preferred; there is one to choose from.

    Example::

        >>> with sdpa_kernel(SDPBackend.MATH):
        ...     _cur_sdpa_kernel_backends()
        [<SDPBackend.MATH: 0>]
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            f"Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends)}"
        )
    wanted = set([backends] if isinstance(backends, SDPBackend) else backends)
    before = _cur_sdpa_kernel_backends()
    try:
        for backend, (_, enable) in _SWITCHES.items():
            enable(backend in wanted)
        yield {}
    finally:
        for backend, (_, enable) in _SWITCHES.items():
            enable(backend in before)
