"""The CPU as a device: programs that are written for any accelerator find what they ask for."""

from flambeau import _C

__all__ = [
    "Event",
    "Stream",
    "StreamContext",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "is_available",
    "is_initialized",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_device",
    "stream",
    "synchronize",
]


def is_available() -> bool:
    """True: there always is a CPU."""
    return True


def is_initialized() -> bool:
    """True: the CPU needs no start."""
    return True


def device_count() -> int:
    """1: all cores are one device."""
    return 1


def current_device() -> str:
    """The name of the only device."""
    return "cpu"


def set_device(device) -> None:
    """Does nothing: there is one CPU device."""


def synchronize(device=None) -> None:
    """Does nothing: ops on the CPU have finished when they return."""


def __getattr__(name: str):
    if name == "amp":
        from importlib import import_module

        return import_module(f"{__name__}.amp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Stream:
    """Stands for the order of the program, in which ops on the CPU run anyway.

    Args:
        priority: makes no difference.
    """

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream) -> None:
        """Does nothing: what was called earlier has finished."""

    def record_event(self, event=None) -> None:
        """Does nothing: what was called earlier has finished."""

    def wait_event(self, event) -> None:
        """Does nothing: what was called earlier has finished."""


class Event:
    """Stands for a point in the program: once it is passed, all before it has finished."""

    def query(self) -> bool:
        """True: what was called earlier has finished."""
        return True

    def record(self, stream=None) -> None:
        """Does nothing: what was called earlier has finished."""

    def synchronize(self) -> None:
        """Does nothing: what was called earlier has finished."""

    def wait(self, stream=None) -> None:
        """Does nothing: what was called earlier has finished."""


_default_stream = Stream()
_current_stream = _default_stream


def current_stream(device=None) -> Stream:
    """The stream that `stream` selected.

    >>> isinstance(flambeau.cpu.current_stream(), flambeau.cpu.Stream)
    True
    """
    return _current_stream


class StreamContext:
    """Selects a stream inside a ``with`` block, which changes what `current_stream` gives."""

    def __init__(self, stream) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        global _current_stream
        self._before = _current_stream
        if self.stream is not None:
            _current_stream = self.stream

    def __exit__(self, type, value, traceback) -> None:
        global _current_stream
        _current_stream = self._before


def stream(stream: Stream) -> StreamContext:
    """Selects ``stream`` inside a ``with`` block."""
    return StreamContext(stream)


def memory_stats() -> dict[str, int]:
    """What the allocator counts, in bytes and calls.

    ``allocated_bytes`` is what live tensors asked for, ``peak_allocated_bytes`` the most so far,
    ``cached_bytes`` what is kept for reuse; ``allocations``, ``cache_hits`` and
    ``system_allocations`` are numbers of calls.

    >>> before = flambeau.cpu.memory_stats()["allocated_bytes"]
    >>> x = flambeau.empty(1024)
    >>> flambeau.cpu.memory_stats()["allocated_bytes"] - before
    4096
    """
    return _C._memory_stats()


def reset_peak_memory_stats() -> None:
    """Starts ``peak_allocated_bytes`` anew from what is allocated now."""
    _C._reset_peak_memory()


def empty_cache() -> None:
    """Gives memory that is kept for reuse back to the system."""
    _C._trim_memory()
