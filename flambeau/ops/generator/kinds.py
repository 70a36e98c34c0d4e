"""The types of printed Python: what an expression is, and how it is written in C++.

A type is a word (``int``, ``tensor``, ``dtype``), with ``[]`` behind it for a list and ``?`` where
it may be None: ``int[]?``, ``tensor?[]``.
"""

from __future__ import annotations

from dataclasses import dataclass

from flambeau.ops.schema import Argument, Schema

WORDS = {  # word: C++ value type
    "int": "int64_t",
    "float": "double",
    "bool": "bool",
    "str": "std::string_view",
    "literal": "const char*",  # a str that is written out
    "dtype": "DType",
    "device": "Device",
    "layout": "Layout",
    "format": "MemoryFormat",
    "scalar": "Scalar",
    "tensor": "Tensor",
    "generator": "Generator*",
    "spec": "Spec",  # of an output like the first tensor
    "view": "ViewSpec",
    "placed": "PlacedSpec",  # of one whose device the rule says
}
SPECS = ("spec", "view", "placed")
GIVEN = ("spec", "view")  # what a rule gives without making a spec of it: Note [Giving a spec]
_SAME = "Tensor int float bool Scalar str Device Layout Generator"
OF_SCHEMA = {n: n.lower() for n in _SAME.split()}
OF_SCHEMA |= {"ScalarType": "dtype", "MemoryFormat": "format"}
ENUMS = {  # what language.py names -> (type, C++ enumeration, the names that differ)
    "dtypes": ("dtype", "DType", {"bool": "boolean"}),
    "formats": ("format", "MemoryFormat", {}),  # `contiguous_format` is MemoryFormat::contiguous
    "layouts": ("layout", "Layout", {}),
}


# Of tensors: what is read, and what is called without arguments.
ATTRIBUTES = {
    ("tensor", "shape"): ("{}.sizes()", "int[]"),
    ("tensor", "dtype"): ("{}.dtype()", "dtype"),
    ("tensor", "device"): ("{}.device()", "device"),
    ("tensor", "layout"): ("{}.layout()", "layout"),
    ("tensor", "is_meta"): ("{}.is_meta()", "bool"),
    ("tensor", "requires_grad"): ("{}.requires_grad()", "bool"),
    ("tensor", "itemsize"): ("static_cast<int64_t>({}.itemsize())", "int"),
    ("device", "type"): ("device_type_name({}.type)", "str"),
    ("dtype", "is_complex"): ("is_complex({})", "bool"),
    ("dtype", "is_floating_point"): ("is_floating({})", "bool"),
    ("dtype", "is_signed"): ("info({}).is_signed", "bool"),
    ("dtype", "itemsize"): ("static_cast<int64_t>(itemsize({}))", "int"),
}
METHODS = {
    ("tensor", "dim"): ("{}.dim()", "int"),
    ("tensor", "numel"): ("{}.numel()", "int"),
    ("tensor", "stride"): ("{}.strides()", "int[]"),
    ("tensor", "size"): ("{}.sizes()", "int[]"),
    ("tensor", "storage_offset"): ("{}.offset()", "int"),
    ("tensor", "is_floating_point"): ("{}.is_floating()", "bool"),
    ("tensor", "element_size"): ("static_cast<int64_t>({}.itemsize())", "int"),
    ("tensor", "item"): ("{}.item()", "scalar"),
    ("tensor", "is_conj"): ("formula::is_conj({})", "bool"),
    ("tensor", "is_neg"): ("formula::is_neg({})", "bool"),
}
_TOLD = ("is_contiguous", "is_complex")
METHODS |= {("tensor", name): (f"{{}}.{name}()", "bool") for name in _TOLD}


class SourceError(ValueError):
    """Python that the subset does not have; the text begins with file and line."""


class Unsettled(SourceError):
    """What is wanted here is known once the lines behind have been read."""


@dataclass
class Val:
    """A translated expression."""

    code: str
    type: str
    fresh: bool = True  # a list of its own; else it is borrowed from something that stays
    items: list[Val] | None = None  # a list or tuple that is written out
    literal: object = None  # the Python constant


def of_argument(a: Argument) -> str:
    text = OF_SCHEMA[a.type]
    if a.list:
        text += "?[]" if a.optional_items else "[]"
    return text + ("?" if a.optional or a.type == "Generator" else "")


def of_returns(schema: Schema) -> str:
    made = [OF_SCHEMA[r.type] + ("[]" if r.list else "") for r in schema.returns]
    return made[0] if len(made) == 1 else f"({', '.join(made)})" if made else "none"


def settled(kind: str) -> str:
    """What a variable or a list holds: a constant text is a text there."""
    return "str" if kind == "literal" else kind


def is_list(kind: str) -> bool:
    return kind.endswith("[]")


