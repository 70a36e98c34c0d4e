"""The generalized Pareto distribution."""

import math

import flambeau

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """How far numbers that exceed a high threshold are beyond it.

    Args:
        loc: the threshold.
        scale: of the excess.
        concentration: 0 for an exponential tail, above 0 for one like a power's, below for one that
            ends.

    >>> GeneralizedPareto(0.0, flambeau.tensor([2.0]), 0.5).mean
    tensor([4.])
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    _expands = ("loc", "scale", "concentration")

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _z(self, value):
        return (value - self.loc) / self.scale

    def _curved(self):
        """Where the concentration is not 0; and the concentration, with 1 where it is."""
        zero = flambeau.isclose(self.concentration, flambeau.zeros_like(self.concentration))
        return ~zero, self.concentration.masked_fill(zero, 1.0)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(flambeau.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        curved, c = self._curved()
        z = self._z(value)
        tail = flambeau.where(curved, (1 / c + 1) * (c * z).log1p(), z)
        return -self.scale.log() - tail

    def log_survival_function(self, value):
        """The logarithm of the probability of draws above ``value``."""
        if self._validate_args:
            self._validate_sample(value)
        curved, c = self._curved()
        z = self._z(value)
        return -flambeau.where(curved, (c * z).log1p() / c, z)

    def log_cdf(self, value):
        """The logarithm of the cdf."""
        if self._validate_args:
            self._validate_sample(value)
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return -self.log_survival_function(value).expm1()

    def icdf(self, value):
        curved, c = self._curved()
        survival = (-value).log1p()
        return self.loc + self.scale * flambeau.where(
            curved, (-c * survival).expm1() / c, -survival
        )

    @property
    def mean(self):
        c = self.concentration
        return (self.loc + self.scale / (1 - c)).masked_fill(c >= 1, math.nan)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        c = self.concentration
        spread = self.scale.square() / ((1 - c).square() * (1 - 2 * c))
        return spread.masked_fill(c >= 0.5, math.nan)

    def entropy(self):
        return self.scale.log() + self.concentration + 1

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self._curved()[1]
        return constraints.interval(self.loc, flambeau.where(self.concentration < 0, end, math.inf))
