"""Gradients through sparse tensors, and gradients that are sparse."""

import copy
import io
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.nn import functional as F

WHERE = torch.tensor([[0, 1, 1, 0], [2, 0, 1, 2]])


def doubles(*shape, seed=0):
    torch.manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def made(values):
    return torch.sparse_coo_tensor(WHERE, values, (2, 3, *values.shape[1:]))


# ---- through sparse tensors

OTHER = torch.arange(1.0, 7.0, dtype=torch.float64).reshape(3, 2)
THROUGH = {
    "to_dense": lambda v: made(v).to_dense(),
    "coalesce": lambda v: made(v).coalesce().values(),
    "scaled": lambda v: (made(v) * 3).to_dense(),
    "quotient": lambda v: (made(v) / 4).to_dense(),
    "negated": lambda v: made(v).neg().to_dense(),
    "sum of two": lambda v: (made(v) + made(v * v)).to_dense(),
    "difference": lambda v: (made(v) - made(v * v)).to_dense(),
    "dense and sparse": lambda v: torch.ones(2, 3, dtype=torch.float64) + made(v),
    "sum": lambda v: made(v).sum(),
    "sparse.sum": lambda v: torch.sparse.sum(made(v)),
    "sparse.sum 0": lambda v: torch.sparse.sum(made(v), 0).to_dense(),
    "sparse.sum 0, 1": lambda v: torch.sparse.sum(made(v), (0, 1)),
    "mm": lambda v: made(v) @ OTHER,
    "sparse.mm": lambda v: torch.sparse.mm(made(v), OTHER),
    "sparse.mm from the right": lambda v: torch.sparse.mm(OTHER, made(v)),
    "sparse.mm of two": lambda v: torch.sparse.mm(made(v), made(v).t()).to_dense(),
    "sparse.addmm": lambda v: torch.sparse.addmm(v[0], made(v), OTHER, beta=2, alpha=3),
    "transposed": lambda v: made(v).t().to_dense(),
    "mask": lambda v: made(v).sparse_mask(made(torch.ones(4))).to_dense(),
    "relu": lambda v: made(v).relu().to_dense(),
    "dense factor": lambda v: (made(v) * OTHER.t()).to_dense(),
    "softmax": lambda v: torch.sparse.softmax(made(v), 1).to_dense(),
    "log_softmax": lambda v: torch.sparse.log_softmax(made(v), 0).to_dense(),
}


@pytest.mark.parametrize("name", THROUGH)
def test_gradients_of_values(name):
    assert gradcheck(THROUGH[name], (doubles(4),))
    if "softmax" not in name:
        assert gradgradcheck(THROUGH[name], (doubles(4),))


def test_gradients_of_what_is_made_sparse():
    x = doubles(2, 3)
    mask = made(torch.ones(4)).coalesce()
    for function in (
        lambda x: x.to_sparse().to_dense(),
        lambda x: x.to_sparse(1).to_dense() * 2,
        lambda x: x.sparse_mask(mask).to_dense(),
        lambda x: x.sparse_mask(mask).values(),
        lambda x: x.to_sparse() @ OTHER,
    ):
        assert gradcheck(function, (x,))
    dense = doubles(3, 2)
    s = made(torch.arange(4.0, dtype=torch.float64))
    for function in (lambda d: torch.sparse.mm(s, d), lambda d: s @ d, lambda d: d + s.t()):
        assert gradcheck(function, (dense,)) and gradgradcheck(function, (dense,))
    wide = torch.sparse_coo_tensor([[0, 2, 0]], doubles(3, 2), (3, 2))
    assert wide.to_dense().requires_grad


