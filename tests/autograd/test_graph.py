"""The graph as Python sees it: nodes, what they saved, hooks around saved tensors, anomaly mode."""

import gc
import warnings
import weakref

import pytest

import flambeau as torch
from flambeau.autograd import graph


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_nodes():
    x, y = leaf(1.0), leaf(2.0)
    z = x * y
    node = z.grad_fn
    assert node.name() == type(node).__name__ == "MulBackward0"
    assert repr(node).startswith("<MulBackward0 object at 0x")
    assert z.grad_fn is node
    assert isinstance(node, graph.Node)
    assert type(node) is type((x * x).grad_fn)
    (a, i), (b, j) = node.next_functions
    assert (a.variable is x, b.variable is y, i, j) == (True, True, 0, 0)
    assert type(a).__name__ == "AccumulateGrad" and isinstance(a, graph.Node)
    assert (z * 2).grad_fn.next_functions[0][0] is node
    assert (x * 2).grad_fn._sequence_nr() > node._sequence_nr()


def test_one_accumulator_for_each_leaf():
    x = leaf(1.0)
    first = (x * 2).grad_fn.next_functions[0][0]
    second = (x + 1).grad_fn.next_functions[0][0]
    assert first is second


def test_the_graph_does_not_keep_what_nobody_needs():
    x = leaf(1.0)
    y = x * 2
    node = weakref.ref(y.grad_fn)
    gone = y.grad_fn
    del gone
    z = y + 1
    del y
    gc.collect()
    assert node() is None or z.grad_fn.next_functions[0][0] is node()
    assert z.grad_fn.next_functions[0][0].name() == "MulBackward0"


def test_metadata_stays_with_the_node():
    x = leaf(1.0)
    y = x * 2
    y.grad_fn.metadata["mine"] = 3
    assert y.grad_fn.metadata == {"mine": 3}


def test_saved_fields():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    node = (x * y).grad_fn
    assert node._saved_self is x and node._saved_other is y
    assert node._raw_saved_self.unpack() is x
    out = x.exp()
    saved = out.grad_fn._saved_result
    assert saved.tolist() == out.tolist() and saved.grad_fn is out.grad_fn
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.grad_fn._saved_result  # noqa: B018


def test_calling_a_node():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = (x * y).grad_fn(torch.ones(1))
    assert (gx.item(), gy.item()) == (3.0, 2.0)
    with pytest.raises(RuntimeError, match="expected 1 gradients"):
        (x * y).grad_fn(torch.ones(1), torch.ones(1))
    with pytest.raises(TypeError, match="Tensor or None"):
        (x * y).grad_fn(3)


def test_saved_tensors_hooks():
    log = []

    def pack(t):
        log.append("pack")
        return t.tolist()

    def unpack(values):
        log.append("unpack")
        return torch.tensor(values)

    x = leaf(3.0)
    with graph.saved_tensors_hooks(pack, unpack):
        y = x * x
    assert log == ["pack", "pack"]
    y.backward()
    assert x.grad.item() == 6.0 and log[2:] == ["unpack", "unpack"]


def test_saved_tensors_hooks_keep_second_derivatives():
    x = leaf(3.0)
    with graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y = (x * x).exp()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    e = torch.tensor(9.0).exp().item()
    assert h.item() == pytest.approx((2 + 36) * e, rel=1e-5)


def test_saved_tensors_hooks_nest_and_errors_pass():
    x = leaf(1.0)
    inner, outer = [], []
    keep = lambda t: t  # noqa: E731
    with graph.saved_tensors_hooks(lambda t: outer.append(1) or t, keep):
        with graph.saved_tensors_hooks(lambda t: inner.append(1) or t, keep):
            x * x
        x * 2
    assert inner == [1, 1]
    with pytest.raises(KeyError), graph.saved_tensors_hooks(lambda t: {}["no"], keep):
        x * x
    with graph.saved_tensors_hooks(keep, lambda t: 3):
        y = x * x
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        y.backward()


def test_hooks_of_one_saved_tensor():
    x = leaf(2.0)
    y = x * x
    y.grad_fn._raw_saved_self.register_hooks(lambda t: t * 10, lambda t: t)
    y.backward()
    assert x.grad.item() == 22.0
    with pytest.raises(TypeError, match="callable"):
        (x * x).grad_fn._raw_saved_self.register_hooks(1, 2)


def test_a_pack_hook_may_not_modify_its_tensor():
    x = leaf(1.0) * 1
    with pytest.raises(RuntimeError, match="modifying its input in place"):
        with graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t):
            x * x


def test_save_on_cpu_and_disabling():
    x = leaf(2.0)
    with graph.save_on_cpu():
        y = x * x
    y.backward()
    assert x.grad.item() == 4.0
    with graph.disable_saved_tensors_hooks("forbidden here"):
        with pytest.raises(RuntimeError, match="forbidden here"):
            with graph.save_on_cpu():
                pass
    with graph.save_on_cpu():
        pass


def test_anomaly_mode_names_the_forward():
    x = leaf(1.0)

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            raise KeyError("backward failed")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(KeyError, match="backward failed"):
            with torch.autograd.detect_anomaly():
                Fails.apply(x).backward()
    texts = [str(w.message) for w in caught]
    assert any("Anomaly Detection has been enabled" in t for t in texts)
    assert any(
        "Error detected in FailsBackward. Traceback of forward call" in t and "Fails.apply(x)" in t
        for t in texts
    )


def test_anomaly_mode_finds_nan():
    x = leaf(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            y = (x / x * 0).sum()
            with pytest.raises(RuntimeError, match="'.*Backward0' returned nan values in its 0th"):
                y.backward()
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            (x / x * 0).sum().backward()
    assert not torch.is_anomaly_enabled()


def test_errors_of_anomaly_mode_end_with_the_line_of_the_forward():
    here = r'Its forward is\n  File ".*test_graph.py", line \d+, in test_errors_of_anomaly.*'
    x = leaf(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.set_detect_anomaly(True):
            y = torch.nn.functional.normalize(x, dim=0, eps=0.0)  # NaN, within the package
            with pytest.raises(RuntimeError, match=here + r"\n    y = torch.nn.functional.norm"):
                y.sum().backward()
            z = x.exp()
            z.add_(1)
            with pytest.raises(RuntimeError, match="modified by an inplace.*" + here):
                z.sum().backward()
    z = x.exp()
    z.add_(1)
    with pytest.raises(RuntimeError, match="enable anomaly detection") as caught:
        z.sum().backward()
    assert "Its forward" not in str(caught.value)


def test_gradient_edges():
    x = leaf(1.0)
    edge = graph.get_gradient_edge(x)
    assert edge.node.name() == "torch::autograd::AccumulateGrad" and edge.output_nr == 0
    values, _ = torch.stack([x, x]).max(0)
    assert graph.get_gradient_edge(values).node is values.grad_fn
    with pytest.raises(RuntimeError, match="does not require"):
        graph.get_gradient_edge(torch.ones(1))


def test_mutation_of_saved_tensors():
    x = leaf(1.0, 2.0)
    with graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        out = (y**2).sum()
        y.sin_()
        out.backward()
    assert x.grad.tolist() == [2.0, 4.0]
