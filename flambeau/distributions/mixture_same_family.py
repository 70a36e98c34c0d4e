"""Mixtures of distributions of one family."""

import flambeau

from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A draw from the component that ``mixture_distribution`` chooses.

    Args:
        mixture_distribution: a ``Categorical`` over the components.
        component_distribution: the components, along the last dimension of its batch.

    >>> from flambeau.distributions import Normal
    >>> two = Normal(flambeau.tensor([-1.0, 3.0]), 1.0)
    >>> MixtureSameFamily(Categorical(flambeau.ones(2)), two).mean
    tensor(1.)
    """

    arg_constraints = {}
    has_rsample = False
    _expands = ()

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                "MixtureSameFamily: The Mixture distribution needs to be an instance of "
                f"Categorical, got {type(mixture_distribution).__name__}"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "MixtureSameFamily: The Component distribution needs to be a Distribution, got "
                f"{type(component_distribution).__name__}"
            )
        batch = component_distribution.batch_shape
        outer = mixture_distribution.batch_shape
        for a, b in zip(reversed(outer), reversed(batch[:-1]), strict=False):
            if a != 1 and b != 1 and a != b:
                raise ValueError(
                    f"MixtureSameFamily: mixture_distribution.batch_shape ({tuple(outer)}) is not "
                    f"compatible with component_distribution.batch_shape({tuple(batch)})"
                )
        if not batch or mixture_distribution.logits.shape[-1] != batch[-1]:
            raise ValueError(
                "MixtureSameFamily: mixture_distribution component "
                f"({mixture_distribution.logits.shape[-1]}) does not equal "
                f"component_distribution.batch_shape[-1] ({batch[-1] if batch else 'none'})"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = batch[-1]
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    def expand(self, batch_shape, _instance=None):
        batch_shape = flambeau.Size(batch_shape)
        new = super().expand(batch_shape, _instance)
        new._component_distribution = self._component_distribution.expand(
            batch_shape + (self._num_component,)
        )
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        new._event_ndims = self._event_ndims
        return new

    @constraints.dependent_property
    def support(self):
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self):
        """The distribution of which component it is."""
        return self._mixture_distribution

    @property
    def component_distribution(self):
        """The components."""
        return self._component_distribution

    def _weights(self):
        """The components' probabilities, with a dimension for each of the event."""
        probs = self._mixture_distribution.probs
        return probs.reshape(probs.shape + (1,) * self._event_ndims)

    def _averaged(self, values):
        return (self._weights() * values).sum(-1 - self._event_ndims)

    @property
    def mean(self):
        return self._averaged(self._component_distribution.mean)

    @property
    def variance(self):
        means = self._component_distribution.mean
        apart = means - self.mean.unsqueeze(-1 - self._event_ndims)
        return self._averaged(self._component_distribution.variance) + self._averaged(
            apart.square()
        )

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def cdf(self, x):
        below = self._component_distribution.cdf(self._pad(x))
        return (below * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, x):
        if self._validate_args:
            self._validate_sample(x)
        log_prob = self._component_distribution.log_prob(self._pad(x))
        weights = self._mixture_distribution.logits.log_softmax(-1)
        return (log_prob + weights).logsumexp(-1)

    def sample(self, sample_shape=flambeau.Size()):
        with flambeau.no_grad():
            which = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            place = len(sample_shape) + len(self._batch_shape)
            which = which.reshape(which.shape + (1,) * (self._event_ndims + 1))
            which = which.expand(drawn.shape[:place] + (1,) + drawn.shape[place + 1 :])
            return drawn.gather(place, which).squeeze(place)

    def __repr__(self):
        return (
            f"MixtureSameFamily(\n  {self._mixture_distribution},\n  "
            f"{self._component_distribution})"
        )
