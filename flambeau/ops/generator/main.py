"""Writes the generated sources into a folder; a file is touched only when its text changed."""

from __future__ import annotations

import inspect
import pathlib
from dataclasses import replace

from flambeau.ops.generator import boxed, docs, entries, headers, names, printed, tables
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.autograd import Gradient
from flambeau.ops.generator.kinds import SourceError
from flambeau.ops.generator.shards import Piece, shards
from flambeau.ops.generator.source import Unit
from flambeau.ops.record import Record, load
from flambeau.ops.schema import Schema

ISAS = ("baseline", "avx2", "avx512")
# Characters in a file. A second of compiling for an instruction set, and three for entries.
LOOP_LIMIT, ENTRY_LIMIT = 13_000, 140_000
_NOTE = "// Generated from the records in flambeau/ops; `python -m flambeau.ops show` explains.\n"


def forms(records: list[Record]) -> list[tuple[Record, Schema]]:
    """All ops in the order of the table."""
    out = [(r, s) for r in records for s in r.schemas()]
    seen: dict[str, Schema] = {}
    for _, s in out:
        if s.symbol in seen:
            raise ValueError(f"two ops are called {s.full_name}")
        seen[s.symbol] = s
    return sorted(out, key=lambda rs: (rs[1].name, rs[1].overload))


def loop_file(pieces: list[Piece]) -> str:
    code = '#include "kernels/cpu/pointwise/loops.h"\n\n'
    code += "namespace flambeau::inline v1::cpu::FLAMBEAU_ISA_NAMESPACE {\n"
    return code + "\n".join(p.text for p in pieces) + "}  // namespace flambeau::inline v1::cpu\n"


def entry_file(pieces: list[Piece], known: headers.Headers) -> str:
    helpers = "".join(dict.fromkeys(h for p in pieces for h in p.helpers))
    code = "\n" + names.OPEN
    code += "".join(dict.fromkeys(p.declarations for p in pieces))
    if helpers:
        code += f"namespace printed {{\n{helpers}}}  // namespace printed\n"
    code += "\n".join(p.text for p in pieces) + names.CLOSE
    return f'#include "core/dispatch/entry.h"\n{headers.includes(known.needed(code))}{code}'


def check_differentiable(record: Record) -> None:
    """Without a gradient there is no node, and what is said to have one would lose it unseen."""
    if not record.differentiable or record.gradient is not None:
        return
    line = inspect.getsourcelines(record.function)[1]
    raise SourceError(
        f"{inspect.getsourcefile(record.function)}:{line}: {record.schema.full_name}: "
        f"differentiable={record.differentiable} says that results have gradients, and there is "
        f"none: write `@{record.function.__name__}.gradient`, or leave `differentiable` out"
    )


def entry_piece(group: list[Record], every: dict[str, Schema], nodes: dict[int, str]) -> Piece:
    """A record's entries, with those of the overloads that share its rules and loops."""
    base, unit = group[0], Unit(every)
    code = "".join(r.source for r in group)
    if base.kind == "pointwise":
        code += "".join(loop.table(ISAS) for loop in pw.loops(base)) + tables.rules(base)
    code += "namespace entry {\n"
    for r in group:
        check_differentiable(r)
        code += printed.own(r, unit)
        node = nodes.get(id(r))
        gradient = there = Gradient(r, unit) if node else None
        if r.inplace_gradient:
            there = Gradient(replace(r, gradient=r.inplace_gradient), unit)
        if gradient:
            made = gradient.node(node)
            if r.inplace_node:
                made += there.node(r.inplace_node)
            code += f"namespace {{\n{made}}}  // namespace\n"
        for s in r.schemas():
            inplace = r.inplace_node if s.inplace else ""
            code += entries.function(r, s, there if s.inplace else gradient, inplace or node)
        code += boxed.functions(r)
    code += "".join(tables.op_rows(r) for r in group) + "}  // namespace entry\n"
    declarations = headers.kernel_declarations(group)
    return Piece(names.family(base), base.schema.full_name, code, tuple(unit.text), declarations)


def table_file(records: list[Record], ordered: list[Schema]) -> str:
    return (
        '#include "core/dispatch/autocast.h"\n#include "core/dispatch/names.h"\n\n'
        f"{names.OPEN}namespace entry {{\n"
        + tables.op_table(ordered)
        + tables.autocast_table(records)
        + "}  // namespace entry\nnamespace {\n"
        + tables.name_table(records, ordered, lambda name: docs.docstring(name, records))
        + "}  // namespace\n"
        "std::span<const Op* const> builtin_ops() { return entry::kOps; }\n"
        "std::span<const AutocastRow> autocast_rows() { return entry::kAutocast; }\n"
        "std::span<const PythonName> python_names() { return kNames; }\n" + names.CLOSE
    )


def grouped(records: list[Record]) -> list[list[Record]]:
    """Records with the extra overloads that share their rules, kept together."""
    groups: dict[int, list[Record]] = {}
    for r in records:
        groups.setdefault(id(r.base or r), []).append(r)
    return list(groups.values())


def generate(root: pathlib.Path) -> dict[str, str]:
    """File name -> text; ``root`` has the hand-written headers."""
    records = load()
    ordered = forms(records)
    schemas = [s for _, s in ordered]
    every = {s.symbol: s for s in schemas}
    nodes = names.node_names(records)
    known = headers.Headers(root, ordered)
    loops, bodies = [], []
    for group in grouped(records):
        if group[0].kind == "pointwise":
            text = "\n".join(loop.source() for loop in pw.loops(group[0]))
            # Under another name: one record should not halve a file of loops and one of entries.
            name = f"loops of {group[0].schema.full_name}"
            loops.append(Piece(names.family(group[0]), name, text))
        bodies.append(entry_piece(group, every, nodes))
    files = headers.op_headers(ordered) | headers.kernel_headers(records)
    files["flambeau/ops.h"] = headers.umbrella(headers.op_headers(ordered))
    loop_files = shards(loops, LOOP_LIMIT)
    entry_files = shards(bodies, ENTRY_LIMIT)
    files |= {f"loops_{n}.cpp": loop_file(pieces) for n, pieces in loop_files.items()}
    files |= {f"entries_{n}.cpp": entry_file(pieces, known) for n, pieces in entry_files.items()}
    files["table.cpp"] = table_file(records, schemas)
    printed_files = {name: _NOTE + text for name, text in files.items()}
    return printed_files | {"sources.cmake": _cmake(files), "docstrings": docs.book(records)}


def _cmake(files: dict[str, str]) -> str:
    """The names of the files, for CMakeLists.txt."""
    lists = {
        "loop_sources": [n for n in files if n.startswith("loops_")],
        "entry_sources": [n for n in files if n.endswith(".cpp") and not n.startswith("loops_")],
        "op_headers": [n for n in files if n.startswith("flambeau/ops")],
    }
    return "".join(
        f"set({name}\n" + "".join(f"    ${{generated}}/{n}\n" for n in sorted(listed)) + ")\n"
        for name, listed in lists.items()
    )


def write(folder: pathlib.Path, root: pathlib.Path) -> None:
    files = generate(root)
    for path in folder.rglob("*"):
        if path.suffix in (".cpp", ".h") and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
