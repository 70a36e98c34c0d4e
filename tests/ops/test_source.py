"""The printer of Python functions: what it gives, and what it refuses with its line."""

import re

import pytest

from flambeau.ops.generator.kinds import SourceError
from flambeau.ops.generator.source import Function, Unit
from flambeau.ops.language import Error, show, wrap_dim
from flambeau.ops.schema import parse


def printed(function, **types) -> str:
    ops = {s.symbol: s for s in [parse("neg(Tensor self) -> Tensor")]}
    unit = Unit(ops)
    code, result = Function(function, types, unit).define("{} f")
    return unit.code() + code + f"// {result}"


def test_a_rule_like_function():
    def f(sizes, dim):
        d = wrap_dim(dim, len(sizes), "f")
        left = list(sizes)
        del left[d]
        if not left:
            raise Error(f"f: nothing is left of {show(sizes)}")
        return left

    code = printed(f, sizes="int[]", dim="int")
    assert 'flambeau::wrap_dim(dim, printed::len(sizes), "f")' in code
    assert "Dims left = Dims(sizes);" in code
    assert 'raise<Error>("f: nothing is left of ", flambeau::show(sizes));' in code
    assert code.endswith("// int[]")


def test_integers_are_checked_and_division_floors():
    def f(a, b):
        return (a + b) * a // b % 3 - a

    code = printed(f, a="int", b="int")
    for name in ("add", "mul", "floordiv", "mod", "sub"):
        assert f"printed::{name}(" in code


def test_numbers_of_any_kind():
    def f(x, n):
        less = x - 1
        return x if less == 1 else n

    code = printed(f, x="scalar", n="int")
    assert "printed::sub(x, Scalar(int64_t{1}))" in code
    assert "less.equal(static_cast<double>(int64_t{1})) ? Scalar(x) : Scalar(Scalar(n))" in code


def test_none_is_remembered():
    def f(a, b):
        if b is None:
            return a
        return a + b

    assert "printed::add(a, (*b))" in printed(f, a="int", b="int?")


def test_a_type_is_found_from_later_lines():
    def f(t, n):
        total = None
        for _ in range(n):
            total = ops.neg(t) if total is None else ops.neg(total)  # noqa: F821
        return total

    code = printed(f, t="tensor", n="int")
    assert "Tensor total" in code and code.endswith("// tensor?")


def _two_types(a):
    x = a
    x = "text"
    return x


def _alias(a):
    x = [1, 2]
    y = x
    y.append(a)
    return y


def _parameter(a):
    a = a + 1
    return a


def _while(a):
    while a > 0:
        a = a - 1
    return a


def _compared_lists(a):
    x = [1]
    return x == [a]


def _shown_list(a):
    raise Error(f"{[a]}")


def _unknown(a):
    return open(a)


def _lambda(a):
    f = lambda: a  # noqa: E731
    return f()


def _no_op(a):
    return ops.nonesuch(a)  # noqa: F821


@pytest.mark.parametrize(
    "function, line, words",
    [
        (_two_types, 3, "x is int elsewhere and str here"),
        (_alias, 3, "is changed: copy the list"),
        (_parameter, 2, "a is a parameter"),
        (_while, 2, "While is not in the subset"),
        (_compared_lists, 3, "compared with same"),
        (_shown_list, 2, "use show"),
        (_unknown, 2, "open is not a function that is printed"),
        (_lambda, 2, "Lambda is not in the subset"),
        (_no_op, 2, "no op has the symbol"),
    ],
    ids=lambda v: getattr(v, "__name__", None),
)
def test_what_is_not_in_the_subset_is_an_error_with_its_line(function, line, words):
    with pytest.raises(SourceError) as caught:
        printed(function, a="int")
    where = function.__code__.co_firstlineno + line - 1
    assert re.match(rf".*test_source\.py:{where}: ", str(caught.value)), str(caught.value)
    assert words in str(caught.value)
