"""Autograd nodes: the gradient of a record, printed as a C++ node and the entry that records it."""

from __future__ import annotations

from dataclasses import dataclass

from flambeau.ops import trace
from flambeau.ops.generator import names
from flambeau.ops.generator import pointwise as pw
from flambeau.ops.generator.gradients import GradientSource, index
from flambeau.ops.generator.source import Unit
from flambeau.ops.record import Record
from flambeau.ops.schema import Argument, Schema

PROPERTIES = {  # of an input, kept instead of it: member type and how it is read
    "sizes": ("Dims", "Dims({}.sizes())"),
    "strides": ("Dims", "Dims({}.strides())"),
    "dtype": ("DType", "{}.dtype()"),
    "offset": ("int64_t", "{}.offset()"),
    "options": ("TensorOptions", "{}.options()"),
    "defined": ("bool", "{}.defined()"),
}


@dataclass
class Member:
    """Something that a node keeps: its type, how it is filled and how apply() reads it back."""

    type: str
    name: str
    save: str
    unpack: str
    output: bool = False

    @property
    def saved(self) -> bool:
        return self.type in ("SavedTensor", "SavedTensors")

    @property
    def derived(self) -> bool:
        return any(self.name.endswith(f"_{p}") for p in PROPERTIES)


class Gradient:
    """What a record's gradient saves, and the body of the node's apply()."""

    def __init__(self, record: Record, unit: Unit):
        self.record, self.schema = record, record.schema
        self.tensors = [a for a in self.schema.args if a.type == "Tensor"]
        self.results = names.results(record)
        self.uses: set[tuple[str, str]] = set()
        self.used_for: dict[str, set[str]] = {}  # saved tensor -> arguments whose gradient reads it
        self.body: list[str] = []
        if record.has_gradient_loops:
            self._pointwise()
        else:
            self._printed(unit)

    def differentiable(self) -> list[int]:
        if self.record.differentiable is not None:
            return list(self.record.differentiable)
        return list(range(len(self.schema.returns)))

    # -- bodies

    def _pointwise(self) -> None:
        r = self.record
        branches = []
        for i, static in enumerate(pw.statics(r)):
            grads = sorted(pw.gradient_formulas(r, static).items())
            branches.append((static, "".join(self._pointwise_gradient(i, *g) for g in grads)))
        if len(branches) == 1:
            self.body.append(branches[0][1])
            return
        for i, (static, code) in enumerate(branches):
            test = is_chosen(r, static)
            self.body.append(f"    {'else ' if i else ''}if ({test}) {{\n{code}    }}\n")
        self.uses |= {(n, "plain") for n in r.static}

    def _pointwise_gradient(self, i: int, arg: str, grad: trace.Expr) -> str:
        r, used = self.record, trace.uses(grad)
        inputs = [a.name for a in pw.operands(r)]
        at = index(self.tensors, self.schema.arg(arg))
        self.uses |= {(arg, "sizes"), (arg, "dtype")}
        plain = {a.name for a in self.schema.args if a.type != "Tensor"}
        for n in used - {"g"}:
            self.uses.add((n, "plain" if n in plain else "value"))
            self.used_for.setdefault(n, set()).add(arg)
        finish = f"grad_to({{}}, {arg}_sizes, {arg}_dtype)"
        known = "formula::zeros_like(g)" if grad.op == "const" else "g" if pw.trivial(grad) else ""
        if known:
            return f"      if (needs({at})) out[{at}] = {finish.format(known)};\n"
        pointers = ", ".join(f"&{n}" for n in ("g", *inputs, "result") if n in used)
        params = [a.name for a in pw.params(r)]
        self.uses |= {(n, "plain") for n in params if n in used}
        symbol = (r.base or r).schema.symbol
        unused = ", ".join(n if n in used else "Scalar()" for n in params)
        scalars = f"std::initializer_list<Scalar>{{{unused}}}"
        kernel = f"{symbol}_{i}_grad_{arg}"
        call = f"gradient_of({kernel}, {arg}_dtype, {{{pointers}}}, {scalars})"
        code = f"wants_ops({{{pointers}}}) ? {trace.tensor_code(grad)} : {call}"
        factor = _scalar_factor(grad, params)
        if factor:
            code = f"{factor}.equal(1) ? g : {code}"
        return f"      if (needs({at})) out[{at}] = {finish.format(f'({code})')};\n"

    def _printed(self, unit: Unit) -> None:
        """A gradient whose Python text is printed."""
        lists = len(self.schema.returns) == 1 and self.schema.returns[0].list
        source = GradientSource(self.record, unit, self.tensors, self.results, lists)
        self.body.append(source.body())
        self.uses |= source.saved
        self.used_for = source.used_for

    # -- printing

    def members(self) -> list[Member]:
        args = {a.name: a for a in self.schema.args}
        return [self._member(n, what, args.get(n)) for n, what in sorted(self.uses) if n != "g"]

    def _member(self, name: str, what: str, arg: Argument | None) -> Member:
        """What is kept of an argument, or of a result, for which ``arg`` is None."""
        output = arg is None
        if what == "value" and not output and arg.list:
            unpack = f"const TensorVec {name} = {name}_.unpack(this);"
            return Member("SavedTensors", name, f"{name}_.save({name})", unpack)
        if what == "value":
            save = f"{name}_.save({name}, {str(output).lower()})"
            unpack = f"const Tensor {name} = {name}_.unpack(this);"
            return Member("SavedTensor", name, save, unpack, output)
        if what == "plain":
            number = f"const Tensor {name} = wrapped_number({name}_);"
            unpack = number if name in self.record.as_tensor else _unpack(arg)
            kept = f".assign({name})" if arg.member == "Dims" else f" = {_keep(arg)}"
            return Member(arg.member, name, f"{name}_{kept}", unpack)
        kind, read = PROPERTIES[what]
        if not output and arg.list:
            kind, read = f"std::vector<{kind}>", f"{what}_of({{}})"
        member = f"{name}_{what}"
        unpack = f"[[maybe_unused]] const auto& {member} = {member}_;"
        if kind == "Dims" and (output or not arg.optional):
            save = f"{member}_.assign({name}.{what}())"
            return Member(kind, member, save, unpack, output)
        return Member(kind, member, f"{member}_ = {_guarded(arg, read, name)}", unpack, output)

    def node(self, name: str) -> str:
        members = self.members()
        fields = "".join(f"  {m.type} {m.name}_{_init(m.type)};\n" for m in members)
        fields += "".join(f"  size_t {a.name}_count = 0;\n" for a in self.tensors if a.list)
        released = " ".join(f"{m.name}_.reset();" for m in members if m.saved)
        lists = len(self.schema.returns) == 1 and self.schema.returns[0].list
        g = "const TensorSpan g(grads, num_inputs());" if lists else "const Tensor& g = grads[0];"
        unpacked = "".join(f"    {m.unpack}\n" for m in members)
        return (
            f"struct {name} final : Node {{\n{fields}"
            f'  const char* name() const override {{ return "{name}"; }}\n'
            f"  void release_variables() override {{ {released} }}\n"
            f"{_saved_fields(name, members)}"
            f"  void apply([[maybe_unused]] const Tensor* grads, Tensor* out) override {{\n"
            f"    if (!any_defined(grads, num_inputs())) return;\n"
            f"    [[maybe_unused]] {g}\n{unpacked}{''.join(self.body)}  }}\n}};\n"
        )

    def saves(self, outputs: bool, inplace: bool = False) -> str:
        """The statements that fill a node before (inputs) or after (outputs) the call."""
        code = ""
        first = self.schema.args[0].name if self.schema.args else ""
        for m in self.members():
            if m.output != outputs:
                continue
            save = m.save
            if inplace and m.saved and m.name == first:  # the value before it is overwritten
                save = f"{first}_.save(entry::clone({first}, std::nullopt), false)"
            code += f"    {self._when_read(m)}node->{save};\n"
        if not outputs:
            code += "".join(
                f"    node->{a.name}_count = {a.name}.size();\n" for a in self.tensors if a.list
            )
        return code

    def _when_read(self, m: Member) -> str:
        """A tensor is kept only where a gradient that is wanted will read it."""
        readers = self.used_for.get(m.name, set())
        if not m.saved or not readers or readers == {a.name for a in self.tensors}:
            return ""
        return f"if (any_needs_grad({', '.join(sorted(readers))})) "

    def saved_outputs(self) -> list[str]:
        """Names of the results that the node keeps something of."""
        kept = {name for name, _ in self.uses}
        return [
            n for n in self.results if n in kept and n not in {a.name for a in self.schema.args}
        ]


