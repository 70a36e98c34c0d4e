"""The tables that the run time reads: ops with their arguments, and the names that Python sees."""

from __future__ import annotations

from collections.abc import Callable

from flambeau.ops.generator import boxed, names
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.names import quoted
from flambeau.ops.record import Record
from flambeau.ops.samples import BOOLEAN
from flambeau.ops.schema import TYPES, Argument, Schema, default_cpp


def takes_number(record: Record, schema: Schema, index: int) -> bool:
    """Whether a Python number may stand for this tensor."""
    a = schema.args[index]
    if not a.is_tensor or a.name in BOOLEAN:
        return False
    if record.number_ok is not None:
        return a.name in record.number_ok and not a.mutated
    return record.kind == "pointwise" and index > 0 and not a.out


def is_factory(schema: Schema) -> bool:
    """Whether Python's ``requires_grad=`` is taken."""
    names = {a.name for a in schema.args}
    return {"dtype", "layout", "device", "pin_memory"} <= names and not schema.outs


def _argument(record: Record, schema: Schema, index: int, a: Argument) -> str:
    fields = [f".name = {quoted(a.name)}", f".type = Type::{TYPES[a.type][0]}"]
    said = ("optional", "optional_items", "list", "list_size", "keyword_only", "out", "mutated")
    fields += [f".{n} = {str(getattr(a, n)).lower()}" for n in said if getattr(a, n)]
    if a.alias:
        fields.append(f".alias = '{a.alias}'")
    if takes_number(record, schema, index):
        fields.append(".number_ok = true")
    default = default_cpp(a)
    if default is not None:
        fields.append(".has_default = true")
        if default not in ("Tensor()", "std::nullopt", "nullptr"):
            value = default
            if a.type == "Scalar":
                value = f"constant_scalar<{_scalar_text(a.default)}>"
            fields.append(f".default_value = constant({value})")
    return "{" + ", ".join(fields) + "}"


def _scalar_text(text: str) -> str:
    if text in ("True", "False"):
        return text.lower()
    return f"int64_t{{{text}}}" if text.lstrip("-").isdigit() else text


def _returns(schema: Schema) -> str:
    rows = []
    for r in schema.returns:
        alias = f"'{r.alias}'" if r.alias else "0"
        rows.append(
            f"{{Type::{TYPES[r.type][0]}, {str(r.list).lower()}, {str(r.mutated).lower()}, "
            f"{alias}, {quoted(r.name)}, {str(r.optional).lower()}}}"
        )
    return ", ".join(rows)


def tags(record: Record, schema: Schema) -> str:
    """In the order of this list, behind those that the record states."""
    known = {
        "pointwise": record.kind == "pointwise",
        "raises_on_values": record.checks_values or pw.has_parts(record),
        "inplace_view" if schema.inplace else "view": record.kind == "view",
        "composite_implicit": record.kind == "composite",
        "composite_explicit": record.kind == "native" and record.has_body,
        "inplace": schema.inplace,
        "out": schema.outs,
        "factory": is_factory(schema),
    }
    every = [*sorted(record.tags), *(t for t, holds in known.items() if holds)]
    return " | ".join(f"tag::{t}" for t in every) or "0"


def op_rows(record: Record) -> str:
    """The table's rows of one record; `op_table` puts those of all into order."""
    code = ""
    for schema in record.schemas():
        args = ",\n    ".join(_argument(record, schema, i, a) for i, a in enumerate(schema.args))
        if schema.args:
            code += f"static constinit const Argument args_{schema.symbol}[] = {{{args}}};\n"
        if schema.returns:
            code += f"static constexpr Return returns_{schema.symbol}[] = {{{_returns(schema)}}};\n"
        derived = schema.inplace or schema.outs
        functional = quoted(record.schema.full_name) if derived else "nullptr"
        code += (
            f"constinit const Op row_{schema.symbol} = "
            f'{{"aten", "{schema.name}", "{schema.overload}", '
            f"{quoted('aten::' + schema.text())}, "
            f"{f'args_{schema.symbol}' if schema.args else 'nullptr'}, {len(schema.args)}, "
            f"{f'returns_{schema.symbol}' if schema.returns else 'nullptr'}, "
            f"{len(schema.returns)}, {names.mask(record, schema)}, {tags(record, schema)}, "
            f"entry::boxed_{schema.symbol}, {functional}, {boxed.fields(record)}}};\n"
        )
    return code


def op_table(ordered: list[Schema]) -> str:
    """Pointers to the rows, sorted by name, then overload."""
    code = "".join(f"{names.row(s)};\n" for s in ordered)
    rows = "".join(f"    &row_{s.symbol},\n" for s in ordered)
    return f"{code}static const Op* const kOps[] = {{\n{rows}}};\n"


