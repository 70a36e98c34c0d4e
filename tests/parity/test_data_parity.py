"""Datasets, samplers and loaders against PyTorch in the same process."""

import collections

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402
import flambeau.utils.data  # noqa: E402


def plain(value):
    """Tensors as (dtype, list), whichever library they are of."""
    if isinstance(value, (torch.Tensor, flambeau.Tensor)):
        return str(value.dtype).split(".")[1], value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def both(action):
    """What ``action`` gives in each library from the same seed, and what is drawn next."""
    results = []
    for lib in (flambeau, torch):
        lib.manual_seed(11)
        results.append((plain(action(lib, lib.utils.data)), lib.rand(2).tolist()))
    return results


def generator(lib):
    return lib.Generator().manual_seed(5)


def dataset(lib, data):
    return data.TensorDataset(lib.arange(10) * 1.5, lib.arange(20).view(10, 2))


def letters(data):
    class Letters(data.Dataset[str]):
        def __len__(self):
            return 7

        def __getitem__(self, i):
            return {
                "letter": "abcdefg"[i],
                "number": i,
                "half": i / 2,
                "array": np.arange(i, i + 3),
            }

    return Letters()


def counting(data, n=7):
    class Counting(data.IterableDataset):
        def __iter__(self):
            return iter(range(n))

        def __len__(self):
            return n

    return Counting()


ACTIONS = [
    lambda lib, d: list(d.DataLoader(dataset(lib, d))),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), batch_size=4)),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), batch_size=4, drop_last=True)),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), batch_size=4, shuffle=True)),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), batch_size=None, shuffle=True)),
    lambda lib, d: [list(x) for x in [d.DataLoader(dataset(lib, d), 3, True)] * 3],
    lambda lib, d: list(d.DataLoader(dataset(lib, d), 3, True, generator=generator(lib))),
    lambda lib, d: list(d.DataLoader(letters(d), 3, True)),
    lambda lib, d: list(d.DataLoader(letters(d), batch_size=None)),
    lambda lib, d: list(d.DataLoader(letters(d), 2, collate_fn=lambda batch: batch[0]["letter"])),
    lambda lib, d: list(d.DataLoader(counting(d), 3)),
    lambda lib, d: list(d.DataLoader(counting(d), 3, drop_last=True)),
    lambda lib, d: list(d.DataLoader(counting(d), None)),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), batch_sampler=[[1, 2], [3]])),
    lambda lib, d: list(d.DataLoader(dataset(lib, d), 2, sampler=[5, 3, -1])),
    lambda lib, d: [
        len(loader)
        for loader in (
            d.DataLoader(dataset(lib, d), 3),
            d.DataLoader(dataset(lib, d), 3, drop_last=True),
            d.DataLoader(dataset(lib, d), None),
            d.DataLoader(counting(d), 3),
            d.DataLoader(counting(d), 3, drop_last=True),
            d.DataLoader(counting(d), None),
        )
    ],
    lambda lib, d: list(d.RandomSampler(range(9))),
    lambda lib, d: list(d.RandomSampler(range(9), num_samples=25)),
    lambda lib, d: list(d.RandomSampler(range(9), True)),
    lambda lib, d: list(d.RandomSampler(range(9), True, 70, generator(lib))),
    lambda lib, d: list(d.SubsetRandomSampler([4, 6, 8, 1])),
    lambda lib, d: list(d.SubsetRandomSampler([4, 6, 8, 1], generator(lib))),
    lambda lib, d: list(d.WeightedRandomSampler([0.1, 0.5, 0.4], 12)),
    lambda lib, d: list(d.WeightedRandomSampler([1, 5, 4, 2], 3, False, generator(lib))),
    lambda lib, d: list(d.BatchSampler(range(7), 3, True)),
    lambda lib, d: [list(p) for p in d.random_split(range(10), [3, 7])],
    lambda lib, d: [list(p.indices) for p in d.random_split(range(11), [0.5, 0.3, 0.2])],
    lambda lib, d: [p.indices for p in d.random_split(range(11), [4, 7], generator(lib))],
    lambda lib, d: list(d.DataLoader(d.random_split(dataset(lib, d), [6, 4])[0], 4)),
    lambda lib, d: list(d.DataLoader(d.Subset(letters(d), (3, 1)), 2)),
    lambda lib, d: (dataset(lib, d) + dataset(lib, d))[13],
    lambda lib, d: d.ConcatDataset([dataset(lib, d), dataset(lib, d)])[-11],
    lambda lib, d: list(counting(d) + counting(d, 2)),
    lambda lib, d: d.StackDataset(dataset(lib, d), letters_of(10))[3],
    lambda lib, d: list(
        d.DataLoader(d.StackDataset(a=dataset(lib, d), b=d.Subset(range(10), range(10))), 4)
    ),
    lambda lib, d: d.default_collate([1, 2]),
    lambda lib, d: d.default_collate([1.5, 2]),
    lambda lib, d: d.default_collate([True, False]),
    lambda lib, d: d.default_collate(["a", "b"]),
    lambda lib, d: d.default_collate([[1, "a"], [2, "b"]]),
    lambda lib, d: d.default_collate([(1, 2.0), (3, 4.0)]),
    lambda lib, d: d.default_collate([np.float64(1.5), np.float64(2)]),
    lambda lib, d: d.default_collate([np.float32(1.5), np.float32(2)]),
    lambda lib, d: d.default_collate([np.int16([1, 2]), np.int16([3, 4])]),
    lambda lib, d: d.default_collate([{"a": lib.ones(2)}, {"a": lib.zeros(2)}]),
    lambda lib, d: d.default_collate([collections.OrderedDict(a=1), collections.OrderedDict(a=2)]),
    lambda lib, d: d.default_convert({"a": [np.arange(3), "b", 1, (2, 3)]}),
    lambda lib, d: d.default_convert(np.array(["a"])).tolist(),
]


