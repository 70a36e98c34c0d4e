"""Tensors of layouts ``sparse_csr`` and ``sparse_csc``: matrices by their rows, or columns."""

from flambeau.ops.language import layouts
from flambeau.ops.record import composite, native
from flambeau.ops.samples import call, compressed, ints, values
from flambeau.ops.sparse.coo import as_layout

_OWN = {"handles": frozenset({"backend"}), "tags": frozenset({"dynamic_shape"})}
_ASKS = {"handles": frozenset({"backend"}), "tags": frozenset({"data_dependent"})}


@native(
    "_sparse_compressed_tensor_unsafe(Tensor compressed_indices, Tensor plain_indices, "
    "Tensor values, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
    cxx="_sparse_compressed_tensor_unsafe",
    method=False,
    **_OWN,
)
def _sparse_compressed_tensor_unsafe():
    """A sparse matrix of its parts, which are looked at; ``sparse_csr_tensor`` is what programs
    call.

    >>> flambeau._sparse_compressed_tensor_unsafe(
    ...     flambeau.tensor([0, 1, 1]), flambeau.tensor([1]), flambeau.tensor([5.]), [2, 2],
    ...     layout=flambeau.sparse_csr).to_dense()
    tensor([[0., 5.],
            [0., 0.]])
    """


@_sparse_compressed_tensor_unsafe.gradient
def _(g, compressed_indices, plain_indices, values, size, layout, ops):
    kind = layouts.sparse_csr if layout is None else layout
    like = ops._sparse_compressed_tensor_unsafe(
        compressed_indices, plain_indices, ops.detach(values), size, None, kind
    )
    masked = ops.sparse_mask(g, ops.to_sparse(like))
    return None, None, ops.values(as_layout(masked, kind, ops))


@native(
    "_to_sparse_csr(Tensor self, int? dense_dim=None) -> Tensor",
    cxx="_to_sparse_csr",
    function_variant=False,
    method=False,
    **_OWN,
)
def _to_sparse_csr():
    """The op under ``to_sparse_csr``."""


@native(
    "_to_sparse_csc(Tensor self, int? dense_dim=None) -> Tensor",
    cxx="_to_sparse_csc",
    function_variant=False,
    method=False,
    **_OWN,
)
def _to_sparse_csc():
    """The op under ``to_sparse_csc``."""


@_to_sparse_csr.gradient
@_to_sparse_csc.gradient
def _(g, self, ops):
    return as_layout(g, self.layout, ops)


@composite(
    "to_sparse_csr(Tensor self, int? dense_dim=None) -> Tensor", function_variant=False, **_ASKS
)
def to_sparse_csr(self, dense_dim, ops):
    """The matrix of layout ``sparse_csr`` with the same elements.

    >>> flambeau.eye(2).to_sparse_csr().crow_indices()
    tensor([0, 1, 2])
    """
    if self.layout == layouts.sparse_csr:
        return self
    return ops._to_sparse_csr(self, dense_dim)


@composite(
    "to_sparse_csc(Tensor self, int? dense_dim=None) -> Tensor", function_variant=False, **_ASKS
)
def to_sparse_csc(self, dense_dim, ops):
    """The matrix of layout ``sparse_csc`` with the same elements.

    >>> flambeau.eye(2).to_sparse_csc().row_indices()
    tensor([0, 1])
    """
    if self.layout == layouts.sparse_csc:
        return self
    return ops._to_sparse_csc(self, dense_dim)


@native(
    "crow_indices(Tensor(a) self) -> Tensor(a)", cxx="crow_indices", function_variant=False, **_OWN
)
def crow_indices():
    """Where each row of a ``sparse_csr`` matrix begins among its elements, and the last ends.

    >>> flambeau.eye(2).to_sparse_csr().crow_indices()
    tensor([0, 1, 2])
    """


@native(
    "col_indices(Tensor(a) self) -> Tensor(a)", cxx="col_indices", function_variant=False, **_OWN
)
def col_indices():
    """The columns of the elements of a ``sparse_csr`` matrix.

    >>> flambeau.eye(2).to_sparse_csr().col_indices()
    tensor([0, 1])
    """


@native(
    "ccol_indices(Tensor(a) self) -> Tensor(a)", cxx="ccol_indices", function_variant=False, **_OWN
)
def ccol_indices():
    """Where each column of a ``sparse_csc`` matrix begins among its elements, and the last ends.

    >>> flambeau.eye(2).to_sparse_csc().ccol_indices()
    tensor([0, 1, 2])
    """


@native(
    "_plain_indices(Tensor(a) self) -> Tensor(a)",
    cxx="_plain_indices",
    function_variant=False,
    **_OWN,
)
def _plain_indices():
    """The columns of the elements of a ``sparse_csr`` matrix, or the rows of a ``sparse_csc`` one:
    ``row_indices`` of the tensor.

    >>> flambeau.eye(2).to_sparse_csc()._plain_indices()
    tensor([0, 1])
    """


_CSR, _CSC = compressed(values(2, 3), "sparse_csr"), compressed(values(2, 3), "sparse_csc")
_sparse_compressed_tensor_unsafe.samples(
    call(ints([0, 1, 3]), ints([2, 0, 1]), values(3), [2, 3]),
)
_to_sparse_csr.samples(call(values(2, 3)), call(_CSC), call(values(2, 3, 2), 1))
_to_sparse_csc.samples(call(values(2, 3)), call(_CSR))
to_sparse_csr.samples(call(values(2, 3)), call(_CSC))
to_sparse_csc.samples(call(values(2, 3)), call(_CSR))
for _op, _of in (
    (crow_indices, _CSR),
    (col_indices, _CSR),
    (ccol_indices, _CSC),
    (_plain_indices, _CSC),
):
    _op.samples(call(_of))

for _op in (
    _sparse_compressed_tensor_unsafe,
    _to_sparse_csr,
    _to_sparse_csc,
    crow_indices,
    col_indices,
    ccol_indices,
    _plain_indices,
):
    _op.batching("none")
    _op.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for _op in (to_sparse_csr, to_sparse_csc):
    _op.without("benchmark")
