"""Norms of matrices, and what follows from singular values: ranks, pseudo-inverses, conditions."""

import math

from flambeau.ops.language import (
    Error,
    dtype_name,
    dtypes,
    is_differentiable,
    show,
    to_real,
    wrap_dim,
)
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_matrix,
    check_square,
    matrices_of,
)
from flambeau.ops.matmul.products import check_arithmetic
from flambeau.ops.record import COMPLEX, FLOATING, NUMERIC, composite, native
from flambeau.ops.samples import call, definite, np, values

_OPTIONS = {"out": True, "module": "_linalg", "method": False}
_NORM = "bool keepdim=False, *, ScalarType? dtype=None) -> Tensor"


def as_dtype(t, dtype, ops):
    return t if dtype is None else ops.to_dtype(t, dtype)


def two_dims(op, t, dim):
    """The dimensions of rows and of columns, counted from the front."""
    if len(dim) != 2:
        raise Error(f"{op}: dim must be a 2-tuple. Got {show(dim)}")
    check_matrix(op, t, "A")
    rows, columns = wrap_dim(dim[0], t.dim(), "linalg"), wrap_dim(dim[1], t.dim(), "linalg")
    if rows == columns:
        raise Error(f"{op}: dims must be different. Got {show(dim)}")
    return rows, columns


def singular_values_of(t, rows, columns, ops):
    """Those of the matrices in two dimensions, which come last."""
    order = [0] * 0
    for d in range(t.dim()):
        if d != rows and d != columns:
            order.append(d)
    return ops.linalg_svdvals(ops.permute(t, order + [rows, columns]), None)


def kept(t, rank, rows, columns, keepdim, ops):
    """With both dimensions, of size 1, where they are to stay."""
    if not keepdim:
        return t
    low, high = min(rows, columns), max(rows, columns)
    return ops.unsqueeze(ops.unsqueeze(t, low), high)


def checked(op, t, dtype):
    if not is_differentiable(t.dtype):
        raise Error(
            f"{op}: Expected a floating point or complex tensor as input. Got "
            f"{dtype_name(t.dtype)}: convert with .to(torch.float32)"
        )
    if dtype is not None:
        if not is_differentiable(dtype) or dtype.is_complex != t.dtype.is_complex:
            raise Error(
                f"{op}: dtype should be {'complex' if t.is_complex() else 'real'} as the input is, "
                f"but got {dtype_name(dtype)}"
            )


@composite(f"linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], {_NORM}", **_OPTIONS)
def linalg_matrix_norm(self, ord, dim, keepdim, dtype, ops):
    """The norm of matrices: "fro" (the root of the sum of squares), "nuc" (the sum of singular
    values), 2 or -2 (the largest or least of them), 1, -1, inf or -inf (the largest or least sum of
    a column, or of a row).

    >>> flambeau.linalg.matrix_norm(flambeau.tensor([[1., 2.], [3., 4.]]), 1)
    tensor(6.)
    """
    rows, columns = two_dims("linalg.matrix_norm", self, dim)
    checked("linalg.matrix_norm", self, dtype)
    p = float(ord)
    size = abs(p)
    if size != 1 and size != 2 and size != math.inf:
        raise Error(
            f"linalg.matrix_norm: Order {p:g} not supported: use 1, 2, inf, or their negatives"
        )
    t = as_dtype(self, dtype, ops)
    if size == 2:
        found = singular_values_of(t, rows, columns, ops)
        made = ops.amax(found, [-1], False) if p > 0 else ops.amin(found, [-1], False)
        return kept(made, self.dim(), rows, columns, keepdim, ops)
    summed = rows if size == 1 else columns
    ranked = columns if size == 1 else rows
    if not keepdim and summed < ranked:
        ranked = ranked - 1
    sums = ops.linalg_vector_norm(t, 1, [summed], keepdim, None)
    return ops.amax(sums, [ranked], keepdim) if p > 0 else ops.amin(sums, [ranked], keepdim)


