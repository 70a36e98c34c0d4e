"""The calls on which rules and bodies are tried both ways: samples, and sizes at the edges."""

import inspect
import re

from drills import recording
from ops.record_calls import Call

import flambeau
from flambeau.ops import language
from flambeau.ops.bind import bound
from flambeau.ops.derived import rule_of

EDGES = (-1, 0, 1, 2**31, 2**62)


def dtype_of(record) -> str:
    """A dtype that the op takes."""
    takes = record.dtypes
    if isinstance(takes, dict):
        takes = next(iter(takes.values()))
    usual = [d for d in ("float32", "int64", "complex64", "bool") if d in takes]
    return usual[0] if usual else min(takes)


def arguments(record, sample, device="cpu") -> dict:
    """Name -> value, defaults included."""
    call = Call(record, record.cases().index(sample), dtype_of(record))
    args, kwargs = call.tensors(lambda t: t.to(device))
    found = bound(record.schema, tuple(args), kwargs)
    for a in record.schema.args:
        if a.name in found and a.type in ("Device", "Layout") and isinstance(found[a.name], str):
            found[a.name] = flambeau.device(found[a.name])
    return found


def resized(t, d, n):
    """A meta tensor like `t` with another size; None where there can be none."""
    sizes = list(t.shape)
    sizes[d] = n
    try:
        return flambeau.empty(sizes, dtype=t.dtype, device="meta")
    except RuntimeError:
        return None


def _at(value, path, new):
    if not path:
        return new
    out = list(value)
    out[path[0]] = _at(out[path[0]], path[1:], new)
    return out


def _places(value, path=()):
    if isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            yield from _places(v, (*path, i))
    else:
        yield path, value


def counts_to(record) -> bool:
    """Whether it takes as many steps as a size says: then it is not tried on 2 ** 31 of them."""
    return any(r.list for r in record.schema.returns) or record.name == "unfold_backward"


def edge_trials(record, found: dict):
    """The same call with one integer, or one size of a tensor, at an edge."""
    edges = EDGES[:3] if counts_to(record) else EDGES
    for name, value in found.items():
        for path, item in _places(value):
            if isinstance(item, int) and not isinstance(item, bool):
                for n in edges:
                    yield found | {name: _at(value, path, n)}
            if isinstance(item, flambeau.Tensor):
                for d in range(item.dim()):
                    for n in edges[1:]:
                        other = resized(item, d, n)
                        if other is not None:
                            yield found | {name: _at(value, path, other)}


def outcome(run):
    """What a call gives, or the error that it raises."""
    try:
        return run()
    except Exception as e:
        # The binding puts the op before what the allocator says; in Python that is the op at hand.
        return type(e), re.sub(r"^\w+: (?=integer overflow|Stride calc|Storage size)", "", str(e))


def first_tensor(values):
    for v in values:
        inner = first_tensor(v) if isinstance(v, list) else v
        if isinstance(inner, flambeau.Tensor):
            return inner
    return None


def rule_with(record, found, convert):
    """The specs that the rule as it stands gives for arguments of another kind."""
    rule = rule_of(record)
    wanted = inspect.signature(rule).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in wanted):
        names = {n: n for n in found}
    else:
        names = {p.name: p.name if p.name in found else p.name.rstrip("_") for p in wanted}
    numbers = {a.name for a in record.schema.args if a.type == "Scalar"}  # no sizes: as they are
    made = rule(
        **{n: found.get(a) if a in numbers else convert(found.get(a)) for n, a in names.items()}
    )
    return [] if made is None else list(made) if isinstance(made, (list, tuple)) else [made]


def rule_in_python(record, found):
    """The rule as it stands, in the form that C++ gives."""
    specs = rule_with(record, found, recording.recording)
    first = first_tensor(found.values())
    out = []
    for s in specs:
        assert isinstance(s, language.Spec)
        device = s.device if s.device is not None else getattr(first, "device", None)
        strides = None if s.strides is None else tuple(recording.plain(list(s.strides)))
        sizes = tuple(recording.plain(list(s.sizes)))
        out.append((sizes, s.dtype, strides, recording.plain(s.offset), device))
    return out


def body_in_python(record, found):
    """What the body as it stands gives; None of one that has nothing to do."""
    wanted = inspect.signature(record.function).parameters
    given = {n: found.get(n.rstrip("_") if n not in found else n) for n in wanted if n != "ops"}
    return record.function(**given, ops=language.ops) if "ops" in wanted else None
