"""Products and sums of sparse tensors, whose gradients are sparse in the same places."""

from flambeau.ops.language import (
    Error,
    conj_of_tensor,
    dtype_name,
    layouts,
    scaled,
    show,
    sum_to,
)
from flambeau.ops.record import FLOATING, NUMERIC, composite, native
from flambeau.ops.samples import call, coo, values

_OWN = {"handles": frozenset({"backend"}), "tags": frozenset({"dynamic_shape"})}
_ASKS = {"handles": frozenset({"backend"}), "tags": frozenset({"data_dependent"})}


# ---- products


def product_where(left, right, like, ops):
    """The product of two strided matrices, where a sparse one has elements."""
    places = ops.coalesce(like)
    where = ops._indices(places)
    rows = ops.index_select(left, 0, ops.select_int(where, 0, 0))
    columns = ops.index_select(right, 1, ops.select_int(where, 0, 1))
    return ops._coo_like(places, ops.sum_dim_IntList(rows * ops.t(columns), [1]))


@native(
    "_sparse_addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1)"
    " -> Tensor",
    cxx="_sparse_addmm",
    method=False,
    **_OWN,
)
def _sparse_addmm():
    """``beta * self + alpha * (mat1 @ mat2)`` of a sparse ``mat1``; ``sparse.addmm``.

    The gradient of ``mat1`` is sparse too.

    >>> flambeau.sparse.addmm(
    ...     flambeau.ones(2, 1), flambeau.eye(2).to_sparse(), flambeau.tensor([[3.], [4.]]))
    tensor([[4.],
            [5.]])
    """


@_sparse_addmm.gradient
def _(g, self, mat1, mat2, beta, alpha, ops):
    return (
        sum_to(scaled(g, beta, ops), self.shape, ops),
        scaled(product_where(g, conj_of_tensor(ops.t(mat2), ops), mat1, ops), alpha, ops),
        scaled(ops.mm(ops.t(conj_of_tensor(mat1, ops)), g), alpha, ops),
    )


@composite(
    "_sparse_mm(Tensor sparse, Tensor dense) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
)
def _sparse_mm(sparse, dense, ops):
    """The product of two matrices of which one is sparse, or both: then it is too; ``sparse.mm``.

    The gradient of a sparse matrix is sparse, with elements where the matrix has them.

    >>> flambeau.sparse.mm(flambeau.eye(2).to_sparse(), flambeau.tensor([[3.], [4.]]))
    tensor([[3.],
            [4.]])
    """
    if sparse.dim() != 2 or dense.dim() != 2:
        raise Error(
            f"_sparse_mm: expected two matrices, got shapes {show(sparse.shape)} and "
            f"{show(dense.shape)}"
        )
    if sparse.layout == layouts.sparse_csr or sparse.layout == layouts.sparse_csc:
        return ops._sparse_mm(ops.to_sparse(sparse), dense)
    if dense.layout == layouts.sparse_csr or dense.layout == layouts.sparse_csc:
        return ops._sparse_mm(sparse, ops.to_sparse(dense))
    if sparse.layout != layouts.strided and dense.layout != layouts.strided:
        return ops._sparse_sparse_matmul(sparse, dense)
    if sparse.layout != layouts.strided:
        zeros = ops.new_zeros(dense, [sparse.shape[0], dense.shape[1]])
        return ops._sparse_addmm(zeros, sparse, dense, 0, 1)
    zeros = ops.new_zeros(sparse, [dense.shape[1], sparse.shape[0]])
    return ops.t(ops._sparse_addmm(zeros, ops.t(dense), ops.t(sparse), 0, 1))