@composite(
    f'linalg_matrix_norm.str_ord(Tensor self, str ord="fro", int[] dim=[-2, -1], {_NORM}',
    **_OPTIONS,
)
def linalg_matrix_norm_str(self, ord, dim, keepdim, dtype, ops):
    """``linalg.matrix_norm`` of an order by name."""
    rows, columns = two_dims("linalg.matrix_norm", self, dim)
    checked("linalg.matrix_norm", self, dtype)
    if ord == "fro":
        return ops.linalg_vector_norm(self, 2, [rows, columns], keepdim, dtype)
    if ord != "nuc":
        raise Error(f"linalg.matrix_norm: Order {ord} not supported: use 'fro' or 'nuc'")
    t = as_dtype(self, dtype, ops)
    made = ops.sum_dim_IntList(singular_values_of(t, rows, columns, ops), [-1], False)
    return kept(made, self.dim(), rows, columns, keepdim, ops)


def _reference(x, ord="fro", dim=(-2, -1), keepdim=False):
    return np.linalg.norm(x, ord, tuple(dim), keepdim)


linalg_matrix_norm.samples(
    call(values(2, 3), 1),
    call(values(2, 3), -1),
    call(values(2, 3, 4), float("inf"), [2, 0], True),
    call(values(2, 3, 4), -float("inf"), [0, 1]),
    dtypes=FLOATING | COMPLEX,
)
linalg_matrix_norm_str.samples(
    call(values(2, 3)), call(values(2, 3, 4), "fro", [2, 0], True), dtypes=FLOATING | COMPLEX
)
for _op in (linalg_matrix_norm, linalg_matrix_norm_str):
    _op.reference(_reference, tolerance=64)
    _op.benchmark(call(values(64, 64), "nuc" if _op is linalg_matrix_norm_str else 1))


@composite(f"linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, {_NORM}", **_OPTIONS)
def linalg_norm(self, ord, dim, keepdim, dtype, ops):
    """The norm of vectors, or of matrices where two dimensions are given.

    Without an order the root of the sum of all squares; without dimensions, of all of a vector or
    a matrix.

    >>> flambeau.linalg.norm(flambeau.tensor([3., 4.]))
    tensor(5.)
    """
    if ord is None:
        return ops.linalg_vector_norm(self, 2, dim, keepdim, dtype)
    if dim is None:
        if self.dim() != 1 and self.dim() != 2:
            raise Error(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{self.dim()}D."
            )
        if self.dim() == 2:
            return ops.linalg_matrix_norm(self, ord, [-2, -1], keepdim, dtype)
        return ops.linalg_vector_norm(self, ord, None, keepdim, dtype)
    if len(dim) == 2:
        return ops.linalg_matrix_norm(self, ord, dim, keepdim, dtype)
    if len(dim) != 1:
        raise Error(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {show(dim)}"
        )
    return ops.linalg_vector_norm(self, ord, dim, keepdim, dtype)


@composite(f"linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, {_NORM}", **_OPTIONS)
def linalg_norm_str(self, ord, dim, keepdim, dtype, ops):
    """``linalg.norm`` of an order of matrices by name."""
    if dim is not None:
        if len(dim) == 1:
            raise Error(
                f"linalg.norm: ord '{ord}' is a norm of matrices: give two dims, not {show(dim)}"
            )
        return ops.linalg_matrix_norm_str_ord(self, ord, dim, keepdim, dtype)
    if self.dim() != 2:
        raise Error(
            f"linalg.norm: If dim is not specified but ord is '{ord}', the input must be 2D. Got "
            f"{self.dim()}D."
        )
    return ops.linalg_matrix_norm_str_ord(self, ord, [-2, -1], keepdim, dtype)


linalg_norm.samples(
    call(values(2, 3)),
    call(values(2, 3), 1),
    call(values(4), 3),
    call(values(2, 3), 2, [1], True),
    call(values(2, 3, 4), 1, [0, 2]),
    dtypes=FLOATING | COMPLEX,
)
linalg_norm_str.samples(
    call(values(2, 3), "fro"),
    call(values(2, 3, 4), "fro", [0, 1], True),
    dtypes=FLOATING | COMPLEX,
)
for _op in (linalg_norm, linalg_norm_str):
    _op.reference(
        lambda x, ord=None, dim=None, keepdim=False: np.linalg.norm(
            x, ord, None if dim is None else dim[0] if len(dim) == 1 else tuple(dim), keepdim
        ),
        tolerance=64,
    )
    _op.without("benchmark")


