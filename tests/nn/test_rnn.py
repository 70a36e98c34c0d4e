"""Recurrent layers and cells, against the equations in NumPy."""

import copy
import io
import pickle

import numpy as np
import pytest
from scipy.special import expit

import flambeau
from flambeau import nn
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.nn.utils import rnn as packing


def step(kind, x, h, c, w):
    """One step in NumPy: the new hidden and cell state."""
    a = x @ w["weight_ih"].T + w.get("bias_ih", 0)
    b = h @ w["weight_hh"].T + w.get("bias_hh", 0)
    if kind == "LSTM":
        i, f, g, o = np.split(a + b, 4, -1)
        c = expit(f) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
        return (h @ w["weight_hr"].T if "weight_hr" in w else h), c
    if kind == "GRU":
        (ar, az, an), (br, bz, bn) = np.split(a, 3, -1), np.split(b, 3, -1)
        n, z = np.tanh(an + expit(ar + br) * bn), expit(az + bz)
        return (1 - z) * n + z * h, c
    return (np.maximum(a + b, 0) if kind == "relu" else np.tanh(a + b)), c


def expected(kind, layer, x, h, c):
    """Output and states of one sequence (steps, features)."""
    params = {k: v.detach().numpy() for k, v in layer.named_parameters()}
    hs, cs = [], []
    for index in range(layer.num_layers):
        outs = []
        for d, suffix in enumerate(("", "_reverse")[: 1 + layer.bidirectional]):
            ending = f"_l{index}{suffix}"
            w = {
                k.removesuffix(ending): v
                for k, v in params.items()
                if k.endswith(ending) and (suffix or not k.endswith("_reverse"))
            }
            at = len(hs)
            now_h, now_c, out = h[at], c[at], []
            for row in x[::-1] if d else x:
                now_h, now_c = step(kind, row, now_h, now_c, w)
                out.append(now_h)
            hs.append(now_h)
            cs.append(now_c)
            outs.append(np.stack(out[::-1] if d else out))
        x = np.concatenate(outs, -1)
    return x, np.stack(hs), np.stack(cs)


def rand(*sizes):
    return flambeau.rand(*sizes, dtype=flambeau.float64) - 0.5


OPTIONS = [
    {},
    {"bidirectional": True},
    {"num_layers": 3, "bidirectional": True, "batch_first": True},
    {"bias": False, "num_layers": 2},
]
KINDS = ["LSTM", "GRU", "RNN"]


def case(kind, lengths, sizes=(5, 6), **options):
    """A layer with input and states, and what the equations give for each sequence."""
    flambeau.manual_seed(0)
    layer = getattr(nn, kind)(*sizes, dtype=flambeau.float64, **options)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    batch, steps = len(lengths), max(lengths)
    x = rand(batch, steps, sizes[0])
    h, c = rand(count, batch, layer.proj_size or sizes[1]), rand(count, batch, sizes[1])
    name = layer.nonlinearity if kind == "RNN" else kind
    wanted = [
        expected(name, layer, x[i, :n].numpy(), h[:, i].numpy(), c[:, i].numpy())
        for i, n in enumerate(lengths)
    ]
    state = (h, c) if kind == "LSTM" else h
    return layer, x, state, wanted


