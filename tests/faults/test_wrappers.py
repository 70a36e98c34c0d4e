"""Subclasses whose handlers answer with something else, and tensors without memory of their own."""

import copy

import numpy
import pytest

import flambeau as torch
from tests.faults.child import run

ANSWERS = {
    "nothing": None,
    "a number": 42,
    "a string": "x",
    "a list": [1, [2, None]],
    "a tuple of nothing": (None, None, None),
    "too many": tuple(torch.zeros(1) for _ in range(5)),
    "an empty list": [],
}


class Answers(torch.Tensor):
    answer: object = None

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return Answers.answer


CALLS = {
    "adjoint": lambda t: t.adjoint(),
    "add": lambda t: t + 1,
    "linear": lambda t: torch.nn.functional.linear(t, t, t[0]),
    "softmax": lambda t: t.softmax(0),
    "split": lambda t: t.split(1),
    "max": lambda t: t.max(0),
    "index": lambda t: t[torch.tensor([0])],
    "einsum": lambda t: torch.einsum("ij,jk->ik", t, t),
    "cross_entropy": lambda t: torch.nn.functional.cross_entropy(t, torch.tensor([0, 1])),
    "backward": lambda t: t.detach().requires_grad_().sum().backward(),
    "matmul": lambda t: t @ t,
    "layer_norm": lambda t: torch.nn.functional.layer_norm(t, (2,)),
    "item": lambda t: t[0, 0].item(),
    "iterate": lambda t: list(t),
    "setitem": lambda t: t.__setitem__(0, 1.0),
    "add_": lambda t: t.add_(1),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", CALLS)
def test_an_answer_of_another_kind_is_refused_or_handed_on(call, answer):
    Answers.answer = ANSWERS[answer]
    t = torch.ones(2, 2).as_subclass(Answers)
    try:
        CALLS[call](t)
    except (TypeError, RuntimeError, IndexError, ValueError, AttributeError):
        pass


def test_nothing_where_a_tensor_is_due():
    Answers.answer = None
    t = torch.ones(2, 2).as_subclass(Answers)
    with pytest.raises(TypeError, match="transpose: expected a Tensor as result, got NoneType"):
        t.adjoint()


class Wrapper(torch.Tensor):
    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise NotImplementedError("here")


@pytest.mark.parametrize(
    "show",
    [
        lambda t: t.numpy(),
        lambda t: t.numpy(force=True),
        lambda t: numpy.asarray(t),
        lambda t: numpy.array(t),
        lambda t: t.__array__(),
        lambda t: t.__dlpack__(),
        lambda t: t.__dlpack__(max_version=(1, 0)),
        lambda t: torch.from_dlpack(t),
        lambda t: memoryview(t),
        lambda t: t.tolist(),
        lambda t: t[0, 0].item(),
        lambda t: float(t[0, 0]),
        lambda t: bool(t[0, 0]),
        lambda t: torch.tensor([t, t]),
    ],
)
def test_a_wrapper_has_no_memory_to_show(show):
    t = torch.Tensor._make_wrapper_subclass(Wrapper, (2, 3))
    with pytest.raises((TypeError, RuntimeError, BufferError)):
        show(t)


# What gives several results, and the ops that give one list.
SEVERAL = {
    "sort": lambda t: t.sort(),
    "split": lambda t: t.split(1),
    "chunk": lambda t: t.chunk(2),
    "unbind": lambda t: t.unbind(),
    "iterate": lambda t: list(t),
    "cross_entropy": lambda t: torch.nn.functional.cross_entropy(t, torch.tensor([0, 1])),
    "layer_norm": lambda t: torch.nn.functional.layer_norm(t, (2,)),
    "var_mean": lambda t: torch.var_mean(t),
    "max": lambda t: t.max(0),
    "aminmax": lambda t: t.aminmax(),
    "nonzero": lambda t: t.nonzero(as_tuple=True),
    "max_pool2d": lambda t: torch.nn.functional.max_pool2d(t[None], 1, return_indices=True),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_one_tensor_where_several_are_due(name):
    """A tensor is a sequence of its rows; those of this class would ask the handler again."""
    run(
        f"""
        import flambeau as torch
        from tests.faults.test_wrappers import SEVERAL
        class First(torch.Tensor):
            @classmethod
            def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
                return args[0]
        made = torch.Tensor._make_wrapper_subclass(First, (2, 2))
        for t in (torch.ones(2, 2).as_subclass(First), made):
            try: SEVERAL[{name!r}](t)
            except TypeError as error: assert "expected a tuple or list of" in str(error), error
            else: raise AssertionError("one tensor was taken for several")
        """
    )


def test_a_library_op_that_gives_one_tensor_for_several():
    library = torch.library.Library("faults_of_results", "DEF")
    library.define("two(Tensor x) -> (Tensor, Tensor)")
    library.define("many(Tensor x) -> Tensor[]")
    for answer, fits in [(torch.ones(2, 3), False), ([torch.ones(1)] * 2, True)]:
        for name in ("two", "many"):
            op = getattr(torch.ops.faults_of_results, name)
            library.impl(name, lambda x, answer=answer: answer, "CPU", allow_override=True)
            if fits:
                assert len(op(torch.ones(1))) == 2
                continue
            with pytest.raises(TypeError, match="expected a tuple or list of .* got Tensor"):
                op(torch.ones(1))


def test_copies_keep_the_slots_of_a_subclass():
    class Slotted(torch.Tensor):
        __slots__ = ("first", "__hidden")

        def hide(self, value):
            self.__hidden = value

        def hidden(self):
            return self.__hidden

    t = torch.ones(2).as_subclass(Slotted)
    t.first, t.other = [1], [2]
    t.hide([3])
    made = copy.deepcopy([t, t])
    assert made[0] is made[1] and type(made[0]) is Slotted
    assert (made[0].first, made[0].other, made[0].hidden()) == ([1], [2], [3])
    assert made[0].first is not t.first and made[0].hidden() is not t.hidden()


def test_data_without_memory_for_a_tensor_with_it():
    for to, of in (("cpu", "meta"), ("meta", "cpu")):
        t = torch.ones(3, device=to)
        with pytest.raises(RuntimeError, match="incompatible tensor type"):
            t.data = torch.ones(3, device=of)
        assert t.device.type == to
