"""out= for indices is of int64; out= of the factories that have one."""

import pytest

import flambeau

X = flambeau.tensor([[1.0, 5.0], [3.0, 2.0]])
IMAGE = flambeau.arange(16.0).reshape(1, 1, 4, 4)

PAIRS = {
    "max": lambda out: flambeau.max(X, 0, out=out),
    "min": lambda out: flambeau.min(X, 0, out=out),
    "sort": lambda out: flambeau.sort(X, out=out),
    "sort.stable": lambda out: flambeau.sort(X, stable=True, out=out),
    "topk": lambda out: flambeau.topk(X, 1, out=out),
    "max_pool2d": lambda out: flambeau._C._nn.max_pool2d_with_indices(IMAGE, 2, out=out),
}
SINGLE = {
    "argmax": lambda out: flambeau.argmax(X, 0, out=out),
    "argmin": lambda out: flambeau.argmin(X, 0, out=out),
    "nonzero": lambda out: flambeau.nonzero(X, out=out),
    "multinomial": lambda out: flambeau.multinomial(X, 1, out=out),
}
OTHERS = [flambeau.float32, flambeau.float64, flambeau.int32, flambeau.uint8]


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("name", PAIRS)
def test_of_pairs(name, dtype):
    values, indices = flambeau.empty(0), flambeau.empty(0, dtype=dtype)
    with pytest.raises(RuntimeError, match="indices can't be cast to the desired output type"):
        PAIRS[name]((values, indices))
    assert values.shape == indices.shape == (0,)
    indices = flambeau.empty(0, dtype=flambeau.int64)
    assert PAIRS[name]((values, indices))[1] is indices


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("name", SINGLE)
def test_of_one(name, dtype):
    out = flambeau.empty(0, dtype=dtype)
    with pytest.raises(RuntimeError, match="indices can't be cast to the desired output type"):
        SINGLE[name](out)
    assert out.shape == (0,)
    out = flambeau.empty(0, dtype=flambeau.int64)
    assert SINGLE[name](out) is out


def test_arange():
    out = flambeau.empty(3, dtype=flambeau.int64)
    assert flambeau.arange(3, out=out) is out
    assert out.tolist() == [0, 1, 2]
    for dtype in (flambeau.float32, flambeau.int32, flambeau.float16):
        assert flambeau.arange(2, out=flambeau.empty(0, dtype=dtype)).tolist() == [0, 1]
    assert flambeau.arange(2.5, out=flambeau.empty(0)).tolist() == [0, 1, 2]
    assert flambeau.arange(1, 4, out=flambeau.empty(0)).tolist() == [1, 2, 3]
    assert flambeau.arange(1, 4, 2, out=flambeau.empty(0)).tolist() == [1, 3]


def test_randperm():
    out = flambeau.empty(0, dtype=flambeau.int64)
    assert flambeau.randperm(4, out=out) is out
    assert sorted(out.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda **k: flambeau.ones(2, out=flambeau.ones(2), **k),
        lambda **k: flambeau.full((2,), 3, out=flambeau.ones(2), **k),
        lambda **k: flambeau.arange(3, out=flambeau.ones(3), **k),
        lambda **k: flambeau.rand(2, out=flambeau.ones(2), **k),
        lambda **k: flambeau.cumsum(flambeau.ones(3), 0, out=flambeau.zeros(3), **k),
        lambda **k: flambeau.sum(flambeau.ones(3), 0, out=flambeau.zeros(()), **k),
    ],
)
def test_a_dtype_beside_an_out_has_to_be_its_own(call):
    assert call(dtype=flambeau.float32).dtype == flambeau.float32
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float64"):
        call(dtype=flambeau.float64)


def test_a_device_beside_an_out_has_to_be_its_own():
    assert flambeau.ones(2, out=flambeau.zeros(2), device="cpu").tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="Expected out tensor to be on device meta"):
        flambeau.ones(2, out=flambeau.zeros(2), device="meta")
