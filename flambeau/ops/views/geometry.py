"""Ops that give other geometry over the same memory."""

from flambeau.ops.language import (
    MOST,
    Error,
    Spec,
    contiguous_strides,
    dtype_name,
    dtypes,
    show,
    storage_bytes,
    sum_to,
    wrap_dim,
)
from flambeau.ops.record import view
from flambeau.ops.samples import call, dtype, np, values


@view("alias(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False)
def alias():
    """Another tensor over the same memory."""


alias.samples(call(values(2, 3)))
alias.reference(lambda x: x)
alias.batching("same")
alias.jvp("linear")


@alias.rule
def _(self):
    return Spec(self.shape, self.dtype, self.stride(), self.storage_offset())


@alias.gradient
def _(g):
    return g


@view("view(Tensor(a) self, SymInt[] size) -> Tensor(a)", function_variant=False)
def view_(g):
    """The same elements under another shape, without a copy; one size may be -1.

    RuntimeError when the strides do not allow it: use ``reshape`` then.

    >>> flambeau.arange(6).view(2, 3)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """


view_.samples(call(values(2, 3), [3, 2]), call(values(2, 3), [-1]), call(values(0, 3), [3, 0]))
view_.reference(np.reshape)
view_.batching("dims")


@view_.jvp
def _(t, size):
    return t.get("self").reshape(size)


def inferred_size(shape, numel, op):
    """The shape with the size put in that was given as -1."""
    out = list(shape)
    known, unknown = 1, -1
    for i, n in enumerate(shape):
        if n == -1:
            if unknown >= 0:
                raise Error(f"{op}: only one dimension can be inferred, got {show(shape)}")
            unknown = i
            continue
        if n < 0:
            raise Error(f"{op}: invalid shape dimension {n} at index {i} of shape {show(shape)}")
        # More elements than there are numbers are none that a tensor has.
        known = -1 if known < 0 or (n > 0 and known > MOST // n) else known * n
    if unknown >= 0:
        if known == 0:
            raise Error(
                f"{op}: cannot reshape tensor of {numel} elements into shape {show(shape)} because "
                "the unspecified dimension size -1 can be any value and is ambiguous"
            )
        if known > 0 and numel % known == 0:
            out[unknown] = numel // known
            return out
        known = -1
    if known != numel:
        raise Error(f"{op}: shape '{show(shape)}' is invalid for input of size {numel}")
    return out


def view_strides(sizes, strides, shape, numel):
    """Strides under which a new shape is a view, or None: runs of dimensions that are contiguous
    among themselves can be split and joined freely."""
    if numel == 0:
        return contiguous_strides(shape)
    out = [0] * len(shape)
    d = len(shape) - 1
    if not sizes:
        return [1] * len(shape)
    base = strides[-1]
    run, taken = 1, 1
    for i in reversed(range(len(sizes))):
        run = run * sizes[i]
        if i > 0 and (sizes[i - 1] == 1 or strides[i - 1] == run * base):
            continue  # the run goes on
        for k in reversed(range(d + 1)):
            if taken >= run and shape[k] != 1:
                break
            out[k] = taken * base
            taken = taken * shape[k]
            d = k - 1
        if taken != run:
            return None
        if i > 0:
            base = strides[i - 1]
            run, taken = 1, 1
    if d >= 0:
        return None
    return out


def is_row_major(sizes, strides):
    """Contiguous, with row-major strides also where a dimension has one element."""
    step = 1
    for d in reversed(range(len(sizes))):
        if strides[d] != step:
            return False
        step = step * max(sizes[d], 1)
    return True


def viewed(self, size, op):
    shape = inferred_size(size, self.numel(), op)
    start = self.storage_offset()
    if self.is_contiguous() and (self.numel() == 0 or is_row_major(self.shape, self.stride())):
        return Spec(shape, self.dtype, contiguous_strides(shape), start)
    strides = view_strides(self.shape, self.stride(), shape, self.numel())
    if strides is None:
        raise Error(
            "view: view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead; sizes "
            f"{show(self.shape)}, strides {show(self.stride())}, asked for {show(shape)}"
        )
    return Spec(shape, self.dtype, strides, start)


@view_.rule
def _(self, size):
    return viewed(self, size, "view")


@view_.gradient
def _(g, self, ops):
    return ops.reshape(g, self.shape)


@view(
    "view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)",
    function_variant=False,
    no_gradient="reinterprets bits",
)
def view_dtype():
    """The same bytes read as another dtype."""


view_dtype.samples(call(values(2, 4), dtype("uint8")))
view_dtype.batching(lambda b, self, dtype: b.op(self.full.contiguous(), dtype))
view_dtype.jvp("none")


@view_dtype.rule
def _(self, dtype):
    own, new = self.dtype.itemsize, dtype.itemsize
    if self.is_conj() and dtype != self.dtype:
        raise Error(
            "view: a conjugated tensor cannot be viewed as another dtype; call .resolve_conj() "
            "first"
        )
    if self.is_neg() and dtype != self.dtype:
        raise Error(
            "view: a lazily negated tensor cannot be viewed as another dtype; call .resolve_neg() "
            "first"
        )
    start = self.storage_offset()
    if own == new:
        return Spec(self.shape, dtype, self.stride(), start)
    if self.dim() == 0:
        raise Error(
            f"view: a 0-dim tensor of {dtype_name(self.dtype)} cannot be viewed as "
            f"{dtype_name(dtype)}: the element sizes differ"
        )
    sizes, strides = list(self.shape), list(self.stride())
    last = len(sizes) - 1
    if strides[last] != 1:
        raise Error(
            f"view: self.stride(-1) must be 1 to view {dtype_name(self.dtype)} as "
            f"{dtype_name(dtype)} (different element sizes), but got {strides[last]}"
        )
    if own > new:
        ratio = own // new
        for i in range(last):
            strides[i] = strides[i] * ratio
        sizes[last] = sizes[last] * ratio
        return Spec(sizes, dtype, strides, start * ratio)
    ratio = new // own
    if sizes[last] % ratio != 0:
        raise Error(
            f"view: self.size(-1) must be divisible by {ratio} to view {dtype_name(self.dtype)} as "
            f"{dtype_name(dtype)}, but got {sizes[last]}"
        )
    if start % ratio != 0:
        raise Error(
            f"view: self.storage_offset() must be divisible by {ratio} to view "
            f"{dtype_name(self.dtype)} as {dtype_name(dtype)}, but got {start}"
        )
    for i in range(last):
        if strides[i] % ratio != 0:
            raise Error(
                f"view: self.stride({i}) must be divisible by {ratio} to view "
                f"{dtype_name(self.dtype)} as {dtype_name(dtype)}, but got {strides[i]}"
            )
        strides[i] = strides[i] // ratio
    sizes[last] = sizes[last] // ratio
    return Spec(sizes, dtype, strides, start // ratio)


@view(
    "as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) "
    "-> Tensor(a)",
    inplace=True,
)
def as_strided():
    """A view with any sizes, strides and offset that stay inside the storage.

    >>> flambeau.as_strided(flambeau.arange(4), (2, 2), (1, 1))
    tensor([[0, 1],
            [1, 2]])
    """


as_strided.samples(call(values(6), [2, 2], [2, 1], 1), call(values(2, 3), [3], [1]))


def strided(self, size, stride, start):
    """Any geometry that stays inside the storage."""
    if len(size) != len(stride):
        raise Error(
            f"as_strided: mismatch in length of strides and shape: {show(size)} and {show(stride)}"
        )
    if start < 0:
        raise Error(f"as_strided: Tensor: invalid storage offset {start}")
    last, empty = start, False
    for i in range(len(size)):
        if stride[i] < 0:
            raise Error(
                "as_strided: Negative strides are not supported at the moment, got strides: "
                f"{show(stride)}"
            )
        if size[i] < 0:
            raise Error(f"as_strided: negative dimension {size[i]}")
        empty = empty or size[i] == 0
        last = last + (size[i] - 1) * stride[i]
    width, bytes_ = self.element_size(), storage_bytes(self)
    if not empty and last >= bytes_ // width:
        raise Error(
            f"as_strided: setStorage: sizes {show(size)}, strides {show(stride)}, storage offset "
            f"{start}, and itemsize {width} requiring a storage size of {(last + 1) * width} are "
            f"out of bounds for storage of size {bytes_}"
        )
    return Spec(size, self.dtype, stride, start)


@as_strided.rule
def _(self, size, stride, storage_offset):
    start = self.storage_offset() if storage_offset is None else storage_offset
    return strided(self, size, stride, start)


@as_strided.jvp
def _(t, self, size, stride, storage_offset):
    tangent = t.get("self")
    if tangent.stride() != self.stride() or tangent.storage_offset() != self.storage_offset():
        buffer = self.new_zeros(storage_bytes(self) // self.element_size())
        tangent = (
            buffer.as_strided(self.shape, self.stride(), self.storage_offset()).copy_(tangent)
            if self.numel()
            else tangent
        )
    return tangent.as_strided(size, stride, storage_offset)


@as_strided.batching
def _(b, self, size, stride, storage_offset):
    x = self.first
    offset = x.storage_offset() if storage_offset is None else storage_offset
    return x.as_strided([b.size, *size], [x.stride(0), *stride], offset)


def extent(sizes, strides):
    """How far the last element is from the first; -1 where there is none."""
    last = 0
    for n, step in zip(sizes, strides, strict=True):
        if n == 0:
            return -1
        last = last + (n - 1) * step
    return last


def overlaps(sizes, strides):
    """Whether two indices may name one element.

    None do where each dimension steps over the extent of those with smaller steps.
    """
    if any(n == 0 for n in sizes):
        return False
    for d, step in enumerate(strides):
        if sizes[d] == 1:
            continue
        reach = 0
        for e, other in enumerate(strides):
            if other < step or (other == step and e < d):
                reach = reach + other * (sizes[e] - 1)
        if step <= reach:
            return True
    return False


def places_of(length, sizes, strides, offset, g, ops):
    """Where the elements of a geometry are in a buffer, in one dimension."""
    every = ops.arange_start_step(0, length, 1, dtypes.int64, None, g.device)
    return ops.reshape(ops.as_strided(every, sizes, strides, offset), [-1])


@as_strided.gradient
def _(g, self, size, stride, storage_offset, ops):
    # The gradient is laid out in a buffer that stands for the storage: what the view read is added
    # there (several times where the view overlaps itself), then read back with the base's
    # geometry. An element that the base holds at several places (expanded) is divided among them.
    base = self.storage_offset()
    begins = base if storage_offset is None else storage_offset
    start = min(begins, base)
    end = max(begins + extent(size, stride), base + extent(self.shape, self.stride()))
    length = max(end - start + 1, 0)
    # Made from g, so that it belongs to the levels that g belongs to.
    buffer = ops.new_zeros(g, [length])
    if overlaps(size, stride):
        places = places_of(length, size, stride, begins - start, g, ops)
        ops.index_add_(buffer, 0, places, ops.reshape(g, [-1]))
    else:
        ops.copy_(ops.as_strided(buffer, size, stride, begins - start), g)
    result = ops.as_strided(buffer, self.shape, self.stride(), base - start)
    if not overlaps(self.shape, self.stride()):
        return result
    counts = ops.zeros([length], g.dtype, None, g.device)
    places = places_of(length, self.shape, self.stride(), base - start, g, ops)
    ops.index_add_(counts, 0, places, ops.ones_like(places, g.dtype))
    return result / ops.as_strided(counts, self.shape, self.stride(), base - start)


@view(
    "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
    inplace=True,
    inplace_overload="",
    aliases=("swapaxes", "swapdims"),
)
def transpose():
    """Exchanges two dimensions.

    >>> flambeau.transpose(flambeau.arange(6).view(2, 3), 0, 1)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """


transpose.samples(call(values(2, 3), 0, 1), call(values(2, 3, 4), -1, 0), call(values(0, 3), 0, 1))
transpose.reference(np.swapaxes)
transpose.batching("dims")
transpose.jvp("linear")


def transposed(self, a, b):
    sizes, strides = list(self.shape), list(self.stride())
    if self.dim() > 0:
        sizes[a] = self.shape[b]
        sizes[b] = self.shape[a]
        strides[a] = self.stride()[b]
        strides[b] = self.stride()[a]
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@transpose.rule
def _(self, dim0, dim1):
    a, b = wrap_dim(dim0, self.dim(), "transpose"), wrap_dim(dim1, self.dim(), "transpose")
    return transposed(self, a, b)


@transpose.gradient
def _(g, dim0, dim1, ops):
    return ops.transpose_int(g, dim0, dim1)


@view("t(Tensor(a) self) -> Tensor(a)", inplace=True, inplace_functions=())
def t():
    """Transposes a matrix; vectors and 0-dim tensors stay.

    >>> flambeau.t(flambeau.arange(2).view(1, 2)).shape
    torch.Size([2, 1])
    """


t.samples(call(values(2, 3)), call(values(3)), call(values()))
t.reference(np.transpose)
t.jvp("linear")


@t.batching
def _(b, self):
    return self.first.transpose(1, 2) if self.rank == 2 else self.first


@t.rule
def _(self):
    if self.dim() > 2:
        raise Error(
            f"t: t() expects a tensor with <= 2 dimensions, but self is {self.dim()}D: use .mT or "
            ".transpose(dim0, dim1)"
        )
    if self.dim() < 2:
        return Spec(self.shape, self.dtype, self.stride(), self.storage_offset())
    return transposed(self, 0, 1)


@t.gradient
def _(g, ops):
    return ops.t(g)


@view("permute(Tensor(a) self, int[] dims) -> Tensor(a)")
def permute():
    """The dimensions in another order.

    >>> flambeau.permute(flambeau.zeros(2, 3, 5), (2, 0, 1)).shape
    torch.Size([5, 2, 3])
    """


permute.samples(call(values(2, 3, 4), [2, 0, 1]), call(values(), []))
permute.reference(np.transpose)
permute.jvp("linear")


@permute.batching
def _(b, self, dims):
    return self.first.permute([0, *b.shifted(dims, self.rank)])


@permute.rule
def _(self, dims):
    n = self.dim()
    if len(dims) != n:
        raise Error(
            "permute: number of dimensions in the tensor input does not match the length of the "
            f"desired ordering of dimensions i.e. input.dim() = {n} is not equal to len(dims) = "
            f"{len(dims)}"
        )
    order, sizes, strides = [], [], []
    for given in dims:
        d = wrap_dim(given, n, "permute")
        if d in order:
            raise Error(f"permute: duplicate dims are not allowed, got {show(dims)}")
        order.append(d)
        sizes.append(self.shape[d])
        strides.append(self.stride()[d])
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@permute.gradient
def _(g, dims, ops):
    inverse = [0] * len(dims)
    for i, d in enumerate(dims):
        inverse[d + len(dims) if d < 0 else d] = i
    return ops.permute(g, inverse)


@view(
    "expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)",
    function_variant=False,
)
def expand():
    """Dimensions of size 1 repeated without a copy; -1 keeps a size.

    >>> flambeau.tensor([[1], [2]]).expand(2, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """


expand.samples(call(values(3), [2, 3]), call(values(2, 1), [-1, 3]), call(values(), [2]))
expand.reference(lambda x, size: np.broadcast_to(x, [x.shape[0] if n < 0 else n for n in size]))
expand.jvp("linear")


@expand.batching
def _(b, self, size):
    padded = b.aligned(self, len(size))
    return padded.expand([b.size, *size])


@expand.rule
def _(self, size):
    n = len(size)
    extra = n - self.dim()
    if extra < 0:
        raise Error(
            f"expand: expand({dtype_name(self.dtype)}{{{show(self.shape)}}}, size={show(size)}): "
            f"the number of sizes provided ({n}) must be greater or equal to the number of "
            f"dimensions in the tensor ({self.dim()})"
        )
    sizes, strides = [0] * n, [0] * n
    for i in reversed(range(n)):
        d = i - extra
        have = 1 if d < 0 else self.shape[d]
        if size[i] == -1 and d < 0:
            raise Error(
                "expand: the expanded size of the tensor (-1) isn't allowed in a leading, "
                f"non-existing dimension {i}"
            )
        want = have if size[i] == -1 else size[i]
        if want < 0:
            raise Error(f"expand: negative size {want} in {show(size)}")
        if have != want and have != 1:
            raise Error(
                f"expand: The expanded size of the tensor ({want}) must match the existing size "
                f"({have}) at non-singleton dimension {i}.  Target sizes: {show(size)}.  Tensor "
                f"sizes: {show(self.shape)}"
            )
        sizes[i] = want
        if self.dim() > 0 and have == want:
            if d >= 0:
                strides[i] = self.stride()[d]
            else:
                strides[i] = sizes[i + 1] * strides[i + 1] if i + 1 < n else 1
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@expand.gradient
def _(g, self, ops):
    return sum_to(g, self.shape, ops)


@view(
    "_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)",
    function_variant=False,
    method=False,
    node="ReshapeAliasBackward0",
)
def _reshape_alias():
    """What ``reshape`` runs where a view of memory with gaps will do."""


_reshape_alias.samples(call(values(2, 3), [3, 2], [2, 1]))
_reshape_alias.reference(lambda x, size, stride: np.reshape(x, size))


@_reshape_alias.rule
def _(self, size, stride):
    return strided(self, size, stride, self.storage_offset())


@_reshape_alias.jvp
def _(t, size):
    return t.get("self").reshape(size)


@_reshape_alias.batching
def _(b, self, size):
    return self.first.reshape([b.size, *size])


@_reshape_alias.gradient
def _(g, self, ops):
    return ops.reshape(g, self.shape)


@view(
    "squeeze(Tensor(a) self) -> Tensor(a)",
    inplace=True,
    inplace_functions=(),
    inplace_node="SqueezeBackward3",
)
def squeeze():
    """Without the dimensions of size 1.

    >>> flambeau.squeeze(flambeau.zeros(1, 3, 1)).shape
    torch.Size([3])
    """


squeeze.samples(call(values(1, 3, 1)), call(values(2, 3)), call(values(1)))
squeeze.reference(np.squeeze)
squeeze.jvp("linear")


@squeeze.batching
def _(b, self):
    return self.first.squeeze([i + 1 for i, n in enumerate(self.shape) if n == 1])


def squeezed(self, dims):
    """Without those of the dimensions whose size is 1."""
    sizes, strides = [], []
    for d in range(self.dim()):
        if d in dims and self.shape[d] == 1:
            continue
        sizes.append(self.shape[d])
        strides.append(self.stride()[d])
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@squeeze.rule
def _(self):
    return squeezed(self, list(range(self.dim())))


def put_back(g, sizes, dims, ops):
    """Those of the named dimensions that had one element, where they were."""
    named = [wrap_dim(d, len(sizes), "squeeze") for d in dims]
    out = g
    for d, n in enumerate(sizes):
        if n == 1 and d in named:
            out = ops.unsqueeze(out, d)
    return out


@squeeze.gradient
def _(g, self, ops):
    return put_back(g, self.shape, list(range(self.dim())), ops)


@view(
    "squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)",
    inplace=True,
    inplace_node="SqueezeBackward4",
)
def squeeze_dim():
    """Without one dimension, if its size is 1."""


squeeze_dim.samples(call(values(1, 3, 1), -1), call(values(2, 3), 0))
squeeze_dim.reference(lambda x, dim: np.squeeze(x, dim) if x.shape[dim] == 1 else x)
squeeze_dim.batching("dims")
squeeze_dim.jvp("linear")


@squeeze_dim.rule
def _(self, dim):
    return squeezed(self, [wrap_dim(dim, self.dim(), "squeeze")])


@squeeze_dim.gradient
def _(g, self, dim, ops):
    return put_back(g, self.shape, [dim], ops)


@view(
    "squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)",
    inplace=True,
    inplace_node="SqueezeBackward5",
)
def squeeze_dims():
    """Without the named dimensions whose size is 1."""


squeeze_dims.samples(call(values(1, 3, 1), [0, 2]), call(values(1, 3), [0]))
squeeze_dims.reference(lambda x, dims: np.squeeze(x, tuple(dims)))
squeeze_dims.batching("dims")
squeeze_dims.jvp("linear")


@squeeze_dims.rule
def _(self, dim):
    named = []
    for given in dim:
        d = wrap_dim(given, self.dim(), "squeeze")
        if d in named:
            raise Error(f"squeeze: dim {given} appears multiple times in the list of dims")
        named.append(d)
    return squeezed(self, named)


@squeeze_dims.gradient
def _(g, self, dim, ops):
    return put_back(g, self.shape, dim, ops)


@view("unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", inplace=True)
def unsqueeze():
    """With a dimension of size 1 put in at ``dim``.

    >>> flambeau.unsqueeze(flambeau.tensor([1, 2]), 1)
    tensor([[1],
            [2]])
    """


unsqueeze.samples(call(values(2, 3), 1), call(values(), -1), call(values(0), 0))
unsqueeze.reference(np.expand_dims)
unsqueeze.jvp("linear")


@unsqueeze.batching
def _(b, self, dim):
    return self.first.unsqueeze(b.shifted(dim, self.rank + 1))


@unsqueeze.rule
def _(self, dim):
    d = wrap_dim(dim, self.dim() + 1, "unsqueeze")
    sizes, strides = list(self.shape), list(self.stride())
    step = sizes[d] * strides[d] if d < self.dim() else 1
    sizes.insert(d, 1)
    strides.insert(d, step)
    return Spec(sizes, self.dtype, strides, self.storage_offset())


@unsqueeze.gradient
def _(g, self, dim, ops):
    return ops.squeeze_dim(g, wrap_dim(dim, self.dim() + 1, "unsqueeze"))
