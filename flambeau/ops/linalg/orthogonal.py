"""QR decompositions by Householder reflections."""

from flambeau.ops.language import Error, Spec, same, show
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_lapack,
    check_matrix,
    check_same,
    column_strides,
    diagonal_of,
    matrices_of,
    real_part,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, values


@structured(
    'linalg_qr(Tensor A, str mode="reduced") -> (Tensor Q, Tensor R)',
    cpu="linalg_qr",
    out=True,
    module="_linalg",
    method=False,
    differentiable=(0, 1),
)
def linalg_qr():
    """Q with orthonormal columns and an upper triangular R with ``A == Q @ R``.

    ``mode`` is "reduced" (Q has as many columns as the smaller side), "complete" (Q is square) or
    "r" (Q is empty).

    >>> Q, R = flambeau.linalg.qr(flambeau.tensor([[3., 1.], [4., 2.]]))
    >>> R.abs()
    tensor([[5.0000, 2.2000],
            [0.0000, 0.4000]])
    """


linalg_qr.samples(
    call(values(3, 2)),
    call(values(2, 2, 3)),
    call(values(2, 2), "complete"),
    call(values(0, 2)),
    dtypes=LAPACK,
)
linalg_qr.batching("front")
linalg_qr.autocast("float32")


@linalg_qr.rule
def _(A, mode):
    check_matrix("linalg.qr", A, "A")
    check_float("linalg.qr", A)
    if mode != "reduced" and mode != "complete" and mode != "r":
        raise Error(
            f"linalg.qr: qr received unrecognized mode '{mode}' but expected one of 'reduced' "
            "(default), 'r', or 'complete'"
        )
    m, n = A.shape[-2], A.shape[-1]
    k = m if mode == "complete" else min(m, n)
    upper = matrices_of(A.shape) + [k, n]
    columns = [0] if mode == "r" else matrices_of(A.shape) + [m, k]
    return (
        Spec(columns, A.dtype, column_strides(columns)),
        Spec(upper, A.dtype, column_strides(upper)),
    )


@linalg_qr.gradient
def _(grads, A, mode, Q, R, ops):
    of_q, of_r = grads[0], grads[1]
    m, n = A.shape[-2], A.shape[-1]
    if mode == "r":
        raise Error(
            "linalg.qr: the gradient needs Q, which mode='r' does not give: use mode='reduced'"
        )
    if mode == "complete" and m > n:
        raise Error(
            "linalg.qr: the gradient of mode='complete' is not supported for more rows than "
            f"columns, as in shape {show(A.shape)}: use mode='reduced'"
        )
    right = ops.zeros_like(R) if of_r is None else of_r
    left = ops.zeros_like(Q) if of_q is None else of_q
    if m >= n:
        return square_part(left, right, Q, R, ops)
    # A = [X Y]: X = Q U and Y = Q V, with R = [U V].
    beside = ops.slice_Tensor(right, -1, m, n)
    rest = ops.slice_Tensor(A, -1, m, n)
    left = left + ops.matmul(rest, adjoint(beside, ops))
    first = square_part(
        left, ops.slice_Tensor(right, -1, 0, m), Q, ops.slice_Tensor(R, -1, 0, m), ops
    )
    return ops.cat([first, ops.matmul(Q, beside)], -1)


def square_part(left, right, Q, R, ops):
    inner = ops.matmul(R, adjoint(right, ops)) - ops.matmul(adjoint(left, ops), Q)
    below = ops.tril(inner, -1)
    middle = ops.diag_embed(real_part(diagonal_of(inner, ops), ops))
    both = below + adjoint(below, ops) + middle
    total = left + ops.matmul(Q, both)
    return ops.linalg_solve_triangular(adjoint(R, ops), total, False, False, False)


@composite("qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)", out=True, out_overload="Q")
def qr(self, some, ops):
    """``linalg.qr``: "reduced", or "complete" where ``some`` is False.

    >>> flambeau.qr(flambeau.tensor([[3., 1.], [4., 2.]]))[1].abs()
    tensor([[5.0000, 2.2000],
            [0.0000, 0.4000]])
    """
    return ops.linalg_qr(self, "reduced" if some else "complete")


qr.samples(call(values(3, 2)), call(values(2, 2, 3), False), dtypes=LAPACK)
qr.autocast("float32")


