"""Windows: weights that fade a signal out towards its ends.

Each function takes the number of points ``M`` and whether the window is symmetric (``sym``), or
one period of a periodic one, as a transform of its length wants it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import flambeau

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


class _Points:
    """Where a window is computed: ``count`` points, of which the last would be at ``end``."""

    def __init__(self, function, M, sym, dtype, layout, device, requires_grad) -> None:
        if dtype is None:
            dtype = flambeau.get_default_dtype()
        if not isinstance(M, int) or isinstance(M, bool):
            raise TypeError(f"{function}: M must be an int, but got {type(M).__name__}")
        if M < 0:
            raise ValueError(f"{function}: requires non-negative window length, got M={M}")
        if layout != flambeau.strided:
            raise ValueError(f"{function}: is implemented for strided tensors only, got: {layout}")
        if dtype not in (flambeau.float32, flambeau.float64):
            raise ValueError(f"{function}: expected float32 or float64 dtypes, got: {dtype}")
        self.count, self.dtype, self.device, self.requires_grad = M, dtype, device, requires_grad
        self.end = M if not sym and M > 1 else M - 1

    def places(self, center: float = 0.0, scale: float = 1.0):
        """``(0, 1, 2, ... - center) / scale``."""
        steps = flambeau.arange(self.count, dtype=self.dtype, device=self.device)
        return (steps - center) / scale

    def window(self, values):
        """One point is 1, and none is none."""
        if self.count <= 1:
            values = flambeau.ones(self.count, dtype=self.dtype, device=self.device)
        return values.requires_grad_(self.requires_grad)


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """``exp(-|n - center| / tau)``.

    Args:
        M: the number of points.
        center: where it is 1; the middle when None, which it has to be where ``sym``.
        tau: after how many points it has fallen to 1/e.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.exponential(3, tau=0.5)
        tensor([0.1353, 1.0000, 0.1353])
    """
    points = _Points("exponential", M, sym, dtype, layout, device, requires_grad)
    if tau <= 0:
        raise ValueError(f"exponential: Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("exponential: Center must be None for symmetric windows")
    middle = points.end / 2 if center is None else center
    return points.window(flambeau.exp(-points.places(middle, tau).abs()))


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """Half a wave of a sine, which touches 0 half a point beyond the ends.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.cosine(3)
        tensor([0.5000, 1.0000, 0.5000])
    """
    points = _Points("cosine", M, sym, dtype, layout, device, requires_grad)
    scale = (points.end + 1) / math.pi
    return points.window(flambeau.sin(points.places(-0.5, scale)))


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """``exp(-((n - middle) / std)**2 / 2)``.

    Args:
        M: the number of points.
        std: the standard deviation, in points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.gaussian(3)
        tensor([0.6065, 1.0000, 0.6065])
    """
    points = _Points("gaussian", M, sym, dtype, layout, device, requires_grad)
    if std <= 0:
        raise ValueError(f"gaussian: Standard deviation must be positive, got: {std} instead.")
    return points.window(flambeau.exp(-points.places(points.end / 2, std * math.sqrt(2)).square()))


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """The window of Bessel functions, whose ``beta`` trades the width of the main lobe for the
    height of the others.

    Args:
        M: the number of points.
        beta: at least 0, where it is 1 everywhere.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.kaiser(3, beta=0.0)
        tensor([1., 1., 1.])
    """
    points = _Points("kaiser", M, sym, dtype, layout, device, requires_grad)
    if beta < 0:
        raise ValueError(f"kaiser: beta must be non-negative, got: {beta} instead.")
    if M <= 1:
        return points.window(None)
    places = points.places(points.end / 2, points.end / 2)
    inside = (1 - places.square()).clamp(min=0).sqrt() * beta
    middle = _bessel(flambeau.tensor(beta, dtype=points.dtype, device=device), beta)
    return points.window(_bessel(inside, beta) / middle)


def _bessel(x, largest: float):
    """The modified Bessel function of order 0, by its series, whose terms are all positive."""
    term = total = flambeau.ones_like(x)
    for k in range(1, int(largest) + 40):
        term = term * (x / (2 * k)).square()
        total = total + term
    return total


def hamming(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """`general_hamming` with ``alpha=0.54``.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.hamming(3)
        tensor([0.0800, 1.0000, 0.0800])
    """
    return _sum_of_cosines("hamming", M, (0.54, 0.46), sym, dtype, layout, device, requires_grad)


def hann(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """A wave of a cosine, from 0 to 1 and back: `general_hamming` with ``alpha=0.5``.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.hann(3)
        tensor([0., 1., 0.])
    """
    return _sum_of_cosines("hann", M, (0.5, 0.5), sym, dtype, layout, device, requires_grad)


def blackman(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """`general_cosine` with 0.42, 0.5 and 0.08.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.blackman(5)[1:4]
        tensor([0.3400, 1.0000, 0.3400])
    """
    terms = (0.42, 0.5, 0.08)
    return _sum_of_cosines("blackman", M, terms, sym, dtype, layout, device, requires_grad)


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """A triangle from 0 to 1 and back.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.bartlett(5)
        tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    points = _Points("bartlett", M, sym, dtype, layout, device, requires_grad)
    if M <= 1:
        return points.window(None)
    return points.window(1 - points.places(points.end / 2, points.end / 2).abs())


def general_cosine(
    M: int,
    *,
    a: Iterable,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """A sum of cosines of 0, 1, 2, ... waves, with alternating signs.

    Args:
        M: the number of points.
        a: their heights.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.general_cosine(3, a=[0.46, 0.23, 0.31])
        tensor([0.5400, 1.0000, 0.5400])
    """
    if not isinstance(a, Iterable):
        raise TypeError("general_cosine: Coefficients must be a list/tuple")
    terms = tuple(a)
    if not terms:
        raise ValueError("general_cosine: Coefficients cannot be empty")
    return _sum_of_cosines("general_cosine", M, terms, sym, dtype, layout, device, requires_grad)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """``alpha - (1 - alpha) * cos(...)``, one wave.

    Args:
        M: the number of points.
        alpha: how far above 0 the wave lies.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.general_hamming(3, alpha=0.7)
        tensor([0.4000, 1.0000, 0.4000])
    """
    terms = (alpha, 1 - alpha)
    return _sum_of_cosines("general_hamming", M, terms, sym, dtype, layout, device, requires_grad)


def nuttall(
    M: int,
    *,
    sym: bool = True,
    dtype=None,
    layout=flambeau.strided,
    device=None,
    requires_grad: bool = False,
):
    """`general_cosine` with the four heights of Nuttall's window.

    Args:
        M: the number of points.
        sym: whether it is symmetric.
        dtype, layout, device, requires_grad: of the result.

    Example::

        >>> import flambeau
        >>> flambeau.signal.windows.nuttall(3)[1]
        tensor(1.)
    """
    terms = (0.3635819, 0.4891775, 0.1365995, 0.0106411)
    return _sum_of_cosines("nuttall", M, terms, sym, dtype, layout, device, requires_grad)


def _sum_of_cosines(function, M, terms, sym, dtype, layout, device, requires_grad):
    points = _Points(function, M, sym, dtype, layout, device, requires_grad)
    if M <= 1:
        return points.window(None)
    turn = points.places(0.0, points.end / (2 * math.pi))
    values = flambeau.zeros(M, dtype=points.dtype, device=device)
    for waves, height in enumerate(terms):
        values = values + (-1) ** waves * height * flambeau.cos(waves * turn)
    return points.window(values)
