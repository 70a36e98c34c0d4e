"""The former place of :class:`flambeau.autograd.profiler.profile`."""

from flambeau.autograd.profiler import profile

__all__ = ["profile"]
