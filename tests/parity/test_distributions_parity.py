"""Distributions give PyTorch's numbers: draws under a seed, densities, moments, divergences."""

import functools
import itertools
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

LIBRARIES = torch, flambeau


def zoo(lib):
    """Each class with several parameters, and values of its support where they are not draws."""
    D, t = lib.distributions, lib.tensor
    spd = t([[2.0, 0.5], [0.5, 1.0]])
    return {
        "Bernoulli": lambda: D.Bernoulli(t([0.25, 0.5, 0.75])),
        "Bernoulli.logits": lambda: D.Bernoulli(logits=t([[0.3], [-2.0]])),
        "Beta": lambda: D.Beta(t([0.5, 2.0, 1.0]), t([0.7, 3.0, 1.0])),
        "Binomial": lambda: D.Binomial(t([3, 40, 400]), t([0.3, 0.9, 0.4])),
        "Binomial.logits": lambda: D.Binomial(7, logits=t([0.3, -1.0])),
        "Categorical": lambda: D.Categorical(t([[1.0, 2.0, 5.0], [1.0, 1.0, 0.0]])),
        "Categorical.logits": lambda: D.Categorical(logits=t([1.0, 2.0, -5.0])),
        "Cauchy": lambda: D.Cauchy(t([0.0, 1.0]), 2.0),
        "Chi2": lambda: D.Chi2(t([1.0, 5.0])),
        "ContinuousBernoulli": lambda: D.ContinuousBernoulli(t([0.1, 0.5, 0.4995, 0.8])),
        "ContinuousBernoulli.logits": lambda: D.ContinuousBernoulli(logits=t([-2.0, 0.001])),
        "Dirichlet": lambda: D.Dirichlet(t([[0.5, 2.0, 3.0], [0.1, 0.2, 0.3]])),
        "Exponential": lambda: D.Exponential(t([0.5, 3.0])),
        "FisherSnedecor": lambda: D.FisherSnedecor(t([1.0, 3.0, 8.0]), t([2.0, 5.0, 9.0])),
        "Gamma": lambda: D.Gamma(t([0.1, 0.9, 1.0, 20.0]), t([1.0, 2.0, 0.5, 3.0])),
        "GeneralizedPareto": lambda: D.GeneralizedPareto(
            t([0.0, 1.0, 2.0]), 1.5, t([-0.4, 0.0, 0.3])
        ),
        "Geometric": lambda: D.Geometric(t([0.25, 1.0])),
        "Geometric.logits": lambda: D.Geometric(logits=t([0.25, -1.0])),
        "Gumbel": lambda: D.Gumbel(t([1.0, 0.0]), t([2.0, 0.5])),
        "HalfCauchy": lambda: D.HalfCauchy(t([1.0, 2.0])),
        "HalfNormal": lambda: D.HalfNormal(t([1.0, 2.0])),
        "Independent": lambda: D.Independent(D.Normal(lib.zeros(2, 3), 1.5), 1),
        "InverseGamma": lambda: D.InverseGamma(t([0.5, 1.5, 4.0]), 2.0),
        "Kumaraswamy": lambda: D.Kumaraswamy(t([2.0, 0.5]), t([3.0, 0.7])),
        "LKJCholesky": lambda: D.LKJCholesky(3, t([0.5, 2.0])),
        "Laplace": lambda: D.Laplace(t([0.5, 1.0]), 2.0),
        "LogNormal": lambda: D.LogNormal(t([0.0, 0.3]), 0.5),
        "LogisticNormal": lambda: D.LogisticNormal(t([0.0, 0.5]), t([1.0, 2.0])),
        "LowRankMultivariateNormal": lambda: D.LowRankMultivariateNormal(
            t([0.0, 1.0, 2.0]), t([[1.0], [0.5], [-1.0]]), t([1.0, 2.0, 0.5])
        ),
        "MixtureSameFamily": lambda: D.MixtureSameFamily(
            D.Categorical(t([0.3, 0.7])), D.Normal(t([-1.0, 2.0]), 0.5)
        ),
        "MixtureSameFamily.vectors": lambda: D.MixtureSameFamily(
            D.Categorical(t([0.3, 0.7])), D.Independent(D.Normal(lib.ones(2, 3), 0.5), 1)
        ),
        "Multinomial": lambda: D.Multinomial(6, t([0.5, 0.25, 0.25])),
        "Multinomial.logits": lambda: D.Multinomial(4, logits=t([[0.5, 0.25], [1.0, 2.0]])),
        "MultivariateNormal": lambda: D.MultivariateNormal(t([1.0, -1.0]), spd),
        "MultivariateNormal.precision": lambda: D.MultivariateNormal(
            lib.zeros(3, 2), precision_matrix=spd
        ),
        "MultivariateNormal.factor": lambda: D.MultivariateNormal(
            lib.zeros(2), scale_tril=t([[[1.0, 0.0], [0.5, 2.0]], [[2.0, 0.0], [-1.0, 1.0]]])
        ),
        "NegativeBinomial": lambda: D.NegativeBinomial(t([5.0, 0.5]), t([0.4, 0.7])),
        "NegativeBinomial.logits": lambda: D.NegativeBinomial(3, logits=t([0.4, -1.0])),
        "Normal": lambda: D.Normal(t([0.0, 1.0]), t([1.0, 2.0])),
        "Normal.number": lambda: D.Normal(0.5, 2),
        "Normal.double": lambda: D.Normal(t([0.0], dtype=lib.float64), 2),
        "OneHotCategorical": lambda: D.OneHotCategorical(t([[0.2, 0.8], [0.5, 0.5]])),
        "OneHotCategoricalStraightThrough": lambda: D.OneHotCategoricalStraightThrough(
            t([0.2, 0.8])
        ),
        "Pareto": lambda: D.Pareto(t([1.0, 2.0]), t([3.0, 0.5])),
        "Poisson": lambda: D.Poisson(t([0.0, 0.5, 4.0, 30.0])),
        "RelaxedBernoulli": lambda: D.RelaxedBernoulli(t([0.7]), probs=t([0.4, 0.9])),
        "RelaxedBernoulli.logits": lambda: D.RelaxedBernoulli(t([2.0]), logits=t([0.4])),
        "RelaxedOneHotCategorical": lambda: D.RelaxedOneHotCategorical(t(0.5), t([0.2, 0.3, 0.5])),
        "StudentT": lambda: D.StudentT(t([0.5, 1.5, 4.0]), 1.0, 2.0),
        "TransformedDistribution": lambda: D.TransformedDistribution(
            D.Normal(t([0.0, 1.0]), 1.0),
            [D.AffineTransform(1.0, t([-2.0, 0.5])), D.SigmoidTransform()],
        ),
        "Uniform": lambda: D.Uniform(-1.0, t([1.0, 3.0])),
        "VonMises": lambda: D.VonMises(t([0.3, -1.0]), t([4.0, 0.2])),
        "Weibull": lambda: D.Weibull(t([2.0, 1.0]), t([1.5, 3.0])),
        "Wishart": lambda: D.Wishart(t([4.0, 3.0]), spd),
        "Wishart.precision": lambda: D.Wishart(3.5, precision_matrix=spd),
    }


