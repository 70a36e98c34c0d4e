"""Memory and shapes that one thread changes while another computes: Note [Memory that moves]."""

import concurrent.futures
import threading
import time

import flambeau as torch


def run_beside(compute, change, rounds=30):
    """``change`` in this thread while another one computes; errors of the latter are returned."""
    errors, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                compute()
            except RuntimeError as error:
                errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for i in range(rounds):
            change(i)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    return errors


N = 300_000  # enough for kernels to run without Python's lock


def test_memory_is_resized_while_another_thread_computes():
    t = torch.ones(N)
    storage = t.untyped_storage()

    def change(i):
        storage.resize_(0)
        others = torch.zeros(N)
        time.sleep(0.001)
        assert not others.any()
        storage.resize_(4 * N)
        t.fill_(1)

    errors = run_beside(lambda: t.mul_(1.0).add(1).sum(), change)
    assert all("needs a storage of" in e for e in errors)


def test_shapes_change_while_another_thread_computes():
    t = torch.ones(600, 500)

    def change(i):
        t.t_()
        t.unsqueeze_(0)
        t.squeeze_(0)
        t.resize_(600 + i, 500)
        t.data = torch.ones(600, 500)

    errors = run_beside(lambda: (t + 1).exp().sum(dim=-1), change, rounds=100)
    assert not errors


def test_gradients_are_dropped_while_another_thread_runs_backward():
    w = torch.ones(N, requires_grad=True)

    def change(i):
        w.grad = None
        torch.add(torch.ones(10 + i), 1, out=out.resize_(0))

    out = torch.empty(0)
    errors = run_beside(lambda: (w * w).exp().sum().backward(), change, rounds=100)
    assert not errors


def test_hooks_may_resize_what_their_backward_has_used():
    weights = [torch.ones(N, requires_grad=True) for _ in range(2)]

    def train(w):
        held = torch.empty(N)

        def free(p):
            held.untyped_storage().resize_(0)

        w.register_post_accumulate_grad_hook(free)
        for _ in range(10):
            held.untyped_storage().resize_(4 * N)
            (w * w.tanh()).sum().backward()
            assert held.untyped_storage().nbytes() == 0

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(train, weights, timeout=100))
