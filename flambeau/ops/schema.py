"""Operator schemas: one line of text, read into arguments and returns.

The lines are ATen's, with alias sets (``Tensor(a!) self``), keyword-only arguments after ``*`` and
named returns. ``SymInt`` is an ``int`` that is remembered to be a size.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

# Schema type -> (enumerator of flambeau::Type, C++ argument type, C++ member type)
TYPES = {
    "Tensor": ("tensor", "const Tensor&", "SavedTensor"),
    "int": ("integer", "int64_t", "int64_t"),
    "float": ("floating", "double", "double"),
    "bool": ("boolean", "bool", "bool"),
    "Scalar": ("scalar", "const Scalar&", "Scalar"),
    "str": ("string", "std::string_view", "std::string"),
    "ScalarType": ("dtype", "DType", "DType"),
    "Device": ("device", "Device", "Device"),
    "Layout": ("layout", "Layout", "Layout"),
    "MemoryFormat": ("memory_format", "MemoryFormat", "MemoryFormat"),
    "Generator": ("generator", "Generator*", "Generator*"),
}
LISTS = {
    "Tensor": ("TensorSpan", "SavedTensors"),
    "int": ("IntSpan", "Dims"),
    "float": ("std::span<const double>", "std::vector<double>"),
    "bool": ("std::span<const bool>", "std::vector<bool>"),
    "Scalar": ("std::span<const Scalar>", "std::vector<Scalar>"),
    "str": ("std::span<const std::string_view>", "std::vector<std::string>"),
}


class SchemaError(ValueError):
    pass


@dataclass(frozen=True)
class Argument:
    name: str
    type: str
    optional: bool = False
    list: bool = False
    list_size: int = 0
    optional_items: bool = False  # Tensor?[]
    symbolic: bool = False  # SymInt: a size, which may be a symbol in boxed values
    keyword_only: bool = False
    out: bool = False
    alias: str = ""
    mutated: bool = False
    default: str | None = None  # the text after "="

    @property
    def is_tensor(self) -> bool:
        return self.type == "Tensor" and not self.list

    @property
    def is_tensor_list(self) -> bool:
        return self.type == "Tensor" and self.list

    @property
    def cpp(self) -> str:
        """The C++ parameter type."""
        plain = LISTS[self.type][0] if self.list else TYPES[self.type][1]
        if not self.optional or self.is_tensor or self.type == "Generator":
            return plain
        return f"std::optional<{'Scalar' if self.type == 'Scalar' else plain}>"

    @property
    def member(self) -> str:
        """The C++ type that keeps the value in an autograd node."""
        plain = LISTS[self.type][1] if self.list else TYPES[self.type][2]
        if not self.optional or self.is_tensor or self.type == "Generator":
            return plain
        return f"std::optional<{plain}>"

    @property
    def symbol(self) -> str:
        """The parameter's name in C++: results already own the names of several outputs."""
        return f"{self.name}_out" if self.out and self.name != "out" else self.name

    def text(self) -> str:
        alias = f"({self.alias}{'!' if self.mutated else ''})" if self.alias else ""
        items = "?" if self.optional_items else ""
        brackets = f"[{self.list_size or ''}]" if self.list else ""
        default = "" if self.default is None else f"={self.default}"
        mark = "?" if self.optional else ""
        kind = "SymInt" if self.symbolic else self.type
        return f"{kind}{alias}{items}{brackets}{mark} {self.name}{default}"


@dataclass(frozen=True)
class Return:
    type: str
    list: bool = False
    alias: str = ""
    mutated: bool = False
    name: str = ""
    optional: bool = False

    @property
    def cpp(self) -> str:
        element = {"ScalarType": "DType", "int": "int64_t", "float": "double", "str": "std::string"}
        plain = element.get(self.type, self.type)
        if self.list:
            return "TensorVec" if self.type == "Tensor" else f"std::vector<{plain}>"
        return plain

    def text(self) -> str:
        alias = f"({self.alias}{'!' if self.mutated else ''})" if self.alias else ""
        name = f" {self.name}" if self.name else ""
        mark = "?" if self.optional else ""
        return f"{self.type}{alias}{'[]' if self.list else ''}{mark}{name}"


@dataclass(frozen=True)
class Schema:
    name: str
    overload: str
    args: tuple[Argument, ...]
    returns: tuple[Return, ...]

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.overload}" if self.overload else self.name

    @property
    def symbol(self) -> str:
        """The C++ name of its typed entry, unique over all overloads."""
        return f"{self.name}_{self.overload}" if self.overload else self.name

    @property
    def inplace(self) -> bool:
        return bool(self.args) and self.args[0].mutated and not self.args[0].out

    @property
    def outs(self) -> tuple[Argument, ...]:
        return tuple(a for a in self.args if a.out)

    @property
    def cpp_return(self) -> str:
        kinds = [r.cpp for r in self.returns]
        if not kinds:
            return "void"
        return kinds[0] if len(kinds) == 1 else f"std::tuple<{', '.join(kinds)}>"

    def arg(self, name: str) -> Argument:
        return next(a for a in self.args if a.name == name)

    def text(self) -> str:
        parts, starred = [], False
        for a in self.args:
            if a.keyword_only and not starred:
                parts.append("*")
                starred = True
            parts.append(a.text())
        returns = ", ".join(r.text() for r in self.returns)
        if len(self.returns) != 1:
            returns = f"({returns})"
        return f"{self.full_name}({', '.join(parts)}) -> {returns}"

    # -- derived forms

    def as_inplace(self, overload: str | None = None) -> Schema:
        """``add.Tensor`` -> ``add_.Tensor``: the first argument takes the result."""
        first = replace(self.args[0], alias="a", mutated=True)
        result = Return("Tensor", alias="a", mutated=True)
        overload = self.overload if overload is None else overload
        return Schema(self.name + "_", overload, (first, *self.args[1:]), (result,))

    def as_out(self, overload: str | None = None) -> Schema:
        """``add.Tensor`` -> ``add.out``: trailing keyword-only arguments take the results."""
        if overload is None:
            overload = "out" if self.overload in ("", "Tensor") else self.overload + "_out"
        args, returns = list(self.args), []
        for i, r in enumerate(self.returns):
            letter = "abcdef"[i]
            name = r.name or ("out" if len(self.returns) == 1 else f"out{i}")
            args.append(
                Argument(name, "Tensor", alias=letter, mutated=True, keyword_only=True, out=True)
            )
            returns.append(Return("Tensor", alias=letter, mutated=True, name=r.name))
        return Schema(self.name, overload, tuple(args), tuple(returns))


