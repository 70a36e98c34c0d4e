"""What is written and what is read in one memory: refused where they meet, taken where they lie
side by side."""

import numpy as np
import pytest

import flambeau
import flambeau as torch

SHARED = "single memory location"


def buffer(n=4001, dtype=torch.float32):
    return torch.tensor(np.random.default_rng(0).uniform(0, 1, n)).to(dtype)


def shifted_calls():
    bytes_ = torch.tensor(np.random.default_rng(0).integers(0, 2, 4001)).to(torch.int8)
    return {
        "masked_fill_": (bytes_, lambda x, o: x.masked_fill_(o.view(torch.bool), 1)),
        "masked_fill_ tensor": (
            bytes_,
            lambda x, o: x.masked_fill_(o.view(torch.bool), torch.tensor(1, dtype=torch.int8)),
        ),
        "a mask of all": (bytes_, lambda x, o: x.__setitem__(o.view(torch.bool), 1)),
        "bernoulli_": (buffer(), lambda x, o: x.bernoulli_(o)),
    }


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("name", list(shifted_calls()))
def test_shifted_operands_are_refused_before_a_write(name, back):
    b, call = shifted_calls()[name]
    x, o = (b[:-1], b[1:]) if back else (b[1:], b[:-1])
    before = b.clone()
    with pytest.raises(RuntimeError, match=SHARED):
        call(x, o)
    assert torch.equal(b, before)


def test_a_mask_may_be_what_it_fills():
    x = torch.tensor([True, False, True])
    assert x.masked_fill_(x, False).tolist() == [False] * 3
    p = torch.tensor([0.0, 1.0, 1.0])
    assert p.bernoulli_(p).tolist() == [0, 1, 1]


# Each writes some elements of its first operand's memory from others of its second's.
def select(a, b):
    rows = torch.tensor([4, 3, 2, 1, 0])
    torch.index_select(b.view(5, 8)[:, :2], 0, rows, out=a.view(5, 8)[:, 6:])


def gather(a, b):
    index = torch.ones(5, 2, dtype=torch.int64)
    torch.gather(b.view(5, 8)[:, :2], 1, index, out=a.view(5, 8)[:, 4:6])


def join(a, b):
    m = b.view(5, 8)
    torch.cat([m[:, :1], m[:, 2:3]], 1, out=a.view(5, 8)[:, 4:6])


def stack(a, b):
    m = b.view(5, 8)
    torch.stack([m[:, 0], m[:, 3]], 1, out=a.view(5, 8)[:, 4:6])


def put(a, b):
    a.view(5, 8)[:, 1:].index_put_((torch.tensor([4, 2]),), b.view(5, 8)[:2, :1])


def add_blocks(a, b):
    source = b.view(5, 4, 2)[:1, :1].expand(1, 3, 2)
    a.view(5, 4, 2)[:, 1:].index_add_(0, torch.tensor([3]), source)


def add(a, b):
    a[::2].index_add_(0, torch.tensor([0]), b[1:2])


def add_of_other_steps(a, b):
    a[::4].index_add_(0, torch.tensor([1, 0, 1]), b[3::6][:3])


def scatter(a, b):
    a[::2].scatter_(0, torch.arange(20).flip(0), b[1::2])


@pytest.mark.parametrize(
    "call", [add, add_of_other_steps, add_blocks, put, scatter, join, stack, gather, select]
)
def test_operands_side_by_side(call):
    a, want = (torch.arange(40, dtype=torch.float32) for _ in range(2))
    call(a, a)
    call(want, want.clone())
    assert torch.equal(a, want)


def test_columns_that_meet_are_refused():
    m = torch.arange(40, dtype=torch.float32).view(5, 8)
    for write in (
        lambda: m[:, :3].index_add_(0, torch.tensor([0]), m[1:2, 2:5]),
        lambda: m.view(-1)[::4].index_add_(0, torch.tensor([0]), m.view(-1)[2::6][1:2]),
        lambda: m[:, :2].scatter_(0, torch.zeros(5, 2, dtype=torch.int64), m[:, 1:3]),
    ):
        with pytest.raises(RuntimeError, match=SHARED):
            write()
    assert torch.equal(m.view(-1), torch.arange(40, dtype=torch.float32))


def test_views_that_are_said_to_lie_apart_do():
    """Views of all kinds of one buffer, of elements of two sizes."""
    rng = np.random.default_rng(0)
    wide = torch.zeros(60, dtype=torch.int32)
    buffers = [wide, wide.view(torch.int16)]

    def view():
        b = buffers[int(rng.integers(2))]
        ndim = int(rng.integers(1, 4))
        strides = [int(s) for s in rng.choice([1, 2, 3, 4, 6, 8, 12, 24], ndim)]
        sizes = [int(n) for n in rng.integers(1, 4, ndim)]
        last = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        offset = int(rng.integers(0, max(1, 60 - last)))
        return b.as_strided(sizes, strides, offset) if last + offset < 60 else view()

    def bytes_of(t):
        at = np.zeros(1, dtype=np.int64)
        for n, s in zip(t.shape, t.stride(), strict=True):
            at = (at[:, None] + np.arange(n) * s).reshape(-1)
        item = t.element_size()
        return {int(p + t.storage_offset()) * item + k for p in at for k in range(item)}

    apart = between = 0
    for _ in range(2000):
        a, b = view(), view()
        x, y = bytes_of(a), bytes_of(b)
        if not flambeau._C._may_share_memory(a, b):
            assert not x & y
            apart += 1
            between += max(x) > min(y) and max(y) > min(x)
    assert apart > 500 and between > 50
