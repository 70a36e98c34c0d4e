"""Places in sorted sequences, and how often values occur."""

from flambeau.ops.language import (
    Error,
    Spec,
    dtype_name,
    dtypes,
    formats,
    same,
    show,
    wrap_dim,
)
from flambeau.ops.record import BOOL, FLOATING, REAL, composite, native, structured
from flambeau.ops.samples import call, ints, np, values

_SIDES = "*, bool out_int32=False, bool right=False"


def check_side(right, side):
    if side is not None:
        if side != "left" and side != "right":
            raise Error(f"searchsorted: side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise Error(
                "searchsorted: side and right can't be set to opposites, got side of left while "
                "right was True"
            )


@structured(
    f"searchsorted.Tensor(Tensor sorted_sequence, Tensor self, {_SIDES}, str? side=None, "
    "Tensor? sorter=None) -> Tensor",
    cpu="searchsorted",
    method=False,
    out=True,
    out_overload="Tensor_out",
    checks_values=True,
)
def searchsorted():
    """Where values would be put into a sorted sequence: before what is equal, or behind it.

    >>> flambeau.searchsorted(flambeau.tensor([1, 3, 3, 5]), flambeau.tensor([3, 4]))
    tensor([1, 3])
    """


@searchsorted.rule
def _(sorted_sequence, self, out_int32, right, side, sorter):
    op = "searchsorted"
    check_side(right, side)
    lines = sorted_sequence.dim()
    if lines == 0:
        raise Error(f"{op}: input value can not be searched for in a 0-dim tensor")
    if sorted_sequence.dtype != self.dtype:
        raise Error(
            f"{op}: boundary tensor and input value tensor should have same dtype, but got "
            f"boundary tensor dtype {dtype_name(sorted_sequence.dtype)} and input value tensor "
            f"dtype {dtype_name(self.dtype)}"
        )
    if self.is_complex() or self.dtype == dtypes.bool:
        raise NotImplementedError(
            f"searchsorted: not implemented for '{dtype_name(self.dtype)}': use a real dtype"
        )
    if lines != 1:
        fits = self.dim() == lines
        if fits:
            fits = same(self.shape[: lines - 1], sorted_sequence.shape[: lines - 1])
        if not fits:
            raise Error(
                f"{op}: boundaries tensor should be 1 dimension or the first N-1 dimensions of "
                "boundaries tensor and input value tensor must match, but we got boundaries tensor "
                f"{show(sorted_sequence.shape)} and input value tensor {show(self.shape)}"
            )
    if sorter is not None:
        if not same(sorter.shape, sorted_sequence.shape) or sorter.dtype != dtypes.int64:
            raise Error(
                f"{op}: boundary and sorter must have the same size, and sorter int64, but got "
                f"boundary tensor {show(sorted_sequence.shape)} and got sorter tensor "
                f"{show(sorter.shape)} of {dtype_name(sorter.dtype)}"
            )
    return Spec(self.shape, dtypes.int32 if out_int32 else dtypes.int64)


def _numpy_search(line, x, **options):
    side = options.get("side") or ("right" if options.get("right") else "left")
    if line.ndim == 1:
        return np.searchsorted(line, x, side=side, sorter=options.get("sorter"))
    return np.stack([np.searchsorted(a, b, side=side) for a, b in zip(line, x)])


_LINE = values(4, low=0.5, high=0.5)
searchsorted.samples(
    call(values(2, 4, low=0.5, high=0.5), values(2, 3)),
    call(_LINE, values(2, 3)),
    call(_LINE, values(3), right=True, out_int32=True),
    call(values(0), values(2)),
    dtypes=REAL,
)
searchsorted.reference(_numpy_search)


@composite(
    f"searchsorted.Scalar(Tensor sorted_sequence, Scalar self, {_SIDES}, str? side=None, "
    "Tensor? sorter=None) -> Tensor",
    method=False,
    out=True,
    out_overload="Scalar_out",
)
def searchsorted_number(sorted_sequence, self, out_int32, right, side, sorter, ops):
    """The same for one number."""
    value = ops.scalar_tensor(self, sorted_sequence.dtype, None, sorted_sequence.device)
    return ops.searchsorted_Tensor(sorted_sequence, value, out_int32, right, side, sorter)


