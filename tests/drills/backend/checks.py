"""Checks of a device from outside, run by ``test_backend.py``."""

import copy
import io
import math
import pickle
import types
import warnings

import numpy as np
import pytest
from drills.backend.device import LIBRARY

import flambeau as torch
from flambeau.utils.backend_registration import set_backend_fallback


@pytest.fixture(autouse=True)
def silent():
    set_backend_fallback("guarded", "silent")
    yield
    set_backend_fallback("guarded", "silent")


def calls(op: str) -> int:
    return LIBRARY.guarded_calls(op.encode())


def on(*values, **options):
    return torch.tensor(*values, **options).to("guarded")


# ---- names and devices


def test_names():
    assert str(torch.device("guarded:1")) == "guarded:1"
    assert torch.device("privateuseone:0") == torch.device("guarded:0")
    assert torch._C._get_privateuse1_backend_name() == "guarded"
    assert torch._C._device_count("guarded") == 2
    assert torch.get_device_module("guarded") is torch.guarded
    with pytest.raises(RuntimeError, match="has been named 'guarded' already"):
        torch.utils.rename_privateuse1_backend("other")
    with pytest.raises(RuntimeError, match="already been registered"):
        torch._register_device_module("guarded", types.ModuleType("m"))
    with pytest.raises(RuntimeError, match="'guarded:2' is not there"):
        torch.empty(1, device="guarded:2")
    with pytest.raises(AssertionError, match="Torch not compiled with XPU enabled"):
        torch.empty(1, device="xpu")
    with pytest.raises(NotImplementedError, match="no backend is registered for device 'mps'"):
        torch.empty(1, device="mps")


def test_methods_and_properties():
    x = torch.ones(2, 3).guarded()
    assert x.is_guarded and not x.is_cpu and x.device == torch.device("guarded:0")
    assert x.guarded(1).device.index == 1 and not x.cpu().is_guarded
    assert torch.nn.Linear(2, 3).guarded().weight.is_guarded
    assert x.untyped_storage().is_guarded
    assert x.to("guarded") is x and x.to("guarded:0") is x and x.to("guarded:1") is not x
    torch._C._set_current_device("guarded:1")
    assert torch.ones(1, device="guarded").device.index == 1
    torch._C._set_current_device("guarded:0")
    with pytest.raises(RuntimeError, match="Invalid device"):
        x.guarded("cpu")


def test_memory_is_the_devices_and_is_given_back():
    before = LIBRARY.guarded_blocks()
    x = torch.empty(1000, device="guarded")
    view = x[10:].view(99, 10).t()
    assert LIBRARY.guarded_blocks() == before + 1
    assert view.data_ptr() == x.data_ptr() + 40 and view.untyped_storage().nbytes() == 4000
    del x
    assert LIBRARY.guarded_blocks() == before + 1
    del view
    assert LIBRARY.guarded_blocks() == before


def test_the_host_is_kept_out():
    x = torch.ones(3, device="guarded")
    for read in (lambda: x.numpy(), lambda: memoryview(x), lambda: x.__dlpack__()):
        with pytest.raises((TypeError, BufferError), match="guarded|plain memory"):
            read()
    with pytest.raises(NotImplementedError, match="no bytes that the host can reach"):
        x.untyped_storage()[0]
    with pytest.raises(TypeError, match="can't convert guarded"):
        np.asarray(x)
    x.untyped_storage().resize_(0)
    for use in (lambda: x + 1, lambda: x.cumsum(0), lambda: x.tolist()):
        with pytest.raises(RuntimeError, match="needs a storage of 12 bytes"):
            use()


def test_factories():
    for made in (
        torch.zeros(2, 3, device="guarded"),
        torch.full((2, 3), 0.0, device="guarded:0"),
        torch.zeros_like(torch.ones(2, 3), device="guarded"),
        torch.ones(2, 3, device="guarded").new_zeros(2, 3),
        torch.tensor([[0.0] * 3] * 2, device="guarded"),
        torch.as_tensor(np.zeros((2, 3), np.float32), device="guarded"),
        torch.zeros(2, 3).to("guarded"),
    ):
        assert made.device == torch.device("guarded:0") and made.tolist() == [[0.0] * 3] * 2
    assert torch.arange(5, device="guarded").tolist() == [0, 1, 2, 3, 4]
    with torch.device("guarded"):
        assert torch.ones(2).is_guarded
    x = torch.empty_like(torch.ones(4, 5).t(), device="guarded")
    assert x.stride() == (1, 5) and x.to("meta").stride() == (1, 5)


