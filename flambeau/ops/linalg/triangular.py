"""Systems of equations whose matrix is triangular."""

from flambeau.ops.language import Error, Spec, broadcast, sum_to
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
from flambeau.ops.record import structured
from flambeau.ops.samples import call, np, values


def product_sizes(op, a, b, left):
    """The sizes of X in A X = B, or X A = B."""
    check_matrix(op, b, "B")
    check_square(op, a, "A")
    check_same(op, a, b, "A", "B")
    check_float(op, a)
    side = b.shape[-2] if left else b.shape[-1]
    if a.shape[-1] != side:
        shown = "AX = B" if left else "XA = B"
        raise Error(
            f"{op}: Incompatible shapes of A and B for the equation {shown}: "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )
    batch = broadcast(matrices_of(a.shape), matrices_of(b.shape), op)
    return list(batch) + list(b.shape[-2:])


@structured(
    "linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, "
    "bool unitriangular=False) -> Tensor",
    cpu="cpu::solve_triangular(result, self, B, upper, left, false, unitriangular)",
    out=True,
    module="_linalg",
    method=False,
)
def linalg_solve_triangular():
    """X of ``A @ X == B``, or with ``left=False`` of ``X @ A == B``, for a triangular A.

    What stands on the other side of A's diagonal is not read, nor the diagonal itself with
    ``unitriangular``.

    >>> A = flambeau.tensor([[2., 0.], [1., 4.]])
    >>> flambeau.linalg.solve_triangular(A, flambeau.tensor([[2.], [9.]]), upper=False)
    tensor([[1.],
            [2.]])
    """


linalg_solve_triangular.samples(
    call(values(2, 2, low=1, high=2), values(2, 3), upper=True),
    call(values(2, 3, 3, low=1, high=2), values(2, 3), upper=False, left=False),
    call(values(2, 2), values(3, 2, 2), upper=False, unitriangular=True),
    call(values(0, 0), values(0, 3), upper=True),
    dtypes=LAPACK,
)


def _of_arrays(a, b, upper, left=True, unitriangular=False):
    a = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        one = np.eye(a.shape[-1])
        a = a * (1 - one) + one
    turned = lambda t: np.swapaxes(t, -1, -2)  # noqa: E731
    return np.linalg.inv(a) @ b if left else turned(turned(np.linalg.inv(a)) @ turned(b))


linalg_solve_triangular.reference(_of_arrays, tolerance=64)


@linalg_solve_triangular.rule
def _(self, B, left):
    sizes = product_sizes("linalg.solve_triangular", self, B, left)
    return Spec(sizes, self.dtype, column_strides(sizes))


@linalg_solve_triangular.batching
def _(b, self, B, upper, left, unitriangular):
    rank = max(self.rank, B.rank)
    a, c = b.spread(self, rank), b.spread(B, rank)
    return b.ops.linalg_solve_triangular(a, c, upper=upper, left=left, unitriangular=unitriangular)


def triangle(t, upper, unitriangular, ops):
    """The part that is read."""
    inside = 1 if unitriangular else 0
    return ops.triu(t, inside) if upper else ops.tril(t, -inside)


@linalg_solve_triangular.gradient
def _(g, self, B, upper, left, unitriangular, result, ops):
    turned = adjoint(self, ops)
    of_b = ops.linalg_solve_triangular(turned, g, not upper, left, unitriangular)
    if left:
        product = ops.matmul(of_b, adjoint(result, ops))
    else:
        product = ops.matmul(adjoint(result, ops), of_b)
    of_a = triangle(-product, upper, unitriangular, ops)
    return sum_to(of_a, self.shape, ops), sum_to(of_b, B.shape, ops)


@structured(
    "triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, "
    "bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)",
    cpu="triangular_solve",
    source=r"""
namespace cpu {
inline void triangular_solve(const Tensor& solution, const Tensor& copied, const Tensor& self,
                             const Tensor& A, bool upper, bool transpose, bool unitriangular) {
  solve_triangular(solution, A, self, upper, true, transpose, unitriangular);
  copy(copied, A);
}
}  // namespace cpu
""",
    out=True,
    out_overload="X",
    differentiable=(0, 1),
)
def triangular_solve():
    """X of ``A @ X == self`` for a triangular A, and A; ``linalg.solve_triangular`` is younger.

    >>> A = flambeau.tensor([[2., 0.], [1., 4.]])
    >>> flambeau.triangular_solve(flambeau.tensor([[2.], [9.]]), A, upper=False).solution
    tensor([[1.],
            [2.]])
    """


triangular_solve.samples(
    call(values(2, 3), values(2, 2, low=1, high=2)),
    call(values(3, 2, 3), values(2, 2, low=1, high=2), False, True),
    call(values(2, 2), values(2, 2), True, False, True),
    dtypes=LAPACK,
)
triangular_solve.autocast("float32")


@triangular_solve.rule
def _(self, A):
    sizes = product_sizes("triangular_solve", A, self, True)
    whole = matrices_of(sizes) + list(A.shape[-2:])
    return (
        Spec(sizes, self.dtype, column_strides(sizes)),
        Spec(whole, self.dtype, column_strides(whole)),
    )


@triangular_solve.batching
def _(b, self, A, upper, transpose, unitriangular):
    rank = max(self.rank, A.rank)
    made = b.ops.triangular_solve(
        b.spread(self, rank), b.spread(A, rank), upper, transpose, unitriangular
    )
    return list(made)


@triangular_solve.gradient
def _(grads, self, A, upper, transpose, unitriangular, solution, ops):
    of_solution, of_copy = grads[0], grads[1]
    if of_solution is None:
        of_a = ops.zeros_like(A) if of_copy is None else of_copy
        return ops.zeros_like(self), sum_to(of_a, A.shape, ops)
    # The adjoint of the matrix, and which triangle of it is read.
    turned = (ops.conj(A) if A.is_complex() else A) if transpose else adjoint(A, ops)
    of_b = ops.linalg_solve_triangular(turned, of_solution, upper == transpose, True, unitriangular)
    if transpose:
        wide = ops.transpose_int(of_b, -2, -1)
        other = ops.conj(solution) if A.is_complex() else solution
        product = ops.matmul(other, wide)
    else:
        product = ops.matmul(of_b, adjoint(solution, ops))
    of_a = triangle(-product, upper, unitriangular, ops)
    if of_copy is not None:
        of_a = of_a + of_copy
    return sum_to(of_b, self.shape, ops), sum_to(of_a, A.shape, ops)


for _op in (linalg_solve_triangular, triangular_solve):
    _op.without("jvp", "decomposition", "sharding", "benchmark")
linalg_solve_triangular.without("autocast")
