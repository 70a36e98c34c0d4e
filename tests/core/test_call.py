"""Calling ops from Python: overloads, keywords, operators, results, messages."""

import copy
import inspect
import pickle
import sys

import numpy as np
import pytest
from drills.release import lets_others_run

import flambeau as torch
import flambeau.return_types
from flambeau.utils._python_dispatch import TorchDispatchMode

T = torch.ones(2, 3)


# ---- arguments


def test_lists_of_ints_may_be_given_one_by_one():
    assert torch.zeros(2, 3).shape == torch.zeros((2, 3)).shape == torch.zeros([2, 3]).shape
    assert torch.zeros(torch.Size([2, 3])).shape == (2, 3)
    assert T.view(3, 2).shape == T.view((3, 2)).shape == T.view(size=(3, 2)).shape == (3, 2)
    assert T.reshape(6).shape == (6,) and T.permute(1, 0).shape == (3, 2)
    assert T.expand(4, 2, 3).shape == (4, 2, 3) and torch.zeros(()).shape == ()


def test_an_int_stands_for_a_list_where_the_schema_says_so():
    assert T.sum(0).tolist() == T.sum((0,)).tolist() == T.sum(dim=0).tolist() == [2, 2, 2]


def test_one_element_tensors_are_ints_and_numbers():
    assert T.reshape(torch.tensor(3), torch.tensor(2)).shape == (3, 2)
    assert T.sum(torch.tensor(0)).tolist() == [2, 2, 2]
    assert torch.full((2,), torch.tensor(3.5)).tolist() == [3.5, 3.5]


def test_keyword_names():
    assert torch.sum(input=T).item() == 6 and torch.sum(T, dim=1).tolist() == [3, 3]
    assert torch.add(input=T, other=T, alpha=2).tolist() == [[3] * 3] * 2


def test_names_of_numpy():
    assert T.sum(axis=0, keepdims=True).tolist() == [[2, 2, 2]]
    assert torch.sum(x=T).item() == 6 and torch.add(x1=T, x2=T)[0, 0].item() == 2


def test_keywords_that_are_not_interned():
    name = "".join(["d", "i", "m"])
    assert torch.sum(T, **{name: 0}).tolist() == [2, 2, 2]


def test_python_types_are_dtypes():
    for kind, dtype in (
        (float, "float64"),
        (int, "int64"),
        (bool, "bool"),
        (complex, "complex128"),
    ):
        assert torch.zeros(2, dtype=kind).dtype is getattr(torch, dtype)


def test_requires_grad_of_factories():
    t = torch.zeros(2, requires_grad=True)
    assert t.requires_grad and t.is_leaf and not torch.zeros(2).requires_grad


def test_none_for_optional_arguments():
    assert torch.zeros(2, dtype=None, device=None, layout=None).shape == (2,)
    assert torch.add(T, T, out=None).shape == (2, 3)


def test_out():
    out = torch.empty(0)
    assert torch.add(T, T, out=out) is out and out.tolist() == [[2] * 3] * 2
    values, indices = torch.empty(0), torch.empty(0, dtype=torch.int64)
    result = torch.max(torch.tensor([[1.0, 5.0]]), 1, out=(values, indices))
    assert result.values is values and result.indices is indices and indices.tolist() == [1]


def test_numbers_stand_for_tensors():
    assert torch.add(T, 1)[0, 0].item() == 2 and torch.mul(T, True).dtype is torch.float32
    assert (torch.tensor([1], dtype=torch.int8) + 1).dtype is torch.int8
    assert (torch.tensor([1]) + 1.5).dtype is torch.float32


# ---- messages


