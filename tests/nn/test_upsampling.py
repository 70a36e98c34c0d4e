"""Resampling against what it means: weights of elements, made here one result at a time."""

import math
import warnings

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

SHAPES = {1: (2, 3, 7), 2: (2, 20, 5, 7), 3: (2, 18, 3, 5, 4)}
FORMS = {2: torch.channels_last, 3: torch.channels_last_3d}
MODES = [
    *[("nearest", r) for r in (1, 2, 3)],
    *[("nearest-exact", r) for r in (1, 2, 3)],
    ("linear", 1),
    ("bilinear", 2),
    ("trilinear", 3),
    ("bicubic", 2),
    *[("area", r) for r in (1, 2, 3)],
]


def cubic(x, a):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def lanczos(x):
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


SMOOTH = {
    "bilinear": (1, lambda x: max(1 - abs(x), 0.0)),
    "bicubic": (2, lambda x: cubic(x, -0.5)),
    "lanczos": (3, lanczos),
}


def matrix(n, count, mode, align=False, scale=None, antialias=False):
    """The weight of each of ``n`` elements in each of ``count`` results."""
    made = np.zeros((count, n))
    step = n / count if scale is None else 1 / scale
    if align:
        step = (n - 1) / (count - 1) if count > 1 else 0.0
    for o in range(count):
        if mode == "area":
            begin, end = o * n // count, -(-(o + 1) * n // count)
            made[o, begin:end] = 1 / (end - begin)
        elif antialias:
            reach, filtered = SMOOTH[mode]
            wide = max(step, 1.0)
            middle = step * (o + 0.5)
            begin = max(int(middle - reach * wide + 0.5), 0)
            end = min(int(middle + reach * wide + 0.5), n)
            weights = [filtered((j - middle + 0.5) / wide) for j in range(begin, end)]
            made[o, begin:end] = np.array(weights) / sum(weights)
        elif mode.startswith("nearest"):
            at = (o + 0.5) * step if mode == "nearest-exact" else o * step
            made[o, min(math.floor(at), n - 1)] = 1
        else:
            at = o * step if align else (o + 0.5) * step - 0.5
            if mode == "bicubic":
                low = math.floor(at)
                for j in range(low - 1, low + 3):
                    made[o, min(max(j, 0), n - 1)] += cubic(at - j, -0.75)
            else:
                at = min(max(at, 0.0), n - 1)
                low = min(math.floor(at), n - 1)
                made[o, low] += 1 - (at - low)
                made[o, min(low + 1, n - 1)] += at - low
    return made


def resampled(x, matrices):
    for d, m in enumerate(reversed(matrices)):
        x = np.moveaxis(np.tensordot(m, x, (1, x.ndim - 1 - d)), 0, x.ndim - 1 - d)
    return x


def layouts(x):
    yield x
    yield torch.stack([x, x], -1)[..., 0]
    if x.dim() > 3:
        yield x.to(memory_format=FORMS[x.dim() - 2])


@pytest.mark.parametrize(("mode", "rank"), MODES)
@pytest.mark.parametrize("size", [3, 4, 9, 40])
def test_sizes(mode, rank, size):
    x = torch.randn(SHAPES[rank], dtype=torch.float64)
    for align in (False, True) if mode.endswith(("linear", "cubic")) else (None,):
        want = resampled(x.numpy(), [matrix(n, size, mode, bool(align)) for n in x.shape[2:]])
        for same in layouts(x):
            got = F.interpolate(same, [size] * rank, mode=mode, align_corners=align)
            np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-13)
            form = FORMS.get(rank)
            if form is not None and same.is_contiguous(memory_format=form):
                assert got.is_contiguous(memory_format=form)
            for dtype, error in ((torch.float32, 1e-5), (torch.bfloat16, 0.05)):
                low = F.interpolate(same.to(dtype), [size] * rank, mode=mode, align_corners=align)
                exact = F.interpolate(
                    same.to(dtype).double(), [size] * rank, mode=mode, align_corners=align
                )
                assert low.dtype == dtype and (low.double() - exact).abs().max() < error


