"""Ops that give other geometry over the same memory."""

from flambeau.ops.language import Error, Spec, show, wrap_dim
from flambeau.ops.record import COMPLEX, composite, native, view
from flambeau.ops.samples import call, dtype, np, values


@view("alias(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False)
def alias():
    """Another tensor over the same memory."""


alias.samples(call(values(2, 3)))
alias.reference(lambda x: x)
alias.batching("same")
alias.jvp("linear")


@alias.gradient
def _(g):
    return g


@view("view(Tensor(a) self, int[] size) -> Tensor(a)", function_variant=False)
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


@view_.gradient
def _(g, self, ops):
    return ops.reshape(g, self.shape)


@view(
    "view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)",
    function_variant=False,
    cxx="view_dtype",
    no_gradient="reinterprets bits",
)
def view_dtype():
    """The same bytes read as another dtype."""


view_dtype.samples(call(values(2, 4), dtype("uint8")))
view_dtype.batching(lambda b, self, dtype: b.op(self.full.contiguous(), dtype))
view_dtype.jvp("none")


@view(
    "as_strided(Tensor(a) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a)",
    inplace=True,
)
def as_strided():
    """A view with any sizes, strides and offset that stay inside the storage.

    >>> flambeau.as_strided(flambeau.arange(4), (2, 2), (1, 1))
    tensor([[0, 1],
            [1, 2]])
    """


as_strided.samples(call(values(6), [2, 2], [2, 1], 1), call(values(2, 3), [3], [1]))


@as_strided.jvp
def _(t, self, size, stride, storage_offset):
    tangent = t.get("self")
    if tangent.stride() != self.stride() or tangent.storage_offset() != self.storage_offset():
        buffer = self.new_zeros(self.untyped_storage().nbytes() // self.element_size())
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


@as_strided.gradient
def _(g, self, size, stride, storage_offset, cxx):
    return cxx.as_strided_backward(g, self.meta, self.offset, size, stride, storage_offset)


@view(
    "transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)",
    cxx="transpose",
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


@transpose.gradient
def _(g, dim0, dim1, ops):
    return ops.transpose_int(g, dim0, dim1)


@view("t(Tensor(a) self) -> Tensor(a)", inplace=True)
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


@permute.gradient
def _(g, dims, cxx):
    return cxx.permute_backward(g, dims)


@view(
    "expand(Tensor(a) self, int[] size, *, bool implicit=False) -> Tensor(a)",
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


@expand.gradient
def _(g, self, cxx):
    return cxx.sum_to(g, self.shape)


@view(
    "_reshape_alias(Tensor(a) self, int[] size, int[] stride) -> Tensor(a)",
    cxx="reshape_alias",
    function_variant=False,
    method=False,
    node="ReshapeAliasBackward0",
)
def _reshape_alias():
    """What ``reshape`` runs where a view of memory with gaps will do."""


_reshape_alias.samples(call(values(2, 3), [3, 2], [2, 1]))
_reshape_alias.reference(lambda x, size, stride: np.reshape(x, size))


@_reshape_alias.jvp
def _(t, size):
    return t.get("self").reshape(size)


@_reshape_alias.batching
def _(b, self, size):
    return self.first.reshape([b.size, *size])


@_reshape_alias.gradient
def _(g, self, ops):
    return ops.reshape(g, self.shape)


@view("squeeze(Tensor(a) self) -> Tensor(a)", inplace=True)
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


@squeeze.gradient
def _(g, self, cxx):
    return cxx.unsqueeze_to(g, self.shape)


@view("squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)", cxx="squeeze_dim", inplace=True)
def squeeze_dim():
    """Without one dimension, if its size is 1."""


squeeze_dim.samples(call(values(1, 3, 1), -1), call(values(2, 3), 0))
squeeze_dim.reference(lambda x, dim: np.squeeze(x, dim) if x.shape[dim] == 1 else x)
squeeze_dim.batching("dims")
squeeze_dim.jvp("linear")


@squeeze_dim.gradient
def _(g, self, dim, cxx):
    return cxx.unsqueeze_dim_to(g, self.shape, dim)


@view("squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)", cxx="squeeze_dims", inplace=True)
def squeeze_dims():
    """Without the named dimensions whose size is 1."""


squeeze_dims.samples(call(values(1, 3, 1), [0, 2]), call(values(1, 3), [0]))
squeeze_dims.reference(lambda x, dims: np.squeeze(x, tuple(dims)))
squeeze_dims.batching("dims")
squeeze_dims.jvp("linear")


@squeeze_dims.gradient
def _(g, self, dim, cxx):
    return cxx.unsqueeze_dims_to(g, self.shape, dim)


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


@unsqueeze.gradient
def _(g, self, dim, cxx):
    return cxx.squeeze_back(g, self.shape, dim)


@view("select.int(Tensor(a) self, int dim, int index) -> Tensor(a)")
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
    "slice.Tensor(Tensor(a) self, int dim=0, int? start=None, int? end=None, int step=1) -> "
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
        raise Error("slice: slice() cannot be applied to a 0-dim tensor.")
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


@slice.gradient
def _(g, self, dim, start, end, step, cxx):
    return cxx.slice_backward(g, self.shape, dim, start, end, step)


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


@unfold.gradient
def _(g, self, dimension, size, step, ops):
    return ops.unfold_backward(g, self.shape, dimension, size, step)


@view(
    "split.Tensor(Tensor(a -> *) self, int split_size, int dim=0) -> Tensor(a)[]",
    cxx="split",
    creation="multi_output",
    function_variant=False,
    method=False,
)
def split():
    """Parts of ``split_size`` along a dimension; the last may be smaller."""


split.samples(call(values(5), 2), call(values(2, 3), 2, 1))
split.batching("dims")
split.jvp("linear")


@split.gradient
def _(g, self, split_size, dim, cxx):
    return cxx.split_backward(g, self.shape, self.options, split_size, dim)


@view(
    "split_with_sizes(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]",
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


@split_with_sizes.gradient
def _(g, self, split_sizes, dim, cxx):
    return cxx.split_with_sizes_backward(g, self.shape, self.options, split_sizes, dim)


@view(
    "unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]",
    cxx="unbind",
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


@unbind.gradient
def _(g, self, dim, cxx):
    return cxx.unbind_backward(g, self.shape, self.options, dim)


@view("view_as_real(Tensor(a) self) -> Tensor(a)", handles=frozenset({"negative"}))
def view_as_real():
    """A complex tensor as a real one with a last dimension of 2.

    >>> flambeau.view_as_real(flambeau.tensor([1+2j]))
    tensor([[1., 2.]])
    """


view_as_real.samples(call(values(2, 3)), call(values()), dtypes=COMPLEX)
view_as_real.reference(lambda x: np.stack([x.real, x.imag], -1))
view_as_real.batching("same")
view_as_real.jvp("linear")


@view_as_real.gradient
def _(g, cxx):
    return cxx.view_as_real_backward(g)


@view("view_as_complex(Tensor(a) self) -> Tensor(a)", handles=frozenset())
def view_as_complex():
    """A real tensor with a last dimension of 2 as a complex one.

    >>> flambeau.view_as_complex(flambeau.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """


view_as_complex.samples(
    call(values(2, 3, 2)), call(values(2)), dtypes=frozenset({"float64", "float32"})
)
view_as_complex.reference(lambda x: x[..., 0] + 1j * x[..., 1])
view_as_complex.batching(lambda b, self: b.op(self.full.contiguous()))
view_as_complex.jvp("linear")


@view_as_complex.gradient
def _(g, cxx):
    return cxx.view_as_complex_backward(g)


@view("_conj(Tensor(a) self) -> Tensor(a)", function_variant=True, method=False)
def _conj():
    """The lazily conjugated view of a complex tensor."""


_conj.samples(call(values(2, 3)), dtypes=COMPLEX)
_conj.reference(np.conj)
_conj.batching("same")
_conj.jvp("linear")


@_conj.gradient
def _(g, cxx):
    return cxx.conj(g)


@view("_neg_view(Tensor(a) self) -> Tensor(a)", method=False)
def _neg_view():
    """The lazily negated view."""


_neg_view.samples(call(values(2, 3)))
_neg_view.batching("same")
_neg_view.jvp("linear")


@_neg_view.gradient
def _(g, ops):
    return ops.neg(g)


@composite("conj(Tensor(a) self) -> Tensor(a)")
def conj():
    """The complex conjugate, as a lazy view; real tensors are returned as they are.

    >>> flambeau.conj(flambeau.tensor([1+2j]))
    tensor([1.-2.j])
    """


conj.samples(call(values(2, 3)), call(values()))
conj.reference(np.conj)


@composite("real(Tensor(a) self) -> Tensor(a)", method=False, attribute="real")
def real():
    """The real part as a view; real tensors are returned as they are.

    >>> flambeau.real(flambeau.tensor([1+2j]))
    tensor([1.])
    """


real.samples(call(values(2, 3)), call(values()))
real.reference(np.real)


@composite("imag(Tensor(a) self) -> Tensor(a)", method=False, attribute="imag")
def imag():
    """The imaginary part of a complex tensor as a view.

    >>> flambeau.imag(flambeau.tensor([1+2j]))
    tensor([2.])
    """


imag.samples(call(values(2, 3)), call(values()), dtypes=COMPLEX)
imag.reference(np.imag)


@composite("resolve_conj(Tensor(a) self) -> Tensor(a)")
def resolve_conj():
    """A copy without the conjugate bit when it is set, else the tensor itself.

    >>> flambeau.tensor([1 + 2j]).conj().resolve_conj()
    tensor([1.-2.j])
    """


resolve_conj.samples(call(values(2, 3)), call(values()))
resolve_conj.reference(lambda x: x)


@composite("resolve_neg(Tensor(a) self) -> Tensor(a)")
def resolve_neg():
    """A copy without the negative bit when it is set, else the tensor itself.

    >>> flambeau.tensor([1 + 2j]).conj().imag.resolve_neg()
    tensor([-2.])
    """


resolve_neg.samples(call(values(2, 3)), call(values()))
resolve_neg.reference(lambda x: x)


@native(
    "detach(Tensor(a) self) -> Tensor(a)",
    cxx="detach",
    handles=frozenset({"conjugate", "negative", "autograd"}),
)
def detach():
    """The same memory, outside of the graph.

    >>> flambeau.ones(2, requires_grad=True).detach().requires_grad
    False
    """


detach.samples(call(values(2, 3)), call(values()))
detach.reference(lambda x: x)
detach.batching("same")
detach.jvp("none")


@native(
    "detach_(Tensor(a!) self) -> Tensor(a!)",
    cxx="detach_",
    handles=frozenset({"conjugate", "negative", "autograd"}),
)
def detach_():
    """Takes this tensor out of the graph that made it; it becomes a leaf.

    >>> flambeau.ones(1, requires_grad=True).mul(2).detach_().requires_grad
    False
    """


detach_.samples(call(values(2, 3)), call(values()))
detach_.reference(lambda x: x)
detach_.jvp("none")


@detach_.batching
def _(b, self):
    return b.op(self.value)