@structured("geqrf(Tensor self) -> (Tensor a, Tensor tau)", cpu="geqrf", out=True, out_overload="a")
def geqrf():
    """R, and below it the Householder reflections that make Q; ``tau`` has their factors.

    >>> flambeau.geqrf(flambeau.tensor([[3.], [4.]]))[0].abs()
    tensor([[5.0000],
            [0.5000]])
    """


geqrf.samples(call(values(3, 2)), call(values(2, 2, 3)), call(values(0, 2)), dtypes=LAPACK)
geqrf.batching("front")
geqrf.autocast("float32")


@geqrf.rule
def _(self):
    check_matrix("geqrf", self, "input")
    check_lapack("geqrf", self)
    factors = matrices_of(self.shape) + [min(self.shape[-2], self.shape[-1])]
    return Spec(self.shape, self.dtype, column_strides(self.shape)), Spec(factors, self.dtype)


def check_reflections(op, matrix, tau):
    check_matrix(op, matrix, "input")
    m, n = matrix.shape[-2], matrix.shape[-1]
    if tau.dim() != matrix.dim() - 1 or not same(tau.shape[:-1], matrix.shape[:-2]):
        raise Error(
            f"{op}: Expected tau to have one dimension less than input and its batch, got tau of "
            f"shape {show(tau.shape)} and input of shape {show(matrix.shape)}"
        )
    if tau.shape[-1] > min(m, n):
        raise Error(
            f"{op}: input.shape[-1] must be greater than or equal to tau.shape[-1], got "
            f"{show(matrix.shape)} and {show(tau.shape)}"
        )
    check_same(op, matrix, tau, "input", "tau")
    check_float(op, matrix)


