"""What every entry with a kernel checks before it touches memory, said once for all records."""

from __future__ import annotations

from flambeau.ops.record import Record
from flambeau.ops.schema import Schema


def dtypes(record: Record, schema: Schema, result: str = "") -> str:
    """Refuses dtypes that have no loops, of arguments and of results (``spec``, or ``result``)."""
    if record.opaque:
        return ""
    given = [
        f"bit_of({a.name}.dtype())" if a.is_tensor and not a.optional else f"bits_of({a.name})"
        for a in schema.args
        if a.type == "Tensor" and not a.out
    ]
    if record.kind == "structured" and not record.inplace_only:
        n = len(record.schema.returns)
        made = ["spec"] if n == 1 else [f"std::get<{i}>(spec)" for i in range(n)]
        given += [result] if result else [f"bit_of({spec}.dtype)" for spec in made]
    return f'  check_loops("{schema.name}", {" | ".join(given)});\n' if given else ""


def may_write(record: Record, schema: Schema) -> str:
    """Refuses to write what must not be written (tensors of inference mode, outside of it)."""
    if "autograd" in record.handles:
        return ""
    written = [a.symbol for a in schema.outs]
    if schema.inplace and record.kind != "composite":  # whose parts look for themselves
        written = [a.symbol for a in schema.args if a.mutated]
    return "".join(f"  check_may_write({name});\n" for name in written)


def outs(record: Record, schema: Schema, results: str) -> str:
    """Several out= are refused together, before the first is resized. ``results``: the tuple of
    what they will hold."""
    if not schema.outs:
        return ""
    places = "".join(
        f'  check_places("{schema.name}", {schema.outs[i].symbol});\n' for i in record.places
    )
    if len(schema.outs) < 2:
        return places
    names = ", ".join(f"&{a.symbol}" for a in schema.outs)
    given = ", ".join(f"std::get<{i}>({results})" for i in range(len(schema.outs)))
    return places + f'  check_outs("{schema.name}", {{{names}}}, {{{given}}});\n'
