"""Containers behave like the list or dictionary that they stand for."""

from collections import OrderedDict

import pytest

import flambeau
from flambeau import nn


def kinds(modules):
    return [type(m).__name__ for m in modules]


def test_sequential_as_a_list():
    seq = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert len(seq) == 2 and kinds(seq) == ["ReLU", "Tanh"]
    assert kinds(seq[-1:]) == ["Tanh"] and type(seq[:1]) is nn.Sequential
    seq.append(nn.GELU()).insert(0, nn.SiLU())
    assert kinds(seq) == ["SiLU", "ReLU", "Tanh", "GELU"] and list(seq._modules) == list("0123")
    seq[1] = nn.Identity()
    del seq[2:]
    assert kinds(seq) == ["SiLU", "Identity"]
    assert kinds([seq.pop(0)]) == ["SiLU"] and list(seq._modules) == ["0"]
    seq.extend(nn.Sequential(nn.ReLU()))
    assert kinds(seq + seq) == ["Identity", "ReLU"] * 2
    assert kinds(seq * 2) == kinds(2 * seq) == ["Identity", "ReLU"] * 2
    seq += nn.Sequential(nn.Tanh())
    seq *= 2
    assert kinds(seq) == ["Identity", "ReLU", "Tanh"] * 2


def test_sequential_with_names():
    seq = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.ReLU()))
    assert list(seq.state_dict()) == ["a.weight", "a.bias"]
    assert isinstance(seq.a, nn.Linear) and seq[0] is seq.a
    assert seq(flambeau.ones(1, 2)).shape == (1, 3)


@pytest.mark.parametrize(
    "error, action",
    [
        (IndexError, lambda s: s[5]),
        (IndexError, lambda s: s.insert(9, nn.ReLU())),
        (TypeError, lambda s: s["a"]),
        (TypeError, lambda s: s.append(3)),
        (TypeError, lambda s: s * "a"),
        (ValueError, lambda s: s * 0),
        (ValueError, lambda s: s + [1]),
        (AssertionError, lambda s: s.insert(0, 1)),
    ],
)
def test_sequential_errors(error, action):
    with pytest.raises(error):
        action(nn.Sequential(nn.ReLU()))


def test_module_list():
    blocks = nn.ModuleList([nn.ReLU()])
    blocks.append(nn.Tanh())
    blocks.extend([nn.GELU(), nn.GELU()])
    blocks.insert(1, nn.SiLU())
    assert kinds(blocks) == ["ReLU", "SiLU", "Tanh", "GELU", "GELU"]
    assert list(blocks._modules) == list("01234")
    assert kinds(blocks[1:3]) == ["SiLU", "Tanh"]
    del blocks[0]
    blocks += [nn.Identity()]
    assert kinds(blocks + [nn.ReLU()])[-2:] == ["Identity", "ReLU"]
    assert kinds([blocks.pop(-1)]) == ["Identity"]
    assert "(2-3): 2 x GELU(approximate='none')" in repr(blocks)
    with pytest.raises(TypeError, match="iterable"):
        blocks.extend(3)
    with pytest.raises(NotImplementedError):
        blocks(1)


def test_module_dict():
    heads = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
    assert list(heads) == list(heads.keys()) == ["b", "a"] and "a" in heads and len(heads) == 2
    heads.update([("c", nn.GELU())])
    assert kinds(heads.values()) == ["ReLU", "Tanh", "GELU"]
    assert kinds([heads.pop("b")]) == ["ReLU"] and [k for k, _ in heads.items()] == ["a", "c"]
    heads.clear()
    assert len(heads) == 0
    with pytest.raises(KeyError, match="already exists"):
        heads["keys"] = nn.ReLU()
    with pytest.raises(TypeError):
        heads.update(3)
    with pytest.raises(ValueError, match="length 1"):
        heads.update([("a",)])


def test_parameter_list():
    weights = nn.ParameterList([flambeau.zeros(2), "text"])
    weights.append(flambeau.ones(1))
    weights += [flambeau.ones(3)]
    assert len(weights) == 4 and weights[1] == "text" and isinstance(weights[-1], nn.Parameter)
    assert [n for n, _ in weights.named_parameters()] == ["0", "2", "3"]
    weights[0] = flambeau.zeros(5)
    assert weights[0].shape == (5,) and len(weights[1:3]) == 2
    assert "(1): Object of type: str" in repr(weights)
    with pytest.raises(RuntimeError, match="not be called"):
        weights(1)


def test_parameter_dict():
    params = nn.ParameterDict({"b": flambeau.ones(1), "a": flambeau.ones(1)})
    assert list(params) == ["a", "b"]  # a plain mapping is sorted
    params["c"] = flambeau.zeros(2)
    assert isinstance(params["c"], nn.Parameter) and list(reversed(params)) == ["c", "b", "a"]
    assert params.get("x") is None and params.setdefault("d") is None
    assert params.popitem() == ("d", None)
    merged = params | {"e": flambeau.ones(1)}
    assert list(merged) == ["a", "b", "c", "e"] and list(params) == ["a", "b", "c"]
    del params["a"]
    assert params.pop("b").shape == (1,) and list(params.state_dict()) == ["c"]
    assert list(params.fromkeys(["x", "y"], flambeau.ones(1)).keys()) == ["x", "y"]
    with pytest.raises(TypeError, match="not a string"):
        params[1]
    params.clear()
    assert len(params) == 0
