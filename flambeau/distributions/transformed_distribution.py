"""Distributions of what transforms make of draws."""

import flambeau

from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """Draws from ``base_distribution``, passed through ``transforms`` one after the other.

    The density follows from that of the base and from the transforms' determinants.

    >>> from flambeau.distributions import AffineTransform, SigmoidTransform, Uniform
    >>> logistic = TransformedDistribution(
    ...     Uniform(0.0, 1.0), [SigmoidTransform().inv, AffineTransform(0.0, flambeau.ones(2))]
    ... )
    >>> logistic.log_prob(flambeau.zeros(2)).exp()
    tensor([0.2500, 0.2500])
    """

    arg_constraints = {}
    _expands = ()

    def __init__(self, base_distribution, transforms, validate_args=None):
        if isinstance(transforms, Transform):
            transforms = [transforms]
        elif not isinstance(transforms, list) or not all(
            isinstance(t, Transform) for t in transforms
        ):
            raise ValueError(
                "TransformedDistribution: transforms must be a Transform or list, but was "
                f"{transforms}"
            )
        self.transforms = transforms
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        base_events = len(base_distribution.event_shape)
        whole = ComposeTransform(transforms)
        if len(base_shape) < whole.domain.event_dim:
            raise ValueError(
                "TransformedDistribution: base_distribution needs to have shape with size at least "
                f"{whole.domain.event_dim}, but got {tuple(base_shape)}."
            )
        shape = whole.forward_shape(base_shape)
        # Parameters of the transforms may be of more shapes than those of the base.
        wide = whole.inverse_shape(shape)
        if tuple(wide) != tuple(base_shape):
            base_distribution = base_distribution.expand(wide[: len(wide) - base_events])
        moved = whole.domain.event_dim - base_events
        if moved > 0:
            base_distribution = Independent(base_distribution, moved)
        self.base_dist = base_distribution
        grown = whole.codomain.event_dim - whole.domain.event_dim
        cut = len(shape) - max(whole.codomain.event_dim, base_events + grown)
        shape = flambeau.Size(shape)
        super().__init__(shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        batch_shape = flambeau.Size(batch_shape)
        shape = batch_shape + self._event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        base_batch = shape[: len(shape) - len(self.base_dist.event_shape)]
        new = super().expand(batch_shape, _instance)
        new.base_dist = self.base_dist.expand(base_batch)
        new.transforms = self.transforms
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        extra = len(self._event_shape) - support.event_dim
        return constraints.independent(support, extra) if extra > 0 else support

    @property
    def has_rsample(self):
        return self.base_dist.has_rsample

    def _pushed(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape=flambeau.Size()):
        with flambeau.no_grad():
            return self._pushed(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=flambeau.Size()):
        return self._pushed(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y, event_dim, growth = value, len(self._event_shape), 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            grown = transform.log_abs_det_jacobian(x, y)
            growth = growth + _sum_rightmost(grown, event_dim - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return _sum_rightmost(base, event_dim - len(self.base_dist.event_shape)) - growth

    def _monotonize_cdf(self, value):
        """Where the transforms fall, what is below becomes what is above."""
        sign = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5

    def cdf(self, value):
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value):
        return self._pushed(self.base_dist.icdf(self._monotonize_cdf(value)))
