"""Recurrent layers and cells against PyTorch: numbers under a seed, states and gradients."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 3, "dropout": 0.5},
    {"bias": False},
]
TOLERANCE = {"float32": 3e-6, "float64": 1e-12, "bfloat16": 4e-2}


def numbers(lib, kind, options, dtype, packed):
    lib.manual_seed(0)
    element = getattr(lib, dtype)
    net = getattr(lib.nn, kind)(5, 6, dtype=element, **options)
    first = options.get("batch_first", False)
    x = lib.randn(*((3, 4, 5) if first else (4, 3, 5)), dtype=element).requires_grad_()
    given = x
    if packed:
        given = lib.nn.utils.rnn.pack_padded_sequence(
            x, [2, 4, 1], batch_first=first, enforce_sorted=False
        )
    y, state = net(given)
    if packed:
        y = lib.nn.utils.rnn.pad_packed_sequence(y)[0]
    outs = [y, *(state if isinstance(state, tuple) else (state,))]
    sum((t.double() * t.double().cos()).sum() for t in outs).backward()
    return [
        t.detach().double().numpy() for t in [*outs, x.grad, *(p.grad for p in net.parameters())]
    ]


def compare(kind, options, dtype, packed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = numbers(torch, kind, options, dtype, packed)
    ours = numbers(flambeau, kind, options, dtype, packed)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(b).max()))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_layers(kind, options, dtype, packed):
    compare(kind, options, dtype, packed)


def test_projections_and_relu():
    compare("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True}, "float32", True)
    compare("RNN", {"nonlinearity": "relu"}, "float32", False)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_cells(kind):
    def run(lib):
        lib.manual_seed(0)
        cell = getattr(lib.nn, kind)(5, 6)
        x, state = lib.randn(3, 5, requires_grad=True), None
        for _ in range(4):
            state = cell(x, state)
        h = state[0] if isinstance(state, tuple) else state
        (h * h.cos()).sum().backward()
        return [t.detach().numpy() for t in [h, x.grad, *(p.grad for p in cell.parameters())]]

    for a, b in zip(run(flambeau), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)


def test_state_dicts_and_text_travel():
    for kind in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"):
        ours, theirs = (getattr(lib.nn, kind)(3, 4) for lib in (flambeau, torch))
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
