"""Views of parts of a tensor: slices, splits, diagonals, windows."""

from flambeau.ops.language import Error, Spec, show, wrap_dim
from flambeau.ops.record import view
from flambeau.ops.samples import call, np, values


@view("select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)")
def select():
    """The slice at ``index`` of a dimension, which goes away.

    >>> flambeau.select(flambeau.arange(4).view(2, 2), 0, 1)
    tensor([2, 3])
    """


select.samples(call(values(2, 3), 1, 2), call(values(2, 3), 0, -1))
select.reference(lambda x, dim, index: np.take(x, index, dim))
select.batching("dims")
select.jvp("linear")


@select.rule
def _(self, dim, index):
    if self.dim() == 0:
        raise IndexError("select: cannot be applied to a 0-dim tensor.")
    d = wrap_dim(dim, self.dim(), "select")
    n = self.shape[d]
    if index < -n or index >= n:
        raise IndexError(
            f"select: index {index} out of range for tensor of size {show(self.shape)} at "
            f"dimension {d}"
        )
    sizes, strides = list(self.shape), list(self.stride())
    start = self.storage_offset() + (index + n if index < 0 else index) * strides[d]
    del sizes[d]
    del strides[d]
    return Spec(sizes, self.dtype, strides, start)


@select.gradient
def _(g, self, dim, index, ops):
    return ops.select_backward(g, self.shape, dim, index)


@view(
    "slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt "
    "step=1) -> "
    "Tensor(a)",
    function_variant=False,
    method=False,
)
def slice():
    """Elements ``start`` to ``end`` by ``step`` of a dimension, as Python slices."""


slice.samples(call(values(4, 2), 0, 1, 4, 2), call(values(2, 3), 1, -2), call(values(2, 3), 0, 2))
slice.reference(
    lambda x, dim, start, end=None, step=1: np.take(x, range(x.shape[dim])[start:end:step], dim)
)
slice.batching("dims")
slice.jvp("linear")


