"""Parameters and buffers as objects."""

import copy
import pickle

import pytest

import flambeau
from flambeau import nn


def test_a_parameter_shares_memory_and_is_a_leaf():
    data = flambeau.zeros(2)
    param = nn.Parameter(data)
    data.fill_(3)
    assert param.tolist() == [3.0, 3.0]
    assert param.is_leaf and param.requires_grad and isinstance(param, flambeau.Tensor)
    assert type(param * 2) is flambeau.Tensor and type(param.detach()) is flambeau.Tensor
    assert repr(param).startswith("Parameter containing:\ntensor([3., 3.]")
    assert nn.Parameter().shape == (0,)
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(flambeau.zeros(1, dtype=flambeau.int64))
    assert not nn.Parameter(flambeau.zeros(1, dtype=flambeau.int64), False).requires_grad


@pytest.mark.parametrize("how", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies(how):
    param = nn.Parameter(flambeau.ones(2, 3).t(), requires_grad=False)
    twin = how(param)
    assert type(twin) is nn.Parameter and not twin.requires_grad
    assert twin.stride() == param.stride()
    twin.fill_(5)
    assert float(param.sum()) == 6


def test_deepcopy_keeps_identity():
    param = nn.Parameter(flambeau.ones(1))
    first, second = copy.deepcopy([param, param])
    assert first is second


def test_a_custom_tensor_is_marked():
    class Special(flambeau.Tensor):
        pass

    special = flambeau.ones(2).as_subclass(Special)
    param = nn.Parameter(special)
    assert type(param) is Special and isinstance(param, nn.Parameter)
    m = nn.Module()
    m.w = param
    assert list(m.parameters()) == [param]
    assert not isinstance(special, nn.Parameter)


def test_buffers():
    buffer = nn.Buffer(flambeau.ones(1), persistent=False)
    assert isinstance(buffer, nn.Buffer) and not buffer.persistent
    assert not isinstance(flambeau.ones(1), nn.Buffer) and not isinstance(buffer, nn.Parameter)
