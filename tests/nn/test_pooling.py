"""Pooling against windows that NumPy walks one by one."""

import itertools
import math

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

SHAPES = {1: (2, 3, 9), 2: (2, 20, 7, 9), 3: (2, 18, 5, 6, 7)}
FORMS = {2: torch.channels_last, 3: torch.channels_last_3d}


def layouts(x):
    yield x
    yield torch.stack([x, x], -1)[..., 0]
    if x.dim() > 3:
        yield x.to(memory_format=FORMS[x.dim() - 2])


def sizes_of(n, kernel, step, pad, dilate, ceil_mode):
    room = n + 2 * pad - dilate * (kernel - 1) - 1
    count = (math.ceil if ceil_mode else math.floor)(room / step) + 1
    return count - 1 if ceil_mode and (count - 1) * step >= n + pad else count


def windows(n, kernel, step, pad=0, dilate=1, ceil_mode=False):
    """The places of each window, and its size with padding."""
    for o in range(sizes_of(n, kernel, step, pad, dilate, ceil_mode)):
        first = o * step - pad
        places = range(first, first + dilate * (kernel - 1) + 1, dilate)
        yield [p for p in places if 0 <= p < n], min(first + kernel, n + pad) - first


def even(n, count):
    for o in range(count):
        places = list(range(o * n // count, -(-(o + 1) * n // count)))
        yield places, len(places)


def pooled(x, per_dim, reduce):
    """``reduce(part, indices, size)`` of each window; ``per_dim`` gives those of a dimension."""
    rank = len(per_dim)
    lead, plane = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    flat = x.reshape(-1, *plane)
    places = np.arange(math.prod(plane)).reshape(plane)
    made = []
    for image in flat:
        for combined in itertools.product(*per_dim):
            at = np.ix_(*[places for places, _ in combined])
            size = math.prod(n for _, n in combined)
            made.append(reduce(image[at].ravel(), places[at].ravel(), size))
    return np.array(made).reshape(*lead, *(len(d) for d in per_dim))


def largest(part, places, size):
    return part.max()


def place_of_largest(part, places, size):
    return places[part.argmax()]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "int64", "uint8"])
@pytest.mark.parametrize("how", [(3, 2, 1, 1, True), (2, 1, 0, 2, False), (2, 2, 1, 1, False)])
def test_max_pool(rank, dtype, how):
    x = torch.randperm(math.prod(SHAPES[rank])).reshape(SHAPES[rank]) % 199
    x = x.to(getattr(torch, dtype))
    plain = x.double().numpy()
    per_dim = [list(windows(n, *how)) for n in SHAPES[rank][2:]]
    want, where = pooled(plain, per_dim, largest), pooled(plain, per_dim, place_of_largest)
    pool = getattr(F, f"max_pool{rank}d")
    for same in layouts(x):
        got, indices = pool(same, *how, return_indices=True)
        assert got.dtype == x.dtype and np.array_equal(got.double().numpy(), want)
        assert np.array_equal(indices.numpy(), where)
        assert torch.equal(pool(same, *how), got)
        assert torch.equal(pool(same[0], *how), got[0])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize(
    "how", [(3, 2, 1, True), (2, 2, 0, False), (4, 3, 2, True), (3, 1, 1, False)]
)
def test_avg_pool(rank, count_include_pad, how):
    x = torch.randn(SHAPES[rank], dtype=torch.float64)
    kernel, step, pad, ceil_mode = how
    per_dim = [list(windows(n, kernel, step, pad, 1, ceil_mode)) for n in SHAPES[rank][2:]]

    def mean(part, places, size):
        return part.sum() / (size if count_include_pad else part.size)

    want = pooled(x.numpy(), per_dim, mean)
    pool = getattr(F, f"avg_pool{rank}d")
    for same in layouts(x):
        got = pool(same, kernel, step, pad, ceil_mode, count_include_pad)
        np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-14)
        for dtype, error in ((torch.float32, 1e-6), (torch.bfloat16, 0.02), (torch.float16, 2e-3)):
            low = same.to(dtype)
            made = pool(low, kernel, step, pad, ceil_mode, count_include_pad)
            exact = pool(low.double(), kernel, step, pad, ceil_mode, count_include_pad)
            assert made.dtype == dtype and (made.double() - exact).abs().max() < error
    if rank > 1:
        got = pool(x, kernel, step, pad, ceil_mode, count_include_pad, divisor_override=7)
        want = pooled(x.numpy(), per_dim, lambda part, places, size: part.sum() / 7)
        np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-14)


