"""Names that several printers need: typed entries, nodes, masks."""

from __future__ import annotations

from collections import defaultdict

from flambeau.ops.record import Record
from flambeau.ops.schema import Schema

# Around all that is printed: the version is part of every symbol (docs/layout.md).
OPEN = "namespace flambeau::inline v1 {\n"
CLOSE = "}  // namespace flambeau::inline v1\n"


def family(record: Record) -> str:
    """The folder of the record below flambeau/ops."""
    return record.function.__module__.split(".")[2]


def header(record: Record) -> str:
    """The header that declares the op: in-place forms stand beside the functional ones."""
    plain = record.name.rstrip("_") if not record.name.startswith("__") else record.name
    return f"flambeau/ops/{plain}.h"


def camel(name: str) -> str:
    """``max_pool2d_with_indices`` -> ``MaxPool2DWithIndices``, as PyTorch names its nodes."""
    out = []
    for word in name.split("_"):
        if not word:
            continue
        chars = list(word)
        chars[0] = chars[0].upper()
        for i in range(1, len(chars)):
            if chars[i - 1].isdigit():
                chars[i] = chars[i].upper()
        out.append("".join(chars))
    return "".join(out)


def node_names(records: list[Record]) -> dict[int, str]:
    """id(record) -> node name. Overloads of one op are numbered in the order of definition."""
    counts: dict[str, int] = defaultdict(int)
    names = {}
    for r in records:
        if r.gradient is None or r.kind == "composite":
            continue
        if r.node:
            names[id(r)] = r.node
            continue
        base = r.name.rstrip("_") if r.inplace_only else r.name
        base = base.lstrip("_")
        names[id(r)] = f"{camel(base)}Backward{counts[base]}"
        counts[base] += 1
    return names


def mask(record: Record, schema: Schema) -> str:
    """The keys that concern an op, over what core/tensor/keys.h says of all."""
    if record.kind == "composite":
        return "kCompositeKeys"
    off = set(record.handles)
    mutates = schema.inplace or schema.outs
    if not any(a.type == "Tensor" for a in schema.args):
        off |= {"autograd", "conjugate", "negative"}
        if not any(a.type == "Device" for a in schema.args):
            off.add("backend")
    elif record.gradient is None and not mutates:
        off.add("autograd")
    if record.kind == "native" and record.has_body:
        off |= {"backend", "defer"}  # which see the parts
    without = "".join(f" & ~bit(Key::{k})" for k in sorted(off))
    return f"kAllKeys{without}"


def quoted(text: str) -> str:
    """As a C++ string."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def parameters(schema: Schema) -> str:
    return ", ".join(f"{a.cpp} {a.symbol}" for a in schema.args)


def arguments(schema: Schema) -> str:
    return ", ".join(a.symbol for a in schema.args)


def results(record: Record) -> list[str]:
    """What bodies and gradients call the outputs."""
    returns = record.schema.returns
    if len(returns) == 1:
        return ["result"]
    return [r.name or f"result{i}" for i, r in enumerate(returns)]


def row(schema: Schema) -> str:
    """The declaration of an op's row in the table, which stays inside the library."""
    return f'extern const Op row_{schema.symbol} [[gnu::visibility("hidden")]]'
