"""nn.utils against PyTorch in the same process."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402


def network(lib):
    lib.manual_seed(0)
    nn = lib.nn
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    x = lib.randn(5, 3)
    net(x).pow(2).sum().backward()
    return net, x


def trained_bn(lib, make, channels):
    bn = make(channels)
    with lib.no_grad():
        for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias):
            t.copy_(lib.rand(channels) + 0.5)
    return bn.eval()


def gradients(net):
    return [p.grad for p in net.parameters()]


def clipped(order):
    def run(lib):
        net, _ = network(lib)
        total = lib.nn.utils.clip_grad_norm_(net.parameters(), 0.1, order)
        return [total, *gradients(net)]

    return run


def by_value(lib):
    net, _ = network(lib)
    lib.nn.utils.clip_grad_value_(net.parameters(), 0.01)
    return gradients(net)


def total_of_dtypes(lib):
    tensors = [lib.ones(3), lib.ones(2, dtype=lib.float64), lib.zeros(0)]
    return [lib.nn.utils.get_total_norm(tensors), lib.nn.utils.get_total_norm([])]


def vectors(lib):
    net, _ = network(lib)
    before = lib.nn.utils.parameters_to_vector(net.parameters())
    lib.nn.utils.vector_to_parameters(lib.arange(24.0), net.parameters())
    return [before, *net.parameters()]


def weights(dim):
    def run(lib):
        net, x = network(lib)
        layer = lib.nn.utils.weight_norm(net[0], dim=dim)
        with lib.no_grad():
            layer.weight_g.mul_(2)
        y = net(x)
        y.sum().backward()
        kept = [*layer.state_dict().values(), layer.weight_g.grad, layer.weight_v.grad]
        removed = lib.nn.utils.remove_weight_norm(layer)
        return [y, *kept, removed.weight, net(x)]

    return run


def fused_linear(lib):
    net, x = network(lib)
    bn = trained_bn(lib, lib.nn.BatchNorm1d, 4)
    fused = lib.nn.utils.fuse_linear_bn_eval(net[0].eval(), bn)
    return [fused.weight, fused.bias, fused(x), bn(net[0](x))]


def fused_conv(lib):
    lib.manual_seed(0)
    conv = lib.nn.Conv2d(2, 4, 3, bias=False).eval()
    bn = trained_bn(lib, lib.nn.BatchNorm2d, 4)
    fused = lib.nn.utils.fuse_conv_bn_eval(conv, bn)
    x = lib.randn(1, 2, 5, 5)
    return [fused.weight, fused.bias, fused(x), bn(conv(x))]


def spectral(make, dim):
    def run(lib):
        net, x = network(lib)
        layer = make(lib.nn.utils)(net[0], dim=dim)
        ys = [net(x), net(x)]
        (ys[0] - 2 * ys[1]).sum().backward()
        kept = [*layer.state_dict().values(), net.eval()(x)]
        return [*ys, *kept, *(p.grad for p in layer.parameters())]

    return run


def parametrised(lib):
    net, x = network(lib)
    layer, utils = net[0], lib.nn.utils

    class Doubled(lib.nn.Module):
        def forward(self, w):
            return 2 * w

        def right_inverse(self, w):
            return w / 2

    for _ in range(2):
        utils.parametrize.register_parametrization(layer, "weight", Doubled())
    first = layer.weight.clone()
    layer.weight = lib.ones(4, 3)
    y = net(x)
    y.sum().backward()
    original = layer.parametrizations.weight.original
    kept = [first, layer.weight, original.clone(), original.grad, y]
    utils.parametrizations.weight_norm(net[2])
    kept += [net(x), *net[2].state_dict().values()]
    utils.parametrize.remove_parametrizations(layer, "weight")
    utils.parametrize.remove_parametrizations(net[2], "weight")
    return [*kept, *net.state_dict().values(), net(x)]


CASES = {
    "spectral norm": spectral(lambda utils: utils.spectral_norm, None),
    "spectral norm of columns": spectral(lambda utils: utils.spectral_norm, 1),
    "parametrised spectral norm": spectral(lambda u: u.parametrizations.spectral_norm, None),
    "parametrised": parametrised,
    "norm": clipped(2.0),
    "norm 1": clipped(1),
    "norm inf": clipped(float("inf")),
    "value": by_value,
    "total": total_of_dtypes,
    "vectors": vectors,
    "weight norm": weights(0),
    "weight norm of columns": weights(1),
    "weight norm of all": weights(None),
    "fused linear": fused_linear,
    "fused conv": fused_conv,
}


@pytest.mark.parametrize("name", CASES)
def test_results(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = CASES[name](flambeau), CASES[name](torch)
    for mine, reference in zip(ours, theirs, strict=True):
        assert str(mine.dtype) == str(reference.dtype)
        np.testing.assert_allclose(
            mine.detach().numpy(), reference.detach().numpy(), rtol=2e-5, atol=1e-6
        )


PRUNED = {
    "identity": lambda p, net: p.identity(net[0], "weight"),
    "random": lambda p, net: p.random_unstructured(net[0], "weight", 0.4),
    "l1": lambda p, net: p.l1_unstructured(net[0], "weight", 5),
    "channels": lambda p, net: p.random_structured(net[0], "weight", 2, dim=0),
    "norms": lambda p, net: p.ln_structured(net[0], "weight", 0.5, n=1, dim=1),
    "mask": lambda p, net: p.custom_from_mask(net[0], "weight", net[0].weight > 0),
    "twice": lambda p, net: (
        p.l1_unstructured(net[0], "weight", 3),
        p.ln_structured(net[0], "weight", 1, n=2, dim=0),
        p.random_unstructured(net[0], "weight", 2),
    ),
    "global": lambda p, net: p.global_unstructured(
        [(net[0], "weight"), (net[2], "weight")], p.L1Unstructured, amount=0.3
    ),
}


@pytest.mark.parametrize("how", PRUNED)
def test_pruning(how):
    import importlib

    def pruned(lib):
        net, x = network(lib)
        prune = importlib.import_module(f"{lib.__name__}.nn.utils.prune")
        PRUNED[how](prune, net)
        y = net(x)
        y.sum().backward()
        kept = [y, net[0].weight_orig.grad, *net.state_dict().values()]
        names = list(net.state_dict())
        prune.remove(net[0], "weight")
        return [*kept, *net.state_dict().values(), net(x)], [*names, *net.state_dict()]

    ours, theirs = pruned(flambeau), pruned(torch)
    assert ours[1] == theirs[1]
    for mine, reference in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(
            mine.detach().numpy(), reference.detach().numpy(), rtol=2e-5, atol=1e-6
        )


def infinite(lib):
    w = lib.ones(1, requires_grad=True)
    w.grad = lib.full((1,), float("inf"))
    lib.nn.utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)


def twice(lib):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lib.nn.utils.weight_norm(lib.nn.utils.weight_norm(lib.nn.Linear(2, 2)))


ERRORS = [
    infinite,
    twice,
    lambda lib: lib.nn.utils.remove_weight_norm(lib.nn.Linear(2, 2)),
    lambda lib: lib.nn.utils.vector_to_parameters([1.0], [lib.ones(1)]),
    lambda lib: lib.nn.utils.skip_init(int),
    lambda lib: lib.nn.utils.skip_init(lib.nn.ReLU),
    lambda lib: lib.nn.utils.fuse_conv_bn_eval(lib.nn.Conv2d(1, 1, 1), lib.nn.BatchNorm2d(1)),
    lambda lib: lib.nn.utils.fuse_linear_bn_eval(
        lib.nn.Linear(2, 3).eval(), lib.nn.BatchNorm1d(2).eval()
    ),
]


@pytest.mark.parametrize("action", ERRORS, ids=range(len(ERRORS)))
def test_error_types(action):
    with pytest.raises(Exception) as theirs:
        action(torch)
    with pytest.raises(Exception) as ours:
        action(flambeau)
    assert type(ours.value) is type(theirs.value)


def test_an_empty_generator_warns():
    with pytest.warns(UserWarning, match="empty generator"):
        flambeau.nn.utils.clip_grad_norm_((p for p in ()), 1.0)
