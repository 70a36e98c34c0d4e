"""Slots of the records: what transforms, distribution and autocast know of an op.

A slot is a word or a Python function in the op's own record. It is read when an op first meets a
transform, and then the family that the op belongs to is imported, and no other.

Words of ``jvp``:

- ``linear``: the op of the tangents. A number called ``value`` stands for a constant, and so for 0.
- ``multilinear``: linear in each tensor by itself; the sum over the tensors that have a tangent.
- ``holomorphic``: of pointwise ops with complex numbers, that the gradient's formula serves too.
- ``none``: no tangent passes.
- ``twice``: the gradient, which is linear, is differentiated once more. It costs two passes.

Without one: random numbers and ops that have no gradient pass no tangent, a pointwise op uses its
gradient's formula, and all others differentiate their gradient, which is linear, once more.

Words of ``batching``:

- ``pointwise``: ranks are brought in line, and the op runs once. Every pointwise op has it.
- ``same``: one tensor whose dimensions the op does not look at.
- ``front``: the batch dimension first; the op works on the last dimensions.
- ``dims``: the batch dimension first; arguments that name dimensions count from one further, and
  sizes begin with the batch.
- ``reduce``: as ``dims``; no dimensions stand for all.
- ``fold``: the batch becomes part of the first dimension of all tensors.
- ``random``: draws for each item, or once, as the caller of ``vmap`` says. Every op with this tag
  has it.
- ``dynamic``: refused, since each item would give another shape.
- ``none``: the arguments hold no tensors, or nothing can be derived.
- ``loop``: the op runs for each item.

Without one an op that gives nothing back is refused, a composition follows from its parts, and
``vmap`` calls all other ops in a loop.

``decomposition`` and ``sharding`` are functions. What the rule of an op refuses is refused before
its decomposition runs, which need not check again. Without a ``sharding`` a pointwise op may be
split along any dimension of its result, with arguments that are broadcast there kept whole, and
one that consists of others as its ``parts`` are.

``flops`` is a function of the arguments that it names, of which it reads shapes and numbers
alone: how many floating-point operations a call is. ``flambeau/ops/flops.py`` calls it; an op that
does not state it counts as none, and so does what moves and adds up elements, as PyTorch counts.

``benchmark`` holds calls, ``autocast`` is ``lower``, ``float32`` or ``promote``. Function
transforms read the first two slots, autocast its own, and ``benchmarks/records.py`` the calls,
``flambeau._decomp`` decompositions, with the bodies of ops that consist of others; shardings are
for programs that split tensors, which ask ``stated(op, "sharding")``, as
``tests/drills/checks.py`` does. ``python -m flambeau.ops show`` prints all that is said or derived.
A new op states what ``tools/slots.py`` finds lacking, or with ``op.without("jvp", ...)`` that it is
content: ``twice`` and ``loop``, a kernel of its own is all there is, arguments are gathered first,
it runs in the dtype that it is given, it is not timed.
"""

from __future__ import annotations

import functools
import importlib
import pathlib
import re
from collections.abc import Callable

from flambeau.ops.bind import bound

SLOTS = ("jvp", "batching", "decomposition", "sharding", "autocast", "benchmark")


# The first words of what makes a record: @structured(f"conv(..., _factory("rand", ...
_NAMED = re.compile(r'^@?\w+\(\s*f?"(\w+)[".(]', re.M)


@functools.lru_cache(None)
def _families() -> dict[str, list[str]]:
    """Op name -> the modules that have records of this name, found without importing them."""
    root = pathlib.Path(__file__).parent
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] == "generator":
            continue
        module = ".".join(("flambeau.ops", *parts))
        for name in set(_NAMED.findall(path.read_text())):
            found.setdefault(name, []).append(module)
    return found


@functools.lru_cache(None)
def with_flops() -> tuple:
    """The records that state ``flops``: only families that do are imported."""
    from flambeau.ops import record

    root = pathlib.Path(__file__).parent
    for path in sorted(root.glob("*/*.py")):
        if path.parent.name != "generator" and ".flops" in path.read_text():
            family = ".".join(path.relative_to(root).with_suffix("").parts)
            importlib.import_module(f"flambeau.ops.{family}")
    return tuple(r for r in record._RECORDS if r.flops is not None)


@functools.lru_cache(None)
def _forms(module: str) -> dict[str, object]:
    """Full name of an op -> its record, for one family."""
    from flambeau.ops import record

    importlib.import_module(module)
    return {
        s.full_name: r
        for r in record._RECORDS
        if r.function.__module__ == module
        for s in r.schemas()
    }


