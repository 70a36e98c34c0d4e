"""Densities, distribution functions and moments against SciPy's."""

import numpy as np
import pytest
from scipy import stats

import flambeau
from flambeau import distributions as D


def t(values):
    return flambeau.tensor(values, dtype=flambeau.float64)


# Ours, SciPy's, and points of the support.
CONTINUOUS = {
    "beta": (D.Beta(t(2.0), t(0.7)), stats.beta(2.0, 0.7), [0.01, 0.4, 0.95]),
    "cauchy": (D.Cauchy(t(1.0), t(2.0)), stats.cauchy(1.0, 2.0), [-9.0, 1.0, 30.0]),
    "chi2": (D.Chi2(t(3.5)), stats.chi2(3.5), [0.1, 3.0, 20.0]),
    "exponential": (D.Exponential(t(0.5)), stats.expon(scale=2.0), [0.0, 1.0, 30.0]),
    "f": (D.FisherSnedecor(t(3.0), t(7.0)), stats.f(3.0, 7.0), [0.1, 1.0, 9.0]),
    "gamma": (D.Gamma(t(2.5), t(0.5)), stats.gamma(2.5, scale=2.0), [0.1, 5.0, 40.0]),
    "generalized_pareto": (
        D.GeneralizedPareto(t(1.0), t(2.0), t(0.3)),
        stats.genpareto(0.3, 1.0, 2.0),
        [1.0, 2.0, 60.0],
    ),
    "generalized_pareto_ends": (
        D.GeneralizedPareto(t(1.0), t(2.0), t(-0.4)),
        stats.genpareto(-0.4, 1.0, 2.0),
        [1.0, 2.0, 5.9],
    ),
    "gumbel": (D.Gumbel(t(1.0), t(2.0)), stats.gumbel_r(1.0, 2.0), [-5.0, 1.0, 20.0]),
    "half_cauchy": (D.HalfCauchy(t(2.0)), stats.halfcauchy(scale=2.0), [0.0, 1.0, 50.0]),
    "half_normal": (D.HalfNormal(t(2.0)), stats.halfnorm(scale=2.0), [0.0, 1.0, 9.0]),
    "inverse_gamma": (D.InverseGamma(t(3.0), t(2.0)), stats.invgamma(3.0, scale=2.0), [0.1, 9.0]),
    "laplace": (D.Laplace(t(1.0), t(2.0)), stats.laplace(1.0, 2.0), [-9.0, 1.0, 30.0]),
    "log_normal": (
        D.LogNormal(t(0.3), t(0.5)),
        stats.lognorm(0.5, scale=np.exp(0.3)),
        [0.1, 1.0, 9.0],
    ),
    "normal": (D.Normal(t(1.0), t(2.0)), stats.norm(1.0, 2.0), [-9.0, 1.0, 9.0]),
    "pareto": (D.Pareto(t(2.0), t(3.0)), stats.pareto(3.0, scale=2.0), [2.0, 3.0, 90.0]),
    "student_t": (D.StudentT(t(4.0), t(1.0), t(2.0)), stats.t(4.0, 1.0, 2.0), [-20.0, 1.0, 9.0]),
    "uniform": (D.Uniform(t(-1.0), t(3.0)), stats.uniform(-1.0, 4.0), [-1.0, 0.0, 2.9]),
    "weibull": (D.Weibull(t(2.0), t(1.5)), stats.weibull_min(1.5, scale=2.0), [0.1, 2.0, 9.0]),
}

COUNTS = {
    "bernoulli": (D.Bernoulli(t(0.3)), stats.bernoulli(0.3), [0, 1]),
    "binomial": (D.Binomial(9, t(0.3)), stats.binom(9, 0.3), [0, 4, 9]),
    "geometric": (D.Geometric(t(0.3)), stats.geom(0.3, loc=-1), [0, 4, 20]),
    "negative_binomial": (D.NegativeBinomial(t(2.5), t(0.7)), stats.nbinom(2.5, 0.3), [0, 4, 40]),
    "poisson": (D.Poisson(t(4.0)), stats.poisson(4.0), [0, 4, 40]),
}


def close(ours, theirs, rtol=1e-9):
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=1e-12)


def has(d, method):
    return getattr(type(d), method) is not getattr(D.Distribution, method)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_of_numbers(name):
    d, theirs, points = CONTINUOUS[name]
    close(d.log_prob(t(points)), theirs.logpdf(points))
    if name != "cauchy":  # which has none
        close(d.mean, theirs.mean())
        close(d.variance, theirs.var())
        close(d.stddev, theirs.std())
    if has(d, "entropy"):
        close(d.entropy(), theirs.entropy(), 1e-7)
        close(d.perplexity(), np.exp(theirs.entropy()), 1e-7)
    if has(d, "icdf") and name != "inverse_gamma":
        shares = np.array([0.01, 0.5, 0.9])
        close(d.icdf(t(shares)), theirs.ppf(shares), 1e-7)
        close(d.cdf(t(points)), theirs.cdf(points), 1e-7)


