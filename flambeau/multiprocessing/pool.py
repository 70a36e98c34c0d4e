"""A pool whose processes share tensors; Python's own does."""

from multiprocessing.pool import Pool

__all__ = ["Pool"]
