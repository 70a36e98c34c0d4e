"""The relaxed categorical distribution."""

import flambeau

from . import constraints
from .categorical import Categorical
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The logarithms of ``RelaxedOneHotCategorical``, which do not underflow.

    Args:
        temperature: of the relaxation.
        probs: weights along the last dimension.
        logits: logarithms of weights, instead.
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.real_vector  # those whose exponentials sum to 1
    has_rsample = True
    _expands = ("_categorical",)
    _keeps = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args=validate_args,
        )

    def _new(self, *args, **kwargs):
        return self._categorical._new(*args, **kwargs)

    @property
    def param_shape(self):
        """The shape of the probabilities."""
        return self._categorical.param_shape

    @property
    def logits(self):
        """The logarithms of the probabilities without relaxation."""
        return self._categorical.logits

    @property
    def probs(self):
        """The probabilities without relaxation."""
        return self._categorical.probs

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(flambeau.rand(shape, dtype=self.logits.dtype, device=self.logits.device))
        gumbels = -(-u.log()).log()
        return ((self.logits + gumbels) / self.temperature).log_softmax(-1)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        k = self._event_shape[0]
        logits, value = broadcast_all(self.logits, value)
        count = flambeau.full_like(self.temperature, float(k))
        scale = count.lgamma() + self.temperature.log() * (k - 1)
        return (logits - value * self.temperature).log_softmax(-1).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Points of the simplex that tend to one-hot vectors as ``temperature`` tends to 0, and pass
    gradients to the parameters (Jang, Gu and Poole, 2017).

    Args:
        temperature: of the relaxation.
        probs: weights along the last dimension.
        logits: logarithms of weights, instead.

    >>> d = RelaxedOneHotCategorical(flambeau.tensor(0.5), flambeau.tensor([0.2, 0.8]))
    >>> bool((d.rsample().sum() - 1).abs() < 1e-5)
    True
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.simplex
    has_rsample = True
    _expands = ()

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self):
        """That of the relaxation."""
        return self.base_dist.temperature

    @property
    def logits(self):
        """The logarithms of the probabilities without relaxation."""
        return self.base_dist.logits

    @property
    def probs(self):
        """The probabilities without relaxation."""
        return self.base_dist.probs