def test_sparse_leaves():
    leaf = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2), requires_grad=True)
    assert leaf.is_leaf and leaf.requires_grad
    for times in (1, 2):
        torch.sparse.mm(leaf, torch.ones(2, 2)).sum().backward()
        assert leaf.grad.layout is torch.sparse_coo
        assert leaf.grad.to_dense().tolist() == [[0, 2 * times], [2 * times, 0]]
    w = nn.Parameter(leaf.detach())
    assert w.is_sparse and w.requires_grad
    made_ = torch.sparse_coo_tensor([[0]], torch.ones(1, requires_grad=True), (2,))
    names = [type(made_.grad_fn).__name__, type(made_.coalesce().grad_fn).__name__]
    names += [type(made_.to_dense().grad_fn).__name__]
    assert names == [
        "SparseCooTensorWithDimsAndTensorsBackward0", "CoalesceBackward0", "ToDenseBackward0",
    ]  # fmt: skip


# ---- gradients of tables


def table_grad(sparse, use, **options):
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=sparse, dtype=torch.float64, **options)
    use(table).backward()
    return table.weight.grad


IDS = torch.tensor([[1, 4], [4, 2]])
USES = {
    "once": lambda t: t(IDS).pow(2).sum(),
    "twice": lambda t: t(IDS).pow(2).sum() + t(IDS[0]).sum(),
    "with a strided one": lambda t: t(IDS).pow(2).sum() + t.weight.pow(2).sum(),
    "a strided one first": lambda t: t.weight.pow(2).sum() + t(IDS).pow(2).sum(),
    "none": lambda t: t(IDS[:0]).sum(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("padding", [None, 4])
def test_tables(use, padding):
    g = table_grad(True, USES[use], padding_idx=padding)
    expected = table_grad(False, USES[use], padding_idx=padding)
    assert g.is_sparse == ("strided" not in use) and expected.layout is torch.strided
    torch.testing.assert_close(g.to_dense(), expected)
    if use == "once" and padding is None:
        assert g._indices().tolist() == [[1, 4, 4, 2]] and not g.is_coalesced()


@pytest.mark.parametrize("mode, weights", [("sum", False), ("sum", True), ("mean", False)])
@pytest.mark.parametrize("padding", [None, 2])
def test_bags(mode, padding, weights):
    found = []
    for sparse in (True, False):
        torch.manual_seed(0)
        bag = nn.EmbeddingBag(9, 4, mode=mode, sparse=sparse, padding_idx=padding).double()
        ids, offsets = torch.tensor([1, 2, 4, 5, 4, 3, 2, 8]), torch.tensor([0, 3, 3])
        per = torch.arange(1.0, 9.0, dtype=torch.float64) if weights else None
        (bag(ids, offsets, per) ** 2).sum().backward()
        found.append(bag.weight.grad)
    assert found[0].is_sparse and not found[1].is_sparse
    torch.testing.assert_close(found[0].to_dense(), found[1])


def test_bags_without_sparse_gradients():
    args = (torch.tensor([0]), torch.ones(2, 2), torch.tensor([0]))
    with pytest.raises(ValueError, match="max mode does not support sparse weights"):
        F.embedding_bag(*args, mode="max", sparse=True)
    table = torch.ones(2, 2, requires_grad=True)
    y = F.embedding(torch.tensor([0]), table, scale_grad_by_freq=True, sparse=True)
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse"):
        y.sum().backward()


def test_gather():
    for dim in (0, 1, -1):
        found = []
        for sparse in (True, False):
            x = torch.arange(6.0).reshape(2, 3).requires_grad_()
            index = torch.tensor([[1, 0], [0, 0]])
            torch.gather(x, dim, index, sparse_grad=sparse).pow(2).sum().backward()
            found.append(x.grad)
        assert found[0].is_sparse and torch.equal(found[0].to_dense(), found[1])
    x = torch.tensor(2.0, requires_grad=True)
    torch.gather(x, 0, torch.tensor([0]), sparse_grad=True).sum().backward()
    assert x.grad.is_sparse and x.grad.to_dense() == 1


def test_accumulation():
    w = torch.ones(4, 2, requires_grad=True)

    def look_up(*ids):
        F.embedding(torch.tensor(ids), w, sparse=True).sum().backward()

    look_up(1, 3)
    first = w.grad
    assert first._indices().tolist() == [[1, 3]]
    look_up(3, 0)
    assert w.grad is first and first._indices().tolist() == [[1, 3, 0]]
    assert w.grad.to_dense()[:, 0].tolist() == [1, 1, 0, 2]
    (w * 2).sum().backward()
    assert w.grad.layout is torch.strided and w.grad[:, 0].tolist() == [3, 3, 2, 4]
    kept = w.grad
    look_up(2)
    assert w.grad is kept and w.grad[:, 0].tolist() == [3, 3, 3, 4]
    w.grad = torch.sparse_coo_tensor([[0]], torch.ones(1, 2), (4, 2))
    w.grad.zero_()
    assert w.grad.is_sparse and w.grad._nnz() == 0
    (g,) = torch.autograd.grad(F.embedding(torch.tensor([1]), w, sparse=True).sum(), w)
    assert g.is_sparse and g is not w.grad


def test_hooks_see_them():
    w, seen = torch.ones(3, 2, requires_grad=True), []
    w.register_hook(lambda g: (seen.append(g.layout), g * 2)[1])
    w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad._nnz()))
    F.embedding(torch.tensor([1, 1]), w, sparse=True).sum().backward()
    assert seen == [torch.sparse_coo, 2] and w.grad.to_dense()[1].tolist() == [4, 4]


