"""Geometry in checked arithmetic, and nothing that runs for minutes on impossible arguments."""

import pytest

import flambeau as torch
from tests.faults.child import run

BIG = (2**31 - 1, 2**31, 2**32, 2**40, 2**61, 2**62, 2**63 - 1)


def test_convolutions_of_impossible_windows():
    x, w, b = torch.ones(1, 2, 5, 5), torch.ones(3, 2, 3, 3), torch.ones(3)
    for big in BIG:
        for name in ("stride", "padding", "dilation", "groups"):
            try:
                out = torch.nn.functional.conv2d(x, w, b, **{name: big})
            except RuntimeError:  # OutOfMemoryError is one
                assert name != "stride"
            else:
                assert name == "stride" and out.shape == (1, 3, 1, 1)
                assert out.eq(19.0).all()


def test_steps_that_are_never_taken_may_be_of_any_size():
    x = torch.arange(25.0).view(1, 1, 5, 5).requires_grad_()
    w = torch.ones(1, 1, 1, 1, requires_grad=True)
    for big in BIG:
        try:
            out = torch.nn.functional.conv2d(x, w, dilation=big)
        except RuntimeError:
            assert big > 2**60
            continue
        assert out.equal(x)
        out.sum().backward()
        pooled = torch.max_pool2d(x.detach(), 1, dilation=big)
        assert pooled.equal(x.detach())
        one = torch.max_pool2d(x.detach(), 2, stride=big)
        assert one.tolist() == [[[[6.0]]]]


def test_pools_of_impossible_windows():
    run(
        """
        import flambeau as torch, itertools
        x = torch.ones(1, 1, 5, 5, requires_grad=True)
        small = (0, 1, 2, 3)
        big = (2**31, 2**40, 2**61, 2**62, 2**63 - 1, -1, -2**63)
        values = small + big
        for kernel, stride, padding, dilation in itertools.product(values, values, values, values):
            if not {kernel, stride, padding, dilation} & set(big): continue
            for ceil in (False, True):
                try: out = torch.max_pool2d(x, kernel, stride, padding, dilation, ceil)
                except RuntimeError: continue
                if out.numel() > 1000: continue
                try: out.sum().backward()
                except IndexError: pass  # a window between the elements has no largest one
        """,
        seconds=120,
        memory=4 << 30,
    )


def test_gradients_of_pools_look_at_their_indices():
    backward = torch._C._nn.max_pool2d_with_indices_backward
    g, x = torch.ones(1, 2, 2), torch.ones(1, 4, 4)
    index = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert backward(g, x, 2, 2, 0, 1, False, index)[0, 0, 0] == 4
    for bad in (16, -2, 2**62):
        with pytest.raises(IndexError, match="out of range"):
            backward(g, x, 2, 2, 0, 1, False, torch.full((1, 2, 2), bad))
    for args in (
        (g, torch.ones(4), index),
        (torch.ones(2), torch.ones(2), torch.zeros(2, dtype=torch.int64)),
        (torch.ones(()), torch.ones(()), torch.zeros((), dtype=torch.int64)),
        (g, x, index[:, :1]),
        (torch.ones(2, 2, 2), x, torch.zeros(2, 2, 2, dtype=torch.int64)),
        (g, x, index.to(torch.int32)),
        (g.double(), x, index),
    ):
        with pytest.raises(RuntimeError, match="do not fit|must be int64"):
            backward(args[0], args[1], 2, 2, 0, 1, False, args[2])


