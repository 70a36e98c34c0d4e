"""Joining and rearranging."""

from flambeau.ops.language import (
    MOST,
    Error,
    Spec,
    channels_last_strides,
    dtype_name,
    dtypes,
    formats,
    grad_to,
    in_batch,
    promote,
    same,
    show,
    strides_like,
    suggest_memory_format,
    wrap_dim,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.reduce.dims import reduced_dims
from flambeau.ops.samples import call, ints, np, values


@structured(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    cpu="cpu::cat(result, tensors, dim)",
    method=False,
    out=True,
    separate_out=True,
    aliases=("concat", "concatenate"),
    opaque=True,
)
def cat():
    """Tensors one after the other along a dimension.

    >>> flambeau.cat((flambeau.tensor([1]), flambeau.tensor([2, 3])))
    tensor([1, 2, 3])
    """


cat.samples(call([values(2, 3), values(1, 3)]), call([values(2, 1), values(2, 0), values(2, 2)], 1))
cat.reference(np.concatenate)
cat.batching("dims")
cat.jvp("linear")
cat.autocast("promote")


def check_one_device(op, tensors):
    for t in tensors:
        if t.device != tensors[0].device:
            raise Error(
                f"{op}: Expected all tensors to be on the same device, but found at least two "
                f"devices, {tensors[0].device} and {t.device}!"
            )


def joined_dtype(tensors):
    dtype = tensors[0].dtype
    for t in tensors:
        dtype = promote(dtype, t.dtype)
    return dtype


def all_channels_last(tensors):
    """Whether all tensors agree on channels_last (or channels_last_3d)."""
    form = suggest_memory_format(tensors[0])
    if form == formats.contiguous_format:
        return False
    return all(suggest_memory_format(t) == form for t in tensors)


def left_out_of_cat(sizes):
    """Programs written before tensors could have empty dimensions start from ``tensor([])`` and
    join to it: a 1-D tensor without elements is left out, whatever the shape of the others."""
    return len(sizes) == 1 and sizes[0] == 0


@cat.rule
def _(tensors, dim):
    if not tensors:
        raise ValueError("cat: expected a non-empty list of Tensors")
    check_one_device("cat", tensors)
    for i, t in enumerate(tensors):
        if t.dim() == 0:
            raise Error(
                f"cat: zero-dimensional tensor (at position {i}) cannot be concatenated; give it a "
                f"dimension with unsqueeze(0)"
            )
    first = len(tensors) - 1
    for i, t in enumerate(tensors):
        if not left_out_of_cat(t.shape):
            first = i
            break
    shape = tensors[first].shape
    d = wrap_dim(dim, len(shape), "cat")
    total = 0
    for i, t in enumerate(tensors):
        if left_out_of_cat(t.shape):
            continue
        if t.dim() != len(shape):
            raise Error(
                f"cat: Tensors must have same number of dimensions: got {len(shape)} and "
                f"{t.dim()} (shapes {show(shape)} and {show(t.shape)})"
            )
        for k in range(len(shape)):
            if k != d and t.shape[k] != shape[k]:
                raise Error(
                    f"cat: Sizes of tensors must match except in dimension {d}. Expected size "
                    f"{shape[k]} but got size {t.shape[k]} for tensor number {i} in the list."
                )
        total = total + t.shape[d]
    sizes = list(shape)
    sizes[d] = total
    dtype = joined_dtype(tensors)
    if all_channels_last(tensors):
        return Spec(sizes, dtype, strides=channels_last_strides(sizes))
    return Spec(sizes, dtype)


@cat.gradient
def _(g, tensors, dim, ops):
    shapes, dtypes_ = [t.shape for t in tensors], [t.dtype for t in tensors]
    d = wrap_dim(dim, g.dim(), "cat_backward")
    start = 0
    parts = []
    for shape, dtype in zip(shapes, dtypes_):
        if left_out_of_cat(shape):  # whatever the dimensions of g
            parts.append(ops.zeros(shape, dtype, g.layout, g.device))
            continue
        part = ops.slice_Tensor(g, d, start, start + shape[d])
        parts.append(grad_to(part, shape, dtype, ops))
        start = start + shape[d]
    return parts


@structured(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    cpu="cpu::stack(result, tensors, dim)",
    method=False,
    out=True,
    separate_out=True,
    opaque=True,
)
def stack():
    """Tensors of one shape along a new dimension.

    >>> flambeau.stack((flambeau.tensor([1, 2]), flambeau.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """


stack.samples(
    call([values(2, 3), values(2, 3)]), call([values(2)], -1), call([values(0, 2), values(0, 2)], 1)
)
stack.reference(np.stack)
stack.jvp("linear")
stack.autocast("promote")


@stack.batching
def _(b, tensors, dim):
    return b.op([t.full for t in tensors], b.shifted(dim, tensors[0].rank + 1))


@stack.rule
def _(tensors, dim):
    if not tensors:
        raise Error("stack: stack expects a non-empty TensorList")
    check_one_device("stack", tensors)
    first = tensors[0].shape
    d = wrap_dim(dim, len(first) + 1, "stack")
    for i, t in enumerate(tensors):
        if not same(t.shape, first):
            raise Error(
                f"stack: stack expects each tensor to be equal size, but got {show(first)} at "
                f"entry 0 and {show(t.shape)} at entry {i}"
            )
    sizes = list(first)
    sizes.insert(d, len(tensors))
    return Spec(sizes, joined_dtype(tensors))


@stack.gradient
def _(g, tensors, dim, ops):
    parts = []
    for i, dtype in enumerate([t.dtype for t in tensors]):
        part = ops.select_int(g, dim, i)
        parts.append(grad_to(part, part.shape, dtype, ops))
    return (parts,)


@structured("flip(Tensor self, int[] dims) -> Tensor", cpu="flip", opaque=True)
def flip():
    """The order along dimensions reversed.

    >>> flambeau.flip(flambeau.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """


flip.samples(call(values(2, 3), [0]), call(values(2, 3), [0, -1]), call(values(0, 3), [1]))
flip.reference(np.flip)
flip.batching("dims")
flip.jvp("linear")


@flip.rule
def _(self, dims):
    reduced_dims(self.dim(), dims, "flip")
    return Spec(self.shape, self.dtype, strides_like(self))


@flip.gradient
def _(g, dims, ops):
    return ops.flip(g, dims)


@structured(
    "roll(Tensor self, SymInt[1] shifts, int[1] dims=[]) -> Tensor", cpu="roll", opaque=True
)
def roll():
    """Elements moved along dimensions; what leaves at the end comes in at the front.

    >>> flambeau.roll(flambeau.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """


roll.samples(call(values(2, 3), 2), call(values(2, 3), [1, -1], [0, 1]), call(values(0, 3), 1, 0))
roll.reference(lambda x, shifts, dims=None: np.roll(x, shifts, dims))
roll.jvp("linear")


@roll.batching
def _(b, self, shifts, dims):
    if not dims:
        return b.op(b.flat(self), shifts, [1]).reshape(self.first.shape)
    return b.op(self.first, shifts, b.shifted(dims, self.rank))


@roll.rule
def _(self, shifts, dims):
    if not shifts:
        raise Error("roll: `shifts` required")
    if len(dims) != len(shifts) and (dims or len(shifts) != 1):
        raise Error(
            f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}"
        )
    for d in dims:
        wrap_dim(d, self.dim(), "roll")
        if self.dim() == 0:
            raise IndexError(f"roll: Dimension specified as {d} but tensor has no dimensions")
    if dims and suggest_memory_format(self) == formats.channels_last:
        return Spec(self.shape, self.dtype, channels_last_strides(self.shape))
    return Spec(self.shape, self.dtype)