@native(
    "_sparse_sparse_matmul(Tensor self, Tensor other) -> Tensor",
    cxx="_sparse_sparse_matmul",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_sparse_matmul():
    """The product of two sparse matrices."""


@_sparse_sparse_matmul.gradient
def _(g, self, other, ops):
    return (
        ops.sparse_mask(ops.mm(g, ops.t(conj_of_tensor(other, ops))), ops.coalesce(self)),
        ops.sparse_mask(ops.mm(ops.t(conj_of_tensor(self, ops)), g), ops.coalesce(other)),
    )


# ---- sums


@composite("_sparse_sum(Tensor self) -> Tensor", method=False, tags=frozenset({"data_dependent"}))
def _sparse_sum(self, ops):
    """The sum of all elements; ``sparse.sum``.

    >>> flambeau.sparse.sum(flambeau.eye(2).to_sparse())
    tensor(2.)
    """
    return ops.sum(ops.values(ops.coalesce(self)))


@native(
    "_sparse_sum.dim(Tensor self, int[1] dim) -> Tensor",
    cxx="_sparse_sum_dim",
    method=False,
    **_OWN,
)
def _sparse_sum_dim():
    """The sum over dimensions, sparse as long as a sparse one is left; ``sparse.sum``.

    >>> flambeau.sparse.sum(flambeau.eye(2).to_sparse(), 1).to_dense()
    tensor([1., 1.])
    """


@_sparse_sum_dim.gradient
def _(g, self, dim, ops):
    return ops._sparse_sum_backward(g, self, dim)


@native(
    "_sparse_sum_backward(Tensor grad, Tensor self, int[] dim) -> Tensor",
    cxx="_sparse_sum_backward",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_sum_backward():
    """The gradient of a sum over dimensions, where ``self`` has elements."""


@_sparse_sum_backward.gradient
def _(g, grad, dim, ops):
    total = ops._sparse_sum_dim(g, dim)
    if grad.layout == layouts.strided:
        return ops.to_dense(total), None
    return ops.sparse_mask(total, grad), None


# ---- softmax


def softmax_dtype(op, self, dtype):
    if not self.is_floating_point():
        raise Error(f"{op}: expected a floating dtype, got {dtype_name(self.dtype)}")
    return self.dtype if dtype is None else dtype


@composite(
    "_sparse_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
    method=False,
    **_ASKS,
)
def _sparse_softmax_int(self, dim, dtype, ops):
    """Softmax over ``dim`` of the elements that there are; the others count as minus infinity.

    >>> s = flambeau.tensor([[0., 2., 2.], [1., 0., 0.]]).to_sparse()
    >>> flambeau.sparse.softmax(s, 1).to_dense()
    tensor([[0.0000, 0.5000, 0.5000],
            [1.0000, 0.0000, 0.0000]])
    """
    kind = softmax_dtype("_sparse_softmax", self, dtype)
    return ops._sparse_softmax(ops.to_dtype(self, kind), dim, False)


@composite(
    "_sparse_log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor",
    method=False,
    **_ASKS,
)
def _sparse_log_softmax_int(self, dim, dtype, ops):
    """The logarithm of ``sparse.softmax``, where there are elements.

    >>> s = flambeau.tensor([[0., 2., 2.]]).to_sparse()
    >>> flambeau.sparse.log_softmax(s, 1).values()
    tensor([-0.6931, -0.6931])
    """
    kind = softmax_dtype("_sparse_log_softmax", self, dtype)
    return ops._sparse_log_softmax(ops.to_dtype(self, kind), dim, False)


@native(
    "_sparse_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
    cxx="_sparse_softmax",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_softmax():
    """The op under ``sparse.softmax``."""


@_sparse_softmax.gradient
def _(g, self, dim, result, ops):
    return ops._sparse_softmax_backward_data(g, result, dim, self)


@native(
    "_sparse_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor",
    cxx="_sparse_log_softmax",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_log_softmax():
    """The op under ``sparse.log_softmax``."""


@_sparse_log_softmax.gradient
def _(g, self, dim, result, ops):
    return ops._sparse_log_softmax_backward_data(g, result, dim, self)


@native(
    "_sparse_softmax_backward_data(Tensor grad_output, Tensor output, int dim, Tensor self)"
    " -> Tensor",
    cxx="_sparse_softmax_backward_data",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_softmax_backward_data():
    """The gradient of ``sparse.softmax``."""


@native(
    "_sparse_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, Tensor self)"
    " -> Tensor",
    cxx="_sparse_log_softmax_backward_data",
    function_variant=False,
    method=False,
    **_OWN,
)
def _sparse_log_softmax_backward_data():
    """The gradient of ``sparse.log_softmax``."""


@_sparse_softmax_backward_data.gradient
@_sparse_log_softmax_backward_data.gradient
def _(g):
    raise NotImplementedError(
        "sparse.softmax: the derivative of its gradient is not implemented: use .to_dense()"
    )


_A, _B = coo(values(2, 3)), coo(values(3, 2))
_sparse_addmm.samples(
    call(values(2, 4), _A, values(3, 4)),
    call(values(4), _A, values(3, 4), beta=0.5, alpha=2),
    dtypes=NUMERIC,
)
_sparse_mm.samples(call(_A, values(3, 4)), call(values(4, 2), _A), call(_A, _B), dtypes=NUMERIC)
_sparse_sparse_matmul.samples(call(_A, _B), dtypes=NUMERIC)
_sparse_sum.samples(call(_A))
_sparse_sum_dim.samples(call(_A, [0]), call(_A, [0, 1]), call(coo(values(2, 3), 1), [1]))
_LIKE = coo(values(2, 3), constant=True)
_sparse_sum_backward.samples(call(values(3), _LIKE, [0]), call(values(), _LIKE, [0, 1]))
for _op in (_sparse_softmax_int, _sparse_log_softmax_int):
    _op.samples(call(_A, 1), call(coo(values(2, 3), 1), 1), dtypes=FLOATING)
for _op in (_sparse_softmax, _sparse_log_softmax):
    _op.samples(call(_A, 1, False), call(_A, 0, False), dtypes=FLOATING)
for _op in (_sparse_softmax_backward_data, _sparse_log_softmax_backward_data):
    _op.samples(call(_A, _A, 1, _A), dtypes=FLOATING)

for _op in (
    _sparse_addmm,
    _sparse_sparse_matmul,
    _sparse_sum_dim,
    _sparse_sum_backward,
    _sparse_softmax,
    _sparse_log_softmax,
    _sparse_softmax_backward_data,
    _sparse_log_softmax_backward_data,
):
    _op.batching("none")
    _op.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for _op in (_sparse_mm, _sparse_sum, _sparse_softmax_int, _sparse_log_softmax_int):
    _op.without("benchmark")