def test_moving_keeps_values_and_strides():
    x = torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2)
    there = x.to("guarded")
    assert there.stride() == x.stride() and there.cpu().tolist() == x.tolist()
    assert there.to("guarded:1").cpu().tolist() == x.tolist()
    assert there[1:, ::2].cpu().tolist() == x[1:, ::2].tolist()
    assert there.to(torch.float64).dtype is torch.float64 and there.to(torch.float64).is_guarded
    target = torch.zeros(4, 3, 2)
    target.copy_(there)
    assert target.tolist() == x.tolist()
    there[0].copy_(torch.zeros(3, 2))
    assert there.cpu()[0].tolist() == torch.zeros(3, 2).tolist()
    assert there.cpu()[1:].tolist() == x[1:].tolist()
    z = torch.tensor([1 + 2j]).conj().to("guarded")
    assert z.cpu().resolve_conj().tolist() == [1 - 2j]


def test_printing_and_values():
    x = on([1.0, 2.5])
    assert repr(x) == "tensor([1.0000, 2.5000], device='guarded:0')"
    assert repr(on([[]])) == "tensor([], device='guarded:0', size=(1, 0))"
    assert x[1].item() == 2.5 and float(x[0]) == 1 and bool(x[0] > 0) and [int(v) for v in x]
    assert x.tolist() == [1.0, 2.5] and f"{x[0]:.1f}" == "1.0"


# ---- ops


def test_kernels_of_the_device_run():
    a, b = torch.randn(4, 1, 3), torch.randn(5, 3)
    x, y = a.to("guarded"), b.to("guarded")
    cases = {
        "add": lambda a, b: torch.add(a, b, alpha=2),
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "relu": lambda a, b: a.relu(),
        "neg": lambda a, b: -a.transpose(0, 2),
        "sqrt": lambda a, b: (b * b).sqrt(),
        "sum": lambda a, b: a.sum(),
        "mm": lambda a, b: b @ b.t(),
        "threshold_backward": lambda a, b: torch.ops.aten.threshold_backward(b, b, 0.1),
    }
    set_backend_fallback("guarded", "refuse")
    got, counted = {}, {}
    for name, f in cases.items():
        before = calls(name)
        got[name] = f(x, y)
        counted[name] = calls(name) - before
    set_backend_fallback("guarded", "silent")
    assert all(n == 1 for n in counted.values()), counted
    for name, f in cases.items():
        want = f(a, b)
        assert got[name].is_guarded and got[name].stride() == want.stride(), name
        assert torch.allclose(got[name].cpu(), want, rtol=1e-5, atol=1e-6), name


def test_numbers_and_derived_forms():
    x = on([1.0, -2.0, 3.0])
    before = calls("add") + calls("add_")
    assert (x + 1).tolist() == [2, -1, 4] and (2 * x).tolist() == [2, -4, 6]
    assert (x + torch.tensor(1.0)).tolist() == [2, -1, 4]
    x += on([1.0, 1.0, 1.0])
    assert x.tolist() == [2, -1, 4] and x._version == 1
    out = torch.empty(0, device="guarded")
    assert torch.add(x, x, out=out) is out and out.tolist() == [4, -2, 8]
    assert calls("add") + calls("add_") - before >= 4
    assert x.relu_() is x and x.tolist() == [2, 0, 4]


def test_what_is_made_of_other_ops_runs_by_its_parts():
    x, before = on([[1.0, 2.0], [3.0, 4.0]]), calls("mm")
    assert torch.matmul(x, x).cpu().tolist() == [[7, 10], [15, 22]] and calls("mm") == before + 1
    x, before = on([4.0, 9.0, -math.inf]), calls("_root")
    assert (x**0.5).cpu().tolist() == [2, 3, math.inf] and calls("_root") == before + 1
    assert LIBRARY.guarded_refuses(b"clamp") and not LIBRARY.guarded_refuses(b"exp")