@roll.gradient
def _(g, shifts, dims, ops):
    return ops.roll(g, [-s for s in shifts], dims)


@structured(
    "tril(Tensor self, SymInt diagonal=0) -> Tensor",
    cpu="tril",
    inplace=True,
    over_self=True,
    out=True,
    opaque=True,
)
def tril():
    """The lower triangle of matrices; the rest is zero.

    >>> flambeau.tril(flambeau.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """


tril.samples(call(values(3, 3)), call(values(2, 3, 4), 1), call(values(0, 3), -1))
tril.reference(np.tril)
tril.batching("front")
tril.jvp("linear")


def triangle(self, op):
    if self.dim() < 2:
        raise Error(
            f"{op}: input tensor must have at least 2 dimensions, got shape {show(self.shape)}"
        )
    return Spec(self.shape, self.dtype)


@tril.rule
def _(self):
    return triangle(self, "tril")


@tril.gradient
def _(g, diagonal, ops):
    return ops.tril(g, diagonal)


@structured(
    "triu(Tensor self, SymInt diagonal=0) -> Tensor",
    cpu="triu",
    inplace=True,
    over_self=True,
    out=True,
    opaque=True,
)
def triu():
    """The upper triangle of matrices; the rest is zero.

    >>> flambeau.triu(flambeau.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """


