"""What `item()` gives to a program that is recorded: a number that remembers where it came from."""

from __future__ import annotations

import operator

from flambeau import _C
from flambeau.utils import _pytree as pytree

__all__ = ["Number"]


class Number:
    """Stands for a number that is another one when the graph runs again.

    Ops that get it and sums of it are recorded with its slot. Whoever wants the plain number
    (`bool`, comparisons, `float`, sizes, text) gets it, and the graph compares it from then on.
    """

    def __init__(self, recording, slot, value):
        self._recording, self._slot, self._value = recording, slot, value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        found = numbers_in((args, kwargs or {}))
        return found[0]._recording.call(func, args, kwargs or {})

    def item(self):
        """The plain number, which the program may do with as it likes."""
        return self._recording.plain(self)

    def __getattr__(self, name):
        if name.startswith("__"):  # a protocol that somebody looks for
            raise AttributeError(f"a recorded number has no attribute {name!r}")
        return getattr(self.item(), name)

    def __hash__(self):
        return hash(self.item())

    def __format__(self, spec):
        return format(self.item(), spec)

    def __index__(self):
        return operator.index(self.item())

    def __divmod__(self, other):
        return self // other, self % other


def numbers_in(tree) -> list[Number]:
    return [v for v in pytree.tree_leaves(tree) if isinstance(v, Number)]


def value_of(number: Number):
    return number._value


def _is_operand(value) -> bool:
    return isinstance(value, (Number, bool, int, float, complex))


def _computed(name: str, function) -> None:
    def run(self, *others):
        if not all(map(_is_operand, others)):
            return NotImplemented
        return self._recording.compute(function, (self, *others))

    def reflected(self, other):
        return self._recording.compute(function, (other, self))

    setattr(Number, f"__{name}__", run)
    if name not in ("neg", "pos", "abs"):
        setattr(Number, f"__r{name}__", reflected)


def _plain(name: str, function) -> None:
    def run(self, *others):
        others = [o.item() if isinstance(o, Number) else o for o in others]
        return function(self.item(), *others)

    setattr(Number, f"__{name}__", run)


for _name in "add sub mul truediv floordiv mod pow neg pos abs".split():
    _computed(_name, getattr(operator, _name))
for _name in "eq ne lt le gt ge".split():
    _plain(_name, getattr(operator, _name))
for _name, _function in {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "repr": repr,
    "str": str,
    "round": round,
    "trunc": lambda v: v.__trunc__(),
    "floor": lambda v: v.__floor__(),
    "ceil": lambda v: v.__ceil__(),
}.items():
    _plain(_name, _function)

_C._set_symbol_type(Number)
