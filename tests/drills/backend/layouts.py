"""Checks of tensors of another layout, whose ops are a library's; run by ``test_backend.py``."""

import copy
import io
import pickle

import drills.backend.device  # noqa: F401
import numpy as np
import pytest
from ops import record_calls as records

import flambeau as torch
from flambeau.func import grad, jvp, vmap

bsr, bsc = torch.sparse_bsr, torch.sparse_bsc
DENSE = torch.tensor([[0.0, -2.0, 0.0], [3.0, 0.0, 0.5]])


def to_layout(t, layout):
    return torch.ops.aten.to.dtype_layout(t, layout=layout)


def sparse(t=DENSE):
    return to_layout(t, bsr)


def strided(t):
    return to_layout(t, torch.strided)


def test_tensors_of_a_layout():
    s = sparse()
    assert repr(s) == "tensor(..., layout=torch.sparse_bsr, size=(2, 3))"
    assert s.layout is bsr and not s.is_sparse and s.shape == (2, 3) and s.dtype is torch.float32
    assert torch.equal(strided(s), DENSE)
    assert to_layout(s, bsr) is s
    assert strided(s.to(torch.float64)).dtype is torch.float64
    empty = torch.zeros(2, 3, layout=bsr, dtype=torch.float64)
    assert empty.layout is bsr and empty.dtype is torch.float64 and not strided(empty).any()


def test_its_ops():
    s = sparse()
    for op in ("neg", "relu", "sin", "clone", "detach", "t"):
        result = getattr(s, op)()
        assert result.layout is bsr
        assert torch.equal(strided(result), getattr(DENSE, op)())
    for result, right in (
        (s * 2, DENSE * 2),
        (s * DENSE, DENSE * DENSE),
        (s * s, DENSE * DENSE),
        (s / 4, DENSE / 4),
        (s + s, DENSE + DENSE),
        (s + s * -1, torch.zeros(2, 3)),
    ):
        assert result.layout is bsr and torch.equal(strided(result), right)
    assert torch.equal(s.sum(), DENSE.sum()) and s.sum().layout is torch.strided
    assert torch.equal(s @ DENSE.t(), DENSE @ DENSE.t())
    assert torch.equal(torch.nn.functional.linear(DENSE, s), DENSE @ DENSE.t())
    s.add_(s)
    assert torch.equal(strided(s), 2 * DENSE) and s._version == 1


def test_gradients():
    x, w = DENSE.clone().requires_grad_(), torch.arange(6.0).reshape(3, 2).requires_grad_()

    def loss(x, w, convert):
        return (-((convert(x) * 2).relu()) @ w).sum()

    right = torch.autograd.grad(loss(x, w, lambda t: t), (x, w))
    found = torch.autograd.grad(loss(x, w, sparse), (x, w))
    assert all(map(torch.equal, found, right)) and found[0].layout is torch.strided


