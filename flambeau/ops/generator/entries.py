"""Typed entries: for each op the plain entry, the autograd entry, the boxed form and the body."""

from __future__ import annotations

from flambeau.ops.generator import checks, names, printed
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.autograd import Gradient, is_chosen
from flambeau.ops.generator.autograd import entry as autograd_entry
from flambeau.ops.record import Record
from flambeau.ops.schema import Schema, default_cpp


def function(record: Record, schema: Schema, gradient: Gradient | None, node: str | None) -> str:
    """The code of one op (one form of a record)."""
    out = f"// {schema.text()}\n"
    autograd = ""
    if record.kind == "composite":
        pass  # its parts are recorded
    elif schema.outs:
        autograd = _below(schema, _check_out(schema))
    elif gradient is not None:
        autograd = autograd_entry(record, schema, gradient, node)
    elif schema.inplace:
        autograd = _inplace_without_gradient(schema)
    if autograd:
        out += f"namespace autograd {{\n{autograd}}}\n"
    keys = ", ".join(a.symbol for a in schema.args if a.type in ("Tensor", "Device", "Layout"))
    body = _body(record, schema)
    out += f"{names.row(schema)};\n"
    out += f"{schema.cpp_return} {schema.symbol}({names.parameters(schema)}) {{\n"
    out += f"  constexpr KeySet kConcerned = {names.mask(record, schema)};\n"
    out += f"  KeySet keys = active_keys(kConcerned{', ' + keys if keys else ''});\n"
    args = names.arguments(schema)
    typed = (
        "    if (keys < 2 * kAutograd && (keys & kAutograd)) return "
        f"autograd::{schema.symbol}({args});\n"
    )
    call = f"call_slow<{schema.cpp_return}>(row_{schema.symbol}, keys"
    out += (
        "  if (keys) [[unlikely]] {\n"
        f"    if (keys >= bit(Key::profiler)) keys = settled(row_{schema.symbol}, keys);\n"
        f"{typed if autograd else ''}"
        f"    if (keys) return {call}{', ' + args if args else ''});\n  }}\n{body}}}\n"
    )
    return out + _boxed(schema)


def _boxed(schema: Schema) -> str:
    unboxed = ", ".join(
        f"boxing::Unbox<{a.cpp}>::get(args[{i}])" for i, a in enumerate(schema.args)
    )
    call = f"entry::{schema.symbol}({unboxed})"
    if schema.cpp_return != "void":
        call = f"boxing::Give<{schema.cpp_return}>::put(results, {call})"
    return (
        f"static void boxed_{schema.symbol}(const Op&, [[maybe_unused]] const Value* args, "
        f"[[maybe_unused]] Results& results) {{\n  {call};\n}}\n\n"
    )


def _check_out(schema: Schema) -> str:
    tensors = ", ".join(a.symbol for a in schema.args if a.type == "Tensor")
    return f'  check_out("{schema.name}", any_needs_grad({tensors}));\n'


def _below(schema: Schema, first: str) -> str:
    """An entry of autograd that looks at its arguments first, and records nothing."""
    return (
        f"static {schema.cpp_return} {schema.symbol}({names.parameters(schema)}) {{\n{first}"
        f"  const Exclude off(kAutograd);\n"
        f"  return entry::{schema.symbol}({names.arguments(schema)});\n}}\n"
    )


def _inplace_without_gradient(schema: Schema) -> str:
    """The result does not depend on what self was: its history becomes a node of zeros."""
    tensors = ", ".join(a.name for a in schema.args if a.type == "Tensor")
    first = schema.args[0].name
    if schema.args[0].list:
        return _below(schema, f'  refuse_gradient("{schema.name}", any_needs_grad({tensors}));\n')
    return (
        f"static {schema.cpp_return} {schema.symbol}({names.parameters(schema)}) {{\n"
        f'  check_inplace({first}, any_needs_grad({tensors}), "{schema.name}");\n'
        f'  Ref<ZeroGradient> node = zero_gradient_node("{names.camel(schema.name.rstrip("_"))}'
        f'Backward0", {first});\n'
        f"  {{\n    const Exclude off(kAutograd);\n"
        f"    entry::{schema.symbol}({names.arguments(schema)});\n  }}\n"
        f"  if (node) rebase_history({first}, node);\n  return {first};\n}}\n"
    )


