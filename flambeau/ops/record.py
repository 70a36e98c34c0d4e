"""Records: what an op is, said once. Everything else is derived from them.

A family's file under ``flambeau/ops/`` makes records with the decorators below; the decorated
function is the formula (pointwise ops), or carries the docstring alone (ops whose body is C++).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from flambeau.ops import samples
from flambeau.ops import schema as schemas
from flambeau.ops.samples import Sample
from flambeau.ops.schema import Schema

UNSIGNED = frozenset({"uint16", "uint32", "uint64"})
INTEGRAL = frozenset({"uint8", "int8", "int16", "int32", "int64"}) | UNSIGNED
HALF = frozenset({"float16", "bfloat16"})
FLOATING = frozenset({"float32", "float64"}) | HALF
COMPLEX = frozenset({"complex64", "complex128"})
BOOL = frozenset({"bool"})
REAL = INTEGRAL | FLOATING
NUMERIC = REAL | COMPLEX
ALL = NUMERIC | BOOL

# What a slot may say in a word; flambeau/ops/slots.py explains them.
WORDS = {
    "jvp": ("linear", "multilinear", "holomorphic", "none", "twice"),
    "batching": (
        "pointwise", "same", "front", "dims", "reduce", "fold", "random", "dynamic", "none", "loop",
    ),
    "decomposition": ("none",),
    "sharding": ("none",),
    "autocast": ("lower", "float32", "promote", "none"),
    "benchmark": ("none",),
}  # fmt: skip


@dataclass
class Record:
    """One op with its overloads that share a body."""

    kind: str  # pointwise, structured, native, view, composite
    schema: Schema
    doc: str
    function: Callable | None = None
    gradient: Callable | None = None
    inplace_gradient: Callable | None = None  # of the in-place form, where it is another
    rule: Callable | None = None  # what the outputs will be, printed by generator/source.py
    no_gradient: str = ""  # why there is none
    # pointwise
    dtypes: object = ALL  # or {static value: set}
    refuses_bool: str = ""  # why booleans are refused: "Negation, the `-` operator, on"
    promote: object = "common"  # or {static value: rule}
    result: object = "common"
    static: dict = field(default_factory=dict)
    bool_loop: bool = False
    as_tensor: tuple = ()  # Scalar arguments that stand for tensors
    # structured: C++ expressions, or names of functions that take all arguments
    shape: str = ""
    cpu: str = ""
    opaque: bool = False  # moves elements without reading them: dtypes without loops too
    # An element may make the kernel raise: out= is written when all is well, and no call waits.
    checks_values: bool = False
    source: str = ""  # C++ of namespace flambeau, where it is too little for a file of its own
    # native: the C++ function
    cxx: str = ""
    each: str = ""  # composite: the op that runs on each item of its lists
    # variants
    function_variant: bool = True
    method: bool = True
    inplace: bool = False
    over_self: bool = False  # structured: the kernel may be given a contiguous self as its result
    inplace_overload: str | None = None  # the functional form's by default
    out: bool = False
    out_overload: str | None = None
    places: tuple = ()  # which outputs are indices: their out= is of int64 and no other dtype
    separate_out: bool = False  # out= may share no memory with an input
    inplace_only: bool = False
    # Names whose in-place form is a function too; None: all of an op with one argument.
    inplace_functions: tuple | None = None
    module: str = ""
    slots: dict = field(default_factory=dict)  # Python name -> number slot
    aliases: tuple = ()  # further Python names
    attribute: str = ""  # a Tensor property
    writable: bool = False  # which may be assigned: x.real = y writes through the view
    # dispatch
    handles: frozenset = frozenset()  # keys this op takes itself ("conjugate", "negative")
    tags: frozenset = frozenset()
    differentiable: tuple | None = None  # which outputs have gradients
    node: str = ""  # name of the autograd node; derived by default
    inplace_node: str = ""  # of the in-place form; the functional form's by default
    creation: str = "plain"  # views: "multi_output"
    flips: str = ""  # views: the lazy bit that the result has other than self
    inplace_self_saved: bool = True
    number_ok: tuple | None = None
    tried_last: bool = False  # after the overloads of its name, numbers for tensors or not
    base: Record | None = None  # the record whose body an extra overload shares
    # slots: a word, or a Python function that is run at the op's first use under a transform; what
    # is left out is derived, see flambeau/ops/slots.py
    jvp: str | Callable = ""
    batching: str | Callable = ""
    decomposition: str | Callable | None = None
    sharding: str | Callable = ""
    autocast: str = ""  # "lower", "float32" or "promote"
    benchmark: str | tuple[Sample, ...] = ()
    flops: Callable | None = None  # how many floating-point operations a call is
    # tests
    samples: tuple[Sample, ...] = ()  # of a pointwise op derived from the schema by default
    domain: dict = field(default_factory=dict)  # bounds of arguments in derived samples
    reference: Callable | None = None  # the same function of arrays
    tolerance: float = 4  # units in the last place, of the largest element unless pointwise

    @property
    def name(self) -> str:
        return self.schema.name

    @property
    def has_gradient_loops(self) -> bool:
        """The gradient is a formula for loops of its own, and not written with other ops."""
        if self.kind != "pointwise" or self.gradient is None:
            return False
        return "ops" not in inspect.signature(self.gradient).parameters

    @property
    def differentiated(self) -> list[str]:
        """What the gradient has a part for, in order; in an overload some may be numbers."""
        return [a.name for a in (self.base or self).schema.args if a.type == "Tensor"]

    @property
    def is_dynamic(self) -> bool:
        """Sizes, or a plain result, depend on elements: no rule can tell them."""
        return bool(self.tags & {"dynamic_shape", "data_dependent"})

    @property
    def has_rule(self) -> bool:
        """What a call gives is known before it runs, or known not to be."""
        return self.kind == "pointwise" or self.rule is not None or self.has_body or self.is_dynamic

    @property
    def has_body(self) -> bool:
        """The decorated function is the body, and not words alone."""
        return (
            self.kind in ("composite", "native")
            and not (self.cxx or self.each)
            and _has_statements(self.function)
        )

    def cases(self) -> list[Sample]:
        """The calls that its tests make."""
        if self.samples or self.kind != "pointwise":
            return list(self.samples)
        return samples.of_schema(self.schema.args, self.static, self.domain)

    def schemas(self) -> list[Schema]:
        """The functional form, then what is derived from it."""
        forms = [] if self.inplace_only else [self.schema]
        if self.inplace_only:
            return [self.schema]
        if self.inplace:
            forms.append(self.schema.as_inplace(self.inplace_overload))
        if self.out:
            forms.append(self.schema.as_out(self.out_overload))
        return forms

    def form(self, inplace: bool) -> Schema:
        """The functional form, or the one in place."""
        return next(s for s in self.schemas() if s.inplace == inplace)

    def gradients(self, f: Callable) -> Callable:
        self.gradient = f
        return f


class _Handle:
    """What a decorator leaves behind under the op's name in the family's file."""

    def __init__(self, records: Sequence[Record]):
        self.records = records

    def gradient(self, f: Callable) -> Callable:
        for r in self.records:
            r.gradient = f
        return f

    def inplace_gradient(self, f: Callable) -> Callable:
        """From the result what the other has from ``self``, which is kept for that one alone."""
        for r in self.records:
            r.inplace_gradient = f
        return f

    def rule(self, f: Callable) -> Callable:
        for r in self.records:
            r.rule = f
        return f

    def _slot(self, name: str, value):
        if isinstance(value, str) and value not in WORDS[name]:
            known = ", ".join(WORDS[name])
            raise ValueError(f"{self.records[0].name}: {name} is a function or of {known}: {value}")
        for r in self.records:
            setattr(r, name, value)
        return value

    def jvp(self, rule: str | Callable):
        """How tangents pass: a word, or ``@name.jvp`` above a function of them."""
        return self._slot("jvp", rule)

    def batching(self, rule: str | Callable):
        """How ``vmap`` runs the op on all items at once: a word, or a function."""
        return self._slot("batching", rule)

    def without(self, *slots: str) -> None:
        """Slots that are left to what is derived, or in which there is nothing to say."""
        for slot in slots:
            self._slot(slot, {"jvp": "twice", "batching": "loop"}.get(slot, "none"))

    def decomposition(self, rule: str | Callable):
        """The same as a composition of other ops."""
        return self._slot("decomposition", rule)

    def sharding(self, rule: str | Callable):
        """Which dimensions of arguments and results may be split together."""
        return self._slot("sharding", rule)

    def autocast(self, policy: str) -> None:
        """In which dtype autocast runs it: ``lower``, ``float32`` or ``promote``."""
        self._slot("autocast", policy)

    def benchmark(self, *calls: Sample) -> None:
        """The calls that benchmarks time."""
        self._slot("benchmark", calls)

    def flops(self, f: Callable) -> Callable:
        """How many floating-point operations a call is, a function of arguments' shapes."""
        for r in self.records:
            r.flops = f
        return f

    def samples(self, *calls: Sample, dtypes: frozenset = ALL) -> None:
        """Calls that are tried in tests; of ops that are not pointwise also in which dtypes."""
        for r in self.records:
            r.samples = calls
            if r.kind != "pointwise":
                r.dtypes = dtypes

    def domain(self, /, **bounds: tuple[float, float]) -> None:
        for r in self.records:
            r.domain = bounds

    def reference(self, f: Callable, tolerance: float = 4) -> None:
        """The function of arrays that gives the same within units in the last place."""
        for r in self.records:
            r.reference, r.tolerance = f, tolerance


