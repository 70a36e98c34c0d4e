"""The names by which packages speak to PyTorch's compiler; see `flambeau.compiler`."""

from __future__ import annotations

from types import SimpleNamespace

from flambeau._absent import AbsentClass
from flambeau.compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    reset,
)
from flambeau.nn import Module

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "is_compiling",
    "mark_dynamic",
    "mark_static_address",
    "maybe_mark_dynamic",
    "reset",
]

config = SimpleNamespace()
"""Takes settings of the compiler."""


class OptimizedModule(AbsentClass, Module):
    """The type of compiled modules: nothing is an instance of it."""


def mark_dynamic(t, index, *, hint_override=None, min=None, max=None) -> None:
    """Does nothing: says which sizes of a tensor a graph should take for unknown."""


def maybe_mark_dynamic(t, index) -> None:
    """Does nothing: says which sizes of a tensor a graph may take for unknown."""


def mark_static_address(t, guard=False) -> None:
    """Does nothing: says that a tensor stays where it is."""
