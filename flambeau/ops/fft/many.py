"""Transforms along several dimensions."""

from flambeau.ops.fft.one import (
    NUMBERS,
    REALS,
    as_complex,
    as_real,
    points,
    scaling,
    sized,
)
from flambeau.ops.fft.transforms import transformed
from flambeau.ops.language import Error, show
from flambeau.ops.record import composite
from flambeau.ops.samples import Lazy, call, values

_FFT = Lazy("scipy.fft")
_MANY = "(Tensor self, SymInt[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor"
_TWO = "(Tensor self, SymInt[1]? s=None, int[1] dim=[-2, -1], str? norm=None) -> Tensor"
_OPTIONS = {"out": True, "module": "_functional", "method": False}


def dims_of(op, t, s, dim):
    """The dimensions: those given, as many of the last as there are sizes, or all."""
    if dim is not None:
        if s is not None:
            if len(s) != len(dim):
                raise Error(
                    f"{op}: When given, dim and shape arguments must have the same length, got "
                    f"s={show(s)} and dim={show(dim)}"
                )
        return transformed(op, dim, t.dim())
    n = t.dim()
    if s is not None:
        if len(s) > t.dim():
            raise Error(
                f"{op}: Got shape with {len(s)} values but input tensor only has {t.dim()} "
                "dimensions."
            )
        n = len(s)
    return list(range(t.dim() - n, t.dim()))


def sizes_of(op, t, s, dims):
    """How many elements there are along each; -1 for as many as there are."""
    made = [t.shape[d] for d in dims]
    if s is not None:
        for i, n in enumerate(s):
            if n != -1:
                made[i] = n
    return [points(op, n) for n in made]


def fitted(t, dims, sizes, ops):
    made = t
    for i, d in enumerate(dims):
        made = sized(made, d, sizes[i], ops)
    return made


def check_some(op, dims):
    if len(dims) == 0:
        raise Error(f"{op}: must transform at least one axis")


def of_complex(op, self, s, dim, norm, forward, ops):
    t = as_complex(op, self, ops)
    dims = dims_of(op, t, s, dim)
    t = fitted(t, dims, sizes_of(op, t, s, dims), ops)
    return ops._fft_c2c(t, dims, scaling(op, norm, forward), forward)


def of_real(op, self, s, dim, norm, ops):
    t = as_real(op, self, ops)
    dims = dims_of(op, t, s, dim)
    check_some(op, dims)
    t = fitted(t, dims, sizes_of(op, t, s, dims), ops)
    return ops._fft_r2c(t, dims, scaling(op, norm, True), True)


def halved(op, t, s, dims):
    """The sizes of half a transform, and how many real numbers its last dimension has."""
    last = dims[-1]
    length = 2 * (t.shape[last] - 1)
    if s is not None:
        if len(s) > 0 and s[-1] != -1:
            length = s[-1]
    sizes = sizes_of(op, t, s, dims)
    sizes[-1] = points(op, length) // 2 + 1
    return sizes, length


def to_reals(op, self, s, dim, norm, forward, ops):
    t = as_complex(op, self, ops)
    dims = dims_of(op, t, s, dim)
    check_some(op, dims)
    sizes, length = halved(op, t, s, dims)
    t = fitted(t, dims, sizes, ops)
    mode = scaling(op, norm, forward)
    if not forward:
        return ops._fft_c2r(t, dims, mode, length)
    if len(dims) > 1:
        t = ops._fft_c2c(t, dims[:-1], mode, True)
    return ops._fft_c2r(ops.conj(t), dims[-1:], mode, length)


def of_real_backward(op, self, s, dim, norm, ops):
    t = as_real(op, self, ops)
    dims = dims_of(op, t, s, dim)
    check_some(op, dims)
    t = fitted(t, dims, sizes_of(op, t, s, dims), ops)
    mode = scaling(op, norm, False)
    made = ops.conj(ops._fft_r2c(t, dims[-1:], mode, True))
    return made if len(dims) == 1 else ops._fft_c2c(made, dims[:-1], mode, False)


