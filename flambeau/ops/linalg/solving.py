"""Systems of equations, inverses, determinants."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    dtypes,
    same,
    show,
    sum_to,
    to_real,
    wants_ops,
)
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_matrix,
    check_same,
    check_square,
    column_strides,
    diagonal_of,
    matrices_of,
)
from flambeau.ops.linalg.factors import solution_sizes, solution_strides
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, np, values


def is_vectors(a, b):
    """Whether B holds vectors, and not matrices: one, or one for each A."""
    return b.dim() == 1 or (b.dim() == a.dim() - 1 and same(b.shape, a.shape[:-1]))


@structured(
    "_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)"
    " -> (Tensor result, Tensor LU, Tensor pivots, Tensor info)",
    cpu="cpu::linalg_solve_ex(result, LU, pivots, info, A, B, left, check_errors)",
    out=True,
    out_overload="result",
    method=False,
    differentiable=(0,),
    checks_values=True,
)
def _linalg_solve_ex():
    """The solution, and the decomposition that gave it."""


_linalg_solve_ex.samples(
    call(values(3, 3), values(3, 2)),
    call(values(2, 2, 2), values(2, 2)),
    call(values(2, 2), values(2, 3, 2), left=False),
    call(values(2, 2), values(2), check_errors=True),
    call(values(0, 0), values(0, 2)),
    dtypes=LAPACK,
)


@_linalg_solve_ex.rule
def _(A, B, left):
    check_square("linalg.solve", A, "A")
    check_float("linalg.solve", A)
    check_same("linalg.solve", A, B, "A", "B")
    batch = matrices_of(A.shape)
    sizes = list(B.shape)
    if is_vectors(A, B):
        if not left:
            raise Error(
                f"linalg.solve: Vector broadcasting of the left hand side is not supported for "
                "left=False. In this case linalg.solve is B / A.squeeze(-1), for B of "
                f"shape {show(B.shape)}"
            )
        if B.shape[-1] != A.shape[-1]:
            raise Error(
                f"linalg.solve: Incompatible shapes of A and B for the equation AX = B "
                f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-1]}x1)"
            )
        sizes = list(broadcast(batch, B.shape[:-1], "linalg.solve")) + [B.shape[-1]]
    else:
        check_matrix("linalg.solve", B, "B")
        sizes = solution_sizes("linalg.solve", A, B, left)
    return (
        Spec(sizes, B.dtype, solution_strides(sizes, left)),
        Spec(A.shape, A.dtype, column_strides(A.shape)),
        Spec(list(A.shape[:-1]), dtypes.int32),
        Spec(batch, dtypes.int32),
    )


@_linalg_solve_ex.batching
def _(b, A, B, left, check_errors):
    # What is solved may have more dimensions than A, which stays as it is for what it gives.
    if B.rank == 1 or (B.rank == A.rank - 1 and B.shape == A.shape[:-1]):
        columns = b.at(B.full.unsqueeze(-1), 0)
    else:
        columns = b.at(B.full, 0)
    factors, pivots, info = b.ops.linalg_lu_factor_ex(A.full, check_errors=check_errors)
    rank = max(A.rank, columns.rank)
    found = b.ops.linalg_lu_solve(
        b.spread(b.at(factors, 0), rank),
        b.spread(b.at(pivots, 0), rank - 1),
        b.spread(columns, rank),
        left=left,
    )
    vectors = columns.rank > B.rank
    return [found.squeeze(-1) if vectors else found, factors, pivots, info]


@_linalg_solve_ex.gradient
def _(g, A, B, left, result, LU, pivots, ops):
    vectors = is_vectors(A, B)
    slope = ops.unsqueeze(g, -1) if vectors else g
    found = ops.unsqueeze(result, -1) if vectors else result
    if wants_ops(g, A, False):
        of_b = ops._linalg_solve_ex(adjoint(A, ops), slope, left, False)[0]
    else:
        of_b = ops.linalg_lu_solve(LU, pivots, slope, left, True)
    if left:
        of_a = -ops.matmul(of_b, adjoint(found, ops))
    else:
        of_a = -ops.matmul(adjoint(found, ops), of_b)
    own = ops.squeeze_dim(of_b, -1) if vectors else of_b
    return sum_to(of_a, A.shape, ops), sum_to(own, B.shape, ops)


@composite(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False)"
    " -> (Tensor result, Tensor info)",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_solve_ex(A, B, left, check_errors, ops):
    """The solution of ``linalg.solve``, and for each matrix 0 or where it is singular.

    >>> flambeau.linalg.solve_ex(flambeau.eye(2), flambeau.tensor([1., 2.]))[0]
    tensor([1., 2.])
    """
    found, _, _, info = ops._linalg_solve_ex(A, B, left, check_errors)
    return found, info


@composite(
    "linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_solve(A, B, left, ops):
    """X of ``A @ X == B``, or with ``left=False`` of ``X @ A == B``.

    B holds matrices, or vectors: one for all A, or one for each. LinAlgError where A is singular.

    >>> A = flambeau.tensor([[1., 2.], [4., 4.]])
    >>> flambeau.linalg.solve(A, flambeau.tensor([3., 8.]))
    tensor([1., 1.])
    """
    found, _, _, info = ops._linalg_solve_ex(A, B, left, False)
    ops._linalg_check_errors(info, "linalg.solve", A.dim() == 2)
    return found


for _op in (linalg_solve_ex, linalg_solve):
    _op.samples(
        call(values(3, 3), values(3, 2)),
        call(values(2, 2, 2), values(2, 2)),
        call(values(2, 2), values(2, 3, 2), left=False),
        call(values(2, 2), values(2)),
        dtypes=LAPACK,
    )


def _solved(a, b, left=True):
    if not left:
        turned = np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2))
        return np.swapaxes(turned, -1, -2)
    if b.ndim == a.ndim - 1:
        return np.linalg.solve(a, b[..., None])[..., 0]
    return np.linalg.solve(a, b)


linalg_solve.reference(_solved, tolerance=512)
linalg_solve.autocast("float32")


@structured(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)",
    cpu="linalg_inv_ex",
    out=True,
    out_overload="inverse",
    module="_linalg",
    method=False,
    differentiable=(0,),
    checks_values=True,
)
def linalg_inv_ex():
    """The inverse, and for each matrix 0 or where it is singular; its inverse is then NaN.

    >>> flambeau.linalg.inv_ex(flambeau.tensor([[1., 2.], [3., 4.]])).inverse
    tensor([[-2.0000,  1.0000],
            [ 1.5000, -0.5000]])
    """


linalg_inv_ex.samples(
    call(values(3, 3)), call(values(2, 2, 2), check_errors=True), call(values(0, 0)), dtypes=LAPACK
)
linalg_inv_ex.batching("front")
linalg_inv_ex.autocast("float32")


@linalg_inv_ex.rule
def _(A):
    check_square("linalg.inv", A, "A")
    check_float("linalg.inv", A)
    batch = matrices_of(A.shape)
    return Spec(A.shape, A.dtype, column_strides(A.shape)), Spec(batch, dtypes.int32)


@linalg_inv_ex.gradient
def _(g, inverse, ops):
    turned = adjoint(inverse, ops)
    return -ops.matmul(turned, ops.matmul(g, turned))


def inverse_of(op, A, ops):
    found, info = ops.linalg_inv_ex(A, False)
    ops._linalg_check_errors(info, op, A.dim() == 2)
    return found


@composite("linalg_inv(Tensor A) -> Tensor", out=True, module="_linalg", method=False)
def linalg_inv(A, ops):
    """The inverse of square matrices. ``linalg.solve`` is faster and nearer than a product with it.

    >>> flambeau.linalg.inv(flambeau.tensor([[1., 2.], [3., 4.]]))
    tensor([[-2.0000,  1.0000],
            [ 1.5000, -0.5000]])
    """
    return inverse_of("linalg.inv", A, ops)


@composite("inverse(Tensor self) -> Tensor", out=True)
def inverse(self, ops):
    """The inverse of square matrices: ``linalg.inv``.

    >>> flambeau.inverse(flambeau.tensor([[1., 2.], [3., 4.]]))
    tensor([[-2.0000,  1.0000],
            [ 1.5000, -0.5000]])
    """
    return inverse_of("linalg.inv", self, ops)


for _op in (linalg_inv, inverse):
    _op.samples(call(values(3, 3)), call(values(2, 2, 2)), call(values(0, 0)), dtypes=LAPACK)
    _op.reference(np.linalg.inv, tolerance=512)
    _op.autocast("float32")


# ---- determinants


@structured(
    "_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)",
    cpu="linalg_det",
    out=True,
    out_overload="result",
    method=False,
    differentiable=(0,),
)
def _linalg_det():
    """The determinant, and the decomposition that gave it."""


@structured(
    "_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)",
    cpu="linalg_slogdet",
    out=True,
    out_overload="sign",
    method=False,
    differentiable=(0, 1),
)
def _linalg_slogdet():
    """The sign and the logarithm of the determinant, and the decomposition that gave them."""


@_linalg_det.rule
def _(A):
    check_square("linalg.det", A, "A")
    check_float("linalg.det", A)
    return (
        Spec(matrices_of(A.shape), A.dtype),
        Spec(A.shape, A.dtype, column_strides(A.shape)),
        Spec(list(A.shape[:-1]), dtypes.int32),
    )


@_linalg_slogdet.rule
def _(A):
    check_square("linalg.slogdet", A, "A")
    check_float("linalg.slogdet", A)
    batch = matrices_of(A.shape)
    return (
        Spec(batch, A.dtype),
        Spec(batch, to_real(A.dtype)),
        Spec(A.shape, A.dtype, column_strides(A.shape)),
        Spec(list(A.shape[:-1]), dtypes.int32),
    )


def scaled_inverse(A, LU, pivots, factor, ops):
    """The inverse of the adjoint of A, times a number for each matrix."""
    wide = ops.unsqueeze(ops.unsqueeze(factor, -1), -1)
    one = ops.eye(A.shape[-1], A.dtype, A.layout, A.device, False)
    sides = ops.expand(wide * one, A.shape)
    if wants_ops(factor, A, False):
        return ops._linalg_solve_ex(adjoint(A, ops), sides, True, False)[0]
    return ops.linalg_lu_solve(LU, pivots, sides, True, True)


@_linalg_det.gradient
def _(g, A, result, LU, pivots, ops):
    value = ops.conj(result) if result.is_complex() else result
    if wants_ops(g, A, False):
        return scaled_inverse(A, LU, pivots, g * value, ops)
    # A singular matrix is moved by less than its rounding errors, since 0 / 0 says nothing.
    pivot = diagonal_of(LU, ops)
    tiny = 1e-300 if LU.dtype.itemsize == 8 and not LU.is_complex() else 1e-30
    least = 1e-150 if LU.dtype.itemsize == 16 else tiny
    missing = ops.eq_Scalar(pivot, 0)
    near = LU + ops.diag_embed(ops.to_dtype(missing, LU.dtype) * least)
    order = ops.arange_start(1, A.shape[-1] + 1, pivots.dtype, pivots.layout, pivots.device, False)
    moved = ops.sum_dim_IntList(ops.ne_Tensor(pivots, order), [-1], False)
    sign = 1 - ops.remainder_Scalar(moved, 2) * 2
    product = ops.prod_dim_int(diagonal_of(near, ops), -1) * sign
    whole = ops.conj(product) if product.is_complex() else product
    return scaled_inverse(A, near, pivots, g * whole, ops)


@_linalg_slogdet.gradient
def _(grads, A, sign, LU, pivots, ops):
    of_sign, of_log = grads[0], grads[1]
    if A.is_complex() and of_sign is not None:
        turn = ops.imag(ops.mul_Tensor(ops.conj(of_sign), sign))
        size = ops.zeros_like(turn) if of_log is None else of_log
        return scaled_inverse(A, LU, pivots, ops.view_as_complex(ops.stack([size, -turn], -1)), ops)
    if of_log is None:
        return ops.zeros_like(A)
    return scaled_inverse(A, LU, pivots, of_log, ops)


@composite("linalg_det(Tensor A) -> Tensor", out=True, module="_linalg", method=False)
def linalg_det(A, ops):
    """The determinant of square matrices.

    >>> flambeau.linalg.det(flambeau.tensor([[1., 2.], [4., 4.]]))
    tensor(-4.)
    """
    return ops._linalg_det(A)[0]


@composite("det(Tensor self) -> Tensor")
def det(self, ops):
    """The determinant of square matrices: ``linalg.det``.

    >>> flambeau.det(flambeau.tensor([[1., 2.], [4., 4.]]))
    tensor(-4.)
    """
    return ops.linalg_det(self)


@composite(
    "linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_slogdet(A, ops):
    """The sign of the determinant and the logarithm of its absolute value.

    >>> flambeau.linalg.slogdet(flambeau.tensor([[1., 2.], [4., 4.]]))[1]
    tensor(1.3863)
    """
    sign, size, _, _ = ops._linalg_slogdet(A)
    return sign, size


@composite("slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", out=True)
def slogdet(self, ops):
    """The sign of the determinant and the logarithm of its absolute value: ``linalg.slogdet``.

    >>> flambeau.slogdet(flambeau.tensor([[1., 2.], [4., 4.]]))[0]
    tensor(-1.)
    """
    return ops.linalg_slogdet(self)


@composite("logdet(Tensor self) -> Tensor")
def logdet(self, ops):
    """The logarithm of the determinant; NaN where that is negative.

    >>> flambeau.logdet(flambeau.tensor([[2., 0.], [0., 4.]]))
    tensor(2.0794)
    """
    sign, size = ops.linalg_slogdet(self)
    if self.is_complex():
        return ops.log(sign) + size
    return ops.masked_fill_Scalar(size, ops.eq_Scalar(sign, -1), math.nan)


for _op in (_linalg_det, _linalg_slogdet):
    _op.samples(call(values(3, 3)), call(values(2, 2, 2)), call(values(0, 0)), dtypes=LAPACK)
    _op.batching("front")
    _op.without("autocast")
for _op in (linalg_det, det, linalg_slogdet, slogdet):
    _op.samples(call(values(3, 3)), call(values(2, 2, 2)), call(values(0, 0)), dtypes=LAPACK)
logdet.samples(call(values(1, 1, low=0.5)), call(values(2, 1, 1, low=0.5)), dtypes=LAPACK)
for _op in (linalg_det, det):
    _op.reference(np.linalg.det, tolerance=64)
for _op in (_linalg_solve_ex, linalg_inv_ex, _linalg_det, _linalg_slogdet):
    _op.without("jvp", "decomposition", "sharding")
for _op in (linalg_inv_ex, linalg_inv, inverse, _linalg_det, _linalg_slogdet):
    _op.benchmark(call(values(256, 256)))
for _op in (linalg_det, det, linalg_slogdet, slogdet, logdet):
    _op.without("benchmark")
for _op in (_linalg_solve_ex, linalg_solve_ex, linalg_solve):
    _op.benchmark(call(values(256, 256), values(256, 16)))
_linalg_solve_ex.without("autocast")