def element(kind: str) -> str:
    return kind[:-2]


def optional(kind: str) -> str:
    return kind if kind.endswith("?") or kind == "none" else kind + "?"


def plain(kind: str) -> str:
    return kind.removesuffix("?")


def members(kind: str) -> list[str]:
    """Of ``(int, tensor[])``."""
    return [m.strip() for m in kind[1:-1].split(",")]


def value(kind: str) -> str:
    """The C++ type of a variable that owns its value."""
    if kind.startswith("("):
        return f"std::tuple<{', '.join(map(value, members(kind)))}>"
    if kind.endswith("?"):
        if kind in ("tensor?", "generator?"):
            return value(kind[:-1])
        return f"std::optional<{value(kind[:-1])}>"
    if kind == "int[]":
        return "Dims"
    if kind in ("tensor[]", "tensor?[]"):
        return "TensorVec"
    if is_list(kind):
        return f"std::vector<{value(element(kind))}>"
    return WORDS.get(kind, "void")  # void: what it holds is not known yet


def borrowed(kind: str) -> str:
    """The C++ type of a parameter, or of a variable that looks at what something else owns."""
    if kind == "int[]":
        return "IntSpan"
    if kind in ("tensor[]", "tensor?[]"):
        return "TensorSpan"
    if kind in ("bool[]", "float[]", "scalar[]"):
        return f"std::span<const {WORDS[element(kind)]}>"
    if kind in ("tensor", "tensor?", "scalar", *SPECS) or is_list(kind):
        return f"const {value(kind)}&"
    if kind.endswith("?") and is_list(kind[:-1]):
        return f"std::optional<{borrowed(kind[:-1])}>"
    return value(kind)


def joined(a: str, b: str) -> str | None:
    """The type that holds both, or None."""
    if a == b:
        return a
    if a == "none":
        return optional(b)
    if b == "none":
        return optional(a)
    if {a, b} == {"literal", "str"}:
        return "str"
    if a == "empty[]" and is_list(b):
        return b
    if b == "empty[]" and is_list(a):
        return a
    if plain(a) == plain(b):
        return optional(plain(a))
    if a.endswith("?") or b.endswith("?"):
        inner = joined(plain(a), plain(b))
        return inner and optional(inner)
    if a.startswith("(") and b.startswith("("):
        x, y = members(a), members(b)
        parts = [joined(i, j) for i, j in zip(x, y, strict=False)]
        return f"({', '.join(parts)})" if len(x) == len(y) and all(parts) else None
    if is_list(a) and is_list(b):
        inner = joined(element(a), element(b))
        return inner and inner + "[]"
    return None


def converted(v: Val, want: str) -> str | None:
    """The code of ``v`` as a value of another type; None where there is no such."""
    have = v.type
    if have == want or (have == "literal" and want == "str"):
        return v.code
    if have == "none" and v.code != "std::nullopt":
        return v.code  # a variable, until a later line tells what it holds
    if have == "none":
        if not want.endswith("?"):
            return None
        return {"tensor?": "Tensor()", "generator?": "nullptr"}.get(want, "std::nullopt")
    if want.endswith("?"):
        inner = converted(v, want[:-1]) if not have.endswith("?") else None
        if inner is None or want in ("tensor?", "generator?"):
            return inner
        # A borrowed list stays one; what the callee takes decides what it is made of.
        return inner
    if have.endswith("?"):
        return converted(Val(f"printed::some({v.code})", have[:-1], False), want)
    if want == "scalar" and have in ("int", "float", "bool"):
        return f"Scalar({v.code})"
    if want == "tensor" and have in ("int", "float", "bool", "scalar"):
        return f"wrapped_number({converted(v, 'scalar')})"
    if want == "float" and have == "int":
        return f"static_cast<double>({v.code})"
    if want == "tensor[]" and have == "tensor?[]" or want == "tensor?[]" and have == "tensor[]":
        return v.code
    if have == "empty[]" and is_list(want):
        return f"{value(want)}{{}}"
    if v.items is not None and want.startswith("("):
        wanted = members(want)
        parts = [converted(i, w) for i, w in zip(v.items, wanted, strict=False)]
        fits = len(v.items) == len(wanted) and None not in parts
        return f"{value(want)}{{{', '.join(parts)}}}" if fits else None
    if v.items is not None and is_list(want):
        parts = [converted(i, element(want)) for i in v.items]
        return None if None in parts else listed(parts, want)
    return None


def listed(parts: list[str], kind: str) -> str:
    if kind == "bool[]":
        if not parts:
            return "std::span<const bool>()"
        return f"std::span<const bool>(std::array<bool, {len(parts)}>{{{', '.join(parts)}}})"
    return f"{value(kind)}{{{', '.join(parts)}}}"
