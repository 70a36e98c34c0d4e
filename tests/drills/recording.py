"""Integers that note each comparison, and tensors made of them: what rules run on in Python."""

import functools
import inspect
import operator

import flambeau
from flambeau.ops.bind import bound
from flambeau.ops.derived import rule_of
from flambeau.ops.language import contiguous_strides, count
from flambeau.ops.record import load

LEAST, MOST = -(2**63), 2**63 - 1
NOTES = []  # (what, left, right) of each question that was asked


def _value(x):
    return x.value if isinstance(x, Int) else x


class Int:
    """A 64-bit integer: overflow is an error, and comparisons are noted."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return str(self.value)

    def __format__(self, spec):
        return format(self.value, spec)

    def __index__(self):
        NOTES.append(("index", self.value, None))
        return self.value

    def __int__(self):
        return self.value

    def __float__(self):
        return float(self.value)

    def __bool__(self):
        NOTES.append(("!=", self.value, 0))
        return self.value != 0

    def __hash__(self):
        return hash(self.value)


def _arithmetic(name, sign, compute):
    def run(a, b):
        x, y = _value(a), _value(b)
        if isinstance(x, float) or isinstance(y, float):
            return compute(x, y)
        if not isinstance(x, int) or not isinstance(y, int):
            return NotImplemented
        made = compute(x, y)
        if not LEAST <= made <= MOST:
            raise RuntimeError(f"integer overflow: {x}{sign}{y} does not fit 64 bits")
        return Int(made)

    setattr(Int, f"__{name}__", run)
    setattr(Int, f"__r{name}__", lambda a, b: run(b, a))


_arithmetic("add", " + ", lambda x, y: x + y)
_arithmetic("sub", " - ", lambda x, y: x - y)
_arithmetic("mul", " * ", lambda x, y: x * y)
_arithmetic("floordiv", " // ", lambda x, y: x // y)
_arithmetic("mod", " % ", lambda x, y: x % y)
Int.__truediv__ = lambda a, b: _value(a) / _value(b)
Int.__rtruediv__ = lambda a, b: _value(b) / _value(a)
Int.__neg__ = lambda a: 0 - a
Int.__abs__ = lambda a: -a if a.value < 0 else a


def _comparison(name, sign, compare):
    def run(a, b):
        NOTES.append((sign, _value(a), _value(b)))
        return compare(_value(a), _value(b))

    setattr(Int, f"__{name}__", run)


_comparison("eq", "==", lambda x, y: x == y)
_comparison("ne", "!=", lambda x, y: x != y)
_comparison("lt", "<", lambda x, y: x < y)
_comparison("le", "<=", lambda x, y: x <= y)
_comparison("gt", ">", lambda x, y: x > y)
_comparison("ge", ">=", lambda x, y: x >= y)


class Like:
    """A tensor's geometry in recording integers."""

    def __init__(self, t):
        self._t = t
        self.shape = [Int(n) for n in t.shape]
        self.dtype, self.device, self.layout = t.dtype, t.device, t.layout
        self.is_meta, self.itemsize = t.is_meta, t.element_size()

    def _as_tensor(self):
        """What C++ leaves are given."""
        return self._t

    def dim(self):
        return len(self.shape)

    def size(self, d=None):
        return self.shape if d is None else self.shape[d]

    def stride(self, d=None):
        strides = [Int(n) for n in self._t.stride()]
        return strides if d is None else strides[d]

    def numel(self):
        n = Int(1)
        for s in self.shape:
            n = n * s
        return n

    def storage_offset(self):
        return Int(self._t.storage_offset())

    def is_contiguous(self, memory_format=flambeau.contiguous_format):
        return self._t.is_contiguous(memory_format=memory_format)

    def is_complex(self):
        return self.dtype.is_complex

    def is_floating_point(self):
        return self.dtype.is_floating_point

    def is_conj(self):
        return self._t.is_conj()

    def is_neg(self):
        return self._t.is_neg()

    def element_size(self):
        return self._t.element_size()