def _init(kind: str) -> str:
    return "" if kind.startswith(("Saved", "std::", "Dims", "Scalar", "Tensor")) else "{}"


def _guarded(arg: Argument | None, read: str, name: str) -> str:
    text = read.format(name)
    if arg is not None and arg.optional:
        return f"{name}.defined() ? {text} : decltype({text})()"
    return text


def _keep(a: Argument) -> str:
    """Borrowed arguments are copied into the node."""
    if a.type == "str":
        return f"keep_string({a.name})"
    if a.list:
        return f"keep_list({a.name})"
    return a.name


def _unpack(a: Argument) -> str:
    if a.list and a.optional:
        return f"const auto {a.name} = optional_span({a.name}_);"
    if a.list and a.type == "int":
        return f"const IntSpan {a.name} = {a.name}_;"
    if a.type == "str":
        kind = "std::optional<std::string_view>" if a.optional else "std::string_view"
        return f"const {kind} {a.name} = {a.name}_;"
    return f"[[maybe_unused]] const auto& {a.name} = {a.name}_;"


def is_chosen(record: Record, static: tuple) -> str:
    """Whether a call's static arguments have these values."""
    pairs = zip(record.static, static)
    return " && ".join(f"is_static({name}, {_static_literal(v)})" for name, v in pairs)


