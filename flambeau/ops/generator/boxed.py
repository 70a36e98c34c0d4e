"""The rule and the CPU kernel of an op, boxed: what meta, deferral and other devices call."""

from __future__ import annotations

from flambeau.ops.generator import checks, entries, names
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema


def has_rule(record: Record) -> bool:
    return record.kind in ("pointwise", "structured") or record.rule is not None


def has_kernel(record: Record) -> bool:
    return record.kind in ("pointwise", "structured")


def _unbox(schema: Schema) -> str:
    return "".join(
        f"  [[maybe_unused]] decltype(auto) {a.symbol} = boxing::Unbox<{a.cpp}>::get(args[{i}]);\n"
        for i, a in enumerate(schema.args)
    )


def fields(record: Record) -> str:
    """The places of both in a row of the table."""
    symbol = record.schema.symbol
    rule = f"entry::rule_of_{symbol}" if has_rule(record) else "nullptr"
    kernel = f"entry::kernel_of_{symbol}" if has_kernel(record) else "nullptr"
    return f"{rule}, {kernel}"


def functions(record: Record) -> str:
    if record.kind == "pointwise":
        return _pointwise(record)
    if record.kind == "structured":
        return _structured(record)
    return _rule_of(record) if record.rule else ""


def _rule(symbol: str, body: str) -> str:
    return (
        f"static void rule_of_{symbol}([[maybe_unused]] const Op& op, "
        f"[[maybe_unused]] const Value* args, [[maybe_unused]] Specs& specs) "
        f"{{\n{body}}}\n"
    )


def _kernel(symbol: str, body: str) -> str:
    return (
        f"static void kernel_of_{symbol}([[maybe_unused]] const Op& op, "
        f"[[maybe_unused]] const Tensor* outs, [[maybe_unused]] const Value* args) {{\n{body}}}\n"
    )


def _pointwise(record: Record) -> str:
    schema = record.schema
    setup, rule, kernel, span = entries.pointwise_setup(record, schema)
    setup = _unbox(schema) + setup
    given = f"op.name, {rule}, {kernel}"
    return _rule(schema.symbol, f"{setup}  pointwise_rule({given}, inputs, {span}, specs);\n") + (
        _kernel(
            schema.symbol,
            f"{setup}  Tensor target = outs[0];\n"
            f"  pointwise({given}, target, inputs, {span}, false);\n",
        )
    )


def _rule_of(record: Record) -> str:
    schema = record.schema
    call = entries.rule_call(record, schema)
    like = entries.like(schema)
    put = f"  specs.put(spec, {-1 if like is None else like});\n"
    body = f"  const auto spec = {call};\n"
    if record.inplace_only or not schema.returns:
        put, body = "", f"  {call};\n"
    if record.kind == "structured":
        body += checks.dtypes(record, schema)
    return _rule(schema.symbol, f"{_unbox(schema)}{body}{put}")


def _structured(record: Record) -> str:
    schema = record.schema
    results = [] if record.inplace_only else names.results(record)
    outs = "".join(
        f"  [[maybe_unused]] const Tensor& {r} = outs[{i}];\n" for i, r in enumerate(results)
    )
    kernel = f"{_unbox(schema)}{outs}  {entries.call(record.cpu, 'cpu', results, schema)};\n"
    return _rule_of(record) + _kernel(schema.symbol, kernel)
