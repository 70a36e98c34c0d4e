"""Prints methods and functions of ``at::Tensor`` for C++ extensions, from the records.

``methods()`` stands inside the class in ``include/flambeau/torch.h``, ``functions()`` in its
namespace. Each calls the entry of one overload.
"""

import re

import bare  # noqa: F401 (first: it stands in for the package)

from flambeau.ops.record import Record, load
from flambeau.ops.schema import Argument, Return, Schema, default_cpp

_OPTIONS = ("dtype", "layout", "device", "pin_memory")
_LISTS = {"Tensor": "TensorList", "int": "IntArrayRef"}
_KEYWORDS = {"and", "or", "not", "xor", "float", "double", "int", "bool", "char", "long", "short"}


def _type(a: Argument) -> str:
    """As programs write it: what is a list there takes braces and vectors."""
    if a.is_tensor:
        return "const OptionalTensor&" if a.optional else "const Tensor&"
    if a.list and a.type == "Tensor":
        return "TensorList"
    if a.list and a.type == "int":
        return "OptionalIntArrayRef" if a.optional else "IntArrayRef"
    return a.cpp.replace("DType", "ScalarType")


def _default(a: Argument) -> str:
    text = default_cpp(a)
    # Where one overload takes sizes and another a word in their place, a call without is of sizes.
    if text is None or a.out or (a.name == "padding" and a.type == "str"):
        return ""
    if a.list and a.type == "int" and not a.optional and text != "IntSpan()":
        value = a.default.strip("[]()")  # one number stands for all of a list of known length
        return f" = IntArrayRef({text})" if "," in value else f" = {text}"
    if a.is_tensor:
        return " = no_tensor()"
    if text == "IntSpan()":
        return " = {}"
    text = re.sub(r"^(DType|Layout|MemoryFormat)::", r"flambeau::\1::", text)
    return f" = {text}"


def _result(r: Return) -> str:
    if r.list and r.type == "Tensor":
        return "std::vector<Tensor>"
    return "Tensor" if r.type == "Tensor" else r.cpp


def _returned(s: Schema) -> str:
    kinds = [_result(r) for r in s.returns]
    if len(kinds) == 1:
        return kinds[0]
    return f"std::tuple<{', '.join(kinds)}>" if kinds else "void"


def _makes(s: Schema) -> bool:
    """Whether dtype, device and the like are given, which programs say as options."""
    return [a.name for a in s.args if a.name in _OPTIONS] == list(_OPTIONS)


def _call(s: Schema, self_is_this: bool) -> str:
    given = []
    for i, a in enumerate(s.args):
        if self_is_this and i == 0:
            given.append("*this")
        elif _makes(s) and a.name in _OPTIONS:
            given.append(f"options.{a.name}_opt()")
        else:
            given.append(a.symbol)
    call = f"flambeau::entry::{s.symbol}({', '.join(given)})"
    if _makes(s):
        return f"options.finished(lift({call}))"
    return call if not s.returns else f"lift({call})"


def _parameters(s: Schema, skip: int) -> str:
    parts = []
    # Results that are written to stand first, as ATen has them.
    args = [a for a in s.args if a.out] + [a for a in s.args if not a.out]
    for a in args[skip:]:
        if _makes(s) and a.name in _OPTIONS:
            if a.name == "dtype":
                parts.append("const TensorOptions& options = {}")
            continue
        parts.append(f"{_type(a)} {a.symbol}{_default(a)}")
    # An argument without a default after one that has: keyword-only in Python, given here.
    needed = max((i for i, p in enumerate(parts) if " = " not in p), default=-1)
    return ", ".join(p.partition(" = ")[0] if i < needed else p for i, p in enumerate(parts))


def _name(s: Schema) -> str:
    return f"{s.name}_out" if s.outs else s.name


def _forms(record: Record):
    if record.tried_last:
        return
    for s in record.schemas():
        plain = re.sub(r"_$", "", s.name)
        if not s.name.startswith("__") and plain not in _KEYWORDS:
            yield s


def methods(taken: set[str]) -> tuple[str, str]:
    """Declarations of all but those that are ``taken``, which stand in the class by hand, and
    definitions."""
    inside, below = [], []
    for record in load():
        if record.each:
            continue
        for s in _forms(record):
            first = s.args[0] if s.args else None
            if s.outs or s.name in taken or first is None or not first.is_tensor:
                continue
            if first.name != "self":
                continue
            kind, body = _returned(s), f"return {_call(s, True)};"
            if s.inplace and [r.type for r in s.returns] == ["Tensor"]:  # the handle is the same
                call = _call(s, True).removeprefix("lift(").removesuffix(")")
                kind, body = "const Tensor&", f"{call}; return *this;"
            given = _parameters(s, 1)
            plain = ", ".join(p.partition(" = ")[0] for p in _split(given))
            inside.append(f"{kind} {s.name}({given}) const;")
            below.append(f"inline {kind} Tensor::{s.name}({plain}) const {{ {body} }}")
    return ("\n".join(dict.fromkeys(lines)) + "\n" for lines in (inside, below))


def _split(parameters: str) -> list[str]:
    """At commas outside of brackets."""
    return re.split(r", (?![^<({]*[>)}])", parameters) if parameters else []


def functions(taken: set[str]) -> str:
    lines = []
    for record in load():
        if record.each:  # ops on lists are called by their table's entry alone
            continue
        for s in _forms(record):
            if (s.name.endswith("_") and record.inplace_only) or _name(s) in taken:
                continue
            body = f"return {_call(s, False)};"
            lines.append(f"inline {_returned(s)} {_name(s)}({_parameters(s, 0)}) {{ {body} }}")
    return "\n".join(dict.fromkeys(lines)) + "\n"
