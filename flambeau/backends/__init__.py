"""What each backend can do."""

from flambeau.backends import cpu

__all__ = ["cpu"]