searchsorted_number.samples(call(_LINE, 1), call(_LINE, 2, right=True), dtypes=REAL)


@composite(
    f"bucketize.Tensor(Tensor self, Tensor boundaries, {_SIDES}) -> Tensor",
    out=True,
    out_overload="Tensor_out",
    method=False,
)
def bucketize(self, boundaries, out_int32, right, ops):
    """Which of the stretches between sorted boundaries each element falls into.

    ``right``: a boundary belongs to the stretch that begins with it.

    >>> flambeau.bucketize(flambeau.tensor([3, 6, 9]), flambeau.tensor([1, 3, 5, 7]))
    tensor([1, 3, 4])
    """
    check_boundaries(boundaries)
    return ops.searchsorted_Tensor(boundaries, self, out_int32, right)


@composite(f"bucketize.Scalar(Scalar self, Tensor boundaries, {_SIDES}) -> Tensor", method=False)
def bucketize_number(self, boundaries, out_int32, right, ops):
    """The same for one number."""
    check_boundaries(boundaries)
    return ops.searchsorted_Scalar(boundaries, self, out_int32, right)


def check_boundaries(boundaries):
    if boundaries.dim() != 1:
        raise Error(
            "bucketize: boundaries tensor must be 1 dimension, but got dim("
            f"{boundaries.dim()}) of shape {show(boundaries.shape)}"
        )


bucketize.samples(call(values(2, 3), _LINE), call(values(3), _LINE, right=True), dtypes=REAL)
bucketize_number.samples(call(1, _LINE), call(2, _LINE, right=True), dtypes=REAL)


# ---- counts


@native(
    "bincount(Tensor self, Tensor? weights=None, SymInt minlength=0) -> Tensor",
    cxx="bincount",
    out=True,
    tags=frozenset({"dynamic_shape"}),
)
def bincount():
    """How often each number from 0 on occurs, or the sums of the weights beside it.

    >>> flambeau.bincount(flambeau.tensor([1, 1, 3]))
    tensor([0, 2, 0, 1])
    """


bincount.samples(
    call(ints([0, 2, 0]), values(3, constant=True)),
    call(ints([1, 1, 3]), minlength=6),
    dtypes=REAL | BOOL,
)
bincount.reference(lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength))


@structured(
    "histc(Tensor self, int bins=100, Scalar min=0, Scalar max=0) -> Tensor",
    cpu="histc",
    out=True,
    checks_values=True,
)
def histc():
    """How many elements fall into each of ``bins`` equal stretches from ``min`` to ``max``.

    Where both are equal, from the least to the largest element.

    >>> flambeau.histc(flambeau.tensor([1., 2., 1.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """


@histc.rule
def _(self, bins, min, max):
    if bins <= 0:
        raise Error(f"histc: bins must be > 0, got {bins}")
    if not self.is_floating_point():
        raise NotImplementedError(
            f"histc: not implemented for '{dtype_name(self.dtype)}': convert with "
            ".to(torch.float32)"
        )
    if not float(min) <= float(max):
        raise Error("histc: max must be larger than min")
    return Spec([bins], self.dtype)


histc.samples(
    call(values(2, 3), 4, -1, 1), call(values(5), 3), call(values(0), 2, 0, 1), dtypes=FLOATING
)
histc.reference(
    lambda x, bins=100, low=0, high=0: np.histogram(x, bins, (low, high) if low < high else None)[0]
)


# ---- repeated elements


