"""Results lie in memory as PyTorch's do, whatever the strides of the input."""

import random

import pytest

import flambeau

torch = pytest.importorskip("torch")

LIKE = {
    "empty_like": lambda lib, t: lib.empty_like(t),
    "full_like": lambda lib, t: lib.full_like(t, 2),
    "rand_like": lambda lib, t: lib.rand_like(t),
    "clone": lambda lib, t: t.clone(),
    "contiguous": lambda lib, t: t.contiguous(),
    "cast": lambda lib, t: t.to(lib.float64),
    "copy": lambda lib, t: t.to(t.dtype, copy=True),
    "new_empty": lambda lib, t: t.new_empty(t.shape),
}
COMPUTED = {
    "neg": lambda lib, t: -t,
    "add": lambda lib, t: t + t,
    "number": lambda lib, t: t + 1,
    "contiguous first": lambda lib, t: lib.zeros(tuple(t.shape)) + t,
    "contiguous last": lambda lib, t: t + lib.zeros(tuple(t.shape)),
    "compare": lambda lib, t: t > 0,
    "where": lambda lib, t: lib.where(t > 0, t, t),
    "masked_fill": lambda lib, t: t.masked_fill(t > 0, 1.0),
    "softmax": lambda lib, t: t.softmax(-1),
    "cumsum": lambda lib, t: t.cumsum(0),
    "sort": lambda lib, t: t.sort(-1)[0],
    "flip": lambda lib, t: t.flip(0),
    "bernoulli": lambda lib, t: lib.bernoulli(t),
    "dropout": lambda lib, t: lib.nn.functional.dropout(t, 0.5),
}


def geometry(choose: random.Random) -> tuple[list, list]:
    """Sizes and strides: any order of dimensions, gaps, odd strides where the size is 1."""
    sizes = [choose.choice([0, 1, 1, 2, 3]) for _ in range(choose.randint(1, 5))]
    strides, step = [0] * len(sizes), 1
    for d in choose.sample(range(len(sizes)), len(sizes)):
        strides[d] = step
        step *= max(sizes[d], 1) * choose.choice([1, 1, 1, 2])
    for d, n in enumerate(sizes):
        if n == 1 and choose.random() < 0.5:
            strides[d] = choose.choice([0, 1, 2, 7, step, 100])
        elif choose.random() < 0.08:
            strides[d] = 0  # expanded
    return sizes, strides


FIXED = [
    ([2, 3, 4, 5], [60, 1, 15, 3]),  # channels last
    ([2, 1, 4, 5], [20, 1, 5, 1]),
    ([2, 3, 1, 1], [3, 1, 3, 3]),
    ([2, 3, 2, 2, 2], [24, 1, 12, 6, 3]),
    ([1], [7]),
    ([0, 1], [1, 3]),
]


@pytest.mark.parametrize("name", [*LIKE, *COMPUTED])
def test_strides(name):
    call = {**LIKE, **COMPUTED}[name]
    choose = random.Random(name)
    for sizes, strides in FIXED + [geometry(choose) for _ in range(300)]:
        if name not in LIKE and 0 in sizes:
            continue  # PyTorch's ways to nothing are many
        room = 1 + sum((n - 1) * s for n, s in zip(sizes, strides) if n)
        made = [lib.zeros(room).as_strided(sizes, strides) for lib in (flambeau, torch)]
        ours, theirs = call(flambeau, made[0]), call(torch, made[1])
        assert (sizes, strides, ours.stride()) == (sizes, strides, theirs.stride())