@pytest.mark.parametrize(("mode", "rank"), [m for m in MODES if m[0] != "area"])
@pytest.mark.parametrize("scale", [1.7, 0.6, 3.0])
def test_scales(mode, rank, scale):
    x = torch.randn(SHAPES[rank], dtype=torch.float64)
    sizes = [int(n * scale) for n in x.shape[2:]]
    pairs = list(zip(x.shape[2:], sizes, strict=True))
    want = resampled(x.numpy(), [matrix(n, k, mode, scale=scale) for n, k in pairs])
    got = F.interpolate(x, scale_factor=scale, mode=mode)
    np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-13)
    again = F.interpolate(x, scale_factor=scale, mode=mode, recompute_scale_factor=True)
    assert torch.equal(again, F.interpolate(x, sizes, mode=mode))


@pytest.mark.parametrize("mode", SMOOTH)
@pytest.mark.parametrize("size", [(2, 3), (3, 9), (12, 4), (5, 7)])
def test_antialias(mode, size):
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    made = [matrix(n, k, mode, antialias=True) for n, k in zip(x.shape[2:], size, strict=True)]
    for same in layouts(x):
        got = F.interpolate(same, size, mode=mode, antialias=True)
        np.testing.assert_allclose(got.numpy(), resampled(x.numpy(), made), rtol=0, atol=1e-13)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_bytes(mode, antialias, channels):
    torch.manual_seed(0)
    x = torch.randint(0, 256, (2, channels, 9, 11), dtype=torch.uint8)
    how = {"mode": mode, "antialias": antialias}
    for size in ((4, 30), (20, 5)):
        # Bytes along the last dimension first, then along the other.
        bytes = F.interpolate(x.double(), (9, size[1]), **how).clamp(0, 255).round()
        exact = F.interpolate(bytes, size, **how).clamp(0, 255)
        for same in layouts(x):
            got = F.interpolate(same, size, **how)
            assert got.dtype == torch.uint8
            assert (got.double() - exact).abs().max() <= 1.6
            assert (got.double() - exact).abs().mean() < 0.3
    assert torch.equal(F.interpolate(x, (9, 11), mode=mode, antialias=antialias), x)


@pytest.mark.parametrize(("mode", "rank"), MODES)
def test_gradients(mode, rank):
    x = torch.randn(1, 2, *(4, 3, 3)[:rank], dtype=torch.float64, requires_grad=True)
    for size in (2, 6):

        def call(x, size=size):
            return F.interpolate(x, [size] * rank, mode=mode)

        assert torch.autograd.gradcheck(call, x)
        assert torch.autograd.gradgradcheck(lambda x, call=call: call(x) ** 2, x)
        if rank > 1:
            last = x.detach().to(memory_format=FORMS[rank]).requires_grad_()
            assert torch.autograd.gradcheck(call, last)
    wide = torch.zeros(2, 20, *[40] * rank, requires_grad=True)
    F.interpolate(wide, [9] * rank, mode=mode).sum().backward()
    assert abs(wide.grad.sum().item() / (40 * 9**rank) - 1) < 1e-4