@pytest.mark.parametrize(
    "call, text",
    [
        (
            lambda: torch.add(T, "x"),
            r"add\(\): argument 'other' \(position 2\) must be Tensor, not str",
        ),
        (lambda: T.add("x"), r"add\(\): argument 'other' \(position 1\) must be Tensor, not str"),
        (lambda: T.transpose(0), r'transpose\(\) missing 1 required positional arguments: "dim1"'),
        (
            lambda: T.transpose(0, 1, 2),
            r"transpose\(\) takes 2 positional arguments but 3 were given",
        ),
        (
            lambda: torch.transpose(T, 0, "a"),
            r"argument 'dim1' \(position 3\) must be int, not str",
        ),
        (lambda: torch.add(T, T, foo=1), r"add\(\) got an unexpected keyword argument 'foo'"),
        (lambda: torch.add(T, T, input=T), r"add\(\) got multiple values for argument 'input'"),
        (
            lambda: torch.zeros(2, dtype=3),
            r"zeros\(\): argument 'dtype' must be torch.dtype, not int",
        ),
        (lambda: torch.zeros(2, device=3.5), r"argument 'device' must be torch.device, not float"),
        (
            lambda: torch.zeros("a"),
            r"argument 'size' \(position 1\) must be tuple of ints, not str",
        ),
        (lambda: torch.zeros(2, 3.5), r"'size' failed to unpack the object at pos 2"),
        (lambda: torch.cat(T), r"argument 'tensors' \(position 1\) must be tuple of Tensors"),
        (lambda: torch.cat([T, 1]), r"expected Tensor as element 1 .* but got int"),
        (lambda: torch.full((2,), "a"), r"argument 'fill_value' \(position 2\) must be Number"),
        (lambda: T.unsqueeze(True), r"argument 'dim' \(position 1\) must be int, not bool"),
        (
            lambda: torch.sum(T, "x"),
            r"sum\(\) received an invalid combination of arguments - got \(Tensor, str\), "
            r"but expected one of:\n \* \(Tensor input, \*, torch.dtype dtype = None\)",
        ),
        (lambda: torch.sum(T, dim=1.5), r"got \(Tensor, dim=float\)"),
        (lambda: torch.Tensor.add(1, 2), r"descriptor 'add' .* doesn't apply to a 'int'"),
        (lambda: torch.Tensor.add(), r"doesn't apply"),
    ],
)
def test_type_errors_name_the_argument(call, text):
    with pytest.raises(TypeError, match=text):
        call()


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: torch.zeros(2**70), TypeError),
        (lambda: torch.zeros((2, 2**70)), TypeError),
        (lambda: T.transpose(0, 2**70), ValueError),
        (lambda: torch.full((1,), 2**70), OverflowError),
        (lambda: T + 2**70, OverflowError),
        (lambda: T.size(2**70), ValueError),
    ],
)
def test_integers_past_64_bits(call, error):
    with pytest.raises(error):
        call()


# ---- operators


def test_binary_operators():
    a, b = torch.tensor([5.0, 7.0]), torch.tensor([2.0, 4.0])
    x, y = np.array([5.0, 7.0]), np.array([2.0, 4.0])
    for op in "+ - * / // % **".split():
        f = eval(f"lambda p, q: p {op} q")
        assert f(a, b).tolist() == pytest.approx(f(x, y).tolist())
        assert f(a, 2).tolist() == pytest.approx(f(x, 2).tolist())
        assert f(2, a).tolist() == pytest.approx(f(2, x).tolist())
    for op in "& | ^ << >>".split():
        f = eval(f"lambda p, q: p {op} q")
        assert (
            f(torch.tensor([6, 3]), torch.tensor([1, 2])).tolist()
            == f(np.array([6, 3]), np.array([1, 2])).tolist()
        )
        assert f(torch.tensor([6, 3]), 1).tolist() == f(np.array([6, 3]), 1).tolist()
        assert f(6, torch.tensor([1, 2])).tolist() == f(6, np.array([1, 2])).tolist()


def test_unary_operators():
    t = torch.tensor([-1, 2])
    assert (-t).tolist() == [1, -2] and abs(t).tolist() == [1, 2] and (~t).tolist() == [0, -3]
    assert (+t).tolist() == [-1, 2]


def test_inplace_operators_keep_the_object():
    t = original = torch.tensor([1.0, 2.0])
    t += 1
    t *= 2
    t -= 1
    t /= 3
    assert t is original and t.tolist() == [1.0, pytest.approx(5 / 3)]


def test_comparisons():
    t = torch.tensor([1, 2, 3])
    assert (t < 2).tolist() == [True, False, False] and (2 <= t).tolist() == [False, True, True]
    assert (t == torch.tensor([1, 0, 3])).tolist() == [True, False, True]
    assert (t == "a") is False and (t != None) is True  # noqa: E711
    with pytest.raises(TypeError):
        t < "a"  # noqa: B015


def test_matrix_product():
    a = torch.arange(6.0).view(2, 3)
    assert (a @ a.t()).tolist() == [[5, 14], [14, 50]]
    with pytest.raises(TypeError):
        a @ 1


@pytest.mark.parametrize("other", ["a", None, [1], object()])
def test_operators_leave_strangers_to_the_other_side(other):
    class Right:
        def __radd__(self, left):
            return "mine"

    with pytest.raises(TypeError):
        T + other
    assert T + Right() == "mine"


# ---- results


