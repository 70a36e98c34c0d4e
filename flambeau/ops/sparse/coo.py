"""Tensors of layout ``sparse_coo``: their parts, their order, and what they are when dense."""

from flambeau.ops.language import Error, layout_name, layouts, same, show
from flambeau.ops.record import composite, native
from flambeau.ops.samples import call, coo, ints, values

# They look at the layout themselves, and how many elements there are nobody knows before.
_OWN = {"handles": frozenset({"backend"}), "tags": frozenset({"dynamic_shape"})}
_ASKS = {"handles": frozenset({"backend"}), "tags": frozenset({"data_dependent"})}
_OPTIONS = (
    "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=False, "
    "bool? is_coalesced=None"
)
_PLACES = ints([[0, 1], [2, 0]])


def as_layout(t, layout, ops):
    """A sparse or strided tensor as one of the other."""
    if layout == layouts.strided:
        return ops.to_dense(t)
    if layout == layouts.sparse_csr:
        return ops.to_sparse_csr(t)
    if layout == layouts.sparse_csc:
        return ops.to_sparse_csc(t)
    return ops.to_sparse(t)


# ---- making one


@native(
    "_sparse_coo_tensor_with_dims_and_tensors(int sparse_dim, int dense_dim, SymInt[] size, "
    f"Tensor indices, Tensor values, *, {_OPTIONS}) -> Tensor",
    cxx="_sparse_coo_tensor_with_dims_and_tensors",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_coo_tensor_with_dims_and_tensors():
    """A sparse tensor of its parts; ``sparse_coo_tensor`` is what programs call."""


_sparse_coo_tensor_with_dims_and_tensors.samples(
    call(2, 0, [2, 3], _PLACES, values(2)), call(1, 1, [4, 3], ints([[3, 0, 3]]), values(3, 3))
)


@_sparse_coo_tensor_with_dims_and_tensors.gradient
def _(g, indices, ops):
    return None, ops._elements_at(g, indices)


@composite(
    f"_sparse_coo_tensor_unsafe(Tensor indices, Tensor values, SymInt[] size, *, {_OPTIONS})"
    " -> Tensor",
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def _sparse_coo_tensor_unsafe(
    indices, values, size, dtype, layout, device, pin_memory, is_coalesced, ops
):
    """A sparse tensor of its parts, whose indices are looked at when they are used.

    >>> flambeau._sparse_coo_tensor_unsafe(
    ...     flambeau.tensor([[1]]), flambeau.tensor([2.]), [3]).to_dense()
    tensor([0., 2., 0.])
    """
    if layout is not None and layout != layouts.sparse_coo:
        raise Error(f"sparse_coo_tensor: expected layout sparse_coo, got {layout_name(layout)}")
    if indices.dim() != 2:
        raise Error(
            "sparse_coo_tensor: indices must be sparse_dim x nnz, but got "
            f"{indices.dim()} dimensions"
        )
    dims = indices.shape[0]
    return ops._sparse_coo_tensor_with_dims_and_tensors(
        dims,
        values.dim() - 1,
        size,
        indices,
        values,
        dtype,
        layout,
        device,
        pin_memory,
        is_coalesced,
    )


_sparse_coo_tensor_unsafe.samples(call(_PLACES, values(2), [2, 3]))


@native(
    "_coo_like(Tensor self, Tensor values) -> Tensor",
    cxx="_coo_like",
    function_variant=False,
    method=False,
    **_OWN,
)
def _coo_like():
    """The sparse tensor that has other values in the same places."""


_coo_like.samples(call(coo(values(2, 2), constant=True), values(4)))


@_coo_like.gradient
def _(g, self, ops):
    return None, ops._elements_at(g, ops._indices(self))


@native(
    "_elements_at(Tensor self, Tensor indices) -> Tensor",
    cxx="_elements_at",
    function_variant=False,
    method=False,
    **_OWN,
)
def _elements_at():
    """The elements of a tensor of either layout where the columns of ``indices`` say, one row for
    each."""


_elements_at.samples(
    call(values(2, 3), _PLACES),
    call(values(4, 2), ints([[3, 0]])),
    call(coo(values(2, 3)), _PLACES),
)


@_elements_at.gradient
def _(g, self, indices, ops):
    added = ops._sparse_coo_tensor_unsafe(indices, g, self.shape)
    return as_layout(added, self.layout, ops), None


# ---- its parts


@native("_indices(Tensor(a) self) -> Tensor(a)", cxx="_indices", function_variant=False, **_OWN)
def _indices():
    """Where there are elements, in whatever order: int64, of shape (sparse dimensions, n).

    >>> flambeau.eye(2).to_sparse()._indices()
    tensor([[0, 1],
            [0, 1]])
    """


@native("_values(Tensor(a) self) -> Tensor(a)", cxx="_values", function_variant=False, **_OWN)
def _values():
    """The elements that there are, in whatever order.

    >>> flambeau.eye(2).to_sparse()._values()
    tensor([1., 1.])
    """


@native("indices(Tensor(a) self) -> Tensor(a)", cxx="indices", function_variant=False, **_OWN)
def indices():
    """Where there are elements, each place once and in row-major order; of a coalesced tensor.

    >>> flambeau.eye(2).to_sparse().indices()
    tensor([[0, 1],
            [0, 1]])
    """


@native("values(Tensor(a) self) -> Tensor(a)", cxx="values", function_variant=False, **_OWN)
def values_():
    """The elements that there are, in the order of ``indices``; of a coalesced tensor.

    >>> flambeau.eye(2).to_sparse().values()
    tensor([1., 1.])
    """


@values_.gradient
def _(g, self, ops):
    return ops._coo_like(self, g)


@native("sparse_dim(Tensor self) -> int", cxx="sparse_dim", function_variant=False, **_ASKS)
def sparse_dim():
    """How many of the dimensions are sparse: the first ones. None of a strided tensor.

    >>> flambeau.eye(2).to_sparse().sparse_dim()
    2
    """


@native("dense_dim(Tensor self) -> int", cxx="dense_dim", function_variant=False, **_ASKS)
def dense_dim():
    """How many of the dimensions are dense: those behind the sparse ones.

    >>> flambeau.eye(2).to_sparse(1).dense_dim()
    1
    """


@native("_nnz(Tensor self) -> int", cxx="_nnz", function_variant=False, **_ASKS)
def _nnz():
    """How many elements there are, places that are named twice counted twice.

    >>> flambeau.eye(2).to_sparse()._nnz()
    2
    """


@native("is_coalesced(Tensor self) -> bool", cxx="is_coalesced", function_variant=False, **_ASKS)
def is_coalesced():
    """Whether a sparse tensor names every place once, in row-major order, and knows it.

    >>> flambeau.eye(2).to_sparse().is_coalesced()
    True
    """


@native(
    "_coalesced_(Tensor(a!) self, bool coalesced) -> Tensor(a!)",
    cxx="_coalesced_",
    function_variant=False,
    **_OWN,
)
def _coalesced_():
    """Says that a sparse tensor is coalesced, or not; nobody checks it.

    >>> flambeau.eye(2).to_sparse()._coalesced_(False).is_coalesced()
    False
    """


# ---- order


@native(
    "_coalesce(Tensor self) -> Tensor",
    cxx="_coalesce",
    function_variant=False,
    method=False,
    **_OWN,
)
def _coalesce():
    """The op under ``coalesce``."""


@_coalesce.gradient
def _(g):
    return g


@composite("coalesce(Tensor(a) self) -> Tensor(a)", function_variant=False, **_ASKS)
def coalesce(self, ops):
    """The sparse tensor with every place once, in row-major order: elements of one place are added.

    >>> twice = flambeau.sparse_coo_tensor([[1, 1]], [2., 3.], (2,))
    >>> twice.coalesce().values()
    tensor([5.])
    """
    if ops.is_coalesced(self):
        return self
    return ops._coalesce(self)


# ---- to and from dense


@native(
    "_to_dense(Tensor self, ScalarType? dtype=None, bool? masked_grad=None) -> Tensor",
    cxx="_to_dense",
    function_variant=False,
    method=False,
    **_OWN,
)
def _to_dense():
    """The op under ``to_dense``."""


@_to_dense.gradient
def _(g, self, masked_grad, ops):
    return ops.to_dense_backward(g, self, masked_grad)


@composite(
    "to_dense_backward(Tensor grad, Tensor input, bool? masked_grad=None) -> Tensor",
    function_variant=False,
    method=False,
    **_ASKS,
)
def to_dense_backward(grad, input, masked_grad, ops):
    """The gradient of ``to_dense``: in the places that there are, unless it is not to be masked."""
    if not same(grad.shape, input.shape):
        raise Error(
            f"to_dense_backward: expected a gradient of shape {show(input.shape)}, got "
            f"{show(grad.shape)}"
        )
    if input.layout == layouts.strided:
        return ops.to_dense(grad)
    if masked_grad is not None and not masked_grad:
        return ops.to_sparse_sparse_dim(ops.to_dense(grad), ops.sparse_dim(input))
    return ops.sparse_mask(grad, ops.coalesce(ops.to_sparse(input)))


@composite(
    "to_dense(Tensor self, ScalarType? dtype=None, *, bool? masked_grad=None) -> Tensor",
    function_variant=False,
)
def to_dense(self, dtype, masked_grad, ops):
    """The strided tensor with the same elements; one that is strided already is given back.

    >>> flambeau.sparse_coo_tensor([[0, 1]], [1., 2.], (3,)).to_dense()
    tensor([1., 2., 0.])
    """
    if self.layout == layouts.strided:
        return self if dtype is None else ops.to_dtype(self, dtype)
    return ops._to_dense(self, dtype, masked_grad)


@native(
    "_to_sparse.sparse_dim(Tensor self, int sparse_dim) -> Tensor",
    cxx="_to_sparse",
    function_variant=False,
    method=False,
    **_OWN,
)
def _to_sparse():
    """The op under ``to_sparse``."""


@_to_sparse.gradient
def _(g, self, ops):
    return as_layout(g, self.layout, ops)


@composite(
    "to_sparse.sparse_dim(Tensor self, int sparse_dim) -> Tensor", function_variant=False, **_ASKS
)
def to_sparse_dim(self, sparse_dim, ops):
    """The sparse tensor with the same elements, of which the first ``sparse_dim`` dimensions are
    sparse.

    >>> flambeau.tensor([[0., 0.], [1., 2.]]).to_sparse(1).values()
    tensor([[1., 2.]])
    """
    if self.layout == layouts.sparse_coo:
        if sparse_dim != ops.sparse_dim(self):
            raise Error(
                "to_sparse: conversion from sparse_coo to sparse_coo with another sparse_dim is "
                f"not supported: {ops.sparse_dim(self)} to {sparse_dim}"
            )
        return self
    return ops._to_sparse_sparse_dim(self, sparse_dim)


@composite(
    "to_sparse(Tensor self, *, Layout? layout=None, int[2]? blocksize=None, "
    "int? dense_dim=None) -> Tensor",
    function_variant=False,
    **_ASKS,
)
def to_sparse(self, layout, blocksize, dense_dim, ops):
    """The sparse tensor with the same elements.

    Args: ``layout`` which one, ``sparse_coo`` by default; ``dense_dim`` how many dimensions at the
    end stay dense.

    >>> flambeau.tensor([[0., 3.]]).to_sparse().indices()
    tensor([[0],
            [1]])
    """
    if blocksize is not None:
        raise Error("to_sparse: blocksize is for layouts sparse_bsr and sparse_bsc")
    if layout is not None and (layout == layouts.sparse_csr or layout == layouts.sparse_csc):
        return as_layout(self, layout, ops)
    if layout is not None and layout != layouts.sparse_coo:
        raise NotImplementedError(
            f"to_sparse: conversion to layout {layout_name(layout)} is not supported"
        )
    dense = 0 if dense_dim is None else dense_dim
    if self.layout == layouts.sparse_coo:
        return self
    if self.layout != layouts.strided:
        return ops._to_sparse_sparse_dim(self, 2)
    if dense < 0 or dense > self.dim():
        raise Error(f"to_sparse: dense_dim must be in [0, {self.dim()}], got {dense}")
    return ops._to_sparse_sparse_dim(self, self.dim() - dense)


@native(
    "sparse_mask(Tensor self, Tensor mask) -> Tensor",
    cxx="sparse_mask",
    function_variant=False,
    **_OWN,
)
def sparse_mask():
    """The sparse tensor that has elements where ``mask`` has them, and these are those of ``self``.

    >>> flambeau.tensor([1., 2.]).sparse_mask(flambeau.tensor([0., 7.]).to_sparse()).to_dense()
    tensor([0., 2.])
    """


@sparse_mask.gradient
def _(g, self, mask, ops):
    return as_layout(ops.sparse_mask(g, mask), self.layout, ops), None


_COO = coo(values(2, 3))
for _op in (_indices, _values, indices, values_, sparse_dim, dense_dim, _nnz, is_coalesced):
    _op.samples(call(_COO))
for _op in (_coalesce, coalesce):
    _op.samples(call(_COO))
for _op in (_to_dense, to_dense):
    _op.samples(call(_COO), call(coo(values(3, 2), 1)))
_coalesced_.samples(call(_COO, False))
to_dense_backward.samples(call(values(2, 3), coo(values(2, 3), constant=True)))
_to_sparse.samples(call(values(2, 3), 2), call(values(2, 3), 1))
to_sparse_dim.samples(call(values(2, 3), 2), call(_COO, 2))
to_sparse.samples(call(values(2, 3)), call(values(2, 3), dense_dim=1), call(_COO))
_MASK = coo(values(2, 3), constant=True)
sparse_mask.samples(call(values(2, 3), _MASK), call(_COO, _MASK))

for _op in (
    _sparse_coo_tensor_with_dims_and_tensors,
    _coo_like,
    _elements_at,
    _indices,
    _values,
    indices,
    values_,
    sparse_dim,
    dense_dim,
    _nnz,
    is_coalesced,
    _coalesced_,
    _coalesce,
    _to_dense,
    _to_sparse,
    sparse_mask,
):
    _op.batching("none")
    _op.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for _op in (
    _sparse_coo_tensor_unsafe,
    coalesce,
    to_dense_backward,
    to_dense,
    to_sparse_dim,
    to_sparse,
):
    _op.without("benchmark")