@pytest.mark.parametrize("name", COUNTS)
def test_of_counts(name):
    d, theirs, points = COUNTS[name]
    close(d.log_prob(t(points)), theirs.logpmf(points))
    close(d.mean, theirs.mean())
    close(d.variance, theirs.var())
    if has(d, "entropy") and name != "poisson":
        close(d.entropy(), theirs.entropy(), 1e-7)


@pytest.mark.parametrize("name", [*CONTINUOUS, *COUNTS])
def test_the_mode_is_a_maximum(name):
    d, _, points = (CONTINUOUS | COUNTS)[name]
    top = d.mode
    if name == "bernoulli" or not np.isnan(top.numpy()):
        inside = top if d.support.check(top) else top + 1e-6
        assert d.log_prob(inside) >= d.log_prob(t(points)).max() - 1e-9


def test_vectors():
    mean, a = [1.0, -1.0], np.array([[2.0, 0.5], [0.5, 1.0]])
    theirs = stats.multivariate_normal(mean, a)
    points = [[0.0, 0.0], [3.0, -2.0]]
    forms = [
        {"covariance_matrix": t(a)},
        {"precision_matrix": t(np.linalg.inv(a))},
        {"scale_tril": t(np.linalg.cholesky(a))},
    ]
    for form in forms:
        d = D.MultivariateNormal(t(mean), **form)
        close(d.log_prob(t(points)), theirs.logpdf(points))
        close(d.entropy(), theirs.entropy())
        close(d.covariance_matrix, a)
        close(d.precision_matrix, np.linalg.inv(a))
        close(d.scale_tril, np.linalg.cholesky(a))
        close(d.variance, np.diag(a))
    W, diagonal = np.array([[1.0], [0.5]]), np.array([2.0, 0.5])
    a = W @ W.T + np.diag(diagonal)
    d = D.LowRankMultivariateNormal(t(mean), t(W), t(diagonal))
    theirs = stats.multivariate_normal(mean, a)
    close(d.log_prob(t(points)), theirs.logpdf(points))
    close(d.entropy(), theirs.entropy())
    close(d.covariance_matrix, a)
    close(d.precision_matrix, np.linalg.inv(a))
    close(d.scale_tril, np.linalg.cholesky(a))
    close(d.variance, np.diag(a))


def test_points_of_the_simplex():
    a, x = np.array([0.5, 2.0, 3.0]), np.array([0.2, 0.3, 0.5])
    d, theirs = D.Dirichlet(t(a)), stats.dirichlet(a)
    close(d.log_prob(t(x)), theirs.logpdf(x))
    close(d.entropy(), theirs.entropy())
    close(d.mean, theirs.mean())
    close(d.variance, theirs.var())


def test_counts_of_categories():
    p, x = np.array([0.5, 0.2, 0.3]), np.array([3.0, 0.0, 2.0])
    d, theirs = D.Multinomial(5, t(p)), stats.multinomial(5, p)
    close(d.log_prob(t(x)), theirs.logpmf(x))
    close(d.entropy(), theirs.entropy())
    close(d.mean, 5 * p)
    close(d.variance, np.diag(theirs.cov()))
    close(D.Categorical(t(p)).entropy(), stats.entropy(p))
    close(D.OneHotCategorical(t(p)).log_prob(t([0.0, 1.0, 0.0])), np.log(0.2))


def test_matrices():
    a, x = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[3.0, 1.0], [1.0, 2.0]])
    d, theirs = D.Wishart(t(3.5), t(a)), stats.wishart(3.5, a)
    close(d.log_prob(t(x)), theirs.logpdf(x))
    close(d.entropy(), theirs.entropy())
    close(d.mean, theirs.mean())
    close(d.mode, theirs.mode())
    close(d.variance, theirs.var())


def test_angles():
    d, theirs = D.VonMises(t(0.3), t(4.0)), stats.vonmises(4.0, loc=0.3)
    close(d.log_prob(t([-3.0, 0.3, 2.0])), theirs.logpdf([-3.0, 0.3, 2.0]))
    mean_cosine = np.cos(stats.vonmises(4.0).rvs(200000, random_state=0)).mean()
    close(d.variance, 1 - mean_cosine, 2e-2)


def trapezoid(y, x):
    return ((y[1:] + y[:-1]) * (x[1:] - x[:-1])).sum() / 2