@composite(f"fft_fftn{_MANY}", **_OPTIONS)
def fft_fftn(self, s, dim, norm, ops):
    """``fft`` along all dimensions, or those in ``dim``; ``s`` says how many elements of each.

    >>> flambeau.fft.fftn(flambeau.tensor([[1., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return of_complex("fftn", self, s, dim, norm, True, ops)


@composite(f"fft_ifftn{_MANY}", **_OPTIONS)
def fft_ifftn(self, s, dim, norm, ops):
    """The inverse of ``fftn``.

    >>> flambeau.fft.ifftn(flambeau.tensor([[4., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return of_complex("ifftn", self, s, dim, norm, False, ops)


@composite(f"fft_rfftn{_MANY}", **_OPTIONS)
def fft_rfftn(self, s, dim, norm, ops):
    """``fftn`` of real numbers: the first half along the last dimension.

    >>> flambeau.fft.rfftn(flambeau.tensor([[1., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return of_real("rfftn", self, s, dim, norm, ops)


@composite(f"fft_irfftn{_MANY}", **_OPTIONS)
def fft_irfftn(self, s, dim, norm, ops):
    """The inverse of ``rfftn``.

    >>> flambeau.fft.irfftn(flambeau.tensor([[1., 1.], [1., 1.]]))
    tensor([[1., 0.],
            [0., 0.]])
    """
    return to_reals("irfftn", self, s, dim, norm, False, ops)


@composite(f"fft_hfftn{_MANY}", **_OPTIONS)
def fft_hfftn(self, s, dim, norm, ops):
    """``hfft`` along the last dimension, ``fft`` along the others.

    >>> flambeau.fft.hfftn(flambeau.tensor([[1., 1.], [1., 1.]]))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return to_reals("hfftn", self, s, dim, norm, True, ops)


@composite(f"fft_ihfftn{_MANY}", **_OPTIONS)
def fft_ihfftn(self, s, dim, norm, ops):
    """The inverse of ``hfftn``.

    >>> flambeau.fft.ihfftn(flambeau.tensor([[4., 0.], [0., 0.]])).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    return of_real_backward("ihfftn", self, s, dim, norm, ops)


@composite(f"fft_fft2{_TWO}", **_OPTIONS)
def fft_fft2(self, s, dim, norm, ops):
    """``fftn`` along the last two dimensions.

    >>> flambeau.fft.fft2(flambeau.tensor([[1., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return ops.fft_fftn(self, s, dim, norm)


@composite(f"fft_ifft2{_TWO}", **_OPTIONS)
def fft_ifft2(self, s, dim, norm, ops):
    """The inverse of ``fft2``.

    >>> flambeau.fft.ifft2(flambeau.tensor([[4., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return ops.fft_ifftn(self, s, dim, norm)


@composite(f"fft_rfft2{_TWO}", **_OPTIONS)
def fft_rfft2(self, s, dim, norm, ops):
    """``rfftn`` along the last two dimensions.

    >>> flambeau.fft.rfft2(flambeau.tensor([[1., 0.], [0., 0.]]))
    tensor([[1.+0.j, 1.+0.j],
            [1.+0.j, 1.+0.j]])
    """
    return ops.fft_rfftn(self, s, dim, norm)


@composite(f"fft_irfft2{_TWO}", **_OPTIONS)
def fft_irfft2(self, s, dim, norm, ops):
    """The inverse of ``rfft2``.

    >>> flambeau.fft.irfft2(flambeau.tensor([[1., 1.], [1., 1.]]))
    tensor([[1., 0.],
            [0., 0.]])
    """
    return ops.fft_irfftn(self, s, dim, norm)


@composite(f"fft_hfft2{_TWO}", **_OPTIONS)
def fft_hfft2(self, s, dim, norm, ops):
    """``hfftn`` along the last two dimensions.

    >>> flambeau.fft.hfft2(flambeau.tensor([[1., 1.], [1., 1.]]))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return ops.fft_hfftn(self, s, dim, norm)


@composite(f"fft_ihfft2{_TWO}", **_OPTIONS)
def fft_ihfft2(self, s, dim, norm, ops):
    """The inverse of ``hfft2``.

    >>> flambeau.fft.ihfft2(flambeau.tensor([[4., 0.], [0., 0.]])).real
    tensor([[1., 1.],
            [1., 1.]])
    """
    return ops.fft_ihfftn(self, s, dim, norm)


def _reference(name):
    def function(x, s=None, dim=None, norm=None):
        if dim is None:
            whole = x.ndim if name.endswith("n") else 2
            dim = range(-(whole if s is None else len(s)), 0)
        if s is not None:
            whole = [x.shape[d] for d in dim]
            if name.startswith(("hfft", "irfft")):
                whole[-1] = 2 * (whole[-1] - 1)
            s = [m if n == -1 else n for n, m in zip(s, whole, strict=True)]
        return getattr(_FFT, name)(x, s, tuple(dim), norm)

    return function


_ALL = (fft_fftn, fft_ifftn, fft_rfftn, fft_irfftn, fft_hfftn, fft_ihfftn)
_PAIRS = (fft_fft2, fft_ifft2, fft_rfft2, fft_irfft2, fft_hfft2, fft_ihfft2)
_NAMES = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
for _ops, _end in ((_ALL, "n"), (_PAIRS, "2")):
    for _op, _name in zip(_ops, _NAMES, strict=True):
        _op.samples(
            call(values(4, 3)),
            call(values(2, 4, 3), [3, 4], [0, 2], "ortho"),
            call(values(2, 4, 3), [5, -1], norm="forward"),
            dtypes=REALS if _name in ("rfft", "ihfft") else NUMBERS,
        )
        _op.reference(_reference(_name + _end), tolerance=32)
        _op.autocast("float32")
        _op.benchmark(call(values(64, 256)))