NAMES = sorted(zoo(torch))


def as_array(value):
    return value.detach().numpy() if hasattr(value, "detach") else value


def outcome(act, *args):
    """What it gives, or the type of the exception."""
    try:
        return act(*args)
    except Exception as e:
        return type(e).__name__


def assert_agree(ours, theirs, rtol=2e-5, atol=2e-6):
    if isinstance(theirs, str):
        assert ours == theirs
        return
    a, b = as_array(ours), as_array(theirs)
    assert str(ours.dtype) == str(theirs.dtype)
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@functools.cache
def made(lib, name):
    return zoo(lib)[name]()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_draws(name):
    for draw in "sample", "rsample":
        for shape in (), (3,), (2, 9):
            drawn = []
            for lib in LIBRARIES:
                lib.manual_seed(3)
                d = made(lib, name)
                drawn.append(outcome(getattr(d, draw), lib.Size(shape)))
                drawn.append(lib.rand(1))  # the generator stands where PyTorch's does
            assert_agree(drawn[2], drawn[0], 1e-4, 1e-4)
            assert_agree(drawn[3], drawn[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers(name):
    p, q = made(flambeau, name), made(torch, name)
    torch.manual_seed(5)
    x = q.sample((4,))
    y = flambeau.from_numpy(x.numpy())
    assert tuple(p.batch_shape) == tuple(q.batch_shape)
    assert tuple(p.event_shape) == tuple(q.event_shape)
    assert (p.has_rsample, p.has_enumerate_support) == (q.has_rsample, q.has_enumerate_support)
    assert_agree(p.log_prob(y), q.log_prob(x), rtol=1e-4, atol=1e-4)
    for field in "mean", "mode", "variance", "stddev":
        expected = outcome(getattr, q, field)
        assert_agree(outcome(getattr, p, field), expected, 1e-4, 1e-5)
    for method in "entropy", "perplexity":
        assert_agree(outcome(getattr(p, method)), outcome(getattr(q, method)), 1e-4, 1e-5)
    for expand in True, False:
        expected = outcome(q.enumerate_support, expand)
        assert_agree(outcome(p.enumerate_support, expand), expected)
    assert_agree(outcome(p.cdf, y), outcome(q.cdf, x), 1e-4, 1e-5)
    u, v = flambeau.tensor([[0.2], [0.7]]), torch.tensor([[0.2], [0.7]])
    assert_agree(outcome(p.icdf, u), outcome(q.icdf, v), 1e-4, 1e-5)
    assert repr(p) == repr(q)
    assert repr(p.support) == repr(q.support)
    constraints = type(q).arg_constraints
    if isinstance(constraints, dict):
        assert repr(type(p).arg_constraints) == repr(constraints)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_after_expand(name):
    p, q = made(flambeau, name), made(torch, name)
    shape = (5, 2, *q.batch_shape)
    p, q = p.expand(shape), q.expand(shape)
    assert tuple(p.batch_shape) == tuple(q.batch_shape) == shape
    assert tuple(p.event_shape) == tuple(q.event_shape)
    torch.manual_seed(2)
    flambeau.manual_seed(2)
    x = q.sample()
    assert_agree(p.sample(), x, 1e-4, 1e-5)
    assert_agree(p.log_prob(flambeau.from_numpy(x.numpy())), q.log_prob(x), 1e-4, 1e-4)
    assert repr(p) == repr(q)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_divergences(name):
    for other in NAMES:
        q = made(torch, name), made(torch, other)
        p = made(flambeau, name), made(flambeau, other)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = outcome(torch.distributions.kl_divergence, *q)
            got = outcome(flambeau.distributions.kl_divergence, *p)
        if isinstance(expected, str) and expected in ("IndexError", "RuntimeError"):
            continue  # its masks do not broadcast
        if (name, other) in DIVERGENCES:
            continue
        if isinstance(expected, str) or isinstance(got, str):
            assert got == expected, (name, other)
            continue
        np.testing.assert_allclose(
            as_array(got), as_array(expected), rtol=1e-3, atol=1e-4, err_msg=f"{name} {other}"
        )


# PyTorch sums the parameters of batches here, and there finds the interval itself too small.
DIVERGENCES = {
    ("Wishart", "Wishart.precision"),
    ("Wishart.precision", "Wishart"),
    ("ContinuousBernoulli.logits", "Uniform"),
}


def test_the_same_registry():
    def names(lib):
        return {(a.__name__, b.__name__) for a, b in lib.distributions.kl._KL_REGISTRY}

    assert names(torch) <= names(flambeau)


def wrong(lib):
    """Calls that are refused."""
    D, t = lib.distributions, lib.tensor
    nan = float("nan")
    return [
        lambda: D.Normal(0.0, -1.0),
        lambda: D.Normal(t([0.0]), t([nan])),
        lambda: D.Normal("a", 1.0),
        lambda: D.Normal(0.0, 1.0).log_prob(1.0),
        lambda: D.Normal(lib.zeros(2), 1.0).log_prob(lib.zeros(3)),
        lambda: D.Normal(0.0, 1.0).log_prob(t(nan)),
        lambda: D.Normal(0.0, 1.0).expand((2,)).expand((3,)),
        lambda: D.Bernoulli(),
        lambda: D.Bernoulli(0.5, 0.5),
        lambda: D.Bernoulli(1.5),
        lambda: D.Bernoulli(0.5).log_prob(t(0.5)),
        lambda: D.Bernoulli(0.5).rsample(),
        lambda: D.Bernoulli(0.5).cdf(t(1.0)),
        lambda: D.Categorical(t([-1.0, 1.0])),
        lambda: D.Categorical(t(1.0)),
        lambda: D.Categorical(t([0.5, 0.5])).log_prob(t(2)),
        lambda: D.Binomial(-1, 0.5),
        lambda: D.Binomial(t([2, 3]), t(0.5)).entropy(),
        lambda: D.Binomial(t([2, 3]), t(0.5)).enumerate_support(),
        lambda: D.Geometric(0.0),
        lambda: D.Beta(0.0, 1.0),
        lambda: D.Beta(1.0, 1.0).log_prob(t(2.0)),
        lambda: D.Dirichlet(t(1.0)),
        lambda: D.Dirichlet(t([1.0, 2.0])).log_prob(t([0.5, 0.6])),
        lambda: D.Dirichlet(t([1.0, 2.0])).log_prob(t([0.5, 0.2, 0.3])),
        lambda: D.Uniform(1.0, 1.0),
        lambda: D.Uniform(0.0, 1.0).log_prob(t(1.5)),
        lambda: D.Multinomial(t([1, 2]), t([0.5, 0.5])),
        lambda: D.Multinomial(2, t([0.5, 0.5])).log_prob(t([2.0, 2.0])),
        lambda: D.Poisson(-1.0),
        lambda: D.Poisson(1.0).icdf(0.5),
        lambda: D.Independent(D.Normal(0.0, 1.0), 1),
        lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), 3),
        lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
        lambda: D.LKJCholesky(1),
        lambda: D.MultivariateNormal(t(0.0), lib.eye(2)),
        lambda: D.MultivariateNormal(lib.zeros(2)),
        lambda: D.MultivariateNormal(lib.zeros(2), t([1.0, 1.0])),
        lambda: D.MultivariateNormal(lib.zeros(2), -lib.eye(2)),
        lambda: D.LowRankMultivariateNormal(lib.zeros(2), lib.ones(3, 1), lib.ones(2)),
        lambda: D.Wishart(0.5, lib.eye(2)),
        lambda: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)),
        lambda: D.MixtureSameFamily(D.Categorical(lib.ones(3)), D.Normal(lib.zeros(2), 1.0)),
        lambda: D.Distribution.set_default_validate_args(2),
        lambda: D.kl_divergence(D.Cauchy(0.0, 1.0), D.Gamma(1.0, 1.0)),
        lambda: D.biject_to(D.constraints.lower_cholesky),
        lambda: D.biject_to(D.Uniform.support),
        lambda: D.biject_to.register(3, lambda constraint: None),
        lambda: D.ExpTransform(cache_size=2),
        lambda: D.AbsTransform().sign,
        lambda: D.AbsTransform().log_abs_det_jacobian(t(1.0), t(1.0)),
        lambda: D.CorrCholeskyTransform().event_dim,
        lambda: D.StickBreakingTransform().forward_shape(()),
        lambda: D.ReshapeTransform((2,), (3,)),
        lambda: D.ReshapeTransform((2,), (1, 2))(lib.zeros(3)),
        lambda: D.CorrCholeskyTransform()(lib.zeros(2)),
        lambda: D.constraints.dependent.check(t(1.0)),
        lambda: D.constraints.dependent.event_dim,
        lambda: D.constraints.real_vector.check(t(1.0)),
        lambda: D.Distribution().log_prob(t(1.0)),
        lambda: D.Distribution().sample(),
        lambda: D.Distribution().expand((2,)),
        lambda: D.utils.vec_to_tril_matrix(lib.zeros(2)),
        lambda: D.utils.tril_matrix_to_vec(lib.zeros(2, 2), 2),
    ]


