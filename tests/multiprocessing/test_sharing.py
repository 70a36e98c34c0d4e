"""Processes that share tensors through flambeau.multiprocessing."""

import multiprocessing
import os
import pickle
import signal
import time

import pytest

import flambeau as torch
import flambeau.multiprocessing as mp

METHODS = ("fork", "spawn", "forkserver")


def add_and_answer(tasks, answers):
    x = tasks.get()
    x.add_(1)
    answers.put((x, torch.arange(3), {"half": x[::2]}))
    tasks.get()


@pytest.mark.parametrize("method", METHODS)
def test_queues_share_tensors(method):
    context = mp.get_context(method)
    tasks, answers = context.Queue(), context.Queue()
    process = context.Process(target=add_and_answer, args=(tasks, answers))
    process.start()
    x = torch.zeros(4)
    tasks.put(x)
    back, new, views = answers.get(timeout=30)
    assert x.tolist() == [1] * 4 and back.data_ptr() == x.data_ptr() and new.tolist() == [0, 1, 2]
    views["half"].fill_(5)
    assert x.tolist() == [5, 1, 5, 1] and x.is_shared()
    tasks.put(None)
    process.join()
    assert process.exitcode == 0


def fill(x, value):
    x.fill_(value)


@pytest.mark.parametrize("method", METHODS)
def test_arguments_are_shared(method):
    x = torch.zeros(2).share_memory_()
    process = mp.get_context(method).Process(target=fill, args=(x, 3))
    process.start()
    process.join()
    assert process.exitcode == 0 and x.tolist() == [3, 3]


def test_pythons_own_queues_share_too():
    queue = multiprocessing.get_context("fork").SimpleQueue()
    x = torch.zeros(2)
    queue.put(x)
    queue.get().fill_(4)
    assert x.tolist() == [4, 4]


def test_parameters_and_modules():
    reader, writer = mp.Pipe()
    layer = torch.nn.Linear(2, 1)
    writer.send(layer)
    other = reader.recv()
    assert isinstance(other.weight, torch.nn.Parameter) and other.weight.requires_grad
    with torch.no_grad():
        other.weight.fill_(2)
    assert layer.weight.tolist() == [[2, 2]]


def test_subclasses_and_attributes():
    reader, writer = mp.Pipe()
    x = torch.zeros(2).as_subclass(Named)
    x.label = "x"
    writer.send(x)
    y = reader.recv()
    y.as_subclass(torch.Tensor).fill_(1)
    assert type(y) is Named and y.label == "x" and x.as_subclass(torch.Tensor).tolist() == [1, 1]


class Named(torch.Tensor):
    pass


def test_tensors_within_a_graph_are_refused():
    writer = mp.Pipe()[1]
    with pytest.raises(RuntimeError, match="non-leaf"):
        writer.send(torch.ones(2, requires_grad=True) * 2)
    leaf = torch.ones(2, requires_grad=True)
    reader, writer = mp.Pipe()
    writer.send(leaf)
    assert reader.recv().requires_grad


def square(x):
    return x * x


def test_pools():
    with mp.get_context("fork").Pool(2) as pool:
        results = pool.map(square, [torch.full((3,), float(i)) for i in range(20)])
    assert [r[0].item() for r in results] == [i * i for i in range(20)]


def count(index, x):
    x[index] = index + 1


def fail(index):
    if index == 1:
        raise ValueError("one is wrong")
    time.sleep(60)


def leave(index):
    os._exit(3)


def kill_itself(index):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("method", METHODS)
def test_start_processes(method):
    x = torch.zeros(3).share_memory_()
    assert mp.start_processes(count, (x,), 3, start_method=method) is None
    assert x.tolist() == [1, 2, 3]


def test_failures_of_processes():
    began = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException, match="(?s)Process 1 .*one is wrong") as caught:
        mp.start_processes(fail, nprocs=3, start_method="fork")
    assert caught.value.error_index == 1 and time.monotonic() - began < 10
    with pytest.raises(mp.ProcessExitedException, match="exit code 3") as caught:
        mp.start_processes(leave, start_method="fork")
    assert caught.value.exit_code == 3
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL") as caught:
        mp.spawn(kill_itself)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.signal_name == "SIGKILL" and copy.error_pid == caught.value.error_pid


def test_contexts_are_joined():
    context = mp.start_processes(count, (torch.zeros(2),), 2, join=False, start_method="fork")
    assert len(context.pids()) == 2
    while not context.join(timeout=5):
        pass
    assert context.join()
    with pytest.warns(FutureWarning, match="start_method=spawn"):
        mp.spawn(count, (torch.zeros(1),), start_method="fork")
    with pytest.warns(UserWarning, match="ProcessContext"):
        mp.SpawnContext([], [])


def test_names_are_multiprocessings():
    assert set(multiprocessing.__all__) <= set(dir(mp)) and mp.Process is multiprocessing.Process
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy(before)
    with pytest.raises(AssertionError, match="sharing strategy"):
        mp.set_sharing_strategy("carrier pigeon")
