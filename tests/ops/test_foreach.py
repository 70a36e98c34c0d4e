"""Ops on lists: the same as another op in a loop, in every form; nothing is half done."""

import numpy as np
import pytest
from ops.record_calls import RECORDS, calls, overload, parametrised

import flambeau as torch

LISTS = [r for r in RECORDS if r.each]


def base_of(record):
    name, _, own = record.each.partition(".")
    return getattr(getattr(torch.ops.aten, name), own or "default")


def in_a_loop(record, args, kwargs):
    """The op that the list form runs, on each item by itself."""
    base = base_of(record)
    given = dict(zip((a.name for a in record.schema.args), args)) | kwargs
    named = {a.name for a in base._schema.arguments if a.kwarg_only}
    if "value" in named:
        given = {{"scalars": "value"}.get(k, k): v for k, v in given.items()}
    count = next(len(v) for v in given.values() if isinstance(v, list))
    out = []
    for i in range(count):
        items = {k: v[i] if isinstance(v, list) else v for k, v in given.items()}
        if isinstance(items.get("value"), torch.Tensor):
            items["value"] = items["value"][i].item()
        plain = [v for k, v in items.items() if k not in named]
        out.append(base(*plain, **{k: v for k, v in items.items() if k in named}))
    return out


@parametrised(LISTS)
def test_a_list_form_is_the_op_in_a_loop(record):
    for call in calls(record, ("float32", "float64", "bfloat16", "complex64", "int32")):
        args, kwargs = call.tensors()
        again, _ = call.tensors()
        got = overload(record.schema)(*args, **kwargs)
        expected = in_a_loop(record, again, kwargs)
        if record.inplace_only:
            assert got is None
            got = args[0]
        for a, b in zip(got, expected, strict=True):
            assert a.dtype is b.dtype and a.shape == b.shape and a.stride() == b.stride()
            assert torch.equal(a, b) or torch.allclose(a, b, equal_nan=True, rtol=0, atol=0)


def test_every_base_has_its_forms():
    names = {r.name for r in LISTS}
    assert len(names) > 85 and len(LISTS) > 100
    alone = {"max", "clone", "norm", "powsum", "mm"}
    for name in names:
        bare = name.removeprefix("_foreach_")
        assert bare in alone or name.endswith("_") or f"{name}_" in names, name


def lists():
    return [torch.ones(2), torch.full((2, 3), 2.0), torch.tensor(3.0)]


ERRORS = [
    ("at least one tensor", lambda: torch._foreach_exp([])),
    ("at least one tensor", lambda: torch._foreach_zero_([])),
    ("same number of tensors, got 3 and 2", lambda: torch._foreach_add(lists(), lists()[:2])),
    ("same number of tensors, got 3 and 1", lambda: torch._foreach_copy_(lists(), lists()[:1])),
    ("same number of elements as scalar list", lambda: torch._foreach_mul(lists(), [1.0, 2.0])),
    ("expected to be 0 dim but it has 1", lambda: torch._foreach_mul(lists(), torch.ones(3))),
    (
        "to be of dimension 1. Got 2",
        lambda: torch._foreach_addcmul(lists(), lists(), lists(), torch.ones(3, 1)),
    ),
    (
        "input of length 3 but got 4",
        lambda: torch._foreach_addcdiv_(lists(), lists(), lists(), torch.ones(4)),
    ),
]


@pytest.mark.parametrize("words, run", ERRORS, ids=[w for w, _ in ERRORS])
def test_lists_that_do_not_fit(words, run):
    with pytest.raises(RuntimeError, match=rf"^_foreach_\w+: .*{words}"):
        run()


def leaf():
    return torch.ones(2, requires_grad=True)


def expanded():
    return torch.ones(1).expand(2)


def other():
    return torch.ones(2)