def _has_statements(f: Callable) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    return any(
        not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)) for s in tree.body
    )


_RECORDS: list[Record] = []


def _scalar_overload(record: Record, overload: str, numbers: tuple[str, ...]) -> Record:
    """The overload in which numbers stand for these tensors."""
    schema = record.schema
    tensors = [a.name for a in schema.args if a.is_tensor and not a.optional]
    unknown = [n for n in numbers if n not in tensors]
    if unknown or set(numbers) >= set(tensors):
        raise ValueError(
            f"scalar_overloads: {overload!r} of {schema.text()!r} names {list(numbers)}: a number "
            f"stands for some of the tensors {tensors}, and not for all of them"
        )
    args = tuple(replace(a, type="Scalar") if a.name in numbers else a for a in schema.args)
    first = schema.args[0].name in numbers  # which is then no tensor to write to, or to ask
    return replace(
        record,
        schema=replace(schema, overload=overload, args=args),
        as_tensor=numbers,
        base=record,
        slots={},
        inplace=record.inplace and not first,
        method=record.method and not first,
        inplace_overload=None,
        out_overload=None,
    )


def _add(kind: str, text: str, f: Callable, extra: dict, **options) -> _Handle:
    schema = schemas.parse(text)
    nodes = options.pop("nodes", {})
    record = Record(kind, schema, inspect.getdoc(f) or "", f, **options)
    # A method is called on the tensor that the schema names so: a list has none.
    record.method = record.method and any(a.name == "self" and a.is_tensor for a in schema.args)
    record.inplace_only = schema.inplace
    made = [record]
    for overload, fields in extra.items():
        made.append(_scalar_overload(record, overload, tuple(fields)))
    for r in made:
        r.node = nodes.get(r.schema.overload, r.node)
    # What a page or a test defines on the way is no op of the library.
    if (f.__module__ or "").startswith("flambeau.ops."):
        _RECORDS.extend(made)
    return _Handle(made)


