"""The geometric distribution."""

import flambeau
import flambeau.nn.functional as F

from . import constraints
from ._forms import ProbsOrLogits
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Geometric"]


class Geometric(ProbsOrLogits, Distribution):
    """How many trials fail before the first one succeeds.

    Args:
        probs: the probability that one succeeds, in (0, 1].
        logits: the logarithm of its odds, instead.

    >>> Geometric(flambeau.tensor([0.25])).mean
    tensor([3.])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer
    _expands = ("probs", "logits")
    _keeps = ("_given",)

    def __init__(self, probs=None, logits=None, validate_args=None):
        (value,) = broadcast_all(self._take_one(probs, logits))
        setattr(self, self._given, value)
        super().__init__(value.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not (value > 0).all():
            raise ValueError(
                f"Geometric: Expected parameter probs (Tensor of shape {tuple(value.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{value}"
            )

    @property
    def mean(self):
        return 1 / self.probs - 1

    @property
    def mode(self):
        return flambeau.zeros_like(self.probs)

    @property
    def variance(self):
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        tiny = flambeau.finfo(self.probs.dtype).tiny
        with flambeau.no_grad():
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        failing = probs.masked_fill((probs == 1) & (value == 0), 0)  # 0 log(0) is 0
        return value * (-failing).log1p() + probs.log()

    def entropy(self):
        both = F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
        return both / self.probs
