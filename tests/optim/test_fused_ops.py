"""Fused optimiser steps as ops: values, checks before the first write, layers, and failed steps."""

import numpy as np
import pytest

import flambeau as torch
from flambeau._recorder import record
from flambeau.utils._python_dispatch import TorchDispatchMode

SHAPES = [(3,), (2, 4), (), (0,), (70, 1000)]
ADAM = dict(
    lr=0.1, beta1=0.9, beta2=0.99, weight_decay=0.1, eps=1e-8, amsgrad=False, maximize=False
)
SGD = dict(weight_decay=0.1, momentum=0.9, lr=0.1, dampening=0.2, nesterov=False, maximize=False)
ADAGRAD = dict(lr=0.1, lr_decay=0.01, weight_decay=0.1, eps=1e-10, maximize=False)


def lists(n, dtype=torch.float64, shapes=SHAPES, seed=0):
    """n lists of tensors, their elements positive."""
    torch.manual_seed(seed)
    return [[torch.rand(shape, dtype=dtype) + 0.5 for shape in shapes] for _ in range(n)]


def arrays(tensors):
    return [t.detach().numpy().copy() for t in tensors]


def steps(n, value=1.0):
    return [torch.tensor(value) for _ in range(n)]


def close(tensors, wanted):
    for tensor, array in zip(tensors, wanted, strict=True):
        np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-12)


def adam(w, g, m, v, top, count, o, decoupled):
    out = []
    for p, d, a, s, t in zip(*map(arrays, (w, g, m, v, top or w)), strict=True):
        d = -d if o["maximize"] else d
        if decoupled:
            p = p * (1 - o["lr"] * o["weight_decay"])
        else:
            d = d + o["weight_decay"] * p
        a = a + (1 - o["beta1"]) * (d - a)
        s = s * o["beta2"] + (1 - o["beta2"]) * d * d
        t = np.maximum(t, s) if top else s
        step = o["lr"] / (1 - o["beta1"] ** count)
        p = p - step * a / (np.sqrt(t) / np.sqrt(1 - o["beta2"] ** count) + o["eps"])
        out.append((p, a, s, t))
    return list(zip(*out, strict=True))


@pytest.mark.parametrize("name", ["_fused_adam_", "_fused_adamw_"])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_adam_against_numpy(name, amsgrad, maximize):
    w, g, m, v, top = lists(5)
    top = top if amsgrad else []
    options = ADAM | {"amsgrad": amsgrad, "maximize": maximize}
    want = adam(w, g, m, v, top, 3, options, name == "_fused_adamw_")
    counts = steps(len(w), 3.0)
    assert getattr(torch.ops.aten, name)(w, g, m, v, top, counts, **options) is None
    close(w, want[0])
    close(m, want[1])
    close(v, want[2])
    if amsgrad:
        close(top, want[3])
    assert [c.item() for c in counts] == [3.0] * len(w)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_sgd_against_numpy(nesterov, first):
    w, g, b = lists(3)
    o = SGD | {"nesterov": nesterov, "dampening": 0.0 if nesterov else 0.2}
    want = []
    for p, d, a in zip(*map(arrays, (w, g, b)), strict=True):
        d = d + o["weight_decay"] * p
        a = d if first else a * o["momentum"] + (1 - o["dampening"]) * d
        want.append((p - o["lr"] * (d + o["momentum"] * a if nesterov else a), a))
    torch._fused_sgd_(w, g, b, is_first_step=first, **o)
    close(w, [p for p, _ in want])
    close(b, [a for _, a in want])


def test_adagrad_against_numpy():
    w, g, total = lists(3)
    o = ADAGRAD
    want = []
    for p, d, s in zip(*map(arrays, (w, g, total)), strict=True):
        d = d + o["weight_decay"] * p
        s = s + d * d
        want.append((p - o["lr"] / (1 + 4 * o["lr_decay"]) * d / (np.sqrt(s) + o["eps"]), s))
    torch._fused_adagrad_(w, g, total, steps(len(w), 5.0), **o)
    close(w, [p for p, _ in want])
    close(total, [s for _, s in want])


