"""QR decompositions by Householder reflections."""

from flambeau.ops.language import Error, Spec, same, show
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
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
    check_float("geqrf", self)
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
    call(values(3, 2, constant=True), values(2, constant=True)),
    call(values(2, 2, 2, constant=True), values(2, 1, constant=True)),
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


@linalg_householder_product.gradient
def _(g, input, tau, ops):
    raise NotImplementedError(
        "linalg.householder_product: the gradient is not supported: use linalg.qr"
    )


@composite("orgqr(Tensor self, Tensor input2) -> Tensor", out=True)
def orgqr(self, input2, ops):
    """``linalg.householder_product``.

    >>> h, tau = flambeau.geqrf(flambeau.tensor([[3.], [4.]]))
    >>> flambeau.orgqr(h, tau).abs()
    tensor([[0.6000],
            [0.8000]])
    """
    return ops.linalg_householder_product(self, input2)


orgqr.samples(call(values(3, 2, constant=True), values(2, constant=True)), dtypes=LAPACK)
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
    call(values(3, 2, constant=True), values(2, constant=True), values(3, 2, constant=True)),
    call(
        values(3, 2, constant=True),
        values(2, constant=True),
        values(2, 3, constant=True),
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
def _(g, self, input2, input3, ops):
    raise NotImplementedError("ormqr: the gradient is not supported: use linalg.qr")


@geqrf.gradient
def _(g, self, ops):
    raise NotImplementedError("geqrf: the gradient is not supported: use linalg.qr")


for _op in (linalg_qr, geqrf, linalg_householder_product, ormqr):
    _op.without("jvp", "decomposition", "sharding")
for _op in (linalg_qr, qr, geqrf):
    _op.benchmark(call(values(256, 128)))
for _op in (linalg_householder_product, orgqr, ormqr):
    _op.without("benchmark")
