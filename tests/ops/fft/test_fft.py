"""Transforms of every length, layout and dtype, against SciPy."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import flambeau as torch
from flambeau import fft

# Powers of each radix, products, primes with and without loops of their own, and long ones.
LENGTHS = [*range(1, 36), 37, 41, 64, 74, 96, 100, 127, 128, 210, 243, 256, 289, 360, 500, 512]
LENGTHS += [625, 961, 1000, 1021, 1024, 2048, 2310, 4096, 5000, 8192, 10007, 16384, 46189, 65536]
COUNTS = [1, 2, 7, 16, 33]


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(shape)
    if "complex" in dtype:
        made = made + 1j * rng.standard_normal(shape)
    return made.astype(dtype)


def close(got, expected, dtype):
    got = got.resolve_conj().numpy()
    assert got.shape == expected.shape
    bound = 4e-7 if dtype in ("float32", "complex64") else 8e-16
    scale = np.sqrt((np.abs(expected) ** 2).mean()) if expected.size else 1
    assert np.abs(got - expected).max(initial=0) <= 12 * bound * max(scale, 1e-30), dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", LENGTHS)
def test_every_length(n, dtype):
    wide = dtype.replace("float32", "complex64").replace("float64", "complex128")
    for count in COUNTS if n <= 5000 else COUNTS[:2]:
        x, z = numbers((count, n), dtype), numbers((count, n), wide)
        half = numbers((count, n // 2 + 1), wide)
        close(fft.fft(torch.tensor(z)), scipy.fft.fft(z.astype("complex128")), dtype)
        close(fft.ifft(torch.tensor(z)), scipy.fft.ifft(z.astype("complex128")), dtype)
        close(fft.rfft(torch.tensor(x)), scipy.fft.rfft(x.astype("float64")), dtype)
        close(
            fft.irfft(torch.tensor(half), n), scipy.fft.irfft(half.astype("complex128"), n), dtype
        )
        close(fft.fft(torch.tensor(x)), scipy.fft.fft(x.astype("float64")), dtype)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
def test_one_dimension_and_several(name, norm):
    kind = "float64" if name in ("rfft", "ihfft") else "complex128"
    x = numbers((3, 6, 5, 4), kind)
    t = torch.tensor(x)
    for dim in range(-4, 4):
        for n in (None, 3, 8):
            close(
                getattr(fft, name)(t, n, dim, norm), getattr(scipy.fft, name)(x, n, dim, norm), kind
            )
    for dims in (None, (0,), (1, 3), (3, 1), (2, 0, 1), (-1, -2, 0)):
        for sizes in (None, (4, 7, 5)):
            s = None if sizes is None else sizes[: 3 if dims is None else len(dims)]
            axes = dims if dims is not None else None if s is None else tuple(range(-len(s), 0))
            want = getattr(scipy.fft, name + "n")(x, s, axes, norm)
            close(getattr(fft, name + "n")(t, s, dims, norm), want, kind)
            if s is None or len(s) == 2:
                axes = (-2, -1) if dims is None else axes
                want = getattr(scipy.fft, name + "2")(x, s, axes, norm)
                close(getattr(fft, name + "2")(t, s, axes, norm), want, kind)


def test_layouts_and_out():
    x = numbers((6, 5, 8), "complex64")
    t = torch.tensor(x)
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        moved, seen = t.permute(*order), x.transpose(order)
        for d in range(3):
            close(fft.fft(moved, dim=d), scipy.fft.fft(seen, axis=d), "complex64")
            close(
                fft.fft(moved.conj()[::2], dim=d),
                scipy.fft.fft(seen.conj()[::2], axis=d),
                "complex64",
            )
            close(fft.rfft(moved.real, dim=d), scipy.fft.rfft(seen.real, axis=d), "complex64")
            close(fft.irfft(moved, dim=d), scipy.fft.irfft(seen, axis=d), "complex64")
    out = torch.zeros(8, 5, 6, dtype=torch.complex64).permute(2, 1, 0)
    assert fft.fft(t, dim=1, out=out) is out
    close(out, scipy.fft.fft(x, axis=1), "complex64")
    assert fft.fft(torch.zeros(0, 4)).shape == (0, 4)


@pytest.mark.parametrize(
    "shape, dim", [((1, 65536), 1), ((40, 1000), 1), ((1024, 9), 0), ((2, 10007), 1)]
)
def test_the_same_bits_for_any_number_of_threads(shape, dim):
    t, threads, found = torch.tensor(numbers(shape, "float32")), torch.get_num_threads(), []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            made = fft.rfft(t, dim=dim)
            again = fft.irfft(made, shape[dim], dim=dim)
            found.append([fft.fft(t, dim=dim).numpy().tobytes(), again.numpy().tobytes()])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_dtypes_and_refusals():
    assert fft.fft(torch.tensor([1, 2, 3])).dtype is torch.complex64
    assert fft.rfft(torch.tensor([True, False])).dtype is torch.complex64
    for call, error, text in (
        (
            lambda: fft.fft(torch.zeros(0)),
            RuntimeError,
            r"fft: Invalid number of data points \(0\)",
        ),
        (lambda: fft.fft(torch.zeros(2).half()), RuntimeError, "fft: Unsupported dtype Half"),
        (lambda: fft.rfft(torch.zeros(2) * 1j), RuntimeError, "rfft: expects a real input"),
        (lambda: fft.fft(torch.zeros(2), norm="x"), RuntimeError, "fft: Invalid normalization"),
        (lambda: fft.fft(torch.zeros(())), IndexError, "fft: Dimension specified as -1"),
        (lambda: fft.fftn(torch.zeros(2, 2), dim=(0, -2)), RuntimeError, "fftn: .*unique"),
        (lambda: fft.rfftn(torch.zeros(2, 2), dim=()), RuntimeError, "rfftn: must transform"),
        (lambda: fft.fftn(torch.zeros(2), s=(1, 2)), RuntimeError, "fftn: Got shape with 2"),
        (lambda: fft.fftfreq(4, dtype=torch.int64), RuntimeError, "fftfreq"),
        (lambda: torch.hann_window(-1), RuntimeError, "hann_window.*non-negative"),
        (lambda: torch.stft(torch.zeros(9), 4), RuntimeError, "stft: .*return_complex"),
        (lambda: torch.istft(torch.zeros(3, 4), 4), RuntimeError, "istft: .*complex-valued"),
    ):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett", ("kaiser", 12.0)])
def test_windows(window):
    name = window if isinstance(window, str) else window[0]
    for n in (0, 1, 2, 7, 16):
        for periodic in (True, False):
            want = scipy.signal.get_window(window, n, periodic) if n else np.zeros(0)
            got = getattr(torch, f"{name}_window")(n, periodic, dtype=torch.float64)
            np.testing.assert_allclose(got.numpy(), want, atol=1e-15)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_short_time_transforms(center, batch):
    x = torch.tensor(numbers((*batch, 240), "float64"))
    window = torch.hann_window(16, dtype=torch.float64) + 0.1
    made = torch.stft(x, 16, 4, window=window, center=center, return_complex=True)
    padded = np.pad(x.numpy(), [(0, 0)] * len(batch) + [(8, 8)], "reflect") if center else x.numpy()
    frames = np.lib.stride_tricks.sliding_window_view(padded, 16, -1)[..., ::4, :]
    want = np.swapaxes(scipy.fft.rfft(frames * window.numpy()), -1, -2)
    np.testing.assert_allclose(made.numpy(), want, atol=1e-12)
    back = torch.istft(made, 16, 4, window=window, center=center, length=240)
    torch.testing.assert_close(back, x)
    assert torch.equal(x.stft(16, 4, window=window, center=center, return_complex=True), made)
    parts = torch.stft(x, 16, 4, window=window, center=center, return_complex=False)
    assert torch.equal(torch.view_as_complex(parts), made)
    whole = torch.stft(x, 16, 4, window=window, center=center, onesided=False, return_complex=True)
    torch.testing.assert_close(
        torch.istft(whole, 16, 4, window=window, center=center, length=240), x
    )
    with pytest.raises(RuntimeError, match="istft: window overlap"):
        torch.istft(made, 16, 4, window=torch.zeros(16).double(), center=center)


def test_gradients():
    for n in (5, 6):
        x = torch.tensor(numbers((2, n), "float64"), requires_grad=True)
        z = torch.tensor(numbers((2, n), "complex128"), requires_grad=True)
        for function, given in (
            (fft.rfft, x),
            (fft.fft, z),
            (lambda z: fft.irfft(z, 7), z),
            (lambda z: fft.irfft2(z, (3, 8)), z),
            (lambda x: fft.rfft2(x, (4, 4)), x),
            (fft.fft, x),
            (fft.ihfft, x),
            (fft.hfft, z),
            (lambda x: torch.stft(x, 4, 1, window=torch.ones(4).double(), return_complex=True), x),
        ):
            assert torch.autograd.gradcheck(function, (given,))
            assert torch.autograd.gradgradcheck(function, (given,))
