"""Datasets, samplers, collation and the loader."""

import collections

import numpy as np
import pytest

import flambeau
from flambeau.utils import data
from flambeau.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)


class Squares(Dataset[int]):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return i**2


class Counting(IterableDataset):
    def __init__(self, n, promised=None):
        self.n, self.promised = n, n if promised is None else promised

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.promised


def lists(loader):
    return [batch.tolist() for batch in loader]


# ---- datasets


def test_datasets():
    tensors = TensorDataset(flambeau.arange(4), flambeau.arange(8).view(4, 2))
    assert len(tensors) == 4 and tensors[2][1].tolist() == [4, 5]
    joined = Squares(3) + Squares(2)
    assert isinstance(joined, ConcatDataset) and [joined[i] for i in range(5)] == [0, 1, 4, 0, 1]
    assert joined[-1] == 1 and len(joined) == 5 and joined.cumulative_sizes == [3, 5]
    assert list(Counting(2) + Counting(1)) == [0, 1, 0] and len(Counting(2) + Counting(1)) == 3
    assert Subset(Squares(), [4, 2])[0] == 16 and len(Subset(Squares(), [4, 2])) == 2
    assert Subset(Squares(), [4, 2]).__getitems__([1, 0]) == [4, 16]
    stacked = StackDataset(Squares(), Squares())
    assert stacked[3] == (9, 9) and stacked.__getitems__([1, 2]) == [(1, 1), (4, 4)]
    assert StackDataset(a=Squares()).__getitems__([2]) == [{"a": 4}]


@pytest.mark.parametrize(
    "error, action",
    [
        (NotImplementedError, lambda: Dataset()[0]),
        (TypeError, IterableDataset),
        (AssertionError, lambda: TensorDataset(flambeau.ones(2), flambeau.ones(3))),
        (AssertionError, lambda: ConcatDataset([])),
        (AssertionError, lambda: ConcatDataset([Counting(1)])),
        (AssertionError, lambda: list(ChainDataset([Squares()]))),
        (ValueError, lambda: (Squares(2) + Squares(2))[-5]),
        (ValueError, lambda: StackDataset(Squares(1), Squares(2))),
        (ValueError, StackDataset),
        (ValueError, lambda: random_split(Squares(), [1, 2])),
    ],
)
def test_dataset_errors(error, action):
    with pytest.raises(error):
        action()


def test_random_split():
    generator = flambeau.Generator().manual_seed(0)
    first, second = random_split(Squares(), [4, 6], generator)
    assert sorted(first.indices + second.indices) == list(range(10))
    again, _ = random_split(Squares(), [4, 6], flambeau.Generator().manual_seed(0))
    assert first.indices == again.indices
    assert [len(p) for p in random_split(Squares(11), [0.5, 0.25, 0.25])] == [6, 3, 2]
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(Squares(2), [0.9, 0.0, 0.1])


# ---- samplers


def test_samplers():
    assert sorted(RandomSampler(range(20))) == list(range(20))
    assert list(RandomSampler(range(20))) != list(RandomSampler(range(20)))
    drawn = list(RandomSampler(range(3), num_samples=8))
    assert len(drawn) == 8 and sorted(drawn[:3]) == sorted(drawn[3:6]) == [0, 1, 2]
    repeated = list(RandomSampler(range(5), replacement=True, num_samples=100))
    assert len(repeated) == 100 and set(repeated) == set(range(5))
    assert sorted(SubsetRandomSampler([3, 5])) == [3, 5]
    weighted = list(WeightedRandomSampler([0.0, 3.0, 1.0], 400))
    assert 0 not in weighted and 220 < weighted.count(1) < 370
    assert sorted(WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, True)) == 2 and len(BatchSampler(range(5), 2, False)) == 3


def test_samplers_follow_their_seed():
    for make in (RandomSampler, SubsetRandomSampler):
        first, second = (
            list(make(range(30), generator=flambeau.Generator().manual_seed(3))) for _ in range(2)
        )
        assert first == second
    flambeau.manual_seed(1)
    first = list(RandomSampler(range(30)))
    flambeau.manual_seed(1)
    assert list(RandomSampler(range(30))) == first


@pytest.mark.parametrize(
    "error, action",
    [
        (NotImplementedError, lambda: iter(Sampler())),
        (TypeError, lambda: RandomSampler(range(3), replacement=1)),
        (ValueError, lambda: RandomSampler([])),
        (ValueError, lambda: WeightedRandomSampler([1.0], 0)),
        (ValueError, lambda: WeightedRandomSampler([[1.0]], 1)),
        (ValueError, lambda: BatchSampler([1], 0, False)),
        (ValueError, lambda: BatchSampler([1], 1, "no")),
    ],
)
def test_sampler_errors(error, action):
    with pytest.raises(error):
        action()


# ---- collation


def test_collation():
    assert default_collate([1, 2]).tolist() == [1, 2]
    assert default_collate([1.0, 2.0]).dtype == flambeau.float64
    assert default_collate([True, False]).dtype == flambeau.bool
    assert default_collate(["a", b"b"]) == ["a", b"b"]
    assert default_collate([flambeau.ones(2), flambeau.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert default_collate([np.float32(1), np.float32(2)]).dtype == flambeau.float32
    assert default_collate([np.arange(2), np.arange(2)]).shape == (2, 2)
    nested = default_collate([{"a": [1, (2, "x")]}, {"a": [3, (4, "y")]}])
    assert nested["a"][0].tolist() == [1, 3] and nested["a"][1][0].tolist() == [2, 4]
    assert nested["a"][1][1] == ("x", "y")
    Point = collections.namedtuple("Point", "x y")
    point = default_collate([Point(1, 2), Point(3, 4)])
    assert type(point) is Point and point.y.tolist() == [2, 4]
    ordered = default_collate([collections.OrderedDict(a=1)] * 2)
    assert type(ordered) is collections.OrderedDict
    with pytest.raises(TypeError, match="found <class 'object'>"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1], [1, 2]])


