"""Values of NumPy and of the standard library, for ``weights_only=False``: each is made by a
function here, which looks at what the file gives it, in place of the one that the file names.

With ``weights_only=True`` they are refused, as PyTorch does, but for those that
`add_safe_globals` names, which are made by the same functions.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import fractions
import functools
import math
import pathlib
import types
import uuid
from collections import deque

from .errors import CheckpointError, Damaged, short
from .limits import sizes
from .objects import GET_ATTRIBUTE, RECONSTRUCT, make_deque, write_state
from .unpickler import Callable, UserClass


def _checked(name: str, args: tuple, *kinds) -> tuple:
    """``args`` if each is of its kind; trailing ones may be left out."""
    if len(args) > len(kinds) or any(
        not isinstance(a, k) or isinstance(a, bool) for a, k in zip(args, kinds)
    ):
        raise Damaged(f"{name} of {short(args)} is not allowed")
    return args


# ---- the standard library


def _path(kind):
    def make(machine, *parts):
        _checked(kind.__name__, parts, *[str] * len(parts))
        for part in parts:
            machine.budget.copy(part)
        return kind(*parts)

    return make


def _of(kind, *argument_kinds):
    return lambda *args: kind(*_checked(kind.__name__, args, *argument_kinds))


def _timezone(offset=None, *name):
    if not isinstance(offset, datetime.timedelta):
        raise Damaged(f"a timezone of {short(offset)}")
    return datetime.timezone(offset, *_checked("a timezone", name, str))


def _stamp(kind):
    """A date or time, which is written as bytes; as text in what Python 2 wrote."""

    def make(state=b"", zone=None):
        if isinstance(state, str):
            state = state.encode("latin1")
        if type(state) is not bytes or not isinstance(zone, (type(None), datetime.timezone)):
            raise Damaged(f"a {kind.__name__} of {short((state, zone))}")
        return kind(state) if zone is None else kind(state, zone)

    return make


def _fraction(*args):
    if len(args) == 1 and type(args[0]) is str and len(args[0]) > 4000:
        raise Damaged("a fraction of too many digits")
    return fractions.Fraction(*_checked("Fraction", args, (str, int), int))


class _Attributes(UserClass):
    """Objects that are their attributes and no more."""

    __slots__ = ()

    def call(self, machine, args):
        return self.make(machine, args, {})

    def make(self, machine, args, kwargs):
        if args or kwargs:
            raise Damaged(f"a {self.cls.__name__} of {short(args)}")
        machine.budget.nested()
        return self.cls()

    def set_state(self, machine, target, state):
        write_state(target, state)


class _Uuid(UserClass):
    __slots__ = ()

    def make(self, machine, args, kwargs):
        if args or kwargs:
            raise Damaged(f"a UUID of {short(args)}")
        return object.__new__(uuid.UUID)

    def call(self, machine, args):
        raise Damaged("a UUID is made so by no file")

    def set_state(self, machine, target, state):
        number = state.get("int") if type(state) is dict else None
        if type(number) is not int or not 0 <= number < 1 << 128:
            raise Damaged(f"a UUID of {short(state)}")
        object.__setattr__(target, "int", number)
        object.__setattr__(target, "is_safe", uuid.SafeUUID.unknown)


# ---- NumPy


def _dtype(machine, spec="", align=False, copy=False):
    """A dtype of numbers, text, bytes or times; none of objects, none that is made of others."""
    import numpy

    if type(spec) is not str or spec[:1] not in tuple("biufcSUMm?") or not spec.isalnum():
        if spec != "?":
            raise Damaged(f"a NumPy array of dtype {short(spec)} is not allowed")
    made = numpy.dtype(spec, False, True)
    machine.rules[id(type(made))] = machine.rules[id(numpy.dtype)]
    return made


class _DType(UserClass):
    __slots__ = ()

    def call(self, machine, args):
        return _dtype(machine, *args)

    def make(self, machine, args, kwargs):
        raise Damaged("a NumPy dtype is made so by no file")

    def set_state(self, machine, target, state):
        """The order of bytes, and the unit of times: what the state may change of the dtype."""
        usual = type(state) is tuple and 8 <= len(state) <= 9 and state[1] in tuple("<>|=")
        if not usual or state[0] not in (3, 4) or state[2:5] != (None, None, None):
            raise Damaged(f"a NumPy dtype of {short(state)} is not allowed")
        if target.kind in "SU":
            if state[5] != target.itemsize:
                raise Damaged(f"a NumPy dtype of {short(state)} is not allowed")
        elif state[5:7] != (-1, -1):
            raise Damaged(f"a NumPy dtype of {short(state)} is not allowed")
        if state[7] not in (0, 8) or (len(state) == 9 and not _is_unit(target, state[8])):
            raise Damaged(f"a NumPy dtype of {short(state)} is not allowed")
        target.__setstate__(state)


def _is_unit(dtype, metadata) -> bool:
    if dtype.kind not in "mM" or type(metadata) is not tuple or len(metadata) != 2:
        return False
    own, unit = metadata
    return (
        own in (None, {})
        and type(unit) is tuple
        and len(unit) == 4
        and unit[0] in (b"Y", b"M", b"W", b"D", b"h", b"m", b"s", b"ms", b"us", b"ns", b"generic")
        and all(type(n) is int and 1 <= n < 1 << 31 for n in unit[1:])
    )


def _is_dtype(value) -> bool:
    import numpy

    return isinstance(value, numpy.dtype) and value.kind in "biufcSUMm"


class _Array(UserClass):
    __slots__ = ()

    def call(self, machine, args):
        raise Damaged("a NumPy array is made so by no file")

    def make(self, machine, args, kwargs):
        raise Damaged("a NumPy array is made so by no file")

    def set_state(self, machine, target, state):
        if type(state) is not tuple or len(state) != 5:
            raise Damaged(f"a NumPy array of {short(state)}")
        _, shape, dtype, fortran, data = state
        if type(data) is str:  # written by Python 2
            data = data.encode("latin1")
        made = _array(machine, data, dtype, shape, "F" if fortran else "C")
        # Its own copy, because NumPy takes the memory of the bytes that it is given.
        own = bytes(bytearray(data))
        target.__setstate__((1, made.shape, made.dtype, bool(fortran), own))


def _array(machine, data, dtype, shape, order):
    import numpy

    if (
        not _is_dtype(dtype)
        or not dtype.itemsize
        or type(data) not in (bytes, bytearray)
        or order not in ("C", "F")
    ):
        raise Damaged(f"a NumPy array of dtype {short(dtype)} and {short(data)}")
    shape = sizes(shape)
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise Damaged(f"a NumPy array of shape {shape} and {len(data)} bytes")
    machine.budget.copy(data)
    made = numpy.ndarray(shape, dtype, data, order=order)
    return made.copy(order="K")


def _empty_array(machine, kind, shape=(0,), typecode=b"b"):
    import numpy

    if kind is not numpy.ndarray or shape != (0,) or typecode not in (b"b", "b"):
        raise Damaged(f"a NumPy array of {short((kind, shape, typecode))} is not allowed")
    return numpy.ndarray((0,), "b")


def _scalar(machine, dtype, data=b""):
    if type(data) is str:
        data = data.encode("latin1")
    return _array(machine, data, dtype, (), "C")[()]


def _numpy_global(module: str, name: str):
    """A class of NumPy's numbers."""
    import numpy

    value = getattr(numpy, name, None)
    if module == "numpy" and isinstance(value, type) and issubclass(value, numpy.generic):
        return None if issubclass(value, (numpy.object_, numpy.void)) else value
    return None


