"""A mode under which functions that are batched may take elements at places that are tensors."""

from __future__ import annotations

import flambeau
from flambeau.overrides import TorchFunctionMode
from flambeau.utils import _pytree

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex(TorchFunctionMode):
    """``x[i, j]`` with tensors alone is the op that takes elements, so that no place is read as a
    number, which a function under ``vmap`` could not do."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is flambeau.Tensor.__getitem__:
            places = _pytree.tree_leaves(args[1])
            if all(isinstance(place, flambeau.Tensor) for place in places):
                return flambeau.ops.aten.index(args[0], places)
        return func(*args, **(kwargs or {}))