def test_the_same_refusals():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, (ours, theirs) in enumerate(zip(wrong(flambeau), wrong(torch), strict=True)):
            expected, got = outcome(theirs), outcome(ours)
            assert isinstance(expected, str), i
            assert got == expected, (i, got, expected)


# ---- transforms and constraints


def transforms(lib):
    D, t = lib.distributions, lib.tensor
    T = D.transforms
    row = t([0.3, -1.0, 0.5])
    return {
        "abs": (T.AbsTransform(), row),
        "affine": (T.AffineTransform(1.0, -2.0), row),
        "affine.tensor": (T.AffineTransform(t([1.0, 2.0, 3.0]), t([2.0, 3.0, -1.0])), row),
        "affine.event": (T.AffineTransform(0.0, t([2.0, 3.0, -1.0]), event_dim=1), row),
        "cat": (T.CatTransform([T.ExpTransform(), T.identity_transform], 0, [1, 2]), row),
        "compose": (T.ComposeTransform([T.AffineTransform(1.0, 2.0), T.ExpTransform()]), row),
        "corr": (T.CorrCholeskyTransform(), row),
        "cdf": (T.CumulativeDistributionTransform(D.Normal(0.5, 2.0)), row),
        "exp": (T.ExpTransform(), row),
        "exp.inv": (T.ExpTransform().inv, row.abs()),
        "independent": (T.IndependentTransform(T.ExpTransform(), 1), row),
        "lower": (T.LowerCholeskyTransform(), t([[0.3, -1.0], [0.5, 0.2]])),
        "positive_definite": (T.PositiveDefiniteTransform(), t([[0.3, -1.0], [0.5, 0.2]])),
        "power": (T.PowerTransform(t(1.5)), row.abs()),
        "reshape": (T.ReshapeTransform((3,), (3, 1)), row),
        "sigmoid": (T.SigmoidTransform(), row),
        "softmax": (T.SoftmaxTransform(), row),
        "softplus": (T.SoftplusTransform(), row),
        "stack": (T.StackTransform([T.ExpTransform(), T.AffineTransform(1.0, 2.0)]), row[:2]),
        "stick": (T.StickBreakingTransform(), row),
        "tanh": (T.TanhTransform(), row),
    }


