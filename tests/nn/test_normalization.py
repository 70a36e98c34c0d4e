"""Layers that normalise, against their definitions in NumPy."""

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

SHAPES = [(5, 4), (3, 4, 7), (3, 4, 6, 5), (2, 4, 3, 5, 2), (3, 70, 9), (2, 3, 300, 250), (40, 70)]


def drawn(*shape, dtype="float32"):
    values = np.random.default_rng(sum(shape)).standard_normal(shape) * 2 + 3
    return torch.tensor(values).to(getattr(torch, dtype))


def over(x, axes, weight=None, bias=None, eps=1e-5):
    x = np.asarray(x.detach().double().numpy())
    out = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    out = out if weight is None else out * weight.detach().double().numpy().reshape(shape)
    return out if bias is None else out + bias.detach().double().numpy().reshape(shape)


def close(got, want, tolerance=2e-5):
    got = got.detach().double().numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * max(1, np.abs(want).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_batch_norm(shape, last, dtype):
    x = drawn(*shape, dtype=dtype)
    if last and x.dim() in (4, 5):
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        x = x.contiguous(memory_format=formats[x.dim()])
    elif last:
        x = torch.stack([x, x], -1)[..., 0]
    n = shape[1]
    w, b = drawn(n), drawn(n) - 3
    mean, variance = torch.zeros(n), torch.ones(n)
    axes = tuple(d for d in range(x.dim()) if d != 1)
    if dtype == "float64":
        w, b, mean, variance = (t.double() for t in (w, b, mean, variance))
    got = F.batch_norm(x, mean, variance, w, b, training=True, momentum=0.25)
    tolerance = {"bfloat16": 1e-2, "float16": 2e-3}.get(dtype, 2e-5)
    close(got, over(x, axes, w, b), tolerance)
    assert got.dtype == x.dtype and got.stride() == torch.empty_like(x).stride()
    wide = x.double().numpy()
    close(mean, 0.25 * wide.mean(axes))
    close(variance, 0.75 + 0.25 * wide.var(axes, ddof=1))
    still = F.batch_norm(x, mean, variance, w, b)
    shape = (1, -1) + (1,) * (x.dim() - 2)
    scale = (w / (variance + 1e-5).sqrt()).double().numpy().reshape(shape)
    want = (wide - mean.double().numpy().reshape(shape)) * scale
    close(still, want + b.double().numpy().reshape(shape), tolerance)


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2, 2), (2, 3, 260, 260)])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_batch_norm(shape, training):
    n = shape[1]
    x = drawn(*shape, dtype="float64").requires_grad_()
    w, b = (drawn(n, dtype="float64").requires_grad_() for _ in range(2))
    mean, variance = torch.zeros(n).double(), torch.ones(n).double()

    def norm(x, w, b):
        return F.batch_norm(x, mean.clone(), variance.clone(), w, b, training)

    def defined(x, w, b):
        axes = [d for d in range(x.dim()) if d != 1]
        view = (1, -1) + (1,) * (x.dim() - 2)
        m = x.mean(axes, True) if training else mean.view(view)
        v = ((x - m) ** 2).mean(axes, True) if training else variance.view(view)
        return (x - m) / (v + 1e-5).sqrt() * w.view(view) + b.view(view)

    weights = drawn(*shape, dtype="float64").cos()
    for create in (False, True):
        found = [
            torch.autograd.grad((f(x, w, b) * weights).sum(), (x, w, b), create_graph=create)
            for f in (norm, defined)
        ]
        for got, want in zip(*found):
            torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-8)
    second = [
        torch.autograd.grad(sum((g * g.detach().cos()).sum() for g in grads), (x, w))
        for grads in found
    ]
    for got, want in zip(*second):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-7)


def test_second_gradients_by_differences():
    x = drawn(3, 4, 2, dtype="float64").requires_grad_()
    w = drawn(4, dtype="float64").requires_grad_()
    row = drawn(3, 4, 2, dtype="float64").requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda x, w: F.batch_norm(x, None, None, w, None, True), (x, w)
    )
    assert torch.autograd.gradgradcheck(lambda x, w: F.group_norm(x, 2, w), (x, w))
    assert torch.autograd.gradgradcheck(F.instance_norm, (row,))
    assert torch.autograd.gradgradcheck(lambda x: F.rms_norm(x, (4, 2)), (x,))
    shared = drawn(2, dtype="float64").requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, w: F.rms_norm(x, (2,), w, 1e-3), (x, shared))


def test_numbers_beyond_the_squares_of_floats():
    x = torch.tensor([[1e30], [3e30]])
    close(F.batch_norm(x, None, None, training=True), np.array([[-1.0], [1.0]]))
    close(F.rms_norm(torch.tensor([[1e30, 7e30]]), (2,)), np.array([[0.2, 1.4]]))


def test_running_statistics_are_the_average_without_momentum():
    layer = nn.BatchNorm1d(3, momentum=None)
    batches = [drawn(8, 3) + i for i in range(4)]
    for batch in batches:
        layer(batch)
    assert layer.num_batches_tracked == 4
    close(layer.running_mean, np.mean([b.double().numpy().mean(0) for b in batches], 0))
    layer.eval()
    layer(batches[0])
    assert layer.num_batches_tracked == 4