def test_averages_of_integers_are_cut():
    x = torch.tensor([[[-7, 0], [0, 0]]])
    assert F.avg_pool2d(x, 2).item() == -1
    with pytest.raises(NotImplementedError, match="avg_pool2d: not implemented for int32"):
        F.avg_pool2d(x.int(), 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 5, 12])
def test_adaptive_pools(rank, size):
    x = torch.randn(SHAPES[rank], dtype=torch.float64)
    per_dim = [list(even(n, size)) for n in SHAPES[rank][2:]]
    means = pooled(x.numpy(), per_dim, lambda part, places, size: part.mean())
    tops, where = (pooled(x.numpy(), per_dim, f) for f in (largest, place_of_largest))
    for same in layouts(x):
        got = getattr(F, f"adaptive_avg_pool{rank}d")(same, size)
        np.testing.assert_allclose(got.numpy(), means, rtol=0, atol=1e-14)
        pool = getattr(F, f"adaptive_max_pool{rank}d")
        got, indices = pool(same, size, return_indices=True)
        assert np.array_equal(got.numpy(), tops) and np.array_equal(indices.numpy(), where)
        assert torch.equal(pool(same[0], size), got[0])
    if rank > 1:
        keeps = getattr(F, f"adaptive_avg_pool{rank}d")(x, [None] * (rank - 1) + [2])
        assert keeps.shape == (*x.shape[:-1], 2)


CALLS = {
    "max_pool": lambda f, x: f(x, 3, 2, 1, ceil_mode=True),
    "avg_pool": lambda f, x: f(x, 3, 2, 1, True, False),
    "adaptive_avg_pool": lambda f, x: f(x, 3),
    "adaptive_max_pool": lambda f, x: f(x, 3),
    "lp_pool": lambda f, x: f(x.abs() + 0.1, 3.0, 2),
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, rank):
    torch.manual_seed(0)
    function = getattr(F, f"{name}{rank}d")
    x = torch.randn(2, 2, *(7, 5, 4)[:rank], dtype=torch.float64, requires_grad=True)
    for form in (None, FORMS.get(rank)):
        leaf = x.detach() if form is None else x.detach().to(memory_format=form)
        leaf.requires_grad_()
        assert torch.autograd.gradcheck(lambda x: CALLS[name](function, x), leaf)
        assert torch.autograd.gradgradcheck(lambda x: CALLS[name](function, x) ** 2, leaf)


