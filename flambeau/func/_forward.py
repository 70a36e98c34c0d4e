"""How tangents pass through one op: the words that the slot ``jvp`` may be, and what is derived.

A rule is called with the level off the stack and gives a tangent for each result, or None, which
stands for zero.
"""

from __future__ import annotations

import functools
from typing import Any

import flambeau
from flambeau import _C
from flambeau.func._forms import (
    Form,
    differentiable,
    is_tensor,
    map_tensors,
    parameters_of,
    run,
)


class Tangents:
    """One call: its primal values, and the tangents of its arguments by name."""

    def __init__(self, level: Any, form: Form, given: list) -> None:
        self.level, self.form, self.given = level, form, given
        self.values: list = []
        self.tangents: list = []
        for i, value in enumerate(given):
            held = i in form.tensors
            self.values.append(map_tensors(level.unwrap, value) if held else value)
            tangent = None
            if held and isinstance(value, (list, tuple)):
                tangent = [tangent_of(level, v) if is_tensor(v) else None for v in value]
            elif held and is_tensor(value):
                tangent = tangent_of(level, value)
            self.tangents.append(tangent)

    @property
    def any(self) -> bool:
        return any(
            any(is_tensor(p) for p in t) if isinstance(t, list) else t is not None
            for t in self.tangents
        )

    @property
    def op(self) -> Any:
        return self.form.op

    def get(self, name: str) -> Any:
        """The tangent of an argument; zeros where it has none."""
        i = self.form.names.index(name)
        return _filled(self.values[i], self.tangents[i])


def tangent_of(level: Any, t: Any) -> Any:
    """The tangent of a tensor of the level, or None."""
    parts = level.parts(t)
    if parts is None:
        return None
    value, tangent = parts
    base = level.base(t)
    if base is None or (tangent is not None and id(base) not in level.widened):
        return tangent
    # A view of something that has been given a tangent, or another one, since.
    whole = tangent_of(level, base)
    if whole is not None and (tangent is None or not _C._may_share_memory(tangent, whole)):
        tangent = _same_view(whole, level.unwrap(base), value)
        level.set_tangent(t, tangent)
    return tangent


def _same_view(whole: Any, base: Any, view: Any) -> Any:
    """What a view shows of its base, of another tensor that is laid out as the base is."""
    if whole.is_complex() and not view.is_complex():
        whole, base = flambeau.view_as_real(whole), flambeau.view_as_real(base)
    offset = view.storage_offset() - base.storage_offset()
    shown = whole.as_strided(view.shape, view.stride(), whole.storage_offset() + offset)
    shown = shown.conj() if view.is_conj() != base.is_conj() else shown
    return flambeau._neg_view(shown) if view.is_neg() != base.is_neg() else shown


def _filled(value: Any, tangent: Any) -> Any:
    if isinstance(value, (list, tuple)):
        parts = tangent if isinstance(tangent, list) else [None] * len(value)
        return [_filled(v, t) for v, t in zip(value, parts)]
    if tangent is None and is_tensor(value) and differentiable(value):
        return flambeau.zeros_like(value)
    return value if tangent is None else tangent


# ---- one call


def apply(level: Any, form: Form, given: list) -> Any:
    call = Tangents(level, form, given)
    if form.out and call.any:
        raise RuntimeError(
            f"{form.name}: out= arguments do not support forward mode AD, but one of the "
            "arguments has a tangent"
        )
    if form.mutated and not form.out:
        return _inplace(call)
    result = form.call(call.values)
    tangents = _tangents(call, result) if call.any else None
    return _wrapped(call, result, tangents)


def _wrapped(call: Tangents, result: Any, tangents: Any) -> Any:
    level = call.level
    base = None
    if call.form.is_view and level.parts(call.given[0]) is not None:
        base = level.base(call.given[0])
        base = call.given[0] if base is None else base

    def one(value: Any, tangent: Any) -> Any:
        if not is_tensor(value):
            return value
        tangent = _checked(value, tangent)
        if tangent is None and base is None and not level.wraps_constants:
            return value
        return level.wrap(value, tangent, base)

    if is_tensor(result):
        return one(result, tangents)
    if not isinstance(result, (list, tuple)):
        return result
    return tuple(map(one, result, tangents if tangents is not None else [None] * len(result)))


