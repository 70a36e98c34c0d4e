"""Whether a value is of a type with type arguments, such as ``list[int]``."""

from __future__ import annotations

import builtins
import collections.abc
import types
import typing
import warnings
from typing import Any

__all__ = ["isinstance"]


# What has to say what it contains.
_BARE = (list, dict, tuple, typing.List, typing.Dict, typing.Tuple, typing.Optional)  # noqa: UP006


def isinstance(obj: Any, target_type: Any) -> bool:
    """As Python's, with the types of what a container holds.

    >>> import flambeau
    >>> flambeau.jit.isinstance([1, 2], list[int]), flambeau.jit.isinstance([1, "a"], list[int])
    (True, False)

    Args:
        obj: any value.
        target_type: a type, also one such as ``dict[str, list[int]]`` or ``Optional[int]``; or a
            tuple of them.
    """
    if builtins.isinstance(target_type, tuple):
        return any(isinstance(obj, each) for each in target_type)
    if builtins.isinstance(target_type, collections.abc.Container):
        raise RuntimeError(
            "jit.isinstance: The second argument to `torch.jit.isinstance` must be a type or a "
            "tuple of types"
        )
    return _is(obj, target_type)


def _is(obj: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is None:
        if kind in _BARE:
            name = getattr(kind, "__name__", str(kind))
            raise RuntimeError(
                f"jit.isinstance: Attempted to use {name} without a contained type. Please add a "
                f"contained type, e.g. {name}[int]"
            )
        return obj is None if kind is None else builtins.isinstance(obj, kind)
    if origin in (typing.Union, types.UnionType):
        return any(_is(obj, each) for each in inner)
    if not builtins.isinstance(obj, origin):
        return False
    if origin in (list, dict, tuple) and not obj:
        warnings.warn(
            "The inner type of a container is lost when calling torch.jit.isinstance in eager "
            "mode. For example, List[int] would become list and therefore falsely return True for "
            "List[float] or List[str].",
            stacklevel=3,
        )
    if origin is list:
        return all(_is(each, inner[0]) for each in obj)
    if origin is dict:
        return all(_is(key, inner[0]) and _is(value, inner[1]) for key, value in obj.items())
    if origin is tuple:
        if len(inner) == 2 and inner[1] is Ellipsis:
            return all(_is(each, inner[0]) for each in obj)
        return len(obj) == len(inner) and all(map(_is, obj, inner))
    return True
