"""A loader that goes on where another one's state was taken."""

import io

import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

KINDS = [{"num_workers": 0}, {"num_workers": 2}, {"num_workers": 2, "worker_type": "thread"}]


class Noisy(Dataset):
    """Samples with random numbers: workers have to go on with theirs."""

    def __len__(self):
        return 23

    def __getitem__(self, i):
        return torch.tensor([i + torch.rand(()).item()])


class Stream(IterableDataset):
    def __iter__(self):
        info = get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        for i in range(start, 21, step):
            yield i + torch.rand(()).item()


def values(batches):
    return [b.flatten().tolist() for b in batches]


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file)


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("taken", [0, 1, 5, 8])
def test_a_map_dataset_goes_on_with_the_next_sample(options, taken):
    def loader():
        torch.manual_seed(5)
        return DataLoader(Noisy(), 3, shuffle=True, **options)

    whole = values(loader())
    first = loader()
    batches = iter(first)
    before = values(next(batches) for _ in range(taken))
    rng = torch.get_rng_state() if hasattr(torch, "get_rng_state") else state_of_default()
    state = through_a_file(first.state_dict())
    second = loader()
    torch.manual_seed(99)
    second.load_state_dict(state)
    torch.default_generator.set_state(rng)  # as a program that resumes does
    assert before + values(second) == whole


def state_of_default():
    return torch.default_generator.get_state()


@pytest.mark.parametrize("options", KINDS[1:])
@pytest.mark.parametrize("taken", [1, 4, 7])
def test_an_iterable_dataset_goes_on_with_the_next_sample(options, taken):
    def loader():
        torch.manual_seed(5)
        return DataLoader(Stream(), 2, **options)

    whole = values(loader())
    first = loader()
    batches = iter(first)
    before = values(next(batches) for _ in range(taken))
    second = loader()
    torch.manual_seed(99)
    second.load_state_dict(through_a_file(first.state_dict()))
    assert before + values(second) == whole


def test_an_iterable_dataset_without_workers():
    data = torch.utils.data.ChainDataset([Stream()])
    first = DataLoader(data, 4)
    batches = iter(first)
    next(batches)
    second = DataLoader(data, 4)
    second.load_state_dict(first.state_dict())
    assert [int(b[0]) for b in second] == [4, 8, 12, 16, 20]


def test_passes_go_on_with_workers_that_stay():
    def loader():
        torch.manual_seed(5)
        return DataLoader(Noisy(), 4, shuffle=True, num_workers=2, persistent_workers=True)

    whole = loader()
    passes = [values(whole) for _ in range(3)]
    first = loader()
    values(first)
    batches = iter(first)
    before = values(next(batches) for _ in range(2))
    state = first.state_dict()
    rng = state_of_default()
    second = loader()
    second.load_state_dict(state)
    torch.default_generator.set_state(rng)
    assert before + values(second) == passes[1]
    assert values(second) == passes[2]


def test_a_generator_of_the_loaders_own_goes_on_too():
    def loader():
        return DataLoader(range(7), shuffle=True, generator=torch.Generator().manual_seed(1))

    whole = loader()
    passes = [values(whole) for _ in range(3)]
    first = loader()
    values(first)
    between = first.state_dict()
    second = loader()
    second.load_state_dict(between)
    assert values(second) == passes[1]
    batches = iter(first)
    before = values(next(batches) for _ in range(3))
    third = loader()
    third.load_state_dict(first.state_dict())
    assert before + values(third) == passes[1] and values(third) == passes[2]


def test_samplers_of_any_kind():
    import random

    class Shuffled(torch.utils.data.Sampler):
        def __iter__(self):
            order = list(range(9))
            random.shuffle(order)
            return iter(order)

    random.seed(3)
    first = DataLoader(range(9), sampler=Shuffled())
    batches = iter(first)
    before = values(next(batches) for _ in range(4))
    state = through_a_file(first.state_dict())
    whole = before + values(batches)
    random.seed(4)
    after = random.getstate()
    second = DataLoader(range(9), sampler=Shuffled())
    second.load_state_dict(state)
    assert before + values(second) == whole and random.getstate() == after


def test_states_at_the_ends_of_a_pass():
    loader = DataLoader(range(3))
    assert not loader.state_dict()["in_progress"]
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    other = DataLoader(range(3))
    other.load_state_dict(loader.state_dict())
    assert other.state_dict()["taken"] == 3  # before it goes on
    assert list(other) == [] and values(other) == [[0], [1], [2]]
    assert next(batches, None) is None and not loader.state_dict()["in_progress"]


def test_batches_that_came_out_of_order_do_not_come_again():
    first = DataLoader(range(30), None, num_workers=3, in_order=False)
    batches = iter(first)
    before = [next(batches) for _ in range(11)]
    second = DataLoader(range(30), None, num_workers=3, in_order=False)
    second.load_state_dict(first.state_dict())
    assert sorted(before + list(second)) == list(range(30))


def test_states_that_do_not_fit():
    loader = DataLoader(range(3), num_workers=0)
    with pytest.raises(ValueError, match="no state of a loader"):
        loader.load_state_dict({"epoch": 3})
    next(iter(loader))
    with pytest.raises(ValueError, match="num_workers=0"):
        DataLoader(range(3), num_workers=2).load_state_dict(loader.state_dict())