def test_the_step_size_as_a_tensor():
    first, second = lists(4), lists(4)
    counts = steps(len(SHAPES))
    torch._fused_adam_(*first, [], counts, **ADAM)
    torch._fused_adam_(
        *second, [], counts, **(ADAM | {"lr": torch.tensor(0.1, dtype=torch.float64)})
    )
    for a, b in zip(first[0], second[0], strict=True):
        assert torch.equal(a, b)


def test_scaled_gradients_and_found_infinities():
    w, g = lists(2)
    plain, grads = lists(2)
    torch._fused_sgd_(plain, grads, [], is_first_step=True, **(SGD | {"momentum": 0.0}))
    scaled = [t * 8 for t in g]
    options = SGD | {"momentum": 0.0, "is_first_step": True}
    before = arrays(w)
    torch._fused_sgd_(w, scaled, [], found_inf=torch.tensor(1.0), **options)
    close(w, before)
    torch._fused_sgd_(
        w, scaled, [], grad_scale=torch.tensor(8.0), found_inf=torch.tensor(0.0), **options
    )
    close(w, arrays(plain))
    close(scaled, arrays(g))  # divided in place


def test_other_layouts_and_dtypes_of_the_state():
    w, g, m, v = lists(4, shapes=[(4, 6)])
    want = adam(w, g, m, v, [], 1, ADAM, False)
    w = [w[0].t().contiguous().t()]
    m = [torch.empty(4, 12, dtype=torch.float64)[:, ::2].copy_(m[0])]
    torch._fused_adam_(w, g, m, v, [], steps(1), **ADAM)
    close(w, want[0])
    close(m, want[1])


# Each spoils one argument of a step over three parameters, the last one's where it can.
BAD = {
    "shape": lambda a: a[2].__setitem__(2, torch.ones(7)),
    "dtype": lambda a: a[0].__setitem__(2, torch.ones(2, dtype=torch.int64)),
    "complex gradient": lambda a: a[1].__setitem__(2, torch.ones(2, dtype=torch.complex64)),
    "device": lambda a: a[3].__setitem__(2, torch.ones(2, device="meta")),
    "shared memory": lambda a: a[0].__setitem__(2, torch.ones(1).expand(2)),
    "missing": lambda a: a[3].pop(),
    "missing step": lambda a: a[5].pop(),
    "step of two": lambda a: a[5].__setitem__(2, torch.ones(2)),
    "inference": lambda a: a[0].__setitem__(2, inference()),
}


def inference():
    with torch.inference_mode():
        return torch.ones(2)


@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_later_tensor_leaves_earlier_ones_untouched(name):
    arguments = [*lists(4, torch.float32, [(2,)] * 3), [], steps(3)]
    BAD[name](arguments)
    before = [[t.tolist() for t in tensors[:2]] for tensors in arguments]
    with pytest.raises(RuntimeError, match="_fused_adam_|nference|storage|memory"):
        torch._fused_adam_(*arguments, **ADAM)
    assert [[t.tolist() for t in tensors[:2]] for tensors in arguments] == before


def sgd_step(w, g):
    torch._fused_sgd_(w, g, [], **SGD | {"momentum": 0.0, "is_first_step": True})


def adam_step(w, g):
    zeros = [[torch.zeros_like(p) for p in w] for _ in range(2)]
    torch._fused_adam_(w, g, *zeros, [], steps(len(w)), **ADAM)


def adamw_step(w, g):
    zeros = [[torch.zeros_like(p) for p in w] for _ in range(2)]
    torch._fused_adamw_(w, g, *zeros, [], steps(len(w)), **ADAM)


def adagrad_step(w, g):
    torch._fused_adagrad_(w, g, [torch.zeros_like(p) for p in w], steps(len(w)), **ADAGRAD)


