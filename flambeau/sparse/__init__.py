"""Sparse tensors: making them, sums and products of them, and what checks them."""

from ._checks import check_sparse_tensor_invariants
from ._products import addmm, log_softmax, mm, softmax, sum

__all__ = [
    "addmm",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "softmax",
    "sum",
]