@functools.lru_cache(None)
def record_of(op):
    """The record of an op of the core, or None for one that was registered at run time."""
    if op.namespace != "aten":
        return None
    overload = op._overloadname
    full = op._opname if overload == "default" else f"{op._opname}.{overload}"
    families = _families()
    for name in (op._opname, op._opname.removesuffix("_")):
        for module in families.get(name, ()):
            if full in (forms := _forms(module)):
                return forms[full]
    return _all_forms().get(full)


@functools.lru_cache(None)
def _all_forms() -> dict[str, object]:
    """For the few whose name no line of their family begins with."""
    from flambeau.ops.record import load

    return {s.full_name: r for r in load() for s in r.schemas()}


def stated(op, slot: str) -> object:
    """What the record of an op says under a slot; None where it says nothing.

    A sharding is derived where the record does not say it.

    >>> from flambeau.ops.slots import stated
    >>> stated(flambeau.ops.aten.flip.default, "batching")
    'dims'
    """
    if slot not in (*SLOTS, "flops"):
        raise ValueError(f"stated: a slot is one of {', '.join(SLOTS)}, flops, not {slot!r}")
    record = record_of(op)
    if slot == "sharding":
        return sharding_rule(record)
    return getattr(record, slot, None) or None


def jvp_rule(record) -> object:
    """The slot ``jvp``, derived where the record does not say it."""
    if record is None:
        return "twice"
    if record.jvp and record.jvp != "holomorphic":
        return record.jvp
    if record.kind == "composite":
        return "parts"
    if record.gradient is None or "random" in record.tags:
        return "none"
    return "formula" if record.kind == "pointwise" else "twice"


def batching_rule(record) -> object:
    """The slot ``batching``, derived where the record does not say it."""
    if record is None:
        return "loop"
    if record.batching:
        return record.batching
    if "random" in record.tags:
        return "random"
    if not record.schema.returns:
        return "none"
    if record.kind in ("pointwise", "composite"):
        return "pointwise" if record.kind == "pointwise" else "parts"
    tensors = any(a.type == "Tensor" for a in record.schema.args)
    return "loop" if tensors else "none"


def decomposition_of(record):
    """The slot ``decomposition``: what the record says, or the body that it consists of."""
    if record is None or record.decomposition == "none":
        return None
    if record.decomposition:
        return record.decomposition
    return record.function if record.has_body else None


def sharding_rule(record) -> object:
    """The slot ``sharding``, derived where the record does not say it; None where nothing is."""
    if record is None or record.sharding == "none":
        return None
    if record.sharding:
        return record.sharding
    if record.has_body:
        return "parts"
    # Numbers are drawn in the order of the elements of the whole.
    return (
        _by_element(record) if record.kind == "pointwise" and "random" not in record.tags else None
    )


def _by_element(record) -> Callable:
    """Any dimension of the result, along which arguments that are broadcast stay whole."""
    returns = [r.name or "result" for r in record.schema.returns]

    def ways(*args, **kwargs):
        given = bound(record.schema, args, kwargs)
        shapes = {n: tuple(t.shape) for n, t in given.items() if hasattr(t, "shape")}
        rank = max(map(len, shapes.values()), default=0)
        found = []
        for d in range(rank):
            # Counted from the last dimension, as shapes are brought in line.
            own = {n: d - rank + len(shape) for n, shape in shapes.items()}
            sizes = {n: shapes[n][i] for n, i in own.items() if i >= 0}
            whole = 1 if set(sizes.values()) <= {1} else next(v for v in sizes.values() if v != 1)
            split = {n: own[n] for n, size in sizes.items() if size == whole}
            found.append(split | dict.fromkeys(returns, d))
        return found

    return ways


def missing(slot: str, record) -> bool:
    """Whether a record neither states a slot nor has it derived by a rule of its own.

    A step of an optimiser, which gives nothing back, has no use for any. A pointwise op is what
    others are composed of, and its formula a fused loop: it needs no decomposition, no dtype of
    autocast's and no time of its own.
    """
    if not record.schema.returns:
        return False
    if slot == "jvp":
        return not record.jvp and jvp_rule(record) == "twice"
    if slot == "batching":
        return not record.batching and batching_rule(record) == "loop"
    if slot == "decomposition":
        return record.decomposition is None and not record.has_body and record.kind != "pointwise"
    if slot == "sharding":
        return record.sharding != "none" and sharding_rule(record) is None
    if slot == "autocast":
        return not record.autocast and record.kind not in ("composite", "pointwise", "view")
    return not record.benchmark and record.kind != "pointwise"
