"""Products, sums and softmax of sparse tensors, with gradients where there are elements."""

from __future__ import annotations

import flambeau
from flambeau import _C
from flambeau._arguments import need_tensor
from flambeau.overrides import handle_torch_function

__all__ = ["addmm", "log_softmax", "mm", "softmax", "sum"]

mm = flambeau._sparse_mm
addmm = flambeau._sparse_addmm
softmax = flambeau._sparse_softmax
log_softmax = flambeau._sparse_log_softmax


def sum(input, dim=None, dtype=None):
    """The sum of a sparse tensor, over all or over ``dim``.

    It is sparse as long as a sparse dimension is left. Gradients are those of the elements that
    there are.

    Args:
        input: a sparse tensor.
        dim: the dimension, or several, to sum over; all by default.
        dtype: of the result.

    Example::

        >>> import flambeau
        >>> s = flambeau.sparse_coo_tensor([[0, 1], [2, 2]], [3., 4.], (2, 3))
        >>> flambeau.sparse.sum(s)
        tensor(7.)
        >>> flambeau.sparse.sum(s, 0).to_dense()
        tensor([0., 0., 7.])
    """
    if _C._has_torch_function_unary(input):
        return handle_torch_function(sum, (input,), input, dim=dim, dtype=dtype)
    need_tensor("sum", input)
    if dtype is not None:
        input = input.to(dtype)
    if dim is None:
        return flambeau._sparse_sum(input)
    return flambeau._sparse_sum(input, dim)
