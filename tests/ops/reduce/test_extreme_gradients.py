"""Gradients of largest and smallest elements where some are NaN."""

import pytest

import flambeau

NAN, INF = float("nan"), float("inf")


def gradient(f, data, dtype=flambeau.float32):
    x = flambeau.tensor(data, dtype=dtype, requires_grad=True)
    f(x).sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize("dtype", [flambeau.float16, flambeau.float32, flambeau.float64])
@pytest.mark.parametrize("name", ["max", "min"])
def test_it_goes_to_the_nans(name, dtype):
    f = lambda x: getattr(x, name)()  # noqa: E731
    assert gradient(f, [[1, NAN], [3, 4]], dtype) == [[0, 1], [0, 0]]
    assert gradient(f, [[NAN, NAN], [3, 4]], dtype) == [[0.5, 0.5], [0, 0]]
    tie = 4.0 if name == "max" else 1.0
    assert gradient(f, [[tie, 2.0], [3.0, tie]], dtype) == [[0.5, 0], [0, 0.5]]


def test_both_extremes():
    f = lambda x: sum(flambeau.aminmax(x))  # noqa: E731
    assert gradient(f, [1, NAN, 3]) == [0, 2, 0]


@pytest.mark.parametrize("p", [INF, -INF])
def test_a_norm_that_is_nan_has_none(p):
    assert gradient(lambda x: x.norm(p), [[1, NAN], [3, 4]]) == [[0, 0], [0, 0]]
    by_row = gradient(lambda x: x.norm(p, 1), [[1, NAN], [3, -4]])
    assert by_row == [[0, 0], [0, -1] if p > 0 else [1, 0]]
    keep = lambda x: flambeau.linalg.vector_norm(x, p, keepdim=True)  # noqa: E731
    assert gradient(keep, [2, NAN]) == [0, 0]


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_of_two(name):
    a = flambeau.tensor([NAN, 1.0, NAN, 2.0, 2.0], requires_grad=True)
    b = flambeau.tensor([0.0, NAN, NAN, 2.0, 3.0], requires_grad=True)
    getattr(flambeau, name)(a, b).sum().backward()
    larger = [0.0, 1.0] if name == "maximum" else [1.0, 0.0]
    assert a.grad.tolist() == [1, 1, 1, 0.5, larger[0]]
    assert b.grad.tolist() == [1, 1, 1, 0.5, larger[1]]
