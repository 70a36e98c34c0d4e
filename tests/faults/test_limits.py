"""Values at the edges of what a dtype holds, in activations, norms and random numbers."""

import math

import pytest

import flambeau as torch
import flambeau.nn.functional as F

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_far_out(name, dtype):
    far = 1e4 if dtype == torch.float16 else 1e20
    x = torch.tensor([-math.inf, -far, far, math.inf], dtype=dtype, requires_grad=True)
    y = ACTIVATIONS[name](x)
    assert y.tolist() == [0.0, 0.0, x[2].item(), math.inf]
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype, most", [(torch.float32, 3e38), (torch.float64, 1.7e308)])
def test_lerp_across_the_whole_range(dtype, most):
    a, b = torch.tensor([-most], dtype=dtype), torch.tensor([most], dtype=dtype)
    assert torch.lerp(a, b, 0.5).item() == 0.0
    three = torch.tensor([0.75], dtype=dtype)
    assert torch.lerp(a, b, three).item() == pytest.approx(most / 2)
    assert torch.lerp(a, b, 1.0).item() == b.item() and torch.lerp(a, b, 0.0).item() == a.item()


@pytest.mark.parametrize("dtype, most", [(torch.float32, 3e38), (torch.float64, 1.7e308)])
def test_layer_norm_of_equal_large_numbers(dtype, most):
    x = torch.full((2, 4), most, dtype=dtype)
    assert F.layer_norm(x, (4,)).tolist() == [[0.0] * 4] * 2
    assert F.layer_norm(x, (4,), bias=torch.ones(4, dtype=dtype)).tolist() == [[1.0] * 4] * 2
    x[0, 0] = -most
    assert torch.allclose(F.layer_norm(x, (4,))[0, 0], torch.tensor(-(3**0.5), dtype=dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1.0, 1e4, 3e6, 1e8, 1e30])
def test_logsumexp_gradient_is_the_softmax(dtype, size):
    if size > torch.finfo(dtype).max:
        pytest.skip("the dtype does not hold it")
    x = torch.full((3, 4), size, dtype=dtype)
    x[0, 0] = -size
    for dims in ((1,), (0,), (0, 1), ()):
        leaf = x.clone().requires_grad_()
        leaf.logsumexp(dims).sum().backward()
        flat = x.double()
        top = flat.amax(dims or (0, 1), keepdim=True)
        share = (flat - top).exp()
        want = share / share.sum(dims or (0, 1), keepdim=True)
        assert torch.allclose(leaf.grad.double(), want, rtol=1e-2, atol=1e-6), dims


def test_logsumexp_gradient_of_infinities():
    x = torch.tensor([[1.0, -math.inf], [-math.inf, -math.inf]], requires_grad=True)
    x.logsumexp(1)[0].backward()
    assert x.grad[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("low, high", [(0, 300), (0, 2050), (-301, -298), (2**24, 2**24 + 4)])
def test_random_integers_stay_within_their_bounds(dtype, low, high):
    if high > torch.finfo(dtype).max:
        pytest.skip("the dtype does not hold it")
    calls = [
        lambda: torch.randint(low, high, (20000,), dtype=dtype),
        lambda: torch.empty(20000, dtype=dtype).random_(low, high),
        lambda: torch.randint_like(torch.empty(20000, dtype=dtype), low, high),
        lambda: torch.randint(low, high, (20000,), out=torch.empty(0, dtype=dtype)),
    ]
    for call in calls:
        drawn = call()
        assert drawn.dtype == dtype
        assert low <= int(drawn.double().min()) and int(drawn.double().max()) < high


def test_random_integers_without_a_number_between_the_bounds():
    with pytest.raises(RuntimeError, match="'from' casted to dtype to be less than"):
        torch.randint(299, 300, (3,), dtype=torch.bfloat16)
    t = torch.ones(3, dtype=torch.bfloat16)
    with pytest.raises(RuntimeError, match="'from' casted to dtype to be less than"):
        t.random_(299, 300)
    assert t.tolist() == [1.0] * 3
    assert (torch.empty(1000, dtype=torch.bfloat16).random_(-301, None) >= -301).all()


@pytest.mark.parametrize(
    "dtype, most",
    [(torch.float16, 2049), (torch.bfloat16, 257), (torch.uint8, 256), (torch.int8, 128)],
)
def test_a_permutation_holds_each_number_once(dtype, most):
    assert sorted(torch.randperm(most, dtype=dtype).tolist()) == list(range(most))
    out = torch.empty(0, dtype=dtype)
    assert sorted(torch.randperm(most, out=out).tolist()) == list(range(most))
    with pytest.raises(RuntimeError, match=f"n cannot be greater than {most}"):
        torch.randperm(most + 1, dtype=dtype)
    with pytest.raises(RuntimeError, match=f"n cannot be greater than {most}"):
        torch.randperm(most + 1, out=out)


def test_random_out():
    for out in (torch.empty(0), torch.empty(0, dtype=torch.float64), torch.empty(4).to(torch.half)):
        assert torch.randint(3, 4, (4,), out=out) is out and out.tolist() == [3.0] * 4
        mean, zero = torch.tensor([1.0, 2.0]), torch.zeros(2)
        out.resize_(2)
        assert torch.normal(mean, zero, out=out) is out and out.tolist() == [1.0, 2.0]
        assert torch.normal(mean, 0.0, out=out).tolist() == [1.0, 2.0]
        g = torch.Generator()
        assert torch.randint(3, 4, (2,), generator=g, out=out).tolist() == [3.0] * 2
        assert sorted(torch.randperm(2, generator=g, out=out).tolist()) == [0.0, 1.0]
    ints = torch.empty(2, dtype=torch.int64)
    with pytest.raises(RuntimeError):
        torch.normal(mean, zero, out=ints)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.randn(2, dtype=torch.int64),
        lambda: torch.rand(2, dtype=torch.bool),
        lambda: torch.zeros(2, dtype=torch.int32).uniform_(),
        lambda: torch.zeros(2, dtype=torch.int32).normal_(),
        lambda: torch.rand_like(torch.ones(2, dtype=torch.int64)),
        lambda: torch.bernoulli(torch.ones(2, dtype=torch.int64)),
        lambda: torch.ones(2).bernoulli_(torch.ones(2, dtype=torch.int64)),
        lambda: torch.randperm(2, dtype=torch.bool),
        lambda: torch.normal(torch.ones(2, dtype=torch.int64), 1.0),
    ],
)
def test_random_numbers_of_dtypes_that_have_none(call):
    with pytest.raises(NotImplementedError):
        call()
