"""The Gumbel distribution."""

import math

import flambeau

from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """The largest of many numbers whose densities fall exponentially.

    >>> Gumbel(flambeau.tensor([1.0]), 2.0).mean
    tensor([2.1544])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    _expands = ("loc", "scale")

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        kind = flambeau.finfo(self.loc.dtype)
        base = Uniform(
            flambeau.full_like(self.loc, kind.tiny),
            flambeau.full_like(self.loc, 1 - kind.eps),
            validate_args=validate_args,
        )
        # loc - scale * log(-log(u))
        log = ExpTransform().inv
        turn = AffineTransform(loc=0, scale=-flambeau.ones_like(self.scale))
        place = AffineTransform(loc=self.loc, scale=-self.scale)
        super().__init__(base, [log, turn, log, place], validate_args=validate_args)

    @property
    def mean(self):
        return self.loc + self.scale * euler_constant

    @property
    def mode(self):
        return self.loc

    @property
    def stddev(self):
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self):
        return self.stddev.square()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self):
        return self.scale.log() + (1 + euler_constant)
