"""no_grad and its relatives, as blocks and as decorators; inference mode."""

import threading

import pytest

import flambeau as torch


def test_blocks_nest_and_restore():
    assert torch.is_grad_enabled()
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError), torch.no_grad():
        raise ValueError
    assert torch.is_grad_enabled()


def test_set_grad_enabled_is_a_function_a_block_and_a_decorator():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled() and not f() and torch.is_grad_enabled()
    with pytest.raises(TypeError, match="bool"):
        torch.set_grad_enabled(3)


@pytest.mark.parametrize("decorator", [torch.no_grad, torch.no_grad(), torch.inference_mode()])
def test_decorated_functions(decorator):
    @decorator
    def f(a, *, b):
        "Doc."
        return torch.is_grad_enabled(), a + b

    assert f(1, b=2) == (False, 3) and f.__name__ == "f" and f.__doc__ == "Doc."
    assert torch.is_grad_enabled()


def test_decorated_generators_keep_the_mode_to_themselves():
    @torch.no_grad()
    def generate():
        try:
            got = yield torch.is_grad_enabled()
            yield got, torch.is_grad_enabled()
        except KeyError:
            yield "caught", torch.is_grad_enabled()
        return "done"

    g = generate()
    assert next(g) is False and torch.is_grad_enabled()
    assert g.send("sent") == ("sent", False) and torch.is_grad_enabled()
    assert g.throw(KeyError()) == ("caught", False)
    with pytest.raises(StopIteration) as stop:
        next(g)
    assert stop.value.value == "done" and torch.is_grad_enabled()


def test_the_mode_belongs_to_the_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_no_grad_records_nothing():
    x = torch.ones(1, requires_grad=True)
    with torch.no_grad():
        y = x * 2
        z = torch.ones(1, requires_grad=True)
    assert not y.requires_grad and y.grad_fn is None and z.requires_grad
    assert (z * 2).requires_grad


def test_inference_mode():
    x = torch.ones(2, requires_grad=True)
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        y = x * 2
        y.add_(1)
        view = x[:1]
        with torch.inference_mode(False):
            assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert y.is_inference() and not view.is_inference()
    with pytest.raises(RuntimeError, match="do not track version"):
        y._version  # noqa: B018
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * y
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        y.requires_grad_()
    with pytest.raises(RuntimeError, match="created in inference mode.*modified inplace in normal"):
        view.mul_(2)
    assert (x + y).requires_grad  # saves nothing
    assert (y.clone() * x).requires_grad


def test_subclasses_of_the_managers():
    class Mine(torch.no_grad):
        def __init__(self, tag):
            self.tag = tag

    assert issubclass(torch.no_grad, torch.autograd.no_grad)
    assert torch.set_grad_enabled(True).prev is True


def test_multithreading_switch():
    assert torch.autograd.is_multithreading_enabled()
    with torch.autograd.set_multithreading_enabled(False):
        assert not torch.autograd.is_multithreading_enabled()
    assert torch.autograd.is_multithreading_enabled()