def _static_literal(value) -> str:
    if value is None:
        return "nullptr"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _scalar_factor(grad: trace.Expr, params: list[str]) -> str:
    """For g * parameter: the parameter, since a factor of one needs no pass over memory."""
    if grad.op != "mul":
        return ""
    a, b = grad.args
    while b.op == "conj":
        b = b.args[0]
    if a.op == "operand" and a.value == "g" and b.op == "param" and b.value in params:
        return b.value
    return ""


_FIELD_KINDS = {
    "SavedTensor": "tensor",
    "SavedTensors": "tensors",
    "int64_t": "integer",
    "std::optional<int64_t>": "optional_integer",
    "double": "floating",
    "bool": "boolean",
    "Scalar": "scalar",
    "Dims": "dims",
    "DType": "dtype",
    "std::string": "string",
}


def _saved_fields(node: str, members: list[Member]) -> str:
    shown = [m for m in members if m.type in _FIELD_KINDS and not m.derived]
    if not shown:
        return ""
    rows = ", ".join(
        f'{{"{m.name}", SavedField::Kind::{_FIELD_KINDS[m.type]}, [](const Node* n) -> const void* '
        f"{{ return &static_cast<const {node}*>(n)->{m.name}_; }}}}"
        for m in shown
    )
    return (
        f"  const SavedField* saved_fields(size_t* n) const override {{\n"
        f"    static constexpr SavedField kFields[] = {{{rows}}};\n"
        f"    *n = {len(shown)};\n    return kFields;\n  }}\n"
    )


def entry(record: Record, schema: Schema, gradient: Gradient, node: str) -> str:
    """The autograd entry of the functional or in-place form."""
    tensors = ", ".join(a.name for a in schema.args if a.type == "Tensor")
    below = f"entry::{schema.symbol}({names.arguments(schema)})"
    inplace = schema.inplace
    requires = f"any_needs_grad({tensors})"
    code = f"static {schema.cpp_return} {schema.symbol}({names.parameters(schema)}) {{\n"
    self_name = schema.args[0].name if schema.args else ""
    if inplace:
        code += f'  check_inplace({self_name}, {requires}, "{schema.name}");\n'
    code += f"  Ref<Node> history;\n  {node}* node = nullptr;\n  if ({requires}) {{\n"
    code += f"    node = make_node<{node}>(history, {tensors});\n"
    code += f"{gradient.saves(False, inplace)}  }}\n"
    if inplace:
        code += f"  {{\n    const Exclude off(kAutograd);\n    {below};\n  }}\n"
        follow = "continue_history" if record.kind == "view" else "rebase_history"
        code += f"  if (node) {{\n    {follow}({self_name}, history);\n"
        outputs = gradient.saves(True)
        if outputs:
            code += f"    const Tensor& result = {self_name};\n{outputs}"
        return code + f"  }}\n  return {self_name};\n}}\n"
    code += (
        "  auto results = [&] "
        f"{{\n    const Exclude off(kAutograd);\n    return {below};\n  }}();\n"
    )
    code += "  if (node) {\n"
    if len(schema.returns) == 1:
        code += "    set_history(results, history);\n"
        if gradient.saves(True):
            code += "    const auto& result = results;\n" + gradient.saves(True)
    else:
        for i in gradient.differentiable():
            code += f"    set_history(std::get<{i}>(results), history);\n"
        for i, name in enumerate(gradient.results):
            if name in gradient.saved_outputs():
                code += f"    const Tensor& {name} = std::get<{i}>(results);\n"
        code += gradient.saves(True)
    return code + "  }\n  return results;\n}\n"