@pytest.mark.parametrize("mode", SMOOTH)
def test_gradients_with_antialias(mode):
    x = torch.randn(1, 2, 6, 4, dtype=torch.float64, requires_grad=True)

    def call(x):
        return F.interpolate(x, (3, 7), mode=mode, antialias=True)

    assert torch.autograd.gradcheck(call, x)
    assert torch.autograd.gradgradcheck(lambda x: call(x) ** 2, x)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: F.interpolate(x), ValueError, "either size or scale_factor"),
        (lambda x: F.interpolate(x, 2, 2), ValueError, "only one of size or scale_factor"),
        (lambda x: F.interpolate(x, 2, align_corners=True), ValueError, "align_corners"),
        (lambda x: F.interpolate(x, (2, 2, 2)), ValueError, "number of spatial dimensions"),
        (lambda x: F.interpolate(x, 2.5), TypeError, "expected size to be one of int"),
        (lambda x: F.interpolate(x, 2, mode="linear"), NotImplementedError, "linear mode needs 3D"),
        (lambda x: F.interpolate(x, 2, mode="oval"), NotImplementedError, "oval"),
        (lambda x: F.interpolate(x, 2, mode="lanczos"), ValueError, "requires antialias=True"),
        (lambda x: F.interpolate(x, 2, antialias=True), ValueError, "Anti-alias option"),
        (lambda x: F.interpolate(x, 0), RuntimeError, "sizes should be greater than 0"),
        (lambda x: F.interpolate(x[0, 0], 2), NotImplementedError, "got 2D"),
        (
            lambda x: F.interpolate(x, 2, recompute_scale_factor=True),
            ValueError,
            "recompute_scale_factor",
        ),
        (lambda x: F.interpolate(x.int(), 2), NotImplementedError, "not implemented for int32"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(torch.zeros(1, 2, 4, 4))


def test_layers():
    x = torch.randn(1, 2, 4, 5)
    layer = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    assert repr(layer) == "Upsample(scale_factor=2.0, mode='bilinear')"
    want = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    assert torch.equal(layer(x), want)
    assert torch.equal(nn.UpsamplingBilinear2d(scale_factor=2)(x), want)
    assert torch.equal(nn.UpsamplingNearest2d((8, 10))(x), F.interpolate(x, scale_factor=2))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert torch.equal(F.upsample_bilinear(x, scale_factor=2), want)
        assert torch.equal(F.upsample(x, (8, 10)), F.upsample_nearest(x, scale_factor=2))
    assert len(seen) == 3


# ---- grids


def sampled(x, grid, mode, padding, align):
    """One value at a time."""
    sizes = x.shape[2:]
    rank = len(sizes)
    made = np.zeros((*x.shape[:2], *grid.shape[1:-1]))

    def bounded(c, n):
        if padding == "reflection":
            low, span = (0, n - 1) if align else (-0.5, n)
            if span == 0:
                return 0.0
            c = abs(c - low) % (2 * span)
            c = low + (2 * span - c if c > span else c)
        return c if padding == "zeros" else min(max(c, 0.0), n - 1.0)

    def line(u, n):
        c = (u + 1) / 2 * (n - 1) if align else ((u + 1) * n - 1) / 2
        if mode == "bicubic":
            low = math.floor(c)
            return [(bounded(j, n), cubic(c - j, -0.75)) for j in range(low - 1, low + 3)]
        c = bounded(c, n)
        if mode == "nearest":
            return [(float(np.rint(c)), 1.0)]
        low = math.floor(c)
        return [(low, low + 1 - c), (low + 1, c - low)]

    for at in np.ndindex(*made.shape[2:]):
        for b in range(x.shape[0]):
            point = grid[(b, *at)]
            lines = [line(point[rank - 1 - d], n) for d, n in enumerate(sizes)]
            for combined in np.ndindex(*map(len, lines)):
                taps = [lines[d][k] for d, k in enumerate(combined)]
                if all(0 <= place < n for (place, _), n in zip(taps, sizes, strict=True)):
                    places = tuple(int(place) for place, _ in taps)
                    made[(b, slice(None), *at)] += (
                        math.prod(w for _, w in taps) * x[(b, slice(None), *places)]
                    )
    return made


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize(
    ("mode", "rank"),
    [("bilinear", 2), ("bilinear", 3), ("nearest", 2), ("nearest", 3), ("bicubic", 2)],
)
def test_grid_sample(mode, rank, padding, align):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *(5, 4, 3)[:rank], dtype=torch.float64)
    grid = torch.rand(2, *(4, 20, 3)[:rank], rank, dtype=torch.float64) * 4 - 2
    got = F.grid_sample(x, grid, mode, padding, align)
    want = sampled(x.numpy(), grid.numpy(), mode, padding, align)
    np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=1e-12)
    if rank == 2:
        last = x.to(memory_format=torch.channels_last)
        assert torch.equal(F.grid_sample(last, grid, mode, padding, align), got)
    few = grid[:1, :2, :2].requires_grad_()
    leaf = x[:1].clone().requires_grad_()

    def call(x, grid):
        return F.grid_sample(x, grid, mode, padding, align)

    assert torch.autograd.gradcheck(call, (leaf, few))


