"""Scripts and traces of programs, as PyTorch gives them when it is told not to compile any
(``PYTORCH_JIT=0``): functions and modules stay as they are and run as Python.

So packages with such decorators work; what a compiled program would be needed for (`save`, `load`,
its graph and code) is not there yet.

    >>> import flambeau
    >>> @flambeau.jit.script
    ... def double(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return 2 * x
    >>> double(flambeau.ones(2))
    tensor([2., 2.])
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from flambeau.futures import Future
from flambeau.jit import annotations
from flambeau.jit._types import isinstance
from flambeau.nn import Module

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "Future",
    "ScriptFunction",
    "ScriptModule",
    "ScriptWarning",
    "TracerWarning",
    "annotate",
    "annotations",
    "export",
    "fork",
    "ignore",
    "interface",
    "is_scripting",
    "is_tracing",
    "isinstance",
    "load",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "trace_module",
    "unused",
    "wait",
]


class Error(RuntimeError):
    """What a compiled program raises in PyTorch."""


class ScriptWarning(Warning):
    """What PyTorch warns with when a program is compiled."""


class TracerWarning(Warning):
    """What PyTorch warns with when values decide the way of a program that is traced."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Nothing to keep silent: no program is traced."""


class ScriptModule(Module):
    """Base of modules that PyTorch would compile; here an ordinary module."""


class ScriptFunction:
    """The type of functions that PyTorch has compiled: nothing is an instance of it."""

    def __init__(self, *arguments, **keywords) -> None:
        raise TypeError(
            "jit.ScriptFunction: functions are not compiled here: jit.script gives them back"
        )


class Attribute(NamedTuple):
    """A value with the type that a compiler should take it for."""

    value: Any
    type: Any


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """``obj`` itself, a function, class or module: it goes on running as Python."""
    return obj


def trace(
    func,
    example_inputs=None,
    optimize=None,
    check_trace=True,
    check_inputs=None,
    check_tolerance=1e-5,
    strict=True,
    _force_outplace=False,
    _module_class=None,
    _compilation_unit=None,
    example_kwarg_inputs=None,
    _store_inputs=True,
):
    """``func`` itself, a function or module: it goes on running as Python, and is not called."""
    return func


def trace_module(mod, inputs, *arguments, **keywords):
    """``mod`` itself: its methods go on running as Python, and are not called."""
    return mod


def script_if_tracing(fn):
    """``fn`` itself: nothing is traced."""
    return fn


def script_method(fn):
    """``fn`` itself, a method of a `ScriptModule`."""
    return fn


def _overload(func):
    """Marks one signature of a function for a compiler; Python goes by the last definition."""
    return func


def _overload_method(func):
    """Marks one signature of a method for a compiler; Python goes by the last definition."""
    return func


_script_if_tracing = script_if_tracing


def export(fn):
    """``fn`` itself: marks a method that a compiler should not leave out."""
    return fn


def unused(fn):
    """``fn`` itself: marks what a compiler should replace by an error."""
    return fn


def ignore(drop: bool | Callable = False, **kwargs):
    """``fn`` itself, or with an argument a decorator: marks what a compiler should leave to Python.

    Args:
        drop: whether a saved program should do without it; or the function.
    """
    if callable(drop):
        return drop
    if not builtins.isinstance(drop, bool):
        raise RuntimeError(f"jit.ignore: argument must be a bool or a function, but got {drop}")
    return lambda fn: fn


def interface(obj):
    """``obj`` itself, a class: marks what a compiler should take for an interface."""
    return obj


def annotate(the_type, the_value):
    """``the_value``: says its type to a compiler."""
    return the_value


def is_scripting() -> bool:
    """False: this is Python that runs, not a compiled program."""
    return False


def is_tracing() -> bool:
    """False: no program is traced."""
    return False


def fork(func, *args, **kwargs) -> Future:
    """A `Future` with the result of a call, which is made at once.

    >>> import flambeau
    >>> flambeau.jit.wait(flambeau.jit.fork(max, 1, 3))
    3
    """
    future: Future = Future()
    try:
        future.set_result(func(*args, **kwargs))
    except Exception as error:
        future.set_exception(error)
    return future


def wait(future: Future):
    """The result of a call that `fork` made."""
    return future.wait()


def save(m, f, _extra_files=None):
    """Raises: there are no compiled programs. Save a ``state_dict`` instead."""
    raise NotImplementedError("jit.save: programs are not compiled; save a state_dict with save")


def load(f, map_location=None, _extra_files=None, _restore_shapes=False):
    """Raises: compiled programs cannot be run. Files with tensors are for `flambeau.load`."""
    raise NotImplementedError("jit.load: compiled programs are not supported")
