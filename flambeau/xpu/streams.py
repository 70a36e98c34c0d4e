"""Streams and events of XPU: there is no device to have them."""

from flambeau._absent import AbsentClass

__all__ = ["Event", "Stream"]


class Stream(AbsentClass):
    """A queue of work on a device; making one raises RuntimeError."""


class Event(AbsentClass):
    """A point in a stream; making one raises RuntimeError."""