def test_named_tuples():
    result = torch.max(torch.tensor([[1, 5], [7, 2]]), 1)
    values, indices = result
    assert result.values is values and result[1] is indices and indices.tolist() == [1, 0]
    assert type(result) is torch.return_types.max
    assert repr(result) == (
        "torch.return_types.max(\nvalues=tensor([5, 7]),\nindices=tensor([1, 0]))"
    )
    assert pickle.loads(pickle.dumps(result)).values.tolist() == [5, 7]


def test_lists_of_results_are_tuples():
    assert type(torch.chunk(T, 2)) is tuple and len(T.unbind(0)) == 2


def test_inplace_methods_return_the_object():
    t = torch.zeros(2)
    assert t.add_(1) is t and t.fill_(3) is t and t.zero_() is t


# ---- function objects


def test_functions_are_found_by_name():
    assert torch.add.__name__ == torch.add.__qualname__ == "add"
    assert torch.add.__module__ == "flambeau"
    assert torch.Tensor.add.__qualname__ == "Tensor.add"
    for f in (torch.add, torch.Tensor.add, torch.Tensor.size, torch.nn.functional.linear):
        assert pickle.loads(pickle.dumps(f)) is f and copy.deepcopy(f) is f


def test_functions_describe_themselves():
    assert "self + alpha * other" in torch.add.__doc__
    assert torch.add.__text_signature__ == "(input, other, *, alpha=None)"
    assert torch.Tensor.add.__text_signature__ == "($self, other, *, alpha=None)"
    assert torch.Tensor.where.__text_signature__ == "($self, condition, other)"
    assert repr(torch.add) == "<built-in function add>"
    assert repr(torch.Tensor.add) == "<method 'add' of 'Tensor' objects>"
    assert inspect.isroutine(torch.Tensor.add) and callable(torch.add)


def test_methods_bind():
    f = T.add
    assert f(1)[0, 0].item() == 2 and f.__self__ is T
    assert list(map(torch.Tensor.dim, [T, T[0]])) == [2, 1]


def test_functions_are_no_methods_of_classes_that_hold_them():
    class Holder:
        act = torch.relu

    assert Holder().act(torch.tensor([-1.0])).item() == 0


# ---- memory


def test_out_of_memory_is_an_error_that_names_the_op():
    with pytest.raises(RuntimeError, match="empty|zeros") as caught:
        torch.empty(2**50)
    assert isinstance(caught.value, torch.OutOfMemoryError)


def test_arguments_are_not_leaked():
    import sys

    for call in (
        lambda x: x + x,
        lambda x: x.add_(1),
        lambda x: torch.cat([x, x]),
        lambda x: torch.add(x, x, out=torch.empty(0)),
        lambda x: x.sum(0, keepdim=True),
        lambda x: x.view(-1),
    ):
        t = torch.ones(2, 2)
        before = sys.getrefcount(t)
        for _ in range(10):
            call(t)
        assert sys.getrefcount(t) == before

    t = torch.ones(2)
    for bad in (lambda: torch.add(t, "x"), lambda: torch.cat([t, 1]), lambda: t.sum(7)):
        before = sys.getrefcount(t)
        for _ in range(10):
            with pytest.raises((TypeError, IndexError)):
                bad()
        assert sys.getrefcount(t) == before


N = 8_000_000
MANY = [torch.ones(N) for _ in range(2)]
OPTIONS = dict(
    lr=0.1, beta1=0.9, beta2=0.9, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False
)


def fused(op):
    w, g, m, v = ([torch.ones(N)] for _ in range(4))
    return lambda: op(w, g, m, v, [], [torch.ones(())], **OPTIONS)


RELEASED = {
    "function": lambda: torch.exp(MANY[0]),
    "overload": lambda: torch.ops.aten.exp.default(MANY[0]),
    "packet": lambda: torch.ops.aten.exp(MANY[0]),
    "overload, out": lambda: torch.ops.aten.exp.out(MANY[0], out=MANY[1]),
    "list": lambda: torch.ops.aten.cat.default(MANY),
    "factory": lambda: torch.ops.aten.full.default([N * 4], 1.5),
    "fused": fused(torch._fused_adam_),
    "fused overload": fused(torch.ops.aten._fused_adam_.default),
}


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no lock")
@pytest.mark.parametrize("name", RELEASED)
def test_large_calls_run_without_pythons_lock(name):
    assert lets_others_run(RELEASED[name])
    small = torch.ones(4)
    assert not lets_others_run(lambda: torch.ops.aten.exp.default(small))


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no lock")
def test_calls_of_a_dispatch_mode_run_without_pythons_lock():
    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            let.append(lets_others_run(lambda: func(*args, **(kwargs or {}))))
            return args[0]

    let = []
    with Mode():
        torch.exp(MANY[0])
    assert let == [True]
