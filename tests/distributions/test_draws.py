"""Draws: their moments, and how they move with the parameters."""

import numpy as np
import pytest
from scipy import special

import flambeau
from flambeau import distributions as D


def t(values):
    return flambeau.tensor(values, dtype=flambeau.float64)


def drawn():
    """Distributions with finite mean and variance."""
    spd = t([[2.0, 0.5], [0.5, 1.0]])
    return {
        "Bernoulli": D.Bernoulli(t([0.2, 0.7])),
        "Beta": D.Beta(t([0.5, 3.0]), t([0.7, 2.0])),
        "Binomial": D.Binomial(t([5.0, 60.0, 60.0]), t([0.3, 0.4, 0.9])),
        "Chi2": D.Chi2(t([1.0, 6.0])),
        "ContinuousBernoulli": D.ContinuousBernoulli(t([0.1, 0.5, 0.8])),
        "Dirichlet": D.Dirichlet(t([[0.5, 2.0, 1.0], [4.0, 3.0, 2.0]])),
        "Exponential": D.Exponential(t([0.5, 2.0])),
        "FisherSnedecor": D.FisherSnedecor(t([3.0]), t([12.0])),
        "Gamma": D.Gamma(t([0.3, 1.0, 7.0]), t([1.0, 0.5, 2.0])),
        "GeneralizedPareto": D.GeneralizedPareto(0.0, t([1.0, 2.0]), t([-0.5, 0.1])),
        "Geometric": D.Geometric(t([0.3, 0.9])),
        "Gumbel": D.Gumbel(t([1.0]), t([2.0])),
        "HalfNormal": D.HalfNormal(t([1.0, 2.0])),
        "InverseGamma": D.InverseGamma(t([9.0]), t([2.0])),
        "Kumaraswamy": D.Kumaraswamy(t([2.0]), t([3.0])),
        "Laplace": D.Laplace(t([1.0]), t([2.0])),
        "LogNormal": D.LogNormal(t([0.1]), t([0.3])),
        "LowRankMultivariateNormal": D.LowRankMultivariateNormal(
            t([1.0, 0.0]), t([[1.0], [0.5]]), t([1.0, 2.0])
        ),
        "MixtureSameFamily": D.MixtureSameFamily(
            D.Categorical(t([0.3, 0.7])), D.Normal(t([-1.0, 2.0]), t(0.5))
        ),
        "Multinomial": D.Multinomial(6, t([0.5, 0.2, 0.3])),
        "MultivariateNormal": D.MultivariateNormal(t([1.0, -1.0]), spd),
        "NegativeBinomial": D.NegativeBinomial(t([2.5]), t([0.6])),
        "Normal": D.Normal(t([1.0]), t([2.0])),
        "OneHotCategorical": D.OneHotCategorical(t([0.2, 0.8])),
        "Pareto": D.Pareto(t([1.0]), t([9.0])),
        "Poisson": D.Poisson(t([0.5, 5.0, 50.0])),
        "StudentT": D.StudentT(t([12.0]), t([1.0])),
        "Uniform": D.Uniform(t([-1.0]), t([3.0])),
        "Weibull": D.Weibull(t([2.0]), t([1.5])),
        "Wishart": D.Wishart(t(5.0), spd),
    }


N = 40000


@pytest.mark.parametrize("name", drawn())
def test_draws_have_the_moments_that_are_claimed(name):
    d = drawn()[name]
    flambeau.manual_seed(7)
    x = d.sample((N,))
    assert x.shape == (N, *d.batch_shape, *d.event_shape)
    assert not x.requires_grad
    assert d.support.check(x).all()
    off = (x.mean(0) - d.mean) / d.stddev * N**0.5
    assert off.abs().max() < 5
    np.testing.assert_allclose(x.var(0).numpy(), d.variance.numpy(), rtol=0.15)


def test_draws_of_angles_and_correlations():
    flambeau.manual_seed(1)
    d = D.VonMises(t([0.3, -2.0]), t([4.0, 0.5]))
    x = d.sample((N,))
    assert (x.abs() <= np.pi).all()
    direction = flambeau.atan2(x.sin().mean(0), x.cos().mean(0))
    np.testing.assert_allclose(direction.numpy(), [0.3, -2.0], atol=0.05)
    length = (x.sin().mean(0).square() + x.cos().mean(0).square()).sqrt()
    np.testing.assert_allclose(length.numpy(), 1 - d.variance.numpy(), atol=0.02)
    factors = D.LKJCholesky(3, t(2.0)).sample((N,))
    correlation = factors @ factors.mT
    # A correlation is 2 B - 1 for B from Beta(5/2, 5/2): concentration - 1 + dim / 2
    np.testing.assert_allclose(correlation.mean(0).numpy(), np.eye(3), atol=0.02)
    np.testing.assert_allclose(correlation[:, 1, 0].var().item(), 1 / 6, rtol=0.1)


