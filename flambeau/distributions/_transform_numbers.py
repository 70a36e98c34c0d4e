"""Transforms of each number by itself."""

import math
from numbers import Number

import flambeau
import flambeau.nn.functional as F

from . import constraints
from ._transform_base import Transform, _events_beyond, _SameKind
from .utils import _sum_rightmost, broadcast_all, lazy_property


class ExpTransform(_SameKind, Transform):
    """``exp(x)``."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class PowerTransform(Transform):
    """``x ** exponent``, of positive numbers.

    >>> PowerTransform(flambeau.tensor(2.0))(flambeau.tensor([3.0]))
    tensor([9.])
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent, cache_size=0):
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return PowerTransform(self.exponent, cache_size=cache_size)

    @lazy_property
    def sign(self):
        return self.exponent.sign()

    def __eq__(self, other):
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    __hash__ = object.__hash__

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape):
        return flambeau.broadcast_shapes(shape, self.exponent.shape)

    def inverse_shape(self, shape):
        return flambeau.broadcast_shapes(shape, self.exponent.shape)


def _clipped_sigmoid(x):
    kind = flambeau.finfo(x.dtype)
    return flambeau.sigmoid(x).clamp(min=kind.tiny, max=1.0 - kind.eps)


class SigmoidTransform(_SameKind, Transform):
    """``1 / (1 + exp(-x))``, kept away from 0 and 1."""

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = 1

    def _call(self, x):
        return _clipped_sigmoid(x)

    def _inverse(self, y):
        kind = flambeau.finfo(y.dtype)
        inside = y.clamp(min=kind.tiny, max=1.0 - kind.eps)
        return inside.log() - (-inside).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -F.softplus(-x) - F.softplus(x)


class SoftplusTransform(_SameKind, Transform):
    """``log(1 + exp(x))``, which is ``x`` itself above 20."""

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = 1

    def _call(self, x):
        return F.softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -F.softplus(-x)


class TanhTransform(_SameKind, Transform):
    """``tanh(x)``: what ``ComposeTransform([AffineTransform(0, 2), SigmoidTransform(),
    AffineTransform(-1, 2)])`` is too, but exact far from 0."""

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = 1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return flambeau.atanh(y)

    def log_abs_det_jacobian(self, x, y):
        # 1 - tanh(x)^2 is 4 / (exp(x) + exp(-x))^2
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class AbsTransform(_SameKind, Transform):
    """``|x|``; the way back gives ``y`` itself."""

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(Transform):
    """``loc + scale * x``.

    >>> AffineTransform(1.0, flambeau.tensor([2.0, -3.0]))(flambeau.ones(2))
    tensor([ 3., -2.])
    """

    bijective = True

    def __init__(self, loc, scale, event_dim=0, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.loc = loc
        self.scale = scale
        self._event_dim = event_dim

    @property
    def event_dim(self):
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return _events_beyond(constraints.real, self.event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return _events_beyond(constraints.real, self.event_dim)

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other):
        return (
            isinstance(other, AffineTransform)
            and _same(self.loc, other.loc)
            and _same(self.scale, other.scale)
        )

    __hash__ = object.__hash__

    @property
    def sign(self):
        if isinstance(self.scale, Number):
            return (self.scale > 0) - (self.scale < 0)
        return self.scale.sign()

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        if isinstance(self.scale, Number):
            result = flambeau.full_like(x, math.log(abs(self.scale)))
        else:
            result = self.scale.abs().log()
        shape = x.shape
        if self.event_dim:
            # 0-dim scales count once for each element of the event
            result = result.expand(flambeau.broadcast_shapes(shape, result.shape))
            result = _sum_rightmost(result, self.event_dim)
            shape = shape[: -self.event_dim]
        return result.expand(shape)

    def forward_shape(self, shape):
        return self._widened(shape)

    def inverse_shape(self, shape):
        return self._widened(shape)

    def _widened(self, shape):
        parts = (getattr(p, "shape", ()) for p in (self.loc, self.scale))
        return flambeau.broadcast_shapes(shape, *parts)


def _same(a, b):
    if isinstance(a, Number) and isinstance(b, Number):
        return a == b
    return bool(flambeau.as_tensor(a == b).all())


class CumulativeDistributionTransform(Transform):
    """The distribution function of a distribution of single numbers: samples become uniform.

    >>> normal = flambeau.distributions.Normal(0.0, 1.0)
    >>> CumulativeDistributionTransform(normal)(flambeau.zeros(1))
    tensor([0.5000])
    """

    bijective = True
    codomain = constraints.unit_interval
    sign = 1

    def __init__(self, distribution, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self):
        return self.distribution.support

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)
