"""The Cholesky decomposition of Hermitian positive-definite matrices."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    dtypes,
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
    diagonal_of,
    matrices_of,
    real_part,
)
from flambeau.ops.record import composite, native, structured
from flambeau.ops.samples import call, definite, ints, np, values


@native(
    "_linalg_check_errors(Tensor info, str api_name, *, bool is_matrix) -> ()",
    method=False,
    cxx="linalg_check_errors",
    source=r"""
namespace native {
void linalg_check_errors(const Tensor& info, std::string_view api_name, bool is_matrix) {
  if (!info.is_meta()) cpu::linalg_check_errors(info, api_name, is_matrix);
}
}  // namespace native
""",
)
def _linalg_check_errors():
    """LinAlgError for the first matrix for which LAPACK gave an error number."""


_linalg_check_errors.samples(call(ints([0, 0]), "linalg.inv", is_matrix=False))


@_linalg_check_errors.rule
def _(info, api_name, is_matrix):
    pass


@_linalg_check_errors.batching
def _(b, info, api_name, is_matrix):
    return b.ops._linalg_check_errors(info.value, api_name, is_matrix=False)


@structured(
    "linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False)"
    " -> (Tensor L, Tensor info)",
    cpu="linalg_cholesky_ex",
    out=True,
    out_overload="L",
    module="_linalg",
    method=False,
    differentiable=(0,),
    checks_values=True,
)
def linalg_cholesky_ex():
    """The Cholesky factors, and for each matrix 0 or the order of the minor that has none.

    >>> L, info = flambeau.linalg.cholesky_ex(flambeau.tensor([[4., 0.], [0., 9.]]))
    >>> L, info
    (tensor([[2., 0.],
            [0., 3.]]), tensor(0, dtype=torch.int32))
    """


linalg_cholesky_ex.samples(
    call(definite(3, 3)),
    call(definite(2, 2, 2), upper=True, check_errors=True),
    call(definite(0, 0)),
    dtypes=LAPACK,
)
linalg_cholesky_ex.autocast("float32")


@linalg_cholesky_ex.rule
def _(self):
    check_square("linalg.cholesky", self, "A")
    check_float("linalg.cholesky", self)
    batch = matrices_of(self.shape)
    return Spec(self.shape, self.dtype, column_strides(self.shape)), Spec(batch, dtypes.int32)


def gradient_of_factor(g, factor, upper, ops):
    """That of a Hermitian matrix from its factor's."""
    lower = adjoint(factor, ops) if upper else factor
    slope = adjoint(g, ops) if upper else g
    inner = ops.matmul(adjoint(lower, ops), slope)
    below = ops.tril(inner, -1)
    middle = ops.diag_embed(real_part(diagonal_of(inner, ops), ops))
    both = below + adjoint(below, ops) + middle
    left = ops.linalg_solve_triangular(adjoint(lower, ops), both, True, True, False)
    return ops.linalg_solve_triangular(lower, left, False, False, False) * 0.5


@linalg_cholesky_ex.gradient
def _(g, self, upper, L, ops):
    return gradient_of_factor(g, L, upper, ops)