def autocast_table(records: list[Record]) -> str:
    """Which ops autocast runs in another dtype."""
    rows = "".join(
        f"    {{&row_{r.schema.symbol}, Autocast::{r.autocast}}},\n"
        for r in records
        if r.autocast not in ("", "none")
    )
    return f"static const AutocastRow kAutocast[] = {{\n{rows}}};\n"


class Name:
    def __init__(self, where, module, name, slot=None):
        self.where, self.module, self.name, self.slot = where, module, name, slot
        self.schemas: list[Schema] = []
        self.outs: list[Schema] = []
        self.is_property = where in ("property", "part")  # a part may be assigned: x.real = y


def _precedes(a: Schema, b: Schema) -> bool:
    """Whether ``a`` takes tensors where ``b`` takes numbers: a 0-dim tensor fits both."""
    kinds = [(x.type, y.type) for x, y in zip(a.args, b.args, strict=False)]
    differing = {k for k in kinds if k[0] != k[1]}
    return len(a.args) == len(b.args) and differing == {("Tensor", "Scalar")}


def python_names(records: list[Record]) -> list[Name]:
    """Functions, methods, operators and properties, with their overloads in the order of trial."""
    found: dict[tuple, Name] = {}

    def add(where, module, name, schema, slot=None, last=False):
        key = (where, module, name)
        entry = found.setdefault(key, Name(where, module, name, slot))
        entry.slot = entry.slot or slot
        target = entry.outs if schema.outs else entry.schemas
        if schema not in target:
            behind = (i for i, other in enumerate(target) if _precedes(schema, other))
            target.insert(next(behind, len(target)) if not last else len(target), schema)

    for record in records:
        written = record.inplace_functions
        if written is None:
            unary = record.inplace_only or len(record.schema.args) == 1
            written = (record.name, *record.aliases) if unary else ()
        for schema in record.schemas():
            suffix = "_" if schema.inplace and not record.inplace_only else ""
            for base in (record.name, *record.aliases):
                name = base + suffix
                if record.function_variant and (not schema.inplace or base in written):
                    add("function", record.module, name, schema, last=record.tried_last)
                if record.method and not schema.outs:
                    add("method", "", name, schema, last=record.tried_last)
            for python, slot in record.slots.items():
                augmented = python.startswith("__i") and python != "__invert__"
                if augmented == schema.inplace and not schema.outs:
                    add("method", "", python, schema, slot)
            if record.attribute and not schema.inplace and not schema.outs:
                where = "part" if record.writable else "property"
                add(where, "", record.attribute, schema)
    return list(found.values())


def name_table(
    records: list[Record], ordered: list[Schema], docstring: Callable[[str], str]
) -> str:
    index = {s.symbol: i for i, s in enumerate(ordered)}
    code, rows = "", []
    for i, n in enumerate(python_names(records)):
        ops = ", ".join(str(index[s.symbol]) for s in (*n.schemas, *n.outs))
        code += f"constexpr uint16_t ops_{i}[] = {{{ops}}};\n"
        slot = quoted(n.slot) if n.slot else "nullptr"
        doc = quoted(docstring(n.name)) if n.is_property else "nullptr"
        rows.append(
            f'    {{PythonName::Where::{n.where}, "{n.module}", "{n.name}", ops_{i}, '
            f"{len(n.schemas) + len(n.outs)}, {slot}, {doc}}}"
        )
    return code + "constexpr PythonName kNames[] = {\n" + ",\n".join(rows) + "};\n"


def rules(record: Record) -> str:
    """The dtype rules of a pointwise record, one per choice of its static arguments."""
    if record.base is not None:
        return ""
    code = ""
    for i, static in enumerate(pw.statics(record)):
        promote = pw.rule(record, static, "promote")
        mask = " | ".join(
            f"bit_of(DType::{_enum(d)})" for d in sorted(pw.rule(record, static, "dtypes"))
        )
        parts = pw.parts(record, static)
        shown = ", ".join(f"Part::{p}" for p in parts)
        code += (
            f"[[maybe_unused]] static const PointwiseRule rule_{record.schema.symbol}_{i} = {{"
            f"PointwiseRule::Promote::{promote}, PointwiseRule::Result::{record.result}, {mask}, "
            f"{str(record.result == 'real').lower()}, "
            f"{quoted(record.refuses_bool) if record.refuses_bool else 'nullptr'}, "
            f"{str(set(parts) != {'any'}).lower()}, {{{shown}}}}};\n"
        )
    return code


def _enum(dtype: str) -> str:
    return "boolean" if dtype == "bool" else dtype