@pytest.mark.parametrize("op", [b"view", b"t", b"detach", b"slice.Tensor", b"squeeze_"])
def test_a_kernel_that_would_not_be_called_is_refused(op):
    assert LIBRARY.guarded_refuses(op)
    assert LIBRARY.guarded_refuses_on_others(b"neg")
    assert not LIBRARY.guarded_refuses(b"log") and not LIBRARY.guarded_refuses(b"log_")


def test_a_device_without_memory_is_out_of_memory():
    x, before = on([1.0, 2.0]), LIBRARY.guarded_blocks()
    LIBRARY.guarded_starve(1)
    try:
        assert torch.empty(0, device="guarded").numel() == 0
        for ask in (lambda: x + 1, lambda: x.untyped_storage().resize_(16)):
            with pytest.raises(torch.OutOfMemoryError, match="device 'guarded:0': tried to all"):
                ask()
    finally:
        LIBRARY.guarded_starve(0)
    assert LIBRARY.guarded_blocks() == before and (x + 1).cpu().tolist() == [2, 3]


def test_what_has_no_kernel_falls_back_with_a_warning_once():
    set_backend_fallback("guarded", "warn")
    x = on([3.0, 1.0, 2.0])
    with pytest.warns(UserWarning, match="aten::sort: there is no kernel for device 'guarded:0'"):
        values, indices = x.sort()
    assert values.is_guarded and indices.tolist() == [1, 2, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x.sort()
        x.cpu(), x.to("guarded:1"), x[0].item(), torch.zeros(3, device="guarded"), repr(x)
    set_backend_fallback("guarded", "refuse")
    with pytest.raises(NotImplementedError, match="no kernel for device 'guarded:0', and falling"):
        x.sort()
    with pytest.raises(ValueError, match="expected 'warn'"):
        set_backend_fallback("guarded", "never")


def test_a_kernel_may_refuse_a_dtype():
    x = on([1, 2, 3])
    before = calls("add")
    assert (x + x).tolist() == [2, 4, 6] and calls("add") == before


def test_the_fall_back_writes_where_the_op_writes():
    x = torch.arange(12.0, device="guarded").reshape(3, 4)
    x[1:, ::2].clamp_(max=5)
    assert x.tolist() == [[0, 1, 2, 3], [4, 5, 5, 7], [5, 9, 5, 11]]
    x[0, 1] = 7
    x[2] = on([1.0, 2.0, 3.0, 4.0])
    assert x.tolist() == [[0, 7, 2, 3], [4, 5, 5, 7], [1, 2, 3, 4]]
    index = torch.tensor([0, 2])
    assert x[index].tolist() == x[index.to("guarded")].tolist() == [[0, 7, 2, 3], [1, 2, 3, 4]]
    out = torch.empty(0, device="guarded")
    torch.cumsum(x, 0, out=out)
    assert out.shape == (3, 4) and out[2].tolist() == [5, 14, 10, 14]
    with pytest.raises(RuntimeError, match="single memory location"):
        x[1:].add_(x[:-1].cumsum(0).new_ones(2, 4)), x[:, :1].expand(3, 4).exp_()
    assert [part.tolist() for part in torch.split(x[0], 2)] == [[0, 7], [2, 3]]


MIXED = [
    lambda a, b: a + b,
    lambda a, b: a.add_(b),
    lambda a, b: torch.add(a, a, out=b),
    lambda a, b: a @ b,
    lambda a, b: torch.cat([a, b]),
    lambda a, b: torch.where(a > 0, a, b),
    lambda a, b: torch.nn.functional.linear(a, b),
    lambda a, b: torch.nn.functional.mse_loss(a, b),
    lambda a, b: a.gather(0, b.long()),
    lambda a, b: a.masked_fill(b > 0, 1.0),
    lambda a, b: torch.equal(a, b),
    lambda a, b: torch.lerp(a, b, 0.5),
]


@pytest.mark.parametrize("f", MIXED)
@pytest.mark.parametrize(
    "devices",
    [("guarded", "cpu"), ("cpu", "guarded"), ("guarded:0", "guarded:1"), ("guarded", "meta")]
    + [("cpu", "meta"), ("meta", "cpu")],
)
def test_mixed_devices_are_an_error(f, devices):
    a, b = (torch.ones(2, 2).to(d) for d in devices)
    with pytest.raises(
        RuntimeError,
        match="Expected all tensors to be on the same device, but found at least two devices, ",
    ):
        f(a, b)


# ---- what a call costs


def costs(f) -> tuple[int, int, int]:
    """Allocations, copies, and how many of these are from the host or to it."""
    f()
    counters = (LIBRARY.guarded_allocations, LIBRARY.guarded_copies, LIBRARY.guarded_host_copies)
    before = [n() for n in counters]
    f()
    return tuple(n() - b for n, b in zip(counters, before))


def test_a_call_makes_its_result_and_nothing_else():
    x, y, out = (torch.ones(3, 4, device="guarded") for _ in range(3))
    w = torch.ones(4, 4, device="guarded")
    set_backend_fallback("guarded", "refuse")
    assert costs(lambda: x + y) == costs(lambda: x.t() * y.t()) == (1, 0, 0)
    assert costs(lambda: x + 1) == costs(lambda: x - 2) == (1, 0, 0)
    for f in (
        lambda: x.add_(y),
        lambda: x.mul_(1),
        lambda: x.t().add_(y.t()),
        lambda: x.relu_(),
        lambda: torch.mul(x, y, out=x),
        lambda: torch.add(x, y, out=out),
        lambda: torch.mm(x, w, out=out),
    ):
        assert costs(f) == (0, 0, 0)
    assert costs(lambda: torch.relu(x, out=torch.empty(0, device="guarded"))) == (1, 0, 0)


def test_dense_copies_are_the_tables():
    x, y, host = torch.ones(3, 4).guarded(), torch.zeros(3, 4).guarded(), torch.ones(3, 4)
    set_backend_fallback("guarded", "refuse")
    assert costs(lambda: x.copy_(y)) == costs(lambda: x.t().copy_(y.t())) == (0, 1, 0)
    assert costs(lambda: x.clone()) == costs(lambda: x.t().clone()) == (1, 1, 0)
    assert costs(lambda: x.to("guarded:1")) == (1, 1, 0)
    assert costs(lambda: x.copy_(host)) == costs(lambda: host.copy_(x)) == (0, 1, 1)
    assert costs(lambda: host.to("guarded")) == (1, 1, 1) and costs(lambda: x.cpu()) == (0, 1, 1)
    version = x._version
    x.copy_(y)
    assert x.tolist() == y.tolist() and x._version == version + 1
    set_backend_fallback("guarded", "silent")
    z = torch.arange(6.0).guarded()
    z[:3].copy_(z[3:]), z[3:].copy_(torch.arange(3))
    assert z.tolist() == [3, 4, 5, 0, 1, 2]
    assert z.clone().tolist() == z.flip(0).flip(0).tolist() and z.double().dtype is torch.float64


def test_a_kernel_does_not_read_what_it_writes():
    numbers = torch.arange(9.0).reshape(3, 3)
    for f in (
        lambda x: torch.mm(x, x, out=x),
        lambda x: torch.mm(x, x, out=x.t()),
        lambda x: x.add_(x),
        lambda x: torch.max(x, 1, out=(x[0], torch.empty_like(x[0], dtype=torch.int64))),
    ):
        here, there = numbers.clone(), numbers.to("guarded")
        f(here), f(there)
        assert there.tolist() == here.tolist() and there._version == here._version
    for f in (
        lambda x: x.add_(x[0]),
        lambda x: x.mul_(x.t()),
        lambda x: torch.add(x[:2], x[1:], out=x[1:]),
        lambda x: torch.mul(x, 2, out=x.t()),
    ):
        for x in (numbers.clone(), numbers.to("guarded")):
            with pytest.raises(RuntimeError, match="refer to a single memory location"):
                f(x)
            assert x.tolist() == numbers.tolist()
    x = numbers.to("guarded")
    torch.add(x[:, :2], x[:, 1:], out=x[:, 1:])
    assert x[:, 1:].tolist() == (numbers[:, :2] + numbers[:, 1:]).tolist()


def test_what_is_refused_changes_nothing():
    x = on([[1.0, 2.0], [4.0, 3.0]])
    values, places = (torch.full((5,), 7.0, device="guarded") for _ in range(2))
    for out in ((values, places.bool()), (values, values), (values, values[1:])):
        with pytest.raises(RuntimeError, match="can't be cast|share memory"):
            torch.max(x, 1, out=out)
        assert values.tolist() == [7.0] * 5
    before = calls("max")
    out = torch.empty(2, device="guarded"), torch.empty(0, dtype=torch.int64, device="guarded")
    torch.max(x, 1, out=out)
    assert [o.tolist() for o in out] == [[2, 4], [1, 0]] and calls("max") == before + 1
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        x[0].add_(x)
    with pytest.raises(RuntimeError, match="single memory location"):
        x[:, :1].expand(2, 2).mul_(2)
    assert x.tolist() == [[1, 2], [4, 3]]
    gone = on([1.0, 2.0])
    gone.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="needs a storage of 8 bytes"):
        torch.relu(gone, out=values)
    assert values.shape == (5,)


