"""Windows: weights that fall off towards the ends of a piece of a signal."""

from flambeau.ops.factories.filled import OPTIONS, check_options
from flambeau.ops.language import (
    Error,
    Spec,
    default_dtype,
    is_differentiable,
    placed,
    scalar_type_name,
)
from flambeau.ops.record import structured
from flambeau.ops.samples import Lazy, call

_WINDOW = Lazy("scipy.signal.windows.get_window")
_N = "int window_length"


def window_spec(op, length, dtype, layout, device, pin_memory):
    kind = default_dtype() if dtype is None else dtype
    check_options(op, layout, pin_memory)
    if not is_differentiable(kind):
        raise Error(f"{op}: {op} expects floating point dtypes, got {scalar_type_name(kind)}")
    if length < 0:
        raise Error(f"{op}: {op} requires non-negative window_length, got window_length={length}")
    return Spec([length], kind, device=placed(device))


def _made(schema, cpu, **options):
    return structured(f"{schema}, {OPTIONS}) -> Tensor", cpu=cpu, method=False, **options)


@_made(f"hann_window({_N}", "cpu::cosine_window(result, true, 0.5, 0.5, 0)")
def hann_window():
    """``(1 - cos(2 pi k / n)) / 2``; with ``periodic=False``, k / (n - 1), which is symmetric.

    >>> flambeau.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """


@_made(
    f"hann_window.periodic({_N}, bool periodic",
    "cpu::cosine_window(result, periodic, 0.5, 0.5, 0)",
)
def hann_window_periodic():
    """``hann_window`` of which it is said whether it is periodic."""


@hann_window.rule
@hann_window_periodic.rule
def _(window_length, dtype, layout, device, pin_memory):
    return window_spec("hann_window", window_length, dtype, layout, device, pin_memory)


@_made(f"hamming_window({_N}", "cpu::cosine_window(result, true, 0.54, 0.46, 0)")
def hamming_window():
    """``alpha - beta cos(2 pi k / n)``; with ``periodic=False``, k / (n - 1), which is symmetric.

    >>> flambeau.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """


@_made(
    f"hamming_window.periodic({_N}, bool periodic",
    "cpu::cosine_window(result, periodic, 0.54, 0.46, 0)",
)
def hamming_window_periodic():
    """``hamming_window`` of which it is said whether it is periodic."""


@_made(
    f"hamming_window.periodic_alpha({_N}, bool periodic, float alpha",
    "cpu::cosine_window(result, periodic, alpha, 0.46, 0)",
)
def hamming_window_alpha():
    """``hamming_window`` with the constant given."""


@_made(
    f"hamming_window.periodic_alpha_beta({_N}, bool periodic, float alpha, float beta",
    "cpu::cosine_window(result, periodic, alpha, beta, 0)",
)
def hamming_window_alpha_beta():
    """``hamming_window`` with both numbers given."""


@hamming_window.rule
@hamming_window_periodic.rule
@hamming_window_alpha.rule
@hamming_window_alpha_beta.rule
def _(window_length, dtype, layout, device, pin_memory):
    return window_spec("hamming_window", window_length, dtype, layout, device, pin_memory)


@_made(f"blackman_window({_N}", "cpu::cosine_window(result, true, 0.42, 0.5, 0.08)")
def blackman_window():
    """``0.42 - cos(t) / 2 + 0.08 cos(2 t)`` with ``t = 2 pi k / n``.

    >>> flambeau.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """


@_made(
    f"blackman_window.periodic({_N}, bool periodic",
    "cpu::cosine_window(result, periodic, 0.42, 0.5, 0.08)",
)
def blackman_window_periodic():
    """``blackman_window`` of which it is said whether it is periodic."""


@blackman_window.rule
@blackman_window_periodic.rule
def _(window_length, dtype, layout, device, pin_memory):
    return window_spec("blackman_window", window_length, dtype, layout, device, pin_memory)


@_made(f"bartlett_window({_N}", "cpu::bartlett_window(result, true)")
def bartlett_window():
    """A triangle from 0 to 1 and back.

    >>> flambeau.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """


@_made(f"bartlett_window.periodic({_N}, bool periodic", "cpu::bartlett_window(result, periodic)")
def bartlett_window_periodic():
    """``bartlett_window`` of which it is said whether it is periodic."""


@bartlett_window.rule
@bartlett_window_periodic.rule
def _(window_length, dtype, layout, device, pin_memory):
    return window_spec("bartlett_window", window_length, dtype, layout, device, pin_memory)


@_made(f"kaiser_window({_N}", "cpu::kaiser_window(result, true, 12.0)")
def kaiser_window():
    """``I0(beta sqrt(1 - x^2)) / I0(beta)`` with x from -1 to 1; ``beta`` is 12 unless given.

    >>> flambeau.kaiser_window(4, True, 2.0)
    tensor([0.4387, 0.8348, 1.0000, 0.8348])
    """


@_made(f"kaiser_window.periodic({_N}, bool periodic", "cpu::kaiser_window(result, periodic, 12.0)")
def kaiser_window_periodic():
    """``kaiser_window`` of which it is said whether it is periodic."""


@_made(
    f"kaiser_window.beta({_N}, bool periodic, float beta",
    "cpu::kaiser_window(result, periodic, beta)",
)
def kaiser_window_beta():
    """``kaiser_window`` with its number given."""


@kaiser_window.rule
@kaiser_window_periodic.rule
@kaiser_window_beta.rule
def _(window_length, dtype, layout, device, pin_memory):
    if dtype is not None:
        if dtype.is_complex:
            raise NotImplementedError(
                f"kaiser_window: not implemented for {scalar_type_name(dtype)}: use a real dtype"
            )
    return window_spec("kaiser_window", window_length, dtype, layout, device, pin_memory)


_PLAIN = (hann_window, hamming_window, blackman_window, bartlett_window, kaiser_window)
_PERIODIC = (
    hann_window_periodic,
    hamming_window_periodic,
    blackman_window_periodic,
    bartlett_window_periodic,
    kaiser_window_periodic,
)
_NAMES = ("hann", "hamming", "blackman", "bartlett", ("kaiser", 12.0))
for _op, _name in zip(_PLAIN, _NAMES, strict=True):
    _op.samples(call(5), call(4), call(1), call(0))
    _op.reference(lambda n, _name=_name: _WINDOW(_name, n) if n else (), tolerance=4)
for _op, _name in zip(_PERIODIC, _NAMES, strict=True):
    _op.samples(call(5, True), call(4, False), call(1, False), call(0, True))
    _op.reference(
        lambda n, periodic, _name=_name: _WINDOW(_name, n, periodic) if n else (), tolerance=4
    )
hamming_window_alpha.samples(call(5, True, 0.6))
hamming_window_alpha_beta.samples(call(5, False, 0.6, 0.4))
kaiser_window_beta.samples(call(5, True, 8.0), call(4, False, 0.5))
kaiser_window_beta.reference(
    lambda n, periodic, beta: _WINDOW(("kaiser", beta), n, periodic), tolerance=4
)
_NUMBERS = (hamming_window_alpha, hamming_window_alpha_beta, kaiser_window_beta)
for _op in (*_PLAIN, *_PERIODIC, *_NUMBERS):
    _op.batching("none")
    _op.without("decomposition", "sharding", "autocast", "benchmark")