def test_clipping():
    norms = []
    for sparse in (True, False):
        w = torch.ones(4, 2, requires_grad=True)
        (F.embedding(torch.tensor([1, 1, 3]), w, sparse=sparse).pow(2) * 3).sum().backward()
        norms.append(nn.utils.clip_grad_norm_([w], 1.0))
        norms.append(w.grad.to_dense().clone())
        nn.utils.clip_grad_value_([w], 0.1)
        norms.append(w.grad.to_dense())
    for a, b in zip(norms[:3], norms[3:], strict=True):
        torch.testing.assert_close(a, b)


# ---- optimisers


def trained(kind, sparse, steps=4, **options):
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=sparse, dtype=torch.float64)
    opt = getattr(torch.optim, kind)(table.parameters(), lr=0.1, **options)
    for ids in ([1, 2, 2], [5, 1, 0], [2, 2, 2], [3, 1, 3])[:steps]:
        opt.zero_grad()
        table(torch.tensor(ids)).pow(2).sum().backward()
        opt.step()
    return table.weight.detach(), opt.state_dict()


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    "kind, options",
    [("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adagrad", {}), ("Adagrad", {"lr_decay": 0.1})],
)
def test_steps_are_those_of_strided_gradients(kind, options, maximize):
    w, state = trained(kind, True, maximize=maximize, **options)
    expected, _ = trained(kind, False, maximize=maximize, **options)
    torch.testing.assert_close(w, expected)


def test_sparse_adam_steps_what_was_looked_up():
    w, _ = trained("SparseAdam", True, steps=1)
    torch.manual_seed(0)
    start = nn.Embedding(6, 3, dtype=torch.float64).weight.detach()
    moved = (w != start).any(1).tolist()
    assert moved == [False, True, True, False, False, False]
    torch.testing.assert_close(w[1:3], start[1:3] - 0.1 * start[1:3].sign(), atol=1e-6, rtol=0)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        trained("SparseAdam", False)


@pytest.mark.parametrize(
    "kind", "Adam AdamW Adamax ASGD NAdam RAdam RMSprop Rprop Adadelta Adafactor".split()
)
def test_other_optimisers_refuse(kind):
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        trained(kind, True)


# ---- copies, files, texts


def sample():
    return torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 0]], [1.5, 2.0, 3.0], (2, 3))