def test_frequencies_of_categories():
    flambeau.manual_seed(0)
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    x = D.Categorical(t(p)).sample((N,))
    for row in range(2):
        counts = np.bincount(x[:, row].numpy(), minlength=3) / N
        np.testing.assert_allclose(counts, p[row], atol=0.02)


# ---- gradients

# The parameters, what is averaged, and its mean as a function of them.
REPARAMETRISED = {
    "normal": (D.Normal, [0.5, 2.0], lambda x: x**2, lambda m, s: m**2 + s**2),
    "laplace": (D.Laplace, [0.5, 2.0], lambda x: x**2, lambda m, s: m**2 + 2 * s**2),
    "uniform": (D.Uniform, [0.5, 2.0], lambda x: x**2, lambda a, b: (a * a + a * b + b * b) / 3),
    "exponential": (D.Exponential, [0.7], lambda x: x**2, lambda r: 2 / r**2),
    "gamma": (D.Gamma, [2.5, 0.7], lambda x: x**2, lambda a, r: a * (a + 1) / r**2),
    "gamma_log": (D.Gamma, [0.4, 0.7], lambda x: x.log(), lambda a, r: a.digamma() - r.log()),
    "beta": (D.Beta, [2.5, 0.7], lambda x: x, lambda a, b: a / (a + b)),
    "chi2": (D.Chi2, [3.0], lambda x: x**2, lambda k: k * (k + 2)),
    "gumbel": (D.Gumbel, [0.5, 2.0], lambda x: x, lambda m, s: m + s * np.euler_gamma),
    "weibull": (D.Weibull, [2.0, 1.5], lambda x: x, lambda s, c: s * (1 + 1 / c).lgamma().exp()),
    "student": (D.StudentT, [12.0], lambda x: x**2, lambda k: k / (k - 2)),
    "log_normal": (D.LogNormal, [0.3, 0.5], lambda x: x, lambda m, s: (m + s * s / 2).exp()),
    "pareto": (D.Pareto, [2.0, 9.0], lambda x: x, lambda s, a: a * s / (a - 1)),
    "kumaraswamy": (D.Kumaraswamy, [1.0, 3.0], lambda x: x, lambda a, b: 1 / (1 + b)),
}


@pytest.mark.parametrize("name", REPARAMETRISED)
def test_gradients_of_draws_are_those_of_means(name):
    kind, numbers, f, mean = REPARAMETRISED[name]
    flambeau.manual_seed(3)
    parameters = [t(v).requires_grad_() for v in numbers]
    x = kind(*parameters).rsample((200000,))
    estimated = flambeau.autograd.grad(f(x).mean(), parameters)
    exact = flambeau.autograd.grad(mean(*parameters), parameters, allow_unused=True)
    for a, b in zip(estimated, exact, strict=True):
        if b is not None:
            np.testing.assert_allclose(a.item(), b.item(), rtol=0.05, atol=0.02)


def test_vectors_move_with_their_parameters():
    flambeau.manual_seed(2)
    loc = t([0.5, -1.0]).requires_grad_()
    factor = t([[2.0, 0.0], [0.5, 1.0]]).requires_grad_()
    x = D.MultivariateNormal(loc, scale_tril=factor).rsample((200000,))
    x.square().sum(-1).mean().backward()  # |loc|^2 + |factor|^2
    np.testing.assert_allclose(loc.grad.numpy(), [1.0, -2.0], atol=0.05)
    np.testing.assert_allclose(factor.grad.tril().numpy(), [[4.0, 0.0], [1.0, 2.0]], atol=0.1)
    a = t([0.7, 2.0, 3.0]).requires_grad_()
    D.Dirichlet(a).rsample((200000,))[:, 0].mean().backward()
    total = 5.7
    expected = [(total - 0.7) / total**2, -0.7 / total**2, -0.7 / total**2]
    np.testing.assert_allclose(a.grad.numpy(), expected, rtol=0.05)


def test_gamma_draws_keep_their_share():
    """Against differences of SciPy's quantiles."""
    for a in 0.01, 0.3, 1.0, 2.5, 40.0, 3000.0, 2e4, 1e6:
        for share in 0.02, 0.3, 0.5, 0.9, 0.999:
            x = special.gammaincinv(a, share)
            if x < 1e-250:
                continue
            h = 1e-5 * a
            slope = (special.gammaincinv(a + h, share) - special.gammaincinv(a - h, share)) / 2 / h
            ours = flambeau._standard_gamma_grad(t(a), t(x)).item()
            np.testing.assert_allclose(ours, slope, rtol=2e-5)


