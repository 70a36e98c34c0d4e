"""Memory that is not there, was given out, or moves while somebody looks at it."""

import copy
import gc
import io
import pickle

import numpy as np
import pytest

import flambeau as torch


def shrunken(*size, dtype=torch.float32, nbytes=0):
    t = torch.ones(*size, dtype=dtype)
    t.untyped_storage().resize_(nbytes)
    return t


READERS = {
    "tolist": lambda t: t.tolist(),
    "numpy": lambda t: t.numpy(),
    "asarray": lambda t: np.asarray(t),
    "buffer": lambda t: memoryview(t),
    "dlpack": lambda t: t.__dlpack__(),
    "to_dlpack": lambda t: torch.to_dlpack(t),
    "repr": lambda t: repr(t),
    "item": lambda t: t[0].item(),
    "index": lambda t: int(t[0].long()),
    "bool": lambda t: bool(t.any()),
    "data_ptr": lambda t: t.data_ptr(),
    "add": lambda t: t + 1,
    "add_": lambda t: t.add_(1),
    "transposed": lambda t: torch.ones(3, 3) + t,
    "sum": lambda t: t.sum(),
    "cumsum": lambda t: t.cumsum(0),
    "sort": lambda t: t.sort(),
    "matmul": lambda t: t @ torch.ones(3),
    "cat": lambda t: torch.cat([torch.ones(3), t]),
    "clone": lambda t: t.clone(),
    "copy_": lambda t: torch.zeros(3).copy_(t),
    "copied into": lambda t: t.copy_(torch.zeros(3)),
    "fill_": lambda t: t.fill_(1),
    "uniform_": lambda t: t.uniform_(),
    "to": lambda t: t.double(),
    "index_select": lambda t: t.index_select(0, torch.tensor([0])),
    "put": lambda t: t.__setitem__(0, 1.0),
    "where": lambda t: torch.where(t > 0, t, t),
    "softmax": lambda t: t.softmax(0),
    "linear": lambda t: torch.nn.functional.linear(t, torch.ones(2, 3)),
    "deepcopy": lambda t: copy.deepcopy(t),
    "pickle": lambda t: pickle.dumps(t),
    "out": lambda t: torch.add(torch.ones(3), 1, out=t),
}


READS_ONE = {"item", "index", "put"}  # which is there where 4 bytes are


@pytest.mark.parametrize(
    "name, nbytes", [(n, b) for n in READERS for b in (0, 4) if not (b and n in READS_ONE)]
)
def test_a_storage_that_was_resized_away_is_an_error(name, nbytes):
    t = shrunken(3, nbytes=nbytes)
    with pytest.raises(RuntimeError, match=f"sizes=.*needs a storage of .*resized to {nbytes}"):
        READERS[name](t)


def test_the_error_names_the_op_and_the_geometry():
    with pytest.raises(
        RuntimeError,
        match=r"^add: a tensor of sizes=\[2, 3\], strides=\[3, 1\] and offset=0 of float32 needs a "
        r"storage of 24 bytes, but its storage was resized to 8",
    ):
        shrunken(2, 3, nbytes=8) + 1


def test_what_still_lies_in_a_shorter_storage_can_be_used():
    t = torch.arange(6.0)
    head, tail = t[:2], t[4:]
    t.untyped_storage().resize_(8)
    assert head.tolist() == [0, 1] and (head + 1).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="needs a storage of 24 bytes"):
        tail.sum()
    t.untyped_storage().resize_(24)
    t[2:] = 7
    assert t.tolist() == [0, 1, 7, 7, 7, 7] and tail.sum() == 14


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_tensors_without_elements_need_no_memory(shape):
    t = torch.ones(shape)
    t.untyped_storage().resize_(0)
    assert (t + 1).shape == t.shape and t.sum() == 0 and t.numpy().shape == shape
    assert memoryview(t).nbytes == 0 and torch.from_dlpack(t).shape == shape
    assert t.data_ptr() == 0


def test_training_steps_leave_parameters_alone_when_one_has_no_memory():
    for optimizer in (torch.optim.SGD, torch.optim.Adam):
        first, second = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        first.grad, second.grad = torch.ones(3), torch.ones(3)
        second.grad.untyped_storage().resize_(0)
        with pytest.raises(RuntimeError, match="needs a storage of 12 bytes"):
            optimizer([first, second], lr=0.5).step()
        assert first.tolist() == [1, 1, 1] and second.tolist() == [1, 1, 1]


