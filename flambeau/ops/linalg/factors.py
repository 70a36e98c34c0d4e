"""LU decompositions with rows exchanged, and what they solve."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    contiguous_strides,
    dtype_name,
    dtypes,
    show,
    sum_to,
)
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_matrix,
    check_same,
    check_square,
    column_strides,
    matrices_of,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, values


def least_side(sizes):
    return min(sizes[len(sizes) - 2], sizes[len(sizes) - 1])


def check_pivot(op, pivot):
    if not pivot:
        raise Error(f"{op}: LU without pivoting is not implemented on the CPU: use pivot=True")


@structured(
    "linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False)"
    " -> (Tensor LU, Tensor pivots, Tensor info)",
    cpu="cpu::linalg_lu_factor_ex(LU, pivots, info, A, check_errors)",
    out=True,
    module="_linalg",
    method=False,
    differentiable=(0,),
    checks_values=True,
)
def linalg_lu_factor_ex():
    """L and U in one matrix, the rows that were exchanged, and 0 or where U has a zero.

    >>> flambeau.linalg.lu_factor_ex(flambeau.tensor([[1., 2.], [4., 4.]])).pivots
    tensor([2, 2], dtype=torch.int32)
    """


linalg_lu_factor_ex.samples(
    call(values(3, 3)),
    call(values(2, 2, 3)),
    call(values(3, 2), check_errors=True),
    call(values(0, 3)),
    dtypes=LAPACK,
)
linalg_lu_factor_ex.batching("front")


@linalg_lu_factor_ex.rule
def _(A, pivot):
    check_matrix("linalg.lu_factor", A, "A")
    check_float("linalg.lu_factor", A)
    check_pivot("linalg.lu_factor", pivot)
    batch = matrices_of(A.shape)
    return (
        Spec(A.shape, A.dtype, column_strides(A.shape)),
        Spec(batch + [least_side(A.shape)], dtypes.int32),
        Spec(batch, dtypes.int32),
    )


def gradient_of_parts(g_lower, g_upper, P, L, U, ops):
    """That of A from those of the factors of A = P L U, of which one may be absent."""
    m, n = L.shape[-2], U.shape[-1]
    k = min(m, n)
    lower = ops.slice_Tensor(L, -2, 0, k)
    upper = ops.slice_Tensor(U, -1, 0, k)
    of_lower = ops.tril(g_lower, -1)
    of_upper = ops.triu(g_upper)
    inner = ops.matmul(adjoint(lower, ops), ops.slice_Tensor(of_lower, -2, 0, k))
    outer = ops.matmul(ops.slice_Tensor(of_upper, -1, 0, k), adjoint(upper, ops))
    if n > k:
        beside = ops.slice_Tensor(of_upper, -1, k, n)
        rest = adjoint(ops.slice_Tensor(U, -1, k, n), ops)
        inner = inner - ops.matmul(beside, rest)
    if m > k:
        below = ops.slice_Tensor(of_lower, -2, k, m)
        rest = adjoint(ops.slice_Tensor(L, -2, k, m), ops)
        outer = outer - ops.matmul(rest, below)
    both = ops.tril(inner, -1) + ops.triu(outer)
    over_u = ops.linalg_solve_triangular(adjoint(upper, ops), both, False, False, False)
    made = ops.linalg_solve_triangular(adjoint(lower, ops), over_u, True, True, True)
    if n > k:
        side = ops.slice_Tensor(of_upper, -1, k, n)
        right = ops.linalg_solve_triangular(adjoint(lower, ops), side, True, True, True)
        made = ops.cat([made, right], -1)
    if m > k:
        side = ops.slice_Tensor(of_lower, -2, k, m)
        bottom = ops.linalg_solve_triangular(adjoint(upper, ops), side, False, False, False)
        made = ops.cat([made, bottom], -2)
    return ops.matmul(P, made)


@linalg_lu_factor_ex.gradient
def _(g, A, LU, pivots, ops):
    P, L, U = ops.lu_unpack(LU, pivots, True, True)
    k = least_side(LU.shape)
    of_lower = ops.slice_Tensor(g, -1, 0, k)
    of_upper = ops.slice_Tensor(g, -2, 0, k)
    return gradient_of_parts(of_lower, of_upper, P, L, U, ops)


@composite(
    "linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_lu_factor(A, pivot, ops):
    """L and U in one matrix, and the rows that were exchanged, counted from 1.

    >>> flambeau.linalg.lu_factor(flambeau.tensor([[1., 2.], [4., 4.]]))[0]
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    factors, pivots, info = ops.linalg_lu_factor_ex(A, pivot, False)
    ops._linalg_check_errors(info, "torch.linalg.lu_factor", A.dim() == 2)
    return factors, pivots


linalg_lu_factor.samples(call(values(3, 3)), call(values(2, 2, 3)), dtypes=LAPACK)


