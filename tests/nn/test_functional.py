"""Layers and losses against NumPy."""

import pickle

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.ops.language import ops
from flambeau.ops.record import load

rng = np.random.default_rng(0)


def random(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def tensor(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def close(result, expected, tol=1e-5):
    np.testing.assert_allclose(result.detach().numpy(), expected, rtol=tol, atol=tol)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def test_linear_and_bilinear():
    x, y, w, b = random(2, 5, 3), random(2, 5, 4), random(6, 3), random(6)
    close(F.linear(tensor(x), tensor(w), tensor(b)), x @ w.T + b)
    v = random(6, 3, 4)
    expected = np.einsum("...i,oij,...j->...o", x, v, y) + b
    close(F.bilinear(tensor(x), tensor(y), tensor(v), tensor(b)), expected)
    with pytest.raises(RuntimeError, match="bilinear: weight"):
        F.bilinear(tensor(y), tensor(x), tensor(v))


def conv2d(x, w, stride, dilation):
    out_h, out_w = (
        (x.shape[2 + i] - dilation * (w.shape[2 + i] - 1) - 1) // stride + 1 for i in (0, 1)
    )
    result = np.zeros((x.shape[0], w.shape[0], out_h, out_w), np.float32)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            rows = slice(i * dilation, i * dilation + stride * (out_h - 1) + 1, stride)
            cols = slice(j * dilation, j * dilation + stride * (out_w - 1) + 1, stride)
            result += np.einsum("nchw,oc->nohw", x[:, :, rows, cols], w[:, :, i, j])
    return result


@pytest.mark.parametrize(
    "mode, np_mode",
    [("zeros", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")],
)
def test_conv2d_padding_modes(mode, np_mode):
    layer = nn.Conv2d(3, 4, (3, 2), padding=(2, 1), dilation=2, padding_mode=mode)
    x = random(2, 3, 7, 8)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1)), mode=np_mode)
    expected = conv2d(padded, layer.weight.detach().numpy(), 1, 2)
    close(layer(tensor(x)), expected + layer.bias.detach().numpy()[:, None, None], 1e-4)


def test_conv2d_same_and_valid():
    x = random(1, 2, 6, 5)
    same = nn.Conv2d(2, 3, (4, 3), padding="same", bias=False)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 1)))
    close(same(tensor(x)), conv2d(padded, same.weight.detach().numpy(), 1, 1), 1e-4)
    valid = nn.Conv2d(2, 3, 3, padding="valid", stride=2, bias=False)
    close(valid(tensor(x)), conv2d(x, valid.weight.detach().numpy(), 2, 1), 1e-4)


def test_layer_norm():
    layer = nn.LayerNorm((3, 4), eps=1e-3)
    with flambeau.no_grad():
        layer.weight.copy_(tensor(random(3, 4)))
        layer.bias.copy_(tensor(random(3, 4)))
    x = random(5, 3, 4)
    mean, var = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    expected = (x - mean) / np.sqrt(var + 1e-3) * layer.weight.detach().numpy()
    close(layer(tensor(x)), expected + layer.bias.detach().numpy())


def test_activations():
    x = random(4, 5)
    close(nn.ReLU()(tensor(x)), np.maximum(x, 0))
    close(nn.SiLU()(tensor(x)), x / (1 + np.exp(-x)))
    close(nn.Sigmoid()(tensor(x)), 1 / (1 + np.exp(-x)))
    close(nn.Tanh()(tensor(x)), np.tanh(x))
    close(nn.Softmax(0)(tensor(x)), softmax(x, 0))
    close(nn.LogSoftmax(1)(tensor(x)), np.log(softmax(x, 1)))
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    close(nn.GELU("tanh")(tensor(x)), 0.5 * x * (1 + np.tanh(inner)))
    assert F.softmax(tensor(x), 1, dtype=flambeau.float64).dtype == flambeau.float64
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        close(F.softmax(tensor(x)), softmax(x, 1))
    for function in (F.relu, F.silu):
        value = tensor(x)
        assert function(value, inplace=True) is value