@pytest.mark.parametrize("coalesced", [False, True])
def test_copies_of_tensors_and_modules(coalesced):
    s = sample().coalesce() if coalesced else sample()
    layer = nn.Module()
    layer.register_buffer("kept", s)
    layer.w = nn.Parameter(s)
    layer.w.grad = s * 2
    buffer = io.BytesIO()
    torch.save({"s": s, "twice": [s, s]}, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer)
    for t in (
        copy.copy(s), copy.deepcopy(s), pickle.loads(pickle.dumps(s)), loaded["s"],
        copy.deepcopy(layer).kept, copy.deepcopy(layer).w.detach(),
    ):  # fmt: skip
        assert t.layout is torch.sparse_coo and t.is_coalesced() == coalesced
        assert torch.equal(t._indices(), s._indices()) and torch.equal(t._values(), s._values())
    assert loaded["twice"][0] is loaded["twice"][1]
    assert copy.deepcopy(layer).w.grad.to_dense()[0, 2] == 3
    state = layer.state_dict()
    assert state["kept"].is_sparse


def test_texts():
    s = sample()
    assert str(s) == (
        "tensor(indices=tensor([[0, 1, 1],\n"
        "                       [2, 0, 0]]),\n"
        "       values=tensor([1.5000, 2.0000, 3.0000]),\n"
        "       size=(2, 3), nnz=3, layout=torch.sparse_coo)"
    )
    assert str(s.coalesce()[:0].double()) == (
        "tensor(indices=tensor([], size=(2, 0)),\n"
        "       values=tensor([], size=(0,)),\n"
        "       size=(0, 3), nnz=0, dtype=torch.float64, layout=torch.sparse_coo)"
    )
    assert str(s.requires_grad_()).endswith("nnz=3, layout=torch.sparse_coo, requires_grad=True)")
    assert str(s * 2).endswith("nnz=3, layout=torch.sparse_coo, grad_fn=<MulBackward0>)")
    assert str((s * 2).coalesce().to_sparse() + s).endswith(
        "layout=torch.sparse_coo, grad_fn=<AddBackward0>)"
    )


def test_assert_close():
    s = sample()
    torch.testing.assert_close(s, s.clone())
    torch.testing.assert_close(s, s.coalesce())
    torch.testing.assert_close(s, s.to_dense(), check_layout=False)
    with pytest.raises(AssertionError, match="attribute 'layout' do not match"):
        torch.testing.assert_close(s, s.to_dense())
    with pytest.raises(
        AssertionError, match="number of specified values .* does not match: 3 != 2"
    ):
        torch.testing.assert_close(s, sample().coalesce()._coalesced_(False))
    with pytest.raises(AssertionError, match="Sparse COO values"):
        torch.testing.assert_close(s, s * 2)
    with pytest.raises(AssertionError, match="Sparse COO indices"):
        torch.testing.assert_close(s, sample().index_select(1, torch.tensor([2, 1, 0])))


def test_what_has_no_memory():
    s = sample()
    for read in (
        s.numpy,
        s.tolist,
        s.data_ptr,
        lambda: np.asarray(s),
        lambda: memoryview(s),
        lambda: torch.from_dlpack(s),
        lambda: s.as_strided((2,), (1,)),
        lambda: s.set_(torch.ones(2)),
        lambda: torch.ones(2, 3).set_(s),
        lambda: s.resize_(10),
        s.untyped_storage,
        lambda: torch.add(torch.ones(2, 3), torch.ones(2, 3), out=s),
    ):
        with pytest.raises((RuntimeError, NotImplementedError, TypeError, BufferError)):
            read()
    assert s._nnz() == 3


def test_transforms():
    x = torch.ones(2, 3)
    g = torch.func.grad(lambda x: (x.to_sparse() * 3).to_dense().sum())(x)
    assert torch.equal(g, torch.full((2, 3), 3.0))
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.vmap(lambda x: x.to_sparse())(x)
