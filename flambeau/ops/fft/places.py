"""The frequencies that elements of a transform stand for, and their order."""

import math

from flambeau.ops.language import (
    Error,
    default_dtype,
    is_differentiable,
    scalar_type_name,
    wrap_dim,
)
from flambeau.ops.record import ALL, composite
from flambeau.ops.samples import Lazy, call, values

_FFT = Lazy("numpy.fft")
_OPTIONS = "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"


def rolled(op, self, dim, extra, ops):
    dims = list(range(self.dim()))
    if dim is not None:
        dims = [wrap_dim(d, self.dim(), "fft") for d in dim]
    shifts = [(self.shape[d] + extra) // 2 for d in dims]
    if len(dims) == 0:
        return ops.clone(self)
    return ops.roll(self, shifts, dims)


@composite(
    "fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor", module="_functional", method=False
)
def fft_fftshift(self, dim, ops):
    """The frequency 0 in the middle, along ``dim`` or along all dimensions.

    >>> flambeau.fft.fftshift(flambeau.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    return rolled("fftshift", self, dim, 0, ops)


@composite(
    "fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor", module="_functional", method=False
)
def fft_ifftshift(self, dim, ops):
    """The inverse of ``fftshift``.

    >>> flambeau.fft.ifftshift(flambeau.tensor([-2, -1, 0, 1, 2]))
    tensor([ 0,  1,  2, -2, -1])
    """
    return rolled("ifftshift", self, dim, 1, ops)


for _op in (fft_fftshift, fft_ifftshift):
    _op.samples(call(values(4, 3)), call(values(2, 5), [1]), call(values(0, 2)), dtypes=ALL)
    _op.benchmark(call(values(64, 256)))
fft_fftshift.reference(_FFT.fftshift)
fft_ifftshift.reference(_FFT.ifftshift)


def check_frequencies(op, n, d, dtype):
    made = default_dtype() if dtype is None else dtype
    if not is_differentiable(made):
        raise Error(
            f"{op}: {op} requires a floating point or complex dtype, got {scalar_type_name(made)}"
        )
    if n < 0:
        raise Error(f"{op}: n must be non-negative, got {n}")
    return made


@composite(f"fft_fftfreq(int n, float d=1., *, {_OPTIONS}) -> Tensor", module="_functional")
def fft_fftfreq(n, d, dtype, layout, device, pin_memory, ops):
    """The frequencies of the elements of ``fft``, in cycles of samples that are ``d`` apart.

    >>> flambeau.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    made = check_frequencies("fftfreq", n, d, dtype)
    up = ops.arange_start(0, (n + 1) // 2, made, layout, device, pin_memory)
    down = ops.arange_start(-(n // 2), 0, made, layout, device, pin_memory)
    return ops.mul_Scalar(ops.cat([up, down]), step_of(n, d))


@composite(f"fft_rfftfreq(int n, float d=1., *, {_OPTIONS}) -> Tensor", module="_functional")
def fft_rfftfreq(n, d, dtype, layout, device, pin_memory, ops):
    """The frequencies of the elements of ``rfft``.

    >>> flambeau.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    made = check_frequencies("rfftfreq", n, d, dtype)
    whole = ops.arange_start(0, n // 2 + 1, made, layout, device, pin_memory)
    return ops.mul_Scalar(whole, step_of(n, d))


def step_of(n, d):
    """1 / (n d), which 0 makes infinite."""
    span = n * d
    return math.inf if span == 0 else 1.0 / span


for _op in (fft_fftfreq, fft_rfftfreq):
    _op.samples(call(4), call(5, 0.5), call(1))
    _op.batching("none")
    _op.without("benchmark")
fft_fftfreq.reference(_FFT.fftfreq)
fft_rfftfreq.reference(_FFT.rfftfreq)
