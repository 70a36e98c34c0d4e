"""Pointwise formulas as C++ loops, one per compute type and instruction set."""

from __future__ import annotations

import inspect
import itertools

from flambeau.ops import trace
from flambeau.ops.leaves import LEAVES
from flambeau.ops.record import COMPLEX, FLOATING, INTEGRAL, Record
from flambeau.ops.samples import BOOLEAN

COMPUTES = {
    "f32": "float",
    "f64": "double",
    "i32": "int32_t",
    "i64": "int64_t",
    "u64": "uint64_t",
    "b8": "uint8_t",
    "c64": "math::complex<float>",
    "c128": "math::complex<double>",
    "i8": "int8_t",
    "u8": "char8_t",
    "i16": "int16_t",
    "bf16": "math::bfloat16",
    "f16": "math::float16",
}
SMALL = {"int8": "i8", "uint8": "u8", "int16": "i16", "bfloat16": "bf16", "float16": "f16"}
OPERAND = {"V": "value", "B": "boolean", "R": "real"}


def statics(record: Record) -> list[tuple]:
    """All combinations of the static arguments' values."""
    return list(itertools.product(*record.static.values()))


def operands(record: Record) -> list:
    """Arguments that are tensors in the loop (numbers that stand for tensors included)."""
    return [a for a in record.schema.args if a.is_tensor or a.name in record.as_tensor]


def params(record: Record) -> list:
    names = {a.name for a in operands(record)} | set(record.static)
    return [a for a in record.schema.args if a.name not in names]


def _symbols(record: Record) -> dict:
    symbols = {
        a.name: trace.operand(a.name, "B" if a.name in BOOLEAN else "V") for a in operands(record)
    }
    symbols.update((a.name, trace.parameter(a.name)) for a in params(record))
    return symbols


def formula(record: Record, static: tuple) -> trace.Expr:
    """The forward formula for one choice of the static arguments."""
    chosen = dict(zip(record.static, static))
    known = {**_symbols(record), **chosen}
    wanted = inspect.signature(record.function).parameters
    return trace._expr(record.function(**{n: known[n] for n in wanted}))


def gradient_formulas(record: Record, static: tuple) -> dict[str, trace.Expr]:
    """Argument name -> the formula of its gradient, from ``g``, the arguments and ``result``."""
    kind = "R" if record.result == "real" else "V"
    known = {
        **_symbols(record),
        **dict(zip(record.static, static)),
        "g": trace.operand("g", kind),
        "result": trace.operand("result", kind),
    }
    wanted = inspect.signature(record.gradient).parameters
    grads = record.gradient(**{n: known[n] for n in wanted})
    tensors = [a.name for a in record.schema.args if a.is_tensor]
    names = record.differentiated
    if not isinstance(grads, tuple):
        grads = (grads,)
    if len(grads) < len(names):
        raise trace.TraceError(f"{record.schema.full_name}: a gradient for each of {names}")
    given = zip(names, grads, strict=False)
    return {n: trace._expr(g) for n, g in given if g is not None and n in tensors}


def rule(record: Record, static: tuple, field: str):
    """A rule of the record, which may depend on the first static argument."""
    value = getattr(record, field)
    return value[static[0]] if isinstance(value, dict) else value


_COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge"}
_PARTS = {  # leaf -> what its arguments are to it
    "floor_divide": ("exact", "divisor"),
    "trunc_divide": ("exact", "divisor"),
    "fmod": ("exact", "divisor"),
    "remainder": ("exact", "divisor"),
    **dict.fromkeys(("minimum", "at_most"), ("at_most", "at_most")),
    **dict.fromkeys(("maximum", "at_least"), ("at_least", "at_least")),
    "where": ("any", "stored", "stored"),
    "pow": ("any", "stored"),
    "left_shift": ("any", "exact"),
    "right_shift": ("exact", "exact"),
}


def parts(record: Record, static: tuple) -> list[str]:
    """What each operand is to the formula: the `Part` of kernels/cpu/pointwise/pointwise.h."""
    found: dict[str, str] = {}
    whole = formula(record, static)

    def visit(e: trace.Expr) -> None:
        kinds = _PARTS.get(e.op, ())
        if e is whole and e.op in _COMPARISONS:
            kinds = ("compared", "compared")
        for a, kind in zip(e.args, kinds, strict=False):
            if a.op == "operand" and kind != "any":
                found[a.value] = kind
        for a in e.args:
            visit(a)

    visit(whole)
    return [found.get(a.name, "any") for a in operands(record)]


def has_parts(record: Record) -> bool:
    """Whether an integer may be refused for its value."""
    if record.kind != "pointwise":
        return False
    return any(set(parts(record, static)) != {"any"} for static in statics(record))


def computes(record: Record, dtypes: frozenset | None = None) -> list[str]:
    """The compute types that a formula is printed for."""
    dtypes = record.dtypes if dtypes is None else dtypes
    out = []
    if dtypes & FLOATING:
        out += ["f32", "f64"]
    if dtypes & (INTEGRAL | {"bool"}) and (dtypes & INTEGRAL or not record.bool_loop):
        out += ["i32", "i64"]
    if "uint64" in dtypes:
        out.append("u64")
    if record.bool_loop:
        out.append("b8")
    if dtypes & COMPLEX:
        out += ["c64", "c128"]
    return out