@pytest.mark.parametrize(
    "call",
    [
        "torch.zeros(N)",
        "torch.zeros(N, N)",
        "torch.zeros(0, N)",
        "torch.zeros(N, 0)",
        "torch.empty_strided((2, 2), (N, N))",
        "torch.arange(N)",
        "torch.arange(0, 1, 1 / N)",
        "torch.arange(-N, N, N)",
        "torch.linspace(0, 1, N)",
        "torch.eye(N)",
        "torch.eye(N, 0)",
        "torch.eye(0, N)",
        "torch.randperm(N)",
        "torch.rand(N, 0)",
        "torch.full((N,), 1)",
        "torch.ones(0).repeat(N)",
        "torch.ones(2).repeat(N)",
        "torch.ones(0, 2).repeat(N, 0)",
        "torch.ones(1).expand(N).clone()",
        "torch.ones(1).expand(N, N)",
        "torch.ones(1).expand(N, 0).contiguous()",
        "torch.ones(3).unfold(0, N, 1)",
        "torch.ones(3).unfold(0, 1, N)",
        "torch.ones(3).as_strided((N,), (N,))",
        "torch.ones(3).as_strided((2,), (1,), N)",
        "torch.ones(3, 3).diagonal(N)",
        "torch.ones(3, 3).tril(N)",
        "torch.ones(3, 3).tril(-N)",
        "torch.ones(3, 3).roll(N, 0)",
        "torch.ones(3, 3).roll((N, -N), (0, 1))",
        "torch.ones(3, 3).narrow(0, N, N)",
        "torch.ones(3, 3)[N:]",
        "torch.ones(3, 3)[::N]",
        "torch.ones(3, 3).split(N)",
        "torch.ones(0).split(N)",
        "torch.ones(3).chunk(N)",
        "torch.ones(0, 3).chunk(N)",
        "torch.ones(3).topk(N)",
        "torch.nn.functional.one_hot(torch.zeros(1, dtype=torch.int64), N)",
        "torch.nn.functional.one_hot(torch.zeros(0, dtype=torch.int64), N)",
        "torch.nn.functional.pad(torch.ones(3), (N, N))",
        "torch.nn.functional.pad(torch.ones(3), (-N, 0))",
        "torch.ones(3).view(N, -1)",
        "torch.ones(0).view(N, 0)",
        "torch.ones(3).bernoulli_().multinomial(N, True)",
        "torch.ones(0, N).sum(0)",
        "torch.ones(N, 0).sum(1)",
        "torch.ones(0, N).sum(1)",
        "torch.ones(N, 0).tolist()",
        "torch.ones(N, 0) + torch.ones(N, 1)",
        "torch.ones(N, 0).flip(0)",
        "torch.ones(N, 0).t().contiguous()",
        "torch.ones(N, 0) @ torch.ones(0, 3)",
        "torch.ones(N, 0, 0) @ torch.ones(0, 3)",
        "torch.cat([torch.ones(N, 0), torch.ones(N, 0)])",
        "torch.stack([torch.ones(N, 0), torch.ones(N, 0)], 1)",
        "torch.ones(N, 0).cumsum(0)",
        "torch.ones(N, 0).sort(0)",
        "torch.ones(N, 0).softmax(0)",
        "torch.ones(N, 0).unique(dim=0)",
        "torch.ones(N, 0).nonzero()",
        "torch.ones(N, 0).unbind(1)",
        "torch.ones(N, 0).unbind(0)",
        "torch.ones(N, 0).split(1)",
        "repr(torch.ones(N, 0))",
    ],
)
def test_impossible_sizes_end_at_once(call):
    """A result or an exception, within seconds and in 3 GB."""
    run(
        f"""
        import flambeau as torch
        REFUSALS = RuntimeError, ValueError, TypeError, IndexError, MemoryError, OverflowError
        for N in {BIG}:
            try: {call}
            except REFUSALS: pass
        """,
        seconds=25,
        memory=3 << 30,
    )


def test_a_view_stays_inside_its_storage():
    t = torch.ones(2, 3)
    alias = torch.ops.aten._reshape_alias
    assert alias(t, [3, 2], [2, 1]).shape == (3, 2)
    for size, stride in (
        ([7], [1]),
        ([2], [6]),
        ([2**40], [1]),
        ([2**62, 4], [1, 1]),
        ([2], [2**63 - 1]),
        ([-1], [1]),
        ([2], [-1]),
        ([2, 2], [1]),
    ):
        for view in (alias, lambda t, *g: t.as_strided(*g)):
            with pytest.raises((RuntimeError, IndexError)):
                view(t, size, stride)
