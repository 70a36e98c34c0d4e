"""Whole numbers that are not known yet, and what runs on them in Python."""

from flambeau import _C
from flambeau._absent import AbsentClass


class SymInt:
    """A whole number that is not known yet, such as a size under capture.

    ``node`` computes with it: ``wrap_int(n)`` gives a node for a number, ``add``, ``sub``, ``mul``,
    ``floordiv``, ``mod`` take a node and give one, ``neg`` gives one, and ``eq``, ``ne``, ``lt``,
    ``le``, ``gt``, ``ge`` give a node whose ``bool_()`` decides. ``int_()`` settles on a number.
    Ops pass it on to who answers in ``__torch_dispatch__``, and do not ask for the number.

    >>> from flambeau import SymInt
    >>> isinstance(3, SymInt)
    False
    """

    def __init__(self, node):
        self.node = node

    def __repr__(self):
        return str(self.node)

    def __int__(self):
        return self.node.int_()

    __index__ = __int__

    def __float__(self):
        return float(self.node.int_())

    def __bool__(self):
        return self != 0

    def __hash__(self):
        raise TypeError("unhashable type: a number that is not known yet has no hash")

    def __neg__(self):
        return SymInt(self.node.neg())

    def __pos__(self):
        return self

    def __abs__(self):
        return -self if self < 0 else self


def _node(like, x):
    """The node of a number beside ``like``; None for what is no whole number."""
    if isinstance(x, SymInt):
        return x.node
    return like.wrap_int(int(x)) if isinstance(x, int) else None


def _arithmetic(name):
    def run(a, b):
        other = _node(a.node, b)
        return NotImplemented if other is None else SymInt(getattr(a.node, name)(other))

    def reflected(a, b):
        other = _node(a.node, b)
        return NotImplemented if other is None else SymInt(getattr(other, name)(a.node))

    setattr(SymInt, f"__{name}__", run)
    setattr(SymInt, f"__r{name}__", reflected)


def _comparison(name):
    def run(a, b):
        other = _node(a.node, b)
        return NotImplemented if other is None else getattr(a.node, name)(other).bool_()

    setattr(SymInt, f"__{name}__", run)


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    _arithmetic(_name)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name)

_C._set_symint_type(SymInt)
_records = {}


def run_body(name, args, kwargs):
    """A composition of other ops as its record says, on whatever has sizes; NotImplemented where
    it is not written in Python."""
    import inspect

    from flambeau.ops import language
    from flambeau.ops.bind import bound
    from flambeau.ops.record import load

    if not _records:
        _records.update({r.schema.full_name: r for r in load()})
    record = _records.get(name)
    if record is None or not record.has_body:
        return NotImplemented
    found = bound(record.schema, args, kwargs)
    wanted = inspect.signature(record.function).parameters
    given = {n: found.get(n if n in found else n.rstrip("_")) for n in wanted if n != "ops"}
    if "ops" in wanted:
        given["ops"] = language.ops
    return record.function(**given)


class SymFloat(AbsentClass):
    """A float that is not known yet, where types are told apart: only sizes are unknown here."""


class SymBool(AbsentClass):
    """A bool that is not known yet, where types are told apart: to compare symbols decides."""
