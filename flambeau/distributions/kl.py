"""Kullback-Leibler divergences between distributions.

>>> from flambeau.distributions import Normal
>>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
tensor(0.5000)
"""

import math
import warnings

import flambeau
import flambeau.nn.functional as F

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal, _batch_lowrank_mahalanobis
from .multivariate_normal import MultivariateNormal, _batch_mahalanobis, _half_log_det
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import _sum_rightmost, euler_constant

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY = {}  # (class of p, class of q) -> function
_KL_MEMOIZE = {}  # what was found for classes, these or derived ones


def register_kl(type_p, type_q):
    """A decorator of the function of ``p`` and ``q`` that computes the divergence for these classes
    and those derived from them.

    >>> from flambeau.distributions import Normal
    >>> class Mine(Normal):
    ...     pass
    >>> @register_kl(Mine, Mine)
    ... def _(p, q):
    ...     return flambeau.zeros(p.batch_shape)
    >>> kl_divergence(Mine(0.0, 1.0), Mine(5.0, 1.0))
    tensor(0.)
    """
    for name, kind in ("type_p", type_p), ("type_q", type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(
                f"register_kl: Expected {name} to be a Distribution subclass but got {kind}"
            )

    def register(function):
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return register


def _dispatch_kl(type_p, type_q):
    """The most special function for these classes, or NotImplemented."""
    matches = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not matches:
        return NotImplemented
    ranks_p, ranks_q = type_p.__mro__.index, type_q.__mro__.index
    by_p = min(matches, key=lambda m: (ranks_p(m[0]), ranks_q(m[1])))
    by_q = min(matches, key=lambda m: (ranks_q(m[1]), ranks_p(m[0])))
    if _KL_REGISTRY[by_p] is not _KL_REGISTRY[by_q]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl("
            f"{by_p[0].__name__}, {by_q[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[by_p]


def kl_divergence(p, q):
    """The mean, under ``p``, of ``p.log_prob(x) - q.log_prob(x)``, for each item of the batch.

    >>> from flambeau.distributions import Categorical
    >>> p = Categorical(flambeau.tensor([0.5, 0.5]))
    >>> kl_divergence(p, Categorical(flambeau.tensor([0.25, 0.75])))
    tensor(0.1438)
    """
    key = type(p), type(q)
    if key not in _KL_MEMOIZE:
        _KL_MEMOIZE[key] = _dispatch_kl(*key)
    if _KL_MEMOIZE[key] is NotImplemented:
        raise NotImplementedError(
            f"kl_divergence: No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}: register_kl adds one"
        )
    return _KL_MEMOIZE[key](p, q)


# ---- parts


def _infinite_like(tensor):
    return flambeau.full_like(tensor, math.inf)


def _infinite_where(kl, condition):
    """Infinite where ``q`` has no mass for some of ``p``'s."""
    return flambeau.where(condition, math.inf, kl)


def _shares(probs, log_ratio, impossible):
    """``probs * log_ratio``: 0 where ``probs`` is 0, else infinite where ``q`` is impossible."""
    return _infinite_where(probs * log_ratio, impossible).masked_fill(probs == 0, 0.0)


def _x_log_x(x):
    return flambeau.xlogy(x, x)


def _cross_normal(p, q):
    """The cross entropy with a normal distribution, which needs mean and variance alone."""
    square = p.variance + (p.mean - q.loc).square()
    return 0.5 * (square / q.variance + (2 * math.pi * q.variance).log())


def _cross_exponential(p, q):
    return q.rate * p.mean - q.rate.log()


def _cross_gamma(p, q, mean_log):
    a = q.concentration
    return a.lgamma() - a * q.rate.log() - (a - 1) * mean_log + q.rate * p.mean


def _cross_continuous_bernoulli(p, q):
    return -p.mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


# ---- of one family


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p, q):
    ones = _shares(p.probs, F.softplus(-q.logits) - F.softplus(-p.logits), q.probs == 0)
    zeros = _shares(1 - p.probs, F.softplus(q.logits) - F.softplus(p.logits), q.probs == 1)
    return ones + zeros


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    normalizers = total.lgamma() - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return normalizers + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Beta, Beta)
def _kl_beta_beta(p, q):
    return _kl_dirichlet_dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Binomial, Binomial)
def _kl_binomial_binomial(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "kl_divergence: KL between Binomials where q.total_count > p.total_count is not "
            "implemented"
        )
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return _infinite_where(p.total_count * each, p.total_count > q.total_count)


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p, q):
    return _shares(p.probs, p.logits - q.logits, q.probs == 0).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_onehotcategorical_onehotcategorical(p, q):
    return _kl_categorical_categorical(p._categorical, q._categorical)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _kl_continuous_bernoulli_continuous_bernoulli(p, q):
    return _cross_continuous_bernoulli(p, q) - _cross_continuous_bernoulli(p, p)


