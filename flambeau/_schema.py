"""The parsed schema of an op, with the attributes that PyTorch's ``FunctionSchema`` has."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass, replace

from flambeau.ops import schema as schemas


@dataclass(frozen=True)
class AliasInfo:
    before_set: frozenset
    is_write: bool


@dataclass(frozen=True)
class Argument:
    name: str
    type: str
    default_value: object
    has_default: bool
    kwarg_only: bool
    is_out: bool
    alias_info: AliasInfo | None
    N: int | None

    def has_default_value(self) -> bool:
        return self.has_default


@dataclass(frozen=True)
class FunctionSchema:
    """An op's signature. ``str()`` gives the line of text."""

    name: str
    overload_name: str
    arguments: tuple
    returns: tuple
    text: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    @property
    def is_mutable(self) -> bool:
        return any(a.alias_info is not None and a.alias_info.is_write for a in self.arguments)


def _alias(a) -> AliasInfo | None:
    return AliasInfo(frozenset({a.alias}), a.mutated) if a.alias else None


def _type(a) -> str:
    brackets = (
        f"[{getattr(a, 'list_size', 0) or ''}]" if getattr(a, "list_size", 0) or a.list else ""
    )
    return f"{a.type}{brackets}{'?' if getattr(a, 'optional', False) else ''}"


def default_value(text: str | None):
    """The value that a default in a schema stands for."""
    if text is None:
        return None
    try:
        return ast.literal_eval(text)
    except ValueError:
        import flambeau

        reductions = {"Mean": 1, "Sum": 2}
        if text in reductions:
            return reductions[text]
        try:
            return getattr(flambeau, text)
        except AttributeError:
            raise schemas.SchemaError(f"the default {text!r} of a schema has no value") from None


def _shown(value) -> str:
    """A default as schemas print it: ``2.``, ``0.10000000000000001``, ``"a"``, ``[1, 2]``."""
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, str):
        return f'"{value}"'
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) < 2**63:
        return f"{int(value)}."
    return f"{value:.17g}"


def _with_shown_default(a: schemas.Argument) -> schemas.Argument:
    try:
        value = ast.literal_eval(a.default)
    except (ValueError, TypeError):
        return a  # a name, or none
    if a.type == "float" and type(value) is int:
        value = float(value)
    return replace(a, default=_shown(value))


@functools.lru_cache(None)
def parse(text: str) -> FunctionSchema:
    """Reads ``ns::name.overload(args) -> returns``."""
    namespace, _, line = text.rpartition("::")
    s = schemas.parse(line)
    arguments = tuple(
        Argument(
            a.name,
            _type(a),
            default_value(a.default),
            a.default is not None,
            a.keyword_only,
            a.out,
            _alias(a),
            a.list_size or None,
        )
        for a in s.args
    )
    returns = tuple(
        Argument(r.name, _type(r), None, False, False, False, _alias(r), None) for r in s.returns
    )
    name = f"{namespace}::{s.name}" if namespace else s.name
    line = replace(s, args=tuple(map(_with_shown_default, s.args))).text()
    line = f"{namespace}::{line}" if namespace else line
    return FunctionSchema(name, s.overload, arguments, returns, line)
