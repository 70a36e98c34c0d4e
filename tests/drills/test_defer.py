"""Deferral: ops are noted and run when a result is read. Note [Deferral] in core/dispatch."""

import contextlib
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from drills.release import lets_others_run
from ops import record_calls as records

import flambeau as torch
from flambeau import _C


@pytest.fixture(autouse=True)
def deferred():
    _C._run_notes()
    before = _C._set_deferral(True)
    yield
    _C._run_notes()
    _C._set_deferral(before)


@contextlib.contextmanager
def noted(n):
    """``n`` more ops wait at the end."""
    before = _C._pending_notes()
    yield
    assert _C._pending_notes() - before == n


def base():
    x = torch.arange(6.0).reshape(2, 3)
    _C._run_notes()
    return x


def test_ops_wait_until_a_value_is_read():
    x = base()
    with noted(3):
        y = ((x + 1) * 2).sum(0)
    assert y.shape == (3,) and y.dtype is torch.float32 and _C._pending_notes() == 3
    assert y.tolist() == [10, 14, 18] and _C._pending_notes() == 0


READS = {
    "item": lambda y: y[0, 0].item(),
    "tolist": lambda y: y.tolist(),
    "numpy": lambda y: y.numpy(),
    "array": lambda y: np.asarray(y),
    "buffer": lambda y: memoryview(y),
    "dlpack": lambda y: torch.from_dlpack(y),
    "data_ptr": lambda y: y.data_ptr(),
    "storage": lambda y: y.untyped_storage(),
    "repr": lambda y: repr(y),
    "bool": lambda y: bool((y > 100).any()),
    "nonzero": lambda y: y.nonzero(),
    "unique": lambda y: y.unique(),
    "resize_": lambda y: y.resize_(1),
    "set_": lambda y: torch.empty(0).set_(y),
    "in place": lambda y: y.add_(1),
    "out": lambda y: torch.add(y, 1, out=torch.empty(2, 3)),
}


@pytest.mark.parametrize("name", READS)
def test_whoever_reads_runs_the_notes(name):
    y = base() + 1
    assert _C._pending_notes() == 1
    READS[name](y)
    assert _C._pending_notes() == 0


def test_rules_touch_no_memory():
    x, column = base(), base().t().contiguous().t()
    _C._run_notes()
    with noted(2):
        y = (x + column) * 2.5
    assert y[1].tolist() == [15, 20, 25]


def test_views_of_promised_memory_wait_too():
    y = base() + 1
    with noted(0):
        part = y.t()[1:, 0].view(2)
    assert part.tolist() == [2, 3]


def test_notes_see_memory_as_it_was():
    x = base()
    y, z = x * 2, x.t() + 0
    x.add_(100)
    assert y.tolist() == [[0, 2, 4], [6, 8, 10]] and z[0].tolist() == [0, 3]
    y = x * 1
    x.zero_()
    assert y[0].tolist() == [100, 101, 102]
    y = x + 1
    x.t_()
    x.resize_(0)
    assert y.tolist() == [[1, 1, 1], [1, 1, 1]]
    x = base()
    y = x + 1
    x.data = torch.zeros(1)
    assert y[0].tolist() == [1, 2, 3]


def test_memory_that_is_known_outside_is_read_at_once():
    array = np.ones(3, np.float32)
    x = torch.from_numpy(array)
    y = x + 1
    array[:] = 5
    assert y.tolist() == [2, 2, 2]
    x = base()
    view = x.numpy()
    y = x + 1
    view[:] = 7
    assert y[0].tolist() == [1, 2, 3]


def test_training_is_the_same():
    def run(on):
        _C._set_deferral(on)
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 2)
        )
        step = torch.optim.Adam(model.parameters(), lr=0.1)
        x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
        losses = []
        for _ in range(5):
            step.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            step.step()
            losses.append(loss.detach())
        return [v.item() for v in losses], [p.tolist() for p in model.parameters()]

    assert run(True) == run(False)


def test_errors_of_arguments_come_at_once_and_those_of_values_too():
    x = base()
    with pytest.raises(RuntimeError, match="do not broadcast"):
        x + torch.ones(4)
    with pytest.raises((IndexError, RuntimeError), match="index"):
        x.index_select(0, torch.tensor([5]))
    assert _C._pending_notes() == 0


def test_other_threads_read_promises():
    y = base() + 1
    got = []
    thread = threading.Thread(target=lambda: got.append(y.tolist()))
    thread.start()
    thread.join()
    assert got == [[[1, 2, 3], [4, 5, 6]]]


