"""Settings of libraries: modules whose attributes programs set.

What a setting would direct is not in this build, so it is kept for whoever asks and changes
nothing, as in PyTorch's builds without the library.
"""

from __future__ import annotations

import sys
import types
from contextlib import contextmanager
from typing import Any

_frozen = False
_inside_flags = 0


class Setting:
    """One attribute: its default, and the types or the values that it takes."""

    def __init__(self, default: Any, *allowed: Any) -> None:
        self.default = default
        self.allowed = allowed or (type(default),)

    def __set_name__(self, owner, name: str) -> None:
        self.name = name

    def __get__(self, owner, kind=None):
        return self if owner is None else vars(owner).get(f"_{self.name}", self.default)

    def __set__(self, owner, value) -> None:
        if _frozen and not _inside_flags:
            raise RuntimeError(
                f"not allowed to set {owner.__name__} flags after disable_global_flags; please use "
                "flags() context manager instead"
            )
        self.check(owner, value)
        vars(owner)[f"_{self.name}"] = value

    def check(self, owner, value) -> None:
        if isinstance(self.allowed[0], type):
            if type(value) not in self.allowed:
                wanted = " or ".join(t.__name__ for t in self.allowed)
                raise RuntimeError(
                    f"{owner.__name__}.{self.name} expects a {wanted}, but got "
                    f"{type(value).__name__}"
                )
        elif value not in self.allowed:
            choices = ", ".join(map(repr, self.allowed))
            raise RuntimeError(f"{owner.__name__}.{self.name} is one of {choices}, not {value!r}")


class Fixed(Setting):
    """An attribute that this build does not let programs change."""

    def check(self, owner, value) -> None:
        raise RuntimeError(f"{owner.__name__}.{self.name}: Assignment not supported")


def precision(default: str = "none") -> Setting:
    """How exact products of float32 are on hardware that has several ways."""
    return Setting(default, "none", "ieee", "tf32", "bf16")


class Settings(types.ModuleType):
    """A module with settings as attributes, or a group of them inside of one."""

    @classmethod
    def become(cls, module: str) -> None:
        """Makes the imported ``module`` one of this class."""
        sys.modules[module].__class__ = cls

    def _change(self, **values) -> tuple:
        """Sets what is not None; gives all values as they were."""
        before = tuple(getattr(self, name) for name in values)
        for name, value in values.items():
            if value is not None:
                setattr(self, name, value)
        return before

    @contextmanager
    def _changed(self, **values):
        """`_change` for a ``with`` block, which global settings that are frozen do not prevent."""
        global _inside_flags
        _inside_flags += 1
        before = {name: getattr(self, name) for name in values}
        try:
            self._change(**values)
            yield
        finally:
            for name, value in before.items():
                setattr(self, name, value)
            _inside_flags -= 1


def freeze() -> None:
    global _frozen
    _frozen = True


def frozen() -> bool:
    return _frozen
