"""Rules and bodies of records as typed C++ functions."""

from __future__ import annotations

import inspect
import keyword
import re

from flambeau.ops.generator import kinds
from flambeau.ops.generator.source import Function, Unit
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema

MOST_OUTPUTS = 6  # Specs::kMax of core/dispatch/specs.h; a list has room for any number
_SPECS: dict[int, str] = {}  # id of a record -> what its rule gives
PLACED: set[str] = set()  # symbols of the in-place and out forms that have bodies of their own


def _params(function, schema: Schema) -> dict[str, str]:
    """The types of a function's parameters, by the schema's arguments."""
    types = {a.name: kinds.of_argument(a) for a in schema.args}
    types |= {f"{n}_": types[n] for n in list(types) if keyword.iskeyword(n)}
    wanted = [n for n in inspect.signature(function).parameters if n != "ops"]
    unknown = [n for n in wanted if n not in types]
    if unknown:
        where = Function(function, {}, Unit({})).where
        raise where(f"{schema.full_name} has no argument {', '.join(unknown)}")
    return {n: types[n] for n in wanted}


def rule(record: Record, unit: Unit) -> str:
    """The rule as a function of typed arguments."""
    f = Function(record.rule, _params(record.rule, record.schema), unit, gives=True)
    code, kind = f.define(f"static {{}} typed_rule_{record.schema.symbol}")
    words = kinds.members(kind) if kind.startswith("(") else [kind.removesuffix("[]")]
    if any(w not in (*kinds.SPECS, "none") for w in words):
        raise f.where(f"a rule gives Spec(...), and this one gives {kind}")
    if len(words) > MOST_OUTPUTS:
        raise f.where(f"{len(words)} outputs: the most are {MOST_OUTPUTS}, or one list")
    _SPECS[id(record)] = kind
    return code


def spec_kind(record: Record) -> str:
    """spec, view, placed, none, a list or a tuple of them."""
    return _SPECS[id(record)]


def call(record: Record, schema: Schema, give: str = "GivenSpec()") -> str:
    """The call of a typed rule, from any form of the record; ``give`` takes its one spec."""
    own = {a.name: b.symbol for a, b in zip(record.schema.args, schema.args, strict=False)}
    own |= {f"{n}_": own[n] for n in list(own) if keyword.iskeyword(n)}
    args = [own[n] for n in _params(record.rule, record.schema)]
    args += [give] if spec_kind(record) in kinds.GIVEN else []
    return f"typed_rule_{record.schema.symbol}({', '.join(args)})"


def body(record: Record, unit: Unit) -> str:
    """The body of a composite."""
    want = "none" if record.inplace_only else kinds.of_returns(record.schema)
    f = Function(record.function, _params(record.function, record.schema), unit, want)
    code = f.define(f"static {{}} body_of_{record.schema.symbol}")[0]
    both = record.inplace and record.out and "[&]" not in code
    return code + "".join(_placed(s, code, unit) for s in record.schemas()[1:] if both)


def _placed(schema: Schema, code: str, unit: Unit) -> str:
    """The body of a form with a place for the result: the op it ends in writes there if it can."""
    at, first = (schema.outs or schema.args)[0].symbol, schema.args[0].symbol
    give = "resize_and_give" if schema.outs else "give_inplace"

    def leave(found):
        op = re.fullmatch(rf"entry::(\w+)\(({first}\b.*)\)", found[2])
        forms = [s for s in unit.ops.values() if op and _is_form(s, unit.ops[op[1]], schema)]
        other = f'{give}("{schema.name}", {at}, {found[2]})'
        if not forms:
            return f"{found[1]}return {other};"
        PLACED.add(schema.symbol)
        there = f"entry::{forms[0].symbol}({op[2]}{f', {at}' * len(schema.outs)})"
        fits = f"takes_result_like({at}, {first})" if schema.outs else "true"
        return f"{found[1]}return {fits} ? static_cast<void>({there}) : {other};"

    params, rest = code.partition("(")[2].split(") {\n", 1)
    rest = re.sub(r"^( *)return (.*);$", leave, rest, flags=re.MULTILINE)
    params += f", const Tensor& {at}" * len(schema.outs)
    whole = f"static void body_of_{schema.symbol}({params}) {{\n{rest}"
    return whole if schema.symbol in PLACED else ""


def _is_form(s: Schema, of: Schema, like: Schema) -> bool:
    """Whether a schema is that of ``of`` with a place for its result, as ``like`` has one."""
    named = s.name == of.name + "_" * like.inplace and s.inplace == like.inplace
    mine = [a.type for a in s.args if not a.out]
    other = s.symbol != like.symbol and len(s.outs) == len(like.outs)
    return named and other and mine == [a.type for a in of.args]


def own(record: Record, unit: Unit) -> str:
    """What of a record is printed before its entries."""
    if record.rule:
        return rule(record, unit)
    return body(record, unit) if record.has_body else ""


def body_call(record: Record, schema: Schema, placed: bool = False) -> str:
    names = [*_params(record.function, record.schema), *["out"] * (placed and bool(schema.outs))]
    return f"body_of_{(schema if placed else record.schema).symbol}({', '.join(names)})"
