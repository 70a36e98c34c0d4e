"""Renamed copies of records, to see what many more ops would cost (tools/cost.py)."""

from __future__ import annotations

import re
from dataclasses import replace

from flambeau.ops.generator import entries
from flambeau.ops.generator.main import grouped
from flambeau.ops.record import Record, load


def copy(group: list[Record], k: int) -> list[Record]:
    """A record and the overloads that share its rules, under the name of their k-th copy."""
    made: list[Record] = []
    for r in group:
        name = r.name
        new = f"{name.rstrip('_')}_c{k}" + ("_" if name.endswith("_") else "")
        fields: dict = {"schema": replace(r.schema, name=new), "slots": {}, "aliases": ()}
        fields |= {"attribute": "", "base": made[0] if r.base else None}
        fields |= {f: f"{getattr(r, f)}C{k}" for f in ("node", "inplace_node") if getattr(r, f)}
        if any(namespace == "native" for namespace, _ in entries.kernel_declaration(r)):
            fields["cxx"] = r.cxx or r.schema.symbol
        if r.source:  # its function is printed with each copy, so each needs its own
            old = fields.get("cxx", r.cxx)
            fields["cxx"] = f"{old}_c{k}"
            fields["source"] = re.sub(rf"\b{old}\b", fields["cxx"], r.source)
        made.append(replace(r, **fields))
    return made


def add(n: int, full_name: str = "") -> None:
    """Copies the records of a name once, then all in turn until there are n: the mix stays."""
    records = load()
    groups = [g for g in grouped(records) if not g[0].name.startswith("__")]
    for group in groups:
        if group[0].schema.full_name == full_name:
            records += copy(group, 0)
    k = 0
    while len(records) < n:
        k += 1
        for group in groups:
            if len(records) < n:
                records += copy(group, k)