@pytest.mark.parametrize("name", sorted(transforms(torch)))
def test_the_same_transforms(name):
    (p, x), (q, z) = transforms(flambeau)[name], transforms(torch)[name]
    assert_agree(p(x), q(z))
    y, w = p(x), q(z)
    assert_agree(p.inv(y), q.inv(w), 1e-4, 1e-5)
    theirs = outcome(q.log_abs_det_jacobian, z, w)
    assert_agree(outcome(p.log_abs_det_jacobian, x, y), theirs, 1e-4, 1e-5)
    for field in "bijective", "domain", "codomain":
        assert repr(getattr(p, field)) == repr(getattr(q, field))
    assert outcome(getattr, p, "event_dim") == outcome(getattr, q, "event_dim")
    for shape in (3,), (4, 3), (2, 2):
        theirs = outcome(q.forward_shape, torch.Size(shape))
        got = outcome(p.forward_shape, flambeau.Size(shape))
        assert got == theirs or tuple(got) == tuple(theirs)
        theirs = outcome(q.inverse_shape, torch.Size(shape))
        got = outcome(p.inverse_shape, flambeau.Size(shape))
        assert got == theirs or tuple(got) == tuple(theirs)
    assert repr(p) == repr(q)
    assert repr(p.with_cache()) == repr(q.with_cache())


