"""The graph of a pipeline: which pipe is made of which."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping

from .datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]

DataPipe = IterDataPipe | MapDataPipe
DataPipeGraph = dict  # id of a pipe: (the pipe, the graph of what it is made of)


def _connected(pipe, only_datapipe: bool, known: set[int]) -> list:
    """The pipes that a pipe's state holds, in collections at any depth."""
    found: list = []
    seen = {id(pipe)}

    def look(value) -> None:
        if isinstance(value, (str, bytes)) or id(value) in seen:
            return
        if isinstance(value, (IterDataPipe, MapDataPipe)):
            if id(value) not in known:
                known.add(id(value))
                found.append(value)
        elif isinstance(value, Mapping):
            seen.add(id(value))
            for item in value.items():
                look(item)
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            seen.add(id(value))
            for item in value:
                look(item)
        elif not only_datapipe and hasattr(value, "__dict__") and not isinstance(value, type):
            seen.add(id(value))
            look(vars(value))

    look(vars(pipe))
    return found


def traverse_dps(datapipe) -> DataPipeGraph:
    """The pipes that a pipeline is made of, found among the attributes of each and in the
    collections there.

    Args:
        datapipe: the last stage.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> source = IterableWrapper(range(3))
        >>> pipe = source.batch(2)
        >>> graph = traverse_dps(pipe)
        >>> [p for p, _ in graph[id(pipe)][1].values()] == [source]
        True
    """
    return _traverse(datapipe, True, set())


def traverse(datapipe, only_datapipe: bool | None = None) -> DataPipeGraph:
    """Deprecated: `traverse_dps`, which is this with ``only_datapipe=True``.

    Args:
        datapipe: the last stage.
        only_datapipe: whether to look at pipes and collections alone.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> len(traverse(IterableWrapper(range(3)), only_datapipe=True))
        1
    """
    text = "`traverse` function is deprecated and will be removed after 1.13. Please use "
    text += "`traverse_dps` instead."
    if not only_datapipe:
        text += " And, the behavior will be changed to the equivalent of `only_datapipe=True`."
    warnings.warn(text, FutureWarning, stacklevel=2)
    return _traverse(datapipe, bool(only_datapipe), set())


def _traverse(pipe, only_datapipe: bool, known: set[int]) -> DataPipeGraph:
    if not isinstance(pipe, (IterDataPipe, MapDataPipe)):
        raise RuntimeError(f"Expected `IterDataPipe` or `MapDataPipe`, but {type(pipe)} is found")
    if id(pipe) in known:
        return {}
    known = {*known, id(pipe)}
    below: DataPipeGraph = {}
    # A copy each: a pipe may be met on several paths, and only once on each.
    for found in _connected(pipe, only_datapipe, set(known)):
        below.update(_traverse(found, only_datapipe, known))
    return {id(pipe): (pipe, below)}