@register_kl(Exponential, Exponential)
def _kl_exponential_exponential(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p, q):
    """A Bregman divergence of the normalizer (Nielsen and Nock, 2010)."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "kl_divergence: The cross KL-divergence between different exponential families cannot "
            f"be computed using Bregman divergences: {type(p).__name__} and {type(q).__name__}"
        )
    theta, normalizer, means = p._expectations()
    result = q._log_normalizer(*q._natural_params) - normalizer
    for mine, other, mean in zip(theta, q._natural_params, means, strict=True):
        term = (other - mine) * mean
        result = result - _sum_rightmost(term, term.dim() - result.dim())
    return result


@register_kl(Gamma, Gamma)
def _kl_gamma_gamma(p, q):
    a, b = p.concentration, q.concentration
    return (
        b * (p.rate / q.rate).log()
        + b.lgamma()
        - a.lgamma()
        + (a - b) * a.digamma()
        + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Geometric, Geometric)
def _kl_geometric_geometric(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _kl_gumbel_gumbel(p, q):
    ratio, apart = p.scale / q.scale, (p.loc - q.loc) / q.scale
    powers = ((1 + ratio).lgamma() - apart).exp()
    return apart - ratio.log() + euler_constant * (ratio - 1) + powers - 1


@register_kl(Normal, Normal)
def _kl_normal_normal(p, q):
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _kl_halfnormal_halfnormal(p, q):
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _kl_laplace_laplace(p, q):
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return apart / q.scale + ratio * (-apart / p.scale).exp() - ratio.log() - 1


@register_kl(Cauchy, Cauchy)
def _kl_cauchy_cauchy(p, q):
    distance = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return distance.log() - (4 * p.scale * q.scale).log()


@register_kl(Pareto, Pareto)
def _kl_pareto_pareto(p, q):
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _infinite_where(kl, p.scale < q.scale)


@register_kl(Poisson, Poisson)
def _kl_poisson_poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p, q):
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return _infinite_where(kl, (q.low > p.low) | (q.high < p.high))


@register_kl(Independent, Independent)
def _kl_independent_independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "kl_divergence: Independent distributions have to reinterpret as many dimensions, got "
            f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed_transformed(p, q):
    if p.transforms != q.transforms:
        raise NotImplementedError(
            "kl_divergence: TransformedDistributions have to have the same transforms"
        )
    if p.event_shape != q.event_shape:
        raise NotImplementedError(
            "kl_divergence: TransformedDistributions have to have the same event_shape, got "
            f"{tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )
    extra = len(p.event_shape) - len(p.base_dist.event_shape)
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), extra)


# ---- normal distributions of vectors


def _of_vectors(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"kl_divergence: KL-divergence between two {type(p).__name__} with different event "
            f"shapes cannot be computed: {tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )


def _log_det(d):
    if isinstance(d, LowRankMultivariateNormal):
        return d._log_det()
    return 2 * _half_log_det(d._unbroadcasted_scale_tril)


def _columns(d):
    """Matrices whose products with their transposes sum to the covariance matrix."""
    if isinstance(d, LowRankMultivariateNormal):
        return [d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag.sqrt().diag_embed()]
    return [d._unbroadcasted_scale_tril]


def _mahalanobis(d, x):
    """``x^T covariance^-1 x``."""
    if isinstance(d, LowRankMultivariateNormal):
        return _batch_lowrank_mahalanobis(
            d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag, x, d._capacitance_tril
        )
    return _batch_mahalanobis(d._unbroadcasted_scale_tril, x)


def _trace(p, q):
    """``tr(q.covariance^-1 p.covariance)``."""
    total = 0.0
    for columns in _columns(p):
        if isinstance(q, LowRankMultivariateNormal):
            W, D = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag.unsqueeze(-1)
            inner = flambeau.linalg.solve_triangular(
                q._capacitance_tril, (W / D).mT @ columns, upper=False
            )
            total = total + (columns.square() / D).sum((-2, -1)) - inner.square().sum((-2, -1))
        else:
            solved = flambeau.linalg.solve_triangular(
                q._unbroadcasted_scale_tril, columns, upper=False
            )
            total = total + solved.square().sum((-2, -1))
    return total


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _kl_of_vectors(p, q):
    _of_vectors(p, q)
    spread = _trace(p, q) + _mahalanobis(q, q.loc - p.loc) - p.event_shape[0]
    return 0.5 * (_log_det(q) - _log_det(p) + spread)


# ---- of two families, where q has no mass for some of p's

_HALF_LINE = (Exponential, Gamma)
_PARTS = (Beta, ContinuousBernoulli, Pareto, Uniform)  # of the half line
_INFINITE = {
    Beta: ("concentration1", (Pareto,)),
    ContinuousBernoulli: ("probs", (Pareto,)),
    Exponential: ("rate", _PARTS),
    Gamma: ("concentration", _PARTS),
    Gumbel: ("loc", _PARTS + _HALF_LINE),
    Laplace: ("loc", _PARTS + _HALF_LINE),
    Normal: ("loc", _PARTS + _HALF_LINE),
    Pareto: ("scale", (Beta, ContinuousBernoulli, Uniform)),
    Poisson: ("rate", (Bernoulli, Binomial)),
}


def _register_infinite(type_p, parameter, others):
    def infinite(p, q):
        return _infinite_like(getattr(p, parameter))

    for type_q in others:
        register_kl(type_p, type_q)(infinite)


for _type, (_parameter, _others) in _INFINITE.items():
    _register_infinite(_type, _parameter, _others)


# ---- of two families


@register_kl(Bernoulli, Poisson)
def _kl_bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _kl_any_normal(p, q):
    return _cross_normal(p, q) - p.entropy()


@register_kl(Pareto, Normal)
def _kl_pareto_normal(p, q):
    return _infinite_where(_kl_any_normal(p, q), p.alpha <= 2)


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
@register_kl(Gamma, Exponential)
@register_kl(Pareto, Exponential)
def _kl_any_exponential(p, q):
    return _cross_exponential(p, q) - p.entropy()


@register_kl(Uniform, Exponential)
def _kl_uniform_exponential(p, q):
    return _infinite_where(_kl_any_exponential(p, q), p.low < 0)


@register_kl(Beta, ContinuousBernoulli)
def _kl_beta_continuous_bernoulli(p, q):
    return _cross_continuous_bernoulli(p, q) - p.entropy()


@register_kl(Uniform, ContinuousBernoulli)
def _kl_uniform_continuous_bernoulli(p, q):
    kl = _cross_continuous_bernoulli(p, q) - p.entropy()
    return _infinite_where(kl, (p.high > 1) | (p.low < 0))


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _kl_unit_uniform(p, q):
    kl = (q.high - q.low).log() - p.entropy()
    return _infinite_where(kl, (q.low > 0) | (q.high < 1))


def _uniform_mean_log(p):
    """Of the numbers' logarithms."""
    return (_x_log_x(p.high) - _x_log_x(p.low)) / (p.high - p.low) - 1


