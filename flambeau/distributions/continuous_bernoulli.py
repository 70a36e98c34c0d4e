"""The continuous Bernoulli distribution."""

import math

import flambeau
import flambeau.nn.functional as F

from . import constraints
from ._forms import ProbsOrLogits
from .exp_family import ExponentialFamily
from .utils import broadcast_all, clamp_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Numbers from 0 to 1 with a density in proportion to ``probs ** x * (1 - probs) ** (1 - x)``
    (Loaiza-Ganem and Cunningham, 2019).

    Args:
        probs: which end draws lie near; it is not their mean.
        logits: the logarithm of its odds, instead.
        lims: between these, where formulas divide by nearly 0, series are used.

    >>> ContinuousBernoulli(flambeau.tensor([0.5])).mean
    tensor([0.5000])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _expands = ("probs", "logits")
    _keeps = ("_given", "_lims")

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        (value,) = broadcast_all(self._take_one(probs, logits))
        if logits is None:
            if validate_args is not None and not constraints.unit_interval.check(value).all():
                raise ValueError(
                    f"ContinuousBernoulli: The parameter probs has invalid values:\n{value}"
                )
            value = clamp_probs(value)
        setattr(self, self._given, value)
        self._lims = lims
        super().__init__(value.shape, validate_args=validate_args)

    def _away(self):
        """Where ``probs`` is not near a half; and ``probs``, with another number where it is."""
        low, high = self._lims
        away = (self.probs <= low) | (self.probs > high)
        return away, flambeau.where(away, self.probs, low)

    def _cont_bern_log_norm(self):
        """The logarithm of what the density is multiplied by: of 2 atanh(1 - 2 p) / (1 - 2 p)."""
        away, p = self._away()
        slope = (p.log() - (-p).log1p()) / (2 * p - 1)
        x = (self.probs - 0.5).square()
        near = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return flambeau.where(away, slope.log(), near)

    @property
    def mean(self):
        away, p = self._away()
        far = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        x = self.probs - 0.5
        return flambeau.where(away, far, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.square()) * x)

    @property
    def variance(self):
        away, p = self._away()
        far = p * (p - 1.0) / (1.0 - 2.0 * p).square() + 1.0 / ((-p).log1p() - p.log()).square()
        x = (self.probs - 0.5).square()
        return flambeau.where(away, far, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    @property
    def stddev(self):
        return self.variance.sqrt()

    def sample(self, sample_shape=flambeau.Size()):
        with flambeau.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(flambeau.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        inner = F.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return self._cont_bern_log_norm() - inner

    def cdf(self, value):
        if self._validate_args:
            self._validate_sample(value)
        away, p = self._away()
        far = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = flambeau.where(away, far, value)
        return inside.masked_fill(value <= 0, 0.0).masked_fill(value >= 1, 1.0)

    def icdf(self, value):
        away, p = self._away()
        failure = (-p).log1p()
        far = ((-p + value * (2.0 * p - 1.0)).log1p() - failure) / (p.log() - failure)
        return flambeau.where(away, far, value)

    def entropy(self):
        failure, success = (-self.probs).log1p(), self.probs.log()
        return self.mean * (failure - success) - self._cont_bern_log_norm() - failure

    @property
    def _natural_params(self):
        return (self.probs.log() - (-self.probs).log1p(),)

    def _log_normalizer(self, x):
        """``log((exp(x) - 1) / x)``."""
        low, high = self._lims
        away = (x <= low - 0.5) | (x > high - 0.5)
        far = flambeau.where(away, x, low - 0.5)
        near = 0.5 * x + x.square() / 24.0 - x.pow(4) / 2880.0
        return flambeau.where(away, (far.expm1() / far).log(), near)
