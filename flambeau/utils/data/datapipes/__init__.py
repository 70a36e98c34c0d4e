"""Pipelines of datasets: each stage is a dataset over another one."""

from . import iter, map

__all__ = ["iter", "map"]
