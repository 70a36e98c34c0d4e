"""Invertible maps between tensors, with the determinants of their derivatives.

A transform maps ``domain`` to ``codomain``; ``t.inv`` is the way back, and
``t.log_abs_det_jacobian(x, y)`` the logarithm of how much volume grows at ``x``, for ``y = t(x)``.

>>> t = ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])
>>> x = flambeau.tensor([0.0, 1.0])
>>> t(x)
tensor([ 2.7183, 20.0855])
>>> t.inv(t(x))
tensor([0., 1.])
>>> t.log_abs_det_jacobian(x, t(x))
tensor([1.6931, 3.6931])
"""

import math
import operator
import weakref
from functools import reduce
from numbers import Number

import flambeau
import flambeau.nn.functional as F

from . import constraints
from .utils import _sum_rightmost, broadcast_all, lazy_property, vec_to_tril_matrix

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class Transform:
    """A map of tensors. A subclass says ``domain``, ``codomain``, ``_call``, and where they exist
    ``bijective``, ``sign``, ``_inverse`` and ``log_abs_det_jacobian``.

    Args:
        cache_size: 1 keeps the last pair of input and output, so that ``t.inv(t(x))`` is ``x``
            itself; 0 keeps none.
    """

    bijective = False
    domain: constraints.Constraint
    codomain: constraints.Constraint

    def __init__(self, cache_size=0):
        if cache_size not in (0, 1):
            raise ValueError(f"{type(self).__name__}: cache_size must be 0 or 1, got {cache_size}")
        self._cache_size = cache_size
        self._inv = None
        self._cached_x_y = None, None
        super().__init__()

    def __getstate__(self):
        return {**self.__dict__, "_inv": None}  # a weak reference is not pickled

    @property
    def event_dim(self):
        """How many dimensions an event has, where domain and codomain agree on it."""
        if self.domain.event_dim == self.codomain.event_dim:
            return self.domain.event_dim
        raise ValueError(
            f"{type(self).__name__}: Please use either .domain.event_dim or .codomain.event_dim: "
            f"they are {self.domain.event_dim} and {self.codomain.event_dim}"
        )

    @property
    def inv(self):
        """The way back."""
        back = None if self._inv is None else self._inv()
        if back is None:
            back = _InverseTransform(self)
            self._inv = weakref.ref(back)
        return back

    @property
    def sign(self):
        """1 where the map rises, -1 where it falls."""
        raise NotImplementedError(f"{type(self).__name__}: it has no sign")

    def with_cache(self, cache_size=1):
        """The same map with this cache."""
        if cache_size == self._cache_size:
            return self
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self).__name__}.with_cache is not implemented")

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return not self == other

    __hash__ = object.__hash__

    def __call__(self, x):
        if self._cache_size == 0:
            return self._call(x)
        kept_x, kept_y = self._cached_x_y
        if x is kept_x:
            return kept_y
        y = self._call(x)
        self._cached_x_y = x, y
        return y

    def _inv_call(self, y):
        if self._cache_size == 0:
            return self._inverse(y)
        kept_x, kept_y = self._cached_x_y
        if y is kept_y:
            return kept_x
        x = self._inverse(y)
        self._cached_x_y = x, y
        return x

    def _call(self, x):
        raise NotImplementedError(f"{type(self).__name__}: define _call(x)")

    def _inverse(self, y):
        raise NotImplementedError(f"{type(self).__name__}: it has no inverse")

    def log_abs_det_jacobian(self, x, y):
        """The logarithm of the absolute determinant of the derivative at ``x``, where the map gives
        ``y``."""
        raise NotImplementedError(f"{type(self).__name__}: its derivative has no determinant")

    def forward_shape(self, shape):
        """The shape of what the map gives for one of this shape."""
        return shape

    def inverse_shape(self, shape):
        """The shape of what the way back gives for one of this shape."""
        return shape

    def __repr__(self):
        return f"{type(self).__name__}()"


class _SameKind:
    """Two transforms of such a class are equal: they have no parameters."""

    def __eq__(self, other):
        return isinstance(other, type(self))

    __hash__ = object.__hash__