def test_grid_errors_and_odd_places():
    x, grid = torch.ones(1, 2, 4, 4), torch.zeros(1, 3, 3, 2)
    for call, text in (
        (lambda: F.grid_sample(x, grid.double(), align_corners=False), "the same dtype"),
        (lambda: F.grid_sample(x, grid[..., :1], align_corners=False), "size 2 in last dimension"),
        (lambda: F.grid_sample(x[0], grid, align_corners=False), "same batch size"),
        (lambda: F.grid_sample(x[:, :, :0], grid, align_corners=False), "non-empty spatial"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(ValueError, match="expected mode to be"):
        F.grid_sample(x, grid, "oval")
    with pytest.warns(UserWarning, match="align_corners is False"):
        F.grid_sample(x, grid)
    for odd in (math.nan, math.inf, -math.inf, 1e30):
        far = torch.full((1, 1, 1, 2), odd)
        assert F.grid_sample(x, far, align_corners=False).tolist() == [[[[0.0]], [[0.0]]]]
        assert F.grid_sample(x, far, padding_mode="border", align_corners=False).isfinite().all()


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (2, 1, 1, 5), (2, 1, 2, 3, 4)])
def test_affine_grid(align, size):
    rank = len(size) - 2
    theta = torch.randn(2, rank, rank + 1, dtype=torch.float64, requires_grad=True)
    grid = F.affine_grid(theta, size, align_corners=align)
    assert grid.shape == (2, *size[2:], rank)
    axes = []
    for n in size[2:]:
        ends = 1 if align else (n - 1) / n
        axes.append(np.linspace(-ends, ends, n) if n > 1 else np.zeros(1))
    axes = [*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:])]
    places = np.stack(axes, -1)
    want = np.einsum("nij,...j->n...i", theta.detach().numpy(), places)
    np.testing.assert_allclose(grid.detach().numpy(), want, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda t: F.affine_grid(t, size, align_corners=align), theta)
    with pytest.raises(ValueError, match="batch of affine matrices"):
        F.affine_grid(theta[:, :1], size, align_corners=align)


# ---- shuffles


def test_shuffles():
    x = torch.arange(2 * 8 * 2 * 3).reshape(2, 8, 2, 3)
    want = x.numpy().reshape(2, 2, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 4, 6)
    for same in layouts(x):
        got = nn.PixelShuffle(2)(same)
        assert np.array_equal(got.numpy(), want)
        assert got.stride() == torch.empty_like(got, memory_format=torch.preserve_format).stride()
        assert torch.equal(nn.PixelUnshuffle(2)(got), x)
    assert torch.equal(F.pixel_shuffle(x[0], 2), torch.tensor(want[0]))
    mixed = x.numpy().reshape(2, 4, 2, 2, 3).swapaxes(1, 2).reshape(2, 8, 2, 3)
    for op in (nn.ChannelShuffle(4), lambda x: F.native_channel_shuffle(x, 4)):
        assert np.array_equal(op(x).numpy(), mixed)
    leaf = x.double().requires_grad_()
    for call in (
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: F.pixel_unshuffle(x.reshape(2, 8, 2, 3)[..., :2], 2),
        lambda x: F.channel_shuffle(x, 2),
    ):
        assert torch.autograd.gradcheck(call, leaf)
    for call, text in (
        (lambda: F.pixel_shuffle(x, 3), "divisible by the square of upscale_factor"),
        (lambda: F.pixel_shuffle(x[0, 0], 2), "at least 3 dimensions"),
        (lambda: F.pixel_shuffle(x, 0), "positive upscale_factor"),
        (lambda: F.pixel_unshuffle(x, 2), "divisible by downscale_factor"),
        (lambda: F.channel_shuffle(x, 3), "must be divisible by groups"),
        (lambda: F.channel_shuffle(x[0, 0], 2), "expects input with > 2 dims"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_same_bits_for_any_number_of_threads():
    x, before = torch.randn(4, 20, 33, 35), torch.get_num_threads()
    grid = torch.rand(4, 40, 50, 2) * 2 - 1
    made = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        leaf, places = x.clone().requires_grad_(), grid.clone().requires_grad_()
        y = F.grid_sample(leaf, places, align_corners=False)
        z = F.interpolate(leaf, (50, 20), mode="bicubic")
        made.append((y, z, *torch.autograd.grad(y.sum() + z.pow(2).sum(), (leaf, places))))
    torch.set_num_threads(before)
    for others in made[1:]:
        assert all(torch.equal(a, b) for a, b in zip(made[0], others, strict=True))
