"""Sparse tensors beside PyTorch's: the same texts, parts, gradients, files and kinds of errors."""

import io
import warnings

import pytest

import flambeau

torch = pytest.importorskip("torch")
warnings.filterwarnings("ignore", message=".*(S|s)parse.*")

WHERE, WHAT = [[0, 1, 1, 0], [2, 0, 0, 2]], [1.0, 2.5, 3.0, 4.0]


def made(lib, coalesced=False, **options):
    s = lib.sparse_coo_tensor(WHERE, WHAT, (2, 3), **options)
    return s.coalesce() if coalesced else s


def table(lib, sparse=True):
    lib.manual_seed(0)
    return lib.nn.Embedding(5, 2, sparse=sparse)


def looked_up(lib, *ids, padding=None):
    t = table(lib)
    t.padding_idx = padding
    for some in ids:
        t(lib.tensor(some)).pow(2).sum().backward()
    return t.weight.grad


def stepped(lib, kind, **options):
    t = table(lib)
    opt = getattr(lib.optim, kind)(t.parameters(), lr=0.1, **options)
    for some in ([1, 2, 2], [4, 0, 1], [3, 3, 3]):
        opt.zero_grad()
        t(lib.tensor(some)).pow(2).sum().backward()
        opt.step()
    return t.weight


SHOWN = {
    "uncoalesced": made,
    "coalesced": lambda lib: made(lib, True),
    "float64": lambda lib: made(lib, dtype=lib.float64),
    "bool": lambda lib: made(lib, True).bool(),
    "requires grad": lambda lib: made(lib, requires_grad=True),
    "history": lambda lib: made(lib, requires_grad=True) * 2,
    "empty": lambda lib: lib.sparse_coo_tensor((2, 3)),
    "hybrid": lambda lib: lib.sparse_coo_tensor([[0, 2]], [[1.0, 2.0], [3.0, 4.0]]),
    "long": lambda lib: lib.eye(2000).to_sparse(),
    "csr": lambda lib: made(lib).to_sparse_csr(),
    "csc": lambda lib: made(lib).to_sparse_csc(),
    "parameter": lambda lib: lib.nn.Parameter(made(lib)),
    "sum": lambda lib: made(lib) + made(lib),
    "sum of coalesced": lambda lib: made(lib, True) + made(lib, True),
    "mixed sum": lambda lib: made(lib, True) + made(lib),
    "difference": lambda lib: made(lib) - made(lib) * 2,
    "dense and sparse": lambda lib: lib.ones(2, 3) + made(lib),
    "product": lambda lib: made(lib, True) * made(lib, True),
    "with dense": lambda lib: made(lib) * lib.full((2, 3), 2.0),
    "number": lambda lib: made(lib) * 2,
    "quotient": lambda lib: made(lib) / 2,
    "floor": lambda lib: made(lib) // 2,
    "neg": lambda lib: made(lib).neg(),
    "abs": lambda lib: made(lib).abs(),
    "sqrt": lambda lib: made(lib).sqrt(),
    "relu": lambda lib: made(lib).relu(),
    "pow": lambda lib: made(lib).pow(2),
    "isnan": lambda lib: made(lib).isnan(),
    "t": lambda lib: made(lib, True).t(),
    "permute": lambda lib: made(lib).permute(1, 0),
    "unsqueeze": lambda lib: made(lib).unsqueeze(1),
    "select": lambda lib: made(lib)[0],
    "element": lambda lib: made(lib)[0, 2],
    "select 1": lambda lib: made(lib).select(1, 2),
    "index_select": lambda lib: made(lib).index_select(1, lib.tensor([0, 2])).coalesce(),
    "cat": lambda lib: lib.cat([made(lib), made(lib)], 1),
    "stack": lambda lib: lib.stack([made(lib), made(lib)]),
    "sum of all": lambda lib: made(lib).sum(),
    "sum 0": lambda lib: made(lib).sum(0),
    "sum 0, 1": lambda lib: made(lib).sum((0, 1)),
    "sparse.sum": lambda lib: lib.sparse.sum(made(lib), 1),
    "norm": lambda lib: made(lib).norm(),
    "mm": lambda lib: made(lib) @ lib.ones(3, 2),
    "mm of two": lambda lib: made(lib) @ made(lib).t(),
    "addmm": lambda lib: lib.addmm(lib.ones(2, 2), made(lib), lib.ones(3, 2), beta=2),
    "mv": lambda lib: lib.mv(made(lib), lib.ones(3)),
    "softmax": lambda lib: lib.sparse.softmax(made(lib), 1),
    "log_softmax": lambda lib: lib.sparse.log_softmax(made(lib), 0),
    "mask": lambda lib: lib.full((2, 3), 7.0).sparse_mask(made(lib, True)),
    "sparse mask": lambda lib: made(lib).sparse_mask(made(lib, True)),
    "zeros_like": lambda lib: lib.zeros_like(made(lib)),
    "dtype": lambda lib: made(lib).to(lib.float16),
    "to_sparse": lambda lib: lib.eye(2).to_sparse(1),
    "zeroed": lambda lib: made(lib).zero_(),
    "copied": lambda lib: made(lib).copy_(made(lib, True)),
    "gradient of a table": lambda lib: looked_up(lib, [1, 3, 1]),
    "of two looks": lambda lib: looked_up(lib, [1, 3], [3, 0]),
    "with padding": lambda lib: looked_up(lib, [1, 3, 1], padding=1),
    "SGD": lambda lib: stepped(lib, "SGD"),
    "SGD with momentum": lambda lib: stepped(lib, "SGD", momentum=0.9),
    "Adagrad": lambda lib: stepped(lib, "Adagrad"),
    "SparseAdam": lambda lib: stepped(lib, "SparseAdam", maximize=True),
}


