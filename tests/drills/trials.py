"""The calls on which rules and bodies are tried both ways: samples, and sizes at the edges."""

import re

import flambeau
from flambeau.ops.bind import bound
from flambeau.ops.samples import DType, Given, Values

EDGES = (-1, 0, 1, 2**31, 2**62)


def dtype_of(record) -> str:
    """A dtype that the op takes."""
    takes = record.dtypes
    if isinstance(takes, dict):
        takes = next(iter(takes.values()))
    return next(d for d in ("float32", "int64", "complex64", "bool") if d in takes)


def tensor_of(d, device, same):
    """A tensor as a sample describes it, for the dtype under test."""
    if isinstance(d, Given):
        return flambeau.tensor(d.data, dtype=getattr(flambeau, d.dtype), device=device)
    dtype = named(d.dtype or "same", same)
    if device == "meta":
        return flambeau.empty(d.shape, dtype=dtype, device="meta")
    n = 1
    for s in d.shape:
        n *= s
    span = flambeau.arange(n, dtype=flambeau.float64) * ((d.high - d.low) / max(n, 1)) + d.low
    return span.reshape(d.shape).to(dtype)


def named(name: str, same: str):
    wide = "complex128" if same.startswith("complex") else "float64"
    return getattr(flambeau, {"same": same, "double": wide}.get(name, name))


def made(value, device, same):
    if isinstance(value, (Values, Given)):
        return tensor_of(value, device, same)
    if isinstance(value, DType):
        return named(value.name, same)
    if isinstance(value, (list, tuple)):
        return [made(v, device, same) for v in value]
    return value


def arguments(record, sample, device="cpu") -> dict:
    """Name -> value, defaults included."""
    same = dtype_of(record)
    args = tuple(made(a, device, same) for a in sample.args)
    kwargs = {k: made(v, device, same) for k, v in sample.kwargs.items()}
    found = bound(record.schema, args, kwargs)
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
