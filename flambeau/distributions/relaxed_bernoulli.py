"""The relaxed Bernoulli distribution."""

import flambeau

from . import constraints
from ._forms import ProbsOrLogits
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(ProbsOrLogits, Distribution):
    """The logits of ``RelaxedBernoulli``.

    Args:
        temperature: of the relaxation.
        probs: the probability of 1 without it.
        logits: the logarithm of its odds, instead.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    _expands = ("probs", "logits")
    _keeps = ("_given", "temperature")

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        (value,) = broadcast_all(self._take_one(probs, logits))
        setattr(self, self._given, value)
        super().__init__(value.shape, validate_args=validate_args)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(flambeau.rand(shape, dtype=probs.dtype, device=probs.device))
        logistic = u.log() - (-u).log1p()
        return (logistic + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        away = logits - value * self.temperature
        return self.temperature.log() + away - 2 * away.exp().log1p()


class RelaxedBernoulli(TransformedDistribution):
    """Numbers between 0 and 1 that tend to a Bernoulli distribution as ``temperature`` tends to 0,
    and pass gradients to the parameters (Maddison, Mnih and Teh, 2017).

    Args:
        temperature: of the relaxation.
        probs: the probability of 1 without it.
        logits: the logarithm of its odds, instead.

    >>> d = RelaxedBernoulli(flambeau.tensor([0.5]), probs=flambeau.tensor([0.9]))
    >>> d.rsample().shape
    torch.Size([1])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _expands = ()

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    @property
    def temperature(self):
        """That of the relaxation."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """The logarithm of the odds of 1 without relaxation."""
        return self.base_dist.logits

    @property
    def probs(self):
        """The probability of 1 without relaxation."""
        return self.base_dist.probs