def pointwise(text: str, *, scalar_overloads: dict | None = None, **options):
    """An elementwise op: the function is its formula over symbolic scalars.

    ``scalar_overloads={"Scalar": ("other",)}`` adds the overload in which a number stands for a
    tensor argument. ``static={"approximate": ("none", "tanh")}`` traces one formula per value.
    """

    def decorate(f):
        options.setdefault("inplace", options.get("result", "common") != "real")
        options.setdefault("out", True)
        return _add("pointwise", text, f, scalar_overloads or {}, **options)

    return decorate


def structured(text: str, *, cpu: str, shape: str = "", **options):
    """An op with a rule and a kernel that gets allocated outputs."""
    return lambda f: _add("structured", text, f, {}, shape=shape, cpu=cpu, **options)


def native(text: str, *, cxx: str = "", **options):
    """An op whose body is a C++ function that returns its results (factories, dynamic shapes)."""
    return lambda f: _add("native", text, f, {}, cxx=cxx, **options)


def view(text: str, **options):
    """An op that gives other geometry over the same memory."""
    options.setdefault("handles", frozenset({"conjugate", "negative"}))
    return lambda f: _add("view", text, f, {}, **options)


def composite(text: str, **options):
    """CompositeImplicit: the function is a body over other ops; it has no node of its own."""
    return lambda f: _add("composite", text, f, {}, **options)


def each(text: str, base: str):
    """An op that runs another, of this full name, on each item of its lists; a list of numbers
    stands for a number, other arguments go to all. What is said below its function is tests."""
    return composite(text, each=base, method=False)


def find(name: str) -> Record:
    """The record of an op whose family is imported."""
    return next(r for r in _RECORDS if any(s.full_name == name for s in r.schemas()))


_loaded = False


def load() -> list[Record]:
    """Imports all families and gives their records, in the order of definition."""
    global _loaded
    if not _loaded:
        import flambeau.ops as package

        families = [m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg]
        names = [
            m.name
            for family in families
            if family != "generator"
            for m in pkgutil.iter_modules(
                [f"{path}/{family}" for path in package.__path__], f"flambeau.ops.{family}."
            )
        ]
        for name in sorted(names):
            importlib.import_module(name)
        # A family may have been imported before the others, for its slots.
        _RECORDS.sort(key=lambda r: r.function.__module__)
        _loaded = True
    return _RECORDS