def test_collation_of_a_users_type():
    class Kept:
        pass

    table = {Kept: lambda batch, *, collate_fn_map=None: len(batch)}
    collate = data._utils.collate.collate
    assert collate([(Kept(),), (Kept(),)], collate_fn_map=table) == [2]


def test_conversion():
    converted = default_convert({"a": [np.arange(2), 1, "x"], "b": (np.float64(2),)})
    assert converted["a"][0].tolist() == [0, 1] and converted["a"][1:] == [1, "x"]
    assert isinstance(converted["b"], list) and converted["b"][0].item() == 2
    assert default_convert(np.array(["x"]))[0] == "x"


# ---- the loader


def test_batches():
    assert lists(DataLoader(Squares(5), 2)) == [[0, 1], [4, 9], [16]]
    assert lists(DataLoader(Squares(5), 2, drop_last=True)) == [[0, 1], [4, 9]]
    assert list(DataLoader(Squares(3), None)) == [0, 1, 4]
    assert lists(DataLoader(Squares(), batch_sampler=[[1, 2], [3]])) == [[1, 4], [9]]
    assert lists(DataLoader(Squares(), 2, sampler=[3, 1])) == [[9, 1]]
    assert list(DataLoader(Squares(4), 2, collate_fn=sum)) == [1, 13]
    assert lists(DataLoader(Counting(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Counting(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Counting(2), None)) == [0, 1]


def test_tensor_datasets_give_the_same_batches_as_row_by_row():
    tensors = TensorDataset(flambeau.arange(12.0).view(6, 2), flambeau.arange(6))

    class RowByRow(TensorDataset):
        pass

    rows = RowByRow(*tensors.tensors)
    for wrap in (lambda d: d, lambda d: Subset(d, [5, 3, 1, 0])):
        fast, slow = (list(DataLoader(wrap(d), 2)) for d in (tensors, rows))
        assert len(fast) == len(slow)
        for a, b in zip(fast, slow):
            assert type(a) is type(b) is list
            assert all(flambeau.equal(x, y) for x, y in zip(a, b))
    with pytest.raises(IndexError):
        list(DataLoader(tensors, sampler=[9]))


def test_shuffling_covers_all_and_follows_the_seed():
    def epoch(seed):
        flambeau.manual_seed(seed)
        loader = DataLoader(Squares(20), 4, shuffle=True)
        return [sum(lists(loader), []) for _ in range(2)]

    first, second = epoch(0)
    assert sorted(first) == sorted(second) == [i**2 for i in range(20)] and first != second
    assert epoch(0) == [first, second] and epoch(1)[0] != first
    generator = flambeau.Generator().manual_seed(2)
    flambeau.manual_seed(5)
    list(DataLoader(Squares(20), 4, shuffle=True, generator=generator))
    untouched = flambeau.rand(1)
    flambeau.manual_seed(5)
    assert flambeau.equal(flambeau.rand(1), untouched)


def test_batched_access():
    class Batched(Squares):
        def __getitems__(self, indices):
            return [-i for i in indices]

    assert lists(DataLoader(Batched(4), 2)) == [[0, -1], [-2, -3]]


def test_lengths():
    assert (
        len(DataLoader(Squares(5), 2)) == 3 and len(DataLoader(Squares(5), 2, drop_last=True)) == 2
    )
    assert len(DataLoader(Squares(5), None)) == 5 and len(DataLoader(Counting(5), 2)) == 3
    loader = DataLoader(Counting(3, promised=2), None)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="reported to be 2"):
        assert list(loader) == [0, 1, 2]


@pytest.mark.parametrize(
    "error, match, options",
    [
        (ValueError, "worker_type", {"worker_type": "fibre"}),
        (ValueError, "num_workers", {"num_workers": -1}),
        (ValueError, "timeout", {"timeout": -1}),
        (ValueError, "prefetch_factor", {"prefetch_factor": 2}),
        (ValueError, "persistent_workers", {"persistent_workers": True}),
        (ValueError, "multiprocessing_context", {"multiprocessing_context": "fork"}),
        (ValueError, "sampler option", {"sampler": [1], "shuffle": True}),
        (ValueError, "batch_sampler option", {"batch_sampler": [[1]], "batch_size": 2}),
        (ValueError, "batch_size=None", {"batch_size": None, "drop_last": True}),
    ],
)
def test_loader_errors(error, match, options):
    with pytest.raises(error, match=match):
        DataLoader(Squares(), **options)


def test_iterable_datasets_take_no_order():
    for options in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError, match="IterableDataset"):
            DataLoader(Counting(3), **options)
    assert lists(DataLoader(Counting(1), shuffle=False)) == [[0]]


def test_what_is_fixed_and_what_warns():
    loader = DataLoader(Squares())
    with pytest.raises(ValueError, match="batch_size attribute"):
        loader.batch_size = 3
    loader.collate_fn = len
    assert list(loader)[0] == 1
    with pytest.warns(UserWarning, match="pin_memory"):
        iter(DataLoader(Squares(), pin_memory=True))
    with pytest.raises(AssertionError, match="timeout"):
        iter(DataLoader(Squares(), timeout=1))
    assert data.get_worker_info() is None