def test_dropout():
    flambeau.manual_seed(0)
    x = flambeau.ones(10_000)
    dropped = F.dropout(x, 0.25)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert flambeau.equal(nn.Dropout(0.9).eval()(x), x)
    inplace = flambeau.ones(100)
    assert nn.Dropout(1.0, inplace=True)(inplace) is inplace and float(inplace.sum()) == 0


def test_embedding():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4 and float(layer.weight[4].abs().sum()) == 0
    index = flambeau.tensor([[1, 4], [1, 0]])
    close(layer(index), layer.weight.detach().numpy()[index.numpy()])
    layer(index).sum().backward()
    assert layer.weight.grad[:, 0].tolist() == [1, 2, 0, 0, 0]
    table = flambeau.full((3, 2), 3.0)
    short = F.embedding(flambeau.tensor([0]), table, max_norm=1.0)
    assert float(short.norm()) == pytest.approx(1, abs=1e-5)
    assert table[0].tolist() == short[0].tolist() and table[1].tolist() == [3.0, 3.0]
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad and (frozen.num_embeddings, frozen.embedding_dim) == (
        3,
        2,
    )


def test_shapes():
    x = flambeau.arange(24.0).view(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12) and nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, -1))(nn.Flatten()(x)).shape == (2, 3, 4)


def test_max_pool2d():
    x = random(1, 2, 4, 6)
    expected = x.reshape(1, 2, 2, 2, 3, 2).max((3, 5))
    close(nn.MaxPool2d(2)(tensor(x)), expected)
    values, positions = F.max_pool2d(tensor(x), 2, return_indices=True)
    flat = x.reshape(1, 2, 24)
    np.testing.assert_array_equal(
        np.take_along_axis(flat, positions.numpy().reshape(1, 2, 6), 2).reshape(1, 2, 2, 3),
        values.numpy(),
    )


def test_cross_entropy():
    x, target = random(6, 4), rng.integers(0, 4, 6)
    logs = np.log(softmax(x, 1))
    each = -logs[np.arange(6), target]
    args = tensor(x), tensor(target)
    close(F.cross_entropy(*args), each.mean())
    close(F.cross_entropy(*args, reduction="sum"), each.sum())
    close(F.cross_entropy(*args, reduction="none"), each)
    weight = np.array([1, 2, 0.5, 0], np.float32)
    weighted = each * weight[target]
    close(nn.CrossEntropyLoss(tensor(weight))(*args), weighted.sum() / weight[target].sum())
    kept = target != 2
    close(F.cross_entropy(*args, ignore_index=2), each[kept].mean())
    smooth = 0.9 * each - 0.1 * logs.mean(1)
    close(F.cross_entropy(*args, label_smoothing=0.1), smooth.mean())
    probabilities = softmax(random(6, 4), 1)
    close(F.cross_entropy(tensor(x), tensor(probabilities)), -(probabilities * logs).sum(1).mean())
    close(F.nll_loss(tensor(logs), tensor(target)), each.mean())


def test_mse():
    x, y, w = random(3, 4), random(3, 4), rng.random((3, 4)).astype(np.float32)
    close(nn.MSELoss()(tensor(x), tensor(y)), ((x - y) ** 2).mean())
    weighted = w * (x - y) ** 2
    close(F.mse_loss(tensor(x), tensor(y), weight=tensor(w)), weighted.sum() / w.sum())
    with pytest.warns(UserWarning, match="different to the input size"):
        close(F.mse_loss(tensor(x), tensor(y[0])), ((x - y[0]) ** 2).mean())
    with pytest.raises(ValueError, match="same size"):
        F.mse_loss(tensor(x), tensor(y), weight=tensor(w[0]))
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(tensor(x), tensor(y), reduction="other")
    with pytest.warns(UserWarning, match="reduction='sum'"):
        close(nn.MSELoss(size_average=False)(tensor(x), tensor(y)), ((x - y) ** 2).sum())


