"""The binomial distribution."""

import flambeau

from . import constraints
from ._forms import ProbsOrLogits
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Binomial"]


class Binomial(ProbsOrLogits, Distribution):
    """How many of ``total_count`` trials succeed.

    Args:
        total_count: how many trials there are.
        probs: the probability that one succeeds.
        logits: the logarithm of its odds, instead.

    >>> d = Binomial(2, flambeau.tensor([0.5]))
    >>> d.log_prob(d.enumerate_support()).exp().flatten()
    tensor([0.2500, 0.5000, 0.2500])
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _expands = ("total_count", "probs", "logits")
    _keeps = ("_given",)

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        count, value = broadcast_all(total_count, self._take_one(probs, logits))
        self.total_count = count.type_as(value)
        setattr(self, self._given, value)
        super().__init__(value.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self):
        return self.total_count * self.probs

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        with flambeau.no_grad():
            return flambeau.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        # n log(1 + exp(logits)), whose part of both signs is small
        spread = n * (logits.clamp(min=0) + (-logits.abs()).exp().log1p())
        return ways + value * logits - spread

    def _count(self, op):
        count = int(self.total_count.max())
        if int(self.total_count.min()) != count:
            raise NotImplementedError(
                f"Binomial: Inhomogeneous total count not supported by `{op}`."
            )
        return count

    def entropy(self):
        self._count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        count = self._count("enumerate_support")
        values = flambeau.arange(1 + count, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values
