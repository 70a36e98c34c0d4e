"""flambeau.random: seeds and states of the default generator."""

import importlib

import pytest

import flambeau as torch


def test_a_forked_generator_is_put_back():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with torch.random.fork_rng():
        assert torch.equal(torch.rand(2), expected)
        torch.manual_seed(9)
    assert torch.equal(torch.rand(2), expected)
    torch.manual_seed(3)
    with pytest.raises(ZeroDivisionError), torch.random.fork_rng(devices=[]):
        torch.rand(5)
        _ = 1 // 0
    assert torch.equal(torch.rand(2), expected)


def test_a_scope_without_effect():
    torch.manual_seed(3)
    with torch.random.fork_rng(enabled=False):
        inside = torch.rand(2)
    assert not torch.equal(torch.rand(2), inside)
    with torch.random.fork_rng(device_type="meta"):
        torch.rand(2)


def test_names():
    module = importlib.import_module("flambeau.random")
    assert module is torch.random and module.manual_seed(5).initial_seed() == 5
    state = module.get_rng_state()
    x = torch.rand(3)
    module.set_rng_state(state)
    assert torch.equal(torch.rand(3), x) and module.initial_seed() == 5
    assert isinstance(module.seed(), int) and module.default_generator is torch.default_generator


class Draws(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        generator = torch.random.thread_safe_generator()
        assert generator is not None
        return torch.rand(1, generator=generator)


def test_workers_that_are_threads_have_their_own():
    assert torch.random.thread_safe_generator() is None

    def drawn():
        torch.manual_seed(1)
        loader = torch.utils.data.DataLoader(Draws(), 2, num_workers=2, worker_type="thread")
        return torch.cat(list(loader)).flatten().tolist()

    assert drawn() == drawn() and len(set(drawn())) == 8
