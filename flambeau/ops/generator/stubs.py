"""Type stubs: what the records give, put into the templates of what is written by hand.

A template marks with ``# ops: methods`` and the like where the declarations go.
"""

from __future__ import annotations

import re

from flambeau.ops.generator import signatures, tables
from flambeau.ops.generator.signatures import Parameter, Signature
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema

NOTE = "# Written by tools/stubs.py from the records and its template; edit those.\n"
_INDENT = "    "
_WIDTH = 100 - 2 * len(_INDENT)  # the deepest declarations stand in classes


class Stubs:
    """The declarations of all ops, by the place where Python finds them."""

    def __init__(self, records: list[Record], tensor: str, python_functions: set[str]):
        """``tensor`` is what the template declares of the class Tensor."""
        self.owners = {s.symbol: r for r in records for s in r.schemas()}
        self.names = tables.python_names(records)
        self.by_hand = set(re.findall(r"^    def (\w+)\(", tensor, re.M))
        self.python_functions = python_functions

    def functions(self, module: str = "") -> list[str]:
        lines = []
        for n in self.names:
            by_hand = not module and n.name in self.python_functions
            if n.where == "function" and n.module == module and not by_hand:
                lines += _overloads(self._signatures(n, method=False))
        return lines

    def methods(self) -> list[str]:
        lines = []
        for n in self.names:
            if n.is_property:
                lines += ["@property", f"def {n.name}(self) -> Tensor: ..."]
            if n.where == "part":
                lines += [f"@{n.name}.setter", f"def {n.name}(self, value: Tensor) -> None: ..."]
            if n.where == "method" and n.name not in self.by_hand:
                found = self._signatures(n, method=True)
                lines += _overloads([_operator(s) for s in found] if n.slot else found)
        return lines

    def modules(self) -> list[str]:
        """``_C._nn`` and the like, as classes of static functions."""
        lines = []
        for module in sorted({n.module for n in self.names if n.module}):
            name = module if module.startswith("_") else f"_{module}"
            lines.append(f"class {name}:")
            for line in self.functions(module):
                if line.startswith("def "):
                    lines.append(f"{_INDENT}@staticmethod")
                lines.append(_INDENT + line)
        return lines

    def results(self) -> list[str]:
        """The named tuples of ops with several named results."""
        lines, done = [], set()
        for record in self.owners.values():
            s = record.schema
            if s.name in done or len(s.returns) < 2 or not all(r.name for r in s.returns):
                continue
            done.add(s.name)
            lines.append(f"class {s.name}(NamedTuple):")
            lines += [f"{_INDENT}{r.name}: Tensor" for r in s.returns]
        return lines

    def _signatures(self, n: tables.Name, method: bool) -> list[Signature]:
        found = []
        outs = list(n.outs)
        for s in self._with_numbers(n):
            out = next((o for o in outs if _belongs(o, s)), None)
            if out is not None:
                outs.remove(out)
            found += signatures.of(self.owners[s.symbol], s, name=n.name, method=method, out=out)
        for out in outs:  # of a form that Python reaches by out= alone
            found += signatures.of(self.owners[out.symbol], out, name=n.name, method=method)
        return signatures.distinct(found)

    def _with_numbers(self, n: tables.Name) -> list[Schema]:
        """A comparison's operator tries the op's overload for numbers too."""
        if not (n.slot or "").startswith("tp_richcompare"):
            return n.schemas
        op = n.schemas[0].name
        return list(dict.fromkeys(r.schema for r in self.owners.values() if r.name == op))


def _belongs(out: Schema, schema: Schema) -> bool:
    """Whether ``out`` is the form of ``schema`` that writes into given tensors."""
    return [(a.name, a.type) for a in out.args if not a.out] == [
        (a.name, a.type) for a in schema.args
    ]


def _operator(s: Signature) -> Signature:
    """Operators take their operands by position alone, and no further arguments."""
    kept = [p for p in s.parameters if p.default is None]
    kept = [Parameter(p.name if p.name == "self" else f"__{p.name}", p.types) for p in kept]
    return Signature(s.name, tuple(kept), s.result)


def _overloads(found: list[Signature]) -> list[str]:
    lines = []
    for s in found:
        if len(found) > 1:
            lines.append("@overload")
        lines += _declaration(s)
    return lines


def _declaration(s: Signature) -> list[str]:
    """As a formatter lays it out: in one line, else the parameters in one, else each in its own."""
    parameters = s.texts(annotate=True)
    parameters = [re.sub(r" = .*", " = ...", p) for p in parameters]
    end = f") -> {s.result}: ...{_IGNORES.get(s.name, '')}"
    joined = ", ".join(parameters)
    if len(s.name) + len(joined) + len(end) + len("def (") <= _WIDTH:
        return [f"def {s.name}({joined}{end}"]
    if len(joined) + len(_INDENT) <= _WIDTH:
        return [f"def {s.name}(", _INDENT + joined, end]
    return [f"def {s.name}(", *(f"{_INDENT}{p}," for p in parameters), end]


# `==` of tensors gives a tensor, where object's gives a truth value.
_IGNORES = {name: "  # type: ignore[override]" for name in ("__eq__", "__ne__")}


def fill(template: str, sections: dict[str, list[str]]) -> str:
    """Puts sections where a template has ``# ops: NAME``, at that line's indentation."""

    def section(match: re.Match) -> str:
        return "\n".join(match[1] + line for line in sections[match[2]])

    return NOTE + re.sub(r"^( *)# ops: (\w+)$", section, template, flags=re.M)