def test_without_statistics_the_batch_counts_in_evaluation_too():
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False).eval()
    assert list(layer.state_dict()) == []
    x = drawn(8, 3)
    close(layer(x), over(x, 0))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5), (2, 4, 5, 3), (2, 64, 40, 30)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_group_norm(shape, last, dtype):
    x = drawn(*shape, dtype=dtype)
    if last and x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    w, b = drawn(shape[1]), drawn(shape[1]) - 3
    got = nn.GroupNorm(2, shape[1])
    with torch.no_grad():
        got.weight.copy_(w)
        got.bias.copy_(b)
    split = x.reshape(shape[0], 2, -1)
    want = over(split.transpose(1, 2).contiguous(), (1,)).swapaxes(1, 2).reshape(shape)
    view = (1, -1) + (1,) * (x.dim() - 2)
    want = want * w.double().numpy().reshape(view) + b.double().numpy().reshape(view)
    close(got(x), want, 1e-2 if dtype == "bfloat16" else 2e-5)


def test_instance_norm():
    x = drawn(3, 4, 6, 5)
    layer = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
    close(layer(x), over(x, (2, 3)))
    wide = x.double().numpy()
    close(layer.running_mean, 0.1 * wide.mean((2, 3)).mean(0))
    close(layer.running_var, 0.9 + 0.1 * wide.var((2, 3), ddof=1).mean(0))
    close(nn.InstanceNorm2d(4)(x[0]), over(x, (2, 3))[0])
    with pytest.warns(UserWarning, match="does not match num_features"):
        nn.InstanceNorm2d(5)(x)
    with pytest.raises(ValueError, match="num_features"):
        nn.InstanceNorm2d(5, affine=True)(x)


def test_local_response_norm():
    x = drawn(2, 5, 3, 4)
    wide = x.double().numpy()
    for layer, before, behind in (
        (nn.LocalResponseNorm(4, 0.1, 0.5, 2.0), 2, 1),
        (nn.CrossMapLRN2d(4, 0.1, 0.5, 2.0), 1, 1),
    ):
        squares = np.pad(wide**2, [(0, 0), (before, behind), (0, 0), (0, 0)])
        total = sum(squares[:, i : i + 5] for i in range(before + behind + 1))
        if before == behind:
            total[:, 2:] += wide[:, :1] ** 2
        mean = total / 4
        close(layer(x), wide / (2 + 0.1 * mean) ** 0.5)


def test_normalize():
    x = drawn(3, 4)
    close(F.normalize(x), x.double().numpy() / np.linalg.norm(x.numpy(), axis=1, keepdims=True))
    close(F.normalize(x, p=1, dim=0), x.double().numpy() / np.abs(x.numpy()).sum(0))
    out = torch.empty(3, 4)
    assert F.normalize(x, out=out) is out
    assert F.normalize(torch.zeros(2, 2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected 4D input"):
        nn.BatchNorm2d(3)(torch.ones(2, 3, 4))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm1d(3)(torch.ones(1, 3))
    with pytest.raises(ValueError, match="eps must be positive"):
        nn.BatchNorm1d(3, eps=0)(torch.ones(2, 3))
    with pytest.raises(ValueError, match="eps must be non-negative"):
        nn.BatchNorm1d(3, eps=-1).eval()(torch.ones(2, 3))
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(torch.ones(2, 3, 1))
    with pytest.raises(
        RuntimeError, match="batch_norm: running_mean should contain 3 elements not 4"
    ):
        nn.BatchNorm1d(4)(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="must be defined in evaluation mode"):
        F.batch_norm(torch.ones(2, 3), None, None)
    with pytest.raises(RuntimeError, match="divisible by num_groups"):
        F.group_norm(torch.ones(2, 3, 4), 2)
    with pytest.raises(ValueError, match="divisible by num_groups"):
        nn.GroupNorm(2, 3)
    with pytest.raises(RuntimeError, match="expected weight to be float32"):
        F.batch_norm(torch.ones(2, 3), None, None, torch.ones(3).double(), training=True)


def test_nothing_is_normalised_to_nothing():
    x = torch.zeros(0, 3, 2, requires_grad=True)
    layer = nn.BatchNorm1d(3)
    layer(x).sum().backward()
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.weight.grad.tolist() == [0, 0, 0]
    assert F.group_norm(torch.zeros(2, 4, 0), 2).shape == (2, 4, 0)


def test_conversion_to_synchronised_layers():
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.BatchNorm1d(3)))
    weight = net[1][0].weight
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert type(made[1][0]) is nn.SyncBatchNorm and made[1][0].weight is weight
    with pytest.raises(ValueError, match="expected input tensor to be on GPU"):
        made(torch.ones(2, 3))
    x = drawn(2, 3)
    fresh = nn.SyncBatchNorm(3).eval()
    close(fresh(x), x.double().numpy() / np.sqrt(1 + 1e-5))


def test_old_files_count_no_batches():
    layer, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    layer(drawn(4, 3))
    state = layer.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""].pop("version")
    other.load_state_dict(state)
    assert other.num_batches_tracked == 0
    assert torch.equal(other.running_mean, layer.running_mean)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_bits_do_not_depend_on_threads(threads):
    x, grad = drawn(6, 70, 64, 33), drawn(6, 70, 64, 33).sin()

    def bits():
        made = []
        for format in (torch.contiguous_format, torch.channels_last):
            for norm in (
                lambda x: F.batch_norm(x, None, None, training=True),
                lambda x: F.group_norm(x, 7),
            ):
                leaf = x.detach().contiguous(memory_format=format).requires_grad_()
                y = norm(leaf)
                y.backward(grad)
                made += [y.detach(), leaf.grad]
        return made

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        want = bits()
        torch.set_num_threads(threads)
        assert all(map(torch.equal, bits(), want))
    finally:
        torch.set_num_threads(before)
