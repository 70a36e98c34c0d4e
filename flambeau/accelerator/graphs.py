"""Recorded work of an accelerator: there is none to record."""

from ._device import refuse as _refuse

__all__ = ["Graph"]


class Graph:
    """Recorded work; making one raises RuntimeError."""

    def __init__(self, keep_graph: bool = False, *, pool=None, capture_error_mode: str = "default"):
        _refuse("Graph")
