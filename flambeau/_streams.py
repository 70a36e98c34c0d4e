"""`Stream` and `Event`: queues of work on a device, and marks in them.

A device whose work is done when a call returns has one queue, which is always empty.
"""

from __future__ import annotations

import flambeau
from flambeau import _C


def _device(device):
    if device is None:
        return flambeau.accelerator.current_accelerator() or flambeau.device("cpu")
    return flambeau.device(device)


class Stream:
    """A queue of work on a device; ops of a ``with`` block go there.

    Args:
        device: the device; the accelerator, or the CPU, when left out.
        priority: what the device makes of it.

    Example::

        >>> flambeau.Stream("cpu").query()
        True
    """

    def __init__(self, device=None, *, priority: int = 0, stream_id: int | None = None) -> None:
        where = _device(device)
        index = where.index if where.index is not None else _C._current_device(where)
        self.device = where if where.type == "cpu" else flambeau.device(where.type, index)
        self.stream_id = _C._new_stream(where, priority) if stream_id is None else stream_id

    def query(self) -> bool:
        """Whether all work of the queue is done."""
        return _C._query_stream(self.device, self.stream_id)

    def synchronize(self) -> None:
        """Wait until it is."""
        _C._synchronize_stream(self.device, self.stream_id)

    def record_event(self, event: Event | None = None) -> Event:
        """Mark where the queue ends now."""
        event = Event(self.device) if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """What is queued from now on runs after the mark is passed."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """What is queued from now on runs after what ``stream`` holds now."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> Stream:
        self._before = _C._current_stream(self.device)
        _C._set_current_stream(self.device, self.stream_id)
        return self

    def __exit__(self, *exc_info) -> None:
        _C._set_current_stream(self.device, self._before)

    def __eq__(self, other) -> bool:
        same = isinstance(other, Stream)
        return same and (self.device, self.stream_id) == (other.device, other.stream_id)

    def __hash__(self) -> int:
        return hash((self.device, self.stream_id))

    def __repr__(self) -> str:
        return f"flambeau.Stream(device='{self.device}', stream_id={self.stream_id})"


def _current(device) -> Stream:
    where = flambeau.device(device)
    return Stream(where, stream_id=_C._current_stream(where))


class Event:
    """A mark in a queue of work.

    Args:
        device: the device; the accelerator, or the CPU, when left out.
        enable_timing: whether `elapsed_time` is to be asked.
        blocking: makes no difference: who waits gives up the processor either way.

    Example::

        >>> event = flambeau.Event("cpu")
        >>> event.record()
        >>> event.query()
        True
    """

    def __init__(
        self,
        device=None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
    ) -> None:
        if interprocess:
            raise NotImplementedError("Event: interprocess=True is not supported")
        self.device = _device(device)
        self.enable_timing = enable_timing
        self._event = _C._new_event(self.device)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark at the end of ``stream``, or of the current one."""
        stream = _current(self.device) if stream is None else stream
        _C._record_event(self._event, stream.stream_id)

    def wait(self, stream: Stream | None = None) -> None:
        """Let ``stream``, or the current one, wait for it."""
        stream = _current(self.device) if stream is None else stream
        _C._wait_event(self._event, stream.stream_id)

    def query(self) -> bool:
        """Whether it is passed."""
        return _C._query_event(self._event)

    def synchronize(self) -> None:
        """Wait until it is."""
        _C._synchronize_event(self._event)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to ``end_event``."""
        if not (self.enable_timing and end_event.enable_timing):
            raise RuntimeError("elapsed_time: both events need enable_timing=True")
        return _C._elapsed(self._event, end_event._event)
