"""Page-locked memory for what a batch holds: on a build without accelerators, tensors refuse it."""

from __future__ import annotations

import collections.abc

import flambeau

from .collate import _like_mapping, _like_sequence


def pin_memory(data, device=None):
    """What a batch holds, at any depth, in page-locked memory; objects with a ``pin_memory`` method
    answer for themselves, and what has no memory of its own stays as it is.

    Shape:
        - data: any.

    Example::

        >>> pin_memory({"names": ["a", "b"], "count": 2})
        {'names': ['a', 'b'], 'count': 2}
    """
    if isinstance(data, flambeau.Tensor):
        return data.pin_memory()
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, collections.abc.Mapping):
        return _like_mapping(data, {key: pin_memory(value, device) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(value, device) for value in data))
    if isinstance(data, tuple):
        return [pin_memory(value, device) for value in data]
    if isinstance(data, collections.abc.Sequence):
        return _like_sequence(data, [pin_memory(value, device) for value in data])
    return data
