"""The normal distribution of vectors."""

import math

import flambeau

from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]


def _batch_mv(matrices, vectors):
    """The product of each matrix with its vector."""
    return (matrices @ vectors.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(factor, vectors):
    """``x^T M^-1 x`` for ``M = factor factor^T``: the squared length of ``factor^-1 x``."""
    n = factor.shape[-1]
    if factor.dim() == 2:  # one factor for all: the vectors are columns of one matrix
        columns = vectors.reshape(-1, n).T
        solved = flambeau.linalg.solve_triangular(factor, columns, upper=False)
        return solved.square().sum(0).reshape(vectors.shape[:-1])
    solved = flambeau.linalg.solve_triangular(factor, vectors.unsqueeze(-1), upper=False)
    return solved.square().sum((-2, -1))


def _inverse_of_factor(factor):
    eye = flambeau.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return flambeau.linalg.solve_triangular(factor, eye, upper=False)


def _precision_of_factor(factor):
    inverse = _inverse_of_factor(factor)
    return inverse.mT @ inverse


def _precision_to_scale_tril(precision):
    """The Cholesky factor of the inverse: the inverse of the transposed factor from the end."""
    upper = flambeau.linalg.cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    return _inverse_of_factor(upper)


def _half_log_det(factor):
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _take_scale(self, covariance_matrix, precision_matrix, scale_tril):
    """The name and value of the one that is given."""
    given = {
        "covariance_matrix": covariance_matrix,
        "precision_matrix": precision_matrix,
        "scale_tril": scale_tril,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            f"{type(self).__name__}: Exactly one of covariance_matrix or precision_matrix or "
            "scale_tril may be specified."
        )
    ((name, value),) = given.items()
    if value.dim() < 2:
        raise ValueError(
            f"{type(self).__name__}: {name} must be at least two-dimensional, with optional "
            f"leading batch dimensions, got shape {tuple(value.shape)}"
        )
    return name, value


def _factor_of(name, value):
    """The Cholesky factor of the covariance matrix."""
    if name == "scale_tril":
        return value
    if name == "covariance_matrix":
        return flambeau.linalg.cholesky(value)
    return _precision_to_scale_tril(value)


class MultivariateNormal(Distribution):
    """The normal distribution of vectors.

    Args:
        loc: the mean.
        covariance_matrix: the covariance matrix; or one of the following.
        precision_matrix: its inverse.
        scale_tril: its Cholesky factor, which is what is computed with.

    >>> d = MultivariateNormal(flambeau.zeros(2), scale_tril=flambeau.eye(2))
    >>> d.log_prob(flambeau.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _expands = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")
    _keeps = ("_unbroadcasted_scale_tril",)

    def __init__(
        self,
        loc,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        if loc.dim() < 1:
            raise ValueError("MultivariateNormal: loc must be at least one-dimensional.")
        name, value = _take_scale(self, covariance_matrix, precision_matrix, scale_tril)
        batch = flambeau.broadcast_shapes(value.shape[:-2], loc.shape[:-1])
        setattr(self, name, value.expand(batch + (-1, -1)))
        self.loc = loc.expand(batch + (-1,))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor_of(name, value)

    def _wide(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance matrix."""
        return self._wide(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        """The covariance matrix."""
        factor = self._unbroadcasted_scale_tril
        return self._wide(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance matrix."""
        return self._wide(_precision_of_factor(self._unbroadcasted_scale_tril))

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        rows = self._unbroadcasted_scale_tril.square().sum(-1)
        return rows.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        noise = _standard_normal(shape, self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        distance = _batch_mahalanobis(factor, value - self.loc)
        normalizer = 0.5 * self._event_shape[0] * math.log(2 * math.pi) + _half_log_det(factor)
        return -0.5 * distance - normalizer

    def entropy(self):
        half = _half_log_det(self._unbroadcasted_scale_tril)
        entropy = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + half
        return entropy.expand(self._batch_shape)