# ---- bodies


def _body(record: Record, schema: Schema) -> str:
    print_body = {
        "pointwise": _pointwise_body,
        "structured": _structured_body,
        "native": _native_body,
        "view": _view_body,
        "composite": _native_body,
    }[record.kind]
    return checks.may_write(record, schema) + print_body(record, schema)


def _finish(schema: Schema) -> str:
    """Version bumps and the value of an in-place or out form."""
    return "".join(f"  bump_version({n});\n" for n in _written(schema)) + _value(schema)


def _written(schema: Schema) -> list[str]:
    return [schema.args[0].name] if schema.inplace else [a.symbol for a in schema.outs]


def _value(schema: Schema) -> str:
    """The value of an in-place or out form whose writes were counted by what wrote."""
    return f"  return {_together(_written(schema))};\n" if schema.returns else ""


def _together(values: list[str]) -> str:
    return values[0] if len(values) == 1 else "{" + ", ".join(values) + "}"


def pointwise_setup(record: Record, schema: Schema) -> tuple[str, str, str, str]:
    """Statements that gather the operands, then the names of rule, kernel and numbers."""
    inputs = pw.operands(record)
    numbers = [a.name for a in inputs if a.name in record.as_tensor]
    lines = "".join(f"  const Tensor {n}_number = wrapped_number({n});\n" for n in numbers)
    pointers = [f"&{a.name}_number" if a.name in numbers else f"&{a.name}" for a in inputs]
    params = ", ".join(a.name for a in pw.params(record))
    symbol = (record.base or record).schema.symbol
    kernel, rule = f"{symbol}_0", f"rule_{symbol}_0"
    if record.static:
        lines += _select(record, symbol, schema.name)
        kernel, rule = "*kernels[chosen]", "*rules[chosen]"
    lines += f"  const Scalar scalars[] = {{{params}}};\n" if params else ""
    lines += f"  const Tensor* const inputs[] = {{{', '.join(pointers)}}};\n"
    return lines, rule, kernel, "scalars" if params else "{}"


def _pointwise_body(record: Record, schema: Schema) -> str:
    target = ["Tensor()", *_written(schema)][-1]
    lines, rule, kernel, span = pointwise_setup(record, schema)
    inplace = "true" if schema.inplace else "false"
    lines = f"  Tensor target = {target};\n" + lines
    lines += f'  pointwise("{schema.name}", {rule}, {kernel}, target, inputs, {span}, {inplace});\n'
    if schema.inplace or schema.outs:
        return lines + _finish(schema)
    return lines + "  return target;\n"


def _select(record: Record, symbol: str, name: str) -> str:
    values = pw.statics(record)
    kernels = ", ".join(f"&{symbol}_{i}" for i in range(len(values)))
    rules = ", ".join(f"&rule_{symbol}_{i}" for i in range(len(values)))
    code = (
        f"  static const PointwiseKernel* const kernels[] = {{{kernels}}};\n"
        f"  static const PointwiseRule* const rules[] = {{{rules}}};\n  int chosen = -1;\n"
    )
    for i, value in enumerate(values):
        code += f"  if ({is_chosen(record, value)}) chosen = {i};\n"
    for arg, allowed in record.static.items():
        if set(allowed) == {False, True}:  # there is no other
            continue
        shown = ", ".join("None" if v is None else f"'{v}'" for v in allowed)
        code += (
            f'  if (chosen < 0) raise("{name} expected {arg} to be one of {shown}, but found \'", '
            f'show_static({arg}), "\'");\n'
        )
    return code


def call(text: str, namespace: str, leading: list[str], schema: Schema) -> str:
    """A record's C++ expression; a bare name takes everything in order."""
    if not text:  # nothing is left to do
        return ""
    if "(" in text:
        return text if "::" in text.split("(")[0] else f"{namespace}::{text}"
    args = [*leading, *(a.name for a in schema.args if not a.out)]
    return f"{namespace}::{text}({', '.join(args)})"


def rule_call(record: Record, schema: Schema) -> str:
    return printed.call(record, schema) if record.rule else call(record.shape, "shape", [], schema)