def small_computes(expr: trace.Expr, dtypes: frozenset) -> list[str]:
    """Those of small dtypes, where the work is so little that conversions would be most of it."""
    few = trace.is_short(expr) and expr.args
    return [c for dtype, c in SMALL.items() if dtype in dtypes] if few else []


class Loop:
    """One formula that becomes a table of loops."""

    def __init__(self, name, expr, inputs, kinds, parameters, types, result):
        self.name, self.expr, self.inputs, self.kinds = name, expr, inputs, kinds
        self.parameters, self.types, self.result = parameters, types, result

    def source(self) -> str:
        """The per-instruction-set text: the formula and its row of loops."""
        args = ", ".join(
            f"{'bool' if k == 'B' else 'real_t<T>' if k == 'R' else 'T'} {n}"
            for n, k in zip(self.inputs, self.kinds)
        )
        unpack = "".join(
            f"    const T {p} = p[{i}];\n"
            for i, p in enumerate(self.parameters)
            if p in trace.uses(self.expr)
        )
        result = {"B": "bool", "R": "real_t<T>", "V": "T"}[self.result]
        code = trace.loop_code(self.expr)
        if self.result == "V" and self.expr.type in "BR" and self.expr.op != "const":
            code = f"value<T>({code})"
        kinds = ", ".join(f"Kind::{OPERAND[k]}" for k in (self.result, *self.kinds))
        short, exact = str(trace.is_short(self.expr)).lower(), trace.exactness(self.expr)
        ring = trace.is_ring(self.expr)
        elements = {**COMPUTES, "i8": COMPUTES["u8"]} if ring else COMPUTES  # no signs modulo 256
        last = max(map(list(COMPUTES).index, self.types), default=-1)
        printed = list(COMPUTES)[: last + 1]
        row = ", ".join(
            f"loop<{self.name}_formula, {elements[c]}, {len(self.parameters)}, {kinds}>"
            if c in self.types
            else "nullptr"
            for c in printed
        )
        near, leaf = "", trace.near_leaf(self.expr)
        if leaf is not None:
            known, asked = LEAVES[leaf.op], ", ".join(a.value for a in leaf.args)
            near = (
                f"  static constexpr Near kNear = Near::{'fractions' if known.near else 'whole'};\n"
                f"  template <class T>\n  FLAMBEAU_LEAF T near({args}) {{\n    return "
                f"{code.replace(f'math::{leaf.op}(', f'math::{leaf.op}_near(')};\n  }}\n"
                f"  template <class T>\n  FLAMBEAU_LEAF bool is_near({args}) {{\n"
                f"    return math::is_near_{known.near or known.near_whole}({asked});\n  }}\n"
            )
        return (
            f"struct {self.name}_formula {{\n"
            f"  static constexpr int kShort = {short}, kExact = {exact}, kRing = {ring:d};\n{near}"
            f"  template <class T>\n"
            f"  FLAMBEAU_LEAF {result} call([[maybe_unused]] const T* p"
            f"{', ' + args if args else ''}) {{\n"
            f"{unpack}    return {code};\n  }}\n}};\n"
            f"extern const LoopSet {self.name};\n"
            f"const LoopSet {self.name} = {{{{{row}}}, {short}}};\n"
        )

    def table(self, isas: tuple[str, ...]) -> str:
        """The one table over instruction sets that the driver is given."""
        externs = "".join(
            f"namespace cpu::{isa} {{ extern const LoopSet {self.name}; }}\n" for isa in isas
        )
        sets = ", ".join(f"&cpu::{isa}::{self.name}" for isa in isas)
        kinds = ", ".join(f"Operand::{OPERAND[k]}" for k in (self.result, *self.kinds))
        return (
            f"{externs}static const LoopSet* const {self.name}_sets[] = {{{sets}}};\n"
            f"static const PointwiseKernel {self.name} = {{{self.name}_sets, 1, "
            f"{len(self.inputs)}, {{{kinds}}}}};\n"
        )


def loops(record: Record) -> list[Loop]:
    """Forward and gradient loops of a record; extra overloads share those of their base."""
    if record.base is not None:
        return []
    out = []
    inputs = [a.name for a in operands(record)]
    kinds = ["B" if n in BOOLEAN else "V" for n in inputs]
    numbers = [a.name for a in params(record)]
    g_kind = "R" if record.result == "real" else "V"
    known = {"g": g_kind, **dict(zip(inputs, kinds)), "result": g_kind}
    result = {"boolean": "B", "real": "R"}.get(record.result, "V")
    for i, static in enumerate(statics(record)):
        dtypes = rule(record, static, "dtypes")
        if rule(record, static, "promote") == "floating":
            dtypes = dtypes & (FLOATING | COMPLEX)
        types, expr = computes(record, dtypes), formula(record, static)
        name, every = f"{record.schema.symbol}_{i}", types + small_computes(expr, dtypes)
        out.append(Loop(name, expr, inputs, kinds, numbers, every, result))
        if not record.has_gradient_loops:
            continue
        types = [t for t in types if t in ("f32", "f64", "c64", "c128")]
        for arg, grad in gradient_formulas(record, static).items():
            if not trivial(grad):
                used = {n: k for n, k in known.items() if n in trace.uses(grad)}
                operand_kinds = list(used.values())
                grad_name = f"{name}_grad_{arg}"
                out.append(Loop(grad_name, grad, list(used), operand_kinds, numbers, types, "V"))
    return out


def trivial(grad: trace.Expr) -> bool:
    """The gradient is g itself: no loop."""
    return grad.op == "operand" and grad.value == "g"
