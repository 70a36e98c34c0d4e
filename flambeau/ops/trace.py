"""Symbolic scalars: a record's formula is called once with them, and what it did is printed as C++.

``Expr`` is a formula over the elements of pointwise operands. It is printed as the body of a loop
(``loop_code``) and as calls of tensor ops (``tensor_code``, for double backward).
"""

from __future__ import annotations

import math

from flambeau.ops.leaves import LEAVES


class TraceError(TypeError):
    pass


# ---- pointwise formulas


class Expr:
    __slots__ = ("op", "args", "type", "value")

    def __init__(self, op, args=(), type="V", value=None):
        self.op, self.args, self.type, self.value = op, tuple(args), type, value

    def __bool__(self):
        raise TraceError("a formula cannot branch on a value; use where(condition, a, b)")

    __hash__ = object.__hash__


def _expr(x) -> Expr:
    if isinstance(x, Expr):
        return x
    if isinstance(x, (bool, int, float)):
        return Expr("const", value=x)
    raise TraceError(f"a formula works on symbols and numbers, not on {type(x).__name__}")


def _call(name: str, *args) -> Expr:
    leaf = LEAVES[name]
    args = [_expr(a) for a in args]
    if len(args) != leaf.arity:
        raise TraceError(f"{name} takes {leaf.arity} arguments, got {len(args)}")
    result = leaf.result
    kinds = {a.type for a in args if a.op != "const"}
    if name == "where":
        kinds = {a.type for a in args[1:] if a.op != "const"}
        result = "V" if "V" in kinds or not kinds else kinds.pop()
    elif result == "V" and kinds and "V" not in kinds:
        result = "R" if "R" in kinds else "V"
    return Expr(name, args, result)


def _binary(name):
    def forward(self, other):
        return _call(name, self, other)

    def reflected(self, other):
        return _call(name, other, self)

    return forward, reflected


for _name, _slots in {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "div": "truediv",
    "pow": "pow",
}.items():
    _f, _r = _binary(_name)
    setattr(Expr, f"__{_slots}__", _f)
    setattr(Expr, f"__r{_slots}__", _r)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Expr, f"__{_name}__", _binary(_name)[0])


def _logic(name, bits):
    def forward(self, other):
        other = _expr(other)
        boolean = self.type == "B" and (other.type == "B" or other.op == "const")
        return _call(name if boolean else bits, self, other)

    return forward


Expr.__and__ = _logic("and_", "bit_and")
Expr.__or__ = _logic("or_", "bit_or")
Expr.__xor__ = _logic("xor_", "bit_xor")
Expr.__invert__ = lambda self: _call("not_" if self.type == "B" else "bit_not", self)
Expr.__neg__ = lambda self: _call("neg", self)


class _Formulas:
    """``f.exp(x)``: every leaf as a function of expressions."""

    def __getattr__(self, name):
        if name not in LEAVES:
            raise AttributeError(f"no leaf is called {name!r}: see flambeau/ops/leaves.py")
        return lambda *args: _call(name, *args)


f = _Formulas()


def operand(name: str, type: str = "V") -> Expr:
    return Expr("operand", type=type, value=name)


def parameter(name: str) -> Expr:
    return Expr("param", value=name)


def uses(e: Expr) -> set[str]:
    """Names of the operands and parameters in a formula."""
    if e.op in ("operand", "param"):
        return {e.value}
    return set().union(*(uses(a) for a in e.args)) if e.args else set()


def is_short(e: Expr) -> bool:
    """Whether a formula is a few instructions."""
    if e.op in ("operand", "param", "const"):
        return True
    leaf = LEAVES[e.op]
    return bool(leaf.infix or leaf.short) and all(is_short(a) for a in e.args)


def is_ring(e: Expr) -> bool:
    """Whether a formula is nothing but sums and products of operands."""
    if e.op in ("operand", "param"):
        return e.type == "V"
    return e.op in ("add", "sub", "mul", "neg") and all(is_ring(a) for a in e.args)


_CHOICES = ("minimum", "maximum", "at_least", "at_most", "where")


def exactness(e: Expr) -> int:
    """1 if a value is one of the operands but for its sign, or zero, so that there is nothing to
    round; 2 if nothing but signs change; else 0."""
    if e.op in ("operand", "const"):
        return 2 if e.op == "operand" else int(e.value == 0)
    chosen = e.args[1:] if e.op == "where" else e.args
    known = 2 if e.op in ("neg", "abs") else int(e.op in _CHOICES)
    return min(known, *map(exactness, chosen)) if known else 0