def like(schema: Schema) -> int | None:
    """The argument whose device outputs follow."""
    for i, a in enumerate(schema.args):
        if a.type == "Tensor" and not (a.optional or a.out):
            return i
    return None


def _as_out(schema: Schema) -> str:
    """Factories fill an ``out=`` in its dtype, on its device; what is asked for has to be that."""
    code = ""
    for a in schema.args if schema.outs else ():
        if a.optional and a.type in ("ScalarType", "Device"):
            own, default = f"{schema.outs[0].symbol}.{a.name}()", default_cpp(a)
            if like(schema) is None:
                weak = "" if default == "std::nullopt" else f" || *{a.symbol} == {default}"
                code += f"  if (!{a.symbol}{weak}) {a.symbol} = {own};\n"
            code += f'  if ({a.symbol}) check_as_out("{schema.name}", *{a.symbol}, {own});\n'
    return code


def _structured_body(record: Record, schema: Schema) -> str:
    if record.inplace_only:
        return _mutating_body(record, schema)
    results = names.results(record)
    followed = like(schema)
    at_once, over_self = False, record.over_self and schema.inplace
    if followed is not None:
        a = schema.args[followed]
        followed = a.name if a.is_tensor else f"{a.name}[0]"
        at_once = bool(record.rule and a.is_tensor and not schema.outs)
        at_once = at_once and printed.spec_kind(record) == "spec" and not over_self
    if at_once:
        given = printed.call(record, schema, f"Allocated{{{followed}}}")
        code = f"  Tensor {results[0]} = {given};\n"
        code += checks.dtypes(record, schema, f"bit_of({results[0]}.dtype())")
    else:
        code = f"{_as_out(schema)}  const auto spec = {rule_call(record, schema)};\n"
        code += checks.dtypes(record, schema)
    code += checks.outs(record, schema, "spec")
    inputs = _inputs(schema)
    when = ", true" if record.checks_values else ""
    if schema.outs and record.separate_out:
        code += _separate(schema)
    for i, r in enumerate(results):
        spec = "spec" if len(results) == 1 else f"std::get<{i}>(spec)"
        if schema.outs:
            code += (
                f'  const Tensor {r} = take_out("{schema.name}", {schema.outs[i].symbol}, {spec}, '
                f"{{{inputs}}}{when});\n"
            )
        elif at_once:
            pass
        elif record.rule and "placed" in printed.spec_kind(record):
            code += f"  Tensor {r} = allocate({spec});\n"
        else:
            own = f"{followed}.is_contiguous() ? {followed} : " if over_self else ""
            code += f"  Tensor {r} = {own}allocate({spec}, {followed});\n"
    kernel = call(record.cpu, "cpu", results, schema)
    if kernel:
        code += f"  if (!{results[0]}.is_meta()) {kernel};\n"
    if schema.outs:
        for a, r in zip(schema.outs, results):
            code += f'  give_out("{schema.name}", {a.symbol}, {r});\n'
        return code + _value(schema)
    if schema.inplace:
        code += f'  give_inplace("{schema.name}", {followed}, {results[0]});\n'
        return code + _value(schema)
    moved = results if len(results) == 1 else [f"std::move({r})" for r in results]
    return code + f"  return {_together(moved)};\n"


def _mutating_body(record: Record, schema: Schema) -> str:
    """An in-place op of its own: a rule that checks, and a kernel that writes the argument."""
    first = schema.args[0].name
    kernel = call(record.cpu, "cpu", [], schema)
    checked = f"  {rule_call(record, schema)};\n{checks.dtypes(record, schema)}"
    if schema.args[0].list:  # what is written of which is counted by the kernel
        return f"{checked}  if (!is_meta({first})) {kernel};\n{_value(schema)}"
    return f"{checked}  if (!{first}.is_meta()) {kernel};\n{_finish(schema)}"


def _inputs(schema: Schema) -> str:
    """All tensors that are read, as spans."""
    inputs = [a for a in schema.args if a.type == "Tensor" and not a.out]
    return ", ".join(a.name if a.list else f"TensorSpan(&{a.name}, 1)" for a in inputs)


def _separate(schema: Schema) -> str:
    return "".join(
        f'  check_separate("{schema.name}", {a.symbol}, {{{_inputs(schema)}}});\n'
        for a in schema.outs
    )


