"""oneDNN: this build has products and convolutions of its own."""

import sys

from flambeau.backends._settings import Setting, Settings, precision

__all__ = [
    "VERBOSE_OFF",
    "VERBOSE_ON",
    "VERBOSE_ON_CREATION",
    "allow_tf32",
    "conv",
    "deterministic",
    "enabled",
    "flags",
    "fp32_precision",
    "is_acl_available",
    "is_available",
    "matmul",
    "rnn",
    "set_flags",
    "verbose",
]

VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2

enabled: bool
deterministic: bool
allow_tf32: bool | None
fp32_precision: str


class _Precision(Settings):
    fp32_precision = precision()


class _Mkldnn(Settings):
    enabled = Setting(True)
    deterministic = Setting(False)
    allow_tf32 = Setting(None, bool, type(None))
    fp32_precision = precision()


_Mkldnn.become(__name__)
matmul = _Precision(f"{__name__}.matmul")
conv = _Precision(f"{__name__}.conv")
rnn = _Precision(f"{__name__}.rnn")


def _self() -> _Mkldnn:
    return sys.modules[__name__]  # type: ignore[return-value]


def is_available() -> bool:
    """False: this build does not have it."""
    return False


def is_acl_available() -> bool:
    """False: this build does not have Arm's library."""
    return False


def set_flags(
    _enabled: bool | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
) -> tuple:
    """Sets what is not None; gives all as they were."""
    return _self()._change(
        enabled=_enabled,
        deterministic=_deterministic,
        allow_tf32=_allow_tf32,
        fp32_precision=_fp32_precision,
    )


def flags(
    enabled: bool = False,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
):
    """Settings for a ``with`` block."""
    return _self()._changed(
        enabled=enabled,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
        fp32_precision=fp32_precision,
    )


class verbose:
    """Would have the library tell of its calls inside a ``with`` block: entered, it raises, since
    there is no library."""

    def __init__(self, level) -> None:
        self.level = level

    def __enter__(self):
        if self.level == VERBOSE_OFF:
            return self
        raise RuntimeError(
            "mkldnn.verbose: Failed to set oneDNN into verbose mode: this build has no oneDNN."
        )

    def __exit__(self, exc_type, exc_val, exc_tb) -> bool:
        return False
