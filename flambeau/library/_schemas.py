"""Schemas of functions: what annotations say, in the words of a schema."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import NoReturn

import flambeau
from flambeau._tags import Tag, normalised

_PLAIN = {
    int: "SymInt",
    float: "float",
    bool: "bool",
    str: "str",
    int | float | bool: "Scalar",
}
_LISTED = ("Tensor", "SymInt", "float", "bool", "Scalar")  # of which there are lists
_RETURNED = ("Tensor", "SymInt", "float", "bool", "Scalar", "Tensor[]")
_NONE = type(None)


def _plain_type(annotation) -> str | None:
    if annotation is flambeau.Tensor:
        return "Tensor"
    if annotation is flambeau.dtype:
        return "ScalarType"
    if annotation is flambeau.device:
        return "Device"
    try:
        return _PLAIN.get(annotation)
    except TypeError:  # it cannot be hashed
        return None


def _without_none(annotation):
    """``X`` of ``X | None``; None for what is no such type."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return None
    args = typing.get_args(annotation)
    rest = [a for a in args if a is not _NONE]
    if len(rest) == len(args):
        return None
    # ``int | float | bool | None`` is an optional number.
    return rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007


def schema_type(annotation) -> str | None:
    """The schema's type for an annotation; None where there is none."""
    plain = _plain_type(annotation)
    if plain is not None:
        return plain
    inner = _without_none(annotation)
    if inner is not None:
        kind = schema_type(inner)
        return None if kind is None or kind.endswith("?") else f"{kind}?"
    args = typing.get_args(annotation)
    if typing.get_origin(annotation) in (list, collections.abc.Sequence) and len(args) == 1:
        kind = schema_type(args[0])
        if kind is not None and kind.removesuffix("?") in _LISTED:
            return f"{kind}[]"
    return None


def _default(name: str, kind: str, value) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, flambeau.device):
        return f'"{value}"'
    if isinstance(value, flambeau.dtype) and kind.startswith("ScalarType"):
        return str(value).rpartition(".")[2]
    raise ValueError(
        f"infer_schema: parameter {name!r} has a default of type {type(value).__name__}, for "
        "which a schema has no words: give numbers, strings or None, or a schema"
    )


