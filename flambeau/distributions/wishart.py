"""The Wishart distribution."""

import math
import warnings
from numbers import Number

import flambeau

from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import (
    _factor_of,
    _half_log_det,
    _precision_of_factor,
    _take_scale,
)
from .utils import lazy_property

__all__ = ["Wishart"]

_TRIES = 10  # for draws that rounding has made singular


def _mvdigamma(x, p):
    """The derivative of ``mvlgamma``."""
    steps = flambeau.arange(p, dtype=x.dtype, device=x.device) / 2
    return (x.unsqueeze(-1) - steps).digamma().sum(-1)


class Wishart(ExponentialFamily):
    """The matrix of sums of squares and products of ``df`` normal vectors.

    Args:
        df: degrees of freedom, more than the size of the matrices less 1.
        covariance_matrix: of the vectors; or one of the following.
        precision_matrix: its inverse.
        scale_tril: its Cholesky factor.

    >>> Wishart(flambeau.tensor(3.0), scale_tril=flambeau.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _expands = ("df", "covariance_matrix", "precision_matrix", "scale_tril")
    _keeps = ("_unbroadcasted_scale_tril",)

    def __init__(
        self,
        df,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        name, value = _take_scale(self, covariance_matrix, precision_matrix, scale_tril)
        if isinstance(df, Number):
            df = flambeau.tensor(df, dtype=value.dtype, device=value.device)
        batch = flambeau.broadcast_shapes(value.shape[:-2], df.shape)
        event = value.shape[-2:]
        self.df = df.expand(batch)
        if (self.df <= event[-1] - 1).any():
            raise ValueError(
                f"Wishart: Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}."
            )
        setattr(self, name, value.expand(batch + (-1, -1)))
        super().__init__(batch, event, validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor_of(name, value)
        self._dist_chi2 = self._squares()

    @property
    def arg_constraints(self):
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def _squares(self):
        """The squared diagonal of the factor of a draw: each has one degree of freedom less."""
        p = self._event_shape[-1]
        return Chi2(
            self.df.unsqueeze(-1) - flambeau.arange(p, dtype=self.df.dtype, device=self.df.device)
        )

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new._dist_chi2 = new._squares()
        return new

    def _wide(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance matrix."""
        return self._wide(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self):
        """The covariance matrix of the vectors."""
        factor = self._unbroadcasted_scale_tril
        return self._wide(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance matrix."""
        return self._wide(_precision_of_factor(self._unbroadcasted_scale_tril))

    def _each(self, numbers):
        """Numbers of the batch, one for each element of a matrix."""
        return numbers.reshape(self._batch_shape + (1, 1))

    @property
    def mean(self):
        return self._each(self.df) * self.covariance_matrix

    @property
    def mode(self):
        share = self.df - self._event_shape[-1] - 1
        share = share.masked_fill(share <= 0, math.nan)
        return self._each(share) * self.covariance_matrix

    @property
    def variance(self):
        V = self.covariance_matrix
        diagonal = V.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._each(self.df) * (V.square() + products)

    def _bartlett_sampling(self, sample_shape=flambeau.Size()):
        """Bartlett's decomposition: normal numbers below a diagonal of roots of chi-squareds."""
        p = self._event_shape[-1]
        noise = self._dist_chi2.rsample(sample_shape).sqrt().diag_embed()
        rows, columns = flambeau.tril_indices(p, p, -1, device=noise.device)
        below = flambeau.randn(
            noise.shape[:-2] + (p * (p - 1) // 2,), dtype=noise.dtype, device=noise.device
        )
        noise[..., rows, columns] = below
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def _singular(self, draws):
        """Which draws of the sample have one in their batch that is not positive definite."""
        bad = ~self.support.check(draws)
        batch = tuple(range(bad.dim() - len(self._batch_shape), bad.dim()))
        return bad.any(batch) if batch else bad

    def rsample(self, sample_shape=flambeau.Size(), max_try_correction=None):
        """Draws. One that rounding made singular is drawn anew, ``max_try_correction`` times at
        most."""
        sample_shape = flambeau.Size(sample_shape)
        # The first draws are dropped, as in PyTorch, which takes the sound ones for singular.
        self._bartlett_sampling(sample_shape)
        draws = self._bartlett_sampling(sample_shape)
        bad = self._singular(draws)
        if not bad.any():
            return draws
        warnings.warn("Wishart: Singular sample detected.", stacklevel=2)
        for _ in range(_TRIES if max_try_correction is None else max_try_correction):
            again = self._bartlett_sampling(sample_shape)
            wide = bad.reshape(bad.shape + (1,) * (draws.dim() - bad.dim()))
            draws = flambeau.where(wide, again, draws)
            bad = self._singular(draws)
            if not bad.any():
                break
        return draws

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        root = flambeau.linalg.cholesky(value)
        log_det = 2 * _half_log_det(root)
        solved = flambeau.linalg.solve_triangular(factor, root, upper=False)
        trace = solved.square().sum((-2, -1))
        return (
            (nu - p - 1) / 2 * log_det
            - trace / 2
            - nu * (p * math.log(2.0) / 2 + _half_log_det(factor))
            - flambeau.mvlgamma(nu / 2, p)
        )

    def entropy(self):
        nu, p = self.df, self._event_shape[-1]
        half = _half_log_det(self._unbroadcasted_scale_tril)
        return (
            (p + 1) * (p * math.log(2.0) / 2 + half)
            + flambeau.mvlgamma(nu / 2, p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p)
            + nu * p / 2
        )

    @property
    def _natural_params(self):
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x, y):
        p = self._event_shape[-1]
        a = y + (p + 1) / 2
        log_det = 2 * _half_log_det(flambeau.linalg.cholesky(-2 * x))
        return a * (p * math.log(2.0) - log_det) + flambeau.mvlgamma(a, p)