@pytest.mark.parametrize("step", [sgd_step, adam_step, adamw_step, adagrad_step])
def test_gradients_in_the_memory_of_parameters(step):
    b = torch.rand(1001)
    before = b.clone()
    for w, g in (
        ([b[1:]], [b[:-1]]),
        ([b[:-1]], [b[1:]]),
        ([b[:10], b[10:20]], [torch.ones(10), b[:10]]),  # read after it was written
    ):
        with pytest.raises(RuntimeError, match="single memory location"):
            step(w, g)
    assert torch.equal(b, before)
    # Its own gradient, and those of one memory, are read where they are.
    own, apart = torch.ones(5), torch.ones(5)
    step([own], [own])
    step([apart], [torch.ones(5)])
    assert torch.equal(own, apart)
    rows, shared = torch.ones(2, 5), torch.ones(5)
    step([rows[0], rows[1]], [shared, shared])
    assert torch.equal(rows, torch.stack([apart, apart]))


@pytest.mark.parametrize("foreach", [None, False])
@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW])
def test_a_step_that_fails_leaves_parameters_and_counters(make, foreach):
    params = [torch.nn.Parameter(torch.ones(n)) for n in (2, 3)]
    optimizer = make(params, lr=0.1, foreach=foreach)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    optimizer.state[params[1]]["exp_avg"] = torch.ones(7)
    before = [p.tolist() for p in params]
    for _ in range(3):
        with pytest.raises(RuntimeError):
            optimizer.step()
    assert [p.tolist() for p in params] == before
    assert [optimizer.state[p]["step"].item() for p in params] == [1, 1]


def test_steps_are_seen_by_modes_and_recorded():
    seen = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    p = torch.nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    with Mode():
        torch.optim.SGD([p], lr=0.5).step()
    assert seen == ["aten._fused_sgd_.default"] and p.tolist() == [0.5, 0.5]

    w, g = torch.ones(2), torch.ones(2)
    options = SGD | {"momentum": 0.0, "weight_decay": 0.0, "is_first_step": True}
    graph = record(lambda w, g: torch._fused_sgd_([w], [g], [], **options), w, g)
    assert [str(n.op) for n in graph.nodes] == ["aten._fused_sgd_.default"]
    again = torch.zeros(2)
    graph(again, g)
    assert again.tolist() == pytest.approx([-0.1, -0.1])


def test_versions_count_and_gradients_are_refused():
    w, g, m, v = lists(4, shapes=[(2,)])
    versions = [t[0]._version for t in (w, g, m, v)]
    torch._fused_adam_(w, g, m, v, [], steps(1), **ADAM)
    after = [t[0]._version for t in (w, g, m, v)]
    assert [a - b for a, b in zip(after, versions, strict=True)] == [1, 0, 1, 1]
    w[0].requires_grad_(True)
    with pytest.raises(RuntimeError, match="derivative for aten::_fused_adam_"):
        torch._fused_adam_(w, g, m, v, [], steps(1), **ADAM)


def test_saved_parameters_notice_the_step():
    w = torch.ones(2, requires_grad=True)
    y = (w * w).sum()
    with torch.no_grad():
        torch._fused_sgd_([w], [torch.ones(2)], [], is_first_step=True, **(SGD | {"momentum": 0.0}))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


STEPS = {
    "_fused_adam_": (4, ADAM, True),
    "_fused_adamw_": (4, ADAM, True),
    "_fused_sgd_": (3, SGD | {"is_first_step": False}, False),
    "_fused_adagrad_": (3, ADAGRAD, True),
}


def step_of(name, shapes=((2,), (2,), (3,))):
    """An op's lists of tensors, and the call of it."""
    n, options, counted = STEPS[name]
    tensors = lists(n, torch.float32, shapes)

    def call(**scaler):
        further = ([[]] if n == 4 else []) + ([steps(len(shapes))] if counted else [])
        return getattr(torch, name)(*tensors, *further, **options, **scaler)

    return tensors, call