def test_a_sparse_leaf():
    leaf = sparse().requires_grad_()
    for times in (1, 2):
        (leaf * leaf).sum().backward()
        assert leaf.grad.layout is bsr and leaf.grad.shape == (2, 3)
        assert torch.equal(strided(leaf.grad), 2 * times * DENSE)
    (first,) = torch.autograd.grad((leaf * leaf).sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad((first * leaf).sum(), leaf)
    assert torch.equal(strided(second), 4 * DENSE)
    torch.nn.Parameter(sparse())


def test_what_was_saved_and_changed_is_an_error():
    x = DENSE.clone().requires_grad_()
    y = sparse(x) * 1
    z = y * y
    with torch.no_grad():
        y.add_(y)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_transforms():
    assert torch.equal(grad(lambda t: (sparse(t) * 3).sum())(DENSE), torch.full((2, 3), 3.0))
    value, tangent = jvp(lambda t: (sparse(t) * 3).sum(), (DENSE,), (DENSE,))
    assert value == tangent == 3 * DENSE.sum()
    rows = vmap(lambda t: t * 2)(sparse())
    assert rows.layout is bsr and torch.equal(strided(rows), 2 * DENSE)


def test_ops_that_it_does_not_have():
    s = sparse()
    for call in (s.cos, s.cumsum, s.exp_, lambda: s[0], lambda: s.view(-1), lambda: s + 1):
        with pytest.raises((NotImplementedError, RuntimeError, TypeError)) as caught:
            call()
        assert "sparse_bsr" in str(caught.value) or "argument" in str(caught.value)
    x = DENSE.clone().requires_grad_()
    with pytest.raises(NotImplementedError, match="cos: tensors of layout torch.sparse_bsr"):
        sparse(x).sin().sum().backward()


def test_layouts_that_are_mixed():
    s, other = sparse(), to_layout(DENSE, bsc)
    assert other.layout is bsc
    for call in (lambda: s + other, lambda: other * s, lambda: torch.stack([s, other])):
        with pytest.raises(RuntimeError, match="one layout beside strided ones.*sparse_b"):
            call()
    with pytest.raises(RuntimeError, match="add: a strided tensor and a sparse_bsr one"):
        s + DENSE
    with pytest.raises(RuntimeError, match="two devices"):
        s * DENSE.to("guarded")
    with pytest.raises(RuntimeError, match="incompatible tensor type"):
        s.data = DENSE


def test_layouts_that_nobody_brought():
    for make in (
        lambda: torch.zeros(2, layout=torch.jagged),
        lambda: to_layout(DENSE, torch.jagged),
        lambda: torch.zeros(2, layout=bsr, device="guarded"),
        lambda: torch.zeros(2, layout=bsr, device="meta"),
        lambda: to_layout(DENSE.to("guarded"), bsr),
    ):
        with pytest.raises(
            NotImplementedError, match="layout torch.(sparse_|jagged).* is not supported"
        ):
            make()


def test_data_of_one_layout_changes_hands():
    s = sparse()
    s.data = sparse(DENSE * 2)
    assert torch.equal(strided(s), 2 * DENSE)


def test_memory_that_is_not_there():
    s = sparse()
    for read in (
        s.numpy,
        s.tolist,
        s.data_ptr,
        lambda: s[0, 0].item(),
        lambda: bool(s),
        lambda: np.asarray(s),
        lambda: memoryview(s),
        lambda: torch.from_dlpack(s),
        lambda: s.as_strided((2,), (1,)),
        lambda: s.set_(DENSE),
        lambda: DENSE.clone().set_(s),
        lambda: s.resize_(10),
        s.untyped_storage,
        lambda: pickle.dumps(s),
        lambda: torch.save(s, io.BytesIO()),
        lambda: torch.add(DENSE, DENSE, out=s),
        lambda: DENSE.copy_(s),
        lambda: s.copy_(DENSE),
        lambda: s.fill_(1),
    ):
        with pytest.raises((RuntimeError, NotImplementedError, TypeError, BufferError, IndexError)):
            read()
    assert torch.equal(strided(s), DENSE)


@records.parametrised(records.RECORDS)
def test_record(record):
    """Every op says that it is not there, or gives what it gives of strided tensors."""
    for form in records.forms(record, limit=2):
        try:
            found = records.leaves(form(lambda t: to_layout(t, bsr) if t.dim() else t))
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError):
            continue
        if record.name in records.UNINITIALISED or "random" in record.tags:
            continue
        for a, b in zip(records.leaves(form()), found, strict=True):
            if isinstance(a, torch.Tensor):
                np.testing.assert_allclose(
                    records.as_array(strided(b)), records.as_array(a), rtol=1e-6, atol=1e-6
                )


def test_copies_of_modules():
    """A layout has no class to ask: the copy is a clone."""
    layer = torch.nn.Linear(3, 2)
    layer.weight = torch.nn.Parameter(sparse())
    (layer.weight * layer.weight).sum().backward()
    layer.register_buffer("kept", sparse())
    made = copy.deepcopy(layer)
    assert type(made.weight) is torch.nn.Parameter and made.weight.requires_grad
    for t, own in ((made.weight, layer.weight), (made.kept, layer.kept)):
        assert t is not own and t.layout is bsr
        assert torch.equal(strided(t.detach()), strided(own.detach()))
    assert torch.equal(strided(made.weight.grad), strided(layer.weight.grad))
    with torch.no_grad():
        made.weight.add_(made.weight)
    assert torch.equal(strided(layer.weight.detach()), DENSE)


@pytest.mark.parametrize("op", ["cat", "stack"])
def test_a_handler_that_overlooks_a_list_is_told(op):
    """Of `sparse_csc` the handler passes on what it was given, lists as they are."""
    t = torch.zeros(2, layout=torch.sparse_csc)
    for _ in range(2):
        with pytest.raises(RecursionError, match=f"{op}: the handler for layout torch.sparse_csc"):
            getattr(torch, op)([t, t])
    assert torch.equal(torch.cat([DENSE, DENSE])[:2], DENSE)
