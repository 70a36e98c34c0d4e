"""Loaders with workers: order, seeds, failures, and what is left when they end."""

import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
from flambeau.utils.data._utils.worker import _generate_state

METHODS = ("fork", "spawn", "forkserver")
KINDS = [
    {"multiprocessing_context": "fork"},
    {"multiprocessing_context": "spawn"},
    {"multiprocessing_context": "forkserver"},
    {"worker_type": "thread"},
]


class Squares(Dataset):
    def __init__(self, n=10, wrong=None, slow=0.0):
        self.n, self.wrong, self.slow, self.asked = n, wrong, slow, 0

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == self.wrong:
            raise KeyError(f"sample {i} is broken")
        time.sleep(self.slow)
        self.asked += 1
        return {"x": torch.tensor([i, i * i]), "asked": self.asked}


class Noise(Squares):
    def __getitem__(self, i):
        return torch.rand(()).item(), random.random(), np.random.rand()


class Count(IterableDataset):
    def __init__(self, n=11):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(start, self.n, step))


class Told(Squares):
    def __getitem__(self, i):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed, info.worker_method, info.dataset is self


class Kills(Squares):
    def __getitem__(self, i):
        if i == self.wrong:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


def same(batch):
    return batch


def indices(loader):
    return [b["x"][:, 0].tolist() for b in loader]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_come_in_order(kind):
    torch.manual_seed(0)
    expected = indices(DataLoader(Squares(), 3, shuffle=True))
    torch.manual_seed(0)
    assert indices(DataLoader(Squares(), 3, shuffle=True, num_workers=2, **kind)) == expected
    assert indices(DataLoader(Squares(5), 2, num_workers=3, **kind)) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[-1]])
def test_iterable_datasets_are_shared_out(kind):
    loader = DataLoader(Count(), 2, num_workers=2, **kind)
    expected = [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]
    assert [b.tolist() for b in loader] == expected
    assert list(DataLoader(Count(3), None, num_workers=5, **kind)) == [0, 1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_worker_is_told(kind):
    g = torch.Generator().manual_seed(3)
    base = torch.empty((), dtype=torch.int64).random_(generator=g).item()
    g.manual_seed(3)
    told = list(DataLoader(Told(4), None, num_workers=2, generator=g, **kind))
    method = "thread" if "worker_type" in kind else "multiprocessing"
    assert told == [[i % 2, 2, base + i % 2, method, True] for i in range(4)]
    assert get_worker_info() is None


def test_random_numbers_follow_the_seed():
    def drawn():
        g = torch.Generator().manual_seed(3)
        return list(DataLoader(Noise(4), None, num_workers=2, generator=g))

    first = drawn()
    assert first == drawn() and len({row[0] for row in first}) == 4
    g = torch.Generator().manual_seed(3)
    seed = torch.empty((), dtype=torch.int64).random_(generator=g).item()
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(_generate_state(seed, 0))
    assert first[0] == [torch.rand(()).item(), random.random(), np.random.rand()]


def test_numpy_is_seeded_when_a_worker_imports_it():
    program = """
        import sys
        import flambeau as torch

        class Late(torch.utils.data.Dataset):
            def __len__(self):
                return 2
            def __getitem__(self, i):
                assert i or "numpy" not in sys.modules
                import numpy
                return numpy.random.rand()

        for seed in (1, 1, 2):
            g = torch.Generator().manual_seed(seed)
            print(list(torch.utils.data.DataLoader(Late(), None, num_workers=1, generator=g)))
    """
    lines = run(program).splitlines()
    assert lines[0] == lines[1] != lines[2]


def run(program, **options):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_init_functions_and_persistent_workers(kind):
    loader = DataLoader(
        Squares(8), 2, num_workers=2, persistent_workers=True, worker_init_fn=tag, **kind
    )
    asked = [[b["asked"].tolist() for b in loader] for _ in range(2)]
    if "worker_type" not in kind:
        assert asked[0][0] == [101, 102] and asked[1][-1] == [107, 108]
    else:  # one dataset for all
        assert max(max(b) for b in asked[1]) == 216


def tag(worker):
    get_worker_info().dataset.asked += 100


def test_a_pass_that_is_left_early_disturbs_no_later_one():
    loader = DataLoader(Squares(20), 2, num_workers=2, persistent_workers=True)
    for taken in (0, 1, 3):
        batches = iter(loader)
        for _ in range(taken):
            next(batches)
        assert indices(loader) == [[i, i + 1] for i in range(0, 20, 2)]


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[-1]])
def test_batches_out_of_order_are_all_there(kind):
    loader = DataLoader(Squares(40), 1, num_workers=3, in_order=False, **kind)
    assert sorted(sum(indices(loader), [])) == list(range(40))


