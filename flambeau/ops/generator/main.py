"""Writes the generated sources into a folder; a file is touched only when its text changed."""

from __future__ import annotations

import pathlib
import zlib
from collections.abc import Callable

from flambeau.ops.generator import boxed, entries, names, printed, tables
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.autograd import Gradient
from flambeau.ops.generator.source import Unit
from flambeau.ops.record import Record, load
from flambeau.ops.schema import Schema

ISAS = ("baseline", "avx2", "avx512")
LOOP_FILES = 12  # as in CMakeLists.txt
ENTRY_FILES = 14
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


def header(ordered) -> str:
    code = _NOTE + '#pragma once\n\n#include "core/dispatch/op.h"\n'
    code += '#include "core/dispatch/constants.h"\n\nnamespace flambeau {\n\n'
    code += "// One typed entry per overload.\nnamespace entry {\n"
    code += "".join(entries.declaration(s) for _, s in ordered)
    code += "}  // namespace entry\n\n// The same by their plain names.\nnamespace ops {\n"
    # What takes numbers for tensors has the C++ arguments of the overload that it stands behind.
    code += "".join(entries.public(s) for r, s in ordered if not r.tried_last)
    return code + "}  // namespace ops\n}  // namespace flambeau\n"


def kernels(records: list[Record]) -> str:
    """Declarations of the hand-written functions that the records name."""
    code = _NOTE + '#pragma once\n\n#include "core/dispatch/value.h"\n\nnamespace flambeau {\n'
    done = set()
    for r in records:
        for namespace, text in entries.kernel_declaration(r):
            if text not in done:
                done.add(text)
                code += f"namespace {namespace} {{\n{text}}}\n"
    return code + "}  // namespace flambeau\n"


def loop_file(loops: list[pw.Loop]) -> str:
    code = _NOTE + '#include "kernels/cpu/pointwise/loops.h"\n\n'
    code += "namespace flambeau::cpu::FLAMBEAU_ISA_NAMESPACE {\n"
    code += "\n".join(loop.source() for loop in loops)
    return code + "}  // namespace flambeau::cpu\n"


def loop_table(loops: list[pw.Loop]) -> str:
    code = _NOTE + '#include "kernels/cpu/pointwise/pointwise.h"\n\nnamespace flambeau {\n'
    return code + "".join(loop.table(ISAS) for loop in loops) + "}  // namespace flambeau\n"


def entry_file(records: list[Record], every: dict[str, Schema], nodes: dict[int, str]) -> str:
    unit = Unit(every)
    own = {id(r): printed.own(r, unit) for r in records}
    gradients = {id(r): Gradient(r, unit) for r in records if nodes.get(id(r))}
    code = _NOTE + '#include "core/dispatch/entry.h"\n\nnamespace flambeau {\n'
    code += "".join(r.source for r in records) + unit.code()
    for r in records:
        if r.kind == "pointwise":
            for loop in pw.loops(r.base or r):
                code += f"extern const PointwiseKernel {loop.name};\n"
            code += (
                tables.rules(r.base or r).replace(
                    "static const PointwiseRule", "[[maybe_unused]] static const PointwiseRule"
                )
                if r.base is None
                else ""
            )
    code += "namespace entry {\n"
    for r in records:
        code += own[id(r)]
        node, gradient = nodes.get(id(r)), gradients.get(id(r))
        if node:
            made = gradient.node(node)
            if r.inplace_node:
                made += gradient.node(r.inplace_node)
            code += f"namespace {{\n{made}}}  // namespace\n"
        for s in r.schemas():
            inplace = r.inplace_node if s.inplace else ""
            code += entries.function(r, s, gradient, inplace or node)
        code += boxed.functions(r)
    return code + "}  // namespace entry\n}  // namespace flambeau\n"


def table_file(records, ordered) -> str:
    code = _NOTE + '#include "core/dispatch/constants.h"\n#include "core/dispatch/names.h"\n'
    code += "\nnamespace flambeau {\nnamespace entry {\n"
    code += "".join(
        f"void boxed_{s.symbol}(const Op&, const Value*, Results&);\n" for _, s in ordered
    )
    code += "".join(boxed.declarations(r) for r in records)
    code += "}  // namespace entry\nnamespace {\n"
    code += tables.op_table(ordered) + tables.name_table(records, [s for _, s in ordered])
    code += "}  // namespace\nnamespace entry {\n"
    for i, (_, s) in enumerate(ordered):
        code += f"extern const Op* const op_{s.symbol};\n"
        code += f"const Op* const op_{s.symbol} = &kOps[{i}];\n"
    code += (
        "}  // namespace entry\nstd::span<const Op> builtin_ops() { return kOps; }\n"
        "std::span<const PythonName> python_names() { return kNames; }\n}  // namespace flambeau\n"
    )
    return code


def _shards(items: list, n: int, name: Callable) -> list[list]:
    """n files. An item's name decides its file, so that a new one changes no other file."""
    out: list[list] = [[] for _ in range(n)]
    for item in items:
        out[zlib.crc32(name(item).encode()) % n].append(item)
    return out


def _groups(records: list[Record], n: int) -> list[list[Record]]:
    """Records with the extra overloads that share their rules, kept together."""
    groups: dict[int, list[Record]] = {}
    for r in records:
        groups.setdefault(id(r.base or r), []).append(r)
    shards = _shards(list(groups.values()), n, lambda g: g[0].schema.full_name)
    return [[r for g in shard for r in g] for shard in shards]


def generate() -> dict[str, str]:
    """File name -> text."""
    records = load()
    ordered = forms(records)
    every = {s.symbol: s for _, s in ordered}
    nodes = names.node_names(records)
    groups = [loops for r in records if r.kind == "pointwise" and (loops := pw.loops(r))]
    files = {
        "flambeau/ops.h": header(ordered),
        "flambeau/kernels.h": kernels(records),
        "loop_table.cpp": loop_table([loop for group in groups for loop in group]),
        "table.cpp": table_file(records, ordered),
    }
    for i, shard in enumerate(_shards(groups, LOOP_FILES, lambda loops: loops[0].name)):
        files[f"loops_{i}.cpp"] = loop_file([loop for group in shard for loop in group])
    for i, shard in enumerate(_groups(records, ENTRY_FILES)):
        files[f"entries_{i}.cpp"] = entry_file(shard, every, nodes)
    return files


def write(folder: pathlib.Path) -> None:
    for name, text in generate().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
