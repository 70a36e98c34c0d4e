"""Whose lists printed Python looks at: C++ borrows them, so they stay as they are meanwhile."""

from __future__ import annotations

import ast

from flambeau.ops.generator import kinds
from flambeau.ops.generator.kinds import Val

_CHANGING = {"append", "extend", "insert", "pop"}


class Borrows:
    """The part of Function that refuses aliasing."""

    def refuse(self, names: set[str], e) -> None:
        for name in sorted(names):
            what = f"{name} is changed" if name else "this looks at a value without a name"
            raise self.where(f"{what}: copy the list with list(...)", e)

    def in_order(self, s) -> None:
        """A list is not read in the line that takes from it: C++ has an order of its own."""
        if isinstance(s, ast.FunctionDef):
            return
        taken, seen = set(), []
        for n in own(s):
            twice = isinstance(n, ast.AugAssign) and [n.target]
            if isinstance(n, ast.Compare):  # which may be printed as several
                many = len(n.ops) > 1 or isinstance(n.ops[0], (ast.In, ast.NotIn))
                twice = many and [n.left, *n.comparators[:-1]]
            for e in (n, *(m for t in twice or () for m in ast.walk(t))):
                call = e.func if isinstance(e, ast.Call) else None
                if isinstance(call, ast.Attribute) and call.attr == "pop":
                    taken |= loads(call.value)
                elif _is_name(call) and call.id in self.nested:
                    lists = changed(self.nested[call.id].node)
                    taken, seen = taken | lists, [*seen, *lists]
                seen += [e.id] if _is_name(e) else []
        for name in sorted(n for n in taken if seen.count(n) > 1):
            raise self.where(f"{name} is changed and read in one line: take it apart", s)

    def mine(self, e) -> Val:
        """A list that is changed in place: that of a variable."""
        v = self.expr(e)
        if not kinds.is_list(v.type):
            raise self.where(f"{v.type} has no elements to change", e)
        if not isinstance(e, ast.Name) or v.code not in self.owned:
            raise self.where(
                f"{ast.unparse(e)} is changed and no list of its own: copy it with list(...)", e
            )
        return v

    def held_by_list(self, e) -> Val:
        """What a list keeps: a list in it is not changed under the name that it has besides."""
        v = self.expr(e)
        if kinds.is_list(v.type):
            self.refuse(lenders(e) & self.changed, e)
        return v

    def steady(self, source, e) -> None:
        """What is looped over stays as it is in the loop, calls of nested functions included."""
        called = {n.func.id for n in ast.walk(e) if isinstance(n, ast.Call) and _is_name(n.func)}
        others = [moved(self.nested[n].node) for n in called if n in self.nested]
        self.refuse(lenders(source) & moved(e).union({""}, *others), source)


def _is_name(e) -> bool:
    return isinstance(e, ast.Name)


def is_store(n: ast.Name) -> bool:
    return isinstance(n.ctx, ast.Store)


def loads(e) -> set[str]:
    return {n.id for n in ast.walk(e) if _is_name(n)}


def changed(s) -> set[str]:
    """Lists that a statement or an expression changes in place."""
    out = set()
    for n in ast.walk(s):
        if isinstance(n, ast.Subscript) and isinstance(n.ctx, (ast.Store, ast.Del)):
            out |= loads(n.value)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute):
            if n.func.attr in _CHANGING and _is_name(n.func.value):
                out.add(n.func.value.id)
        if isinstance(n, ast.AugAssign) and _is_name(n.target):
            out.add(n.target.id)
    return out


def moved(s) -> set[str]:
    """Names that mean another value or a changed list behind ``s``."""
    return changed(s) | {n.id for n in ast.walk(s) if _is_name(n) and is_store(n)}


def lenders(e, whole: bool = True) -> set[str]:
    """Whose lists the value of an expression may be or lie in; "" is a value without a name."""
    if _is_name(e):
        return {e.id}
    if isinstance(e, ast.IfExp):
        return lenders(e.body, whole) | lenders(e.orelse, whole)
    if isinstance(e, (ast.Subscript, ast.Attribute)):
        return lenders(e.value, False)
    if isinstance(e, ast.Call) and isinstance(e.func, ast.Attribute):
        of = e.func.value  # t.stride()
        if not (_is_name(of) and of.id in ("ops", "math")):
            return lenders(of, False)
    return set() if whole else {""}


def blocks(s) -> list[list]:
    if isinstance(s, ast.FunctionDef):
        return []
    return [b for b in (getattr(s, f, None) for f in ("body", "orelse")) if b]


def own(s):
    """The nodes of a statement but those of the blocks in it."""
    inner = {id(n) for b in blocks(s) for n in b}
    todo = [s]
    while todo:
        node = todo.pop()
        yield node
        todo += [c for c in ast.iter_child_nodes(node) if id(c) not in inner]
