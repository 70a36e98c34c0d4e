"""What all distributions share: checks, shapes, expansion, pickling, and their examples."""

import doctest
import importlib
import pickle
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import flambeau
from flambeau import distributions as D
from flambeau.distributions import utils

MODULES = sorted(m.name for m in pkgutil.iter_modules(D.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    module = importlib.import_module(f"flambeau.distributions.{name}")
    assert module.__doc__
    names = {**vars(D), **vars(module), "flambeau": flambeau}
    assert doctest.testmod(module, extraglobs=names).failed == 0
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        assert value.__doc__ and value.__doc__.strip()


def test_they_load_at_first_use():
    program = (
        "import sys, flambeau; assert 'flambeau.distributions' not in sys.modules;"
        "flambeau.distributions; assert 'flambeau.distributions.kl' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_parameters_are_checked_unless_told_otherwise():
    with pytest.raises(ValueError, match="Normal: Expected parameter scale .*GreaterThan"):
        D.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="support"):
        D.Beta(1.0, 1.0).log_prob(flambeau.tensor(2.0))
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    try:
        D.Distribution.set_default_validate_args(False)
        D.Normal(0.0, -1.0)
        with pytest.raises(ValueError, match="scale"):
            D.Normal(0.0, -1.0, validate_args=True)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_values_have_to_fit():
    d = D.Normal(flambeau.zeros(2), 1.0)
    with pytest.raises(ValueError, match="must be a Tensor"):
        d.log_prob(1.0)
    with pytest.raises(ValueError, match=r"not broadcastable .*\(3,\) vs \(2,\)"):
        d.log_prob(flambeau.zeros(3))
    with pytest.raises(ValueError, match="match event_shape"):
        D.Dirichlet(flambeau.ones(3)).log_prob(flambeau.ones(2))


def test_subclasses():
    class Shifted(D.Normal):
        def __init__(self, loc, by, validate_args=None):
            self.by = by
            super().__init__(loc + by, 1.0, validate_args)

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Shifted(0.0, 2.0).expand((2,))

    class Expanding(Shifted):
        def expand(self, batch_shape, _instance=None):
            new = self._get_checked_instance(Expanding, _instance)
            new.by = self.by
            return super().expand(batch_shape, _instance=new)

    # Its __init__ is Shifted's, which is another's: expand is asked for the class that has it.
    Expanding.__init__ = lambda self, loc, by: Shifted.__init__(self, loc, by)
    d = Expanding(0.0, 2.0).expand((2,))
    assert type(d) is Expanding and d.by == 2 and d.mean.shape == (2,)

    class Bare(D.Distribution):
        arg_constraints = {}

    bare = Bare(validate_args=False)
    for attribute in "mean", "mode", "variance", "support":
        with pytest.raises(NotImplementedError, match="Bare"):
            getattr(bare, attribute)
    for method in "sample", "rsample", "entropy", "enumerate_support":
        with pytest.raises(NotImplementedError, match="Bare"):
            getattr(bare, method)()
    for method in "log_prob", "cdf", "icdf":
        with pytest.raises(NotImplementedError, match="Bare"):
            getattr(bare, method)(flambeau.tensor(0.5))
    with pytest.raises(NotImplementedError, match="Bare"):
        bare.expand((2,))


def test_undeclared_classes_warn():
    class Silent(D.Distribution):
        def log_prob(self, value):
            self._validate_sample(value)
            return value

    with pytest.warns(UserWarning, match="arg_constraints"):
        d = Silent()
    with pytest.warns(UserWarning, match="support"):
        d.log_prob(flambeau.tensor(1.0))


def test_expanded_parameters_are_views():
    loc = flambeau.zeros(3)
    d = D.Normal(loc, 1.0).expand((2, 3))
    assert d.loc.untyped_storage().data_ptr() == loc.untyped_storage().data_ptr()
    assert d.batch_shape == (2, 3)


def test_pickles():
    for d in [
        D.Normal(0.0, flambeau.ones(2)),
        D.Categorical(flambeau.ones(3)),
        D.Gumbel(0.0, 1.0),
        D.Independent(D.Beta(flambeau.ones(2), 1.0), 1),
        D.MixtureSameFamily(D.Categorical(flambeau.ones(2)), D.Normal(flambeau.zeros(2), 1.0)),
    ]:
        d.sample()
        again = pickle.loads(pickle.dumps(d))
        x = d.sample()
        assert repr(again) == repr(d)
        assert (again.log_prob(x) == d.log_prob(x)).all()


def test_deprecated_draws():
    with pytest.warns(FutureWarning, match="sample"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_lazy_properties():
    d = D.Bernoulli(flambeau.tensor([0.25]))
    assert "logits" not in d.__dict__
    with flambeau.no_grad():
        np.testing.assert_allclose(d.logits.numpy(), [np.log(1 / 3)], rtol=1e-6)
    assert "logits" in d.__dict__
    assert isinstance(D.Bernoulli.logits, property)
    p = flambeau.tensor([0.25], requires_grad=True)
    d = D.Bernoulli(p)
    with flambeau.no_grad():
        d.logits  # noqa: B018
    assert d.logits.requires_grad


def test_numbers_and_tensors_are_brought_in_line():
    a, b = utils.broadcast_all(1, flambeau.zeros(2, dtype=flambeau.float64))
    assert a.dtype == flambeau.float64 and a.shape == (2,)
    (c,) = utils.broadcast_all(1)
    assert c.dtype == flambeau.get_default_dtype()
    with pytest.raises(ValueError, match="broadcast_all"):
        utils.broadcast_all("a")


def test_triangles_as_vectors():
    for diag in -2, -1, 0, 1, 2:
        rows, columns = flambeau.tril_indices(4, 4, diag)
        vec = flambeau.arange(1.0, rows.shape[0] + 1)
        mat = utils.vec_to_tril_matrix(vec, diag)
        assert mat.shape == (4, 4)
        np.testing.assert_array_equal(mat.numpy(), np.tril(mat.numpy(), diag))
        assert (utils.tril_matrix_to_vec(mat, diag) == vec).all()


def test_dtypes_are_kept():
    for dtype in flambeau.float32, flambeau.float64:
        one = flambeau.ones(2, dtype=dtype)
        for d in [
            D.Normal(one, one), D.Gamma(one, one), D.Beta(one, 2 * one), D.Gumbel(one, one),
            D.StudentT(3 * one), D.VonMises(one, one), D.Laplace(one, one), D.Poisson(one),
            D.RelaxedBernoulli(one, one / 2), D.Dirichlet(one), D.Weibull(one, one),
        ]:  # fmt: skip
            x = d.sample((3,))
            assert x.dtype == dtype and d.log_prob(x).dtype == dtype, d
