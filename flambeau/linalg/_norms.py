"""Norms and products that are other functions, one after the other."""

from __future__ import annotations

import flambeau
from flambeau import _C
from flambeau._arguments import integers, need_tensor
from flambeau._arguments import tensors as tensors_of
from flambeau.overrides import handle_torch_function

vector_norm = _C._linalg.linalg_vector_norm


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


def _check_options(function, ord, out, dtype):
    """Text that is no order is left to the norm of matrices to refuse."""
    given = {"ord": (ord, (int, float, str), "Number or str")}
    given["out"] = (out, flambeau.Tensor, "Tensor")
    given["dtype"] = (dtype, (flambeau.dtype, type), "torch.dtype")
    for name, (value, kinds, due) in given.items():
        if value is not None and not isinstance(value, kinds):
            raise TypeError(
                f"{function}(): argument '{name}' must be {due}, not {type(value).__name__}"
            )


def _given(result, out):
    return result if out is None else out.resize_(result.shape).copy_(result)


def norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """The norm of vectors, or of matrices when two dimensions are given.

    Args:
        A: a tensor of floating-point or complex numbers.
        ord: the order: None for the root of the sum of squares of all elements; a number; for
            matrices also ``"fro"``.
        dim: an int: vectors along that dimension; two ints: matrices in these.
        keepdim: whether these dimensions stay, with size 1.
        out: takes the result.
        dtype: the dtype to compute in.

    Example::

        >>> import flambeau
        >>> flambeau.linalg.norm(flambeau.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if _C._has_torch_function_unary(A):
        return handle_torch_function(
            norm, (A,), A, ord=ord, dim=dim, keepdim=keepdim, out=out, dtype=dtype
        )
    need_tensor("linalg_norm", A)
    _check_options("linalg_norm", ord, out, dtype)
    if dim is not None and not isinstance(dim, int):
        dim = integers("linalg_norm", dim, "dim", 3)
    dims = [dim] if isinstance(dim, int) else dim
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype, out=out)
    if len(dims) == 2 if dims is not None else A.dim() == 2:
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype, out=out)
    if dims is None and A.dim() != 1:
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {A.dim()}D."
        )
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: ord={ord!r} is an order of matrices; give two dims")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype, out=out)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, out=None, dtype=None):
    """The norm of matrices: ``"fro"``, or the largest or smallest absolute sum (1, -1, inf, -inf).

    Args:
        A: a tensor of at least two dimensions.
        ord: the order; those that need singular values (2, -2, ``"nuc"``) are not supported.
        dim: the rows' and the columns' dimension.
        keepdim: whether these dimensions stay, with size 1.
        out: takes the result.
        dtype: the dtype to compute in.

    Example::

        >>> import flambeau
        >>> flambeau.linalg.matrix_norm(flambeau.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
        tensor(6.)
    """
    if _C._has_torch_function_unary(A):
        return handle_torch_function(
            matrix_norm, (A,), A, ord=ord, dim=dim, keepdim=keepdim, out=out, dtype=dtype
        )
    need_tensor("linalg_matrix_norm", A)
    if ord is None:
        raise TypeError("linalg_matrix_norm(): argument 'ord' must be Number or str, not None")
    _check_options("linalg_matrix_norm", ord, out, dtype)
    dim = integers("linalg_matrix_norm", dim, "dim", 3)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dim)}")
    if A.dim() < 2:
        raise RuntimeError(
            f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got {A.dim()}"
        )
    if ord == "fro":
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if ord not in (1, -1, float("inf"), float("-inf")):
        raise NotImplementedError(
            f"linalg.matrix_norm: ord={ord!r} is not supported; use 'fro', 1, -1, inf or -inf"
        )
    rows, columns = (d % A.dim() for d in dim)
    summed, ranked = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1, [summed], True, dtype=dtype)
    pick = flambeau.amax if ord > 0 else flambeau.amin
    result = pick(sums, [ranked], keepdim=True)
    if not keepdim:
        result = result.squeeze((rows, columns))
    return _given(result, out)


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