@native(
    "repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor",
    cxx="repeat_interleave",
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def repeat_interleave():
    """Each index as often as its element says.

    >>> flambeau.repeat_interleave(flambeau.tensor([1, 0, 2]))
    tensor([0, 2, 2])
    """


repeat_interleave.samples(call(ints([1, 0, 2])), call(ints([2, 1]), output_size=3))
repeat_interleave.reference(
    lambda repeats, output_size=None: np.repeat(np.arange(len(repeats)), repeats)
)


@composite(
    "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, "
    "SymInt? output_size=None) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
)
def repeat_interleave_each(self, repeats, dim, output_size, ops):
    """Each element, or each slice along ``dim``, as often as ``repeats`` says."""
    if repeats.dim() > 1:
        raise Error(
            f"repeat_interleave: repeats must be 0-dim or 1-dim tensor, got {show(repeats.shape)}"
        )
    x = self if dim is not None else ops.reshape(self, [-1])
    d = 0
    if dim is not None:
        d = dim
    x = ops.reshape(x, [1]) if x.dim() == 0 else x
    d = wrap_dim(d, x.dim(), "repeat_interleave")
    counts = repeats
    if repeats.dim() == 0 or (repeats.dim() == 1 and repeats.shape[0] == 1):
        counts = ops.expand(ops.reshape(repeats, [1]), [x.shape[d]])
    elif repeats.shape[0] != x.shape[d]:
        raise Error(
            "repeat_interleave: repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {repeats.shape[0]} and input.size({d}) = {x.shape[d]}"
        )
    return ops.index_select(x, d, ops.repeat_interleave_Tensor(counts, output_size))


@composite(
    "repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, "
    "SymInt? output_size=None) -> Tensor"
)
def repeat_interleave_all(self, repeats, dim, output_size, ops):
    """Each element, or each slice along ``dim``, ``repeats`` times."""
    if repeats < 0:
        raise Error(f"repeat_interleave: Repeats must be non-negative, got {repeats}")
    x = self if dim is not None else ops.reshape(self, [-1])
    x = ops.reshape(x, [1]) if x.dim() == 0 else x
    d = 0
    if dim is not None:
        d = wrap_dim(dim, x.dim(), "repeat_interleave")
    sizes = list(x.shape)
    if output_size is not None:
        if output_size != sizes[d] * repeats:
            raise Error(
                f"repeat_interleave: allocated size {output_size} does not match required size "
                f"{sizes[d] * repeats}"
            )
    wide = list(x.shape)
    wide.insert(d + 1, repeats)
    spread = ops.expand(ops.unsqueeze(x, d + 1), wide)
    return ops.flatten_using_ints(ops.clone(spread, formats.contiguous_format), d, d + 1)


repeat_interleave_each.samples(
    call(values(2, 2), ints([1, 2]), 0),
    call(values(3), ints([2])),
    call(values(2, 2), ints([1, 0, 2, 1])),
)
repeat_interleave_each.reference(lambda x, n, dim=None, **_: np.repeat(x, n, dim))
repeat_interleave_all.samples(
    call(values(2, 3), 2), call(values(2, 3), 2, 1), call(values(2), 0, 0), call(values(), 3)
)
repeat_interleave_all.reference(lambda x, n, dim=None, **_: np.repeat(x, n, dim))
for _record in (searchsorted, bincount, histc, repeat_interleave):
    _record.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@searchsorted.batching
def _(b, sorted_sequence, self, out_int32, right, side, sorter):
    options = {"out_int32": out_int32, "right": right, "side": side}
    alone = not sorted_sequence.batched and (sorter is None or not sorter.batched)
    if alone and sorted_sequence.rank == 1:
        order = None if sorter is None else sorter.value
        return b.op(sorted_sequence.value, self.full, sorter=order, **options)
    order = None if sorter is None else sorter.full
    x = self.full
    if sorted_sequence.rank == 1:
        made = b.op(sorted_sequence.full, x.reshape(b.size, -1), sorter=order, **options)
        return made.reshape(x.shape)
    return b.op(sorted_sequence.full, x, sorter=order, **options)


@histc.batching
def _(b, self, bins, min, max):
    import flambeau

    return flambeau.stack([b.op(t, bins, min, max) for t in self.full])


for _record in (bincount, repeat_interleave):
    _record.batching("none")
for _record in (
    searchsorted_number,
    bucketize,
    bucketize_number,
    repeat_interleave_each,
    repeat_interleave_all,
):
    _record.without("benchmark")