def test_kernels_come_and_go():
    x, before = on([0.0, 0.0]), calls("exp_")
    for there in (False, True, False):
        LIBRARY.guarded_exp(there)
        x.zero_()
        assert x.exp_().tolist() == [1, 1]
        assert calls("exp_") == (before := before + there)


# ---- layers above


def test_autograd():
    def f(x, w):
        return (x.matmul(w).relu() * x.sum()).pow(2).log1p().mean() + (w / 3).exp().sum()

    a, b = torch.randn(3, 4), torch.randn(4, 4)
    grads = []
    for device in ("cpu", "guarded"):
        x, w = (t.to(device, copy=True).requires_grad_() for t in (a, b))
        f(x, w).backward()
        assert x.grad.device == x.device
        first = torch.autograd.grad(f(x, w), w, create_graph=True)[0]
        (second,) = torch.autograd.grad(first.sum(), x)
        grads.append([x.grad.cpu(), w.grad.cpu(), second.cpu()])
    for want, got in zip(*grads):
        assert torch.allclose(want, got, rtol=1e-4, atol=1e-5)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.LayerNorm(16), torch.nn.Linear(16, 3)
    )


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_training(optimizer):
    torch.manual_seed(1)
    x, y = torch.randn(20, 8), torch.randint(0, 3, (20,))
    losses = {}
    for device in ("cpu", "guarded"):
        model = network().to(device)
        assert all(p.device.type == device for p in model.parameters())
        step = optimizer(model.parameters(), lr=0.05)
        losses[device] = []
        for _ in range(8):
            step.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            loss.backward()
            step.step()
            losses[device].append(loss.item())
    assert losses["guarded"][-1] < losses["guarded"][0]
    np.testing.assert_allclose(losses["cpu"], losses["guarded"], rtol=1e-3)