_TYPE = re.compile(
    r"(?P<type>[A-Za-z]+)"
    r"(\((?P<alias>[a-z*])(?P<write>!?)( ?-> ?[a-z*])?\))?"
    r"(?P<item>\?)?(\[(?P<size>\d*)\])?(?P<optional>\?)?$"
)


def _parse_type(text: str) -> dict:
    m = _TYPE.match(text)
    if not m:
        raise SchemaError(f"cannot read the type {text!r}")
    kind = {"SymInt": "int"}.get(m["type"], m["type"])
    if kind not in TYPES:
        raise SchemaError(f"unknown type {kind!r}")
    is_list = m["size"] is not None
    return {
        "type": kind,
        "symbolic": m["type"] == "SymInt",
        "alias": m["alias"] or "",
        "mutated": bool(m["write"]),
        "list": is_list,
        "list_size": int(m["size"] or 0) if is_list else 0,
        "optional_items": bool(m["item"]) and is_list,
        "optional": bool(m["optional"]) or (bool(m["item"]) and not is_list),
    }


def _split(text: str) -> list[str]:
    """Splits at commas that stand outside brackets and quotes."""
    parts, depth, quote, start = [], 0, False, 0
    for i, c in enumerate(text):
        if c == "'":
            quote = not quote
        elif not quote and c in "([":
            depth += 1
        elif not quote and c in ")]":
            depth -= 1
        elif c == "," and depth == 0 and not quote:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [p.strip() for p in parts if p.strip()]


def parse(text: str) -> Schema:
    """Reads ``name.overload(args) -> returns``.

    >>> parse("add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor").full_name
    'add.Tensor'
    """
    m = re.match(r"\s*([\w]+)(?:\.([\w]+))?\s*\((.*)\)\s*->\s*(.*?)\s*$", text, re.S)
    if not m:
        raise SchemaError(f"not a schema: {text!r}")
    name, overload, arg_text, return_text = m[1], m[2] or "", m[3], m[4]
    args, keyword_only = [], False
    for part in _split(" ".join(arg_text.split())):
        if part == "*":
            keyword_only = True
            continue
        declaration, default = part, None
        if "=" in part:
            declaration, default = (p.strip() for p in part.split("=", 1))
        kind, arg_name = declaration.rsplit(" ", 1)
        fields = _parse_type(kind)
        out = keyword_only and fields["mutated"]
        args.append(
            Argument(arg_name, keyword_only=keyword_only, default=default, out=out, **fields)
        )
    if return_text.startswith("(") and return_text.endswith(")"):
        return_text = return_text[1:-1]
    returns = []
    for part in _split(return_text):
        words = part.rsplit(" ", 1)
        kind, ret_name = (words[0], words[1]) if len(words) == 2 else (part, "")
        f = _parse_type(kind)
        returns.append(
            Return(f["type"], f["list"], f["alias"], f["mutated"], ret_name, f["optional"])
        )
    return Schema(name, overload, tuple(args), tuple(returns))


_ENUM_DEFAULTS = {
    "contiguous_format": "MemoryFormat::contiguous",
    "preserve_format": "MemoryFormat::preserve",
    "strided": "Layout::strided",
    "Mean": "int64_t{1}",
    "Sum": "int64_t{2}",
    "long": "DType::int64",
    "float": "DType::float32",
}


def default_cpp(arg: Argument) -> str | None:
    """The default as a C++ expression of the parameter's type; None when there is none."""
    text = arg.default
    if text is None:
        return None
    if text == "None":
        if arg.is_tensor:
            return "Tensor()"
        return "nullptr" if arg.type == "Generator" else "std::nullopt"
    if text in _ENUM_DEFAULTS:
        return _ENUM_DEFAULTS[text]
    value = ast.literal_eval({"True": "True", "False": "False"}.get(text, text))
    if arg.list:
        items = value if isinstance(value, (list, tuple)) else [value] * max(arg.list_size, 1)
        if not items:
            return f"{LISTS[arg.type][0]}()"
        static = ", ".join(str(v).lower() for v in items)
        element = {"int": "int64_t", "float": "double", "bool": "bool"}[arg.type]
        return f"Constant<{element}, {static}>::span()"
    if isinstance(value, bool):
        literal = str(value).lower()
    elif isinstance(value, str):
        literal = f'std::string_view("{value}")'
    elif isinstance(value, float):
        literal = repr(value)
    else:
        literal = f"int64_t{{{value}}}" if arg.type in ("int", "Scalar") else str(value)
    if arg.type == "float":
        literal = repr(float(value))
    return f"Scalar({literal})" if arg.type == "Scalar" else literal
