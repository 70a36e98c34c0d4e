"""Declarations by op and by family, and which headers a generated source needs.

Nothing lists headers: a source's text says which functions it calls, and the hand-written headers
say what they declare.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Iterator

from flambeau.ops.generator import entries, names
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema

Form = tuple[Record, Schema]

# Where hand-written functions stand that records and their gradients name, by namespace.
_PLACES = {
    "shape": "kernels/shape/*.h",
    "cpu": "kernels/cpu/*/*.h",
    "formula": "core/autograd/formulas*.h",
    "native": "kernels/native/*.h",
}
_DECLARED = re.compile(
    r"^(?:[\[\]\w:<>,&* ]+[ &*])(\w+)\(|^(?:struct|class|enum class) (\w+)|^constexpr .*?(\w+) =",
    re.M,
)
_NAMESPACE = re.compile(r"^namespace (?:flambeau(?:::inline v\d+)?(?:::)?)?(\w*) ?\{", re.M)
_USED = re.compile(r"\b(\w+)::(?=(\w+)\b)")


def op_headers(ordered: list[Form]) -> dict[str, str]:
    """File name -> one op's typed entries, and the overloads that C++ programs call."""
    groups: dict[str, list[Form]] = {}
    for r, s in ordered:
        if not r.each:
            groups.setdefault(names.header(r), []).append((r, s))
    files = {}
    for name, listed in groups.items():
        code = '#pragma once\n\n#include "core/dispatch/constants.h"\n'
        code += f'#include "core/dispatch/value.h"\n\n{names.OPEN}namespace entry {{\n'
        code += "".join(entries.declaration(s) for _, s in listed)
        code += "}  // namespace entry\nnamespace ops {\n"
        # What takes numbers for tensors has the C++ arguments of the overload it stands behind.
        code += "".join(entries.public(s) for r, s in listed if not r.tried_last)
        files[name] = code + "}  // namespace ops\n" + names.CLOSE
    return files


def umbrella(files: Iterable[str]) -> str:
    return "#pragma once\n\n" + includes(files)


def kernel_headers(records: list[Record]) -> dict[str, str]:
    """File name -> the hand-written functions that a family's records name."""
    families: dict[str, list[Record]] = {}
    for r in records:
        families.setdefault(names.family(r), []).append(r)
    files = {}
    for name, members in families.items():
        declared = kernel_declarations(members)
        if declared:
            code = f'#pragma once\n\n#include "core/dispatch/value.h"\n\n{names.OPEN}'
            files[f"flambeau/kernels/{name}.h"] = code + declared + names.CLOSE
    return files


def kernel_declarations(records: list[Record]) -> str:
    found = dict.fromkeys(d for r in records for d in entries.kernel_declaration(r))
    return "".join(f"namespace {namespace} {{\n{text}}}\n" for namespace, text in found)


def includes(files: Iterable[str]) -> str:
    return "".join(f'#include "{name}"\n' for name in sorted(files))


class Headers:
    """Knows which header declares a qualified name."""

    def __init__(self, root: pathlib.Path, ordered: list[Form]):
        self.places: dict[tuple[str, str], set[str]] = {}
        self.families: dict[tuple[str, str], str] = {}  # a function that a record names -> header
        for r, s in ordered:
            for namespace, text in entries.kernel_declaration(r):
                function = text.partition("(")[0].rpartition(" ")[2]
                self.families[namespace, function] = f"flambeau/kernels/{names.family(r)}.h"
            self._add("entry", s.symbol, names.header(r))
            self._add("ops", entries.public_name(s), names.header(r))
        for namespace, pattern in _PLACES.items():
            for path in sorted(root.glob(pattern)):
                for inside, name in declared(path.read_text()):
                    if inside == namespace:
                        self._add(namespace, name, path.relative_to(root).as_posix())

    def _add(self, namespace: str, name: str, header: str) -> None:
        self.places.setdefault((namespace, name), set()).add(header)

    def needed(self, code: str) -> set[str]:
        """The headers of what a source with this text uses and does not declare itself."""
        used = set(_USED.findall(code))
        strange = used & self.families.keys() - self.places.keys() - set(declared(code))
        found = {n for name in used for n in self.places.get(name, ())}
        return found | {self.families[name] for name in strange}


def declared(code: str) -> Iterator[tuple[str, str]]:
    """(namespace below flambeau, name) of what stands at the left margin."""
    inside = [""]
    for line in code.splitlines():
        opened = _NAMESPACE.match(line)
        if opened:
            inside.append(opened[1])
        elif line.startswith("}  // namespace"):
            inside.pop()
        else:
            for found in _DECLARED.findall(line):
                yield from ((inside[-1], name) for name in found if name)
