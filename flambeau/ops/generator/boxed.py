"""The rule and the CPU kernel of an op, boxed: what meta, deferral and other devices call."""

from __future__ import annotations

from flambeau.ops.generator import entries, names
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema


def has_rule(record: Record) -> bool:
    return record.kind in ("pointwise", "structured")


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
    return ""


def _rule(symbol: str, body: str) -> str:
    return (
        f"void rule_of_{symbol}([[maybe_unused]] const Op& op, const Value* args, Specs& specs) "
        f"{{\n{body}}}\n"
    )


def _kernel(symbol: str, body: str) -> str:
    return (
        f"void kernel_of_{symbol}([[maybe_unused]] const Op& op, "
        f"[[maybe_unused]] const Tensor* outs, const Value* args) {{\n{body}}}\n"
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


def _structured(record: Record) -> str:
    schema = record.schema
    like = next(
        i for i, a in enumerate(schema.args) if a.type == "Tensor" and not (a.optional or a.out)
    )
    shape = entries.call(record.shape, "shape", [], schema)
    rule = f"{_unbox(schema)}  specs.put({shape}, {like});\n"
    results = names.results(record)
    outs = "".join(f"  const Tensor& {r} = outs[{i}];\n" for i, r in enumerate(results))
    kernel = f"{_unbox(schema)}{outs}  {entries.call(record.cpu, 'cpu', results, schema)};\n"
    return _rule(schema.symbol, rule) + _kernel(schema.symbol, kernel)