def _checked(value: Any, tangent: Any) -> Any:
    if tangent is None or not differentiable(value):
        return None
    if tangent.dtype != value.dtype:
        tangent = tangent.real if tangent.is_complex() and not value.is_complex() else tangent
        tangent = tangent.to(value.dtype)
    # Laid out as the value is, so that views of both show the same.
    if tangent.is_conj() and not value.is_conj():
        tangent = tangent.resolve_conj()
    if tangent.is_neg() and not value.is_neg():
        tangent = tangent.resolve_neg()
    return tangent if tangent.shape == value.shape else tangent.expand(value.shape)


def _inplace(call: Tangents) -> Any:
    level, form = call.level, call.form
    i = form.mutated[0]
    target = call.given[i]
    if level.parts(target) is None:
        if not call.any:
            form.call(call.values)
            return target
        raise RuntimeError(
            "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to "
            f"call in-place operation ({form.name}) that would mutate a captured Tensor. This is "
            "not supported; please rewrite the function being transformed to explicitly accept "
            "the mutated Tensor(s) as inputs."
        )
    if not call.any:
        form.call(call.values)
        level.refresh(target)
        return target
    if form.op._opname in ("detach_", "requires_grad_"):
        form.call(call.values)
        level.set_tangent(target, None)
        return target
    changes_geometry = form.record is not None and form.record.kind == "view"
    if changes_geometry:
        tangent = call.tangents[i]
        form.call(call.values)
        if tangent is not None:
            moved = list(call.values)
            moved[i] = tangent
            form.call(moved)
        level.refresh(target)
        return target
    # Rules read what was there before, wherever an argument shows it.
    before = _apart(call.values, call.values[i])
    form.call(call.values)
    result = call.values[i]
    call.values = before
    current = call.tangents[i]
    if current is not None and flambeau.is_grad_enabled():
        # A level further out may keep what the rule reads, and the tangent is about to be written.
        call.tangents = _apart(call.tangents, current)
    _write_tangent(level, target, current, _checked(result, _tangents(call, result)))
    return target


def _apart(values: list, written: Any) -> list:
    """The same values, those that share memory with what is about to be written as copies."""
    copies: dict = {}

    def one(t: Any) -> Any:
        if t is not written and not _C._may_share_memory(t, written):
            return t
        if id(t) not in copies:
            copies[id(t)] = t.clone()
        return copies[id(t)]

    return [map_tensors(one, v) for v in values]


def _write_tangent(level: Any, target: Any, current: Any, tangent: Any) -> None:
    if current is not None:
        if tangent is not None:
            current = _wide_enough(level, target, current, tangent)
        current.copy_(tangent if tangent is not None else flambeau.zeros_like(current))
        return
    if tangent is None:
        return
    base = level.base(target)
    if base is None:
        own = _room(level.unwrap(target), tangent)
        own.copy_(tangent)
        level.set_tangent(target, own)
        return
    level.set_tangent(base, _room(level.unwrap(base), tangent).zero_())
    tangent_of(level, target).copy_(tangent)


def _wide_enough(level: Any, target: Any, current: Any, written: Any) -> Any:
    """The tangent of ``target``, with the batches of what is about to be written to it.

    All views of what it is a view of take theirs from the new one.
    """
    if _batches(written) <= _batches(current):
        return current
    base = level.base(target)
    if base is None:
        base = target
    before = tangent_of(level, base)
    own = _room(level.unwrap(base), before, written).copy_(before)
    level.set_tangent(base, own)
    level.widened[id(base)] = base
    return tangent_of(level, target)


def _batches(t: Any) -> set[int]:
    """The levels of vmap that a tensor differs over."""
    found = set()
    while (parts := _C._transform_parts(t)) is not None:
        if parts[0] == "vmap":
            found.add(parts[1])
        t = parts[2]
    return found


def _room(value: Any, *written: Any) -> Any:
    """Memory like that of ``value`` that tensors can be written to, whatever they are batched over.

    Laid out as the value is, so that views of a tangent are where those of the value are.
    """
    plan = flambeau.empty_like(value, device="meta")
    batches = value.new_zeros([])
    for t in written:
        batches = batches + t.new_zeros([], dtype=value.dtype)
    return batches.new_empty_strided(plan.shape, plan.stride())


# ---- rules


def _tangents(call: Tangents, result: Any) -> Any:
    rule = call.form.jvp
    if not isinstance(rule, str):
        return _own(call, result, rule)
    return _WORDS[rule](call, result)


