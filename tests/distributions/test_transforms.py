"""Transforms: ways back, determinants, shapes; and the constraints that they reach."""

import pickle

import numpy as np
import pytest

import flambeau
from flambeau import distributions as D
from flambeau.distributions import constraints, transforms


def t(values):
    return flambeau.tensor(values, dtype=flambeau.float64)


def cases():
    x = t([0.3, -1.0, 0.5])
    square = t([[0.3, -1.0], [0.5, 0.2]])
    T = transforms
    return {
        "affine": (T.AffineTransform(1.0, -2.0), x),
        "affine_event": (T.AffineTransform(t([1.0, 2.0, 0.0]), t([2.0, -3.0, 1.0]), 1), x),
        "affine_event_number": (T.AffineTransform(1.0, 3.0, event_dim=1), x),
        "affine_event_0d": (T.AffineTransform(1.0, t(3.0), event_dim=1), x),
        "cat": (T.CatTransform([T.ExpTransform(), T.TanhTransform()], 0, [1, 2]), x),
        "compose": (T.ComposeTransform([T.AffineTransform(1.0, 2.0), T.ExpTransform()]), x),
        "compose_events": (
            T.ComposeTransform([T.AffineTransform(0.0, 0.5), T.StickBreakingTransform()]),
            x,
        ),
        "correlations": (T.CorrCholeskyTransform(), x),
        "distribution": (T.CumulativeDistributionTransform(D.Normal(t(0.5), t(2.0))), x),
        "exp": (T.ExpTransform(), x),
        "identity": (T.identity_transform, x),
        "independent": (T.IndependentTransform(T.ExpTransform(), 1), x),
        "inverse": (T.ExpTransform().inv, x.exp()),
        "lower_cholesky": (T.LowerCholeskyTransform(), square.tril()),
        "positive_definite": (T.PositiveDefiniteTransform(), square.tril()),
        "power": (T.PowerTransform(t(1.5)), x.abs()),
        "reshape": (T.ReshapeTransform((3,), (3, 1)), x),
        "sigmoid": (T.SigmoidTransform(), x),
        "softplus": (T.SoftplusTransform(), x),
        "stack": (T.StackTransform([T.ExpTransform(), T.TanhTransform()]), x[:2]),
        "stick": (T.StickBreakingTransform(), x),
        "tanh": (T.TanhTransform(), x),
    }