# ---- what counts as zero


def epsilon(t):
    whole = t.dtype.itemsize == 16 or (t.dtype.itemsize == 8 and not t.is_complex())
    return 2.220446049250313e-16 if whole else 1.1920928955078125e-07


def check_tolerance(op, name, t):
    if t.is_complex():
        raise Error(f"{op}: {name} tensor of complex type is not supported")


def cutoff(op, t, most, atol, rtol, ops):
    """Up to where singular values are nothing: the larger of ``atol`` and ``rtol`` of the largest.

    Where neither is given, ``rtol`` is the precision times the larger side; ``atol`` alone is all
    unless it is 0.
    """
    usual = epsilon(t) * max(t.shape[-2], t.shape[-1])
    if atol is None:
        if rtol is None:
            return ops.mul_Scalar(most, usual)
        check_tolerance(op, "rtol", rtol)
        return ops.mul_Tensor(most, rtol)
    check_tolerance(op, "atol", atol)
    if rtol is None:
        part = ops.mul_Scalar(most, usual)
        part = ops.masked_fill_Scalar(part, ops.expand(ops.gt_Scalar(atol, 0), part.shape), 0.0)
        return ops.maximum(part, ops.to_dtype(atol, part.dtype))
    check_tolerance(op, "rtol", rtol)
    whole = ops.mul_Tensor(most, rtol)
    return ops.maximum(whole, ops.to_dtype(atol, whole.dtype))


def number(t, value, ops):
    """A number as a tensor, which stands for a tolerance."""
    return ops.full([], value, to_real(t.dtype), t.layout, t.device, False)


def rank_of(t, atol, rtol, hermitian, ops):
    check_matrix("linalg.matrix_rank", t, "A")
    check_float("linalg.matrix_rank", t)
    if t.numel() == 0:
        return ops.zeros(matrices_of(t.shape), dtypes.int64, t.layout, t.device, False)
    if hermitian:
        check_square("linalg.matrix_rank", t, "A")
        found = ops.abs(ops.linalg_eigvalsh(t, "L"))
    else:
        found = ops.linalg_svdvals(t, None)
    most = ops.amax(found, [-1], False)
    limit = cutoff("linalg.matrix_rank", t, most, atol, rtol, ops)
    return ops.sum_dim_IntList(ops.gt_Tensor(found, ops.unsqueeze(limit, -1)), [-1], False)