@pytest.mark.parametrize(
    "mode, np_mode",
    [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")],
)
def test_pad(mode, np_mode):
    x = random(2, 4, 5)
    close(F.pad(tensor(x), (2, 1), mode), np.pad(x, ((0, 0), (0, 0), (2, 1)), mode=np_mode))
    grown = F.pad(tensor(x), (2, 1, 0, 3), mode)
    close(grown, np.pad(x, ((0, 0), (0, 3), (2, 1)), mode=np_mode))
    leaf = tensor(x).requires_grad_()
    F.pad(leaf, (2, 1), mode).sum().backward()
    # each element counts as often as it appears
    assert float(leaf.grad.sum()) == (x.size if mode == "constant" else 8 * 8)


def test_pad_cuts_off():
    x = random(3, 5)
    close(F.pad(tensor(x), (-1, -2), value=3.0), x[:, 1:-2])
    close(
        F.pad(tensor(x), (-1, 1), value=3.0), np.pad(x[:, 1:], ((0, 0), (0, 1)), constant_values=3)
    )
    with pytest.raises(RuntimeError, match="negative size"):
        F.pad(tensor(x), (-3, -3))


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Linear(3, 2), (4, 3)),
        (nn.LayerNorm(3), (4, 3)),
        (nn.Conv2d(2, 3, 2), (1, 2, 4, 4)),
        (nn.GELU(), (4, 3)),
        (nn.Softmax(1), (4, 3)),
        (nn.MaxPool2d(2), (1, 2, 4, 4)),
    ],
)
def test_gradients_by_differences(layer, shape):
    layer.double()
    x = tensor(rng.standard_normal(shape)).requires_grad_()
    weight = tensor(rng.standard_normal(tuple(layer(x).shape)))
    (layer(x) * weight).sum().backward()
    for target in (x, *layer.parameters()):
        flat, grad = target.detach().view(-1), target.grad.view(-1)
        for i in range(0, flat.numel(), max(1, flat.numel() // 5)):
            old, ends = float(flat[i]), []
            for step in (1e-6, -1e-6):
                flat[i] = old + step
                ends.append(float((layer(x) * weight).sum()))
            flat[i] = old
            assert float(grad[i]) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_functions_have_one_name_wherever_they_are_written():
    for name in F.__all__:
        function = getattr(F, name)
        assert not function.__module__.startswith("flambeau.nn.functional."), name
        assert pickle.loads(pickle.dumps(function)) is function
    assert F.softmax.__module__ == "flambeau.nn.functional"
    # To checkers the module has no more names; programs find some others as well.
    listed = {name for name in dir(F) if not name.startswith("_")} - {"TYPE_CHECKING"}
    assert listed == set(F.__all__)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, flambeau.ones(3)])
def test_cross_entropy_of_nothing(smoothing, weight):
    x = flambeau.rand(0, 3)
    options = {"label_smoothing": smoothing, "weight": weight}
    for target in (flambeau.rand(0, 3), flambeau.zeros(0, dtype=flambeau.int64)):
        assert F.cross_entropy(x, target, **options).isnan()
        assert F.cross_entropy(x, target, reduction="sum", **options) == 0
        assert F.cross_entropy(x, target, reduction="none", **options).shape == (0,)
    plane = flambeau.rand(2, 3, 0)
    assert F.cross_entropy(plane, plane, **options).isnan()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_no_classes(smoothing):
    body = next(r.function for r in load() if r.schema.full_name == "cross_entropy_loss")
    x, chosen = flambeau.zeros(2, 0), flambeau.full((2,), -100)
    share = float("nan") if smoothing else 0.0  # each class has infinitely much
    for mean, each, target in ((float("nan"), -0.0, x), (float("nan"), share, chosen)):
        for reduction, number in ((1, mean), (2, each), (0, each)):
            wanted = [number] * 2 if reduction == 0 else number
            options = (x, target, None, reduction, -100, smoothing)
            in_python = body(*options, ops)
            assert str(flambeau._C._nn.cross_entropy_loss(*options).tolist()) == str(wanted)
            assert str(in_python.tolist()) == str(wanted)


def test_reductions_are_refused_by_number():
    x = flambeau.rand(2, 3)
    calls = {
        "cross_entropy": lambda n: flambeau._C._nn.cross_entropy_loss(x, x, None, n),
        "mse_loss": lambda n: flambeau._C._nn.mse_loss(x, x, n),
    }
    for name, call in calls.items():
        for number in (-1, 3):
            with pytest.raises(ValueError, match=f"^{name}: {number} is not a valid value"):
                call(number)