def states_of(kind, state):
    return state if kind == "LSTM" else (state,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_layers_follow_the_equations(kind, options):
    layer, x, state, wanted = case(kind, [4, 4, 4], **options)
    y, after = layer(x if layer.batch_first else x.transpose(0, 1), state)
    y = y if layer.batch_first else y.transpose(0, 1)
    for i, parts in enumerate(wanted):
        np.testing.assert_allclose(y[i].detach().numpy(), parts[0], atol=1e-14)
        for t, e in zip(states_of(kind, after), parts[1:], strict=False):
            np.testing.assert_allclose(t[:, i].detach().numpy(), e, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_packed_sequences_follow_the_equations(kind, options):
    lengths = [3, 5, 1, 5, 2]
    layer, x, state, wanted = case(kind, lengths, **options)
    packed = packing.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, after = layer(packed, state)
    for i, sequence in enumerate(packing.unpack_sequence(y)):
        np.testing.assert_allclose(sequence.detach().numpy(), wanted[i][0], atol=1e-14)
        for t, e in zip(states_of(kind, after), wanted[i][1:], strict=False):
            np.testing.assert_allclose(t[:, i].detach().numpy(), e, atol=1e-14)


def test_projections_and_relu_follow_the_equations():
    for kind, options in (
        ("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True}),
        ("RNN", {"nonlinearity": "relu"}),
    ):
        layer, x, state, wanted = case(kind, [4, 4], **options)
        y = layer(x.transpose(0, 1), state)[0]
        np.testing.assert_allclose(y[:, 1].detach().numpy(), wanted[1][0], atol=1e-14)


# Sizes at which rows, units or neither are shared among threads.
@pytest.mark.parametrize("batch, units, steps", [(1, 300, 3), (37, 70, 5), (3, 130, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_large_layers_follow_the_equations_with_the_same_bits(kind, batch, units, steps):
    threads = flambeau.get_num_threads()
    made = []
    try:
        for count in (1, 2, 5):
            flambeau.set_num_threads(count)
            layer, x, state, wanted = case(kind, [steps] * batch, (9, units))
            y, _ = layer(x.transpose(0, 1), state)
            np.testing.assert_allclose(y[:, -1].detach().numpy(), wanted[-1][0], atol=1e-12)
            y.sin().sum().backward()
            made.append([y.detach(), *(p.grad for p in layer.parameters())])
    finally:
        flambeau.set_num_threads(threads)
    for other in made[1:]:
        assert all(flambeau.equal(a, b) for a, b in zip(made[0], other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_first_and_second_gradients(kind, packed):
    options = {"bidirectional": True} | ({"proj_size": 2} if kind == "LSTM" else {})
    layer = getattr(nn, kind)(2, 3, dtype=flambeau.float64, **options)
    x, h, c = rand(3, 2, 2), rand(2, 2, layer.proj_size or 3), rand(2, 2, 3)
    states = (h, c) if kind == "LSTM" else (h,)

    def run(x, *rest):
        given = packing.pack_padded_sequence(x, [3, 2]) if packed else x
        state = rest[: len(states)]
        y, after = layer(given, state if kind == "LSTM" else state[0])
        return y.data if packed else y, *states_of(kind, after)

    inputs = tuple(t.requires_grad_() for t in (x, *states)) + tuple(layer.parameters())
    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_follow_the_equations(kind):
    flambeau.manual_seed(0)
    cell = getattr(nn, f"{kind}Cell")(2, 3, dtype=flambeau.float64)
    w = {k: v.detach().numpy() for k, v in cell.named_parameters()}
    x, h, c = rand(4, 2), rand(4, 3), rand(4, 3)
    made = cell(x, (h, c) if kind == "LSTM" else h)
    wanted = step(kind, x.numpy(), h.numpy(), c.numpy(), w)
    for t, e in zip(states_of(kind, made), wanted, strict=False):
        np.testing.assert_allclose(t.detach().numpy(), e, atol=1e-14)
    flat = cell(x[0], (h[0], c[0]) if kind == "LSTM" else h[0])
    assert flambeau.equal(states_of(kind, flat)[0], states_of(kind, made)[0][0])
    assert states_of(kind, cell(x))[0].shape == (4, 3)
    inputs = [t.requires_grad_() for t in (x, h, c)[: 3 if kind == "LSTM" else 2]]
    one = (lambda x, h, c: cell(x, (h, c))) if kind == "LSTM" else cell
    assert gradcheck(one, inputs)
    assert gradgradcheck(one, inputs)


def test_a_loop_of_cells_is_the_layer():
    flambeau.manual_seed(0)
    layer, cell = nn.LSTM(3, 4), nn.LSTMCell(3, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = flambeau.randn(5, 2, 3)
    state = None
    for t in range(5):
        state = cell(x[t], state)
    state[0].sum().backward()
    y, (h, c) = layer(x)
    y[-1].sum().backward()
    flambeau.testing.assert_close(h[0], state[0])
    flambeau.testing.assert_close(c[0], state[1])
    for a, b in zip(layer.parameters(), cell.parameters(), strict=True):
        flambeau.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [flambeau.bfloat16, flambeau.float16])
def test_halves_are_computed_in_float(kind, dtype):
    flambeau.manual_seed(0)
    layer = getattr(nn, kind)(3, 4, 2, bidirectional=True).to(dtype)
    x = flambeau.randn(5, 2, 3, dtype=dtype)
    y = layer(x)[0]
    y.float().sum().backward()
    wide = copy.deepcopy(layer).float()
    wide.zero_grad()
    z = wide(x.float())[0]
    z.sum().backward()
    assert y.dtype == dtype
    flambeau.testing.assert_close(y.float(), z, rtol=0.02, atol=0.02)
    for a, b in zip(layer.parameters(), wide.parameters(), strict=True):
        assert a.grad.dtype == dtype
        flambeau.testing.assert_close(a.grad.float(), b.grad, rtol=0.05, atol=0.05)


def test_unbatched_input_is_a_batch_of_one():
    for kind in KINDS:
        for batch_first in (False, True):
            layer = getattr(nn, kind)(3, 4, 2, batch_first=batch_first)
            x = flambeau.randn(5, 3)
            y, state = layer(x)
            z, others = layer(x.unsqueeze(0 if batch_first else 1))
            assert flambeau.equal(y, z.squeeze(0 if batch_first else 1))
            again = layer(x, state)[0]
            assert again.shape == (5, 4)
            for a, b in zip(states_of(kind, state), states_of(kind, others), strict=True):
                assert a.shape == (2, 4) and flambeau.equal(a, b.squeeze(1))


def test_dropout_between_layers_is_of_training_alone():
    flambeau.manual_seed(0)
    layer = nn.GRU(3, 4, 2, dropout=0.5)
    x = flambeau.randn(5, 2, 3)
    assert not flambeau.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert flambeau.equal(layer(x)[0], layer(x)[0])
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(3, 4, dropout=0.5)


def test_empty_batches_and_steps():
    for kind in KINDS:
        layer = getattr(nn, kind)(3, 4)
        y, state = layer(flambeau.randn(5, 0, 3, requires_grad=True))
        assert y.shape == (5, 0, 4) and states_of(kind, state)[0].shape == (1, 0, 4)
        y.sum().backward()
        assert layer.weight_ih_l0.grad.abs().sum() == 0


def test_names_and_text():
    layer = nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True, batch_first=True, dropout=0.5)
    assert repr(layer) == (
        "LSTM(3, 4, proj_size=2, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True)"
    )
    assert list(layer.state_dict())[-5:] == [
        f"{name}_l1_reverse"
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    ]
    assert [p.shape for p in layer.all_weights[2]] == [(16, 4), (16, 2), (16,), (16,), (2, 4)]
    assert repr(nn.RNNCell(3, 4, bias=False, nonlinearity="relu")) == (
        "RNNCell(3, 4, bias=False, nonlinearity=relu)"
    )
    assert repr(nn.GRU(3, 4, bias=False)) == "GRU(3, 4, bias=False)"


@pytest.mark.parametrize("kind", [*KINDS, "LSTMCell", "GRUCell", "RNNCell"])
def test_copies_and_pickles(kind):
    layer = getattr(nn, kind)(3, 4)
    x = flambeau.randn(5, 2, 3) if kind in KINDS else flambeau.randn(2, 3)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        a, b = layer(x), other(x)
        assert flambeau.equal(a[0], b[0])
        assert all(p is not q for p, q in zip(layer.parameters(), other.parameters()))
    file = io.BytesIO()
    flambeau.save(layer.state_dict(), file)
    file.seek(0)
    getattr(nn, kind)(3, 4).load_state_dict(flambeau.load(file))


def test_a_parameter_that_was_replaced_is_used():
    layer = nn.RNN(3, 4)
    x = flambeau.randn(5, 2, 3)
    layer.weight_ih_l0 = nn.Parameter(flambeau.zeros(4, 3))
    layer.bias_ih_l0 = nn.Parameter(flambeau.zeros(4))
    flambeau.testing.assert_close(layer(x)[0], layer(x * 2)[0])
    layer.double()
    assert layer(x.double())[0].dtype == flambeau.float64
    assert all(a is b for a, b in zip(layer._flat_weights, layer.parameters(), strict=True))


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: nn.LSTM(3, 4)(flambeau.ones(2, 2, 5)), RuntimeError, "Expected 3, got 5"),
        (lambda: nn.GRU(3, 4)(flambeau.ones(2)), ValueError, "GRU: Expected input to be 2D or 3D"),
        (lambda: nn.GRU(3, 4)(flambeau.ones(2, 2, 3).double()), ValueError, "float64.*float32"),
        (
            lambda: nn.GRU(3, 4)(flambeau.ones(2, 2, 3), flambeau.ones(1, 3, 4)),
            RuntimeError,
            r"hidden size \(1, 2, 4\), got \[1, 3, 4\]",
        ),
        (
            lambda: nn.LSTM(3, 4)(flambeau.ones(2, 3), [flambeau.ones(1, 2, 4)] * 2),
            RuntimeError,
            "unbatched 2-D",
        ),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "proj_size argument is only"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "Unknown nonlinearity 'gelu'"),
        (lambda: nn.LSTM(3.0, 4), TypeError, "input_size should be of type int"),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "range"),
        (lambda: nn.LSTMCell(3, 4)(flambeau.ones(2, 5)), RuntimeError, "got 5 expected 3"),
        (
            lambda: nn.RNNCell(3, 4)(flambeau.ones(1, 2, 3)),
            ValueError,
            "RNNCell: Expected input to be 1D or 2D, got 3D",
        ),
        (
            lambda: nn.GRUCell(3, 4)(flambeau.ones(2, 3), flambeau.ones(2, 5)),
            RuntimeError,
            "gru_cell.*got 5, expected 4",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


# ---- packing


def test_packing_and_back():
    sequences = [rand(n, 2) for n in (2, 5, 1)]
    packed = packing.pack_sequence(sequences, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.unsorted_indices.tolist() == [1, 0, 2]
    for a, b in zip(packing.unpack_sequence(packed), sequences, strict=True):
        assert flambeau.equal(a, b)
    padded, lengths = packing.pad_packed_sequence(packed, padding_value=-1, total_length=6)
    assert padded.shape == (6, 3, 2) and lengths.tolist() == [2, 5, 1]
    assert (padded[5] == -1).all() and (padded[1, 2] == -1).all()
    assert packing.invert_permutation(None) is None


def test_gradients_through_packing():
    x = rand(4, 3, 2).requires_grad_()

    def run(x):
        packed = packing.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
        return packing.pad_packed_sequence(packed)[0] ** 2, packed.data.sin()

    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))
    parts = [rand(n).requires_grad_() for n in (2, 3)]
    assert gradcheck(lambda *p: packing.pad_sequence(p, padding_side="left"), parts)


def test_a_packed_sequence_is_converted_with_its_data():
    packed = packing.pack_sequence([flambeau.ones(2), flambeau.ones(1)])
    assert packed.float() is packed
    assert packed.double().data.dtype == flambeau.float64
    assert packed.to(flambeau.float16).batch_sizes is packed.batch_sizes
    assert packed.cpu() is packed and not packed.is_cuda
    other = pickle.loads(pickle.dumps(packed))
    assert type(other) is packing.PackedSequence and flambeau.equal(other.data, packed.data)


def test_what_cannot_be_packed_is_refused():
    x = flambeau.ones(3, 2)
    for lengths, words in (
        ([1, 3], "must be sorted in decreasing order"),
        ([3, 0], "greater than 0"),
        ([3], r"len\(lengths\)"),
        ([4, 1], "Expected sequences of 4 steps"),
    ):
        with pytest.raises(RuntimeError, match=words):
            packing.pack_padded_sequence(x, lengths)
    with pytest.raises(RuntimeError, match="empty"):
        packing.pack_padded_sequence(flambeau.ones(0, 2), [1, 1])
    with pytest.raises(ValueError, match="total_length=1"):
        packing.pad_packed_sequence(packing.pack_padded_sequence(x, [3, 1]), total_length=1)
    with pytest.raises(RuntimeError, match="left or right, but got up"):
        packing.pad_sequence([x], padding_side="up")
    with pytest.raises(RuntimeError, match="empty list"):
        packing.pad_sequence([])
