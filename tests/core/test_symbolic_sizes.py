"""Sizes that are symbols: as arguments of ops, and of tensors whose class answers for them."""

import copy

import pytest
from drills import recording

import flambeau as torch
from flambeau.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


@pytest.fixture
def s():
    recording.NOTES.clear()
    return recording.symbol(5, "s")


@pytest.fixture
def t(s):
    return recording.Symbolic([s, 3], torch.float32)


class Seen(TorchDispatchMode):
    def __init__(self):
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append((str(func), args))
        return torch.empty(0)


def asked_for_a_number():
    return [n for n in recording.NOTES if n[0] == "index"]


def test_schemas_say_which_integers_may_be_symbols():
    assert "SymInt[] size" in str(aten.view.default._schema)
    assert "SymInt" in str(aten.sym_numel.default._schema)


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda s: torch.zeros(s, 3), "aten.zeros.default"),
        (lambda s: torch.zeros((s, 3)), "aten.zeros.default"),
        (lambda s: torch.empty(size=[s, 3]), "aten.empty.memory_format"),
        (lambda s: torch.ones(1).expand(s, 3), "aten.expand.default"),
        (lambda s: aten.view.default(torch.ones(15), [s, 3]), "aten.view.default"),
    ],
)
def test_symbols_reach_a_mode_as_they_are(call, name, s):
    with Seen() as mode:
        call(s)
    func, args = mode.calls[-1]
    assert func == name and not asked_for_a_number()
    assert any(isinstance(a, (list, tuple)) and a[0] is s and a[1] == 3 for a in args)


def test_a_single_integer_and_a_number_may_be_symbols(s):
    x = torch.ones(9)
    with Seen() as mode:
        x.select(0, s)
        torch.full((2,), s)
    assert mode.calls[0][1][2] is s and mode.calls[1][1][1] is s
    assert not asked_for_a_number()


def test_a_symbol_that_nobody_answers_for_is_refused(s):
    with pytest.raises(NotImplementedError, match="zeros: a size that is a symbol"):
        torch.zeros(s)
    x = torch.ones(9, requires_grad=True)
    with Seen(), pytest.raises(NotImplementedError, match="torch.no_grad"):
        x.select(0, s)
    with Seen() as mode, torch.no_grad():
        x.select(0, s)
    assert mode.calls
    with pytest.raises(TypeError, match="rule"):
        torch._C._run_rule(aten.zeros.default, ([s],), {})


def test_compositions_run_in_python_on_symbols(s, t):
    shape = torch.narrow(t, 0, 1, s - 1).shape
    assert isinstance(shape[0], torch.SymInt) and recording.settled(shape) == [4, 3]
    assert not asked_for_a_number()


def test_the_class_answers_for_the_geometry(s, t):
    assert isinstance(t.shape, torch.Size) and t.shape[0] is s and t.size(0) is s
    assert t.size()[1] == 3 and t.size(dim=-1) == 3 and t.shape[1:] == (3,)
    assert t.stride() == (3, 1) and t.stride(0) == 3 and t.storage_offset() == 0
    assert str(t.numel()) == "((1 * s) * 3)" == str(t.nelement())
    assert t.dim() == t.ndim == 2 and t.is_contiguous()
    assert not asked_for_a_number()


def test_what_the_class_does_not_answer_is_what_was_given():
    class Silent(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            asked.append(str(func))
            return NotImplemented

    asked = []
    make = torch.Tensor._make_wrapper_subclass
    t = make(Silent, (2, 3), dispatch_sizes_strides_policy="sizes")
    assert t.shape == (2, 3) and t.stride() == (3, 1) and t.numel() == 6 and t.dim() == 2
    assert t.is_contiguous() and not t.is_contiguous(memory_format=torch.channels_last)
    assert set(asked) == {
        "aten.sym_size.default",
        "aten.sym_stride.default",
        "aten.sym_numel.default",
        "aten.dim.default",
        "aten.is_contiguous.default",
        "aten.is_contiguous.memory_format",
    }
    plain = make(Silent, (2, 3))
    asked.clear()
    assert plain.shape == (2, 3) and not asked
    with pytest.raises(NotImplementedError, match="dispatch_sizes_strides_policy"):
        make(Silent, (2, 3), dispatch_sizes_strides_policy="strides")


def test_questions_are_ops_too():
    x = torch.ones(2, 3)[:, 1:]
    assert list(aten.sym_size.default(x)) == [2, 2] and list(aten.sym_stride.default(x)) == [3, 1]
    assert aten.sym_numel.default(x) == 4 and aten.sym_storage_offset.default(x) == 1
    assert aten.dim.default(x) == 2 and not aten.is_contiguous.default(x)


def test_arithmetic_of_symbols(s):
    assert str(2 * (s + 1) - s // 2) == "((2 * (s + 1)) - (s // 2))"
    assert s != 1 and s > 1 and s >= 2 and bool(s) and not asked_for_a_number()
    assert int(s) == 5 and float(s) == 5.0 and [7] * s == [7] * 5 and abs(-s) == 5
    with pytest.raises(TypeError):
        hash(s)
    with pytest.raises(TypeError):
        s + "1"
    assert copy.copy(s).node is s.node
