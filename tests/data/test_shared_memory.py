"""Memory that processes share: what a block is used for, and when its place is free again."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import flambeau as torch
import flambeau.multiprocessing as mp
from flambeau import _C


def segments():
    return _C._shared_stats()["segments"]


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def in_fork(function):
    """Runs in a forked child; its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def message(value):
    """What a queue would send."""
    return bytes(mp.reducer.ForkingPickler.dumps(value))


def receive(data):
    return mp.reducer.ForkingPickler.loads(data)


def test_a_shared_tensor_keeps_its_values_and_its_object():
    x = torch.arange(6.0).view(2, 3)
    row, storage = x[1], x.untyped_storage()
    assert not x.is_shared() and x.share_memory_() is x and x.is_shared() and row.is_shared()
    assert x.untyped_storage() is storage and storage.is_shared()
    row.fill_(9)
    assert x.tolist() == [[0, 1, 2], [9, 9, 9]]
    assert not x.clone().is_shared() and not storage.resizable()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64, torch.bool])
def test_messages_share_memory(dtype):
    x = torch.tensor([1, 0, 1, 1]).to(dtype)
    y = receive(message(x[1:]))
    assert y.dtype == dtype and y.storage_offset() == 1
    y[0] = 1
    assert x.tolist() == torch.ones(4).to(dtype).tolist()


def test_a_message_can_be_read_once():
    data = message(torch.ones(3))
    assert receive(data).tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="read before"):
        receive(data)


def test_places_are_used_again_when_all_are_done_with_them():
    x = torch.full((1000,), 1.0).share_memory_()
    address = x.data_ptr()
    y = receive(message(x))
    del x
    other = torch.full((1000,), 2.0).share_memory_()
    assert other.data_ptr() != address and y.sum() == 1000
    del y
    found = [torch.zeros(1000).share_memory_() for _ in range(3)]
    assert address in [t.data_ptr() for t in found] and other.sum() == 2000


def test_ten_thousand_tensors_take_few_descriptors():
    before = descriptors()
    held = [torch.full((64,), float(i)).share_memory_() for i in range(10_000)]
    big = [torch.zeros(1 << 18).share_memory_() for _ in range(600)]  # a MiB each, untouched
    assert descriptors() - before < 10 and held[77][3] == 77 and len(big) == 600


def test_a_forked_child_keeps_what_its_parent_gives_up():
    x = torch.full((1000,), 5.0).share_memory_()
    go, went = os.pipe()

    pid = os.fork()
    if pid == 0:
        os.read(go, 1)
        os._exit(0 if x.sum() == 5000 else 1)
    del x
    for _ in range(50):
        torch.full((1000,), 7.0).share_memory_()
    os.write(went, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(go)
    os.close(went)


def test_a_forked_child_writes_what_its_parent_reads():
    x = torch.zeros(3).share_memory_()
    assert in_fork(lambda: x.add_(1)) == 0
    assert x.tolist() == [1, 1, 1]


def test_memory_of_numpy_is_sent_as_a_copy_and_not_shared():
    x = torch.zeros(3)
    array = x.numpy()
    y = receive(message(x))
    y.fill_(1)
    assert array.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="NumPy"):
        x.share_memory_()


def test_empty_and_meta_tensors():
    x = receive(message(torch.empty(0, 3)))
    assert x.shape == (0, 3) and torch.empty(0).share_memory_().is_shared()
    assert receive(message(torch.empty(2, device="meta"))).is_meta
    with pytest.raises(NotImplementedError, match="share_memory_"):
        torch.empty(2, device="meta").share_memory_()


def test_new_shared_storages():
    storage = torch.UntypedStorage._new_shared(8)
    assert storage.is_shared() and storage.nbytes() == 8
    with pytest.raises(NotImplementedError, match="_new_shared"):
        torch.UntypedStorage._new_shared(8, device="meta")
    with pytest.raises(RuntimeError, match="bytes"):
        torch.UntypedStorage._new_shared(-1)


def test_large_blocks_go_back_to_the_system():
    before = segments()
    x = torch.empty((300 << 20) // 4).share_memory_()
    assert segments() >= before + 1
    now = segments()
    del x
    assert segments() == now - 1


def test_a_module_shares_its_parameters():
    layer = torch.nn.Linear(2, 2)
    assert layer.share_memory() is layer and all(p.is_shared() for p in layer.parameters())

    def child():
        with torch.no_grad():
            layer.weight.fill_(3)

    assert in_fork(child) == 0 and layer.weight.sum() == 12


def test_nothing_is_left_of_a_killed_process():
    before = set(os.listdir("/dev/shm"))
    program = """
        import flambeau as torch, time
        held = [torch.ones(1000).share_memory_() for _ in range(100)]
        print("ready", flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE
    )
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert set(os.listdir("/dev/shm")) <= before


def test_a_message_of_a_process_that_has_ended_says_so():
    reader, writer = mp.Pipe()

    def child():
        writer.send(torch.ones(2))

    assert in_fork(child) == 0
    with pytest.raises(RuntimeError, match="stay alive"):
        reader.recv()


def test_segments_of_ended_processes_are_given_up():
    context = mp.get_context("fork")
    before = segments()
    for _ in range(5):
        reader, writer = context.Pipe()
        process = context.Process(target=_send_and_wait, args=(writer,))
        process.start()
        x = reader.recv()
        assert x.sum() == 4
        writer.close()
        reader.send(None)
        process.join()
        del x
    time.sleep(0.01)
    _C._trim_shared()
    assert segments() <= before + 1


def _send_and_wait(connection):
    connection.send(torch.ones(4))
    connection.recv()