def test_geometry_is_checked_where_it_is_made():
    t = torch.ones(4)
    t.untyped_storage().resize_(8)
    with pytest.raises(RuntimeError, match="out of bounds for storage of size 8"):
        t.as_strided((4,), (1,))
    assert t.as_strided((2,), (1,)).tolist() == [1, 1]
    other = torch.empty(0).set_(t.untyped_storage(), 0, (3,))
    assert t.untyped_storage().nbytes() == 12 and other.shape == (3,)
    wrapped = torch.from_numpy(np.ones(2, np.float32))
    with pytest.raises(RuntimeError, match="not resizable"):
        wrapped.set_(wrapped.untyped_storage(), 0, (3,))
    assert wrapped.shape == (2,)


# ---- given out

HOLDERS = {
    "numpy": lambda t: t.numpy(),
    "buffer": lambda t: memoryview(t),
    "storage buffer": lambda t: memoryview(t.untyped_storage()),
    "dlpack": lambda t: np.from_dlpack(t),
    "own dlpack": lambda t: torch.from_dlpack(t),
    "storage slice": lambda t: t.untyped_storage()[4:],
    "slice of a slice": lambda t: t.untyped_storage()[4:][4:],
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_that_was_given_out_stays_where_it_is(holder):
    t = torch.ones(1000)
    held = HOLDERS[holder](t)
    address = t.data_ptr()
    for grow in (lambda: t.resize_(100_000), lambda: t.untyped_storage().resize_(0)):
        with pytest.raises(RuntimeError, match="storage that is not resizable: .* is in use by"):
            grow()
    assert not t.untyped_storage().resizable() and t.shape == (1000,)
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.add(torch.ones(5000), 1, out=t[:0])
    assert t.resize_(10).data_ptr() == address  # it lies within
    del held
    gc.collect()
    assert t.untyped_storage().resizable() and t.resize_(100_000).shape == (100_000,)


def test_slices_of_storages_hold_no_chain():
    storage = torch.UntypedStorage(16)
    part = storage
    for _ in range(200_000):
        part = part[:]
    part[3] = 9
    assert storage[3] == 9
    del part
    assert storage.resizable()


# ---- code that runs in between


class Index:
    """An index that changes the world when it is asked for."""

    def __init__(self, value, action):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        return self.value


@pytest.mark.parametrize(
    "use",
    [
        lambda s, i: s[i],
        lambda s, i: s.__setitem__(i, 99),
        lambda s, i: s.__setitem__(5, i),
        lambda s, i: s.__setitem__(slice(i, 7), 99),
        lambda s, i: s.__setitem__(slice(0, 7), i),
    ],
)
def test_an_index_that_resizes_its_storage(use):
    storage = torch.UntypedStorage(4000)
    others = []

    def shrink():
        storage.resize_(0)
        others.extend(torch.zeros(1000) for _ in range(20))

    try:
        use(storage, Index(5, shrink))
    except IndexError:
        pass
    assert storage.nbytes() == 0 and not any(t.any() for t in others)


def test_an_index_that_empties_the_list_it_stands_in():
    items = []
    items.extend([Index(1, items.clear)] + [2**9 + k for k in range(50)])
    assert torch.UntypedStorage(items).nbytes() == 51


def test_finalizers_that_run_while_a_list_is_made():
    t = torch.ones(20, 20)
    resized = []

    class Cycle:
        def __del__(self):
            try:
                t.untyped_storage().resize_(0)
                resized.append(True)
            except RuntimeError:
                resized.append(False)

    gc.disable()
    try:
        for _ in range(50):
            cycle = Cycle()
            cycle.own = cycle
        del cycle
        gc.set_threshold(1)
        gc.enable()
        values = t.tolist()
    finally:
        gc.set_threshold(700, 10, 10)
        gc.enable()
    assert values == [[1.0] * 20] * 20
    if resized and not resized[0]:
        assert t.tolist() == values


def test_damaged_storages_are_not_saved():
    t = shrunken(3)
    with pytest.raises(RuntimeError, match="needs a storage of 12 bytes"):
        torch.save(t, io.BytesIO())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_geometry_at_the_end_of_all_numbers(dtype):
    storage = torch.UntypedStorage(16)
    t = torch.empty(0, dtype=dtype)
    with pytest.raises(RuntimeError, match="overflowed"):
        t.set_(storage, 2**63 - 1, (1,), (1,))
    far = t.set_(storage, 2**62, (0,), (1,))
    with pytest.raises(RuntimeError, match="overflowed|allocate memory"):
        far.resize_(3)
    assert far.shape == (0,) and storage.nbytes() == 16