# What is in place on a good item and on a bad one.
HALF = {
    "a shape": lambda good: torch._foreach_add_([good, other()], [other(), torch.ones(3)]),
    "more dimensions": lambda good: torch._foreach_mul_(
        [good, other()], [other(), torch.ones(4, 2)]
    ),
    "a dtype": lambda good: torch._foreach_sqrt_([good, torch.tensor([4])]),
    "a number": lambda good: torch._foreach_add_([good, torch.tensor([4])], [1, 2.5]),
    "a leaf": lambda good: torch._foreach_add_([good, leaf()], 1),
    "shared elements": lambda good: torch._foreach_exp_([good, expanded()]),
    "a copy": lambda good: torch._foreach_copy_([good, other()], [other(), torch.ones(5)]),
    "a bound": lambda good: torch._foreach_clamp_min_([good, torch.tensor([1j])], 3.0),
    "a power": lambda good: torch._foreach_pow_([good, torch.tensor([2])], [2, -1]),
}


@pytest.mark.parametrize("case", HALF)
def test_nothing_is_written_if_an_item_is_wrong(case):
    first = torch.tensor([0.5, 2.0])
    before = first._version
    with pytest.raises((RuntimeError, TypeError, NotImplementedError)):
        HALF[case](first)
    assert first.tolist() == [0.5, 2.0] and first._version == before


def test_items_may_differ_in_shape_dtype_and_layout():
    xs = [torch.ones(2), torch.arange(3), torch.rand(2, 3).t(), torch.tensor(2.0).double()]
    ys = [torch.ones(1), torch.ones(3, dtype=torch.int32), torch.ones(2), torch.tensor(1)]
    for got, x, y in zip(torch._foreach_add(xs, ys, alpha=2), xs, ys):
        assert torch.equal(got, torch.add(x, y, alpha=2)) and got.dtype is (x + y).dtype
    copies = [x.clone() for x in xs]
    out = torch._foreach_mul_(copies, 2)
    assert out is copies and torch._foreach_neg_(self=copies) is copies
    assert all(torch.equal(-a, x * 2) for a, x in zip(copies, xs))
    assert all(x._version == 2 for x in copies)


def test_the_same_tensor_twice():
    x = torch.ones(2)
    torch._foreach_add_([x, x], [1.0, 10.0])
    assert x.tolist() == [12.0, 12.0]


def test_gradients_pass_in_place_too():
    x, y = torch.rand(3, requires_grad=True), torch.rand(2, requires_grad=True)
    changed = [x * 1, y * 1]
    torch._foreach_mul_(changed, [2.0, 3.0])
    torch._foreach_exp_(changed)
    sum(t.sum() for t in changed).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(2 * x.detach().numpy()), rtol=1e-6)
    np.testing.assert_allclose(y.grad.numpy(), 3 * np.exp(3 * y.detach().numpy()), rtol=1e-6)


def test_numbers_in_a_tensor_are_numbers():
    xs = [torch.tensor([1.0]), torch.tensor([2.0])]
    got = torch._foreach_addcmul(xs, xs, xs, torch.tensor([10.0, 100.0]))
    assert [t.item() for t in got] == [11.0, 402.0]


def test_transforms_see_the_parts():
    def f(x, y):
        a, b = torch._foreach_mul([x, y], [2.0, 3.0])
        return (a * b).sum()

    x, y = torch.rand(4, 3), torch.rand(4, 3)
    want = (6 * x * y).sum(-1)
    torch.testing.assert_close(torch.func.vmap(f)(x, y), want)
    torch.testing.assert_close(torch.func.grad(f)(x[0], y[0]), 6 * y[0])
    value, tangent = torch.func.jvp(f, (x[0], y[0]), (torch.ones(3), torch.zeros(3)))
    torch.testing.assert_close(tangent, (6 * y[0]).sum())


def test_meta_tensors_give_meta_tensors():
    xs = [torch.empty(2, 3, device="meta"), torch.empty(3, device="meta")]
    got = torch._foreach_norm(xs, 1, dtype=torch.float64)
    assert [(t.device.type, t.shape, t.dtype) for t in got] == [("meta", (), torch.float64)] * 2
    torch._foreach_add_(xs, 1.0)


def test_what_lists_are_made_of():
    with pytest.raises(TypeError):
        torch._foreach_add(1, 1)
    with pytest.raises(TypeError):
        torch._foreach_add(torch.ones(2), 1)
    with pytest.raises(TypeError):
        torch._foreach_add([torch.ones(2), 1], 1)
    assert len(torch._foreach_exp((torch.ones(1),))) == 1
