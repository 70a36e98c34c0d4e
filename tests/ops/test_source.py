"""The printer of Python functions: what it gives, and what it refuses with its line."""

import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from flambeau.ops.generator import printed as generator
from flambeau.ops.generator.kinds import SourceError
from flambeau.ops.generator.main import check_differentiable, entry_piece
from flambeau.ops.generator.source import Function, Unit
from flambeau.ops.language import Error, Spec, show, wrap_dim
from flambeau.ops.record import load
from flambeau.ops.schema import parse

ROOT = Path(__file__).parents[2]


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


def test_a_function_that_another_makes_knows_its_constants():
    def made(name, at_most):
        def f(n):
            if n > at_most:
                raise Error(f"{name}: {n} is too large")
            return n

        return f

    for name, at_most in (("few", 3), ("many", 300)):
        code = printed(made(name, at_most), n="int")
        assert f"(n > int64_t{{{at_most}}})" in code and f'raise<Error>("{name}", ": ", n' in code

    helper = made("few", 3)

    def calls(n):
        return helper(n)

    with pytest.raises(SourceError, match="f takes what it needs as arguments"):
        printed(calls, n="int")


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


def test_a_list_that_is_copied_is_borrowed_from_no_more():
    def f(sizes):
        out = list(sizes)
        part = list(out[1:])
        for n in list(out):
            out.append(n)
        out.extend(list(out))
        return part + out

    code = printed(f, sizes="int[]")
    assert "Dims part = Dims(printed::slice(IntSpan(out)" in code
    assert "for (const auto& n : Dims(Dims(out)))" in code


def test_a_parameter_is_neither_changed_nor_given_back():
    def change(sizes):
        sizes.append(1)
        return list(sizes)

    def give_back(sizes):
        return sizes if len(sizes) > 1 else [1]

    with pytest.raises(SourceError, match="sizes is changed and no list of its own"):
        printed(change, sizes="int[]")
    with pytest.raises(SourceError, match="is another's: copy it with list"):
        printed(give_back, sizes="int[]")


def test_what_one_round_of_a_loop_gives_a_name_is_there_in_the_next():
    def f(sizes):
        total = 0
        for i, n in enumerate(sizes):
            if i == 0:
                first = n
            total = total + n * first
        return total

    code = printed(f, sizes="int[]")
    assert code.index("int64_t first{};") < code.index("for (")


def test_numbers_are_python_s():
    def f(x, n):
        return int(x / float(n)) + int(math.pow(2.0, x))

    code = printed(f, x="float", n="int")
    assert "printed::whole(printed::divided(x, static_cast<double>(n)))" in code
    assert "printed::whole(printed::pow(2.0, x))" in code


def test_a_rule_has_no_more_outputs_than_there_is_room_for():
    def rule(self):
        one = Spec([1], self.dtype)
        return one, one, one, one, one, one, one

    schema = parse("seven(Tensor self) -> Tensor")
    record = SimpleNamespace(rule=rule, schema=schema)
    with pytest.raises(SourceError, match="7 outputs: the most are 6, or one list"):
        generator.rule(record, Unit({}))
    header = (ROOT / "core/dispatch/specs.h").read_text()
    assert f"kMax = {generator.MOST_OUTPUTS};" in header
    assert header.count("<= kMax,") == 2  # what is put has room, or does not compile


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


def _borrowed_slice(a):
    x = [a, 2]
    part = x[1:]
    x.append(7)
    return list(part)


def _borrowed_element(a):
    rows = [[a]]
    row = rows[0]
    rows.append([1])
    return list(row)


def _borrowed_by_either(a):
    x, y = [a], [a]
    z = x if a > 0 else y
    y.append(1)
    return list(z)


def _borrowed_and_replaced(a):
    x = [a]
    part = x[1:]
    x = [a, a]
    return list(part) + x


def _borrowed_from_nothing(a):
    part = [a, a][1:]
    return list(part)


def _loop_that_appends(a):
    x = [a]
    for n in x:
        if n > 0:
            x.append(n - 1)
    return x


def _loop_over_a_slice(a):
    x = [a]
    for n in x[1:]:
        x.append(n)
    return x


def _loop_that_deletes(a):
    x = [a]
    for i, n in enumerate(x):
        del x[i + n]
    return x


def _loop_that_replaces(a):
    x = [a]
    for n in x:
        x = [n, a]
    return x


def _loop_of_pairs(a):
    x, y = [a], [a]
    for n, m in zip(x, y):  # noqa: B905
        y[0] = n + m
    return y


def _loop_through_a_function(a):
    x = [a]

    def more(n):
        x.append(n)
        return n

    total = 0
    for n in x:
        total = total + more(n)
    return total


def _comprehension(a):
    x = [a]
    y = [x.pop() for n in x if n > 0]
    return y


def _loop_over_nothing(a):
    total = 0
    for n in [a, a][1:]:
        total = total + n
    return total


def _loop_that_moves_its_name(a):
    total = 0
    for n in range(a):
        n = n + 1  # noqa: PLW2901
        total = total + n
    return total


def _extended_by_itself(a):
    x = [a]
    x.extend(x)
    return x


def _extended_by_its_part(a):
    x = [a]
    x.extend(x[1:])
    return x


def _changed_in_a_list(a):
    row = [a]
    rows = [row]
    row.append(1)
    return rows


def _changed_behind_append(a):
    row = [a]
    rows = [[1]]
    rows.append(row)
    row[0] = 3
    return rows


def _changed_element(a):
    rows = [[a]]
    rows[0].append(1)
    return rows


def _changed_element_by_index(a):
    rows = [[a]]
    rows[0][0] = 1
    return rows