def near_leaf(e: Expr) -> Expr | None:
    """The one part of a formula that is less work near: a leaf of operands."""
    if e.op not in LEAVES:
        return None
    found = [leaf for leaf in map(near_leaf, e.args) if leaf is not None]
    if (LEAVES[e.op].near or LEAVES[e.op].near_whole) and all(a.op == "operand" for a in e.args):
        found.append(e)
    return found[0] if len(found) == 1 else None


def formula_text(e: Expr) -> str:
    """The formula as it is read aloud: ``g * cos(self)``."""
    if e.op in ("operand", "param"):
        return e.value
    if e.op == "const":
        return repr(e.value)
    args = [formula_text(a) for a in e.args]
    infix = LEAVES[e.op].infix
    if not infix:
        return f"{e.op}({', '.join(args)})"
    args = [f"({t})" if a.args and LEAVES[a.op].infix else t for a, t in zip(e.args, args)]
    return f"{infix}{args[0]}" if len(args) == 1 else f" {infix} ".join(args)


def literal(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"lit<T>({value})"
    if math.isinf(value):
        return f"lit<T>({'-' if value < 0 else ''}__builtin_inf())"
    return 'lit<T>(__builtin_nan(""))' if math.isnan(value) else f"lit<T>({value!r})"


def _cast_code(e: Expr, code: str, mixed: bool) -> str:
    """Brings a real or truth value to the compute type where a formula mixes them."""
    return f"value<T>({code})" if mixed and e.type in "RB" and e.op != "const" else code


def loop_code(e: Expr) -> str:
    """The formula as a C++ expression over T, its operands and parameters by name."""
    if e.op in ("operand", "param"):
        return e.value
    if e.op == "const":
        return literal(e.value)
    leaf = LEAVES[e.op]
    codes = [loop_code(a) for a in e.args]
    if e.op == "where":
        mixed = e.type == "V"
        a, b = (_cast_code(x, c, mixed) for x, c in zip(e.args[1:], codes[1:]))
        return f"({codes[0]} ? {a} : {b})"
    mixed = any(a.type == "V" for a in e.args) or (
        leaf.result == "V" and all(a.type == "B" for a in e.args)
    )
    if any(a.type == "R" for a in e.args) and all(a.type != "V" or a.op == "const" for a in e.args):
        mixed = False
        codes = [
            c.replace("lit<T>", "lit<real_t<T>>") if a.op == "const" else c
            for a, c in zip(e.args, codes)
        ]
    codes = [_cast_code(a, c, mixed) for a, c in zip(e.args, codes)]
    if leaf.infix:
        return (
            f"({leaf.loop or leaf.infix}{codes[0]})"
            if leaf.arity == 1
            else f"({f' {leaf.infix} '.join(codes)})"
        )
    return f"math::{e.op}({', '.join(codes)})"


def _is_number(e: Expr) -> bool:
    return e.op in ("param", "const") or (e.op == "conj" and _is_number(e.args[0]))


def _number(e: Expr) -> str:
    """A parameter or constant as a C++ Scalar."""
    if e.op == "conj":
        return f"conj_of({_number(e.args[0])})"
    v = e.value
    if e.op == "param":
        return v
    if isinstance(v, float) and not math.isfinite(v):
        text = '__builtin_nan("")' if math.isnan(v) else f"{'-' if v < 0 else ''}__builtin_inf()"
    else:
        text = f"int64_t{{{v}}}" if isinstance(v, int) and not isinstance(v, bool) else repr(v)
    return f"Scalar({text})"


def tensor_code(e: Expr) -> str:
    """The formula as calls of typed entries, for when the gradient itself is differentiated."""
    if e.op == "operand":
        return e.value
    if _is_number(e):
        return f"wrapped_number({_number(e)})"
    leaf = LEAVES[e.op]
    if leaf.scalar:
        args = e.args[::-1] if leaf.commutes and _is_number(e.args[0]) else e.args
        if e.op == "mul" and args[1].op != "const" and _is_number(args[1]):
            # `scaled` is for gradients: it takes the conjugate of its number.
            return f"formula::scaled({tensor_code(args[0])}, conj_of({_number(args[1])}))"
        if _is_number(args[1]):
            return f"entry::{leaf.scalar}({tensor_code(args[0])}, {_number(args[1])}{leaf.extra})"
    scope = "" if "::" in leaf.tensor else "entry::"
    code = f"{scope}{leaf.tensor}({', '.join(map(tensor_code, e.args))}{leaf.extra})"
    return f"entry::logical_not({code})" if e.op == "nonzero" else code
