"""Transforms along one dimension, and the arguments that all transforms share."""

from flambeau.ops.fft.transforms import padded
from flambeau.ops.language import (
    Error,
    default_dtype,
    is_differentiable,
    scalar_type_name,
    to_complex,
    wrap_dim,
)
from flambeau.ops.record import BOOL, COMPLEX, INTEGRAL, composite
from flambeau.ops.samples import Lazy, call, values

_FFT = Lazy("scipy.fft")
REALS = frozenset({"float32", "float64"}) | INTEGRAL | BOOL
NUMBERS = REALS | COMPLEX
_ONE = "(Tensor self, SymInt? n=None, int dim=-1, str? norm=None) -> Tensor"
_OPTIONS = {"out": True, "module": "_functional", "method": False}


def scaling(op, norm, forward):
    """0: none, 1: by the root of the number of elements, 2: by the number."""
    if norm is None:
        return 0 if forward else 2
    if norm == "backward":
        return 0 if forward else 2
    if norm == "forward":
        return 2 if forward else 0
    if norm == "ortho":
        return 1
    raise Error(f'{op}: Invalid normalization mode: "{norm}"; use "backward", "ortho" or "forward"')


def as_floating(op, t, ops):
    """Integers and truth values as numbers of the default dtype."""
    if not is_differentiable(t.dtype):
        return ops.to_dtype(t, default_dtype())
    if t.dtype.itemsize < (8 if t.is_complex() else 4):
        raise Error(
            f"{op}: Unsupported dtype {scalar_type_name(t.dtype)}: convert with .to(torch.float32)"
        )
    return t


def as_complex(op, t, ops):
    made = as_floating(op, t, ops)
    return made if made.is_complex() else ops.to_dtype(made, to_complex(made.dtype))


def as_real(op, t, ops):
    if t.is_complex():
        raise Error(f"{op}: expects a real input tensor, but got {scalar_type_name(t.dtype)}")
    return as_floating(op, t, ops)


def sized(t, dim, n, ops):
    """Cut, or filled with zeros, to ``n`` elements along a dimension."""
    have = t.shape[dim]
    if have > n:
        return ops.slice_Tensor(t, dim, 0, n)
    return padded(t, dim, n - have, ops)


def dim_of(op, t, dim):
    if t.dim() == 0:
        raise IndexError(f"{op}: Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, t.dim(), "fft")


def points(op, n):
    if n < 1:
        raise Error(f"{op}: Invalid number of data points ({n}) specified")
    return n


def of_complex(op, self, n, dim, norm, forward, ops):
    """As ``fft`` and ``ifft`` do: of real numbers, half is computed."""
    t = as_floating(op, self, ops)
    d = dim_of(op, t, dim)
    t = sized(t, d, points(op, t.shape[d] if n is None else n), ops)
    mode = scaling(op, norm, forward)
    if t.is_complex():
        return ops._fft_c2c(t, [d], mode, forward)
    made = ops._fft_r2c(t, [d], mode, False)
    return made if forward else ops.conj(made)


def of_real(op, self, n, dim, norm, forward, ops):
    t = as_real(op, self, ops)
    d = dim_of(op, t, dim)
    t = sized(t, d, points(op, t.shape[d] if n is None else n), ops)
    made = ops._fft_r2c(t, [d], scaling(op, norm, forward), True)
    return made if forward else ops.conj(made)


def to_reals(op, self, n, dim, norm, forward, ops):
    t = as_complex(op, self, ops)
    d = dim_of(op, t, dim)
    length = points(op, 2 * (t.shape[d] - 1) if n is None else n)
    t = sized(t, d, length // 2 + 1, ops)
    if forward:
        t = ops.conj(t)
    return ops._fft_c2r(t, [d], scaling(op, norm, forward), length)


@composite(f"fft_fft{_ONE}", **_OPTIONS)
def fft_fft(self, n, dim, norm, ops):
    """The discrete Fourier transform along ``dim``, of ``n`` elements: cut, or filled with zeros.

    ``norm`` is "backward" (the inverse divides by n), "forward" (this one does) or "ortho" (each by
    its root).

    >>> flambeau.fft.fft(flambeau.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    return of_complex("fft", self, n, dim, norm, True, ops)


@composite(f"fft_ifft{_ONE}", **_OPTIONS)
def fft_ifft(self, n, dim, norm, ops):
    """The inverse of ``fft``.

    >>> flambeau.fft.ifft(flambeau.tensor([10., -2 + 2j, -2., -2 - 2j])).real
    tensor([1., 2., 3., 4.])
    """
    return of_complex("ifft", self, n, dim, norm, False, ops)


@composite(f"fft_rfft{_ONE}", **_OPTIONS)
def fft_rfft(self, n, dim, norm, ops):
    """The first half of the transform of real numbers; the other holds its conjugates.

    >>> flambeau.fft.rfft(flambeau.tensor([1., 2., 3., 4.]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j])
    """
    return of_real("rfft", self, n, dim, norm, True, ops)


@composite(f"fft_irfft{_ONE}", **_OPTIONS)
def fft_irfft(self, n, dim, norm, ops):
    """The inverse of ``rfft``: ``n`` real numbers, an even number of them unless ``n`` is given.

    >>> flambeau.fft.irfft(flambeau.tensor([1., 1., 1.]))
    tensor([1., 0., 0., 0.])
    """
    return to_reals("irfft", self, n, dim, norm, False, ops)


@composite(f"fft_hfft{_ONE}", **_OPTIONS)
def fft_hfft(self, n, dim, norm, ops):
    """The real transform of numbers of which the second half are conjugates of the first.

    >>> flambeau.fft.hfft(flambeau.tensor([1., 1., 1.]))
    tensor([4., 0., 0., 0.])
    """
    return to_reals("hfft", self, n, dim, norm, True, ops)


@composite(f"fft_ihfft{_ONE}", **_OPTIONS)
def fft_ihfft(self, n, dim, norm, ops):
    """The inverse of ``hfft``: the first half.

    >>> flambeau.fft.ihfft(flambeau.tensor([4., 8., 12., 16.])).imag
    tensor([-0., -2., -0.])
    """
    return of_real("ihfft", self, n, dim, norm, False, ops)


for _op in (fft_fft, fft_ifft, fft_irfft, fft_hfft):
    _op.samples(
        call(values(2, 6)),
        call(values(3, 4), 5, 0, "ortho"),
        call(values(2, 5), 4, norm="forward"),
        dtypes=NUMBERS,
    )
for _op in (fft_rfft, fft_ihfft):
    _op.samples(
        call(values(2, 6)),
        call(values(3, 4), 5, 0, "ortho"),
        call(values(2, 5), 4, norm="forward"),
        dtypes=REALS,
    )
for _op, _name in (
    (fft_fft, "fft"),
    (fft_ifft, "ifft"),
    (fft_rfft, "rfft"),
    (fft_irfft, "irfft"),
    (fft_hfft, "hfft"),
    (fft_ihfft, "ihfft"),
):
    _op.reference(
        lambda x, n=None, dim=-1, norm=None, _name=_name: getattr(_FFT, _name)(x, n, dim, norm),
        tolerance=16,
    )
    _op.autocast("float32")
    _op.benchmark(call(values(64, 1024)))