def test_saving_and_pickling():
    model = network().to("guarded")
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    for where, kind in ((None, "guarded"), ("cpu", "cpu"), ("guarded:1", "guarded")):
        buffer.seek(0)
        state = torch.load(buffer, map_location=where)
        assert all(v.device.type == kind for v in state.values())
        assert state["0.bias"].tolist() == model[0].bias.tolist()
    x = on([1.0, 2.0])[1:]
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), x.clone()):
        assert other.device == x.device and other.tolist() == [2.0]
    storage = x.untyped_storage()
    assert storage.cpu().nbytes() == 8 and storage.clone().device.type == "guarded"
    storage.fill_(0)
    assert x.tolist() == [0.0]


def test_random_numbers_come_from_the_devices_generator():
    torch.manual_seed(3)
    first = torch.randn(5, device="guarded")
    on_cpu = torch.randn(5)
    torch.manual_seed(3)
    assert torch.randn(5).tolist() == first.tolist() == on_cpu.tolist()
    assert torch.randn(5, device="guarded").tolist() == first.tolist()
    generator = torch.Generator(device="guarded:1")
    assert generator.device == torch.device("guarded:1")
    generator.manual_seed(3)
    assert torch.empty(5, device="guarded:1").normal_(generator=generator).tolist() == (
        torch.empty(5).normal_(generator=torch.Generator().manual_seed(3)).tolist()
    )
    kept = torch.nn.functional.dropout(torch.ones(100, device="guarded"))
    assert set(kept.tolist()) == {0.0, 2.0}