@register_kl(Beta, Gamma)
def _kl_beta_gamma(p, q):
    total = p.concentration1 + p.concentration0
    return _cross_gamma(p, q, p.concentration1.digamma() - total.digamma()) - p.entropy()


@register_kl(Exponential, Gamma)
def _kl_exponential_gamma(p, q):
    return _cross_gamma(p, q, -euler_constant - p.rate.log()) - p.entropy()


@register_kl(Pareto, Gamma)
def _kl_pareto_gamma(p, q):
    return _cross_gamma(p, q, p.scale.log() + p.alpha.reciprocal()) - p.entropy()


@register_kl(Uniform, Gamma)
def _kl_uniform_gamma(p, q):
    kl = _cross_gamma(p, q, _uniform_mean_log(p)) - p.entropy()
    return _infinite_where(kl, p.low < 0)


@register_kl(Uniform, Beta)
def _kl_uniform_beta(p, q):
    a, b = q.concentration1, q.concentration0
    mirrored = (_x_log_x(1 - p.low) - _x_log_x(1 - p.high)) / (p.high - p.low) - 1
    cross = a.lgamma() + b.lgamma() - (a + b).lgamma()
    kl = cross - (a - 1) * _uniform_mean_log(p) - (b - 1) * mirrored - p.entropy()
    return _infinite_where(kl, (p.high > 1) | (p.low < 0))


@register_kl(Uniform, Pareto)
def _kl_uniform_pareto(p, q):
    cross = (q.alpha + 1) * _uniform_mean_log(p) - q.alpha.log() - q.alpha * q.scale.log()
    return _infinite_where(cross - p.entropy(), p.low < q.scale)


def _cross_gumbel(q, mean, mean_power):
    """``mean_power``: the mean of ``exp(-x / q.scale)``."""
    apart = (mean - q.loc) / q.scale
    return q.scale.log() + apart + (q.loc / q.scale).exp() * mean_power


@register_kl(Exponential, Gumbel)
def _kl_exponential_gumbel(p, q):
    product = p.rate * q.scale
    return _cross_gumbel(q, p.mean, product / (product + 1)) - p.entropy()


@register_kl(Gamma, Gumbel)
def _kl_gamma_gumbel(p, q):
    power = (1 + (p.rate * q.scale).reciprocal()).pow(-p.concentration)
    return _cross_gumbel(q, p.mean, power) - p.entropy()


@register_kl(Normal, Gumbel)
def _kl_normal_gumbel(p, q):
    power = (0.5 * (p.scale / q.scale).square() - p.loc / q.scale).exp()
    return _cross_gumbel(q, p.mean, power) - p.entropy()


@register_kl(Uniform, Gumbel)
def _kl_uniform_gumbel(p, q):
    power = ((-p.low / q.scale).exp() - (-p.high / q.scale).exp()) * q.scale / (p.high - p.low)
    return _cross_gumbel(q, p.mean, power) - p.entropy()


@register_kl(Normal, Laplace)
def _kl_normal_laplace(p, q):
    apart = p.loc - q.loc
    r = apart / p.scale
    away = p.scale * math.sqrt(2 / math.pi) * (-0.5 * r.square()).exp() + apart * flambeau.erf(
        r / math.sqrt(2)
    )
    return (2 * q.scale).log() + away / q.scale - p.entropy()