@pytest.mark.parametrize("rank", [2, 3])
def test_fractional_pools(rank):
    pool = getattr(F, f"fractional_max_pool{rank}d")
    x = torch.randn(2, 3, *(9, 8, 7)[:rank], dtype=torch.float64, requires_grad=True)
    samples = torch.rand(2, 3, rank, dtype=torch.float64)

    def call(x):
        return pool(x, 2, output_size=4, _random_samples=samples)

    got, indices = pool(x, 2, output_size=4, return_indices=True, _random_samples=samples)
    picked = x.flatten(2).gather(2, indices.flatten(2)).reshape(got.shape)
    assert torch.equal(picked, got) and torch.equal(call(x), got)
    # The last window of each dimension ends with it.
    corner = x[(..., *[slice(-2, None)] * rank)].flatten(2).amax(2)
    assert torch.equal(got[(..., *[-1] * rank)], corner)
    assert torch.autograd.gradcheck(call, x)
    assert torch.autograd.gradgradcheck(lambda x: call(x) ** 2, x)
    torch.manual_seed(3)
    made = getattr(nn, f"FractionalMaxPool{rank}d")(2, output_ratio=0.5)(x)
    torch.manual_seed(3)
    drawn = torch.rand(2, 3, rank, dtype=torch.float64)
    sizes = [n // 2 for n in x.shape[2:]]
    assert torch.equal(made, pool(x, 2, sizes, _random_samples=drawn))
    with pytest.raises(ValueError, match="requires specifying either an output_size"):
        pool(x, 2)
    with pytest.raises(RuntimeError, match="too large relative to input size"):
        pool(x, 8, output_size=4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling(rank):
    x = torch.randn(2, 3, *(8, 6, 4)[:rank], dtype=torch.float64, requires_grad=True)
    y, i = getattr(F, f"max_pool{rank}d")(x, 2, return_indices=True)
    unpool = getattr(F, f"max_unpool{rank}d")
    back = unpool(y, i, 2)
    assert back.shape == x.shape
    assert torch.equal(back, torch.where(back != 0, x, torch.zeros_like(x)))
    assert (back != 0).sum() == y.numel()
    assert torch.autograd.gradcheck(lambda y: unpool(y, i, 2), y.detach().requires_grad_())
    longer = [n + 1 for n in x.shape[2:]]
    assert unpool(y, i, 2, output_size=longer).shape == (2, 3, *longer)
    with pytest.raises(ValueError, match="invalid output_size"):
        unpool(y, i, 2, output_size=[n + 3 for n in longer])
    with pytest.raises(RuntimeError, match="invalid max index"):
        unpool(y, i + 10**6, 2)
    with pytest.raises(RuntimeError, match="indices must be int64"):
        unpool(y, i.double(), 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layers(rank):
    x = torch.randn(2, 3, *[6] * rank)
    text = {
        f"MaxPool{rank}d(2)": (F, "max_pool", (2,)),
        f"AvgPool{rank}d(3, padding=1)": (F, "avg_pool", (3, None, 1)),
        f"LPPool{rank}d(2, 3)": (F, "lp_pool", (2.0, 3)),
        f"AdaptiveAvgPool{rank}d(2)": (F, "adaptive_avg_pool", (2,)),
        f"AdaptiveMaxPool{rank}d(2)": (F, "adaptive_max_pool", (2,)),
    }
    for layer, (module, name, args) in text.items():
        made = eval(f"nn.{layer}")(x)
        args = tuple(() if a is None else a for a in args)
        assert made.equal(getattr(module, f"{name}{rank}d")(x, *args)) or made.isnan().any()
    pool = getattr(nn, f"MaxPool{rank}d")(2, return_indices=True)
    assert getattr(nn, f"MaxUnpool{rank}d")(2)(*pool(x)).shape == x.shape


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: F.max_pool2d(x, 0), "max_pool2d: kernel size should be greater than zero"),
        (lambda x: F.avg_pool2d(x, 2, 0), "avg_pool2d: stride should be greater than zero"),
        (lambda x: F.avg_pool2d(x, 2, padding=2), "avg_pool2d: pad should be at most half"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
        (lambda x: F.max_pool2d(x, 9), "Output size is too small"),
        (lambda x: F.avg_pool2d(x[0, 0], 2), "avg_pool2d: Dimension out of range"),
        (lambda x: F.max_pool3d(x[0, 0], 2), "max_pool3d: non-empty 4D or 5D"),
        (lambda x: F.adaptive_avg_pool2d(x[0, 0], 2), "adaptive_avg_pool2d: Expected 3D or 4D"),
        (lambda x: F.adaptive_max_pool2d(x, -1), "must be greater than or equal to 0"),
        (lambda x: F.max_pool1d(x, 2), "max_pool1d: Expected 2D or 3D input"),
    ],
)
def test_errors(call, text):
    with pytest.raises((RuntimeError, ValueError, IndexError), match=text):
        call(torch.zeros(1, 2, 6, 6))


def test_same_bits_for_any_number_of_threads():
    x = torch.randn(4, 20, 33, 35)
    before = torch.get_num_threads()
    made = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        made.append((F.avg_pool2d(x, 5, 2, 1), F.adaptive_avg_pool2d(x, 4), F.max_pool2d(x, 3, 2)))
    torch.set_num_threads(before)
    for others in made[1:]:
        assert all(torch.equal(a, b) for a, b in zip(made[0], others, strict=True))
