"""What each library or device can do, and how programs set it."""

from flambeau.backends import (
    _settings,
    cpu,
    cuda,
    cudnn,
    cusparselt,
    kleidiai,
    mha,
    miopen,
    mkl,
    mkldnn,
    mps,
    nnpack,
    openmp,
    opt_einsum,
    quantized,
)
from flambeau.backends._settings import Settings as _Settings
from flambeau.backends._settings import precision as _precision

__all__ = [
    "cpu",
    "cuda",
    "cudnn",
    "cusparselt",
    "kleidiai",
    "mha",
    "miopen",
    "mkl",
    "mkldnn",
    "mps",
    "nnpack",
    "openmp",
    "opt_einsum",
    "quantized",
]

fp32_precision: str


class _Backends(_Settings):
    fp32_precision = _precision()


_Backends.become(__name__)


def _self() -> _Backends:
    import sys

    return sys.modules[__name__]  # type: ignore[return-value]


def set_flags(_fp32_precision: str = "none") -> tuple:
    """Sets the precision of all backends; gives what it was.

    >>> flambeau.backends.set_flags("none")
    ('none',)
    """
    return _self()._change(fp32_precision=_fp32_precision)


def flags(fp32_precision: str = "none"):
    """Sets the precision of all backends inside a ``with`` block."""
    return _self()._changed(fp32_precision=fp32_precision)


def disable_global_flags() -> None:
    """From now on settings change inside ``with flags(...)`` alone."""
    _settings.freeze()


def flags_frozen() -> bool:
    """Whether `disable_global_flags` was called."""
    return _settings.frozen()