@pytest.mark.parametrize("name", SHOWN)
def test_texts(name):
    assert repr(SHOWN[name](flambeau)) == repr(SHOWN[name](torch))


REFUSED = {
    "sparse + dense": lambda lib: made(lib) + lib.ones(2, 3),
    "sparse + 1": lambda lib: made(lib) + 1,
    "values": lambda lib: made(lib).values(),
    "indices": lambda lib: made(lib).indices(),
    "values of dense": lambda lib: lib.ones(2).values(),
    "coalesce of dense": lambda lib: lib.ones(2).coalesce(),
    "view": lambda lib: made(lib).view(6),
    "cos": lambda lib: made(lib).cos(),
    "fill_": lambda lib: made(lib).fill_(1),
    "copy_": lambda lib: lib.ones(2, 3).copy_(made(lib)),
    "shapes": lambda lib: made(lib) + made(lib).t(),
    "mm": lambda lib: made(lib) @ made(lib),
    "cat": lambda lib: lib.cat([made(lib), lib.ones(2, 3)]),
    "select": lambda lib: made(lib)[5],
    "numpy": lambda lib: made(lib).numpy(),
    "storage": lambda lib: made(lib).untyped_storage(),
    "tolist": lambda lib: made(lib).tolist(),
    "item": lambda lib: made(lib).item(),
    "negative": lambda lib: lib.sparse_coo_tensor([[-1]], [1.0]),
    "nnz": lambda lib: lib.sparse_coo_tensor([[0, 1]], [1.0]),
    "dims": lambda lib: lib.sparse_coo_tensor([0, 1], [1.0, 2.0]),
    "size": lambda lib: lib.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2)),
    "checked": lambda lib: lib.sparse_coo_tensor([[5]], [1.0], (2,), check_invariants=True),
    "layout": lambda lib: lib.sparse_coo_tensor([[0]], [1.0], (2,), layout=lib.strided),
    "Adam": lambda lib: stepped(lib, "Adam"),
    "SparseAdam": lambda lib: lib.optim.SparseAdam([made(lib)]),
    "max bags": lambda lib: lib.nn.functional.embedding_bag(
        lib.tensor([0]), lib.ones(2, 2), lib.tensor([0]), mode="max", sparse=True
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_kinds_of_errors(name):
    with pytest.raises(Exception) as theirs:
        REFUSED[name](torch)
    with pytest.raises(Exception) as ours:
        REFUSED[name](flambeau)
    assert ours.type.__name__ == theirs.type.__name__, (str(ours.value), str(theirs.value))


@pytest.mark.parametrize("kind", ["uncoalesced", "coalesced", "hybrid", "empty", "csr", "csc"])
def test_files_travel_both_ways(kind):
    for here, there in ((flambeau, torch), (torch, flambeau)):
        buffer = io.BytesIO()
        here.save({"s": SHOWN[kind](here)}, buffer)
        buffer.seek(0)
        loaded = there.load(buffer, weights_only=True)["s"]
        assert repr(loaded) == repr(SHOWN[kind](there))
