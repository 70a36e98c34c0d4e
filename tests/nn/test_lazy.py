"""Layers that take their shapes from their first input."""

import copy
import pickle

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.parameter import is_lazy


class LazyScale(LazyModuleMixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.UninitializedParameter()
        self.register_buffer("seen", nn.UninitializedBuffer())

    def initialize_parameters(self, input, offset=0):
        if self.has_uninitialized_params():
            self.weight.materialize(input.shape[-1:])
            self.seen.materialize((offset + 1,))
            nn.init.ones_(self.weight)

    def forward(self, input, offset=0):
        return input * self.weight


def test_the_first_call_gives_shapes():
    layer = LazyScale()
    weight = layer.weight
    assert layer.has_uninitialized_params() and list(layer.parameters()) == [weight]
    assert layer(flambeau.ones(2, 3), offset=1).shape == (2, 3)
    assert layer.weight is weight and type(weight) is nn.Parameter and weight.shape == (3,)
    assert type(layer.seen) is flambeau.Tensor and layer.seen.shape == (2,)
    assert not layer.has_uninitialized_params() and not layer._forward_pre_hooks
    layer(flambeau.ones(1, 3))


def test_what_has_no_shape_can_be_moved_and_saved_alone():
    layer = LazyScale().double()
    assert layer.weight.dtype == flambeau.float64 and is_lazy(layer.weight)
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        _ = layer.weight.shape
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter"):
        layer.weight + 1
    with pytest.raises(RuntimeError, match="Can't share memory"):
        layer.weight.share_memory_()
    assert repr(layer.weight) == "<UninitializedParameter>"
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer.weight))):
        weight = twin if isinstance(twin, nn.Parameter) else twin.weight
        assert is_lazy(weight) and weight.dtype == flambeau.float64
    twin = copy.deepcopy(LazyScale())
    twin(flambeau.ones(2, 5))
    assert twin.weight.shape == (5,)


def test_states_give_shapes():
    lazy, known = nn.LazyBatchNorm1d(), nn.BatchNorm1d(3)
    known(flambeau.randn(4, 3))
    other = nn.LazyBatchNorm1d()
    other.load_state_dict(lazy.state_dict())
    assert is_lazy(other.weight)
    lazy.load_state_dict(known.state_dict())
    assert flambeau.equal(lazy.running_mean, known.running_mean)
    assert lazy.weight.shape == (3,)
    with pytest.raises(RuntimeError, match="uninitialized"):
        known.load_state_dict(nn.LazyBatchNorm1d().state_dict())


def test_a_layer_becomes_what_it_stands_for():
    net = nn.Sequential(nn.LazyBatchNorm2d(eps=0.1), nn.LazyInstanceNorm2d())
    assert "LazyBatchNorm2d(0, eps=0.1" in repr(net)
    net(flambeau.randn(2, 3, 4, 4))
    assert type(net[0]) is nn.BatchNorm2d and type(net[1]) is nn.InstanceNorm2d
    assert net[0].num_features == net[1].num_features == 3
    assert net[0].weight.tolist() == [1, 1, 1] and net[1].running_var.shape == (3,)


def test_a_shape_that_stays_unknown_is_an_error():
    class Forgetful(LazyScale):
        def initialize_parameters(self, input):
            pass

    with pytest.raises(RuntimeError, match="has not been fully initialized"):
        Forgetful()(flambeau.ones(1))

    class Without(LazyModuleMixin, nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(NotImplementedError, match="initialize_parameters"):
        Without()(flambeau.ones(1))


def test_a_lazy_linear_layer_draws_as_the_known_one():
    flambeau.manual_seed(0)
    lazy = nn.LazyLinear(3)
    lazy(flambeau.ones(2, 5))
    flambeau.manual_seed(0)
    known = nn.Linear(5, 3)
    assert type(lazy) is nn.Linear and repr(lazy) == repr(known)
    assert flambeau.equal(lazy.weight, known.weight) and flambeau.equal(lazy.bias, known.bias)
    loaded = nn.LazyLinear(3)
    loaded.load_state_dict(known.state_dict())
    assert loaded(flambeau.ones(5)).shape == (3,) and loaded.in_features == 5
    assert flambeau.equal(loaded.weight, known.weight)
