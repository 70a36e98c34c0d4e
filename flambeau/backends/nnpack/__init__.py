"""NNPACK: this build has none."""

import sys

from flambeau.backends._settings import Setting, Settings

__all__ = ["flags", "is_available", "set_flags"]


class _Nnpack(Settings):
    enabled = Setting(True)


_Nnpack.become(__name__)


def _self() -> _Nnpack:
    return sys.modules[__name__]  # type: ignore[return-value]


def is_available() -> bool:
    """False: this build does not have it."""
    return False


def set_flags(_enabled: bool) -> tuple:
    """Sets whether it would be used; gives what it was."""
    return _self()._change(enabled=_enabled)


def flags(enabled: bool = False):
    """Settings for a ``with`` block."""
    return _self()._changed(enabled=enabled)
