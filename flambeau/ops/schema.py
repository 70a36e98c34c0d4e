"""Operator schemas: one line of text, read into arguments and returns.

The lines are ATen's, with alias sets (``Tensor(a!) self``), keyword-only arguments after ``*`` and
named returns. ``SymInt`` is an ``int`` that is remembered to be a size.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import NoReturn

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


class SchemaError(RuntimeError):
    """A text that is no schema; says where."""


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
    symbolic: bool = False

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
        kind = "SymInt" if self.symbolic else self.type
        return f"{kind}{alias}{'[]' if self.list else ''}{mark}{name}"


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


class _Reader:
    """A place in the text of a schema, and what may follow it."""

    def __init__(self, text: str):
        self.text, self.at = " ".join(text.split()), 0

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        raise SchemaError(
            f"{problem} at position {at} of a schema:\n    {self.text}\n    {' ' * at}^"
        )

    def take(self, pattern: str) -> str:
        """The text that matches here, which is passed; empty where none does."""
        while self.text.startswith(" ", self.at):
            self.at += 1
        found = re.compile(pattern).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def expect(self, pattern: str, what: str) -> str:
        taken = self.take(pattern)
        if not taken:
            there = re.compile(r"\w+|->|.").match(self.text, self.at)
            self.fail(f"expected {what}, found {repr(there[0]) if there else 'the end'}")
        return taken

    def end(self) -> None:
        self.take("")
        if self.at < len(self.text):
            self.fail("expected the end")

    def name(self, what: str) -> str:
        return self.expect(r"[^\W\d]\w*", what)

    def type(self) -> dict:
        """``Tensor(a!)?[2]?`` as fields of an argument."""
        self.take("")
        start = self.at
        name = self.name("a type")
        kind = {"SymInt": "int"}.get(name, name)
        if kind not in TYPES:
            self.fail(f"unknown type {name!r} (there are {', '.join(['SymInt', *TYPES])})", start)
        alias = mutated = ""
        if self.take(r"\("):
            alias = self.expect(r"[a-z][a-z0-9]*|\*", "an alias set")
            mutated = self.take("!")
            if self.take("->"):
                self.expect(r"[a-z][a-z0-9]*|\*", "an alias set")
            self.expect(r"\)", "')'")
        item, size = self.take(r"\?"), None
        if self.take(r"\["):
            size = self.take(r"\d+")
            self.expect(r"\]", "']'")
        is_list = size is not None
        return {
            "type": kind,
            "symbolic": name == "SymInt",
            "alias": alias,
            "mutated": bool(mutated),
            "list": is_list,
            "list_size": int(size or 0),
            "optional_items": bool(item) and is_list,
            "optional": bool(self.take(r"\?")) or (bool(item) and not is_list),
        }

    def default(self, kind: str) -> str:
        """The text of a default: a literal, or a name where the type has names for values."""
        self.take("")
        start = self.at
        text = self.expect(
            r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|\[[^\]]*\]|[^,\s()\[\]]+", "a default"
        ).strip()
        if text.isidentifier() and kind in ("ScalarType", "Layout", "MemoryFormat", "Device"):
            return text
        try:
            if text not in _REDUCTIONS:
                ast.literal_eval(text)
        except (SyntaxError, ValueError):
            self.fail(f"{text!r} is no default for {kind}", start)
        return text

    def arguments(self) -> list[Argument]:
        args: list[Argument] = []
        keyword_only = False
        self.expect(r"\(", "'('")
        while not self.take(r"\)"):
            if args or keyword_only:
                self.expect(",", "',' or ')'")
            if not keyword_only and self.take(r"\*"):
                keyword_only = True
                continue
            fields = self.type()
            self.take("")
            start = self.at
            name = self.name("the name of an argument")
            if name in (a.name for a in args):
                self.fail(f"a second argument {name!r}", start)
            default = self.default(fields["type"]) if self.take("=") else None
            if default is None and not keyword_only and args and args[-1].default is not None:
                self.fail(
                    f"{name!r} needs a default, as {args[-1].name!r} before it has one", start
                )
            out = keyword_only and fields["mutated"]
            args.append(
                Argument(name, keyword_only=keyword_only, default=default, out=out, **fields)
            )
        return args

    def result(self) -> Return:
        f = self.type()
        name = self.take(r"[^\W\d]\w*")
        return Return(
            f["type"], f["list"], f["alias"], f["mutated"], name, f["optional"], f["symbolic"]
        )

    def results(self) -> list[Return]:
        if not self.take(r"\("):
            return [self.result()]
        found: list[Return] = []
        while not self.take(r"\)"):
            if found:
                self.expect(",", "',' or ')'")
            found.append(self.result())
        return found


def parse(text: str) -> Schema:
    """Reads ``name.overload(args) -> returns``.

    >>> parse("add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor").full_name
    'add.Tensor'
    """
    r = _Reader(text)
    name = r.name("the name of an op")
    overload = r.expect(r"\w+", "the name of an overload") if r.take(r"\.") else ""
    args = r.arguments()
    r.expect("->", "'->'")
    returns = r.results()
    r.end()
    return Schema(name, overload, tuple(args), tuple(returns))


_REDUCTIONS = ("Mean", "Sum")
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
