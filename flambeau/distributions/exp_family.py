"""Distributions of the exponential family."""

import flambeau

from .distribution import Distribution
from .utils import absent

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A density ``exp(<t(x), theta> - A(theta) + k(x))``.

    ``_natural_params`` are the tensors theta, ``_log_normalizer`` computes A of them, and
    ``_mean_carrier_measure`` is the mean of k. The entropy, and KL divergences within the family,
    follow by differentiating A.
    """

    @property
    def _natural_params(self):
        absent(self, "_natural_params")

    def _log_normalizer(self, *natural_params):
        absent(self, "_log_normalizer")

    @property
    def _mean_carrier_measure(self):
        absent(self, "_mean_carrier_measure")

    def _expectations(self):
        """theta, A(theta), and the gradient of A, which is the mean of t(x)."""
        with flambeau.enable_grad():
            theta = [p.detach().requires_grad_() for p in self._natural_params]
            normalizer = self._log_normalizer(*theta)
            means = flambeau.autograd.grad(normalizer.sum(), theta, create_graph=True)
        return theta, normalizer, means

    def entropy(self):
        """``A - <theta, grad A> -`` the mean of k."""
        theta, normalizer, means = self._expectations()
        result = normalizer - self._mean_carrier_measure
        for parameter, mean in zip(theta, means, strict=True):
            result = result - (parameter * mean).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