@composite(
    "linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_cholesky(self, upper, ops):
    """The lower triangular L with ``L @ L.mH`` equal to the matrix, or with ``upper`` its adjoint.

    >>> flambeau.linalg.cholesky(flambeau.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    factor, info = ops.linalg_cholesky_ex(self, upper, False)
    ops._linalg_check_errors(info, "linalg.cholesky", self.dim() == 2)
    return factor


linalg_cholesky.samples(
    call(definite(3, 3)), call(definite(2, 2, 2), upper=True), call(definite(0, 0)), dtypes=LAPACK
)
linalg_cholesky.reference(
    lambda a, upper=False: (
        np.conj(np.swapaxes(np.linalg.cholesky(a), -1, -2)) if upper else np.linalg.cholesky(a)
    ),
    tolerance=32,
)


@structured(
    "cholesky(Tensor self, bool upper=False) -> Tensor",
    cpu="cholesky",
    out=True,
    checks_values=True,
)
def cholesky():
    """The Cholesky factor of matrices; ``linalg.cholesky`` is the same under today's name.

    >>> flambeau.cholesky(flambeau.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """


cholesky.samples(
    call(definite(3, 3)), call(definite(2, 2, 2), True), call(definite(0, 0)), dtypes=LAPACK
)
cholesky.autocast("float32")


@cholesky.rule
def _(self):
    check_square("cholesky", self, "A")
    check_float("cholesky", self)
    return Spec(self.shape, self.dtype, column_strides(self.shape))


@cholesky.gradient
def _(g, upper, result, ops):
    return gradient_of_factor(g, result, upper, ops)


@structured(
    "cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor",
    cpu="cholesky_solve",
    out=True,
)
def cholesky_solve():
    """X of ``A @ X == self``, with A given by its Cholesky factor.

    >>> L = flambeau.tensor([[2., 0.], [1., 2.]])
    >>> flambeau.cholesky_solve(flambeau.tensor([[4.], [10.]]), L)
    tensor([[0.],
            [2.]])
    """


cholesky_solve.samples(
    call(values(3, 2), definite(3, 3, constant=True)),
    call(values(2, 3, 2), definite(3, 3, constant=True), True),
    call(values(0, 2), definite(0, 0, constant=True)),
    dtypes=LAPACK,
)
cholesky_solve.autocast("float32")


@cholesky_solve.rule
def _(self, input2):
    check_matrix("cholesky_solve", self, "b")
    check_square("cholesky_solve", input2, "u")
    check_float("cholesky_solve", input2)
    check_same("cholesky_solve", self, input2, "b", "u")
    if self.shape[-2] != input2.shape[-1]:
        raise Error(
            f"cholesky_solve: Incompatible matrix sizes for cholesky_solve: each A matrix is "
            f"{input2.shape[-1]} by {input2.shape[-1]} but each b matrix is {self.shape[-2]} by "
            f"{self.shape[-1]}"
        )
    batch = broadcast(matrices_of(self.shape), matrices_of(input2.shape), "cholesky_solve")
    sizes = list(batch) + list(self.shape[-2:])
    return Spec(sizes, self.dtype, column_strides(sizes))


@cholesky_solve.batching
def _(b, self, input2, upper):
    rank = max(self.rank, input2.rank)
    return b.ops.cholesky_solve(b.spread(self, rank), b.spread(input2, rank), upper)


@cholesky_solve.gradient
def _(g, self, input2, upper, result, ops):
    of_self = ops.cholesky_solve(g, input2, upper)
    product = ops.matmul(of_self, adjoint(result, ops))
    both = product + adjoint(product, ops)
    slope = ops.matmul(input2, both) if upper else ops.matmul(both, input2)
    return sum_to(of_self, self.shape, ops), sum_to(-slope, input2.shape, ops)


@structured(
    "cholesky_inverse(Tensor self, bool upper=False) -> Tensor",
    cpu="cholesky_inverse",
    out=True,
    checks_values=True,
)
def cholesky_inverse():
    """The inverse of matrices that are given by their Cholesky factors.

    >>> flambeau.cholesky_inverse(flambeau.tensor([[2., 0.], [1., 2.]]))
    tensor([[ 0.3125, -0.1250],
            [-0.1250,  0.2500]])
    """


cholesky_inverse.samples(
    call(definite(3, 3)), call(definite(2, 2, 2), True), call(definite(0, 0)), dtypes=LAPACK
)
cholesky_inverse.autocast("float32")


@cholesky_inverse.rule
def _(self):
    check_square("cholesky_inverse", self, "A")
    check_float("cholesky_inverse", self)
    return Spec(self.shape, self.dtype, column_strides(self.shape))


@cholesky_inverse.gradient
def _(g, self, upper, result, ops):
    inner = ops.matmul(result, ops.matmul(g + adjoint(g, ops), result))
    return -ops.matmul(self, inner) if upper else -ops.matmul(inner, self)


for _op in (linalg_cholesky_ex, cholesky, cholesky_inverse):
    _op.batching("front")
for _op in (linalg_cholesky_ex, cholesky, cholesky_solve, cholesky_inverse):
    _op.without("jvp", "decomposition", "sharding")
for _op in (linalg_cholesky_ex, linalg_cholesky, cholesky, cholesky_solve, cholesky_inverse):
    _op.benchmark(call(definite(256, 256), *([definite(256, 256)] * (_op is cholesky_solve))))
