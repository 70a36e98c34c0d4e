"""Divergences against sums over supports, quadrature, and means over draws."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau import distributions as D


def t(values):
    return flambeau.tensor(values, dtype=flambeau.float64)


def counts():
    return {
        "bernoulli": (D.Bernoulli(t(0.3)), D.Bernoulli(t(0.6)), 2),
        "bernoulli_poisson": (D.Bernoulli(t(0.3)), D.Poisson(t(0.6)), 2),
        "binomial": (D.Binomial(9, t(0.3)), D.Binomial(9, t(0.5)), 10),
        "categorical": (D.Categorical(t([0.2, 0.8, 0.0])), D.Categorical(t([0.5, 0.3, 0.2])), 2),
        "geometric": (D.Geometric(t(0.3)), D.Geometric(t(0.5)), 200),
        "poisson": (D.Poisson(t(3.0)), D.Poisson(t(5.0)), 100),
    }


@pytest.mark.parametrize("name", counts())
def test_of_counts(name):
    p, q, n = counts()[name]
    x = t(np.arange(n))
    log_p = p.log_prob(x)
    expected = (log_p.exp() * (log_p - q.log_prob(x))).sum()
    np.testing.assert_allclose(D.kl_divergence(p, q).item(), expected.item(), rtol=1e-9)


def numbers():
    return {
        "beta": D.Beta(t(2.0), t(3.0)),
        "continuous_bernoulli": D.ContinuousBernoulli(t(0.3)),
        "exponential": D.Exponential(t(1.5)),
        "gamma": D.Gamma(t(2.5), t(1.5)),
        "gumbel": D.Gumbel(t(0.5), t(1.5)),
        "laplace": D.Laplace(t(0.3), t(0.7)),
        "normal": D.Normal(t(0.3), t(0.7)),
        "pareto": D.Pareto(t(1.5), t(6.0)),
        "uniform": D.Uniform(t(0.2), t(0.9)),
        "cauchy": D.Cauchy(t(0.2), t(0.9)),
        "half_normal": D.HalfNormal(t(0.7)),
        "beta_b": D.Beta(t(1.5), t(1.2)),
        "continuous_bernoulli_b": D.ContinuousBernoulli(t(0.7)),
        "exponential_b": D.Exponential(t(0.5)),
        "gamma_b": D.Gamma(t(1.5), t(0.5)),
        "gumbel_b": D.Gumbel(t(0.0), t(1.0)),
        "laplace_b": D.Laplace(t(0.0), t(1.0)),
        "normal_b": D.Normal(t(0.0), t(1.5)),
        "pareto_b": D.Pareto(t(0.1), t(2.0)),
        "uniform_b": D.Uniform(t(0.0), t(1.0)),
        "cauchy_b": D.Cauchy(t(0.0), t(2.0)),
        "half_normal_b": D.HalfNormal(t(1.7)),
    }


def by_quadrature(p, q):
    """The mean under p, with points that crowd near 0 and reach far out."""
    half = np.logspace(-12, 4, 200001)
    if isinstance(p, D.Uniform):
        x = np.linspace(p.low.item(), p.high.item(), 200001)[:-1]
    elif isinstance(p, D.Beta | D.ContinuousBernoulli):
        x = np.linspace(1e-9, 1 - 1e-9, 200001)
    elif isinstance(p, D.Pareto):
        x = p.scale.item() + half
    elif isinstance(p, D.Exponential | D.Gamma | D.HalfNormal):
        x = half
    else:
        x = p.loc.item() + np.concatenate([-half[::-1], half])
    x = t(x)
    log_p = p.log_prob(x)
    y = (log_p.exp() * (log_p - q.log_prob(x))).masked_fill(log_p.exp() == 0, 0.0)
    return ((y[1:] + y[:-1]) * (x[1:] - x[:-1])).sum().item() / 2


def pairs():
    """Every pair for which a divergence exists, of different parameters."""
    kinds = numbers()
    return [
        (a, b)
        for a in kinds
        for b in kinds
        if not a.endswith("_b")
        and b.endswith("_b")
        and D.kl._dispatch_kl(type(kinds[a]), type(kinds[b])) is not NotImplemented
    ]


@pytest.mark.parametrize(("a", "b"), pairs())
def test_of_numbers(a, b):
    for d in (each := numbers()).values():
        d._validate_args = False
    try:
        got = D.kl_divergence(each[a], each[b]).item()
    except NotImplementedError:
        assert type(each[a]) is not type(each[b])
        return
    if np.isinf(got):
        draws = each[a].sample((2000,))
        assert not each[b].support.check(draws).all()
        return
    np.testing.assert_allclose(got, by_quadrature(each[a], each[b]), rtol=2e-3, atol=1e-6)


def test_there_are_many():
    assert len(pairs()) > 70


def over_draws(p, q, n=100000):
    flambeau.manual_seed(0)
    x = p.sample((n,))
    return (p.log_prob(x) - q.log_prob(x)).mean(0).numpy()


def test_of_vectors():
    low = D.LowRankMultivariateNormal(t([0.5, 0.0]), t([[1.0], [0.5]]), t([1.0, 2.0]))
    full = D.MultivariateNormal(t([1.0, -1.0]), t([[2.0, 0.5], [0.5, 1.0]]))
    dense = D.MultivariateNormal(low.loc, low.covariance_matrix)
    other = D.LowRankMultivariateNormal(t([0.0, 1.0]), t([[0.3], [0.9]]), t([0.5, 1.5]))
    for p, q in (low, full), (full, low), (low, other), (full, dense):
        np.testing.assert_allclose(D.kl_divergence(p, q).item(), over_draws(p, q), rtol=0.03)
    exact = D.kl_divergence(dense, full).item()
    np.testing.assert_allclose(D.kl_divergence(low, full).item(), exact, rtol=1e-9)
    batch = D.MultivariateNormal(flambeau.zeros(3, 2).double(), scale_tril=flambeau.eye(2).double())
    assert D.kl_divergence(batch, full).shape == (3,)


def test_of_points_of_the_simplex():
    p, q = D.Dirichlet(t([1.0, 2.0, 3.0])), D.Dirichlet(t([2.0, 1.5, 1.0]))
    np.testing.assert_allclose(D.kl_divergence(p, q).item(), over_draws(p, q), rtol=0.03)
    a, b = D.OneHotCategorical(t([0.3, 0.7])), D.OneHotCategorical(t([0.5, 0.5]))
    np.testing.assert_allclose(D.kl_divergence(a, b).item(), over_draws(a, b), rtol=0.03)


def test_of_families_without_their_own():
    """What follows from the normalizer alone."""
    p, q = D.Wishart(t(5.0), t(np.eye(2))), D.Wishart(t(4.0), t([[2.0, 0.5], [0.5, 1.0]]))
    np.testing.assert_allclose(D.kl_divergence(p, q).item(), over_draws(p, q, 20000), rtol=0.05)
    generic = D.kl._kl_expfamily_expfamily
    for a, b in [
        (D.Normal(t(0.3), t(0.7)), D.Normal(t(0.0), t(1.5))),
        (D.Gamma(t(2.5), t(1.5)), D.Gamma(t(1.5), t(0.5))),
        (D.Beta(t(2.5), t(1.5)), D.Beta(t(1.5), t(0.5))),
        (D.Bernoulli(t(0.3)), D.Bernoulli(t(0.6))),
        (D.Dirichlet(t([1.0, 2.0])), D.Dirichlet(t([2.0, 0.5]))),
        (D.Exponential(t(1.0)), D.Exponential(t(2.0))),
        (D.Poisson(t(1.0)), D.Poisson(t(2.0))),
        (D.ContinuousBernoulli(t(0.1)), D.ContinuousBernoulli(t(0.8))),
    ]:
        np.testing.assert_allclose(
            generic(a, b).numpy(force=True), D.kl_divergence(a, b).numpy(), rtol=1e-8
        )


def test_entropies_follow_from_normalizers():
    generic = D.ExponentialFamily.entropy
    for d in [
        D.Normal(t([0.3, 1.0]), t(0.7)),
        D.Gamma(t(2.5), t(1.5)),
        D.Exponential(t(1.0)),
        D.Bernoulli(t(0.3)),
        D.ContinuousBernoulli(t(0.1)),
    ]:
        if isinstance(d, D.Gamma):
            continue  # whose carrier is not of mean 0
        np.testing.assert_allclose(generic(d).numpy(force=True), d.entropy().numpy(), rtol=1e-9)


def test_parts_and_transforms():
    p, q = D.Normal(flambeau.zeros(2, 3), 1.0), D.Normal(flambeau.ones(2, 3), 2.0)
    inner = D.kl_divergence(p, q)
    outer = D.kl_divergence(D.Independent(p, 1), D.Independent(q, 1))
    np.testing.assert_allclose(outer.numpy(), inner.sum(-1).numpy(), rtol=1e-6)
    a, b = D.LogNormal(0.0, 1.0), D.LogNormal(1.0, 2.0)
    expected = D.kl_divergence(a.base_dist, b.base_dist)
    assert D.kl_divergence(a, b) == expected
    with pytest.raises(NotImplementedError, match="same transforms"):
        D.kl_divergence(a, D.TransformedDistribution(b.base_dist, D.SigmoidTransform()))
    with pytest.raises(NotImplementedError, match="as many dimensions"):
        D.kl_divergence(D.Independent(p, 1), D.Independent(q, 2))


def test_impossible_values():
    p, q = D.Categorical(t([0.5, 0.5])), D.Categorical(t([1.0, 0.0]))
    assert D.kl_divergence(p, q).item() == float("inf")
    np.testing.assert_allclose(D.kl_divergence(q, p).item(), np.log(2))
    assert D.kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)).item() == float("inf")
    assert D.kl_divergence(D.Bernoulli(t(0.5)), D.Bernoulli(t(1.0))).item() == float("inf")


def test_registration():
    class Mine(D.Normal):
        pass

    class Closer(Mine):
        pass

    before = dict(D.kl._KL_REGISTRY)
    try:
        assert D.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == 0
        D.register_kl(Mine, D.Normal)(lambda p, q: "left")
        assert D.kl_divergence(Closer(0.0, 1.0), Mine(0.0, 1.0)) == "left"
        D.register_kl(D.Normal, Mine)(lambda p, q: "right")
        with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence"):
            assert D.kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0)) == "left"
        D.register_kl(Mine, Mine)(lambda p, q: "both")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert D.kl_divergence(Closer(0.0, 1.0), Mine(0.0, 1.0)) == "both"
    finally:
        D.kl._KL_REGISTRY.clear()
        D.kl._KL_REGISTRY.update(before)
        D.kl._KL_MEMOIZE.clear()
    with pytest.raises(NotImplementedError, match="Cauchy and q type Gamma"):
        D.kl_divergence(D.Cauchy(0.0, 1.0), D.Gamma(1.0, 1.0))
    with pytest.raises(TypeError, match="type_q"):
        D.register_kl(D.Normal, int)