SCALERS = {
    "scale of two": ("grad_scale must have one element", {"grad_scale": torch.ones(2)}),
    "scale of none": ("grad_scale must have one element", {"grad_scale": torch.ones(0)}),
    "found of two": ("found_inf must have one element", {"found_inf": torch.zeros(2)}),
    "found of none": (
        "found_inf must have one element",
        {"grad_scale": torch.tensor(2.0), "found_inf": torch.zeros(0)},
    ),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("bad", SCALERS)
def test_a_scaler_that_does_not_fit_leaves_all_untouched(name, bad):
    message, scaler = SCALERS[bad]
    tensors, call = step_of(name)
    before = [[t.tolist() for t in row] for row in tensors]
    with pytest.raises(RuntimeError, match=message):
        call(**scaler)
    assert [[t.tolist() for t in row] for row in tensors] == before
    call(grad_scale=torch.ones(1), found_inf=torch.zeros(1))
    assert tensors[0][0].tolist() != before[0][0]


@pytest.mark.parametrize("name", STEPS)
def test_gradients_that_a_scale_cannot_write(name):
    tensors, call = step_of(name)
    tensors[1][2] = torch.ones(1).expand(3)
    before = [[t.tolist() for t in row] for row in tensors]
    with pytest.raises(RuntimeError, match="single memory location"):
        call(grad_scale=torch.tensor(2.0))
    assert [[t.tolist() for t in row] for row in tensors] == before
    call()  # read alone, they may be


def part(base, start):
    return base[start : start + 2]


# What is written twice, as (list, index) of the lists of a step.
SHARED = {
    "the same parameter": lambda a: a[0].__setitem__(1, a[0][0]),
    "the same memory": lambda a: a[0].__setitem__(1, a[0][0].view(2)),
    "parts that meet": lambda a: a[0].__setitem__(slice(0, 2), [part(BASE, 0), part(BASE, 1)]),
    "strided": lambda a: a[0].__setitem__(slice(0, 2), [BASE[::2], BASE[::2]]),
    "the same state": lambda a: a[2].__setitem__(1, a[2][0]),
    "a parameter as state": lambda a: a[2].__setitem__(0, a[0][0]),
}
BASE = torch.ones(4)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("how", SHARED)
def test_memory_that_would_be_written_twice(name, how):
    tensors, call = step_of(name)
    SHARED[how](tensors)
    before = [[t.tolist() for t in row] for row in tensors]
    with pytest.raises(RuntimeError, match=f"{name}: .*share memory"):
        call()
    assert [[t.tolist() for t in row] for row in tensors] == before


@pytest.mark.parametrize("name", STEPS)
def test_parts_of_one_memory_side_by_side(name):
    apart, call = step_of(name)
    call()
    together, call = step_of(name)
    n = len(together)
    base = torch.cat([t for row in together for t in row])
    pieces = iter(base.split([t.numel() for row in together for t in row]))
    together[:] = [[next(pieces) for _ in row] for row in together]
    assert n == len(apart)
    call()
    for a, b in zip(apart, together, strict=True):
        close(a, arrays(b))
    both = torch.arange(6.0)
    torch._fused_sgd_(
        [both[::2], both[1::2]], [torch.ones(3)] * 2, [], is_first_step=True,
        **(SGD | {"momentum": 0.0, "weight_decay": 0.0}),
    )  # fmt: skip
    close([both], [np.arange(6, dtype=np.float32) - np.float32(0.1)])


def test_one_gradient_of_two_parameters_is_not_divided_twice():
    tensors, call = step_of("_fused_sgd_")
    tensors[1][1] = tensors[1][0]
    before = tensors[1][0].tolist()
    with pytest.raises(RuntimeError, match="share memory"):
        call(grad_scale=torch.tensor(2.0))
    assert tensors[1][0].tolist() == before
    call()


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_an_optimizer_with_a_parameter_twice_makes_two_steps(make):
    def run(params, **options):
        optimizer = make(params, lr=0.1, **options)
        for _ in range(2):
            for p in params:
                p.grad = torch.ones_like(p)
            optimizer.step()
        return [p.tolist() for p in params]

    w = [torch.nn.Parameter(torch.tensor([1.0, 2.0]))]
    with pytest.warns(UserWarning, match="duplicate"):
        twice = run(w * 2)
    again = [torch.nn.Parameter(torch.tensor([1.0, 2.0]))]
    with pytest.warns(UserWarning, match="duplicate"):
        assert run(again * 2, foreach=False) == twice