def some_constraints(lib):
    c, t = lib.distributions.constraints, lib.tensor
    nan = float("nan")
    numbers = t([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, nan])
    rows = t([[0.5, 0.5], [1.0, 0.0], [1.0, 1.0], [-1.0, 2.0], [nan, 1.0]])
    mats = t([[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.5], [0.5, 1.0]], [[-1.0, 0.0], [0.0, 1.0]]])
    return [
        *((each, numbers) for each in (
            c.boolean, c.integer_interval(0, 2), c.interval(-1.0, 1.0), c.real, c.positive,
            c.half_open_interval(0.0, 1.0), c.less_than(1.0), c.greater_than(1.0), c.nonnegative,
            c.greater_than_eq(1.0), c.nonnegative_integer, c.positive_integer, c.unit_interval,
        )),
        *((each, rows) for each in (
            c.simplex, c.one_hot, c.multinomial(2), c.real_vector, c.independent(c.positive, 1),
            c.cat([c.real, c.positive], dim=1), c.stack([c.real, c.positive], dim=1),
            c.MixtureSameFamilyConstraint(c.positive),
        )),
        *((each, mats) for each in (
            c.lower_triangular, c.lower_cholesky, c.corr_cholesky, c.square, c.symmetric,
            c.positive_definite,
        )),
    ]  # fmt: skip