def recording(value):
    """Arguments in the form in which a rule is tried."""
    if isinstance(value, flambeau.Tensor):
        return Like(value)
    if isinstance(value, (list, tuple)):
        return [recording(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return Int(value)
    return value


def plain(value):
    """Back to Python's own."""
    if isinstance(value, Int):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


class Unknown(Int):
    """A size that nobody knows, but for a bound: at least 2. `value` is what it was meanwhile."""

    def __init__(self, value, text, least=2):
        super().__init__(value)
        self.text, self.least = text, least

    def __repr__(self):
        return self.text


def _expression(name, sign, bound):
    plain_form = getattr(Int, f"__{name}__")

    def run(a, b):
        made = plain_form(a, b)
        if not isinstance(made, Int):
            return made
        return Unknown(made.value, f"({a!r}{sign}{b!r})", bound(_least(a), _least(b)))

    setattr(Unknown, f"__{name}__", run)
    setattr(Unknown, f"__r{name}__", lambda a, b: run(_lift(b), a))


def _lift(x):
    return x if isinstance(x, Int) else Int(x)


def _least(x):
    return x.least if isinstance(x, Unknown) else _value(x)


_expression("add", " + ", lambda x, y: x + y)
_expression("sub", " - ", lambda x, y: LEAST)
_expression("mul", " * ", lambda x, y: x * y if min(x, y) >= 0 else LEAST)
_expression("floordiv", " // ", lambda x, y: 0 if x >= 0 and y > 0 else LEAST)
_expression("mod", " % ", lambda x, y: 0 if y > 0 else LEAST)


def _bounded(name, known):
    """A comparison that the bound decides asks nothing."""
    plain_form = getattr(Int, f"__{name}__")

    def run(a, b):
        if not isinstance(b, Unknown) and isinstance(_value(b), int) and _value(b) < a.least:
            return known
        NOTES.append((name, repr(a), repr(b)))
        return plain_form(a, b)

    setattr(Unknown, f"__{name}__", run)


for _name, _known in (("eq", False), ("ne", True), ("lt", False), ("le", False)):
    _bounded(_name, _known)
for _name in ("gt", "ge"):
    _bounded(_name, True)
Unknown.__hash__ = Int.__hash__


def unknown(t):
    """A tensor whose sizes of 2 and more are unknown; 0 and 1 are what they are."""
    made = Like(t)
    made.shape = [Unknown(n, f"s{d}") if n >= 2 else Int(n) for d, n in enumerate(t.shape)]
    return made


class Node:
    """What a `flambeau.SymInt` computes with: one of the integers above."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return repr(self.value)

    def wrap_int(self, n):
        return Node(Int(n))

    def int_(self):
        NOTES.append(("index", self.value.value, None))
        return self.value.value

    def bool_(self):
        return bool(self.value)

    def neg(self):
        return Node(-self.value)


for _name in "add sub mul floordiv mod eq ne lt le gt ge".split():
    setattr(Node, _name, lambda a, b, f=getattr(operator, _name): Node(f(a.value, b.value)))


def symbol(n, text):
    """A size as a program meets it: a number that is not known from 2 on."""
    return flambeau.SymInt(Node(Unknown(n, text))) if n >= 2 else n


def settled(value):
    """Back to Python's own, without a note."""
    if isinstance(value, flambeau.SymInt):
        return value.node.value.value
    if isinstance(value, (list, tuple)):
        return [settled(v) for v in value]
    return value


class Symbolic(flambeau.Tensor):
    """A tensor without memory whose sizes are symbols; ops on it run their rules in Python."""

    __torch_function__ = flambeau._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, sizes, dtype, strides=None):
        return flambeau.Tensor._make_wrapper_subclass(
            cls,
            settled(list(sizes)),
            strides=None if strides is None else settled(list(strides)),
            dtype=dtype,
            dispatch_sizes_strides_policy="sizes",
        )

    def __init__(self, sizes, dtype, strides=None):
        self.sizes = list(sizes)
        self.strides = contiguous_strides(self.sizes) if strides is None else list(strides)

    def _as_tensor(self):
        """What C++ leaves are given."""
        return flambeau.empty(settled(self.sizes), dtype=self.dtype, device="meta")

    @classmethod
    def of(cls, t):
        return cls([symbol(n, f"s{d}") for d, n in enumerate(t.shape)], t.dtype)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten.").removesuffix(".default")
        if name in ANSWERS:
            return ANSWERS[name](args[0])
        record = rules()[name]
        found = bound(record.schema, args, kwargs or {})
        if record.rule is not None:
            wanted = inspect.signature(record.rule).parameters
            found = {n: found.get(n if n in found else n.rstrip("_")) for n in wanted}
        made = rule_of(record)(**found)
        if made is None:
            return args[0]
        made = [cls(s.sizes, s.dtype, s.strides) for s in made] if several(made) else made
        return made if several(made) else cls(made.sizes, made.dtype, made.strides)


ANSWERS = {
    "sym_size": lambda t: t.sizes,
    "sym_stride": lambda t: t.strides,
    "sym_numel": lambda t: count(t.sizes),
    "sym_storage_offset": lambda t: 0,
    "dim": lambda t: len(t.sizes),
    "is_contiguous": lambda t: NotImplemented,  # as the geometry says that it was made with
    "is_contiguous.memory_format": lambda t: NotImplemented,
}


def several(made):
    return isinstance(made, (list, tuple))


@functools.cache
def rules():
    return {r.schema.full_name: r for r in load() if rule_of(r) is not None}
