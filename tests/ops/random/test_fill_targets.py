"""Random fills: where they may write, and what they never draw."""

import inspect

import pytest

import flambeau as torch
from flambeau import nn

WRITES = {
    "normal_": lambda t: t.normal_(),
    "uniform_": lambda t: t.uniform_(),
    "exponential_": lambda t: t.exponential_(),
    "random_": lambda t: t.random_(),
    "random_ range": lambda t: t.random_(0, 9),
    "bernoulli_": lambda t: t.bernoulli_(0.5),
    "bernoulli_ tensor": lambda t: t.bernoulli_(torch.full(t.shape, 0.5)),
    "init.normal_": lambda t: nn.init.normal_(t),
    "init.uniform_": lambda t: nn.init.uniform_(t),
    "init.trunc_normal_": lambda t: nn.init.trunc_normal_(t),
    "masked_fill_": lambda t: t.masked_fill_(torch.ones(t.shape, dtype=torch.bool), 2.0),
    "index_put_": lambda t: t.index_put_((torch.tensor([0]),), torch.tensor(2.0)),
    "index_put_ accumulate": lambda t: t.index_put_((torch.tensor([0]),), torch.ones(()), True),
    "x[mask]": lambda t: t.__setitem__(torch.ones(t.shape, dtype=torch.bool), 2.0),
}


@pytest.mark.parametrize("name", WRITES)
def test_elements_that_share_memory_are_refused(name):
    for make in (lambda: torch.ones(1).expand(3), lambda: torch.ones(1, 2).expand(3, 2)):
        t = make()
        with pytest.raises(RuntimeError, match="single memory location"):
            WRITES[name](t)
        assert (t == 1).all()


def test_zeros_and_constants_may_be_written_to_shared_elements():
    t = torch.ones(1).expand(3)
    assert t.fill_(4).tolist() == [4.0] * 3
    assert t.zero_().tolist() == [0.0] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("rate", [1.0, 1e4, 1e30])
def test_exponential_numbers_are_positive(dtype, rate):
    torch.manual_seed(0)
    x = torch.empty(1_000_000, dtype=getattr(torch, dtype)).exponential_(rate)
    assert (x > 0).all()


def test_normal_refuses_negative_deviations():
    nan = float("nan")
    for std in (torch.tensor([1.0, -1.0]), torch.tensor([1.0, nan]), torch.tensor(-2.0)):
        with pytest.raises(RuntimeError, match="std >= 0"):
            torch.normal(torch.zeros(2), std)
    assert torch.normal(torch.ones(2), torch.zeros(2)).tolist() == [1.0, 1.0]


def test_multinomial_never_draws_a_class_of_weight_zero():
    for weights in ([0.0, 1.0, 0.0], [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]):
        with pytest.raises(RuntimeError, match="non-zero"):
            torch.multinomial(torch.tensor(weights), 2)
    torch.manual_seed(0)
    w = torch.zeros(64)
    w[10], w[20], w[63] = 1e-30, 1.0, 1e30
    for _ in range(200):
        assert set(torch.multinomial(w, 3).tolist()) == {10, 20, 63}
        assert set(torch.multinomial(w, 50, replacement=True).tolist()) <= {10, 20, 63}
    half = torch.zeros(64, dtype=torch.float16)
    half[5] = half[40] = 6e-8
    for _ in range(200):
        assert set(torch.multinomial(half, 2).tolist()) == {5, 40}


def test_functions_of_the_default_generator_say_what_they_take():
    signatures = {
        "manual_seed": "(seed)",
        "seed": "()",
        "initial_seed": "()",
        "get_rng_state": "()",
        "set_rng_state": "(new_state, /)",
    }
    for name, text in signatures.items():
        assert str(inspect.signature(getattr(torch, name))) == text
    assert torch.manual_seed(seed=3).initial_seed() == 3
    for wrong in (lambda: torch.manual_seed(), lambda: torch.manual_seed(1, 2)):
        with pytest.raises(TypeError, match="manual_seed"):
            wrong()
