"""How Python calls an op: its signatures, as docstrings show them and as stubs declare them."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, replace

from flambeau.ops.generator import tables
from flambeau.ops.record import Record
from flambeau.ops.schema import Argument, Schema

# Schema type -> the alternatives of its annotation. Names with an underscore are aliases that the
# stub defines: inside class Tensor, `float` and `dtype` are a method and a property.
TYPES = {n: (n,) for n in ("Tensor", "str", "Generator")} | {"Scalar": ("Number",)}
TYPES |= {"int": ("_int",), "float": ("_float",), "bool": ("_bool",), "ScalarType": ("_dtype",)}
TYPES |= {"Layout": ("_layout",), "MemoryFormat": ("_memory_format",)}
TYPES["Device"] = ("_device", "str", "_int")
DTYPE_DEFAULTS = {"long": "int64", "float": "float32"}
REDUCTIONS = {"Mean": "1", "Sum": "2"}  # as nn._reduction counts them


@dataclass(frozen=True)
class Parameter:
    name: str
    types: tuple[str, ...]
    default: str | None = None  # Python text
    keyword_only: bool = False
    many: bool = False  # *size

    def covers(self, other: Parameter) -> bool:
        """Whether every call that fits ``other`` in this place fits this one."""
        same = (self.name, self.keyword_only, self.many)
        return (
            same == (other.name, other.keyword_only, other.many)
            and set(self.types) >= set(other.types)
            and (self.default is not None or other.default is None)
        )

    @property
    def annotation(self) -> str:
        return " | ".join(self.types)


@dataclass(frozen=True)
class Signature:
    name: str
    parameters: tuple[Parameter, ...]
    result: str

    def covers(self, other: Signature) -> bool:
        count = len(other.parameters)
        return (
            len(self.parameters) >= count
            and all(a.covers(b) for a, b in zip(self.parameters, other.parameters))
            and all(p.default is not None for p in self.parameters[count:])
        )

    def texts(self, annotate: bool = False) -> list[str]:
        """Each parameter, with its type when asked, and the star before keywords."""
        parts, starred = [], False
        for p in self.parameters:
            starred |= p.many
            if p.keyword_only and not starred:
                parts.append("*")
                starred = True
            part = ("*" if p.many else "") + p.name
            if annotate and p.annotation:
                part += f": {p.annotation}"
            if p.default is not None:
                part += f" = {p.default}" if annotate else f"={p.default}"
            parts.append(part)
        return parts

    def text(self) -> str:
        """``add(input, other, *, alpha=1) -> Tensor``"""
        return f"{self.name}({', '.join(self.texts())}) -> {self.result}"


def _types(a: Argument, number: bool) -> tuple[str, ...]:
    item = TYPES[a.type]
    if not a.list:
        types = item + (("Number",) if number else ())
    else:
        items = " | ".join(item + (("None",) if a.optional_items else ()))
        types = (f"Sequence[{items}]",)
        if a.list_size == 1:  # int[1]: one number stands for the list
            types = (*item, *types)
        elif a.list_size:
            types = (*types, *item)
    return types + (("None",) if a.optional else ())


def _default(a: Argument) -> str | None:
    text = a.default
    if text is None or text in ("None", "True", "False"):
        return text
    if a.type == "ScalarType":
        return f"flambeau.{DTYPE_DEFAULTS[text]}"
    if a.type in ("MemoryFormat", "Layout"):
        return f"flambeau.{text}"
    text = REDUCTIONS.get(text, text)
    return f"({text[1:-1]})" if a.list and text.startswith("[") else text


def result(schema: Schema) -> str:
    kinds = []
    for r in schema.returns:
        kind = " | ".join(TYPES[r.type])
        kinds.append(f"tuple[{kind}, ...]" if r.list else kind)
    if not kinds:
        return "None"
    if len(kinds) == 1:
        return kinds[0]
    if all(r.name for r in schema.returns) and not schema.outs:
        return f"return_types.{schema.name}"
    return f"tuple[{', '.join(kinds)}]"


def _parameter(record: Record, schema: Schema, index: int, method: bool) -> Parameter:
    a = schema.args[index]
    name = "input" if a.name == "self" and not (method or a.list) else a.name
    if keyword.iskeyword(name):
        name += "_"
    types = _types(a, tables.takes_number(record, schema, index))
    if method and a.name == "self":
        return Parameter("self", ())
    return Parameter(name, types, _default(a), a.keyword_only)


def _out(schema: Schema) -> Parameter:
    tensors = ("Tensor",) if len(schema.outs) == 1 else ("tuple[Tensor, ...]",)
    return Parameter("out", (*tensors, "None"), "None", keyword_only=True)


def _extras(record: Record, schema: Schema, out: Schema | None) -> list[Parameter]:
    extras = [_out(out)] if out is not None else []
    makes_leaf = not (schema.args and schema.args[0].alias)  # `to` has the options, makes none
    if tables.is_factory(schema) and makes_leaf:
        extras.append(Parameter("requires_grad", ("_bool",), "False", keyword_only=True))
    return extras


def of(
    record: Record, schema: Schema, *, name: str, method: bool, out: Schema | None = None
) -> list[Signature]:
    """The signatures of one form: also ``zeros(2, 3)`` where ``zeros((2, 3))`` is meant."""
    parameters = [_parameter(record, schema, i, method) for i in range(len(schema.args))]
    if method and parameters and parameters[0].name != "self":
        at = next((i for i, a in enumerate(schema.args) if a.name == "self"), 0)
        parameters.insert(0, replace(parameters.pop(at), name="self", types=()))
    parameters += _extras(record, schema, out)
    made = [Signature(name, tuple(parameters), result(schema))]
    loose = _loose(schema, method)
    if loose is not None:
        at = next(i for i, p in enumerate(parameters) if p.name == loose.name)
        many = Parameter(loose.name, TYPES[loose.type], many=True)
        rest = tuple(replace(p, keyword_only=True) for p in parameters[at + 1 :])
        made.append(Signature(name, (*parameters[:at], many, *rest), result(schema)))
    return made


def _loose(schema: Schema, method: bool) -> Argument | None:
    """The list of ints that may be given loose: the only positional argument after ``self``."""
    positional = [a for a in schema.args if not a.keyword_only]
    if method:
        positional = [a for a in positional if a.name != "self"]
    if len(positional) != 1:
        return None
    only = positional[0]
    return only if only.list and only.type == "int" else None


def distinct(signatures: list[Signature]) -> list[Signature]:
    """Without those that others cover; two that differ in one parameter's type become one."""
    kept: list[Signature] = []
    for s in signatures:
        merged = next((m for k in kept if (m := _merged(k, s))), None)
        if merged is not None:
            kept = [merged if _merged(k, s) else k for k in kept]
        elif not any(k.covers(s) for k in kept):
            kept = [k for k in kept if not s.covers(k)] + [s]
    return kept


def _merged(a: Signature, b: Signature) -> Signature | None:
    if a.result != b.result or len(a.parameters) != len(b.parameters):
        return None
    pairs = list(zip(a.parameters, b.parameters))
    differing = [i for i, (x, y) in enumerate(pairs) if x != y]
    if len(differing) != 1:
        return None
    at = differing[0]
    x, y = pairs[at]
    if replace(x, types=y.types) != y:
        return None
    both = replace(x, types=tuple(dict.fromkeys(x.types + y.types)))
    if "None" in both.types:
        both = replace(both, types=(*(t for t in both.types if t != "None"), "None"))
    return replace(a, parameters=(*a.parameters[:at], both, *a.parameters[at + 1 :]))