class _Inferred:
    """The schema of one function, as it is put together."""

    def __init__(self, function: Callable, mutates_args, tags):
        self.signature = inspect.signature(function)
        self.hints = self._hints(function)
        self.tags = normalised(tags)
        self.mutates = mutates_args
        self.outs: list[tuple[str, str]] = []  # name and alias set of results to be
        if Tag.inplace in self.tags and Tag.out in self.tags:
            raise AssertionError("infer_schema: Tag.inplace and Tag.out exclude each other")
        if isinstance(mutates_args, str):
            if mutates_args != "unknown":
                raise ValueError(
                    "infer_schema: mutates_args must either be a sequence of the names of the "
                    f"arguments that are mutated or the string 'unknown', got {mutates_args!r}"
                )
        else:
            self.mutates = tuple(mutates_args)

    def fail(self, problem: str) -> NoReturn:
        raise ValueError(f"infer_schema: {problem}. Got func with signature {self.signature}")

    def _hints(self, function: Callable) -> dict:
        """Annotations with those that are text evaluated, where the function was defined."""
        names = dict(inspect.unwrap(function).__globals__)
        hints = {}
        for name, p in (*self.signature.parameters.items(), ("return", None)):
            given = self.signature.return_annotation if p is None else p.annotation
            if given is inspect.Parameter.empty:
                continue
            try:
                hints[name] = eval(given, names) if isinstance(given, str) else given
            except Exception as error:
                self.fail(f"Unsupported type annotation {given}. It is not a type ({error})")
        return hints

    def parameter(self, i: int, p: inspect.Parameter) -> str:
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            self.fail("We do not support positional-only args, varargs, or varkwargs")
        if p.name not in self.hints:
            self.fail(f"parameter {p.name!r} needs an annotation: it must have a type annotation")
        annotation = self.hints[p.name]
        kind = schema_type(annotation)
        if kind is None:
            instead = ""
            if typing.get_origin(annotation) is tuple or annotation is tuple:
                instead = ": there are no tuples in a schema, so use a list"
            self.fail(
                f"no schema type stands for the annotation {annotation!r}: parameter "
                f"{p.name!r} has an unsupported type{instead}"
            )
        mutated = self.mutates == "unknown" or p.name in self.mutates
        if mutated and not kind.startswith("Tensor"):
            if self.mutates != "unknown":
                self.fail(
                    f"parameter {p.name!r} is in mutates_args, but only Tensors or collections of "
                    "Tensors can be mutated"
                )
        elif mutated:
            kind = kind.replace("Tensor", f"Tensor(a{i}!)", 1)
            if Tag.out in self.tags:
                if p.kind is not p.KEYWORD_ONLY or kind != f"Tensor(a{i}!)":
                    self.fail("Tag.out requires mutable arguments to be keyword-only Tensors")
                self.outs.append((p.name, f"a{i}"))
        default = "" if p.default is p.empty else f"={_default(p.name, kind, p.default)}"
        return f"{kind} {p.name}{default}"

    def parameters(self) -> str:
        parts, starred = [], False
        for i, p in enumerate(self.signature.parameters.values()):
            if p.kind is p.KEYWORD_ONLY and not starred:
                parts.append("*")
                starred = True
            parts.append(self.parameter(i, p))
        unknown = set() if self.mutates == "unknown" else {*self.mutates} - {*self.hints}
        unknown |= {"return"} & {*self.mutates} if self.mutates != "unknown" else set()
        if unknown:
            self.fail(f"mutates_args names {sorted(unknown)}, not parameters")
        return ", ".join(parts)

    def returns(self) -> str:
        if "return" not in self.hints:
            self.fail("No return type annotation was provided. Please add one")
        annotation = self.hints["return"]
        if Tag.out in self.tags:
            return self._outs(annotation)
        if annotation is None or annotation is _NONE:
            found = "()"
        elif typing.get_origin(annotation) is tuple:
            kinds = [self._returned(a) for a in typing.get_args(annotation)]
            found = f"({', '.join(kinds)})"
        else:
            found = self._returned(annotation)
        return self._inplace(found) if Tag.inplace in self.tags else found

    def _returned(self, annotation) -> str:
        kind = schema_type(annotation)
        if kind not in _RETURNED:
            self.fail(f"Return has unsupported type {annotation!r}")
        return kind

    def _outs(self, annotation) -> str:
        if not self.outs:
            self.fail("Tag.out requires at least one mutable keyword-only Tensor argument")
        one = flambeau.Tensor
        fits = annotation is one
        if len(self.outs) > 1:
            fits = typing.get_args(annotation) == (one,) * len(self.outs)
        if not fits:
            names = tuple(name for name, _ in self.outs)
            self.fail(f"Tag.out requires the return annotation to match the arguments {names}")
        kinds = [f"Tensor({alias}!)" for _, alias in self.outs]
        return kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})"

    def _inplace(self, found: str) -> str:
        places = [
            (i, p)
            for i, p in enumerate(self.signature.parameters.values())
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if not places or schema_type(self.hints[places[0][1].name]) != "Tensor":
            self.fail("Tag.inplace requires the first positional argument to be a Tensor")
        i, first = places[0]
        if self.mutates == "unknown" or set(self.mutates) != {first.name}:
            self.fail(
                "Tag.inplace requires mutates_args to contain exactly the first positional "
                f"argument, got {self.mutates}"
            )
        if found != "Tensor":
            self.fail("Tag.inplace requires the return annotation to be Tensor")
        return f"Tensor(a{i}!)"


def infer_schema(
    prototype_function: Callable,
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
    tags=(),
) -> str:
    """The schema of a function with annotations.

    ``mutates_args`` has the names of the arguments that it writes to, or is ``"unknown"``, which
    stands for all; ``op_name`` stands before the arguments. With ``Tag.inplace`` or ``Tag.out``
    what it gives back is what it has written to.

    >>> def f(x: flambeau.Tensor, n: int = 2) -> flambeau.Tensor: ...
    >>> flambeau.library.infer_schema(f, mutates_args=())
    '(Tensor x, SymInt n=2) -> Tensor'
    """
    inferred = _Inferred(prototype_function, mutates_args, tags)
    parameters = inferred.parameters()
    return f"{op_name or ''}({parameters}) -> {inferred.returns()}"
