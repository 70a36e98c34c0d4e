"""AMD's MIOpen: this build has none."""

import sys

from flambeau.backends._settings import Setting, Settings

__all__ = ["flags", "immediate", "set_flags"]

immediate: bool


class _Miopen(Settings):
    immediate = Setting(False)


_Miopen.become(__name__)


def _self() -> _Miopen:
    return sys.modules[__name__]  # type: ignore[return-value]


def set_flags(_immediate: bool | None = None) -> tuple:
    """Sets what is not None; gives what it was."""
    return _self()._change(immediate=_immediate)


def flags(immediate: bool = False):
    """Settings for a ``with`` block."""
    return _self()._changed(immediate=immediate)