@pytest.mark.parametrize("probs", [0.02, 0.45, 0.4995, 0.5, 0.8])
def test_densities_without_a_counterpart_integrate_to_one(probs):
    x = t(np.linspace(0, 1, 20001))
    d = D.ContinuousBernoulli(t(probs))
    density = d.log_prob(x).exp()
    close(trapezoid(density, x), 1, 1e-6)
    close(trapezoid(density * x, x), d.mean, 1e-6)
    close(trapezoid(density * (x - d.mean).square(), x), d.variance, 1e-5)
    close(-trapezoid(density * density.log(), x), d.entropy(), 1e-6 if probs != 0.5 else 1e-3)
    # Between its limits the cdf is that of the uniform distribution.
    near = 1e-3 if 0.499 < probs < 0.5 else 1e-6
    close(d.cdf(x[5000]), trapezoid(density[:5001], x[:5001]), near)
    close(d.icdf(d.cdf(x[5000])), x[5000], 1e-9)


def test_kumaraswamy_by_quadrature():
    x = t(np.linspace(1e-9, 1 - 1e-9, 200001))
    d = D.Kumaraswamy(t(2.0), t(3.0))
    density = d.log_prob(x).exp()
    close(trapezoid(density, x), 1, 1e-6)
    close(trapezoid(density * x, x), d.mean, 1e-6)
    close(trapezoid(density * (x - d.mean).square(), x), d.variance, 1e-5)
    close(-trapezoid(flambeau.xlogy(density, density), x), d.entropy(), 1e-5)
    close(d.cdf(x[50000]), trapezoid(density[:50001], x[:50001]), 1e-6)


def test_relaxed_densities_integrate_to_one():
    x = t(np.linspace(1e-7, 1 - 1e-7, 400001))
    d = D.RelaxedBernoulli(t(0.7), probs=t(0.3))
    close(trapezoid(d.log_prob(x).exp(), x), 1, 1e-3)
    d = D.RelaxedOneHotCategorical(t(0.7), probs=t([0.3, 0.7]))
    pairs = flambeau.stack([x, 1 - x], -1)
    close(trapezoid(d.log_prob(pairs).exp(), x), 1, 1e-3)


def test_correlations_integrate_to_one():
    r = t(np.linspace(-1 + 1e-9, 1 - 1e-9, 400001))
    zero, one = flambeau.zeros_like(r), flambeau.ones_like(r)
    rows = [flambeau.stack([one, zero], -1), flambeau.stack([r, (1 - r.square()).sqrt()], -1)]
    factors = flambeau.stack(rows, -2)
    for concentration in 1.0, 1.5, 3.0:
        d = D.LKJCholesky(2, t(concentration), validate_args=False)
        # The density is that of the factors: a row of length 1 is measured along its first number.
        close(trapezoid(d.log_prob(factors).exp(), r), 1, 1e-5)


def test_mixtures():
    means, weights = np.array([-1.0, 2.0]), np.array([0.3, 0.7])
    d = D.MixtureSameFamily(D.Categorical(t(weights)), D.Normal(t(means), t(0.5)))
    x = np.array([-1.0, 0.0, 2.5])
    each = stats.norm(means, 0.5)
    close(d.log_prob(t(x)), np.log((each.pdf(x[:, None]) * weights).sum(-1)))
    close(d.cdf(t(x)), (each.cdf(x[:, None]) * weights).sum(-1))
    close(d.mean, weights @ means)
    close(d.variance, 0.25 + weights @ (means - weights @ means) ** 2)


def test_independent_sums():
    base = D.Normal(flambeau.zeros(2, 3), 1.0)
    d = D.Independent(base, 1)
    x = flambeau.ones(2, 3)
    close(d.log_prob(x), base.log_prob(x).sum(-1))
    close(d.entropy(), base.entropy().sum(-1))
    assert d.batch_shape == (2,) and d.event_shape == (3,)


def test_logits_and_probabilities_agree():
    p = t([0.2, 0.9])
    for kind in D.Bernoulli, D.Geometric:
        a, b = kind(p), kind(logits=(p / (1 - p)).log())
        close(a.logits, b.logits)
        close(a.probs, b.probs)
    a, b = D.Categorical(t([1.0, 3.0])), D.Categorical(logits=t([0.0, np.log(3.0)]))
    close(a.probs, b.probs)
    close(a.logits, b.logits)


@pytest.mark.parametrize("name", ["bernoulli", "binomial"])
def test_supports_are_enumerated(name):
    d = COUNTS[name][0].expand((2, 3))
    values = d.enumerate_support()
    assert values.shape[1:] == (2, 3)
    close(d.log_prob(values).exp().sum(0), np.ones((2, 3)))
    assert d.enumerate_support(expand=False).shape == (values.shape[0], 1, 1)
