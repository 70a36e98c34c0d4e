"""What hooks of modules see, change, and in which order."""

import gc
import pickle
import warnings
import weakref
from collections import OrderedDict

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.modules import module as module_file
from flambeau.utils.hooks import RemovableHandle


class Scale(nn.Module):
    def forward(self, x, factor=1.0):
        return x * factor


def ones(*shape):
    return flambeau.ones(*shape, requires_grad=True)


def test_forward_hooks_in_order():
    m = Scale()
    log = []
    m.register_forward_pre_hook(lambda *a: log.append("pre 1"))
    m.register_forward_pre_hook(lambda *a: log.append("pre 0"), prepend=True)
    m.register_forward_hook(lambda *a: log.append("post 1"))
    m.register_forward_hook(lambda *a: log.append("post 0"), prepend=True)
    m(flambeau.ones(1))
    assert log == ["pre 0", "pre 1", "post 0", "post 1"]


def test_forward_hooks_change_what_passes():
    m = Scale()
    m.register_forward_pre_hook(lambda m, args: args[0] + 1)
    m.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"factor": kwargs["factor"] * 2}), with_kwargs=True
    )
    m.register_forward_hook(lambda m, args, out: out + 100)
    m.register_forward_hook(
        lambda m, args, kwargs, out: out + kwargs["factor"] * 1000, with_kwargs=True
    )
    assert float(m(flambeau.ones(1), factor=3.0)) == 2 * 6 + 100 + 6000


def test_a_pre_hook_with_kwargs_must_give_a_pair():
    m = Scale()
    m.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="tuple of"):
        m(flambeau.ones(1))


def test_handles_remove_their_hook():
    m = Scale()
    handle = m.register_forward_hook(lambda *a: a[2] * 2, with_kwargs=False, always_call=True)
    assert float(m(flambeau.ones(1))) == 2
    handle.remove()
    handle.remove()
    assert float(m(flambeau.ones(1))) == 1
    assert not m._forward_hooks and not m._forward_hooks_always_called
    with m.register_forward_hook(lambda m, args, out: out * 3):
        assert float(m(flambeau.ones(1))) == 3
    assert float(m(flambeau.ones(1))) == 1


def test_handles_keep_nothing_alive_and_survive_pickling():
    hooks = OrderedDict(a=1)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = "hook"
    hooks, handle = pickle.loads(pickle.dumps((hooks, handle)))
    handle.remove()
    assert list(hooks) == ["a"]
    m = Scale()
    handle = m.register_forward_hook(print)
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None
    handle.remove()


class Failing(nn.Module):
    def forward(self, x):
        raise ValueError("forward failed")


def test_always_called_hooks_run_after_an_error():
    m = Failing()
    log = []
    m.register_forward_hook(lambda m, a, out: log.append(out), always_call=True)
    m.register_forward_hook(lambda m, a, out: log.append("never"))
    m.register_forward_hook(lambda m, a, k, out: 1 / 0, always_call=True, with_kwargs=True)
    with pytest.warns(UserWarning, match="silenced"), pytest.raises(ValueError, match="forward"):
        m(1)
    assert log == [None]


def test_full_backward_hooks():
    m = nn.Linear(2, 1, bias=False)
    with flambeau.no_grad():
        m.weight.copy_(flambeau.tensor([[2.0, 3.0]]))
    seen = []
    m.register_full_backward_pre_hook(lambda m, go: (go[0] * 10,))
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].tolist(), go[0].tolist())))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1,))
    x = ones(1, 2)
    m(x).sum().backward()
    assert seen == [([[20.0, 30.0]], [[10.0]])]
    assert x.grad.tolist() == [[21.0, 31.0]]
    assert m.weight.grad.tolist() == [[10.0, 10.0]]


def test_backward_hooks_of_several_inputs_and_outputs():
    class Swap(nn.Module):
        def forward(self, x, note, y):
            return y * 2, note, x * 3

    m = Swap()
    seen = []
    m.register_full_backward_hook(
        lambda m, gi, go: seen.append(
            [[None if g is None else float(g) for g in t] for t in (gi, go)]
        )
    )
    x, y = ones(1), ones(1)
    out = m(x, "text", y)
    assert out[1] == "text"
    (out[0] + 5 * out[2]).sum().backward()
    assert seen == [[[15.0, None, 2.0], [1.0, None, 5.0]]]


def test_a_backward_hook_without_an_input_that_needs_gradients():
    m = nn.Linear(2, 2)
    seen = []
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        m(flambeau.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0, 1.0]])]
    m.register_full_backward_hook(lambda m, gi, go: (flambeau.ones(1),))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match="no input of the module"):
            m(flambeau.ones(1, 2)).sum().backward()


def test_backward_hooks_check_what_they_return():
    for register in ("register_full_backward_hook", "register_full_backward_pre_hook"):
        m = nn.Identity()
        getattr(m, register)(lambda *a: (None, None))
        with pytest.raises(RuntimeError, match="returned 2 values"):
            m(ones(1)).sum().backward()


def test_backward_hooks_run_again_when_the_graph_is_retained():
    m = nn.Identity()
    seen = []
    m.register_full_backward_hook(lambda m, gi, go: seen.append(1))
    loss = m(ones(2)).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert seen == [1, 1]


def test_full_and_non_full_do_not_mix():
    m = nn.Identity()
    m.register_full_backward_hook(print)
    with pytest.raises(RuntimeError, match="cannot have both"):
        m.register_backward_hook(print)


def test_non_full_hooks_see_the_last_operation():
    class TwoSteps(nn.Module):
        def forward(self, x):
            return (x * 2).exp()

    m = TwoSteps()
    seen = []
    m.register_backward_hook(lambda m, gi, go: seen.append(float(gi[0])))
    with pytest.warns(FutureWarning, match="multiple autograd Nodes"):
        m(flambeau.zeros(1, requires_grad=True)).sum().backward()
    assert seen == [1.0]


def test_global_hooks_come_first():
    log = []
    inner = nn.Identity()
    m = nn.Sequential(inner)
    inner.register_forward_hook(lambda *a: log.append("own"))
    note = lambda what: lambda m, *rest: log.append((what, type(m).__name__))  # noqa: E731
    handles = [
        module_file.register_module_forward_pre_hook(note("pre")),
        module_file.register_module_forward_hook(note("post")),
        module_file.register_module_full_backward_pre_hook(note("backward pre")),
        module_file.register_module_full_backward_hook(note("backward")),
    ]
    try:
        with pytest.raises(RuntimeError, match="cannot both be"):
            module_file.register_module_backward_hook(print)
        m(ones(1)).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert log == [
        ("pre", "Sequential"),
        ("pre", "Identity"),
        ("post", "Identity"),
        "own",
        ("post", "Sequential"),
        ("backward pre", "Sequential"),
        ("backward pre", "Identity"),
        ("backward", "Identity"),
        ("backward", "Sequential"),
    ]
    m(ones(1))
    assert log[-2:] == [("backward", "Sequential"), "own"]