def test_streams_and_events():
    assert torch.accelerator.is_available() and torch.accelerator.device_count() == 2
    assert torch.accelerator.current_accelerator() == torch.device("guarded")
    with torch.accelerator.device_index(1):
        assert torch.accelerator.current_device_index() == 1
        assert torch.ones(1, device="guarded").device.index == 1
    assert torch.accelerator.current_device_index() == 0
    first, stream = torch.accelerator.current_stream(), torch.Stream("guarded:0")
    assert first.stream_id == 0 and stream != first and stream.device.type == "guarded"
    with stream:
        assert torch.accelerator.current_stream() == stream
        start = torch.Event("guarded", enable_timing=True)
        start.record()
    assert torch.accelerator.current_stream() == first
    end = torch.Event("guarded", enable_timing=True)
    first.record_event(end)
    stream.wait_stream(first)
    assert end.query() and stream.query() and start.elapsed_time(end) == 1
    before = LIBRARY.guarded_synchronized()
    stream.synchronize()
    torch.accelerator.synchronize()
    assert LIBRARY.guarded_synchronized() == before + 2


def ran_in(*ops: str) -> set[int]:
    return {LIBRARY.guarded_stream_of(op.encode()) for op in ops}


def waited(stream, other) -> int:
    return LIBRARY.guarded_waits(stream.stream_id, other.stream_id)


class Seen(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, grad):
        Seen.stream = torch.accelerator.current_stream()
        return grad


def test_backward_runs_in_the_stream_of_its_forward():
    first = torch.accelerator.current_stream()
    one, two = torch.Stream("guarded:0"), torch.Stream("guarded:0")
    x = on([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    with one:
        a = Seen.apply((x @ x).relu())
    with two:
        b = x * x
    loss = (a + b).sum()
    # Towards both branches, to the leaf that `one` has used first, and to the caller at the end.
    pairs = [(first, two), (one, first), (two, first), (one, two), (two, one)]
    before = [waited(*pair) for pair in pairs]
    with two:
        loss.backward()
        assert torch.accelerator.current_stream() == two
    assert torch.accelerator.current_stream() == first and Seen.stream == one
    assert ran_in("threshold_backward", "mm") == {one.stream_id}
    assert ran_in("mul") == {two.stream_id}
    assert all(waited(*pair) > n for pair, n in zip(pairs, before))
    want = x.detach().cpu().requires_grad_()
    ((want @ want).relu() + want * want).sum().backward()
    assert x.grad.tolist() == want.grad.tolist()


def test_a_backward_that_fails_leaves_the_stream():
    x, stream = on([1.0]).requires_grad_(), torch.Stream("guarded:0")
    with stream:
        y = x * 2
    y.register_hook(lambda grad: grad.no_such_method())
    with pytest.raises(AttributeError):
        y.sum().backward()
    assert torch.accelerator.current_stream() == torch.Stream("guarded:0", stream_id=0)


def test_memory_is_asked_for_with_the_stream_of_its_work():
    stream, before = torch.Stream("guarded:0"), LIBRARY.guarded_strays()
    with stream:
        x = on([1.0, 2.0])
        x.untyped_storage().resize_(16), x.untyped_storage().fill_(0)
        y = x.to("guarded:1") + 1
    x.clone().cpu(), y.copy_(x)
    del x, y
    assert LIBRARY.guarded_strays() == before