@composite(
    "linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, "
    "bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_matrix_rank_tensor(input, atol, rtol, hermitian, ops):
    """The number of singular values above a threshold, with tolerances as tensors."""
    return rank_of(input, atol, rtol, hermitian, ops)


@composite(
    "linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, "
    "bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_matrix_rank_float(self, atol, rtol, hermitian, ops):
    """The number of singular values above a threshold, with tolerances as numbers."""
    if atol is None:
        if rtol is None:
            return ops.linalg_matrix_rank_atol_rtol_tensor(self, None, None, hermitian)
        return ops.linalg_matrix_rank_atol_rtol_tensor(
            self, None, number(self, rtol, ops), hermitian
        )
    least = number(self, atol, ops)
    if rtol is None:
        return ops.linalg_matrix_rank_atol_rtol_tensor(self, least, None, hermitian)
    return ops.linalg_matrix_rank_atol_rtol_tensor(self, least, number(self, rtol, ops), hermitian)


@composite("linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor", **_OPTIONS)
def linalg_matrix_rank(self, tol, hermitian, ops):
    """The rank of matrices: how many singular values are above a threshold.

    That is the larger of ``atol`` and ``rtol`` times the largest of them, or ``tol``; unless given,
    the precision of the dtype times the larger side times the largest.

    >>> flambeau.linalg.matrix_rank(flambeau.tensor([[1., 2.], [2., 4.]]))
    tensor(1)
    """
    return ops.linalg_matrix_rank_atol_rtol_float(self, tol, 0.0, hermitian)


@composite(
    "linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_matrix_rank_tol(input, tol, hermitian, ops):
    """``linalg.matrix_rank`` with the threshold as a tensor."""
    return ops.linalg_matrix_rank_atol_rtol_tensor(input, tol, number(input, 0.0, ops), hermitian)


linalg_matrix_rank.samples(call(values(3, 2), 0.5), call(definite(2, 2), 2.0, True), dtypes=LAPACK)
linalg_matrix_rank_float.samples(
    call(values(3, 2)),
    call(values(2, 2, 3), atol=0.5, rtol=0.1),
    call(values(0, 3), rtol=0.1),
    dtypes=LAPACK,
)
_TOLERANCE = values(low=0.4, high=0.6, dtype="float32", constant=True)
linalg_matrix_rank_tensor.samples(
    call(values(2, 3, 2), atol=_TOLERANCE),
    call(values(3, 2), rtol=_TOLERANCE),
    dtypes=LAPACK,
)
linalg_matrix_rank_tol.samples(call(values(3, 2), _TOLERANCE), dtypes=LAPACK)


@native(
    "linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, "
    "bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_pinv_tensor(self, atol, rtol, hermitian, ops):
    """The pseudo-inverse with tolerances as tensors."""
    check_matrix("linalg.pinv", self, "A")
    check_float("linalg.pinv", self)
    m, n = self.shape[-2], self.shape[-1]
    if self.numel() == 0:
        return ops.new_zeros(self, matrices_of(self.shape) + [n, m])
    if hermitian:
        check_square("linalg.pinv", self, "A")
        found, vectors = ops.linalg_eigh(self, "L")
        sizes = ops.abs(found)
        limit = cutoff("linalg.pinv", self, ops.amax(sizes, [-1], False), atol, rtol, ops)
        nothing = ops.le_Tensor(sizes, ops.unsqueeze(limit, -1))
        inverse = ops.masked_fill_Scalar(ops.reciprocal(found), nothing, 0.0)
        return ops.matmul(vectors * ops.unsqueeze(inverse, -2), adjoint(vectors, ops))
    left, found, right = ops.linalg_svd(self, False, None)
    limit = cutoff("linalg.pinv", self, ops.select_int(found, -1, 0), atol, rtol, ops)
    nothing = ops.le_Tensor(found, ops.unsqueeze(limit, -1))
    inverse = ops.masked_fill_Scalar(ops.reciprocal(found), nothing, 0.0)
    return ops.matmul(adjoint(right, ops) * ops.unsqueeze(inverse, -2), adjoint(left, ops))


def gradient_of_inverse(g, self, result, ops):
    """Of a pseudo-inverse (Golub and Pereyra, 1973), also where the rank is not full."""
    turned, slope = adjoint(result, ops), adjoint(g, ops)
    if self.shape[-2] <= self.shape[-1]:
        k = ops.matmul(slope, result)
        across = ops.matmul(k, turned)
        made = across - adjoint(ops.matmul(result, k), ops)
        made = made - ops.matmul(ops.matmul(self, result), across)
        rest = slope - ops.matmul(k, self)
        return made + ops.matmul(ops.matmul(turned, result), rest)
    k = ops.matmul(result, slope)
    across = ops.matmul(turned, k)
    made = across - adjoint(ops.matmul(k, result), ops)
    made = made - ops.matmul(ops.matmul(across, result), self)
    rest = slope - ops.matmul(self, k)
    return made + ops.matmul(ops.matmul(rest, result), turned)


@linalg_pinv_tensor.gradient
def _(g, self, result, ops):
    return gradient_of_inverse(g, self, result, ops)


@composite(
    "linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, "
    "bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_pinv_float(self, atol, rtol, hermitian, ops):
    """The pseudo-inverse with tolerances as numbers."""
    if atol is None:
        if rtol is None:
            return ops.linalg_pinv_atol_rtol_tensor(self, None, None, hermitian)
        return ops.linalg_pinv_atol_rtol_tensor(self, None, number(self, rtol, ops), hermitian)
    least = number(self, atol, ops)
    if rtol is None:
        return ops.linalg_pinv_atol_rtol_tensor(self, least, None, hermitian)
    return ops.linalg_pinv_atol_rtol_tensor(self, least, number(self, rtol, ops), hermitian)


@composite("linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", **_OPTIONS)
def linalg_pinv(self, rcond, hermitian, ops):
    """The pseudo-inverse (Moore and Penrose) of matrices: of their singular values those above a
    threshold are inverted, as ``linalg.matrix_rank`` counts them.

    >>> flambeau.linalg.pinv(flambeau.tensor([[2., 0.], [0., 0.]]))[0, 0]
    tensor(0.5000)
    """
    return ops.linalg_pinv_atol_rtol_float(self, 0.0, rcond, hermitian)


@composite(
    "linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor",
    **_OPTIONS,
)
def linalg_pinv_rcond(self, rcond, hermitian, ops):
    """``linalg.pinv`` with the threshold as a tensor."""
    return ops.linalg_pinv_atol_rtol_tensor(self, number(self, 0.0, ops), rcond, hermitian)


@composite("pinverse(Tensor self, float rcond=1e-15) -> Tensor")
def pinverse(self, rcond, ops):
    """``linalg.pinv``.

    >>> flambeau.pinverse(flambeau.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return ops.linalg_pinv(self, rcond, False)


_SMALL = values(low=1e-3, high=2e-3, dtype="float32", constant=True)
linalg_pinv_tensor.samples(
    call(values(3, 2)), call(values(2, 2, 3), atol=_SMALL), call(values(0, 2)), dtypes=LAPACK
)
linalg_pinv_float.samples(
    call(values(3, 2)), call(definite(3, 3), rtol=0.01, hermitian=True), dtypes=LAPACK
)
linalg_pinv.samples(call(values(3, 2), 0.01), dtypes=LAPACK)
linalg_pinv_rcond.samples(call(values(3, 2), _SMALL), dtypes=LAPACK)
pinverse.samples(call(values(3, 2)), dtypes=LAPACK)
pinverse.reference(np.linalg.pinv, tolerance=64)


# ---- conditions


def none_of(t, ops):
    return ops.zeros(matrices_of(t.shape), to_real(t.dtype), t.layout, t.device, False)


@composite("linalg_cond(Tensor self, Scalar? p=None) -> Tensor", **_OPTIONS)
def linalg_cond(self, p, ops):
    """How much a solution may change where the matrix does: the norm times that of the inverse.

    ``p`` is an order of ``linalg.matrix_norm``; without one it is 2, the largest singular value
    over the least.

    >>> flambeau.linalg.cond(flambeau.tensor([[4., 0.], [0., 2.]]))
    tensor(2.)
    """
    check_matrix("linalg.cond", self, "A")
    check_float("linalg.cond", self)
    order = 2.0 if p is None else float(p)
    if abs(order) == 2:
        if self.numel() == 0:
            return ops.zeros(
                matrices_of(self.shape), to_real(self.dtype), self.layout, self.device, False
            )
        found = ops.linalg_svdvals(self, None)
        first, last = ops.select_int(found, -1, 0), ops.select_int(found, -1, -1)
        return ops.div_Tensor(first, last) if order > 0 else ops.div_Tensor(last, first)
    check_square("linalg.cond", self, "A")
    if self.numel() == 0:
        return ops.zeros(
            matrices_of(self.shape), to_real(self.dtype), self.layout, self.device, False
        )
    inverse = inverse_or_infinity(self, ops)
    there = ops.linalg_matrix_norm(self, order, [-2, -1], False, None)
    return there * ops.linalg_matrix_norm(inverse, order, [-2, -1], False, None)


def inverse_or_infinity(t, ops):
    inverse, info = ops.linalg_inv_ex(t, False)
    bad = ops.unsqueeze(ops.unsqueeze(ops.ne_Scalar(info, 0), -1), -1)
    return ops.masked_fill_Scalar(inverse, bad, math.inf)


@composite("linalg_cond.p_str(Tensor self, str p) -> Tensor", **_OPTIONS)
def linalg_cond_str(self, p, ops):
    """``linalg.cond`` of an order by name."""
    check_square("linalg.cond", self, "A")
    check_float("linalg.cond", self)
    if p != "fro" and p != "nuc":
        raise Error(f"linalg.cond: Order {p} not supported: use 'fro' or 'nuc'")
    if self.numel() == 0:
        return ops.zeros(
            matrices_of(self.shape), to_real(self.dtype), self.layout, self.device, False
        )
    if p == "nuc":
        found = ops.linalg_svdvals(self, None)
        total = ops.sum_dim_IntList(found, [-1], False)
        return total * ops.sum_dim_IntList(ops.reciprocal(found), [-1], False)
    inverse = inverse_or_infinity(self, ops)
    there = ops.linalg_matrix_norm_str_ord(self, "fro", [-2, -1], False, None)
    return there * ops.linalg_matrix_norm_str_ord(inverse, "fro", [-2, -1], False, None)


linalg_cond.samples(
    call(values(3, 3)), call(values(3, 2), -2), call(values(2, 2, 2), 1), dtypes=LAPACK
)
linalg_cond_str.samples(call(values(3, 3), "fro"), call(values(2, 2, 2), "nuc"), dtypes=LAPACK)
for _op in (linalg_cond, linalg_cond_str):
    _op.reference(np.linalg.cond, tolerance=512)
    _op.autocast("float32")
for _op in (
    linalg_matrix_rank,
    linalg_matrix_rank_tol,
    linalg_matrix_rank_tensor,
    linalg_matrix_rank_float,
):
    _op.autocast("float32")
linalg_pinv_tensor.without("jvp", "batching", "sharding", "autocast")
pinverse.autocast("float32")
for _op in (
    linalg_cond,
    linalg_cond_str,
    linalg_matrix_rank,
    linalg_matrix_rank_tol,
    linalg_matrix_rank_tensor,
    linalg_matrix_rank_float,
    linalg_pinv,
    linalg_pinv_tensor,
    linalg_pinv_float,
    linalg_pinv_rcond,
    pinverse,
):
    _op.without("benchmark")


# ---- powers


@composite("linalg_matrix_power(Tensor self, int n) -> Tensor", **_OPTIONS)
def linalg_matrix_power(self, n, ops):
    """The product of ``n`` times the same square matrix; of its inverse where n is negative.

    >>> flambeau.linalg.matrix_power(flambeau.tensor([[1., 1.], [0., 1.]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    check_square("linalg.matrix_power", self, "A")
    check_arithmetic("linalg.matrix_power", self.dtype)
    if n == 0:
        side = self.shape[-1]
        one = ops.eye(side, self.dtype, self.layout, self.device, False)
        # Of which the gradient is 0: self has no part in it.
        every = ops.ones([side, side], dtypes.bool, self.layout, self.device, False)
        return ops.masked_fill_Scalar(self, every, 0) + one
    left = abs(n)
    square = ops.linalg_inv(self) if n < 0 else self
    if left == 1:
        return square if n < 0 else ops.clone(self)
    if left == 3:
        return ops.matmul(ops.matmul(square, square), square)
    made = square
    begun = False
    for _ in range(64):
        if left % 2 == 1:
            made = ops.matmul(made, square) if begun else square
            begun = True
        left = left // 2
        if left == 0:
            break
        square = ops.matmul(square, square)
    return made


@composite("matrix_power(Tensor self, int n) -> Tensor", out=True)
def matrix_power(self, n, ops):
    """The product of ``n`` times the same square matrix: ``linalg.matrix_power``.

    >>> flambeau.matrix_power(flambeau.tensor([[1., 1.], [0., 1.]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    return ops.linalg_matrix_power(self, n)


for _op in (linalg_matrix_power, matrix_power):
    _op.samples(
        *(call(values(3, 3), n) for n in (0, 1, 2, 3, 6)),
        call(values(2, 2, 2), 5),
        dtypes=NUMERIC,
    )
    _op.reference(np.linalg.matrix_power, tolerance=2048)
    _op.without("benchmark")
