"""Convolutional layers: initialisation, sizes, padding modes, texts."""

import pickle

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_layers_are_their_functions(n, name):
    torch.manual_seed(0)
    layer = getattr(nn, f"{name}{n}d")(4, 6, 3, stride=2, padding=1, groups=2, dilation=2)
    x = torch.randn(2, 4, *[7] * n)
    lower = "conv" if name == "Conv" else "conv_transpose"
    call = getattr(F, f"{lower}{n}d")
    rest = dict(stride=2, padding=1, groups=2, dilation=2)
    assert torch.equal(layer(x), call(x, layer.weight, layer.bias, **rest))
    assert torch.equal(layer(x[0]), layer(x)[0])
    again = pickle.loads(pickle.dumps(layer))
    assert torch.equal(again(x), layer(x)) and repr(again) == repr(layer)
    inner = (6, 2) if name == "Conv" else (4, 3)
    assert layer.weight.shape == (*inner, *[3] * n)
    bound = 1 / np.sqrt(inner[1] * 3**n)
    for p in layer.parameters():
        assert p.abs().max() <= bound


@pytest.mark.parametrize(
    "mode, numpy", [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_padding_modes(n, mode, numpy):
    layer = getattr(nn, f"Conv{n}d")(2, 3, 3, padding=2, padding_mode=mode)
    x = np.random.default_rng(0).standard_normal((2, 2, *[5] * n)).astype("float32")
    wider = np.pad(x, [(0, 0)] * 2 + [(2, 2)] * n, numpy)
    call = getattr(F, f"conv{n}d")
    expected = call(torch.tensor(wider), layer.weight, layer.bias)
    assert torch.allclose(layer(torch.tensor(x)), expected, atol=1e-6)
    same = getattr(nn, f"Conv{n}d")(2, 3, 4, padding="same", padding_mode=mode)
    wider = np.pad(x, [(0, 0)] * 2 + [(1, 2)] * n, numpy)
    expected = call(torch.tensor(wider), same.weight, same.bias)
    assert torch.allclose(same(torch.tensor(x)), expected, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_output_size_of_transposed(n):
    layer = getattr(nn, f"ConvTranspose{n}d")(2, 3, 3, stride=3, padding=1)
    x = torch.ones(2, 2, *[4] * n)
    for size in (10, 11, 12):
        assert layer(x, output_size=[size] * n).shape == (2, 3, *[size] * n)
        assert layer(x, output_size=(2, 3, *[size] * n)).shape == (2, 3, *[size] * n)
        assert layer(x[0], [size] * n).shape == (3, *[size] * n)
    with pytest.raises(ValueError, match=r"valid sizes range from \[10.* to \[12"):
        layer(x, output_size=[13] * n)
    with pytest.raises(ValueError, match="output_size must have"):
        layer(x, output_size=[10] * (n + 1))


@pytest.mark.parametrize("name", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_lazy_layers_become_what_they_are(n, name):
    x = torch.ones(2, 4, *[5] * n)
    plain = getattr(nn, f"{name}{n}d")
    for bias in (True, False):
        lazy = getattr(nn, f"Lazy{name}{n}d")(6, 3, groups=2, stride=2, bias=bias)
        assert isinstance(lazy, plain) and lazy.has_uninitialized_params()
        torch.manual_seed(0)
        lazy(x[0] if bias else x)
        torch.manual_seed(0)
        expected = plain(4, 6, 3, groups=2, stride=2, bias=bias)
        assert type(lazy) is plain and repr(lazy) == repr(expected)
        for a, b in zip(lazy.parameters(), expected.parameters(), strict=True):
            assert torch.equal(a, b)
        loaded = getattr(nn, f"Lazy{name}{n}d")(6, 3, groups=2, stride=2, bias=bias)
        loaded.load_state_dict(expected.state_dict())
        assert torch.equal(loaded(x), expected(x))
    lazy = getattr(nn, f"Lazy{name}{n}d")(6, 3, groups=2)
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        lazy(torch.ones(2, 3, *[5] * n))
    with pytest.raises(RuntimeError, match=f"{n + 1}D .unbatched. or {n + 2}D"):
        lazy(torch.ones(5))


def test_reprs():
    assert repr(nn.Conv1d(2, 4, 3, padding="same")) == (
        "Conv1d(2, 4, kernel_size=(3,), stride=(1,), padding=same)"
    )
    assert repr(nn.ConvTranspose3d(2, 4, 3, 2, 1, 1, 2, False)) == (
        "ConvTranspose3d(2, 4, kernel_size=(3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1), "
        "output_padding=(1, 1, 1), groups=2, bias=False)"
    )
    assert repr(nn.Unfold(3, padding=1)) == (
        "Unfold(kernel_size=3, dilation=1, padding=1, stride=1)"
    )
    assert repr(nn.Fold((4, 5), 3)) == (
        "Fold(output_size=(4, 5), kernel_size=3, dilation=1, padding=0, stride=1)"
    )


def test_fold_undoes_unfold_but_for_overlaps():
    x = torch.randn(2, 3, 6, 8)
    columns = nn.Unfold((2, 4), stride=(2, 4))(x)
    assert torch.equal(nn.Fold((6, 8), (2, 4), stride=(2, 4))(columns), x)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: nn.ConvTranspose1d(2, 3, 3, padding_mode="reflect"), 'Only "zeros" padding mode'),
        (lambda: nn.Conv1d(2, 3, 3, groups=2), "out_channels must be divisible by groups"),
        (lambda: nn.Conv3d(2, 3, 3, stride=2, padding="same"), "strided"),
        (lambda: nn.Conv1d(2, 3, 3, padding_mode="zero"), "padding_mode must be one of"),
    ],
)
def test_errors(make, text):
    with pytest.raises(ValueError, match=text):
        make()
