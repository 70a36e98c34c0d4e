"""What the rules of reductions and scans share: which dimensions, and what is left."""

from flambeau.ops.language import Error, dtypes, is_integral, wrap_dim


def reduced_dims(ndim, dim, op):
    """The named dimensions in ascending order; none named means all.

    A 0-dim tensor takes dimension 0, as if it had one, and has none to reduce.
    """
    if not dim:
        return list(range(ndim))
    named = []
    for given in dim:
        d = wrap_dim(given, ndim, op)
        if d in named:
            raise Error(f"{op}: dim {d} appears multiple times in the list of dims")
        named.append(d)
    return sorted(named) if ndim else []


def reduced_sizes(sizes, dims, keepdim):
    left = []
    for d, n in enumerate(sizes):
        if d not in dims:
            left.append(n)
        elif keepdim:
            left.append(1)
    return left


def sum_dtype(own, wanted):
    """Integers add up in int64."""
    if wanted is not None:
        return wanted
    return dtypes.int64 if is_integral(own, True) else own


def restored(t, ndim, dim, keepdim, ops):
    """A reduced tensor with its lost dimensions put back as size 1."""
    # What is left after all dimensions broadcasts as it is.
    if keepdim or ndim == 0 or not dim:
        return t
    out = t
    for d in reduced_dims(ndim, dim, "backward"):
        out = ops.unsqueeze(out, d)
    return out


def expanded(t, sizes, dim, keepdim, ops):
    return ops.expand(restored(t, len(sizes), dim, keepdim, ops), sizes)


def reduced_count(sizes, dim):
    """How many elements went into one of the result."""
    n = 1.0
    for d in reduced_dims(len(sizes), dim, "backward"):
        n = n * float(sizes[d])
    return n