class _InverseTransform(Transform):
    """The way back through a transform, which stays alive as long as this does."""

    def __init__(self, transform):
        super().__init__(cache_size=transform._cache_size)
        self._inv = transform

    def __getstate__(self):
        return self.__dict__

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return self._inv.codomain

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return self._inv.domain

    @property
    def bijective(self):
        return self._inv.bijective

    @property
    def sign(self):
        return self._inv.sign

    @property
    def inv(self):
        return self._inv

    def with_cache(self, cache_size=1):
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other):
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = object.__hash__

    def __call__(self, x):
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)

    def __repr__(self):
        return f"{type(self).__name__}({self._inv!r})"


def _events_beyond(constraint, event_dim):
    """The constraint with events of at least so many dimensions."""
    extra = event_dim - constraint.event_dim
    return constraints.independent(constraint, extra) if extra > 0 else constraint


class ComposeTransform(Transform):
    """Several maps, one after the other.

    >>> ComposeTransform([ExpTransform(), ExpTransform().inv])(flambeau.tensor([2.0]))
    tensor([2.])
    """

    def __init__(self, parts, cache_size=0):
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else parts
        super().__init__(cache_size=cache_size)

    def __eq__(self, other):
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    __hash__ = object.__hash__

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        if not self.parts:
            return constraints.real
        event_dim = self.parts[-1].codomain.event_dim
        for part in reversed(self.parts):
            event_dim = max(
                event_dim + part.domain.event_dim - part.codomain.event_dim, part.domain.event_dim
            )
        return _events_beyond(self.parts[0].domain, event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        if not self.parts:
            return constraints.real
        event_dim = self.parts[0].domain.event_dim
        for part in self.parts:
            event_dim = max(
                event_dim + part.codomain.event_dim - part.domain.event_dim, part.codomain.event_dim
            )
        return _events_beyond(self.parts[-1].codomain, event_dim)

    @lazy_property
    def bijective(self):
        return all(p.bijective for p in self.parts)

    @lazy_property
    def sign(self):
        return reduce(operator.mul, (p.sign for p in self.parts), 1)

    @property
    def inv(self):
        back = None if self._inv is None else self._inv()
        if back is None:
            back = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv = weakref.ref(back)
            back._inv = weakref.ref(self)
        return back

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return ComposeTransform(self.parts, cache_size=cache_size)

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return flambeau.zeros_like(x)
        points = [x]
        for part in self.parts[:-1]:
            points.append(part(points[-1]))
        points.append(y)
        event_dim = self.domain.event_dim
        terms = []
        for part, before, after in zip(self.parts, points[:-1], points[1:], strict=True):
            term = part.log_abs_det_jacobian(before, after)
            terms.append(_sum_rightmost(term, event_dim - part.domain.event_dim))
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return reduce(operator.add, terms)

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        parts = ",\n    ".join(repr(p) for p in self.parts)
        return f"{type(self).__name__}(\n    {parts}\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A map whose events have ``reinterpreted_batch_ndims`` more dimensions than those of
    ``base_transform``: determinants are multiplied over them.

    >>> t = IndependentTransform(ExpTransform(), 1)
    >>> t.log_abs_det_jacobian(flambeau.tensor([1.0, 2.0]), None)
    tensor(3.)
    """

    def __init__(self, base_transform, reinterpreted_batch_ndims, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return IndependentTransform(
            self.base_transform, self.reinterpreted_batch_ndims, cache_size=cache_size
        )

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    @property
    def bijective(self):
        return self.base_transform.bijective

    @property
    def sign(self):
        return self.base_transform.sign

    def _call(self, x):
        _check_dim(self, x, self.domain)
        return self.base_transform(x)

    def _inverse(self, y):
        _check_dim(self, y, self.codomain)
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x, y):
        inner = self.base_transform.log_abs_det_jacobian(x, y)
        return _sum_rightmost(inner, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape):
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        return self.base_transform.inverse_shape(shape)

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.base_transform!r}, {self.reinterpreted_batch_ndims})"
        )


def _check_dim(transform, value, constraint):
    if value.dim() < constraint.event_dim:
        raise ValueError(
            f"{type(transform).__name__}: Too few dimensions on input: expected "
            f"{constraint.event_dim} or more, got shape {tuple(value.shape)}"
        )


def _check_shape(transform, shape, event_dim):
    if len(shape) < event_dim:
        raise ValueError(
            f"{type(transform).__name__}: Too few dimensions on input: expected {event_dim} or "
            f"more, got shape {tuple(shape)}"
        )


class ReshapeTransform(Transform):
    """The dimensions on the right in another shape.

    >>> ReshapeTransform((4,), (2, 2))(flambeau.arange(4.0))
    tensor([[0., 1.],
            [2., 3.]])
    """

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape = flambeau.Size(in_shape)
        self.out_shape = flambeau.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError(
                f"ReshapeTransform: in_shape {tuple(self.in_shape)} and out_shape "
                f"{tuple(self.out_shape)} have different numbers of elements"
            )
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self):
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self):
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x):
        return x.reshape(self._batch(x.shape, self.in_shape) + self.out_shape)

    def _inverse(self, y):
        return y.reshape(self._batch(y.shape, self.out_shape) + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(self._batch(x.shape, self.in_shape))

    def forward_shape(self, shape):
        return self._batch(shape, self.in_shape) + self.out_shape

    def inverse_shape(self, shape):
        return self._batch(shape, self.out_shape) + self.in_shape

    def _batch(self, shape, event):
        _check_shape(self, shape, len(event))
        batch = flambeau.Size(shape[: len(shape) - len(event)])
        if tuple(shape[len(batch) :]) != tuple(event):
            raise ValueError(
                f"ReshapeTransform: Shape mismatch: expected {tuple(event)} on the right but got "
                f"{tuple(shape[len(batch) :])}"
            )
        return batch


# ---- of each number


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


# ---- of vectors


class SoftmaxTransform(_SameKind, Transform):
    """``exp(x)`` over its sum. The way back is the logarithm: sums of ``x`` are lost, so that this
    serves optimisers but no densities."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return F.softmax(x, -1)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape

    def inverse_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape


class StickBreakingTransform(_SameKind, Transform):
    """Vectors of ``n`` numbers to points of the simplex in ``n + 1`` dimensions: each number says
    which share of what is left is broken off, and 0 stands for equal shares.

    >>> StickBreakingTransform()(flambeau.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _after(x):
        """How many shares come after each number's own."""
        n = x.shape[-1]
        return flambeau.arange(n, 0, -1, dtype=x.dtype, device=x.device)

    def _call(self, x):
        share = _clipped_sigmoid(x - self._after(x).log())
        left = (1 - share).cumprod(-1)
        return F.pad(share, [0, 1], value=1) * F.pad(left, [1, 0], value=1)

    def _inverse(self, y):
        body = y[..., :-1]
        left = (1 - body.cumsum(-1)).clamp(min=flambeau.finfo(y.dtype).tiny)
        return body.log() - left.log() + self._after(body).log()

    def log_abs_det_jacobian(self, x, y):
        shifted = x - self._after(x).log()
        return (F.logsigmoid(shifted) - shifted + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class CorrCholeskyTransform(Transform):
    """Vectors of ``n (n - 1) / 2`` numbers to Cholesky factors of correlation matrices of size
    ``n``: ``tanh`` of each is a partial correlation, and a row is broken off a stick of length 1.

    >>> CorrCholeskyTransform()(flambeau.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = flambeau.finfo(x.dtype).eps
        partial = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        n = partial.shape[-1]
        left = (1 - partial.square()).sqrt().cumprod(-1)  # of the length of each row
        unit = partial + flambeau.eye(n, dtype=x.dtype, device=x.device)
        return unit * F.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = F.pad((1 - y.square().cumsum(-1))[..., :-1], [1, 0], value=1)
        n = y.shape[-1]
        rows, columns = flambeau.tril_indices(n, n, -1, device=y.device)
        partial = y[..., rows, columns] / left[..., rows, columns].sqrt()
        return ((1 + partial) / (1 - partial)).log() / 2

    def log_abs_det_jacobian(self, x, y):
        # Each partial correlation is scaled by what its row has left, and tanh has its own slope.
        left = 1 - y.square().cumsum(-1)
        n = y.shape[-1]
        rows, columns = flambeau.tril_indices(n, n, -2, device=y.device)
        scales = left[..., rows, columns].log().sum(-1) / 2
        slopes = 2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(-1)
        return scales - slopes

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        n = (math.isqrt(8 * shape[-1] + 1) + 1) // 2
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError(
                "CorrCholeskyTransform: Input is not a flattened lower-diagonal number: "
                f"{shape[-1]} is not n (n - 1) / 2 for any n"
            )
        return shape[:-1] + (n, n)

    def inverse_shape(self, shape):
        _check_shape(self, shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError(
                f"CorrCholeskyTransform: Input is not square: got shape {tuple(shape)}"
            )
        n = shape[-1]
        return shape[:-2] + (n * (n - 1) // 2,)


# ---- of matrices


class LowerCholeskyTransform(_SameKind, Transform):
    """Any square matrix to a lower triangular one with a positive diagonal: the part above is
    dropped, the diagonal exponentiated."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_SameKind, Transform):
    """Any square matrix to a positive definite one, whose Cholesky factor is that of
    ``LowerCholeskyTransform``."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(flambeau.linalg.cholesky(y))


# ---- of parts


def _parts(name, tseq, cache_size):
    if not all(isinstance(t, Transform) for t in tseq):
        raise AssertionError(f"{name}: expected transforms, got {tseq}")
    return [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)


def _check_within(transform, value, dim, extent):
    if not -value.dim() <= dim < value.dim():
        raise AssertionError(
            f"{type(transform).__name__}: dim {dim} is out of range for shape {tuple(value.shape)}"
        )
    if value.shape[dim] != extent:
        raise AssertionError(
            f"{type(transform).__name__}: expected {extent} along dim {dim}, got shape "
            f"{tuple(value.shape)}"
        )


class CatTransform(Transform):
    """Each piece along ``dim`` through a transform of its own; the pieces have these ``lengths``.

    >>> t = CatTransform([ExpTransform(), identity_transform], dim=0, lengths=[1, 2])
    >>> t(flambeau.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        self.transforms = _parts("CatTransform", tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"CatTransform: {len(self.transforms)} transforms have {len(self.lengths)} lengths"
            )
        self.dim = dim

    @lazy_property
    def event_dim(self):
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self):
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _pieces(self, value):
        _check_within(self, value, self.dim, self.length)
        return value.split(self.lengths, self.dim)

    def _call(self, x):
        pieces = zip(self.transforms, self._pieces(x), strict=True)
        return flambeau.cat([t(piece) for t, piece in pieces], self.dim)

    def _inverse(self, y):
        pieces = zip(self.transforms, self._pieces(y), strict=True)
        return flambeau.cat([t.inv(piece) for t, piece in pieces], self.dim)

    def log_abs_det_jacobian(self, x, y):
        terms = []
        for t, a, b in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            term = t.log_abs_det_jacobian(a, b)
            terms.append(_sum_rightmost(term, self.event_dim - t.domain.event_dim))
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return flambeau.cat(terms, dim) if dim < 0 else sum(terms)

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(Transform):
    """Each slice along ``dim`` through a transform of its own.

    >>> t = StackTransform([ExpTransform(), identity_transform])
    >>> t(flambeau.zeros(2))
    tensor([1., 0.])
    """

    def __init__(self, tseq, dim=0, cache_size=0):
        self.transforms = _parts("StackTransform", tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.dim = dim

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _slice(self, value):
        _check_within(self, value, self.dim, len(self.transforms))
        return value.unbind(self.dim)

    def _call(self, x):
        slices = zip(self.transforms, self._slice(x), strict=True)
        return flambeau.stack([t(part) for t, part in slices], self.dim)

    def _inverse(self, y):
        slices = zip(self.transforms, self._slice(y), strict=True)
        return flambeau.stack([t.inv(part) for t, part in slices], self.dim)

    def log_abs_det_jacobian(self, x, y):
        slices = zip(self.transforms, self._slice(x), self._slice(y), strict=True)
        return flambeau.stack([t.log_abs_det_jacobian(a, b) for t, a, b in slices], self.dim)

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
