"""The package opt_einsum, which finds orders of contraction: flambeau contracts from the left."""

import sys
from typing import Any

from flambeau.backends._settings import Setting, Settings

__all__ = ["enabled", "flags", "get_opt_einsum", "is_available", "set_flags", "strategy"]

enabled: bool
strategy: str | None


class _Off(Setting):
    """Can be set to what it is; the order would not change otherwise."""

    def check(self, owner, value) -> None:
        if value:
            raise ValueError(
                f"opt_einsum is not available, so setting `{self.name}` to {value!r} would change "
                "nothing: einsum contracts from left to right."
            )


class _OptEinsum(Settings):
    enabled = _Off(False)
    strategy = _Off(None)


_OptEinsum.become(__name__)


def _self() -> _OptEinsum:
    return sys.modules[__name__]  # type: ignore[return-value]


def is_available() -> bool:
    """False: this build does not have it."""
    return False


def get_opt_einsum() -> Any:
    """None: the package is not used."""
    return None


def set_flags(_enabled: bool | None = None, _strategy: str | None = None) -> tuple:
    """Sets what is not None; gives all as they were."""
    return _self()._change(enabled=_enabled, strategy=_strategy)


def flags(enabled: bool | None = None, strategy: str | None = None):
    """Settings for a ``with`` block."""
    return _self()._changed(enabled=enabled, strategy=strategy)
