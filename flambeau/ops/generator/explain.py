"""What `python -m flambeau.ops` prints: all that one record gives, and the table of all."""

from __future__ import annotations

import inspect
import pathlib

from flambeau.ops import trace
from flambeau.ops.generator import docs, entries, names, printed
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.autograd import Gradient
from flambeau.ops.generator.main import forms
from flambeau.ops.generator.source import Unit
from flambeau.ops.record import Record, load
from flambeau.ops.schema import Schema

ROOT = pathlib.Path(__file__).resolve().parents[3]


def place(record: Record) -> str:
    """File and line of the record."""
    code = record.function.__code__
    path = pathlib.Path(code.co_filename)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    return f"{shown}:{code.co_firstlineno}"


def _gradient_summary(record: Record, node: str) -> str:
    if node:
        return node
    if record.kind == "composite":
        return "of its parts"
    return record.no_gradient or "-"


def table(dynamic: bool = False) -> str:
    """One row per record, or per record whose sizes or results depend on elements."""
    records = load()
    if dynamic:
        records = [r for r in records if r.is_dynamic]
    nodes = names.node_names(records)
    rows = [("op", "kind", "variants", "gradient", "record")]
    for r in sorted(records, key=lambda r: r.schema.full_name):
        gradient = _gradient_summary(r, nodes.get(id(r), ""))
        rows.append((r.schema.full_name, r.kind, docs.variants(r), gradient, place(r)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = ["  ".join((*(c.ljust(w) for c, w in zip(row, widths)), row[-1])) for row in rows]
    count = len({r.name for r in records})
    legend = "variants: f function, m method, o operator, p property, i in place, = out="
    return "\n".join([*lines, "", f"{count} ops, {len(records)} records; {legend}"])


def matching(name: str) -> list[Record]:
    """Records by full name (``add.Tensor``), or all behind a Python name (``add``)."""
    records = load()
    exact = [r for r in records if name in {s.full_name for s in r.schemas()}]
    return exact if "." in name else docs.found(name, records)


def show(name: str) -> str:
    """All that is derived from the records behind a name; empty when there are none."""
    records = load()
    every = {s.symbol: s for _, s in forms(records)}
    nodes = names.node_names(records)
    found = matching(name)
    sections = [_record(r, records, every, nodes.get(id(r), "")) for r in found]
    if found:
        sections.insert(0, _section("docstring", docs.docstring(found[0].name, records)))
    return "\n\n".join(sections)


def _section(title: str, text: str) -> str:
    indented = "\n".join(f"  {line}".rstrip() for line in text.strip("\n").splitlines())
    return f"{title}\n{indented}"


def _record(record: Record, records: list[Record], every: dict[str, Schema], node: str) -> str:
    schemas = record.schemas()
    unit = Unit(every)
    own = printed.own(record, unit)
    gradient = Gradient(record, unit) if node else None
    parts = [f"==== {record.schema.full_name} ({record.kind}), {place(record)}"]
    parts.append(_section("schemas", "\n".join(f"aten::{s.text()}" for s in schemas)))
    places = docs.python_names(records, {s.symbol for s in schemas})
    parts.append(_section("in Python", "\n".join(places) or "no name"))
    keys = [f"{s.full_name}: {names.mask(record, s)}" for s in schemas]
    parts.append(_section("keys that concern it", "\n".join(keys)))
    parts.append(_section("facts", "\n".join(docs.facts(record))))
    if record.kind == "pointwise":
        parts.append(_section("formula", _formulas(record)))
    else:
        parts.append(_section("body", _bodies(record)))
    if gradient is not None:
        parts.append(_gradient(record, gradient, node))
    parts += _cases(record)
    if record.kind == "pointwise":
        loops = pw.loops(record)
        text = "\n".join(loop.source() for loop in loops) or "the loops of its first overload"
        parts.append(_section("C++ loops, once per instruction set", text))
    if own:
        parts.append(_section("C++ of its Python", unit.code() + own))
    for s in schemas:
        code = entries.function(record, s, gradient, node or None)
        parts.append(_section(f"C++ entry of {s.full_name}", code))
    return "\n\n".join(parts)


def _formulas(record: Record) -> str:
    lines = []
    for static in pw.statics(record):
        chosen = ", ".join(f"{n}={v!r}" for n, v in zip(record.static, static))
        text = trace.formula_text(pw.formula(record, static))
        lines.append(f"{chosen + ': ' if chosen else ''}{text}")
    return "\n".join(lines)


def _bodies(record: Record) -> str:
    fields = {"shape rule": record.shape, "CPU kernel": record.cpu, "C++": record.cxx}
    lines = [f"{title}: {text}" for title, text in fields.items() if text]
    for f in [record.rule] * (record.rule is not None) + [record.function] * record.has_body:
        lines += inspect.getsource(f).splitlines()
    return "\n".join(lines) or f"C++: native::{record.schema.symbol}"


def _gradient(record: Record, gradient: Gradient, node: str) -> str:
    lines = []
    if record.has_gradient_loops:
        for static in pw.statics(record):
            for name, e in pw.gradient_formulas(record, static).items():
                lines.append(f"{name}: {trace.formula_text(e)}")
    else:
        lines += inspect.getsource(record.gradient).splitlines()
    members = gradient.members()
    lines.append(f"node: {node}")
    lines.append("saved tensors: " + (", ".join(m.name for m in members if m.saved) or "none"))
    others = [m.name for m in members if not m.saved]
    lines.append("kept besides: " + (", ".join(others) or "nothing"))
    return (
        _section("gradient", "\n".join(lines)) + "\n\n" + _section("C++ node", gradient.node(node))
    )


def _cases(record: Record) -> list[str]:
    """What the record says about its tests."""
    parts = [_section("samples", "\n".join(map(repr, record.cases())) or "none")]
    if record.reference is not None:
        source = record.reference
        text = inspect.getsource(source) if inspect.isfunction(source) else repr(source)
        within = f"within {record.tolerance:g} units in the last place"
        parts.append(_section("reference", f"{text.strip()}\n{within}"))
    return parts
