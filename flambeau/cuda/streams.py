"""Streams and events of CUDA: there is no device to have them."""

from flambeau._absent import AbsentClass

__all__ = ["Event", "ExternalStream", "Stream"]


class Stream(AbsentClass):
    """A queue of work on a device; making one raises RuntimeError."""


class ExternalStream(Stream):
    """A queue of another library; making one raises RuntimeError."""


class Event(AbsentClass):
    """A point in a stream; making one raises RuntimeError."""