def test_a_long_stream_runs_in_between():
    x = base()
    for _ in range(5000):
        x = x + 1
    assert 0 < _C._pending_notes() < 4096
    assert x[0, 0].item() == 5000


def test_dispatch_modes_and_gradients_are_above():
    from flambeau.utils._python_dispatch import TorchDispatchMode

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    names = []
    x = base().requires_grad_()
    with Names():
        y = (x * x).sum()
    assert names == ["mul.Tensor", "sum.default"]
    assert _C._pending_notes() == 2
    y.backward()
    assert x.grad.tolist() == [[0, 2, 4], [6, 8, 10]]


@records.parametrised([r for r in records.RECORDS if "random" not in r.tags])
def test_records_give_the_same(record):
    for call in records.calls(record, limit=2):
        got = call()
        _C._set_deferral(False)
        want = call()
        _C._set_deferral(True)
        records.assert_same(record, got, want)


def long_notes(rounds, n=400):
    """The last of many products that wait."""
    big = torch.ones(n, n)
    _C._run_notes()
    out = big
    for _ in range(rounds):
        out = (out @ big) * (1 / n)
    return out


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no lock")
def test_notes_run_without_pythons_lock():
    out = long_notes(40)
    assert _C._pending_notes() == 80
    assert lets_others_run(lambda: out[0, 0].item())
    assert out[0, 0].item() == pytest.approx(1, rel=1e-3)
    small = base() + 1
    assert not lets_others_run(small.tolist)


def child_of(f):
    """How a fork that runs ``f`` ends: 0, unless it fails or hangs."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            f()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_another_thread_runs_notes():
    out = long_notes(100)
    got = []
    thread = threading.Thread(target=lambda: got.append(out[0, 0].item()))
    thread.start()
    time.sleep(0.02)

    def child():
        assert torch.ones(3).numpy().tolist() == [1, 1, 1]
        assert out[0, 0].item() == pytest.approx(1, rel=1e-3)
        assert (torch.ones(3) + 1).tolist() == [2, 2, 2]
        assert torch.ones(3).resize_(9).shape == (9,)

    assert child_of(child) == 0
    thread.join()
    assert got == [pytest.approx(1, rel=1e-3)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_takes_along_what_waits():
    y = base() + 1

    def child():
        assert _C._pending_notes() == 1
        assert y[0].tolist() == [1, 2, 3]

    assert child_of(child) == 0
    assert _C._pending_notes() == 1 and y[0].tolist() == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_while_another_thread_computes():
    _C._set_deferral(False)
    big, stop = torch.ones(3_000_000), threading.Event()

    def work():
        while not stop.is_set():
            big.exp()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            time.sleep(0.003)
            # What changes memory waits until nobody else computes: in the child nobody does.
            assert child_of(lambda: torch.ones(3).resize_(9)) == 0
    finally:
        stop.set()
        thread.join()


def test_threads_that_read_the_same_promises():
    for _ in range(20):
        out = long_notes(4, 100)
        parts = [out[i] for i in range(8)]
        got = []
        threads = [
            threading.Thread(target=lambda p=p, got=got: got.append(p.sum().item())) for p in parts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [pytest.approx(100, rel=1e-3)] * 8


def test_memory_that_is_given_out_while_another_thread_notes():
    # numpy() may come at any point of the other thread's call: either that reads the memory before
    # it is given out, or at once.
    for _ in range(300):
        x = base()
        views, outs = [], []
        barrier = threading.Barrier(2)

        def give(x=x, barrier=barrier, views=views):
            barrier.wait()
            views.append(x.numpy())

        thread = threading.Thread(target=give)
        thread.start()
        barrier.wait()
        outs.append(x + 1)
        thread.join()
        views[0][:] = 50
        assert outs[0][0].tolist() == [1, 2, 3]


def test_memory_that_is_given_out_while_another_thread_resizes_it():
    # Giving memory out runs the notes, without Python's lock: the other thread gets in there.
    storage, stop = torch.zeros(1000).untyped_storage(), threading.Event()
    big = torch.ones(100_000)
    _C._run_notes()

    def work():
        while not stop.is_set():
            for size in (4000, 100_000, 4000):
                with contextlib.suppress(RuntimeError):  # it is lent
                    storage.resize_(size)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(100):
            waits = big + 1
            view = memoryview(storage)
            assert view.nbytes == storage.nbytes()
            view[-1] = 7
            view.release()
            waits = big + 1
            piece = storage[-10:]
            piece.fill_(3)
            assert piece.tolist() == [3] * 10 and waits[0].item() == 2
            del piece
    finally:
        stop.set()
        thread.join()