def letters_of(n):
    return [chr(ord("a") + i) for i in range(n)]


@pytest.mark.parametrize("action", ACTIONS, ids=range(len(ACTIONS)))
def test_same_samples_in_the_same_order(action):
    ours, theirs = both(action)
    assert ours == theirs


def change_batch_size(lib, d):
    d.DataLoader(range(3)).batch_size = 3


ERRORS = [
    change_batch_size,
    lambda lib, d: d.DataLoader(range(3), num_workers=-1),
    lambda lib, d: d.DataLoader(range(3), timeout=-1),
    lambda lib, d: list(d.DataLoader(range(3), timeout=1)),
    lambda lib, d: d.DataLoader(range(3), prefetch_factor=2),
    lambda lib, d: d.DataLoader(range(3), persistent_workers=True),
    lambda lib, d: d.DataLoader(range(3), multiprocessing_context="fork"),
    lambda lib, d: d.DataLoader(range(3), shuffle=True, sampler=[1]),
    lambda lib, d: d.DataLoader(range(3), batch_size=2, batch_sampler=[[1]]),
    lambda lib, d: d.DataLoader(range(3), batch_size=None, drop_last=True),
    lambda lib, d: d.DataLoader(range(3), batch_size=0),
    lambda lib, d: d.DataLoader(range(0), shuffle=True),
    lambda lib, d: d.DataLoader(counting(d), shuffle=True),
    lambda lib, d: d.DataLoader(counting(d), sampler=[1]),
    lambda lib, d: d.DataLoader(counting(d), batch_sampler=[[1]]),
    lambda lib, d: d.Dataset()[0],
    lambda lib, d: iter(d.IterableDataset()),
    lambda lib, d: d.TensorDataset(lib.zeros(2), lib.zeros(3)),
    lambda lib, d: d.ConcatDataset([]),
    lambda lib, d: d.ConcatDataset([counting(d)]),
    lambda lib, d: d.ConcatDataset([range(3)])[-4],
    lambda lib, d: list(d.ChainDataset([range(3)])),
    lambda lib, d: d.StackDataset(),
    lambda lib, d: d.StackDataset(range(2), range(3)),
    lambda lib, d: d.StackDataset(range(2), a=range(3)),
    lambda lib, d: d.random_split(range(3), [1, 1]),
    lambda lib, d: d.random_split(range(3), [1.5, -0.5]),
    lambda lib, d: d.RandomSampler(range(3), replacement=1),
    lambda lib, d: d.RandomSampler(range(3), num_samples=0),
    lambda lib, d: d.WeightedRandomSampler([1.0], 0),
    lambda lib, d: d.WeightedRandomSampler([1.0], 1, 1),
    lambda lib, d: d.WeightedRandomSampler([[1.0]], 1),
    lambda lib, d: d.BatchSampler([1], True, False),
    lambda lib, d: d.BatchSampler([1], 2, 1),
    lambda lib, d: d.default_collate([object()]),
    lambda lib, d: d.default_collate([[1], [1, 2]]),
    lambda lib, d: d.default_collate([np.array(["a"])]),
    lambda lib, d: d.default_collate([lib.zeros(2), lib.zeros(3)]),
    lambda lib, d: d.default_collate([]),
]


@pytest.mark.parametrize("action", ERRORS, ids=range(len(ERRORS)))
def test_error_types(action):
    with pytest.raises(Exception) as theirs:
        action(torch, torch.utils.data)
    with pytest.raises(Exception) as ours:
        action(flambeau, flambeau.utils.data)
    assert type(ours.value) is type(theirs.value)
