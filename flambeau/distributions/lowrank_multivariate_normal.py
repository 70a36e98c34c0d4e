"""Normal distributions of vectors with few factors."""

import math

import flambeau

from . import constraints
from .distribution import Distribution
from .multivariate_normal import _batch_mahalanobis, _batch_mv, _half_log_det
from .utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal"]


def _batch_capacitance_tril(W, D):
    """The Cholesky factor of ``I + W^T D^-1 W``, which is as small as there are factors."""
    small = (W.mT / D.unsqueeze(-2)) @ W
    eye = flambeau.eye(W.shape[-1], dtype=W.dtype, device=W.device)
    return flambeau.linalg.cholesky(small + eye)


def _batch_lowrank_logdet(W, D, capacitance_tril):
    """``log |W W^T + D|``, by the determinant lemma."""
    return 2 * _half_log_det(capacitance_tril) + D.log().sum(-1)


def _batch_lowrank_mahalanobis(W, D, x, capacitance_tril):
    """``x^T (W W^T + D)^-1 x``, by Woodbury's identity."""
    scaled = x / D
    factors = _batch_mv(W.mT, scaled)
    return (x * scaled).sum(-1) - _batch_mahalanobis(capacitance_tril, factors)


class LowRankMultivariateNormal(Distribution):
    """A normal distribution whose covariance matrix is ``cov_factor cov_factor^T`` plus a diagonal:
    what costs the cube of the number of variables costs that of the number of factors.

    Args:
        loc: the mean, of ``n`` variables.
        cov_factor: ``n`` rows with a column for each factor.
        cov_diag: the diagonal.

    >>> d = LowRankMultivariateNormal(flambeau.zeros(2), flambeau.ones(2, 1), flambeau.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _expands = ("loc", "cov_factor", "cov_diag")
    _keeps = ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril")

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        name = "LowRankMultivariateNormal"
        if loc.dim() < 1:
            raise ValueError(f"{name}: loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                f"{name}: cov_factor must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if tuple(cov_factor.shape[-2:-1]) != tuple(event):
            raise ValueError(
                f"{name}: cov_factor must be a batch of matrices with shape {event[0]} x m, got "
                f"{tuple(cov_factor.shape)}"
            )
        if tuple(cov_diag.shape[-1:]) != tuple(event):
            raise ValueError(
                f"{name}: cov_diag must be a batch of vectors with shape {tuple(event)}, got "
                f"{tuple(cov_diag.shape)}"
            )
        try:
            batch = flambeau.broadcast_shapes(
                loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1]
            )
        except RuntimeError as e:
            raise ValueError(
                f"{name}: Incompatible batch shapes: loc {tuple(loc.shape)}, cov_factor "
                f"{tuple(cov_factor.shape)}, cov_diag {tuple(cov_diag.shape)}"
            ) from e
        self.loc = loc.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        self.cov_diag = cov_diag.expand(batch + event)
        super().__init__(batch, event, validate_args=validate_args)
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = _batch_capacitance_tril(cov_factor, cov_diag)

    def _wide(self, matrix):
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        rows = self._unbroadcasted_cov_factor.square().sum(-1) + self._unbroadcasted_cov_diag
        return rows.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance matrix."""
        # That of D^-1/2 (covariance) D^-1/2 = I + V V^T, whose eigenvalues are at least 1
        W, root = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        V = W / root
        eye = flambeau.eye(self._event_shape[0], dtype=W.dtype, device=W.device)
        return self._wide(root * flambeau.linalg.cholesky(V @ V.mT + eye))

    @lazy_property
    def covariance_matrix(self):
        """The covariance matrix."""
        W, D = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        return self._wide(W @ W.mT + D.diag_embed())

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance matrix."""
        W, D = self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag
        scaled = W.mT / D.unsqueeze(-2)
        A = flambeau.linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._wide(D.reciprocal().diag_embed() - A.mT @ A)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        factors = shape[:-1] + self.cov_factor.shape[-1:]
        of_factors = _standard_normal(factors, self.loc.dtype, self.loc.device)
        own = _standard_normal(shape, self.loc.dtype, self.loc.device)
        return (
            self.loc
            + _batch_mv(self._unbroadcasted_cov_factor, of_factors)
            + self._unbroadcasted_cov_diag.sqrt() * own
        )

    def _log_det(self):
        return _batch_lowrank_logdet(
            self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag, self._capacitance_tril
        )

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        distance = _batch_lowrank_mahalanobis(
            self._unbroadcasted_cov_factor,
            self._unbroadcasted_cov_diag,
            value - self.loc,
            self._capacitance_tril,
        )
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + self._log_det() + distance)

    def entropy(self):
        entropy = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return entropy.expand(self._batch_shape)