@functools.cache
def _table() -> dict[str, object]:
    table: dict[str, object] = {
        "copyreg._reconstructor": RECONSTRUCT,
        "copy_reg._reconstructor": RECONSTRUCT,
        "builtins.getattr": GET_ATTRIBUTE,
        "__builtin__.getattr": GET_ATTRIBUTE,
        "builtins.object": object,
        "__builtin__.object": object,
        "collections.deque": Callable(make_deque, value=deque, asks=True),
        "types.SimpleNamespace": _Attributes(types.SimpleNamespace),
        "argparse.Namespace": _Attributes(argparse.Namespace),
        "uuid.UUID": _Uuid(uuid.UUID),
        "decimal.Decimal": Callable(_of(decimal.Decimal, str), value=decimal.Decimal),
        "fractions.Fraction": Callable(_fraction, value=fractions.Fraction),
        "datetime.timedelta": Callable(
            _of(datetime.timedelta, int, int, int), value=datetime.timedelta
        ),
        "datetime.timezone": Callable(_timezone, value=datetime.timezone),
    }
    for kind in (datetime.datetime, datetime.date, datetime.time):
        table[f"datetime.{kind.__name__}"] = Callable(_stamp(kind), value=kind)
    windows = isinstance(pathlib.Path(), pathlib.WindowsPath)
    for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
        # A path of the other kind of system is one to look at.
        here = name if name.startswith("Pure") or windows == ("Windows" in name) else f"Pure{name}"
        path = Callable(_path(getattr(pathlib, here)), value=getattr(pathlib, here), asks=True)
        table[f"pathlib.{name}"] = table[f"pathlib._local.{name}"] = path
    return table


@functools.cache
def _numpy_table() -> dict[str, object]:
    import numpy

    table: dict[str, object] = {
        "numpy.ndarray": _Array(numpy.ndarray),
        "numpy.dtype": _DType(numpy.dtype),
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray._reconstruct"] = Callable(_empty_array, asks=True)
        table[f"{core}.multiarray.scalar"] = Callable(_scalar, asks=True)
        table[f"{core}.numeric._frombuffer"] = Callable(_array, asks=True)
    return table


def find(module: str, name: str):
    """What a name of the standard library or NumPy stands for, or None."""
    if module.partition(".")[0] == "numpy":
        try:
            import numpy  # noqa: F401
        except ImportError as error:
            raise CheckpointError(
                f"load: the file has a NumPy value ({module}.{name}), and NumPy is not there: "
                "pip install numpy"
            ) from error
        return _numpy_table().get(f"{module}.{name}") or _numpy_global(module, name)
    return _table().get(f"{module}.{name}")
