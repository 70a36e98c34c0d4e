"""Events of MPS: there is no device to have them."""

from flambeau._absent import AbsentClass

__all__ = ["Event"]


class Event(AbsentClass):
    """A point in the work of a device; making one raises RuntimeError."""
