"""The categorical distribution."""

import math

import flambeau

from . import constraints
from ._forms import ProbsOrLogits
from .distribution import Distribution

__all__ = ["Categorical"]


class Categorical(ProbsOrLogits, Distribution):
    """The integers below ``probs.shape[-1]`` with these probabilities.

    Args:
        probs: weights along the last dimension, which are divided by their sum.
        logits: logarithms of weights, instead.

    >>> d = Categorical(flambeau.tensor([1.0, 3.0]))
    >>> d.probs
    tensor([0.2500, 0.7500])
    >>> d.log_prob(flambeau.tensor(1)).exp()
    tensor(0.7500)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _is_binary = False
    _expands = ("probs", "logits")
    _keeps = ("_given", "_num_events")

    def __init__(self, probs=None, logits=None, validate_args=None):
        value = self._take_one(probs, logits)
        if value.dim() < 1:
            raise ValueError(
                f"Categorical: `{self._given}` parameter must be at least one-dimensional."
            )
        if logits is None:
            self.probs = value / value.sum(-1, keepdim=True)
        else:
            self.logits = value - value.logsumexp(dim=-1, keepdim=True)
        self._num_events = value.shape[-1]
        super().__init__(value.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    def _nowhere(self):
        return flambeau.full(
            self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device
        )

    @property
    def mean(self):
        return self._nowhere()

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    @property
    def variance(self):
        return self._nowhere()

    def sample(self, sample_shape=flambeau.Size()):
        sample_shape = flambeau.Size(sample_shape)
        with flambeau.no_grad():
            rows = self.probs.reshape(-1, self._num_events)
            drawn = flambeau.multinomial(rows, sample_shape.numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        index = value.long().unsqueeze(-1)
        index, logits = flambeau.broadcast_tensors(index, self.logits)
        return logits.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self):
        # Of probability 0 and logit -inf, 0.
        finite = self.logits.clamp(min=flambeau.finfo(self.logits.dtype).min)
        return -(finite * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        values = flambeau.arange(self._num_events, dtype=flambeau.long, device=self._param.device)
        values = values.reshape((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values
