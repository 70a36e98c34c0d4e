"""Subclasses whose handlers answer with something else, and tensors without memory of their own."""

import numpy
import pytest

import flambeau as torch

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