@slice.rule
def _(self, dim, start, end, step):
    if self.dim() == 0:
        raise IndexError("slice: slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise Error(f"slice: slice step must be positive, got {step}")
    d = wrap_dim(dim, self.dim(), "slice")
    n = self.shape[d]
    first, last = 0 if start is None else start, n if end is None else end
    if first < 0:
        first = max(first + n, 0)
    if last < 0:
        last = last + n
    first = min(first, n)
    last = min(max(last, first), n)
    sizes, strides = list(self.shape), list(self.stride())
    offset = self.storage_offset() + first * strides[d]
    sizes[d] = (last - first) // step + (1 if (last - first) % step != 0 else 0)
    strides[d] = strides[d] * step
    return Spec(sizes, self.dtype, strides, offset)


_FAR = 2**63 - 1  # where a slice without an end ends


@slice.gradient
def _(g, self, dim, start, end, step, ops):
    first = 0 if start is None else start
    behind = _FAR if end is None else end
    return ops.slice_backward(g, self.shape, dim, first, behind, step)


@view("diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)")
def diagonal():
    """The diagonal of two dimensions, as the last dimension.

    >>> flambeau.diagonal(flambeau.arange(4).view(2, 2))
    tensor([0, 3])
    """


diagonal.samples(call(values(3, 3)), call(values(2, 3), 1), call(values(2, 3, 2), -1, 0, 2))
diagonal.reference(np.diagonal)
diagonal.batching("dims")
diagonal.jvp("linear")


@diagonal.rule
def _(self, offset, dim1, dim2):
    a, b = wrap_dim(dim1, self.dim(), "diagonal"), wrap_dim(dim2, self.dim(), "diagonal")
    if a == b:
        raise Error(f"diagonal: diagonal dimensions cannot be identical {dim1}, {dim2}")
    sizes, strides = list(self.shape), list(self.stride())
    rows, columns = sizes[a], sizes[b]
    if offset >= 0:
        length = max(min(rows, columns - offset), 0)
    else:
        length = max(min(rows + offset, columns), 0)
    start = self.storage_offset()
    if length > 0:
        start = start + (offset * strides[b] if offset >= 0 else -offset * strides[a])
    step = strides[a] + strides[b]
    del sizes[max(a, b)]
    del sizes[min(a, b)]
    del strides[max(a, b)]
    del strides[min(a, b)]
    sizes.append(length)
    strides.append(step)
    return Spec(sizes, self.dtype, strides, start)


@diagonal.gradient
def _(g, self, offset, dim1, dim2, ops):
    return ops.diagonal_backward(g, self.shape, offset, dim1, dim2)


@view(
    "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", function_variant=False
)
def unfold():
    """Windows of ``size`` elements every ``step`` along a dimension, as a new last dimension.

    >>> flambeau.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """


unfold.samples(call(values(5), 0, 2, 2), call(values(2, 4), 1, 3, 1))
unfold.batching("dims")
unfold.jvp("linear")


def window_sizes(op, sizes, d, size, step):
    n = sizes[d] if sizes else 1
    if size < 0:
        raise Error(f"{op}: size is {size} but must be >= 0")
    if size > n:
        raise Error(f"{op}: maximum size for tensor at dimension {d} is {n} but size is {size}")
    if step <= 0:
        raise Error(f"{op}: step is {step} but must be > 0")
    made = list(sizes)
    if made:
        made[d] = (n - size) // step + 1
    made.append(size)
    return made


@unfold.rule
def _(self, dimension, size, step):
    d = wrap_dim(dimension, self.dim(), "unfold")
    sizes, strides = window_sizes("unfold", self.shape, d, size, step), list(self.stride())
    if self.dim() == 0:
        strides.append(1)
        return Spec(sizes, self.dtype, strides, self.storage_offset())
    strides.append(strides[d])
    strides[d] = strides[d] * step
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@unfold.gradient
def _(g, self, dimension, size, step, ops):
    return ops.unfold_backward(g, self.shape, dimension, size, step)


@view(
    "split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]",
    creation="multi_output",
    module="_functional",
    method=False,
)
def split():
    """Parts of ``split_size`` along a dimension; the last may be smaller.

    >>> flambeau._C._functional.split(flambeau.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """


split.samples(call(values(5), 2), call(values(2, 3), 2, 1))
split.batching("dims")
split.jvp("linear")


def part(self, d, start, length):
    sizes = list(self.shape)
    sizes[d] = length
    return Spec(sizes, self.dtype, self.stride(), self.storage_offset() + start * self.stride()[d])


_MOST = 67108864  # a view has some 250 bytes: more take minutes and gigabytes, for no elements


def check_count(op, views):
    if views > _MOST:
        raise Error(f"{op}: {views} views are asked for, and at most {_MOST} are made")


@split.rule
def _(self, split_size, dim):
    if self.dim() == 0:
        raise Error("split: split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, self.dim(), "split")
    n = self.shape[d]
    if split_size < 0:
        raise Error(
            f"split: split expects split_size be non-negative, but got split_size={split_size}"
        )
    if split_size == 0:
        if n != 0:
            raise Error(
                "split: split_size can only be 0 if dimension size is 0, but got dimension size of "
                f"{n}"
            )
        return [part(self, d, 0, 0)]
    count = max((n - 1) // split_size + 1, 1)
    check_count("split", count)
    parts = []
    for i in range(count):
        parts.append(part(self, d, i * split_size, min(split_size, n - i * split_size)))
    return parts


def joined(g, lengths, sizes, d, dtype, layout, device, ops):
    """Gradients of parts, with zeros where a part had none."""
    parts = []
    for t, n in zip(g, lengths, strict=True):
        if t is None:
            part = list(sizes[:d]) + [n] + list(sizes[d + 1 :])
            parts.append(ops.zeros(part, dtype, layout, device))
        else:
            parts.append(t)
    return ops.cat(parts, d)


@split.gradient
def _(g, self, split_size, dim, ops):
    d = wrap_dim(dim, self.dim(), "split_backward")
    parts = [split_size] * len(g)
    if parts:
        parts[len(g) - 1] = self.size(d) - split_size * (len(g) - 1)
    return joined(g, parts, self.shape, d, self.dtype, self.layout, self.device, ops)


@view(
    "split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]",
    creation="multi_output",
)
def split_with_sizes():
    """Parts of the given sizes along a dimension.

    >>> flambeau.arange(3).split_with_sizes([1, 2])
    (tensor([0]), tensor([1, 2]))
    """


split_with_sizes.samples(call(values(5), [2, 3]), call(values(2, 3), [0, 1, 2], 1))
split_with_sizes.reference(lambda x, sizes, dim=0: np.split(x, np.cumsum(sizes)[:-1], dim))
split_with_sizes.batching("dims")
split_with_sizes.jvp("linear")


@split_with_sizes.rule
def _(self, split_sizes, dim):
    if self.dim() == 0:
        raise Error("split_with_sizes: split expects at least a 1-dimensional tensor")
    d = wrap_dim(dim, self.dim(), "split_with_sizes")
    total = 0
    for n in split_sizes:
        if n < 0:
            raise Error(
                "split_with_sizes: split_with_sizes expects split_sizes have only non-negative "
                f"entries, but got split_sizes={show(split_sizes)}"
            )
        total = total + n
    if total != self.shape[d]:
        raise Error(
            "split_with_sizes: split_with_sizes expects split_sizes to sum exactly to "
            f"{self.shape[d]} (input tensor's size at dimension {d}), but got "
            f"split_sizes={show(split_sizes)}"
        )
    start, parts = 0, []
    for n in split_sizes:
        parts.append(part(self, d, start, n))
        start = start + n
    return parts


@split_with_sizes.gradient
def _(g, self, split_sizes, dim, ops):
    d = wrap_dim(dim, self.dim(), "split_with_sizes_backward")
    return joined(g, split_sizes, self.shape, d, self.dtype, self.layout, self.device, ops)


@view(
    "unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]",
    creation="multi_output",
)
def unbind():
    """All slices along a dimension, which goes away.

    >>> flambeau.unbind(flambeau.arange(4).view(2, 2))
    (tensor([0, 1]), tensor([2, 3]))
    """


unbind.samples(call(values(2, 3)), call(values(2, 3), -1))
unbind.reference(lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)))
unbind.batching("dims")
unbind.jvp("linear")


@unbind.rule
def _(self, dim):
    if self.dim() == 0:
        raise IndexError(f"unbind: Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, self.dim(), "unbind")
    check_count("unbind", self.shape[d])
    sizes, strides = list(self.shape), list(self.stride())
    del sizes[d]
    del strides[d]
    parts = []
    for i in range(self.shape[d]):
        start = self.storage_offset() + i * self.stride()[d]
        parts.append(Spec(sizes, self.dtype, strides, start))
    return parts


@unbind.gradient
def _(g, self, dim, ops):
    d = wrap_dim(dim, self.dim(), "unbind_backward")
    if len(g) == 0:
        return ops.zeros(self.shape, self.dtype, self.layout, self.device)
    part = list(self.shape[:d]) + list(self.shape[d + 1 :])
    all_parts = []
    for t in g:
        if t is None:
            all_parts.append(ops.zeros(part, self.dtype, self.layout, self.device))
        else:
            all_parts.append(t)
    return ops.stack(all_parts, d)
