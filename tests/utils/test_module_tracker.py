"""utils.module_tracker: which modules run, forward and backward."""

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.utils.module_tracker import ModuleTracker


def noting(tracker, into):
    """A function of the graph that notes who runs, forward and backward."""

    class Note(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            into.append((sorted(tracker.parents), tracker.is_bw))
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            into.append((sorted(tracker.parents), tracker.is_bw))
            return g

    return Note.apply


class Inner(nn.Module):
    def __init__(self, note):
        super().__init__()
        self.note = note

    def forward(self, x):
        return self.note(x)


class Outer(nn.Module):
    def __init__(self, note):
        super().__init__()
        self.first, self.second = Inner(note), Inner(note)

    def forward(self, x):
        return self.second(self.first(x))


def test_names_in_forward_and_backward():
    tracker, seen = ModuleTracker(), []
    net = Outer(noting(tracker, seen))
    with tracker:
        net(torch.ones(2, requires_grad=True)).sum().backward()
    first, second = ([["Global", "Outer", f"Outer.{n}"]] for n in ("first", "second"))
    assert [s for s, _ in seen] == [*first, *second, *second, *first]
    assert [backward for _, backward in seen] == [False, False, True, True]
    assert tracker.parents == {"Global"} and not tracker.is_bw


def test_after_a_backward_whose_inputs_have_no_gradient_nothing_runs():
    tracker, seen = ModuleTracker(), []
    net = nn.Sequential(nn.Linear(2, 2), Inner(noting(tracker, seen)))
    with tracker:
        net(torch.ones(1, 2)).sum().backward()
        assert tracker.parents == {"Global"}
    assert seen[-1] == (["Global", "Sequential", "Sequential.1"], True)


def test_it_is_entered_once_and_leaves_no_hooks():
    tracker, seen = ModuleTracker(), []
    net = Inner(noting(tracker, seen))
    with tracker:
        y = net(torch.ones(1, requires_grad=True))
        with pytest.raises(RuntimeError, match="entered already"):
            tracker.__enter__()
    y.sum().backward()
    net(torch.ones(1))
    assert seen == [(["Global", "Inner"], False), (["Global"], True), (["Global"], False)]
