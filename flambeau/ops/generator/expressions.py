"""Expressions of printed Python: see source.py."""

from __future__ import annotations

import ast
import functools
import inspect
import math
import types

from flambeau.ops import language
from flambeau.ops.generator import kinds
from flambeau.ops.generator.borrows import Borrows, lenders, moved
from flambeau.ops.generator.kinds import Unsettled, Val
from flambeau.ops.generator.names import quoted
from flambeau.ops.generator.specs import Specs
from flambeau.ops.schema import default_cpp

_COMPARES = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_INT = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "floordiv", ast.Mod: "mod"}
_FLOAT = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: ""}
_BITS = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}
_TENSOR = {ast.Add: "add_Tensor", ast.Sub: "sub_Tensor", ast.Mult: "mul_Tensor"}
_TENSOR[ast.Div] = "div_Tensor"

_ISINSTANCE = {"float": "is_floating()", "complex": "is_complex()", "bool": "is_boolean()"}
_ISINSTANCE["int"] = "is_integral(true)"


class Expressions(Specs, Borrows):
    """The part of Function that translates expressions."""

    def expr(self, e) -> Val:
        handler = getattr(self, f"ex_{type(e).__name__}", None)
        if handler is None:
            raise self.where(f"{type(e).__name__} is not in the subset", e)
        return handler(e)

    def as_type(self, v: Val, want: str, node) -> str:
        code = kinds.converted(v, want)
        if code is None:
            raise self.where(f"this is {v.type}, where {want} is needed", node)
        return code

    def condition(self, e) -> str:
        """What an if asks: Python's truth of integers, lists and strings."""
        v = self.expr(e)
        if v.type == "bool":
            return v.code
        if v.type == "int":
            return f"{v.code} != 0"
        if kinds.is_list(v.type) or v.type == "str":
            return f"!{v.code}.empty()"
        if kinds.is_list(kinds.plain(v.type)):
            return f"({v.code} && !{v.code}->empty())"
        raise self.where(f"the truth of {v.type} is not asked for: compare, or `is None`", e)

    # -- atoms

    def ex_Name(self, e):
        v = self.known.get(e.id)
        if e.id in self.hoisted - self.given_to:
            raise self.where(f"{e.id} has no value on some path to this line", e)
        if v is not None:
            return v
        if e.id in self.globals:
            found = self.globals[e.id]
            if found is None or isinstance(found, (bool, int, float, str)):
                return self.constant(found, e)
            raise self.where(f"{e.id} is not a value that is printed", e)
        raise self.where(f"{e.id} is not known here", e)

    def ex_Constant(self, e):
        return self.constant(e.value, e)

    def constant(self, v, e) -> Val:
        if v is None:
            return Val("std::nullopt", "none")
        if isinstance(v, bool):
            return Val(str(v).lower(), "bool", literal=v)
        if isinstance(v, int) and not -(2**63) <= v < 2**63:
            raise self.where(f"{v} is beyond 64 bits", e)
        if v == -(2**63):
            return Val("INT64_MIN", "int", literal=v)
        if isinstance(v, int):
            return Val(f"int64_t{{{v}}}", "int", literal=v)
        if isinstance(v, float):
            if math.isinf(v) or math.isnan(v):
                text = '__builtin_nan("")' if math.isnan(v) else "__builtin_inf()"
                return Val(f"-{text}" if v < 0 else text, "float", literal=v)
            return Val(repr(v), "float", literal=v)
        if isinstance(v, str):
            return Val(quoted(v), "literal", literal=v)
        raise self.where(f"the constant {v!r} is not in the subset", e)

    def ex_Attribute(self, e):
        if isinstance(e.value, ast.Name) and e.value.id not in self.known:
            root = e.value.id
            if root in kinds.ENUMS:
                kind, cxx, names = kinds.ENUMS[root]
                name = e.attr.removesuffix("_format")
                return Val(f"{cxx}::{names.get(name, name)}", kind)
            if root == "math" and e.attr in ("inf", "nan", "pi"):
                return self.constant(getattr(math, e.attr), e)
        v = self.expr(e.value)
        if v.type in kinds.SPECS and e.attr in ("sizes", "dtype"):
            return Val(f"{v.code}.{e.attr}", {"sizes": "int[]", "dtype": "dtype"}[e.attr], False)
        return self.member(v, e.attr, kinds.ATTRIBUTES, e)

    def member(self, v: Val, name: str, table: dict, e) -> Val:
        found = table.get((kinds.plain(v.type), name))
        if found is None:
            raise self.where(f"{v.type} has no {name} in the subset", e)
        base = self.as_type(v, kinds.plain(v.type), e)
        return Val(found[0].format(base), found[1], False)

    def ex_List(self, e):
        items = [self.held_by_list(i) for i in e.elts]
        if not items:
            return Val("{}", "empty[]", items=[])
        kind = items[0].type
        for i in items[1:]:
            kind = kinds.joined(kind, i.type) or "?"
        kind = kinds.settled(kind)
        if kind == "?":
            raise self.where("the elements of a list have one type", e)
        if kind == "none":
            return Val("", "none[]", items=items)
        parts = [self.as_type(i, kind, e) for i in items]
        return Val(kinds.listed(parts, kind + "[]"), kind + "[]", items=items)

    def ex_Tuple(self, e):
        items = [self.expr(i) for i in e.elts]
        words = [kinds.settled(i.type) for i in items]
        code = (
            f"{kinds.value('(' + ', '.join(words) + ')')}{{{', '.join(i.code for i in items)}}}"
            if "none" not in words and "empty[]" not in words
            else "{}"
        )
        return Val(code, f"({', '.join(words)})", items=items)

    # -- operators

    def ex_BinOp(self, e):
        return self.operate(type(e.op), self.expr(e.left), self.expr(e.right), e)

    def operate(self, op, a: Val, b: Val, e) -> Val:
        if "tensor" in (kinds.plain(a.type), kinds.plain(b.type)):
            if op not in _TENSOR:
                raise self.where("this operator of tensors is not in the subset", e)
            return self.op_call(_TENSOR[op], [a, b], {}, e)
        if kinds.is_list(a.type) or kinds.is_list(b.type):
            return self.operate_lists(op, a, b, e)
        x, y = kinds.plain(a.type), kinds.plain(b.type)
        if x == y == "int" or {x, y} == {"int", "bool"} and op not in _BITS:
            left, right = self.integer(a, e), self.integer(b, e)
            if op in _INT:
                return Val(f"printed::{_INT[op]}({left}, {right})", "int")
            if op in _BITS:
                return Val(f"({left} {_BITS[op]} {right})", "int")
            if op is ast.Div:
                return Val(f"printed::divided({left}, {right})", "float")
        if x == y == "bool" and op in _BITS:
            return Val(f"({a.code} {_BITS[op]} {b.code})", "bool")
        if "scalar" in (x, y) and op is ast.Sub:
            left, right = self.as_type(a, "scalar", e), self.as_type(b, "scalar", e)
            return Val(f"printed::sub({left}, {right})", "scalar")
        if {x, y} <= {"int", "float"} and op in _FLOAT:
            left, right = self.as_type(a, "float", e), self.as_type(b, "float", e)
            if op is ast.Div:
                return Val(f"printed::divided({left}, {right})", "float")
            return Val(f"({left} {_FLOAT[op]} {right})", "float")
        raise self.where(f"{type(op()).__name__} of {a.type} and {b.type} is not in the subset", e)

    def integer(self, v: Val, e) -> str:
        return f"int64_t{{{v.code}}}" if v.type == "bool" else self.as_type(v, "int", e)

    def operate_lists(self, op, a: Val, b: Val, e) -> Val:
        if op is ast.Add and kinds.is_list(a.type) and kinds.is_list(b.type):
            kind = kinds.joined(a.type, b.type)
            if kind == "empty[]":
                raise Unsettled(str(self.where("nothing says what these lists hold", e)))
            if any(not v.fresh and v.code not in self.owned for v in (a, b)):
                # In Python a size is no list, and a list and a tuple cannot be added.
                raise self.where("copy what is added with list(...)", e)
            if kind in ("int[]", "tensor[]"):
                left, right = self.as_type(a, kind, e), self.as_type(b, kind, e)
                return Val(f"printed::joined({left}, {right})", kind)
        if op is ast.Mult and a.items is not None and b.type == "int" and len(a.items) == 1:
            n = f"static_cast<size_t>(std::max<int64_t>({b.code}, 0))"
            return Val(f"{kinds.value(a.type)}({n}, {a.items[0].code})", a.type)
        if op is ast.Mult and a.type == "int[]" and b.type == "int":
            return Val(f"printed::repeated({a.code}, {b.code})", a.type)
        raise self.where(f"this operator of {a.type} and {b.type} is not in the subset", e)

    def ex_UnaryOp(self, e):
        if isinstance(e.op, ast.Not):
            return Val(f"!({self.condition(e.operand)})", "bool")
        v = self.expr(e.operand)
        if isinstance(e.op, ast.USub):
            if v.literal is not None and not isinstance(v.literal, (bool, str)):
                return self.constant(-v.literal, e)
            if kinds.plain(v.type) == "tensor":
                return self.op_call("neg", [v], {}, e)
            if v.type == "float":
                return Val(f"(-{v.code})", "float")
            return Val(f"printed::neg({self.as_type(v, 'int', e)})", "int")
        raise self.where("this operator is not in the subset", e)

    def ex_BoolOp(self, e):
        both = isinstance(e.op, ast.And)
        parts, before = [], {}
        for v in e.values:
            parts.append(self.condition(v))
            before = self.narrow(self.facts(v)[0 if both else 1]) | before
        self.known.update(before)
        return Val("(" + (" && " if both else " || ").join(parts) + ")", "bool")

    def ex_Compare(self, e):
        left, parts = self.expr(e.left), []
        for op, right in zip(e.ops, e.comparators, strict=True):
            r = self.expr(right)
            parts.append(self.compare(op, left, r, e))
            left = r
        return Val(parts[0] if len(parts) == 1 else "(" + " && ".join(parts) + ")", "bool")

    def compare(self, op, a: Val, b: Val, e) -> str:
        if isinstance(op, (ast.Is, ast.IsNot)):
            if b.type != "none":
                raise self.where("`is` compares with None alone", e)
            yes = isinstance(op, ast.IsNot)
            if kinds.plain(a.type) == "tensor":
                return f"{'' if yes else '!'}{a.code}.defined()"
            if not a.type.endswith("?"):
                if a.type == "none":
                    return "false" if yes else "true"
                return "true" if yes else "false"  # a helper serves what may be None and what not
            if a.type == "generator?":
                return f"{a.code} {'!=' if yes else '=='} nullptr"
            return f"{'' if yes else '!'}{a.code}.has_value()"
        if isinstance(op, (ast.In, ast.NotIn)):
            no = "!" if isinstance(op, ast.NotIn) else ""
            if b.items:
                same = (self.compare(ast.Eq(), a, i, e) for i in b.items)
                return f"{no}({' || '.join(same)})"
            if b.type == "empty[]":
                return "false"  # until a later line tells what it holds
            want = kinds.element(b.type)
            return f"{no}printed::contains({b.code}, {self.as_type(a, want, e)})"
        sign = _COMPARES[type(op)]
        x, y = kinds.plain(a.type), kinds.plain(b.type)
        if "scalar" in (x, y) and sign in ("==", "!="):
            number, other = (a, b) if x == "scalar" else (b, a)
            test = f"{self.as_type(number, 'scalar', e)}.equal({self.as_type(other, 'float', e)})"
            return test if sign == "==" else f"!{test}"
        if {x, y} <= {"int", "float", "bool"}:
            kind = "float" if "float" in (x, y) else x if x == y else "int"
            if kind == "int":
                return f"({self.integer(a, e)} {sign} {self.integer(b, e)})"
            exact = all(v.literal is None or abs(v.literal) >= 2**53 for v in (a, b))
            if {x, y} == {"int", "float"} and exact:
                left, right = self.as_type(a, x, e), self.as_type(b, y, e)
                return f"(printed::compared({left}, {right}) {sign} 0)"
            return f"({self.as_type(a, kind, e)} {sign} {self.as_type(b, kind, e)})"
        text = {"str", "literal"}
        if {x, y} <= text and sign in ("==", "!="):
            if {x, y} == {"literal"}:
                raise self.where("two constants are compared", e)
            if a.type.endswith("?") or b.type.endswith("?"):
                return f"({a.code} {sign} {b.code})"
            return f"(std::string_view({a.code}) {sign} {b.code})"
        if x == y and x in ("dtype", "device", "layout", "format") and sign in ("==", "!="):
            return f"({a.code} {sign} {b.code})"
        if kinds.is_list(x) or kinds.is_list(y):
            raise self.where("lists are compared with same(a, b)", e)
        raise self.where(f"{a.type} and {b.type} are not compared in the subset", e)

    def ex_IfExp(self, e):
        test, (here, otherwise) = self.condition(e.test), self.facts(e.test)
        before = self.narrow(here)
        a = self.expr(e.body)
        self.known.update(before)
        before = self.narrow(otherwise)
        b = self.expr(e.orelse)
        self.known.update(before)
        kind = kinds.joined(a.type, b.type)
        words = {a.type, b.type}
        if kind is None and words <= {"int", "float", "bool", "scalar"}:
            kind = "float" if words == {"int", "float"} else "scalar"
        if kind is None:
            raise self.where(f"one branch is {a.type}, the other {b.type}", e)
        x, y = self.as_type(a, kind, e), self.as_type(b, kind, e)
        lists = kinds.is_list(kinds.plain(kind))
        fresh = not lists or a.fresh or b.fresh
        if kind in ("none", "empty[]"):
            return a
        if kind == "literal":
            return Val(f"({test} ? {x} : {y})", kind)
        form = kinds.value(kind) if fresh else kinds.borrowed(kind)
        return Val(f"({test} ? {form}({x}) : {form}({y}))", kind, fresh)

    # -- elements

    def place(self, e) -> tuple[Val, str]:
        base = self.mine(e.value)
        return base, f"printed::at({base.code}, {self.as_type(self.expr(e.slice), 'int', e)})"

    def ex_Subscript(self, e):
        base = self.expr(e.value)
        if base.type.startswith("("):
            at = self.expr(e.slice).literal
            parts = kinds.members(base.type)
            if not isinstance(at, int) or not -len(parts) <= at < len(parts):
                raise self.where("results are taken by a number that is written out", e)
            return Val(f"std::get<{at % len(parts)}>({base.code})", parts[at])
        inner = kinds.plain(base.type)
        if not kinds.is_list(inner):
            raise self.where(f"{base.type} has no elements", e)
        code = self.as_type(base, inner, e)
        if isinstance(e.slice, ast.Slice):
            if e.slice.step is not None:
                raise self.where("slices have no step", e)
            bounds = [
                "std::nullopt" if b is None else self.as_type(self.expr(b), "int", e)
                for b in (e.slice.lower, e.slice.upper)
            ]
            code = f"printed::slice({kinds.borrowed(inner)}({code}), {bounds[0]}, {bounds[1]})"
            return Val(code, inner, False)
        at = self.as_type(self.expr(e.slice), "int", e)
        return Val(f"printed::at({code}, {at})", kinds.element(inner), False)

    # -- loops

    def loop(self, target, source, e) -> tuple[str, str, list[str]]:
        """The head of a C++ loop, statements at the start of its body, and the names it binds."""
        names = [target] if isinstance(target, ast.Name) else list(getattr(target, "elts", []))
        name = names[0].id if names else "_"
        call = getattr(source.func, "id", "") if isinstance(source, ast.Call) else ""
        if call == "reversed" and isinstance(source.args[0], ast.Call):
            return self.count_loop(name, source.args[0], True, e)
        if call == "range":
            return self.count_loop(name, source, False, e)
        if call in ("enumerate", "zip"):
            return self.paired_loop(target, source, call, e)
        self.steady(source, e)
        v = self.expr(source)
        inner = kinds.plain(v.type)
        if not kinds.is_list(inner):
            raise self.where(f"{v.type} is not a list", e)
        v = Val(self.as_type(v, inner, e), inner, v.fresh)
        kind = kinds.element(v.type)
        self.known[name] = Val(self.symbol(name), kind, False)
        if v.fresh:
            v = Val(f"{kinds.value(v.type)}({v.code})", v.type)
        return f"for (const auto& {self.symbol(name)} : {v.code})", "", [name]

    def count_loop(self, name, call, backwards, e):
        args = [self.as_type(self.expr(a), "int", e) for a in call.args]
        step = 1
        if len(args) == 3:
            step = self.expr(call.args[2]).literal
            if not isinstance(step, int) or step == 0:
                raise self.where("the step of a range is a number that is written out", e)
        first, last = (args[0], args[1]) if len(args) > 1 else ("int64_t{0}", args[0])
        i, end = self.symbol(name), self.temporary()
        self.known[name] = Val(i, "int")
        if backwards:
            if step != 1:
                raise self.where("a reversed range has no step", e)
            return f"for (int64_t {end} = {first}, {i} = {last}; {i}-- > {end};)", "", [name]
        sign = "<" if step > 0 else ">"
        onward = f"{i} = printed::next({i}, {step}, {end})"
        move = {1: f"++{i}", -1: f"{i} += -1"}.get(step, onward)
        head = f"for (int64_t {i} = {first}, {end} = {last}; {i} {sign} {end}; {move})"
        return head, "", [name]

    def paired_loop(self, target, call, kind, e):
        names = [getattr(t, "id", "") for t in getattr(target, "elts", [None])]
        if "" in names:
            raise self.where(f"{kind} gives several names", e)
        for a in call.args:
            self.steady(a, e)
        lists, setup = [self.expr(a) for a in call.args], ""
        if any(not kinds.is_list(v.type) for v in lists):
            raise self.where(f"{kind} takes lists", e)
        if any(v.fresh for v in lists):
            raise self.where(f"{kind} takes lists that have names", e)
        if kind == "enumerate":
            i, rest = names[0], names[1:]
            self.known[i] = Val(self.symbol(i), "int")
            index = self.symbol(i)
        else:
            index, rest = self.temporary(), names
        if len(rest) != len(lists):
            raise self.where(f"{kind} of {len(lists)} lists gives as many names", e)
        for n, v in zip(rest, lists, strict=True):
            self.known[n] = Val(self.symbol(n), kinds.element(v.type), False)
            setup += f"const auto& {self.symbol(n)} = {v.code}[static_cast<size_t>({index})];\n"
        sizes = ", ".join(f"printed::len({v.code})" for v in lists)
        end = self.temporary()
        bound = f"std::min({{{sizes}}})" if len(lists) > 1 else sizes
        head = f"for (int64_t {index} = 0, {end} = {bound}; {index} < {end}; ++{index})"
        return head, setup, names

    def comprehension(self, e, body) -> str:
        """The loops of a comprehension around what ``body`` prints of its element."""
        saved, opened, closed = dict(self.known), "", ""
        for g in e.generators:
            head, setup, _ = self.loop(g.target, g.iter, e)
            opened += f"{head} {{ {setup.replace(chr(10), ' ')}"
            closed += " }"
            if g.ifs:
                opened += f"if ({' && '.join(self.condition(c) for c in g.ifs)}) "
        code = opened + body() + closed
        self.known = saved
        return code

    def ex_ListComp(self, e):
        kind = made = ""

        def body():
            nonlocal kind, made
            v = self.held_by_list(e.elt)
            kind, made = kinds.settled(v.type) + "[]", self.temporary()
            return f"{made}.push_back({v.code});"

        code = self.comprehension(e, body)
        return Val(f"[&] {{ {kinds.value(kind)} {made}; {code} return {made}; }}()", kind)

    def quantified(self, found: bool, e) -> Val:
        """``any`` and ``all``: True or False as soon as one is found that is."""
        if len(e.args) != 1 or not isinstance(e.args[0], ast.GeneratorExp):
            raise self.where(f"{e.func.id} takes a generator", e)
        told, other = ("true", "false") if found else ("false", "true")

        def body():
            test = self.condition(e.args[0].elt)
            return f"if ({test if found else f'!({test})'}) return {told};"

        code = self.comprehension(e.args[0], body)
        return Val(f"[&] {{ {code} return {other}; }}()", "bool")

    call_any = functools.partialmethod(quantified, True)
    call_all = functools.partialmethod(quantified, False)

    # -- messages

    def message(self, e) -> list[str]:
        """The parts of a text that is put together when it is raised."""
        if isinstance(e, ast.JoinedStr):
            return [p for v in e.values for p in self.message(v)]
        if isinstance(e, ast.FormattedValue):
            return [self.shown(e)]
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Add):
            return self.message(e.left) + self.message(e.right)
        v = self.expr(e)
        if v.type not in ("literal", "str"):
            raise self.where(f"a text is needed, and this is {v.type}", e)
        return [v.code]

    def shown(self, e) -> str:
        spec = "" if e.format_spec is None else e.format_spec.values[0].value
        if e.conversion != -1 or spec not in ("", "g"):
            raise self.where("of formats only :g is in the subset", e)
        kind, code = self.some(e.value, e)
        if kind == "float" and spec == "g":
            return code
        if spec:
            raise self.where(":g is for floats", e)
        if kind in ("int", "str", "literal"):
            return code
        if kind == "bool":
            return f"printed::shown({code})"
        if kind == "device":
            return f"{code}.str()"
        hint = {
            "float": "write {x:g}",
            "int[]": "use show(sizes)",
            "dtype": "use dtype_name(dtype) or scalar_type_name(dtype)",
        }.get(kind, "")
        raise self.where(f"{kind} is not shown the same way by C++: {hint}", e)

    # -- calls

    def ex_Call(self, e):
        if isinstance(e.func, ast.Attribute):
            return self.method(e)
        if isinstance(e.func, ast.Call) and getattr(e.func.func, "id", "") == "getattr":
            args, keywords = self.arguments(e)  # getattr(ops, name)(...)
            return self.op_call(self.expr(e.func.args[1]).literal, args, keywords, e)
        if not isinstance(e.func, ast.Name):
            raise self.where("this call is not in the subset", e)
        name = e.func.id
        if name in self.nested:
            for a in e.args:
                self.refuse(lenders(a) & moved(self.nested[name].node), a)
            args = [self.expr(a) for a in e.args if not _is_ops(a)]
            made = tuple(kinds.settled(a.type) for a in args)
            result = self.nested[name].call(made, lambda t: self.where(t, e))
            return Val(f"{self.symbol(name)}({', '.join(a.code for a in args)})", result)
        builtin = getattr(self, f"call_{name}", None)
        found = self.globals.get(name)
        if found is None and builtin is not None:
            return builtin(e)
        if found is language.Spec:
            return self.spec(e)
        if isinstance(found, language.Twin):
            return self.twin(name, found, e)
        if isinstance(found, types.FunctionType):
            return self.helper(found, e)
        raise self.where(f"{name} is not a function that is printed", e)

    def arguments(self, e) -> tuple[list[Val], dict[str, Val]]:
        if any(isinstance(a, ast.Starred) for a in e.args):
            raise self.where("starred arguments are not in the subset", e)
        return (
            [self.expr(a) for a in e.args if not _is_ops(a)],
            {k.arg: self.expr(k.value) for k in e.keywords if not _is_ops(k.value)},
        )

    def twin(self, name: str, found: language.Twin, e) -> Val:
        args, keywords = self.arguments(e)
        if keywords or len(args) != len(found.args):
            raise self.where(f"{name} takes {', '.join(found.args)}", e)
        codes = [self.as_type(a, k, e) for a, k in zip(args, found.args, strict=True)]
        return Val(f"flambeau::{found.cxx}({', '.join(codes)})", found.result)

    def helper(self, function, e, gives=False) -> Val:
        args, keywords = self.arguments(e)
        params = {n: p for n, p in inspect.signature(function).parameters.items() if n != "ops"}
        given = dict(zip(params, args, strict=False)) | keywords
        for name, p in params.items():
            if name not in given and p.default is p.empty:
                raise self.where(f"{function.__name__} misses {name}", e)
        values = [
            given[n] if n in given else self.constant(p.default, e) for n, p in params.items()
        ]
        made = [v.type for v in values]
        if {"none", "empty[]"} & {*made}:
            hint = "None and [] have no type of their own as arguments of functions"
            raise Unsettled(str(self.where(hint, e)))
        where = lambda t: self.where(t, e)  # noqa: E731
        symbol, result = self.unit.helper(function, tuple(made), where, gives)
        codes = [v.code for v in values]
        codes += ["give"] if gives and result in kinds.GIVEN else []
        return Val(f"printed::{symbol}({', '.join(codes)})", result)

    def method(self, e):
        target = e.func.value
        if isinstance(target, ast.Name) and target.id not in self.known:
            if target.id == "ops":
                args, keywords = self.arguments(e)
                return self.op_call(e.func.attr, args, keywords, e)
            if target.id == "math":
                args = ", ".join(self.as_type(self.expr(a), "float", e) for a in e.args)
                kind = "bool" if e.func.attr.startswith("is") else "float"
                if e.func.attr not in ("isfinite", "isinf", "isnan", "pow"):
                    raise self.where(f"math.{e.func.attr} is not in the subset", e)
                where = "std::" if kind == "bool" else "printed::"
                return Val(f"{where}{e.func.attr}({args})", kind)
        v = self.expr(target)
        name = e.func.attr
        if kinds.is_list(v.type):
            return self.list_method(v, name, e)
        kind = kinds.plain(v.type)
        if kind == "tensor" and e.args and name in ("size", "stride"):
            at = self.as_type(self.expr(e.args[0]), "int", e)
            return Val(f"{self.as_type(v, 'tensor', e)}.{name}({at})", "int")
        if kind == "tensor" and name == "is_contiguous" and (e.args or e.keywords):
            at = e.args[0] if e.args else e.keywords[0].value
            form = self.as_type(self.expr(at), "format", e)
            return Val(f"{self.as_type(v, 'tensor', e)}.is_contiguous({form})", "bool")
        if e.args or e.keywords:
            raise self.where(f"{name} takes no arguments in the subset", e)
        return self.member(v, name, kinds.METHODS, e)

    def list_method(self, v: Val, name: str, e) -> Val:
        args = [self.expr(a) if name == "extend" else self.held_by_list(a) for a in e.args]
        if name in ("append", "extend", "insert", "pop"):
            self.mine(e.func.value)
        if v.type == "empty[]" and args and isinstance(e.func.value, ast.Name):
            kind = kinds.settled(args[-1].type)
            kind = kind if name == "extend" else kind + "[]"
            self.types[e.func.value.id] = kind
            v = Val(v.code, kind, v.fresh)
        item = kinds.element(v.type)
        if name == "append":
            old = self.types.get(getattr(e.func.value, "id", ""), "")
            wide = kinds.joined(v.type, args[0].type + "[]")
            if old == v.type and wide and wide != v.type:
                self.types[e.func.value.id] = wide
                item = kinds.element(wide)
            return Val(f"{v.code}.push_back({self.as_type(args[0], item, e)})", "none")
        if name == "extend":
            self.refuse(lenders(e.args[0]) & {"", e.func.value.id}, e)
            loop = f"for (const auto& item : {args[0].code}) {v.code}.push_back(item)"
            return Val(loop, "none")
        if name == "insert":
            at, item = self.as_type(args[0], "int", e), self.as_type(args[1], item, e)
            return Val(f"printed::insert({v.code}, {at}, {item})", "none")
        if name == "pop" and not args and v.type == "int[]":
            return Val(f"printed::pop({v.code})", "int")
        raise self.where(f"{name} of a list is not in the subset", e)

    def op_call(self, symbol: str, args: list[Val], keywords: dict, e) -> Val:
        schema = self.unit.ops.get(symbol)
        if schema is None:
            raise self.where(f"no op has the symbol {symbol!r}", e)
        if len(args) > len(schema.args):
            raise self.where(f"{symbol} takes {len(schema.args)} arguments", e)
        codes = []
        for i, a in enumerate(schema.args):
            v = args[i] if i < len(args) else keywords.pop(a.name, None)
            code = default_cpp(a) if v is None else self.as_type(v, kinds.of_argument(a), e)
            if code is None:
                raise self.where(f"{symbol} misses {a.name}", e)
            codes.append(code)
        if keywords:
            raise self.where(f"{symbol} has no argument {', '.join(keywords)}", e)
        return Val(f"entry::{schema.symbol}({', '.join(codes)})", kinds.of_returns(schema))

    # -- Python's own functions

    def some(self, of, e, lists: str = "") -> tuple[str, str]:
        """The kind and the code of a value that is not None; ``lists`` says what others lack."""
        v = self.expr(of)
        kind = kinds.plain(v.type)
        if lists and not kinds.is_list(kind):
            raise self.where(f"{v.type} {lists}", e)
        return kind, self.as_type(v, kind, e)

    def call_len(self, e):
        return Val(f"printed::len({self.some(e.args[0], e, 'has no length')[1]})", "int")

    def call_list(self, e):
        call = e.args[0]
        word = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
        if word == "reversed":
            word = getattr(getattr(call.args[0], "func", None), "id", "")
        if word == "range":
            e = ast.copy_location(
                ast.ListComp(
                    ast.Name("item", ast.Load()),
                    [ast.comprehension(ast.Name("item", ast.Store()), call, [], 0)],
                ),
                e,
            )
            return self.expr(ast.fix_missing_locations(e))
        v = self.expr(call)
        inner = kinds.plain(v.type)
        if not kinds.is_list(inner):
            raise self.where(f"{v.type} is not a list", e)
        if inner == "tensor[]" and not v.fresh:
            code = self.as_type(v, inner, e)
            return Val(f"TensorVec({code}.begin(), {code}.end())", inner)
        return Val(f"{kinds.value(inner)}({self.as_type(v, inner, e)})", inner)

    def call_range(self, e):
        return Val("", "range")

    def extreme(self, cxx: str, e) -> Val:
        if e.keywords:
            raise self.where("default= and key= are not in the subset", e)
        args = [self.expr(a) for a in e.args]
        if len(args) == 1:
            return Val(f"printed::{cxx}({self.as_type(args[0], 'int[]', e)})", "int")
        kind = "float" if any(a.type == "float" for a in args) else "int"
        code, *rest = (self.as_type(a, kind, e) for a in args)
        for other in rest:
            code = f"printed::{cxx}({code}, {other})"
        return Val(code, kind)

    call_max = functools.partialmethod(extreme, "larger")
    call_min = functools.partialmethod(extreme, "smaller")

    def of_sizes(self, kind: str, e):
        sizes = self.as_type(self.expr(e.args[0]), "int[]", e)
        return Val(f"printed::{e.func.id}({sizes})", kind)

    call_sum = functools.partialmethod(of_sizes, "int")
    call_sorted = call_reversed = functools.partialmethod(of_sizes, "int[]")

    def call_abs(self, e):
        v = self.expr(e.args[0])
        if v.type == "float":
            return Val(f"std::fabs({v.code})", "float")
        return Val(f"printed::absolute({self.as_type(v, 'int', e)})", "int")

    def call_int(self, e):
        kind, code = self.some(e.args[0], e)
        if kind in ("scalar", "float"):
            return Val(f"printed::whole({code})", "int")
        return Val(f"static_cast<int64_t>({code})", "int")

    def call_float(self, e):
        kind, code = self.some(e.args[0], e)
        convert = "printed::real_number" if kind == "scalar" else "static_cast<double>"
        return Val(f"{convert}({code})", "float")

    def call_bool(self, e):
        v = self.expr(e.args[0])
        if v.type == "scalar":
            return Val(f"{v.code}.to_bool()", "bool")
        return Val(self.condition(e.args[0]), "bool")

    def call_isinstance(self, e):
        v, kind = self.expr(e.args[0]), e.args[1]
        names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
        if kinds.plain(v.type) != "scalar" or any(
            getattr(n, "id", "") not in _ISINSTANCE for n in names
        ):
            raise self.where("isinstance tells kinds of numbers apart, and nothing else", e)
        code = self.as_type(v, "scalar", e)
        return Val("(" + " || ".join(f"{code}.{_ISINSTANCE[n.id]}" for n in names) + ")", "bool")


def _is_ops(e) -> bool:
    return isinstance(e, ast.Name) and e.id == "ops"
