"""cuDNN: this build has none; settings are kept and change nothing."""

import sys

import flambeau
from flambeau.backends._settings import Setting, Settings, precision

__all__ = [
    "CUDNN_TENSOR_DTYPES",
    "allow_tf32",
    "benchmark",
    "benchmark_limit",
    "conv",
    "depthwise_kernel",
    "deterministic",
    "enabled",
    "flags",
    "fp32_precision",
    "is_acceptable",
    "is_available",
    "rnn",
    "set_flags",
    "version",
]

enabled: bool
benchmark: bool
benchmark_limit: int | None
deterministic: bool
allow_tf32: bool
fp32_precision: str
depthwise_kernel: str

CUDNN_TENSOR_DTYPES = {flambeau.half, flambeau.float, flambeau.double}


class _Precision(Settings):
    fp32_precision = precision("tf32")


class _Cudnn(Settings):
    enabled = Setting(True)
    benchmark = Setting(False)
    # Without the library there is no limit, whatever is set.
    benchmark_limit = property(lambda self: None, lambda self, value: None)
    deterministic = Setting(False)
    allow_tf32 = Setting(True)
    fp32_precision = precision()
    depthwise_kernel = Setting("auto", str)


_Cudnn.become(__name__)
conv = _Precision(f"{__name__}.conv")

from . import rnn  # noqa: E402


def _self() -> _Cudnn:
    return sys.modules[__name__]  # type: ignore[return-value]


def is_available() -> bool:
    """False: this build does not have it."""
    return False


def version() -> int | None:
    """None: there is no cuDNN."""
    return None


def is_acceptable(tensor) -> bool:
    """False: no tensor is on a device that cuDNN could use."""
    return False


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
    _depthwise_kernel: str | None = None,
) -> tuple:
    """Sets what is not None; gives all as they were."""
    return _self()._change(
        enabled=_enabled,
        benchmark=_benchmark,
        benchmark_limit=_benchmark_limit,
        deterministic=_deterministic,
        allow_tf32=_allow_tf32,
        fp32_precision=_fp32_precision,
        depthwise_kernel=_depthwise_kernel,
    )


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
    depthwise_kernel: str = "auto",
):
    """Settings for a ``with`` block."""
    return _self()._changed(
        enabled=enabled,
        benchmark=benchmark,
        benchmark_limit=benchmark_limit,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
        fp32_precision=fp32_precision,
        depthwise_kernel=depthwise_kernel,
    )
