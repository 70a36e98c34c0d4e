"""What a record says about its tests: arguments to call the op with, and what it must give.

Tensors are described, not made, so that one description serves every dtype and layout, and so that
reading the records needs neither a core nor NumPy.

>>> call(values(2, 3), 1, keepdim=True)
call(values(2, 3), 1, keepdim=True)
>>> values(3, low=0.1)
values(3, low=0.1)
"""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass

from flambeau.ops.schema import Argument

LOW, HIGH = -2.5, 2.5


@dataclass(frozen=True, repr=False)
class Values:
    """A tensor of distinct numbers between ``low`` and ``high``, of the dtype under test."""

    shape: tuple
    low: float = LOW
    high: float = HIGH
    dtype: str = ""  # where it is not the one under test
    constant: bool = False  # whether no gradient flows to it
    definite: bool = False  # Hermitian matrices with eigenvalues above 1

    def __repr__(self) -> str:
        words = [str(n) for n in self.shape]
        words += [f"low={self.low}"] * (self.low != LOW)
        words += [f"high={self.high}"] * (self.high != HIGH)
        words += [f"dtype={self.dtype!r}"] * bool(self.dtype)
        words += ["constant=True"] * self.constant
        words += ["definite=True"] * self.definite
        return f"values({', '.join(words)})"


@dataclass(frozen=True, repr=False)
class Given:
    """A tensor whose elements are stated, and whose dtype is always the same."""

    data: object
    dtype: str

    def __repr__(self) -> str:
        return f"{'bools' if self.dtype == 'bool' else 'ints'}({self.data!r})"


@dataclass(frozen=True, repr=False)
class Sparse:
    """A sparse tensor with the elements of another one, all of them; the first ``dims`` dimensions
    are sparse, or all."""

    of: Values
    dims: int = 0
    constant: bool = False  # whether no gradient flows to it
    layout: str = "sparse_coo"

    def __repr__(self) -> str:
        words = [repr(self.of)] + [f"{self.dims}"] * bool(self.dims)
        words += ["constant=True"] * self.constant
        if self.layout == "sparse_coo":
            return f"coo({', '.join(words)})"
        return f"compressed({', '.join([*words, repr(self.layout)])})"


@dataclass(frozen=True, repr=False)
class DType:
    """A dtype by name; ``same`` is the one under test, ``double`` the widest of its kind."""

    name: str

    def __repr__(self) -> str:
        return f"dtype({self.name!r})"


@dataclass(frozen=True, repr=False)
class Sample:
    """The arguments of one call."""

    args: tuple
    kwargs: dict

    def __repr__(self) -> str:
        words = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"call({', '.join(words)})"


def values(*shape: int, low=LOW, high=HIGH, dtype: str = "", constant: bool = False) -> Values:
    return Values(shape, low, high, dtype, constant)


def definite(*shape: int, constant: bool = False) -> Values:
    """Hermitian matrices, positive definite, which differences change to Hermitian ones alone."""
    return Values(shape, -1, 1, constant=constant, definite=True)


def ints(data) -> Given:
    return Given(data, "int64")


def bools(data) -> Given:
    return Given(data, "bool")


def coo(of: Values, dims: int = 0, constant: bool = False) -> Sparse:
    return Sparse(of, dims, constant)


def compressed(of: Values, layout: str) -> Sparse:
    return Sparse(of, layout=layout)


def dtype(name: str) -> DType:
    return DType(name)


def call(*args, **kwargs) -> Sample:
    return Sample(args, kwargs)


class Lazy:
    """A function of a module that is imported when the function is called."""

    def __init__(self, path: str):
        self._path = path

    def __getattr__(self, name: str) -> Lazy:
        if name.startswith("__"):
            raise AttributeError(name)
        return Lazy(f"{self._path}.{name}")

    def __call__(self, *args, **kwargs):
        module, _, name = self._path.rpartition(".")
        return getattr(importlib.import_module(module), name)(*args, **kwargs)

    def __repr__(self) -> str:
        return self._path


np = Lazy("numpy")
special = Lazy("scipy.special")

# Shapes of the first operand and of the others: equal, broadcast both ways, 0-dim, empty.
_SHAPES = (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), ()), ((0, 3), (1, 3)))
BOOLEAN = ("condition", "mask")  # operands by these names are truth values


def of_schema(args: tuple[Argument, ...], static: dict, domain: dict) -> list[Sample]:
    """Calls of an elementwise op: shapes that broadcast, then each choice of its other arguments.

    ``static`` gives the values that a static argument may have, ``domain`` the bounds of an
    argument where the op is not defined, or not smooth, everywhere.
    """
    operands = [a for a in args if a.is_tensor]
    shapes = _SHAPES if len(operands) > 1 else [s for s in _SHAPES if s[1] != (3,)]
    made = [_sample(args, first, others, static, domain) for first, others in shapes]
    choices = [dict(zip(static, chosen)) for chosen in itertools.product(*static.values())]
    choices += [{a.name: 2} for a in args if a.type == "Scalar" and a.default is not None]
    for chosen in choices if choices != [{}] else []:
        plain = _sample(args, (2, 3), (2, 3), static, domain)
        made.append(Sample(plain.args, {**plain.kwargs, **chosen}))
    return made


def _sample(args, first: tuple, others: tuple, static: dict, domain: dict) -> Sample:
    given, named = [], {}
    for a in args:
        low, high = domain.get(a.name, (LOW, HIGH))
        if a.is_tensor:
            shape = others if given else first
            given.append(Values(shape, low, high, "bool" if a.name in BOOLEAN else ""))
        elif a.default is None:
            value = static[a.name][0] if a.name in static else min(2, int(high))
            if a.keyword_only:
                named[a.name] = value
            else:
                given.append(value)
    return Sample(tuple(given), named)