def _argument_of_a_changing_function(a):
    x = [a, a]

    def grow(part):
        x.append(1)
        return part[0]

    return grow(x[1:])


def _list_of_the_function_around(a):
    x = [a]

    def whole():
        return x

    y = whole()
    x.append(1)
    return y


def _popped_twice(a):
    x = [a, a]
    return x.pop() - x.pop()


def _popped_and_inserted(a):
    x = [a, a]
    x.insert(x.pop(), x.pop())
    return x


def _popped_and_measured(a):
    x = [a, a]
    x.append(len(x) + x.pop())
    return x


def _popped_in_the_middle(a):
    x = [a, a]
    return 0 < x.pop() < 5


def _popped_and_looked_for(a):
    x = [a, a]
    return x.pop() in (1, 2)


def _popped_place_that_is_added_to(a):
    x, y = [a, a], [a, a]
    x[y.pop()] += 1
    return x


def _popped_through_a_function(a):
    x = [a, a]

    def last():
        return x.pop()

    return last() - last()


def _given_in_one_branch(a):
    if a > 0:
        y = 1
    return y


def _given_in_a_loop(a):
    for i in range(a):
        y = i
    return y


@pytest.mark.parametrize(
    "function, line, words",
    [
        (_popped_twice, 3, "x is changed and read in one line"),
        (_popped_and_inserted, 3, "x is changed and read in one line"),
        (_popped_and_measured, 3, "x is changed and read in one line"),
        (_popped_in_the_middle, 3, "x is changed and read in one line"),
        (_popped_and_looked_for, 3, "x is changed and read in one line"),
        (_popped_place_that_is_added_to, 3, "y is changed and read in one line"),
        (_popped_through_a_function, 7, "x is changed and read in one line"),
        (_given_in_one_branch, 4, "y has no value on some path"),
        (_given_in_a_loop, 4, "y has no value on some path"),
        (_borrowed_slice, 3, "x is changed: copy the list"),
        (_borrowed_element, 3, "rows is changed: copy the list"),
        (_borrowed_by_either, 3, "y is changed: copy the list"),
        (_borrowed_and_replaced, 3, "x is changed: copy the list"),
        (_borrowed_from_nothing, 2, "a value without a name: copy the list"),
        (_loop_that_appends, 3, "x is changed: copy the list"),
        (_loop_over_a_slice, 3, "x is changed: copy the list"),
        (_loop_that_deletes, 3, "x is changed: copy the list"),
        (_loop_that_replaces, 3, "x is changed: copy the list"),
        (_loop_of_pairs, 3, "y is changed: copy the list"),
        (_loop_through_a_function, 9, "x is changed: copy the list"),
        (_comprehension, 3, "x is changed: copy the list"),
        (_loop_over_nothing, 3, "a value without a name: copy the list"),
        (_loop_that_moves_its_name, 3, "n is the loop's"),
        (_extended_by_itself, 3, "x is changed: copy the list"),
        (_extended_by_its_part, 3, "x is changed: copy the list"),
        (_changed_in_a_list, 3, "row is changed: copy the list"),
        (_changed_behind_append, 4, "row is changed: copy the list"),
        (_changed_element, 3, "rows[0] is changed and no list of its own"),
        (_changed_element_by_index, 3, "rows[0] is changed and no list of its own"),
        (_argument_of_a_changing_function, 8, "x is changed: copy the list"),
        (_list_of_the_function_around, 5, "is another's: copy it"),
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


def test_results_that_are_said_to_have_gradients_need_one():
    record = next(r for r in load() if r.schema.full_name == "max_pool2d_with_indices")
    assert record.differentiable and record.gradient
    check_differentiable(record)
    bare = replace(record, gradient=None)
    with pytest.raises(SourceError, match=r"differentiable=\(0,\)") as caught:
        check_differentiable(bare)
    line = record.function.__code__.co_firstlineno
    assert f"max_pool.py:{line}: max_pool2d_with_indices: " in str(caught.value)
    with pytest.raises(SourceError, match="max_pool2d_with_indices"):
        entry_piece([bare], {s.symbol: s for s in bare.schemas()}, {})


def test_a_name_that_all_paths_give_a_value_is_read():
    def f(a):
        if a > 0:
            y = 1
        elif a < -5:
            raise Error("f: too small")
        else:
            y = 2
        if a == 3:
            z = 1
        else:
            return 0
        return y + z

    assert "return printed::add(y, z);" in printed(f, a="int")


def test_what_is_not_none_in_a_block_may_be_none_behind_it():
    def after_if(flag, k):
        if flag:
            if k is None:
                return 0
            return k + 2
        return k + 1

    def after_loop(n, k):
        for _ in range(n):
            if k is None:
                break
        return k + 1

    def after_leaving(flag, k):
        if k is None:
            return 0
        if flag:
            return k + 2
        return k + 1

    code = printed(after_if, flag="bool", k="int?")
    assert "add((*k), int64_t{2})" in code and "add(printed::some(k), int64_t{1})" in code
    assert "add(printed::some(k), int64_t{1})" in printed(after_loop, n="int", k="int?")
    assert "printed::some" not in printed(after_leaving, flag="bool", k="int?")


def test_long_steps_and_comparisons_with_floats_stay_within_their_numbers():
    def count(a, b, x):
        total = 0
        for i in range(a, b, 3):
            if i > x or i == 0.5:
                total = total + 1
        return total

    code = printed(count, a="int", b="int", x="float")
    assert "i = printed::next(i, 3, made1)" in code
    assert "(printed::compared(i, x) > 0)" in code and "static_cast<double>(i) == 0.5" in code
