"""Arguments of a call by the names of the schema, as functions of records take them."""

from __future__ import annotations

import ast

from flambeau.ops.schema import Argument, Schema

_REDUCTIONS = {"Mean": 1, "Sum": 2}


def _default(a: Argument):
    text = a.default
    if text in _REDUCTIONS:
        return _REDUCTIONS[text]
    if text in ("long", "float") or text in ("contiguous_format", "preserve_format", "strided"):
        import flambeau

        return getattr(flambeau, {"long": "int64", "float": "float32"}.get(text, text))
    return _shaped(a, ast.literal_eval(text))


def _shaped(a: Argument, value):
    """One integer stands for a list of ``int[2]``."""
    if a.list and value is not None and not isinstance(value, (list, tuple)):
        return [value] * max(a.list_size, 1)
    if a.list and isinstance(value, tuple):
        return list(value)
    return value


def bound(schema: Schema, args: tuple, kwargs: dict) -> dict:
    """Name -> value of every argument; what was left out has its default."""
    given = dict(zip((a.name for a in schema.args), args, strict=False)) | kwargs
    return {
        a.name: _shaped(a, given[a.name]) if a.name in given else _default(a)
        for a in schema.args
        if a.name in given or a.default is not None
    }