def test_beta_draws_keep_their_share():
    for a in 0.1, 1.0, 5.0, 300.0:
        for b in 0.2, 1.0, 8.0, 500.0:
            for share in 0.05, 0.5, 0.9:
                x = special.betaincinv(a, b, share)
                if not 1e-12 < x < 1 - 1e-6:
                    continue
                h = 1e-4 * a
                rise = special.betaincinv(a + h, b, share) - special.betaincinv(a - h, b, share)
                ours = flambeau._dirichlet_grad(t(x), t(a), t(a + b)).item()
                np.testing.assert_allclose(ours, rise / 2 / h / (1 - x), rtol=2e-5)


def test_slopes_at_the_edges():
    nan, inf = float("nan"), float("inf")
    a = t([nan, 1.0, -1.0, 2.0, inf])
    slopes = flambeau._standard_gamma_grad(a, t([1.0, nan, 1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(np.isnan(slopes.numpy()), [True, True, True, False, True])
    slopes = flambeau._dirichlet_grad(t([0.0, 1.5, 0.5]), t([1.0, 1.0, 3.0]), t([2.0, 2.0, 2.0]))
    np.testing.assert_array_equal(np.isnan(slopes.numpy()), [False, True, True])


def test_straight_through():
    p = t([0.3, 0.7]).requires_grad_()
    d = D.OneHotCategoricalStraightThrough(p)
    x = d.rsample((4,))
    assert D.constraints.one_hot.check(x.detach().round()).all()
    (x * t([1.0, 0.0])).sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), [4 * 0.7, -4 * 0.3])


def test_what_has_no_gradient_says_so():
    with pytest.raises(NotImplementedError, match="Bernoulli"):
        D.Bernoulli(0.5).rsample()
    p = t([0.5]).requires_grad_()
    assert not D.Bernoulli(p).sample().requires_grad
    rate = t([3.0]).requires_grad_()
    flambeau.poisson(rate).sum().backward()
    assert rate.grad.item() == 0
    with pytest.raises((NotImplementedError, RuntimeError)):
        flambeau._sample_dirichlet(t([1.0, 2.0]).requires_grad_()).sum().backward()


# ---- the ops below


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_same_bits_for_any_number_of_threads(threads):
    before = flambeau.get_num_threads()

    def bits():
        flambeau.manual_seed(4)
        shapes = flambeau.linspace(0.1, 30, 5000)
        x = flambeau._standard_gamma(shapes)
        y = flambeau._sample_dirichlet(shapes.reshape(-1, 4))
        slopes = flambeau._standard_gamma_grad(shapes, x)
        return [v.numpy().tobytes() for v in (x, y, slopes, flambeau.poisson(shapes))]

    try:
        flambeau.set_num_threads(1)
        expected = bits()
        flambeau.set_num_threads(threads)
        assert bits() == expected
    finally:
        flambeau.set_num_threads(before)


def test_parameters_at_the_edges():
    nan, inf = float("nan"), float("inf")
    flambeau.manual_seed(0)
    x = flambeau.binomial(t([0.0, 5.0, 5.0, 5.0, nan, 5.0]), t([0.5, 0.0, 1.0, nan, 0.5, -1.0]))
    np.testing.assert_array_equal(x.numpy(), [0, 0, 5, nan, nan, 0])
    np.testing.assert_array_equal(flambeau.poisson(t([0.0, inf])).numpy(), [0, inf])
    tiny = flambeau.finfo(flambeau.float64).tiny
    assert flambeau._standard_gamma(t([0.0])).item() == tiny
    for rate in -1.0, nan:
        with pytest.raises(RuntimeError, match="poisson: .*non-negative"):
            flambeau.poisson(t([1.0, rate]))


def test_a_refused_draw_leaves_the_generator():
    flambeau.manual_seed(5)
    expected = flambeau.rand(1).item()
    flambeau.manual_seed(5)
    with pytest.raises(RuntimeError):
        flambeau.poisson(t([1.0, -1.0]))
    with pytest.raises(RuntimeError):
        flambeau.empty(2).cauchy_(0, -1)
    with pytest.raises(RuntimeError):
        flambeau.empty(2).geometric_(1.0)
    assert flambeau.rand(1).item() == expected


def test_mvlgamma():
    x = np.array([2.2, 3.0, 9.5])
    expected = [special.multigammaln(v, 3) for v in x]
    np.testing.assert_allclose(flambeau.mvlgamma(t(x), 3).numpy(), expected, rtol=1e-13)
    assert flambeau.mvlgamma(flambeau.tensor([3]), 2).dtype == flambeau.float32
    assert flambeau.autograd.gradcheck(lambda v: flambeau.mvlgamma(v, 3), (t(x).requires_grad_(),))
    for p, value in (0, t(x)), (1, flambeau.tensor([True])):
        with pytest.raises(RuntimeError, match="mvlgamma"):
            flambeau.mvlgamma(value, p)