def _own(call: Tangents, result: Any, rule: Any) -> Any:
    known = {"t": call, "result": result, **dict(zip(call.form.names, call.values))}
    return rule(**{n: known[n] for n in parameters_of(rule)})


def _none(call: Tangents, result: Any) -> Any:
    return None


def _functional(call: Tangents, values: list) -> Any:
    """The op, out of place for in-place forms."""
    form = call.form
    if not form.mutated:
        return form.call(values)
    if form.functional is not None:
        return run(form.functional, form.names, form.keyword_only, values)
    i = form.mutated[0]
    others = [v for k in form.tensors if k != i for v in _flat(values[k])]
    made = list(values)
    made[i] = _room(values[i], *others).copy_(values[i])
    form.call(made)
    return made[i]


def _flat(value: Any) -> list:
    return [v for v in (value if isinstance(value, (list, tuple)) else (value,)) if is_tensor(v)]


def _linear(call: Tangents, result: Any) -> Any:
    form = call.form
    values = []
    for i, (name, value) in enumerate(zip(form.names, call.values)):
        if i in form.tensors:
            value = _filled(value, call.tangents[i])
        elif name == "value":
            value = 0
        values.append(value)
    return _functional(call, values)


def _multilinear(call: Tangents, result: Any) -> Any:
    total = None
    for i in call.form.tensors:
        if call.tangents[i] is None:
            continue
        values = list(call.values)
        values[i] = call.tangents[i]
        part = _functional(call, values)
        total = part if total is None else total + part
    return total


# ---- derived from the gradient's formula


def _formula(call: Tangents, result: Any) -> Any:
    """A pointwise op: what a gradient is multiplied with, a tangent is multiplied with too.

    Of complex numbers the gradient takes the conjugate, so a holomorphic op's tangent is
    conj(grad(conj t)).
    """
    from flambeau.ops import trace

    record = call.form.record
    complexes = any(v.is_complex() if is_tensor(v) else isinstance(v, complex) for v in call.values)
    if complexes and record.jvp != "holomorphic":
        return _twice(call, result)
    names = call.form.names
    known = dict(zip(names, call.values))
    if not record.has_gradient_loops:
        return _formula_of_ops(call, result, complexes)
    static = tuple(known[n] for n in record.static)
    total = None
    for name, gradient in _formulas(call.form, static).items():
        t = call.tangents[names.index(name)]
        if t is None:
            continue
        read = {**known, "result": result, "g": t.conj() if complexes else t}
        part = _evaluate(gradient, read, trace)
        if not is_tensor(part):
            part = flambeau.full_like(t, part)
        part = part.conj() if complexes else part
        total = part if total is None else total + part
    return total


def _formula_of_ops(call: Tangents, result: Any, complexes: bool) -> Any:
    """The same where the gradient is written with other ops: each part for its own tangent."""
    from flambeau.ops import language

    record, names = call.form.record, call.form.names
    known = {**dict(zip(names, call.values)), "result": result, "ops": language.ops}
    wanted = parameters_of(record.gradient)
    total = None
    for k, name in enumerate(record.differentiated):
        t = call.tangents[names.index(name)]
        if t is None:
            continue
        known["g"] = t.conj() if complexes else t
        made = record.gradient(**{n: known[n] for n in wanted})
        part = made[k] if isinstance(made, tuple) else made
        part = part.conj() if complexes else part
        total = part if total is None else total + part
    return total


@functools.lru_cache(None)
def _formulas(form: Form, static: tuple) -> dict:
    from flambeau.ops.generator import pointwise

    return pointwise.gradient_formulas(form.record, static)


def _evaluate(e: Any, known: dict, trace: Any) -> Any:
    """A formula as calls of ops."""
    if e.op in ("operand", "param"):
        return known[e.value]
    if e.op == "const":
        return e.value
    args = [_evaluate(a, known, trace) for a in e.args]
    if not any(map(is_tensor, args)):
        like = next(v for v in known.values() if is_tensor(v) and differentiable(v))
        args = [_number_like(a, like) for a in args]
    return _leaf(e.op)(*args)


def _number_like(number: Any, like: Any) -> Any:
    dtype = like.dtype
    if isinstance(number, complex) and not dtype.is_complex:
        dtype = dtype.to_complex()
    return flambeau.scalar_tensor(number, dtype=dtype)