@composite(
    "_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True)"
    " -> (Tensor LU, Tensor pivots, Tensor info)",
    method=False,
)
def _lu_with_info(self, pivot, check_errors, ops):
    """``linalg.lu_factor_ex`` as ``Tensor.lu`` calls it."""
    return ops.linalg_lu_factor_ex(self, pivot, check_errors)


_lu_with_info.samples(call(values(3, 3)), call(values(2, 2, 3), True, False), dtypes=LAPACK)


@structured(
    "linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)",
    cpu="cpu::linalg_lu(P, L, U, A)",
    out=True,
    module="_linalg",
    method=False,
    differentiable=(1, 2),
)
def linalg_lu():
    """P, L and U with ``A == P @ L @ U``: a permutation and two triangles.

    >>> P, L, U = flambeau.linalg.lu(flambeau.tensor([[1., 2.], [4., 4.]]))
    >>> L, U
    (tensor([[1.0000, 0.0000],
            [0.2500, 1.0000]]), tensor([[4., 4.],
            [0., 1.]]))
    """


linalg_lu.samples(
    call(values(3, 3)),
    call(values(2, 2, 3)),
    call(values(3, 2)),
    call(values(0, 3)),
    dtypes=LAPACK,
)
linalg_lu.batching("front")


def part_specs(sizes, dtype):
    m, n = sizes[len(sizes) - 2], sizes[len(sizes) - 1]
    batch, k = matrices_of(sizes), min(m, n)
    return (
        Spec(batch + [m, m], dtype),
        Spec(batch + [m, k], dtype),
        Spec(batch + [k, n], dtype),
    )


@linalg_lu.rule
def _(A, pivot):
    check_matrix("linalg.lu", A, "A")
    check_float("linalg.lu", A)
    check_pivot("linalg.lu", pivot)
    return part_specs(A.shape, A.dtype)


@linalg_lu.gradient
def _(grads, A, P, L, U, ops):
    of_lower, of_upper = grads[0], grads[1]
    left = ops.zeros_like(L) if of_lower is None else of_lower
    right = ops.zeros_like(U) if of_upper is None else of_upper
    return gradient_of_parts(left, right, P, L, U, ops)


@structured(
    "lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)"
    " -> (Tensor P, Tensor L, Tensor U)",
    cpu="cpu::lu_unpack(P, L, U, LU_data, LU_pivots, unpack_data, unpack_pivots)",
    out=True,
    differentiable=(1, 2),
    checks_values=True,
)
def lu_unpack():
    """P, L and U of what ``lu_factor`` gives; what is not asked for is empty.

    >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[1., 2.], [4., 4.]]))
    >>> flambeau.lu_unpack(LU, pivots).P
    tensor([[0., 1.],
            [1., 0.]])
    """


_PIVOTS = values(2, low=1, high=1.5, dtype="int32")
lu_unpack.samples(
    call(values(2, 2), _PIVOTS),
    call(values(2, 3), _PIVOTS),
    call(values(3, 2), _PIVOTS, unpack_pivots=False),
    call(values(2, 2), _PIVOTS, unpack_data=False),
    dtypes=LAPACK,
)


@lu_unpack.batching
def _(b, LU_data, LU_pivots, unpack_data, unpack_pivots):
    made = b.ops.lu_unpack(LU_data.full, LU_pivots.full, unpack_data, unpack_pivots)
    asked = (unpack_pivots, unpack_data, unpack_data)
    return [t if wanted else b.at(t, None) for t, wanted in zip(made, asked, strict=True)]


@lu_unpack.rule
def _(LU_data, LU_pivots, unpack_data, unpack_pivots):
    check_matrix("lu_unpack", LU_data, "LU_data")
    check_float("lu_unpack", LU_data)
    check_pivots("lu_unpack", LU_data, LU_pivots)
    p, lower, upper = part_specs(LU_data.shape, LU_data.dtype)
    none = Spec([0], LU_data.dtype)
    return (
        p if unpack_pivots else none,
        lower if unpack_data else none,
        upper if unpack_data else none,
    )


def check_pivots(op, factors, pivots):
    if pivots.dtype != dtypes.int32:
        raise Error(
            f"{op}: pivots must be of int32, as lu_factor gives them, got "
            f"{dtype_name(pivots.dtype)}"
        )
    wanted = matrices_of(factors.shape) + [least_side(factors.shape)]
    if not same_sizes(wanted, pivots.shape):
        raise Error(
            f"{op}: LU of shape {show(factors.shape)} has pivots of shape {show(wanted)}, got "
            f"{show(pivots.shape)}"
        )


def same_sizes(a, b):
    if len(a) != len(b):
        return False
    for i in range(len(a)):
        if a[i] != b[i]:
            return False
    return True