def test_the_same_constraints():
    for (p, x), (q, z) in zip(some_constraints(flambeau), some_constraints(torch), strict=True):
        assert repr(p) == repr(q)
        np.testing.assert_array_equal(as_array(p.check(x)), as_array(q.check(z)), repr(p))
        assert (p.event_dim, p.is_discrete) == (q.event_dim, q.is_discrete)


def test_the_same_maps_to_constraints():
    for kind in "biject_to", "transform_to":
        for (p, _), (q, _) in zip(some_constraints(flambeau), some_constraints(torch), strict=True):
            ours = outcome(getattr(flambeau.distributions, kind), p)
            theirs = outcome(getattr(torch.distributions, kind), q)
            assert repr(ours) == repr(theirs)


# ---- the ops below


def samplers(lib):
    t, f64 = lib.tensor, lib.float64
    shapes = t([0.0, 0.05, 0.5, 1.0, 3.0, 90.0])
    rates = t([0.0, 0.5, 9.0, 11.0, 200.0, 1e5])
    counts, probs = t([0.0, 1.0, 12.0, 50.0, 1000.0]), t([0.3, 0.0, 0.5, 0.9, 0.02])
    return {
        "gamma": lambda: lib._standard_gamma(shapes.expand(40, 6)),
        "gamma.double": lambda: lib._standard_gamma(shapes.to(f64).expand(40, 6)),
        "gamma.columns": lambda: lib._standard_gamma(shapes.reshape(2, 3).T),
        "dirichlet": lambda: lib._sample_dirichlet(shapes[1:].expand(40, 5)),
        "dirichlet.double": lambda: lib._sample_dirichlet(shapes[1:].to(f64).expand(40, 5)),
        "dirichlet.number": lambda: lib._sample_dirichlet(shapes[2]),
        "poisson": lambda: lib.poisson(rates.expand(40, 6)),
        "poisson.double": lambda: lib.poisson(rates.to(f64).expand(40, 6)),
        "poisson.half": lambda: lib.poisson(rates[:4].to(lib.bfloat16)).float(),
        "binomial": lambda: lib.binomial(counts.expand(40, 5), probs),
        "binomial.double": lambda: lib.binomial(counts.to(f64).expand(40, 5), probs.to(f64)),
        "cauchy": lambda: lib.empty(50).cauchy_(1.0, 2.0),
        "log_normal": lambda: lib.empty(50).log_normal_(0.0, 0.5),
        "log_normal.defaults": lambda: lib.empty(3, dtype=f64).log_normal_(),
        "geometric": lambda: lib.empty(50).geometric_(0.3),
        "geometric.int": lambda: lib.empty(50, dtype=lib.int64).geometric_(0.3),
        "normal": lambda: lib.normal(0.5, lib.ones(3, 7)),
        "generator": lambda: lib._standard_gamma(shapes, lib.Generator().manual_seed(4)),
    }


@pytest.mark.parametrize("name", sorted(samplers(torch)))
def test_the_same_streams(name):
    drawn = []
    for lib in LIBRARIES:
        lib.manual_seed(11)
        drawn.append((samplers(lib)[name](), lib.rand(1), lib.randn(1)))
    for ours, theirs in zip(*drawn[::-1], strict=True):
        assert_agree(ours, theirs, 1e-5, 1e-30)


def test_the_same_slopes_of_draws():
    """PyTorch's are approximations, within 0.2% and 3%."""
    a = np.array([0.05, 0.3, 1.0, 4.0, 30.0, 400.0])
    x = a * np.array([[0.5], [0.9], [1.4]])
    theirs = torch._standard_gamma_grad(torch.tensor(a).expand(3, 6), torch.tensor(x))
    ours = flambeau._standard_gamma_grad(flambeau.tensor(a).expand(3, 6), flambeau.tensor(x))
    np.testing.assert_allclose(as_array(ours), as_array(theirs), rtol=2e-3)
    triples = np.array(list(itertools.product([0.1, 0.5, 0.8], [0.5, 2.0, 9.0], [10.0, 30.0]))).T
    theirs = torch._dirichlet_grad(*map(torch.tensor, triples))
    ours = flambeau._dirichlet_grad(*map(flambeau.tensor, triples))
    np.testing.assert_allclose(as_array(ours), as_array(theirs), rtol=0.03)