def view_call(record: Record, schema: Schema) -> str:
    """The views that a rule tells of."""
    first = schema.args[0].name
    if printed.spec_kind(record) == "view":
        return printed.call(record, schema, f"ViewOf{{{first}}}")
    return f"alias_of({first}, {printed.call(record, schema)})"


def body_call(record: Record, schema: Schema) -> str:
    if record.has_body:
        return printed.body_call(record, schema)
    if record.rule and not record.cxx:  # other geometry over memory that nobody else sees
        return view_call(record, schema)
    return call(record.cxx or record.schema.symbol, "native", [], schema)


def _native_body(record: Record, schema: Schema) -> str:
    functional = body_call(record, schema)
    refused = checks.dtypes(record, schema) if record.kind == "native" else ""
    return refused + _given_body(record, schema, functional)


def _given_body(record: Record, schema: Schema, functional: str) -> str:
    if schema.symbol in printed.PLACED:
        code = _check_out(schema) if record.kind == "composite" and schema.outs else ""
        return f"{code}  {printed.body_call(record, schema, True)};\n{_value(schema)}"
    if record.inplace_only:
        code = f"  {functional};\n"
        # What takes autograd's key itself modifies no memory.
        counts = record.kind == "native" and "autograd" not in record.handles
        counts = counts and schema.args[0].is_tensor
        return code + (_finish(schema) if counts else _value(schema))
    if schema.outs:
        code = _check_out(schema) if record.kind == "composite" else ""
        code += _separate(schema) if record.separate_out else ""
        code += _as_out(schema)
        code += f"  auto made = {functional};\n"
        code += checks.outs(record, schema, "made")
        for i, a in enumerate(schema.outs):
            part = "made" if len(schema.outs) == 1 else f"std::get<{i}>(made)"
            code += f'  resize_and_give("{schema.name}", {a.symbol}, {part});\n'
        return code + _value(schema)
    if schema.inplace:
        first = schema.args[0].name
        code = f'  give_inplace("{schema.name}", {first}, {functional});\n'
        return code + _value(schema)
    return f"  return {functional};\n"


def _view_body(record: Record, schema: Schema) -> str:
    first = schema.args[0].name
    made = call(record.cxx or record.schema.symbol, "native", [], schema)
    if record.rule:
        made = view_call(record, schema)
        if record.flips:
            made = f"flipped({made}, bit(Key::{record.flips}))"
    if schema.inplace:
        return f"  take_geometry({first}, {made});\n" + _finish(schema)
    return f"  return as_view({first}, {made}, Creation::{record.creation});\n"


# ---- declarations


def declaration(schema: Schema) -> str:
    return f"{schema.cpp_return} {schema.symbol}({names.parameters(schema)});\n"


def public(schema: Schema) -> str:
    """The overload that C++ programs call, with the schema's defaults."""
    params, required = [], len(schema.args)
    while required and schema.args[required - 1].default is not None:
        required -= 1
    for i, a in enumerate(schema.args):
        default = default_cpp(a) if i >= required else None
        params.append(f"{a.cpp} {a.symbol}" + (f" = {default}" if default is not None else ""))
    return (
        f"inline {schema.cpp_return} {public_name(schema)}({', '.join(params)}) "
        f"{{ return entry::{schema.symbol}({names.arguments(schema)}); }}\n"
    )


def public_name(schema: Schema) -> str:
    return f"{schema.name}_out" if schema.outs else schema.name


def kernel_declaration(record: Record) -> list[tuple[str, str]]:
    """(namespace, declaration) of the hand-written functions that a record names."""
    schema = record.schema
    out = []
    params = names.parameters(schema)
    if record.kind == "structured" and record.cpu and "(" not in record.cpu:
        results = [] if record.inplace_only else names.results(record)
        outs = ", ".join(f"const Tensor& {r}_out" for r in results)
        both = ", ".join(p for p in (outs, params) if p)
        out.append(("cpu", f"void {record.cpu}({both});\n"))
    own = record.has_body or (record.rule and not record.cxx)
    if record.kind in ("native", "view", "composite") and "(" not in record.cxx and not own:
        result = "void" if record.inplace_only else schema.cpp_return
        out.append(("native", f"{result} {record.cxx or schema.symbol}({params});\n"))
    return out
