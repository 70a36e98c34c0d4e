"""Products that are other functions, one after the other."""

from __future__ import annotations

import flambeau
from flambeau import _C
from flambeau._arguments import need_tensor
from flambeau._arguments import tensors as tensors_of
from flambeau.overrides import handle_torch_function


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices, as a view: of the last two dimensions, where none are named.

    Example::

        >>> import flambeau
        >>> flambeau.linalg.diagonal(flambeau.tensor([[[1, 2], [3, 4]]]))
        tensor([[1, 4]])
    """
    if _C._has_torch_function_unary(A):
        return handle_torch_function(diagonal, (A,), A, offset=offset, dim1=dim1, dim2=dim2)
    need_tensor("linalg_diagonal", A)
    return A.diagonal(offset, dim1, dim2)


def _given(result, out):
    return result if out is None else out.resize_(result.shape).copy_(result)


def vecdot(x, y, *, dim=-1, out=None):
    """The sum of products along a dimension, with ``x`` conjugated.

    Example::

        >>> import flambeau
        >>> flambeau.linalg.vecdot(flambeau.ones(2, 3), flambeau.ones(2, 3))
        tensor([3., 3.])
    """
    if _C._has_torch_function((x, y)):
        return handle_torch_function(vecdot, (x, y), x, y, dim=dim, out=out)
    need_tensor("linalg_vecdot", x, "x")
    need_tensor("linalg_vecdot", y, "y", 2)
    if not x.is_floating_point() and not x.is_complex():
        raise RuntimeError(
            "linalg.vecdot: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype}: convert with .to(torch.float32)"
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{x.dtype} and y of type {y.dtype} instead"
        )
    return flambeau.sum(x.conj() * y, [dim], out=out)


def _cheapest(sizes):
    """``split[i][j]``: after which factor the product of factors i to j is best cut in two."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def multi_dot(tensors, *, out=None):
    """The product of several matrices, in the order of evaluation that takes least work.

    The first and last may be vectors: a row and a column, which go away in the result.

    Example::

        >>> import flambeau
        >>> a, b, c = flambeau.ones(2, 3), flambeau.ones(3, 4), flambeau.ones(4)
        >>> flambeau.linalg.multi_dot((a, b, c))
        tensor([12., 12.])
    """
    if isinstance(tensors, (list, tuple)) and _C._has_torch_function(tuple(tensors)):
        return handle_torch_function(multi_dot, tuple(tensors), tensors, out=out)
    tensors = tensors_of("linalg_multi_dot", tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for i, t in enumerate(tensors):
        inner = 0 < i < len(tensors) - 1
        if t.dim() != 2 and (inner or t.dim() != 1):
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {'2D' if inner else '1D or 2D'} but got "
                f"{t.dim()}D"
            )
    first = tensors[0].unsqueeze(0) if tensors[0].dim() == 1 else tensors[0]
    last = tensors[-1].unsqueeze(1) if tensors[-1].dim() == 1 else tensors[-1]
    factors = [first, *tensors[1:-1], last]
    for i in range(len(factors) - 1):
        if factors[i].shape[1] != factors[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(factors[i].shape)} and "
                f"{list(factors[i + 1].shape)} cannot be multiplied"
            )
    split = _cheapest([first.shape[0], *(f.shape[1] for f in factors)])

    def product(i, j):
        if i == j:
            return factors[i]
        k = split[i][j]
        return product(i, k) @ product(k + 1, j)

    result = product(0, len(factors) - 1)
    if tensors[-1].dim() == 1:
        result = result.squeeze(1)
    if tensors[0].dim() == 1:
        result = result.squeeze(0)
    return _given(result, out)
