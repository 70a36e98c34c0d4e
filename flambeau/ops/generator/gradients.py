"""Gradients of structured ops, printed from their Python text into a node's apply()."""

from __future__ import annotations

import ast
import inspect

from flambeau.ops.generator import kinds
from flambeau.ops.generator.kinds import Val
from flambeau.ops.generator.source import Function, _is_docstring
from flambeau.ops.record import Record

# What is kept in place of a tensor: read as an attribute, or called.
_ATTRIBUTES = {
    "shape": ("sizes", "{}", "int[]"),
    "dtype": ("dtype", "{}", "dtype"),
    "device": ("options", "{}.device", "device"),
    "layout": ("options", "{}.layout", "layout"),
}
_METHODS = {
    "dim": ("sizes", "printed::len({})", "int"),
    "numel": ("sizes", "flambeau::count({})", "int"),
    "size": ("sizes", "{}", "int[]"),
    "stride": ("strides", "{}", "int[]"),
    "storage_offset": ("offset", "{}", "int"),
    "is_complex": ("dtype", "is_complex({})", "bool"),
    "is_floating_point": ("dtype", "is_floating({})", "bool"),
}


def index(tensors: list, arg) -> str:
    """Where an argument's gradients begin in `out`: lists before it take several places."""
    before = tensors[: tensors.index(arg)]
    counts = [f"{a.name}_count" for a in before if a.list]
    return " + ".join([str(len(before) - len(counts)), *counts])


class GradientSource(Function):
    """The statements of apply(), and what the node has to save for them."""

    def __init__(self, record: Record, unit, tensors: list, results: list[str], lists: bool):
        schema = record.schema
        types = {a.name: kinds.of_argument(a) for a in schema.args}
        types |= {n: "tensor" for n in results}
        types |= {"g": "tensor?[]" if lists else "tensor", "grads": "tensor?[]"}
        wanted = [
            n for n in inspect.signature(record.gradient).parameters if n not in ("ops", "needs")
        ]
        super().__init__(record.gradient, {}, unit)
        for n in wanted:
            if n not in types:
                raise self.where(f"a gradient is not given {n!r}")
        self.params = {n: types[n] for n in wanted}
        self.tensors = tensors
        self.places = [schema.arg(n) for n in record.differentiated]
        self.own = {n for n in wanted if n not in ("g", "grads")}
        self.kept = self.own & ({a.name for a in tensors} | set(results))
        self.saved: set[tuple[str, str]] = set()
        self.used_for: dict[str, set[str]] = {}
        self.only_returns = all(
            isinstance(s, ast.Return) for s in self.node.body if not _is_docstring(s)
        )

    def symbol(self, name):
        # Members and unpacked values have the names of the arguments.
        return name if name in self.params else super().symbol(name)

    def body(self):
        code = super().body()
        if not self.only_returns:
            everything = {a.name for a in self.tensors}
            self.used_for = {n: everything for n, what in self.saved if what == "value"}
        if "grads" in self.params:
            head = "  [[maybe_unused]] const TensorSpan grads_list(grads, num_inputs());\n"
            code = head + code
        return code

    def given(self):
        if "grads" in self.params:
            return {"grads": Val("grads_list", "tensor?[]", False)}
        return {}

    # -- what is saved

    def keep(self, name: str, what: str) -> None:
        self.saved.add((name, what))

    def ex_Name(self, e):
        v = super().ex_Name(e)
        self.reads(e.id, v)
        return v

    def reads(self, name, v):
        if name in self.own and v.code in (name, f"(*{name})"):
            self.keep(name, "value" if name in self.kept else "plain")

    def is_kept(self, e) -> bool:
        return (
            isinstance(e, ast.Name) and e.id in self.kept and not kinds.is_list(self.params[e.id])
        )

    def property(self, name: str, found: tuple[str, str, str]) -> Val:
        what, form, kind = found
        self.keep(name, what)
        return Val(form.format(f"{name}_{what}"), kind, False)

    def ex_Attribute(self, e):
        if self.is_kept(e.value) and e.attr in _ATTRIBUTES:
            return self.property(e.value.id, _ATTRIBUTES[e.attr])
        return super().ex_Attribute(e)

    def method(self, e):
        f = e.func
        if self.is_kept(f.value) and f.attr in _METHODS:
            v = self.property(f.value.id, _METHODS[f.attr])
            if e.args and f.attr in ("size", "stride"):
                at = self.as_type(self.expr(e.args[0]), "int", e)
                return Val(f"printed::at({v.code}, {at})", "int")
            return v
        return super().method(e)

    def ex_Compare(self, e):
        """``bias is None`` keeps no tensor."""
        if self.is_kept(e.left) and isinstance(e.ops[0], (ast.Is, ast.IsNot)):
            v = self.property(e.left.id, ("defined", "{}", "bool"))
            no = "!" if isinstance(e.ops[0], ast.Is) else ""
            return Val(f"{no}{v.code}", "bool")
        return super().ex_Compare(e)

    def ex_ListComp(self, e):
        """``[t.shape for t in tensors]`` keeps sizes in place of the tensors."""
        g = e.generators[0]
        if (
            len(e.generators) == 1
            and not g.ifs
            and isinstance(g.iter, ast.Name)
            and g.iter.id in self.kept
            and isinstance(e.elt, ast.Attribute)
            and isinstance(e.elt.value, ast.Name)
            and e.elt.value.id == g.target.id
            and e.elt.attr in ("shape", "dtype")
        ):
            what, kind = {"shape": ("sizes", "int[][]"), "dtype": ("dtype", "dtype[]")}[e.elt.attr]
            return self.property(g.iter.id, (what, "{}", kind))
        return super().ex_ListComp(e)

    def ex_Subscript(self, e):
        if isinstance(e.value, ast.Name) and e.value.id == "needs":
            at = self.expr(e.slice).literal
            if not isinstance(at, int):
                raise self.where("needs takes a number that is written out", e)
            a = self.places[at]
            return Val(f"needs({index(self.tensors, a)})" if a in self.tensors else "false", "bool")
        return super().ex_Subscript(e)

    # -- what is given back

    def do_Return(self, s, indent):
        if s.value is None:
            raise self.where("a gradient is returned", s)
        self.result = "none"
        made = s.value.elts if isinstance(s.value, ast.Tuple) else [s.value]
        if not isinstance(s.value, ast.Tuple):
            before = set(self.saved)
            v = self.expr(s.value)
            if v.type.startswith("("):
                return f"{indent}assign_needed(*this, out, {v.code});\n{indent}return;\n"
            self.saved = before
        if len(made) > len(self.places):
            raise self.where(f"there are {len(self.places)} tensors to give gradients", s)
        out = ""
        # In the order of names, as PyTorch runs them: modes see it.
        for a, e in sorted(zip(self.places, made, strict=False), key=lambda p: p[0].name):
            if a not in self.tensors:
                continue
            before, self.saved = self.saved, set()
            v = self.expr(e)
            if v.type != "none":
                for name, what in self.saved:
                    if what == "value":
                        self.used_for.setdefault(name, set()).add(a.name)
                at = index(self.tensors, a)
                if a.list:
                    code = self.as_type(v, "tensor?[]", s)
                    code = code if v.fresh else f"TensorVec({code}.begin(), {code}.end())"
                    out += f"{indent}spread(out + {at}, {code});\n"
                else:
                    want = "tensor?" if v.type == "tensor?" else "tensor"
                    out += f"{indent}if (needs({at})) out[{at}] = {self.as_type(v, want, s)};\n"
            self.saved |= before
        return out + f"{indent}return;\n"