@pytest.mark.parametrize("kind", KINDS)
def test_exceptions_carry_worker_and_index(kind):
    place = "thread" if "worker_type" in kind else "process"
    with pytest.raises(KeyError) as caught:
        list(DataLoader(Squares(wrong=5), 2, num_workers=2, **kind))
    text = str(caught.value)
    assert f"Caught KeyError in DataLoader worker {place} 0" in text
    assert "sample 5 is broken" in text and "index 5 of a batch of indices [4, 5]" in text


class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


def fail_at_start(worker):
    raise ValueError(f"no worker {worker}")


class Fails(Squares):
    def __getitem__(self, i):
        raise Odd(1, 2)


def test_failures_of_other_kinds():
    with pytest.raises(ValueError, match="no worker"):
        list(DataLoader(Squares(), num_workers=2, worker_init_fn=fail_at_start))
    with pytest.raises(RuntimeError, match="Caught Odd"):
        list(DataLoader(Fails(), num_workers=1))
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="when its batch was to be"):
        list(DataLoader(Squares(), num_workers=1, collate_fn=lambda batch: lambda: batch))
    with pytest.warns(UserWarning, match="cannot be pickled"):
        with pytest.raises((AttributeError, TypeError)):
            list(DataLoader(Squares(), num_workers=1, multiprocessing_context="spawn",
                            collate_fn=lambda batch: batch))  # fmt: skip


def test_the_loader_goes_on_after_an_exception():
    batches = iter(DataLoader(Squares(6, wrong=2), None, num_workers=2))
    found = []
    for _ in range(6):
        try:
            found.append(next(batches)["x"][0].item())
        except KeyError:
            found.append(None)
    assert found == [0, 1, None, 3, 4, 5]


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_worker_is_an_error_at_once(method):
    loader = DataLoader(Kills(100, wrong=40), 4, num_workers=2, multiprocessing_context=method)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="killed by signal: Killed"):
        for _ in loader:
            began = time.monotonic()
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[-1]])
def test_timeouts(kind):
    with pytest.raises(RuntimeError, match="timed out after 0.2 seconds"):
        list(DataLoader(Squares(slow=0.8), 1, num_workers=1, timeout=0.2, **kind))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


def test_workers_end_with_their_iterator():
    before, open_before = set(children()), len(os.listdir("/proc/self/fd"))
    batches = iter(DataLoader(Squares(100), 2, num_workers=2, multiprocessing_context="fork"))
    next(batches)
    assert len(set(children()) - before) == 2
    del batches
    gc.collect()
    assert not set(children()) - before
    list(DataLoader(Squares(4), 2, num_workers=2, multiprocessing_context="fork"))
    assert not set(children()) - before
    torch._C._trim_shared()
    assert len(os.listdir("/proc/self/fd")) <= open_before + 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_loader_that_is_ended(how):
    before = set(os.listdir("/dev/shm"))
    program = """
        import flambeau as torch
        class Data(torch.utils.data.Dataset):
            def __len__(self): return 10**6
            def __getitem__(self, i): return torch.full((1000,), float(i))
        for i, b in enumerate(torch.utils.data.DataLoader(Data(), 8, num_workers=3)):
            if i == 3: print("ready", flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    child.stdout.readline()
    os.kill(child.pid, how)
    assert child.wait(timeout=10) != 0
    child.stdout.close()
    for _ in range(100):
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        raise AssertionError("workers are left")
    assert set(os.listdir("/dev/shm")) <= before


def test_batches_are_in_shared_memory_and_large_messages_pass():
    (batch,) = DataLoader(Squares(4), 4, num_workers=1)
    assert batch["x"].is_shared()
    (text,) = DataLoader(["ab" * 1_000_000], None, num_workers=1)
    assert len(text) == 2_000_000


def test_many_indices_wait_without_a_deadlock():
    loader = DataLoader(range(100_000), 20_000, num_workers=1, prefetch_factor=5, collate_fn=same)
    assert [len(b) for b in loader] == [20_000] * 5


def test_wrong_settings():
    for options, match in (
        ({"multiprocessing_context": "fork"}, "num_workers"),
        ({"multiprocessing_context": "thread", "num_workers": 1}, "start method"),
        (
            {"multiprocessing_context": "fork", "num_workers": 1, "worker_type": "thread"},
            "worker_type",
        ),
        ({"prefetch_factor": -1, "num_workers": 1}, "prefetch_factor"),
    ):
        with pytest.raises(ValueError, match=match):
            DataLoader(Squares(), **options)
    with pytest.raises(TypeError, match="multiprocessing_context"):
        DataLoader(Squares(), num_workers=1, multiprocessing_context=3)
    with pytest.warns(UserWarning, match="worker processes"):
        DataLoader(Squares(), num_workers=5000)


def test_lengths_that_were_promised():
    class Short(Count):
        def __len__(self):
            return 3

    loader = DataLoader(Short(8), None, num_workers=2)
    assert len(loader) == 3
    with pytest.warns(UserWarning, match="reported to be 3"):
        list(loader)
