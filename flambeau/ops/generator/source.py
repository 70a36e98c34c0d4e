"""One printer of Python functions as C++: rules, bodies of composites, structured gradients.

The subset is told in docs/records.md. Anything else is a SourceError with its file and line.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import zlib

from flambeau.ops import language
from flambeau.ops.generator import kinds
from flambeau.ops.generator.borrows import blocks, changed, is_store, lenders, loads, moved, own
from flambeau.ops.generator.expressions import Expressions
from flambeau.ops.generator.kinds import SourceError, Unsettled, Val

_RESERVED = frozenset(
    "and auto bool break case catch char class const default delete do double else enum explicit "
    "false float for if int long namespace new not operator or private public register return "
    "short signed sizeof static struct switch template this throw true try typedef typename union "
    "unsigned using virtual void volatile while xor printed flambeau ops entry".split()
)
_RESERVED |= {t.cxx for t in vars(language).values() if isinstance(t, language.Twin)}
_ERRORS = {n: n for n in "Error IndexError TypeError ValueError NotImplementedError".split()}
_ERRORS["RuntimeError"] = "Error"
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_HIDDEN = ("ops",)  # parameters that C++ has no need of


class Unit:
    """What is printed into one file: helpers once for each choice of argument types."""

    def __init__(self, ops: dict):
        self.ops = ops  # symbol -> Schema
        self.text: list[str] = []
        self.results: dict[tuple, tuple[str, str]] = {}
        self.open: list[tuple] = []

    def helper(self, function, types: tuple[str, ...], where, gives=False) -> tuple[str, str]:
        """The C++ name and the result type of a helper for arguments of these types."""
        key = (function.__module__, function.__qualname__, (*types, "give") if gives else types)
        if key not in self.results:
            if key in self.open:
                raise where(f"{function.__name__} calls itself")
            self.open.append(key)
            if function.__closure__:
                raise where(f"{function.__name__} takes what it needs as arguments")
            names = [p for p in inspect.signature(function).parameters if p not in _HIDDEN]
            if len(names) != len(types):
                raise where(f"{function.__name__} takes {len(names)} arguments")
            digest = zlib.crc32("|".join((*key[:2], *key[2])).encode())
            symbol = f"{function.__name__.strip('_')}_{digest:08x}"
            body = Function(function, dict(zip(names, types, strict=True)), self, gives=gives)
            code, result = body.define(f"inline {{}} {symbol}")
            self.open.pop()
            if not gives or result in kinds.GIVEN:
                self.text.append(code)
            self.results[key] = symbol, result
        return self.results[key]

    def code(self) -> str:
        """The helpers, for the head of the file."""
        if not self.text:
            return ""
        return "namespace printed {\n" + "".join(self.text) + "}  // namespace printed\n"


class Function(Expressions):
    """A Python function whose parameters have known types."""

    outer: Function | None = None  # of a function inside a function
    gives = False  # one spec is given to what the caller has for it, see Note [Giving a spec]

    def __init__(
        self,
        function,
        params: dict[str, str],
        unit: Unit,
        want: str | None = None,
        gives: bool = False,
    ):
        self.function, self.params, self.unit, self.want = function, params, unit, want
        self.gives = gives
        lines, self.first = inspect.getsourcelines(function)
        self.path = inspect.getsourcefile(function)
        self.node = ast.parse(textwrap.dedent("".join(lines))).body[0]
        if not isinstance(self.node, ast.FunctionDef):
            raise self.where("only a function that is defined with `def` is printed")
        self.globals = function.__globals__ | inspect.getclosurevars(function).nonlocals
        self.types: dict[str, str] = {}
        self.result = want
        self.around: set[str] = set()  # owned by the function around this one

    def where(self, text: str, node=None) -> SourceError:
        line = self.first + getattr(node, "lineno", self.node.lineno if node else 1) - 1
        return SourceError(f"{self.path}:{line}: {text}")

    # -- the whole

    def define(self, head: str, tail: str = "") -> tuple[str, str]:
        """``head`` or ``tail`` takes the result type; gives the C++ function and that type."""
        body = self.body()
        params = ", ".join(
            f"[[maybe_unused]] {kinds.borrowed(t)} {self.symbol(n)}" for n, t in self.params.items()
        )
        result = self.result or "none"
        kind = "void" if result == "none" else self.result_type(result)
        if self.gives and result in kinds.GIVEN:
            params += f"{', ' if params else ''}const Give& give"
            head, kind = f"template <class Give>\n{head}", "auto"
        return f"{head.format(kind)}({params}){tail.format(kind)} {{\n{body}}}\n", result

    def result_type(self, kind: str) -> str:
        return kinds.value(kind)

    def body(self) -> str:
        """The statements. Types that later lines widen are found by translating again."""
        statements = [s for s in self.node.body if not _is_docstring(s)]
        self.scopes(statements)
        for _ in range(8):
            before = (dict(self.types), self.result)
            self.known = {n: Val(self.symbol(n), t, False) for n, t in self.params.items()}
            self.known.update(self.given())
            self.temporaries = 0
            self.nested: dict[str, Nested] = {}
            self.in_loop = 0
            self.owned = set(self.around)  # variables that hold their value
            self.leaving: list[str] = []  # the names in the return at hand
            self.given_to: set[str] = set()  # variables that have a value on every path
            try:
                code = self.block(statements, "  ")
            except Unsettled:
                if before == (dict(self.types), self.result):
                    raise
                continue
            if before == (dict(self.types), self.result):
                for name, kind in self.types.items():
                    if kind in ("none", "empty[]", "none[]"):
                        raise self.where(f"nothing says what {name} holds")
                for name, nested in self.nested.items():
                    code = code.replace(f"@nested {name}@", nested.code)
                return code
        raise self.where("the types of this function do not settle")

    def given(self) -> dict[str, Val]:
        """Further names that the body knows."""
        return {}

    def reads(self, name: str, v: Val) -> None:
        """Is told of a name that was read, by functions inside of this one too."""

    # -- where variables live

    def scopes(self, statements: list) -> None:
        """For each variable the statement before which it is declared, and what is changed."""
        self.declare: dict[int, list[str]] = {}  # id of a statement -> variables
        self.inplace: dict[int, set[str]] = {}  # assignments that declare
        self.stores: dict[str, int] = {}
        self.changed: set[str] = set() if self.outer is None else set(self.outer.changed)
        found: dict[str, list[tuple]] = {}

        def visit(statements, path):
            for i, s in enumerate(statements):
                here = (*path, (id(statements), i, s))
                for name, store in _names(s):
                    found.setdefault(name, []).append(here)
                    self.stores[name] = self.stores.get(name, 0) + store
                self.changed |= changed(s)
                for block in blocks(s):
                    visit(block, here)

        visit(statements, ())
        for name, places in found.items():
            if not self.stores[name] or name in self.params:
                continue
            level = 0
            while (
                all(len(p) > level + 1 for p in places)
                and len({p[level][1] for p in places}) == 1
                and len({p[level + 1][0] for p in places}) == 1
            ):
                level += 1
            path = min((p for p in places), key=lambda p: p[level][1])
            first = path[level][2]
            if _declares(first, name):
                self.inplace.setdefault(id(first), set()).add(name)
            else:  # what one round of a loop gave it is there in the next
                loops = [at[2] for at in path[:level] if isinstance(at[2], ast.For)]
                self.declare.setdefault(id((*loops, first)[0]), []).append(name)
        self.hoisted = {n for names in self.declare.values() for n in names}
        self.unsteady = self.changed | {n for n, k in self.stores.items() if k > 1}
        self.unsteady |= set() if self.outer is None else self.outer.unsteady

    # -- statements

    def block(self, statements: list, indent: str) -> str:
        out = ""
        for s in statements:
            for name in self.declare.get(id(s), ()):
                if name in self.types:
                    out += f"{indent}{kinds.value(self.types[name])} {self.symbol(name)}{{}};\n"
            handler = getattr(self, f"do_{type(s).__name__}", None)
            if handler is None:
                raise self.where(f"{type(s).__name__} is not in the subset", s)
            out += handler(s, indent)
            self.in_order(s)
        return out

    def do_Pass(self, s, indent):
        return ""

    def do_Expr(self, s, indent):
        if isinstance(s.value, ast.Constant):
            return ""
        return f"{indent}{self.expr(s.value).code};\n"

    def do_Assign(self, s, indent):
        if len(s.targets) != 1:
            raise self.where("one target at a time", s)
        target = s.targets[0]
        if isinstance(target, ast.Tuple):
            return self.unpack(target, s, indent)
        if isinstance(target, ast.Subscript):
            base, at = self.place(target)
            v = self.held_by_list(s.value)
            return f"{indent}{at} = {self.as_type(v, kinds.element(base.type), s)};\n"
        if not isinstance(target, ast.Name):
            raise self.where("only names, elements and tuples of names are assigned", s)
        return self.store(target.id, self.expr(s.value), s, indent, lenders(s.value))

    def store(self, name: str, v: Val, s, indent: str, lent: set[str] = frozenset()) -> str:
        """The assignment of a name; ``lent`` says whose lists the value may be."""
        if name in self.params:
            raise self.where(f"{name} is a parameter: give the new value a name of its own", s)
        kind = kinds.settled(v.type)
        joined = kinds.joined(self.types.get(name, kind), kind)
        if joined is None:
            raise self.where(f"{name} is {self.types[name]} elsewhere and {kind} here", s)
        self.types[name] = kind = joined
        once = self.stores[name] == 1 and name not in self.changed
        borrows = (
            once and kinds.is_list(kind) and not v.fresh and name in self.inplace.get(id(s), ())
        )
        if kinds.is_list(kind):
            unsafe = {name} & self.changed if lent or not v.fresh else set()
            unsafe |= lent & (self.unsteady | {""} if borrows else self.changed)
            self.refuse(unsafe, s)
        code = self.as_type(v, kind, s)
        symbol = self.symbol(name)
        self.known[name] = Val(symbol, kind, False)
        self.given_to.add(name)
        if not borrows:
            self.owned.add(symbol)
        if name not in self.inplace.get(id(s), ()):
            return f"{indent}{symbol} = {code};\n"
        if kind in ("none", "empty[]"):
            return ""  # the type is not known yet
        if borrows:
            form = kinds.borrowed(kind).removeprefix("const ")
            return f"{indent}const {form} {symbol} = {code};\n"
        const = "const " if once and kind != "generator?" and not kinds.is_list(kind) else ""
        return f"{indent}[[maybe_unused]] {const}{kinds.value(kind)} {symbol} = {code};\n"

    def unpack(self, target: ast.Tuple, s, indent: str) -> str:
        names = [t.id if isinstance(t, ast.Name) else None for t in target.elts]
        if None in names:
            raise self.where("only names are unpacked", s)
        if isinstance(s.value, ast.Tuple):
            values, lent = [self.expr(e) for e in s.value.elts], [*map(lenders, s.value.elts)]
            out = ""
            if any(n in loads(s.value) for n in names):
                made = [self.temporary() for _ in values]
                out = "".join(
                    f"{indent}const {kinds.value(v.type)} {t} = {v.code};\n"
                    for v, t in zip(values, made, strict=True)
                )
                values = [Val(t, v.type, v.fresh) for v, t in zip(values, made, strict=True)]
        else:
            v = self.expr(s.value)
            if not v.type.startswith("("):
                raise self.where(f"{v.type} cannot be unpacked: name its elements by index", s)
            made, lent = self.temporary(), [set()] * len(names)
            out = f"{indent}const auto {made} = {v.code};\n"
            values = [Val(f"std::get<{i}>({made})", k) for i, k in enumerate(kinds.members(v.type))]
        if len(values) != len(names):
            raise self.where(f"{len(values)} values for {len(names)} names", s)
        return out + "".join(
            self.store(n, v, s, indent, of)
            for n, v, of in zip(names, values, lent, strict=True)
            if n != "_"
        )

    def do_AugAssign(self, s, indent):
        kind = type(s.op)
        if isinstance(s.target, ast.Subscript):
            base, at = self.place(s.target)
            old = Val(at, kinds.element(base.type), False)
            new = self.operate(kind, old, self.expr(s.value), s)
            return f"{indent}{at} = {self.as_type(new, old.type, s)};\n"
        if not isinstance(s.target, ast.Name):
            raise self.where("only names and elements are assigned", s)
        old = self.expr(ast.copy_location(ast.Name(s.target.id, ast.Load()), s))
        return self.store(s.target.id, self.operate(kind, old, self.expr(s.value), s), s, indent)

    def do_Delete(self, s, indent):
        out = ""
        for t in s.targets:
            if not isinstance(t, ast.Subscript):
                raise self.where("only elements of lists are deleted", s)
            base, index = self.mine(t.value), self.as_type(self.expr(t.slice), "int", s)
            out += f"{indent}printed::erase({base.code}, {index});\n"
        return out

    def do_If(self, s, indent):
        if isinstance(s.test, ast.Constant):
            raise self.where("a condition that never changes", s)
        out = f"{indent}if ({self.condition(s.test)}) {{\n"
        (here, otherwise), before = self.facts(s.test), set(self.given_to)
        out += self.branch(s.body, indent, here)
        after, self.given_to = self.given_to, before
        if s.orelse:
            out += f"{indent}}} else {{\n{self.branch(s.orelse, indent, otherwise)}"
        if isinstance(s.body[-1], _LEAVES):
            self.narrow(otherwise)
        else:
            left = s.orelse and isinstance(s.orelse[-1], _LEAVES)  # the other branch goes on
            self.given_to = after if left else self.given_to & after
        return out + f"{indent}}}\n"

    def branch(self, statements: list, indent: str, facts=()) -> str:
        """A block inside another one, behind which what may be None may be None again."""
        before = {n: v for n, v in self.known.items() if v.type.endswith("?")}
        self.narrow(facts)
        out = self.block(statements, indent + "  ")
        self.known.update(before)
        return out

    # -- what is known not to be None

    def facts(self, test) -> tuple[list[str], list[str]]:
        """Names that are not None where the test holds, and where it does not."""
        if isinstance(test, ast.Name):
            return [test.id], []
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.facts(test.operand)[::-1]
        if isinstance(test, ast.BoolOp):
            every = [self.facts(v) for v in test.values]
            if isinstance(test.op, ast.And):
                return [n for f in every for n in f[0]], []
            return [], [n for f in every for n in f[1]]
        if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name):
            if isinstance(test.ops[0], ast.Is):
                return [], [test.left.id]
            if isinstance(test.ops[0], ast.IsNot):
                return [test.left.id], []
        return [], []

    def narrow(self, names: list[str]) -> dict[str, Val]:
        """Takes the names for what they hold; gives what they were known as before."""
        before = {}
        for n in names:
            v = self.known.get(n)
            if v is None or not v.type.endswith("?") or self.stores.get(n, 0) > 1:
                continue
            before[n] = v
            pointer = kinds.plain(v.type) in ("tensor", "generator")
            code = v.code if pointer else f"(*{v.code})"
            self.known[n] = Val(code, kinds.plain(v.type), False)
        return before

    def do_For(self, s, indent):
        if s.orelse:
            raise self.where("for ... else is not in the subset", s)
        head, setup, outside = self.loop(s.target, s.iter, s)
        for name in {*outside} - {"_"} & set().union(*map(moved, s.body)):
            raise self.where(f"{name} is the loop's: give the new value a name of its own", s)
        for name in outside:
            if name in self.declare.get(id(s), ()):
                raise self.where(f"{name} is used outside of its loop", s)
        self.in_loop += 1
        inner = setup.replace("\n", "\n" + indent + "  ").rstrip(" ")
        before, self.given_to = self.given_to, self.given_to.union(*map(moved, s.body))
        body = (f"{indent}  {inner}" if setup else "") + self.branch(s.body, indent)
        self.in_loop, self.given_to = self.in_loop - 1, before
        return f"{indent}{head} {{\n{body}{indent}}}\n"

    def do_Break(self, s, indent):
        return f"{indent}{type(s).__name__.lower()};\n"

    do_Continue = do_Break

    def do_Return(self, s, indent):
        self.leaving = (
            [] if s.value is None else [n.id for n in ast.walk(s.value) if isinstance(n, ast.Name)]
        )
        given = self.give(s.value) if self.gives else None
        v = Val("", "none") if s.value is None else given or self.expr(s.value)
        self.leaving = []
        others = {*self.params} | {n for n in self.changed if not self.stores.get(n)}
        if kinds.is_list(kinds.plain(v.type)) and lenders(s.value) & others:
            raise self.where("what is given back is another's: copy it with list(...)", s)
        if self.result is None:
            self.result = kinds.settled(v.type)
        joined = self.want or kinds.joined(self.result, v.type)
        if joined is None:
            raise self.where(f"the result is {self.result} elsewhere and {v.type} here", s)
        self.result = joined
        if joined == "none":
            return f"{indent}{v.code + ';' if v.code else ''} return;\n"
        if self.gives and joined in kinds.GIVEN:
            code = v.code if given else f"give({self.as_type(v, joined, s)})"
            return f"{indent}return {code};\n"
        return f"{indent}return {self.returned(v, joined, s)};\n"

    def returned(self, v: Val, kind: str, s) -> str:
        code = self.as_type(v, kind, s)
        if v.code in self.owned and code == v.code:
            return code
        return f"{kinds.value(kind)}({code})" if kinds.is_list(kind) and not v.fresh else code

    def do_Raise(self, s, indent):
        call = s.exc
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise self.where("raise takes an exception with its text", s)
        if call.func.id not in _ERRORS or len(call.args) != 1:
            raise self.where(f"{call.func.id} is not an exception that is printed", s)
        parts = ", ".join(self.message(call.args[0]))
        return f"{indent}raise<{_ERRORS[call.func.id]}>({parts});\n"

    def do_FunctionDef(self, s, indent):
        """A nested function: a lambda, printed where it is defined once a call gave the types."""
        self.nested[s.name] = Nested(self, s)
        return f"{indent}@nested {s.name}@\n"

    # -- names

    def symbol(self, name: str) -> str:
        return f"{name}_" if name in _RESERVED else name

    def temporary(self) -> str:
        self.temporaries += 1
        return f"made{self.temporaries}"


class Nested(Function):
    """A function inside a function. Its first call says what it takes."""

    def __init__(self, outer: Function, node: ast.FunctionDef):
        self.outer, self.node, self.unit, self.globals = outer, node, outer.unit, outer.globals
        self.path, self.first = outer.path, outer.first
        self.captured, self.around = dict(outer.known), set(outer.owned)
        self.takes: tuple[str, ...] | None = None
        self.want, self.result, self.code = None, None, ""
        self.types: dict[str, str] = {}

    def given(self):
        return {n: v for n, v in self.captured.items() if n not in self.params}

    def ex_Name(self, e):
        v = super().ex_Name(e)
        self.reads(e.id, v)
        return v

    def reads(self, name, v):
        if v is self.captured.get(name):
            self.outer.reads(name, v)

    def where(self, text, node=None):
        return super().where(text, node or self.node)

    def call(self, types: tuple[str, ...], where) -> str:
        """The type of the result for arguments of these types."""
        if self.takes is None:
            names = [a.arg for a in self.node.args.args if a.arg not in _HIDDEN]
            if len(names) != len(types):
                raise where(f"{self.node.name} takes {len(names)} arguments")
            self.takes, self.params = types, dict(zip(names, types, strict=True))
            text, _ = self.define(f"const auto {self.symbol(self.node.name)} = [&]", " -> {}")
            self.code = f"{text.rstrip()};"
        if types != self.takes:
            raise where(f"{self.node.name} is called with {self.takes} elsewhere")
        return self.result or "none"


def _is_docstring(s) -> bool:
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


def _bound(s) -> set[str]:
    """Names that comprehensions, loops and nested functions bind for themselves."""
    out = set()
    for node in own(s):
        if isinstance(node, (ast.comprehension, ast.For)):
            out |= {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.FunctionDef):
            out |= {a.arg for a in node.args.args}
            out |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and is_store(n)}
    return out


def _names(s) -> list[tuple[str, int]]:
    """The names of a statement, with 1 where it is given a value."""
    bound = _bound(s)
    named = (n for n in own(s) if isinstance(n, ast.Name) and n.id not in bound)
    return [(n.id, int(is_store(n))) for n in named]


def _declares(s, name: str) -> bool:
    """Whether the statement is the plain assignment of a name."""
    if not isinstance(s, ast.Assign) or len(s.targets) != 1:
        return False
    t = s.targets[0]
    names = t.elts if isinstance(t, ast.Tuple) else [t]
    mine = [n for n in names if isinstance(n, ast.Name) and n.id == name]
    return bool(mine) and name not in loads(s.value)
