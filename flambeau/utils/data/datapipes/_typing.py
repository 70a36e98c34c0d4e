"""The types that pipelines say of their samples, as in ``IterDataPipe[int]``, for checks."""

from __future__ import annotations

import types
import typing

__all__ = ["PipeType", "issubinstance", "issubtype"]

_ABSTRACT = {
    list: list,
    dict: dict,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}


def _parts(kind):
    """The types of a union or a restricted variable; a type alone is its own part."""
    if kind is None:
        return [type(None)]
    if isinstance(kind, typing.TypeVar):
        bounds = kind.__constraints__ or ((kind.__bound__,) if kind.__bound__ else (typing.Any,))
        return [part for bound in bounds for part in _parts(bound)]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [part for bound in typing.get_args(kind) for part in _parts(bound)]
    return [kind]


def issubtype(left, right, recursive: bool = True) -> bool:
    """Whether every value of ``left`` is one of ``right``.

    Shape:
        - no tensors.

    Example::

        >>> issubtype(list[int], list), issubtype(int, str)
        (True, False)
    """
    rights = _parts(right)
    if typing.Any in rights:
        return True
    return all(any(_is_part(part, whole, recursive) for whole in rights) for part in _parts(left))


def _is_part(left, right, recursive: bool) -> bool:
    if left is typing.Any or left is Ellipsis or right is Ellipsis:
        return left is right
    a, b = typing.get_origin(left) or left, typing.get_origin(right) or right
    a, b = _ABSTRACT.get(a, a), _ABSTRACT.get(b, b)
    if not (isinstance(a, type) and isinstance(b, type) and issubclass(a, b)):
        return False
    wanted = typing.get_args(right)
    if not recursive or not wanted:
        return True
    given = typing.get_args(left)
    return len(given) == len(wanted) and all(issubtype(x, y) for x, y in zip(given, wanted))


def issubinstance(data, kind) -> bool:
    """Whether ``data``, its items included, is a value of ``kind``.

    Shape:
        - no tensors.

    Example::

        >>> issubinstance([1, 2], list[int]), issubinstance([1, "a"], list[int])
        (True, False)
    """
    return any(_is_value(data, part) for part in _parts(kind))


def _is_value(data, kind) -> bool:
    if kind is typing.Any:
        return True
    origin = typing.get_origin(kind) or kind
    origin = _ABSTRACT.get(origin, origin)
    if not isinstance(origin, type) or not isinstance(data, origin):
        return False
    items = typing.get_args(kind)
    if not items:
        return True
    if isinstance(data, tuple):
        if len(items) == 2 and items[1] is Ellipsis:
            return all(issubinstance(item, items[0]) for item in data)
        return len(items) == len(data) and all(map(issubinstance, data, items))
    if isinstance(data, dict):
        return all(
            issubinstance(key, items[0]) and issubinstance(value, items[1])
            for key, value in data.items()
        )
    if isinstance(data, (list, set, frozenset)):
        return all(issubinstance(item, items[0]) for item in data)
    return True


class PipeType:
    """What the samples of a pipeline are."""

    def __init__(self, param) -> None:
        self.param = param

    def __repr__(self) -> str:
        return getattr(self.param, "__name__", None) or str(self.param)

    def __eq__(self, other) -> bool:
        return isinstance(other, PipeType) and self.param == other.param

    def __hash__(self) -> int:
        return hash(self.param)

    def issubtype(self, other) -> bool:
        return issubtype(self.param, other.param if isinstance(other, PipeType) else other)

    def issubtype_of_instance(self, data) -> bool:
        return issubinstance(data, self.param)


ANY = PipeType(typing.Any)