@pytest.mark.parametrize("name", cases())
def test_there_and_back(name):
    transform, x = cases()[name]
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).numpy(), x.numpy(), atol=1e-9)
    assert transform.inv.inv is transform
    if name not in ("cat", "stack"):
        assert tuple(transform.forward_shape(x.shape)) == tuple(y.shape)
        assert tuple(transform.inverse_shape(y.shape)) == tuple(x.shape)
    assert transform.codomain.check(y).all()
    assert transform.domain.check(x).all()
    batch = flambeau.stack([x, x * 0.5]) if name not in ("cat", "stack") else None
    if batch is not None:
        np.testing.assert_allclose(transform(batch)[0].numpy(), y.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", cases())
def test_determinants(name):
    transform, x = cases()[name]
    if not transform.bijective:
        return
    y = transform(x)
    growth = transform.log_abs_det_jacobian(x, y)
    if name in ("cat", "stack"):
        assert growth.shape == x.shape

    # Free coordinates of what lies on a surface: all but the last, or those below the diagonal
    def free(v):
        out = transform(v)
        if name in ("stick", "compose_events"):
            return out[..., :-1]
        if name == "correlations":
            return out[flambeau.tril_indices(3, 3, -1).unbind()]
        return out.flatten()

    jacobian = flambeau.autograd.functional.jacobian(free, x).numpy()
    expected = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(growth.sum().item(), expected, rtol=1e-9, atol=1e-12)
    back = transform.inv.log_abs_det_jacobian(y, x)
    np.testing.assert_allclose(back.numpy(), -growth.numpy(), rtol=1e-9)


CONSTRAINTS = [
    constraints.real,
    constraints.positive,
    constraints.nonnegative,
    constraints.greater_than(2.0),
    constraints.greater_than_eq(-1.0),
    constraints.less_than(-3.0),
    constraints.unit_interval,
    constraints.interval(-1.0, 4.0),
    constraints.half_open_interval(0.5, 1.5),
    constraints.simplex,
    constraints.lower_cholesky,
    constraints.positive_definite,
    constraints.corr_cholesky,
    constraints.real_vector,
    constraints.independent(constraints.positive, 1),
    constraints.cat([constraints.positive, constraints.unit_interval], 1, [1, 2]),
    constraints.stack([constraints.positive, constraints.real, constraints.unit_interval], -1),
]


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_maps_reach_what_constraints_allow(constraint):
    flambeau.manual_seed(0)
    for registry in D.biject_to, D.transform_to:
        try:
            transform = registry(constraint)
        except NotImplementedError:
            assert registry is D.biject_to
            continue
        x = flambeau.randn(3, 3, dtype=flambeau.float64, requires_grad=True)
        y = transform(x)
        assert constraint.check(y).all()
        assert transform.bijective or registry is D.transform_to
        again = transform(transform.inv(y))
        np.testing.assert_allclose(again.detach().numpy(), y.detach().numpy(), atol=1e-9)
        flambeau.autograd.grad(y.sum(), x)


def test_what_lies_outside():
    nan = float("nan")
    outside = [
        (constraints.real, nan),
        (constraints.positive, 0.0),
        (constraints.nonnegative, -1e-9),
        (constraints.boolean, 0.5),
        (constraints.integer_interval(1, 3), 4),
        (constraints.integer_interval(1, 3), 1.5),
        (constraints.half_open_interval(0, 1), 1.0),
        (constraints.positive_integer, 0),
        (constraints.simplex, [0.5, 0.6]),
        (constraints.simplex, [-0.5, 1.5]),
        (constraints.one_hot, [1.0, 1.0]),
        (constraints.multinomial(2), [2.0, 1.0]),
        (constraints.lower_triangular, [[1.0, 1.0], [0.0, 1.0]]),
        (constraints.lower_cholesky, [[1.0, 0.0], [0.0, -1.0]]),
        (constraints.corr_cholesky, [[1.0, 0.0], [0.5, 0.5]]),
        (constraints.symmetric, [[1.0, 2.0], [0.0, 1.0]]),
        (constraints.square, [[1.0, 2.0]]),
        (constraints.positive_definite, [[1.0, 2.0], [2.0, 1.0]]),
    ]
    for constraint, value in outside:
        assert not constraint.check(t(value)).any(), constraint


def test_custom_maps():
    registry = D.constraint_registry.ConstraintRegistry()

    @registry.register(constraints.interval)
    def _(constraint):
        return transforms.AffineTransform(constraint.lower_bound, 1)

    assert registry(constraints.interval(3.0, 4.0))(t(1.0)) == 4
    with pytest.raises(NotImplementedError, match="Cannot transform _Real"):
        registry(constraints.real)
    with pytest.raises(TypeError, match="Constraint"):
        registry.register(3, lambda constraint: None)


def test_caches_keep_the_last_pair():
    calls = []

    class Counted(transforms.ExpTransform):
        def _call(self, x):
            calls.append(x)
            return super()._call(x)

    transform = Counted(cache_size=1)
    x = t([0.1])
    y = transform(x)
    assert transform(x) is y and transform.inv(y) is x
    assert len(calls) == 1
    assert transform.with_cache(1) is transform
    assert transform.with_cache(0)._cache_size == 0
    again = pickle.loads(pickle.dumps(transforms.AffineTransform(1.0, 2.0, cache_size=1)))
    assert again(x).item() == 1.2


def test_equality_and_signs():
    T = transforms
    assert T.ExpTransform() == T.ExpTransform() != T.TanhTransform()
    assert T.AffineTransform(0.0, t(1.0)) == T.AffineTransform(0.0, t(1.0))
    assert T.AffineTransform(0.0, 1.0) != T.AffineTransform(0.0, 2.0)
    assert T.PowerTransform(t(2.0)) == T.PowerTransform(t(2.0))
    assert T.ExpTransform().inv == T.ExpTransform().inv
    assert T.ComposeTransform([T.ExpTransform()]) == T.ComposeTransform([T.ExpTransform()])
    assert T.AffineTransform(0.0, -2.0).sign == -1
    assert T.ComposeTransform([T.AffineTransform(0.0, -2.0), T.ExpTransform()]).sign == -1


def test_distributions_of_what_falls():
    d = D.TransformedDistribution(D.Uniform(t(0.0), t(1.0)), D.AffineTransform(1.0, -2.0))
    np.testing.assert_allclose(d.cdf(t([-0.5, 0.5])).numpy(), [0.25, 0.75])
    np.testing.assert_allclose(d.icdf(t([0.25, 0.75])).numpy(), [-0.5, 0.5])


def test_transforms_widen_the_batch():
    base = D.Normal(0.0, 1.0)
    d = D.TransformedDistribution(base, D.AffineTransform(flambeau.zeros(3), 1.0))
    assert d.batch_shape == (3,) and d.sample().shape == (3,)
    d = D.TransformedDistribution(base.expand((4,)), D.StickBreakingTransform())
    assert d.event_shape == (5,) and d.sample((2,)).shape == (2, 5)
    assert d.expand((2,)).sample().shape == (2, 5)
    d = D.TransformedDistribution(base.expand((4,)), D.ReshapeTransform((4,), (2, 2)))
    assert d.batch_shape == () and d.event_shape == (2, 2) and d.log_prob(d.sample()).shape == ()
