"""Docstrings: what a record says in words, and what follows from its other fields."""

from __future__ import annotations

from collections.abc import Iterable

from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator import signatures, tables
from flambeau.ops.record import ALL, BOOL, COMPLEX, FLOATING, INTEGRAL, Record

DTYPE_GROUPS = (
    ("bool", BOOL),
    ("integers", INTEGRAL),
    ("real floats", FLOATING),
    ("complex", COMPLEX),
)
RESULTS = {"boolean": "bool", "real": "the real dtype that belongs to the input's"}


def dtype_text(dtypes: Iterable[str]) -> str:
    left = set(dtypes)
    parts = []
    for name, group in DTYPE_GROUPS:
        if group <= left:
            parts.append(name)
            left -= group
    if not left and len(parts) == len(DTYPE_GROUPS):
        return "all"
    return ", ".join([*parts, *sorted(left)])


def _dtype_rules(record: Record) -> dict[str, list[str]]:
    """A pointwise record's rules in words, each with the static arguments that choose it."""
    rules: dict[str, list[str]] = {}
    for static in pw.statics(record):
        text = dtype_text(pw.rule(record, static, "dtypes"))
        if pw.rule(record, static, "promote") == "floating":
            text += "; integers are computed in the default float dtype"
        text += f". The result's is {RESULTS.get(record.result, 'the common dtype')}."
        choice = ", ".join(f"{n}={v!r}" for n, v in zip(record.static, static))
        rules.setdefault(text, []).append(f"({choice})")
    return rules


def _dtype_lines(record: Record) -> list[str]:
    rules = _dtype_rules(record)
    if len(rules) == 1:
        return [f"Dtypes: {next(iter(rules))}"]
    return [f"Dtypes {', '.join(choices)}: {text}" for text, choices in rules.items()]


def _error_lines(record: Record) -> list[str]:
    refused = [ALL - pw.rule(record, static, "dtypes") for static in pw.statics(record)]
    always = frozenset.intersection(*refused)
    lines = []
    if record.refuses_bool:
        always -= BOOL
        lines.append("Errors: `RuntimeError` for bool.")
    if always:
        lines.append(f"Errors: `NotImplementedError` for {dtype_text(always)}.")
    return lines


def gradient_text(record: Record) -> str:
    if record.gradient is not None:
        if record.has_gradient_loops:
            found = pw.gradient_formulas(record, pw.statics(record)[0])
            return f"flows to {', '.join(f'`{n}`' for n in found)}."
        return "yes."
    if record.kind == "composite":
        return "by the ops that it is made of."
    return f"none: {record.no_gradient}." if record.no_gradient else "none."


def facts(record: Record) -> list[str]:
    lines = []
    if record.kind == "pointwise":
        operands = [a for a in record.schema.args if a.is_tensor]
        shape = "the operands broadcast to one shape" if len(operands) > 1 else "any"
        lines = [f"Shapes: {shape}.", *_dtype_lines(record), *_error_lines(record)]
    lines.append(f"Gradient: {gradient_text(record)}")
    lines += [f"In place: `Tensor.{record.name}_`."] if record.inplace and record.method else []
    return lines


_known: dict[tuple[int, int], tuple[dict, dict]] = {}  # which list of records -> name -> records


def _names(records: list[Record]) -> tuple[dict, dict]:
    """The records that are called a name, and those that Python finds under it."""
    key = id(records), len(records)
    if key not in _known:
        own: dict[str, list[Record]] = {}
        others: dict[str, list[Record]] = {}
        for r in records:
            own.setdefault(r.name, []).append(r)
            aliases = [n for a in r.aliases for n in (a, f"{a}_")]
            for name in dict.fromkeys([f"{r.name}_", *aliases, *r.slots, r.attribute]):
                others.setdefault(name, []).append(r)
        _known[key] = own, others
    return _known[key]


def found(name: str, records: list[Record]) -> list[Record]:
    """The records behind a Python name: an op, an alias, an in-place form or an operator."""
    own, others = _names(records)
    return own.get(name) or others.get(name, []) if name else []


def shown(records: list[Record], name: str) -> list[str]:
    """The signatures under a name."""
    if any(r.attribute == name for r in records):
        return [f"Tensor.{name}"]
    lines: list[str] = []
    for r in records:
        form = r.schema
        called = name.strip("_") if name in r.slots else name
        if name.endswith("_") and r.inplace and r.name != name and name not in r.slots:
            form = r.schema.as_inplace()
        method = not r.function_variant or form.inplace
        out = r.schema.as_out(r.out_overload) if r.out and form is r.schema else None
        for s in signatures.of(r, form, name=called, method=method, out=out):
            text = s.text()
            text = (
                f"Tensor.{text.replace('self, ', '').replace('(self)', '()')}" if method else text
            )
            lines += [text] if text not in lines else []
    return lines


def _other_overloads(group: list[Record], main: Record) -> list[str]:
    told, lines = {main.doc}, []
    for r in group:
        if r.base is None and r.doc not in told and "\n" not in r.doc:
            told.add(r.doc)
            lines.append(f"{r.schema.overload or r.name}: {r.doc}")
    return ["\n".join(lines)] if lines else []


def docstring(name: str, records: list[Record]) -> str:
    """Signatures, the record's words, and the facts that follow from its fields."""
    group = found(name, records)
    if not group:
        return ""
    main = next((r for r in group if ">>>" in r.doc), group[0])
    words, _, example = main.doc.partition("\n>>> ")
    parts = ["\n".join(shown(group, name)), words.strip()]
    parts += _other_overloads(group, main)
    parts.append("\n".join(facts(main)))
    parts += [">>> " + example.strip()] if example else []
    return "\n\n".join(p for p in parts if p)


def book(records: list[Record]) -> str:
    """All docstrings, behind a line that says which bytes are whose (see `flambeau.ops.doc`)."""
    own, others = _names(records)
    places, text, at = [" "], [], 0
    for name in sorted({*own, *others} - {"", None}):
        doc = docstring(name, records)
        length = len(doc.encode())
        places.append(f"{name}:{at}:{length} ")
        at += length
        text.append(doc)
    return "".join(places) + "\n" + "".join(text)


def variants(record: Record) -> str:
    """f(unction), m(ethod), o(perator), p(roperty), i(n-place), out=: the letters that apply."""
    letters = [
        ("f", record.function_variant and not record.inplace_only),
        ("m", record.method),
        ("o", bool(record.slots)),
        ("p", bool(record.attribute)),
        ("i", record.inplace or record.inplace_only),
        ("=", record.out),
    ]
    return "".join(letter if on else "." for letter, on in letters)


def python_names(records: list[Record], symbols: set[str]) -> list[str]:
    """Where Python finds the ops with these symbols."""
    out = []
    for n in tables.python_names(records):
        if not symbols & {s.symbol for s in (*n.schemas, *n.outs)}:
            continue
        place = "flambeau" if n.where == "function" else "Tensor"
        if n.module:
            place += f"._C.{n.module}" if n.module.startswith("_") else f".{n.module}"
        out.append(f"{place}.{n.name}" + (f" ({n.slot})" if n.slot else ""))
    return out