triu.samples(call(values(3, 3)), call(values(2, 3, 4), 1), call(values(0, 3), -1))
triu.reference(np.triu)
triu.batching("front")
triu.jvp("linear")


@triu.rule
def _(self):
    return triangle(self, "triu")


@triu.gradient
def _(g, diagonal, ops):
    return ops.triu(g, diagonal)


@structured(
    "repeat(Tensor self, SymInt[] repeats) -> Tensor",
    cpu="repeat",
    function_variant=False,
    opaque=True,
)
def repeat():
    """Copies laid side by side.

    >>> flambeau.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2])
    """


repeat.samples(call(values(2, 3), [2, 1, 3]), call(values(2), [0]), call(values(), [2]))
repeat.reference(np.tile)
repeat.jvp("linear")


@repeat.batching
def _(b, self, repeats):
    return b.op(b.aligned(self, len(repeats)), [1, *repeats])


@repeat.rule
def _(self, repeats):
    extra = len(repeats) - self.dim()
    if extra < 0:
        raise Error(
            "repeat: Number of dimensions of repeat dims can not be smaller than number of "
            f"dimensions of tensor: got repeats {show(repeats)} for shape {show(self.shape)}"
        )
    sizes = []
    for i, times in enumerate(repeats):
        if times < 0:
            raise Error(
                "repeat: Trying to create tensor with negative dimension: repeats "
                f"{show(repeats)} must not be negative"
            )
        own = 1 if i < extra else self.shape[i - extra]
        if times > 0 and own > MOST // times:
            raise Error(
                f"repeat: sizes overflow: shape {show(self.shape)} with repeats {show(repeats)}"
            )
        sizes.append(own * times)
    return Spec(sizes, self.dtype)


@repeat.gradient
def _(g, self, repeats, ops):
    # The copies get dimensions of their own, which are summed.
    extra = len(repeats) - self.dim()
    split, copies = [], []
    for d, times in enumerate(repeats):
        if times == 0:
            return ops.zeros(self.shape, g.dtype, g.layout, g.device)
        if times > 1:
            copies.append(len(split))
            split.append(times)
        if d >= extra:
            split.append(self.shape[d - extra])
    parts = ops.reshape(g, split)
    return ops.sum_dim_IntList(parts, copies) if copies else parts


@composite("one_hot(Tensor self, int num_classes=-1) -> Tensor", module="_nn", method=False)
def one_hot(self, num_classes, ops):
    """Rows of zeros with a one at each index.

    >>> flambeau.nn.functional.one_hot(flambeau.tensor([1, 0]), 2)
    tensor([[0, 1],
            [1, 0]])
    """
    if self.dtype != dtypes.int64:
        raise Error(
            "one_hot: one_hot is only applicable to index tensor of type LongTensor, got "
            f"{dtype_name(self.dtype)}"
        )
    if self.numel() == 0:
        if num_classes <= 0:
            raise Error(
                "one_hot: Can not infer total number of classes from empty tensor: pass num_classes"
            )
        return ops.empty_memory_format(
            list(self.shape) + [num_classes], dtypes.int64, None, self.device
        )
    if self.is_meta:
        raise NotImplementedError(
            "one_hot: the result's shape depends on the values of a tensor, which a meta tensor "
            "does not have"
        )
    if num_classes != -1 and in_batch(self):  # whose values cannot be looked at
        if num_classes < 1:
            raise Error(f"one_hot: num_classes should be positive, got {num_classes}")
        own = ops.arange(num_classes, dtypes.int64, None, self.device)
        return ops.to_dtype(ops.eq_Tensor(ops.unsqueeze(self, -1), own), dtypes.int64)
    least, largest = ops.aminmax(self)
    if int(least.item()) < 0:
        raise Error("one_hot: Class values must be non-negative.")
    last = int(largest.item())
    if num_classes != -1 and num_classes < 1:
        raise Error(f"one_hot: num_classes should be positive, got {num_classes}")
    if num_classes != -1 and last >= num_classes:
        raise Error(
            f"one_hot: Class values must be smaller than num_classes: found {last} with "
            f"num_classes={num_classes}"
        )
    classes = last + 1 if num_classes == -1 else num_classes
    result = ops.zeros(list(self.shape) + [classes], dtypes.int64, None, self.device)
    ops.scatter__value(result, -1, ops.unsqueeze(self, -1), 1)
    return result


one_hot.samples(call(ints([1, 0, 2]), 3), call(ints([[1], [0]]), 4))
one_hot.reference(lambda x, n: np.eye(n)[x])
