"""Many threads on the same objects. The same tests run with Python's lock, where they must hold as
well; in free-threaded Python nothing but the binding's own locks keeps them true."""

import gc
import sys
import sysconfig
import threading

import flambeau as torch
from flambeau import _C

THREADS, ROUNDS = 8, 300
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def on_threads(work, threads=THREADS):
    """Runs work(i) at the same time on several threads; the first error counts."""
    barrier, errors = threading.Barrier(threads), []

    def run(i):
        barrier.wait()
        try:
            work(i)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    running = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


def test_the_module_leaves_the_lock_off():
    if FREE_THREADED:
        assert not sys._is_gil_enabled()


def test_a_tensor_has_one_object_whoever_asks_for_it():
    base = torch.arange(6.0)
    base.grad = torch.ones(6)
    view = base[1:]

    def work(_):
        for _ in range(ROUNDS):
            assert base.grad is base.grad
            assert view._base is base
            assert torch.equal(base.grad, torch.ones(6))

    on_threads(work)


def test_objects_die_while_others_ask_for_them():
    owner = torch.zeros(3, requires_grad=True)
    owner.grad = torch.ones(3)

    def work(i):
        for _ in range(ROUNDS):
            grad = owner.grad  # made anew, or another thread's, which is just dropping it
            assert grad.shape == (3,)
            del grad
            storage = owner.untyped_storage()
            assert storage.nbytes() == 12
            del storage

    on_threads(work)
    gc.collect()
    assert owner.grad.tolist() == [1, 1, 1]


def test_attributes_survive_while_threads_take_and_drop_the_object():
    owner = torch.zeros(3, requires_grad=True)
    owner.grad = torch.ones(3)
    owner.grad.mark = "kept"

    def work(_):
        for _ in range(ROUNDS):
            assert owner.grad.mark == "kept"

    on_threads(work)
    assert owner.grad.mark == "kept"


def test_nodes_have_one_object():
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).sum()

    def work(_):
        for _ in range(ROUNDS):
            assert y.grad_fn is y.grad_fn
            assert y.grad_fn.next_functions[0][0].name() == "MulBackward0"

    on_threads(work)


def test_functions_and_op_objects_are_made_once():
    names = [n for n in _C._op_names("aten") if not n.startswith("_")][:200]
    found = [None] * THREADS

    def work(i):
        packets = [getattr(torch.ops.aten, n) for n in names]
        found[i] = [getattr(p, p.overloads()[0]) for p in packets]
        for overload in found[i]:
            assert overload._schema.name == f"aten::{overload._opname}"

    on_threads(work)
    assert all(a is b for ops in found for a, b in zip(found[0], ops, strict=True))


def test_threads_train_models_of_their_own():
    losses = [None] * THREADS

    def work(i):
        generator = torch.Generator().manual_seed(0)
        x, w = (torch.randn(s, generator=generator) for s in ((16, 4), (4, 1)))
        w.requires_grad_(True)
        optimizer = torch.optim.Adam([w], lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            loss = ((x @ w - 1) ** 2).mean()
            loss.backward()
            optimizer.step()
        losses[i] = loss.item()

    on_threads(work)
    assert len(set(losses)) == 1


def test_threads_add_to_the_gradient_of_shared_parameters():
    w = torch.ones(3, requires_grad=True)

    def work(_):
        for _ in range(ROUNDS):
            assert torch.autograd.grad((w * 2).sum(), w)[0].tolist() == [2, 2, 2]

    on_threads(work)
    assert w.grad is None


def test_modes_belong_to_their_thread():
    from flambeau.utils._python_dispatch import TorchDispatchMode

    class Counting(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += 1
            return func(*args, **(kwargs or {}))

    one = torch.ones(2)

    def work(i):
        with Counting() as mode, torch.set_grad_enabled(i % 2 == 0):
            for _ in range(ROUNDS):
                one + 1
            assert torch.is_grad_enabled() == (i % 2 == 0)
        assert mode.count == ROUNDS

    on_threads(work)


def test_registrations_come_and_go_while_others_call():
    stop = threading.Event()

    def work(i):
        if i == 0:
            for _ in range(50):
                library = torch.library.Library("aten", "IMPL")
                library.impl("neg", lambda t: torch.full((2,), 42.0), "CPU")
                library._destroy()
            stop.set()
        while not stop.is_set():
            assert torch.neg(torch.ones(2)).tolist() in ([-1, -1], [42, 42])

    on_threads(work, 4)
    assert torch.neg(torch.ones(2)).tolist() == [-1, -1]