@structured(
    "linalg_householder_product(Tensor input, Tensor tau) -> Tensor",
    cpu="householder_product",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_householder_product():
    """The first columns of the product of Householder reflections, as ``geqrf`` gives them.

    >>> h, tau = flambeau.geqrf(flambeau.tensor([[3.], [4.]]))
    >>> flambeau.linalg.householder_product(h, tau).abs()
    tensor([[0.6000],
            [0.8000]])
    """


linalg_householder_product.samples(
    call(values(3, 2), values(2)),
    call(values(2, 2, 2), values(2, 1)),
    dtypes=LAPACK,
)
linalg_householder_product.batching("front")
linalg_householder_product.autocast("float32")


@linalg_householder_product.rule
def _(input, tau):
    check_reflections("linalg.householder_product", input, tau)
    if input.shape[-2] < input.shape[-1]:
        raise Error(
            f"linalg.householder_product: input.shape[-2] must be greater than or equal to "
            f"input.shape[-1], got {show(input.shape)}"
        )
    return Spec(input.shape, input.dtype, column_strides(input.shape))


def conj_of(t, ops):
    return ops.conj(t) if t.is_complex() else t


def reflected(self, r, ops):
    """The vector of a reflection: a one, and below it what stands in the matrix."""
    column = ops.slice_Tensor(self, -1, r, r + 1)
    zeros = ops.zeros_like(ops.slice_Tensor(column, -2, 0, r))
    one = ops.ones_like(ops.slice_Tensor(column, -2, r, r + 1))
    below = ops.slice_Tensor(column, -2, r + 1, self.shape[-2])
    return ops.cat([zeros, one, below], -2)


def factor_of(tau, r, backward, ops):
    factor = ops.unsqueeze(ops.slice_Tensor(tau, -1, r, r + 1), -1)
    return conj_of(factor, ops) if backward else factor


def slopes(g, self, tau, start, backward, ops):
    """The gradients of what multiplies ``start`` by reflections, one after the other: of their
    vectors, of their factors, of ``start``. ``backward`` is the adjoint of the product.
    """
    m, n, k = self.shape[-2], self.shape[-1], tau.shape[-1]
    vectors = [reflected(self, r, ops) for r in range(k)]
    factors = [factor_of(tau, r, backward, ops) for r in range(k)]
    states = [start]
    for step in range(k):
        which = step if backward else k - 1 - step
        now = states[step]
        seen = ops.matmul(adjoint(vectors[which], ops), now)
        states.append(now - factors[which] * ops.matmul(vectors[which], seen))
    slope = g
    columns = []
    numbers = []
    for j in reversed(range(k)):
        i = j if backward else k - 1 - j
        along = ops.matmul(adjoint(vectors[i], ops), states[j])
        onto = ops.matmul(adjoint(slope, ops), vectors[i])
        back = conj_of(factors[i], ops)
        of_factor = ops.squeeze_dim(ops.matmul(along, onto), -1)
        of_vector = back * ops.matmul(slope, adjoint(along, ops))
        of_vector = of_vector + factors[i] * ops.matmul(states[j], onto)
        above = ops.zeros_like(ops.slice_Tensor(of_vector, -2, 0, i + 1))
        moved = ops.cat([above, -ops.slice_Tensor(of_vector, -2, i + 1, m)], -2)
        number = -of_factor if backward else -conj_of(of_factor, ops)
        # The last of the loops has the first of the reflections, or the last of them.
        columns.insert(0 if backward else len(columns), moved)
        numbers.insert(0 if backward else len(numbers), number)
        slope = slope - back * ops.matmul(vectors[i], ops.matmul(adjoint(vectors[i], ops), slope))
    if n > k:
        columns.append(ops.zeros_like(ops.slice_Tensor(self, -1, k, n)))
    if k == 0:
        return ops.zeros_like(self), ops.zeros_like(tau), slope
    return ops.cat(columns, -1), ops.cat(numbers, -1) + ops.mul_Scalar(tau, 0), slope


@linalg_householder_product.gradient
def _(g, input, tau, ops):
    one = ops.eye_m(
        input.shape[-2], input.shape[-1], input.dtype, input.layout, input.device, False
    )
    of_input, of_tau, _ = slopes(g, input, tau, ops.expand(one, input.shape), False, ops)
    return of_input, of_tau


@composite("orgqr(Tensor self, Tensor input2) -> Tensor", out=True)
def orgqr(self, input2, ops):
    """``linalg.householder_product``.

    >>> h, tau = flambeau.geqrf(flambeau.tensor([[3.], [4.]]))
    >>> flambeau.orgqr(h, tau).abs()
    tensor([[0.6000],
            [0.8000]])
    """
    return ops.linalg_householder_product(self, input2)


orgqr.samples(call(values(3, 2), values(2)), dtypes=LAPACK)
orgqr.autocast("float32")


@structured(
    "ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False)"
    " -> Tensor",
    cpu="ormqr",
    out=True,
)
def ormqr():
    """Q of Householder reflections times ``input3``, without making Q.

    >>> h, tau = flambeau.geqrf(flambeau.tensor([[3.], [4.]]))
    >>> flambeau.ormqr(h, tau, flambeau.tensor([[3.], [4.]]), transpose=True).abs().round()
    tensor([[5.],
            [0.]])
    """


ormqr.samples(
    call(values(3, 2), values(2), values(3, 2)),
    call(
        values(3, 2),
        values(2),
        values(2, 3),
        False,
        True,
    ),
    dtypes=LAPACK,
)
ormqr.batching("front")
ormqr.autocast("float32")


@ormqr.rule
def _(self, input2, input3, left):
    check_reflections("ormqr", self, input2)
    check_matrix("ormqr", input3, "other")
    check_same("ormqr", self, input3, "input", "other")
    side = input3.shape[-2] if left else input3.shape[-1]
    if side != self.shape[-2] or not same(input3.shape[:-2], self.shape[:-2]):
        raise Error(
            f"ormqr: other of shape {show(input3.shape)} cannot be multiplied with Q of "
            f"{show(self.shape)} from the {'left' if left else 'right'}"
        )
    return Spec(input3.shape, input3.dtype, column_strides(input3.shape))


@ormqr.gradient
def _(g, self, input2, input3, left, transpose, ops):
    if left:
        return slopes(g, self, input2, input3, transpose, ops)
    # C Q is the adjoint of Q^H C^H.
    turned, slope = adjoint(input3, ops), adjoint(g, ops)
    of_self, of_tau, of_other = slopes(slope, self, input2, turned, not transpose, ops)
    return of_self, of_tau, adjoint(of_other, ops)


@geqrf.gradient
def _(g, self, ops):
    raise NotImplementedError("geqrf: the gradient is not supported: use linalg.qr")


for _op in (linalg_qr, geqrf, linalg_householder_product, ormqr):
    _op.without("jvp", "decomposition", "sharding")
for _op in (linalg_qr, qr, geqrf):
    _op.benchmark(call(values(256, 128)))
for _op in (linalg_householder_product, orgqr, ormqr):
    _op.without("benchmark")