@lu_unpack.gradient
def _(grads, LU_data, unpack_data, ops):
    if not unpack_data:
        return ops.zeros_like(LU_data)
    of_lower, of_upper = grads[0], grads[1]
    sizes = LU_data.shape
    m, n = sizes[-2], sizes[-1]
    total = ops.zeros_like(LU_data)
    if of_lower is not None:
        part = ops.tril(of_lower, -1)
        total = total + (ops.constant_pad_nd(part, [0, n - m], 0) if n > m else part)
    if of_upper is not None:
        part = ops.triu(of_upper)
        total = total + (ops.constant_pad_nd(part, [0, 0, 0, m - n], 0) if m > n else part)
    return total


@structured(
    "linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False)"
    " -> Tensor",
    cpu="linalg_lu_solve",
    out=True,
    module="_linalg",
    method=False,
    checks_values=True,
)
def linalg_lu_solve():
    """X of ``A @ X == B``, with A given by its LU decomposition.

    ``left=False`` solves ``X @ A == B``, ``adjoint=True`` takes ``A.mH`` in place of A.

    >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[1., 2.], [4., 4.]]))
    >>> flambeau.linalg.lu_solve(LU, pivots, flambeau.tensor([[3.], [8.]]))
    tensor([[1.],
            [1.]])
    """


linalg_lu_solve.samples(
    call(values(2, 2), _PIVOTS, values(2, 3)),
    call(values(2, 2), _PIVOTS, values(2, 3, 2), left=False),
    call(values(2, 2), _PIVOTS, values(2, 3), adjoint=True),
    call(values(2, 2), _PIVOTS, values(3, 2), left=False, adjoint=True),
    dtypes=LAPACK,
)


@linalg_lu_solve.rule
def _(LU, pivots, B, left):
    check_square("linalg.lu_solve", LU, "LU")
    check_matrix("linalg.lu_solve", B, "B")
    check_same("linalg.lu_solve", LU, B, "LU", "B")
    check_float("linalg.lu_solve", LU)
    check_pivots("linalg.lu_solve", LU, pivots)
    sizes = solution_sizes("linalg.lu_solve", LU, B, left)
    return Spec(sizes, B.dtype, solution_strides(sizes, left))


def solution_strides(sizes, left):
    """By columns, or by rows where A stands on the right."""
    return column_strides(sizes) if left else contiguous_strides(sizes)


def solution_sizes(op, a, b, left):
    side = b.shape[-2] if left else b.shape[-1]
    if a.shape[-1] != side:
        raise Error(
            f"{op}: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({a.shape[-2]}x{a.shape[-1]} and "
            f"{b.shape[-2]}x{b.shape[-1]})"
        )
    batch = broadcast(matrices_of(a.shape), matrices_of(b.shape), op)
    return list(batch) + list(b.shape[-2:])


@linalg_lu_solve.batching
def _(b, LU, pivots, B, left, adjoint):
    rank = max(LU.rank, B.rank)
    return b.ops.linalg_lu_solve(
        b.spread(LU, rank),
        b.spread(pivots, rank - 1),
        b.spread(B, rank),
        left=left,
        adjoint=adjoint,
    )


def plain_adjoint(t, ops):
    return adjoint(t, ops)


@linalg_lu_solve.gradient
def _(g, LU, pivots, B, left, adjoint, result, ops):
    # op(A) X = B with op(A) = A or its adjoint, A = P L U.
    of_b = ops.linalg_lu_solve(LU, pivots, g, left, not adjoint)
    if left:
        slope = -ops.matmul(of_b, plain_adjoint(result, ops))
    else:
        slope = -ops.matmul(plain_adjoint(result, ops), of_b)
    of_a = plain_adjoint(slope, ops) if adjoint else slope
    P, L, U = ops.lu_unpack(LU, pivots, True, True)
    turned = ops.matmul(ops.transpose_int(P, -2, -1), of_a)
    of_lower = ops.tril(ops.matmul(turned, plain_adjoint(U, ops)), -1)
    of_upper = ops.triu(ops.matmul(plain_adjoint(L, ops), turned))
    return sum_to(of_lower + of_upper, LU.shape, ops), None, sum_to(of_b, B.shape, ops)


@composite("lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", out=True)
def lu_solve(self, LU_data, LU_pivots, ops):
    """X of ``A @ X == self``; ``linalg.lu_solve`` is younger.

    >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[1., 2.], [4., 4.]]))
    >>> flambeau.lu_solve(flambeau.tensor([[3.], [8.]]), LU, pivots)
    tensor([[1.],
            [1.]])
    """
    return ops.linalg_lu_solve(LU_data, LU_pivots, self, True, False)


lu_solve.samples(call(values(2, 3), values(2, 2), _PIVOTS), dtypes=LAPACK)

for _op in (linalg_lu_factor_ex, linalg_lu, lu_unpack, linalg_lu_solve):
    _op.without("jvp", "decomposition", "sharding", "autocast")
for _op in (linalg_lu_factor_ex, linalg_lu_factor, _lu_with_info, linalg_lu):
    _op.benchmark(call(values(256, 256)))
for _op in (lu_unpack, linalg_lu_solve, lu_solve):
    _op.without("benchmark")
_lu_with_info.autocast("float32")
lu_solve.autocast("float32")
