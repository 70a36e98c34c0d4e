"""The calls on which rules and bodies are tried both ways: samples, and sizes at the edges."""

import flambeau
from flambeau.ops.bind import bound
from flambeau.ops.samples import DType, Given, Values

EDGES = (-1, 0, 1, 2**31, 2**62)


def tensor_of(d, device="cpu"):
    """A tensor as a sample describes it, of float32 unless it says otherwise."""
    if isinstance(d, Given):
        return flambeau.tensor(d.data, dtype=getattr(flambeau, d.dtype), device=device)
    name = {"": "float32", "same": "float32", "double": "float64"}.get(d.dtype, d.dtype)
    dtype = getattr(flambeau, name)
    if device == "meta":
        return flambeau.empty(d.shape, dtype=dtype, device="meta")
    n = 1
    for s in d.shape:
        n *= s
    span = flambeau.arange(n, dtype=flambeau.float64) * ((d.high - d.low) / max(n, 1)) + d.low
    return span.reshape(d.shape).to(dtype)


def made(value, device="cpu"):
    if isinstance(value, (Values, Given)):
        return tensor_of(value, device)
    if isinstance(value, DType):
        name = {"same": "float32", "double": "float64"}.get(value.name, value.name)
        return getattr(flambeau, name)
    if isinstance(value, (list, tuple)):
        return [made(v, device) for v in value]
    return value


def arguments(record, sample, device="cpu") -> dict:
    """Name -> value, defaults included."""
    args = tuple(made(a, device) for a in sample.args)
    found = bound(record.schema, args, {k: made(v, device) for k, v in sample.kwargs.items()})
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


def edge_trials(found: dict):
    """The same call with one integer, or one size of a tensor, at an edge."""
    for name, value in found.items():
        for path, item in _places(value):
            if isinstance(item, int) and not isinstance(item, bool):
                for n in EDGES:
                    yield found | {name: _at(value, path, n)}
            if isinstance(item, flambeau.Tensor):
                for d in range(item.dim()):
                    for n in EDGES[1:]:
                        other = resized(item, d, n)
                        if other is not None:
                            yield found | {name: _at(value, path, other)}


def outcome(run):
    """What a call gives, or the error that it raises."""
    try:
        return run()
    except Exception as e:
        return type(e), str(e)
