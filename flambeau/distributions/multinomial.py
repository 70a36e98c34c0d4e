"""The multinomial distribution."""

import math

import flambeau

from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each category comes in ``total_count`` draws.

    Args:
        total_count: how many draws there are, one number for the batch. ``log_prob`` does not need
            it.
        probs: weights along the last dimension, which are divided by their sum.
        logits: logarithms of weights, instead.

    >>> d = Multinomial(4, flambeau.tensor([1.0, 1.0]))
    >>> d.mean
    tensor([2., 2.])
    >>> d.log_prob(flambeau.tensor([2.0, 2.0])).exp()
    tensor(0.3750)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    total_count: int
    _expands = ("_categorical",)
    _keeps = ("total_count",)

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError(
                "Multinomial: inhomogeneous total_count is not supported: give an int"
            )
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args=validate_args,
        )

    def _new(self, *args, **kwargs):
        return self._categorical._new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self):
        return constraints.multinomial(self.total_count)

    @property
    def probs(self):
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self):
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self):
        """The shape of the probabilities."""
        return self._categorical.param_shape

    @property
    def mean(self):
        return self.probs * self.total_count

    @property
    def variance(self):
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape=flambeau.Size()):
        sample_shape = flambeau.Size(sample_shape)
        drawn = self._categorical.sample(flambeau.Size((self.total_count,)) + sample_shape)
        drawn = drawn.movedim(0, -1)
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        counts.scatter_add_(-1, drawn, flambeau.ones_like(drawn))
        return counts.type_as(self.probs)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -math.inf), 0)  # 0 log(0)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self):
        # That of the draws in their order, less what the order holds: the mean of log(ways).
        n = flambeau.tensor(float(self.total_count)).to(self.probs)
        order = self.total_count * self._categorical.entropy() - (n + 1).lgamma()
        single = Binomial(self.total_count, probs=self.probs, validate_args=False)
        counts = single.enumerate_support(expand=False)[1:]
        return order + (single.log_prob(counts).exp() * (counts + 1).lgamma()).sum((0, -1))
