"""The negative binomial distribution."""

import flambeau
import flambeau.nn.functional as F

from . import constraints
from ._forms import ProbsOrLogits
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all, lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits, Distribution):
    """How many trials succeed before ``total_count`` of them fail.

    Args:
        total_count: of failures, at which one stops; any number of at least 0.
        probs: the probability that one succeeds, in [0, 1).
        logits: the logarithm of its odds, instead.

    >>> NegativeBinomial(3, flambeau.tensor([0.5])).mean
    tensor([3.])
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _expands = ("total_count", "probs", "logits")
    _keeps = ("_given",)

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        count, value = broadcast_all(total_count, self._take_one(probs, logits))
        self.total_count = count.type_as(value)
        setattr(self, self._given, value)
        super().__init__(value.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.total_count * self.logits.exp()

    @property
    def mode(self):
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self):
        return self.mean / flambeau.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self):
        # A Poisson number whose rate is distributed so is distributed as this is.
        return Gamma(self.total_count, (-self.logits).exp(), validate_args=False)

    def sample(self, sample_shape=flambeau.Size()):
        with flambeau.no_grad():
            return flambeau.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        powers = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = (n + value).lgamma() - (value + 1).lgamma() - n.lgamma()
        return powers + ways.masked_fill(n + value == 0, 0.0)
