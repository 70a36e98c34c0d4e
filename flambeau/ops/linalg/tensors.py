"""Tensors seen as matrices."""

from flambeau.ops.language import Error, count, show
from flambeau.ops.linalg.checks import LAPACK
from flambeau.ops.matmul.products import check_arithmetic
from flambeau.ops.record import NUMERIC, composite
from flambeau.ops.samples import call, np, values

_OPTIONS = {"module": "_linalg", "method": False}


@composite("linalg_tensorinv(Tensor self, int ind=2) -> Tensor", out=True, **_OPTIONS)
def linalg_tensorinv(self, ind, ops):
    """The inverse of the matrix whose rows are the first ``ind`` dimensions, as a tensor.

    >>> flambeau.linalg.tensorinv(flambeau.eye(4).reshape(4, 2, 2), ind=1).shape
    torch.Size([2, 2, 4])
    """
    if ind <= 0:
        raise Error(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}")
    rows, columns = list(self.shape[:ind]), list(self.shape[ind:])
    if count(rows) != count(columns):
        raise Error(
            "linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {show(self.shape)} with ind={ind}"
        )
    matrix = ops.reshape(self, [count(rows), count(columns)])
    return ops.reshape(ops.linalg_inv(matrix), columns + rows)


linalg_tensorinv.samples(call(values(4, 2, 2), 1), call(values(2, 3, 3, 2)), dtypes=LAPACK)
linalg_tensorinv.reference(np.linalg.tensorinv, tolerance=2048)


@composite(
    "linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor",
    out=True,
    **_OPTIONS,
)
def linalg_tensorsolve(self, other, dims, ops):
    """X of ``tensordot(A, X, X.ndim) == B``; ``dims`` of A are moved behind the others first.

    >>> A = flambeau.eye(4).reshape(4, 2, 2)
    >>> flambeau.linalg.tensorsolve(A, flambeau.tensor([1., 2., 3., 4.]))
    tensor([[1., 2.],
            [3., 4.]])
    """
    moved = self
    if dims is not None:
        to = [self.dim() - len(dims) + i for i in range(len(dims))]
        moved = ops.movedim_intlist(self, dims, to)
    rank = other.dim()
    sizes = list(moved.shape[rank:])
    if count(sizes) != other.numel():
        raise Error(
            "linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape["
            f"other.ndim:]) == prod(self.shape[:other.ndim]), but got {show(moved.shape)} and "
            f"{show(other.shape)}"
        )
    matrix = ops.reshape(moved, [other.numel(), count(sizes)])
    solved = ops.linalg_solve(matrix, ops.reshape(other, [other.numel()]), True)
    return ops.reshape(solved, sizes)


linalg_tensorsolve.samples(
    call(values(4, 2, 2), values(4)), call(values(2, 4, 2), values(4), [0, 2]), dtypes=LAPACK
)


@composite("linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor", **_OPTIONS)
def linalg_vander(x, N, ops):
    """The powers 0 to N - 1 of each element, as a new last dimension.

    >>> flambeau.linalg.vander(flambeau.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    check_arithmetic("linalg.vander", x.dtype)
    if x.dim() < 1:
        raise Error("linalg.vander: expected at least one dimension, got a 0-dim tensor")
    n = x.shape[-1] if N is None else N
    if n <= 1:
        raise Error(f"linalg.vander: N must be greater than 1, got {n}")
    column = ops.unsqueeze(x, -1)
    powers = ops.cumprod(ops.expand(column, list(x.shape) + [n - 1]), -1, None)
    return ops.cat([ops.ones_like(ops.to_dtype(column, powers.dtype)), powers], -1)


linalg_vander.samples(call(values(3)), call(values(2, 3), N=4), dtypes=NUMERIC)
linalg_vander.reference(
    lambda x, N=None: x[..., None] ** np.arange(x.shape[-1] if N is None else N), tolerance=64
)
for _op in (linalg_tensorinv, linalg_tensorsolve):
    _op.autocast("float32")
for _op in (linalg_tensorinv, linalg_tensorsolve, linalg_vander):
    _op.without("benchmark")
