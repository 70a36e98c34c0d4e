"""Helpers of pipelines."""

from . import common

__all__ = ["common"]
