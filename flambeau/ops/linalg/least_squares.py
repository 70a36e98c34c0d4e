"""Least squares."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    dtypes,
    show,
    sum_to,
    to_real,
)
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_matrix,
    check_same,
    column_strides,
    matrices_of,
)
from flambeau.ops.linalg.ranks import epsilon, gradient_of_inverse
from flambeau.ops.linalg.solving import is_vectors
from flambeau.ops.record import native, structured
from flambeau.ops.samples import call, values


@structured(
    "_lstsq(Tensor self, Tensor B, float rcond, str driver)"
    " -> (Tensor solution, Tensor rank, Tensor singular_values)",
    cpu="cpu::lstsq(solution, rank, singular_values, self, B, rcond, driver)",
    method=False,
    function_variant=False,
    checks_values=True,
)
def _lstsq():
    """Solutions, with what residuals are made of below them; matrices of one batch."""


@_lstsq.rule
def _(self, B, driver):
    check_matrix("linalg.lstsq", self, "A")
    check_matrix("linalg.lstsq", B, "B")
    check_float("linalg.lstsq", self)
    check_same("linalg.lstsq", self, B, "A", "B")
    m, n = self.shape[-2], self.shape[-1]
    batch = matrices_of(self.shape)
    if self.dim() != B.dim() or B.shape[-2] != m:
        raise Error(
            f"linalg.lstsq: A of {show(self.shape)} and B of {show(B.shape)} must have as many rows"
        )
    for i in range(len(batch)):
        if B.shape[i] != batch[i]:
            raise Error(
                f"linalg.lstsq: A of {show(self.shape)} and B of {show(B.shape)} must be one batch"
            )
    known = driver == "gels" or driver == "gelsy" or driver == "gelsd" or driver == "gelss"
    if not known:
        raise Error(
            "linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got "
            f"{driver}"
        )
    sizes = batch + [max(m, n), B.shape[-1]]
    values_too = driver == "gelsd" or driver == "gelss"
    return (
        Spec(sizes, self.dtype, column_strides(sizes)),
        Spec([0] if driver == "gels" else batch, dtypes.int64),
        Spec(batch + [min(m, n)] if values_too else [0], to_real(self.dtype)),
    )


_lstsq.samples(
    call(values(3, 2, constant=True), values(3, 2, constant=True), 1e-6, "gelsy"),
    call(values(2, 2, 3, constant=True), values(2, 2, 1, constant=True), 1e-6, "gelsd"),
    call(values(3, 2, constant=True), values(3, 2, constant=True), 1e-6, "gels"),
    call(values(3, 2, constant=True), values(3, 2, constant=True), 1e-6, "gelss"),
    dtypes=LAPACK,
)


@_lstsq.batching
def _(b, self, B, rcond, driver):
    made = b.ops._lstsq(self.full, B.full, rcond, driver)
    given = (True, driver != "gels", driver in ("gelsd", "gelss"))
    return [t if there else b.at(t, None) for t, there in zip(made, given, strict=True)]


_lstsq.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@native(
    "linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None)"
    " -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)",
    module="_linalg",
    method=False,
    out=True,
    differentiable=(0, 1),
    tags=frozenset({"dynamic_shape"}),
)
def linalg_lstsq(self, b, rcond, driver, ops):
    """X for which the columns of ``A @ X - B`` are shortest.

    ``driver`` is LAPACK's: "gelsy" (unless given), "gelsd" and "gelss" also take matrices whose
    rank is not full, "gels" is faster. Residuals are there where there are more rows than columns
    and the rank is full; ranks from all but "gels", singular values from "gelsd" and "gelss".

    >>> A = flambeau.tensor([[1., 0.], [1., 1.], [1., 2.]])
    >>> flambeau.linalg.lstsq(A, flambeau.tensor([[1.], [3.], [5.]])).solution.round(decimals=3)
    tensor([[1.],
            [2.]])
    """
    check_matrix("linalg.lstsq", self, "A")
    if b.dim() < 1:
        raise Error("linalg.lstsq: input `b` must have at least 1 dimension")
    vectors = is_vectors(self, b)
    right = ops.unsqueeze(b, -1) if vectors else b
    check_matrix("linalg.lstsq", right, "B")
    m, n = self.shape[-2], self.shape[-1]
    if right.shape[-2] != m:
        raise Error(
            f"linalg.lstsq: A of {show(self.shape)} and B of {show(b.shape)} must have as many rows"
        )
    batch = broadcast(matrices_of(self.shape), matrices_of(right.shape), "linalg.lstsq")
    left = ops.expand(self, list(batch) + [m, n])
    right = ops.expand(right, list(batch) + [m, right.shape[-1]])
    least = epsilon(self) * max(m, n) if rcond is None else rcond
    which = "gelsy" if driver is None else driver
    whole, rank, found = ops._lstsq(left, right, least, which)
    solution = ops.slice_Tensor(whole, -2, 0, n)
    residuals = ops.zeros([0], to_real(self.dtype), self.layout, self.device, False)
    full = which == "gels"
    if which == "gelsd" or which == "gelss":
        full = bool(ops.all(ops.eq_Scalar(rank, n)).item())
    if m > n and full and which != "gelsy":
        rest = ops.slice_Tensor(whole, -2, n, m)
        size = ops.abs(rest)
        residuals = ops.sum_dim_IntList(size * size, [-2], False)
    if vectors:
        solution = ops.squeeze_dim(solution, -1)
    return solution, residuals, rank, found


@linalg_lstsq.gradient
def _(grads, self, b, solution, ops):
    of_solution, of_residuals = grads[0], grads[1]
    vectors = is_vectors(self, b)
    right = ops.unsqueeze(b, -1) if vectors else b
    found = ops.unsqueeze(solution, -1) if vectors else solution
    of_a = ops.zeros_like(self)
    of_b = ops.mul_Scalar(right, 0)
    if of_solution is not None:
        slope = ops.unsqueeze(of_solution, -1) if vectors else of_solution
        inverse = ops.linalg_pinv_atol_rtol_tensor(self, None, None, False)
        of_inverse = ops.matmul(slope, adjoint(right, ops))
        of_a = of_a + gradient_of_inverse(of_inverse, self, inverse, ops)
        of_b = of_b + ops.matmul(adjoint(inverse, ops), slope)
    if of_residuals is not None:
        if of_residuals.numel() > 0:
            # They are shortest at the solution, which so has no part in how they change.
            rest = ops.matmul(self, found) - right
            slope = ops.mul_Scalar(rest, 2) * ops.unsqueeze(of_residuals, -2)
            of_a = of_a + ops.matmul(slope, adjoint(found, ops))
            of_b = of_b - slope
    own = ops.squeeze_dim(of_b, -1) if vectors else of_b
    return sum_to(of_a, self.shape, ops), sum_to(own, b.shape, ops)


linalg_lstsq.samples(
    call(values(3, 2), values(3, 2)),
    call(values(2, 3, 2), values(2, 3), driver="gelsd"),
    call(values(3, 2), values(3, 1), 1e-6, driver="gels"),
    dtypes=LAPACK,
)
linalg_lstsq.batching("dynamic")
linalg_lstsq.autocast("float32")
linalg_lstsq.without("jvp", "decomposition", "sharding", "benchmark")