def _mul_i(x: Any) -> Any:
    return x * 1j if x.is_complex() else flambeau.zeros_like(x)


def _at_least(x: Any, least: Any) -> Any:
    return flambeau.clamp(x, min=least)


def _at_most(x: Any, most: Any) -> Any:
    return flambeau.clamp(x, max=most)


def _reflected(f: Any) -> Any:
    """Of a number and a tensor, where the op wants a tensor first."""

    def call(a: Any, *rest: Any) -> Any:
        if not is_tensor(a):
            like = next(r for r in rest if is_tensor(r))
            a = _number_like(a, like)
        return f(a, *rest)

    return call


@functools.lru_cache(None)
def _leaf(name: str) -> Any:
    """What a leaf of a formula is called among the ops."""
    import operator

    own = {
        "add": operator.add,
        "sub": operator.sub,
        "mul": operator.mul,
        "div": operator.truediv,
        "pow": operator.pow,
        "neg": operator.neg,
        "eq": operator.eq,
        "ne": operator.ne,
        "lt": operator.lt,
        "le": operator.le,
        "gt": operator.gt,
        "ge": operator.ge,
        "and_": operator.and_,
        "or_": operator.or_,
        "xor_": operator.xor,
        "not_": flambeau.logical_not,
        "bit_and": operator.and_,
        "bit_or": operator.or_,
        "bit_xor": operator.xor,
        "bit_not": operator.invert,
        "nonzero": lambda x: x != 0,
        "mul_i": _mul_i,
        "trunc_divide": lambda a, b: flambeau.trunc(a / b),
        "trigamma": lambda x: flambeau.ops.aten._trigamma(x),
        "real": lambda x: x.real if x.is_complex() else x,
        "imag": lambda x: x.imag if x.is_complex() else flambeau.zeros_like(x),
        "conj": flambeau.conj,
        "where": flambeau.where,
        "maximum": _at_least,
        "minimum": _at_most,
        "at_least": _at_least,
        "at_most": _at_most,
        "left_shift": flambeau.bitwise_left_shift,
        "right_shift": flambeau.bitwise_right_shift,
    }
    return own[name] if name in own else _reflected(getattr(flambeau, name))


# ---- derived by differentiating the gradient


def _twice(call: Tangents, result: Any) -> Any:
    """The gradient is linear in what arrives, so its own gradient brings tangents forward."""
    from flambeau.func._reverse import vjp

    places = [
        (i, j)
        for i in call.form.tensors
        for j, t in (
            enumerate(call.tangents[i])
            if isinstance(call.tangents[i], list)
            else [(None, call.tangents[i])]
        )
        if is_tensor(t) and differentiable(_at(call.values, i, j))
    ]
    primals = [_at(call.values, i, j) for i, j in places]
    tangents = [_at(call.tangents, i, j) for i, j in places]
    chosen = _outputs(call, result)

    def function(*tensors: Any) -> tuple:
        values = [list(v) if isinstance(v, (list, tuple)) else v for v in call.values]
        for (i, j), t in zip(places, tensors):
            if j is None:
                values[i] = t
            else:
                values[i][j] = t
        made = _functional(call, values)
        made = (made,) if is_tensor(made) else tuple(made)
        return tuple(made[k] for k in chosen)

    if not chosen or not places:
        return None
    outputs, pull = vjp(function, *primals)
    _, push = vjp(pull, tuple(flambeau.zeros_like(o) for o in outputs))
    (pushed,) = push(tuple(tangents))
    if is_tensor(result):
        return pushed[0]
    out = [None] * len(result)
    for k, t in zip(chosen, pushed):
        out[k] = t
    return out


def _at(values: list, i: int, j: int | None) -> Any:
    return values[i] if j is None else values[i][j]


def _outputs(call: Tangents, result: Any) -> list[int]:
    """Which results have gradients."""
    results = [result] if is_tensor(result) else list(result)
    record = call.form.record
    stated = None if record is None or call.form.gives_list else record.differentiable
    return [
        k
        for k, r in enumerate(results)
        if differentiable(r) and r.numel() and (stated is None or k in stated)
    ]


_WORDS = {
    "none": _none,
    "linear": _linear,
    "multilinear": _multilinear,
    "formula": _formula,
    "twice": _twice,
    "parts": _twice,
}
