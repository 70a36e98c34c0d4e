"""COO tensors against arrays: what their ops give is what they give of dense ones, or refuse."""

import itertools

import numpy as np
import pytest
from ops import record_calls as records

import flambeau as torch

SIZES = (3, 4, 2)


def random_coo(seed=0, sizes=SIZES, sparse_dim=2, n=9, dtype=torch.float64, coalesced=False):
    """A tensor with places that are named twice, and what it is as an array."""
    rng = np.random.default_rng(seed)
    indices = np.stack([rng.integers(0, size, n) for size in sizes[:sparse_dim]])
    values = rng.integers(1, 9, (n, *sizes[sparse_dim:])).astype("float64")
    dense = np.zeros(sizes)
    np.add.at(dense, tuple(indices), values)
    s = torch.sparse_coo_tensor(indices.tolist(), torch.tensor(values).to(dtype), sizes)
    return s.coalesce() if coalesced else s, dense


def array(t):
    assert t.layout in (torch.strided, torch.sparse_coo)
    return t.detach().to_dense().double().numpy()


def same(t, expected, layout=torch.sparse_coo):
    assert t.layout is layout and tuple(t.shape) == np.shape(expected)
    np.testing.assert_allclose(array(t), expected, rtol=1e-12)
    if layout is torch.sparse_coo and t.is_coalesced():
        indices = t.indices().numpy()
        flat = np.ravel_multi_index(tuple(indices), t.shape[: t.sparse_dim()])
        assert (np.diff(flat) > 0).all()


# ---- what it consists of


def test_parts():
    s, dense = random_coo()
    assert s.is_sparse and s.layout is torch.sparse_coo and not s.is_sparse_csr
    assert (s.sparse_dim(), s.dense_dim(), s._nnz(), s.is_coalesced()) == (2, 1, 9, False)
    assert s.shape == SIZES and s.numel() == 24 and s.dim() == 3 and len(s) == 3
    assert torch.is_tensor(s) and hash(s) == hash(s) and isinstance(s, torch.Tensor)
    same(s, dense)
    c = s.coalesce()
    assert c.is_coalesced() and c.coalesce() is c
    assert c.values().shape[1:] == (2,) and c.indices().shape == (2, c._nnz())
    same(c, dense)
    for ask in (s.indices, s.values):
        with pytest.raises(RuntimeError, match="on an uncoalesced tensor, please call .coalesce"):
            ask()
    for ask in ("indices", "values", "_nnz", "is_coalesced", "coalesce"):
        with pytest.raises(RuntimeError, match="sparse .* tensor layout but got torch.strided"):
            getattr(torch.ones(2), ask)()
    assert torch.ones(2, 3).sparse_dim() == 0 and torch.ones(2, 3).dense_dim() == 2


@pytest.mark.parametrize("dtype", sorted(records.TESTED))
def test_places_that_are_named_twice_are_added(dtype):
    dtype = getattr(torch, dtype)
    s = torch.sparse_coo_tensor([[2, 0, 2, 1, 2]], torch.tensor([1, 2, 3, 4, 5]).to(dtype), (4,))
    expected = torch.tensor([2, 4, 9, 0]).to(dtype)
    assert s.dtype is dtype and torch.equal(s.to_dense(), expected)
    c = s.coalesce()
    assert c.indices().tolist() == [[0, 1, 2]] and torch.equal(c.values(), expected[:3])


def test_sums_have_the_same_bits_on_any_number_of_threads():
    torch.manual_seed(0)
    n = 200_000
    s = torch.sparse_coo_tensor(torch.randint(0, 300, (2, n)), torch.randn(n, 3), (300, 300, 3))
    matrix = torch.sparse_coo_tensor(s._indices(), s._values()[:, 0], (300, 300))
    other = torch.randn(300, 17)
    threads, found = torch.get_num_threads(), []
    for t in (1, 2, 5):
        torch.set_num_threads(t)
        found.append((s.coalesce().values(), s.to_dense(), matrix @ other))
    torch.set_num_threads(threads)
    for a, b in itertools.pairwise(found):
        assert all(map(torch.equal, a, b))


def test_without_elements():
    for s in (
        torch.zeros(2, 3, layout=torch.sparse_coo),
        torch.sparse_coo_tensor((2, 3)),
        torch.zeros(2, 3).to_sparse(),
        torch.sparse_coo_tensor(torch.zeros(2, 0, dtype=torch.int64), [], (2, 3)),
    ):
        assert s._nnz() == 0
        for t in (s, s.coalesce(), s * 2, s + s, s.neg(), s.sqrt()):
            same(t, np.zeros((2, 3)))
        same(s.t(), np.zeros((3, 2)))
        same(s @ torch.ones(3, 2).to(s.dtype), np.zeros((2, 2)), torch.strided)
        assert s.sum() == 0 and s.norm() == 0
    whole = torch.sparse_coo_tensor(torch.zeros(0, 3, dtype=torch.int64), [1.0, 2.0, 3.0], ())
    assert whole.to_dense() == 6 and whole.coalesce()._nnz() == 1


# ---- making them


def test_sizes_are_found():
    s = torch.sparse_coo_tensor([[0, 4], [1, 0]], [[1.0, 2.0], [3.0, 4.0]])
    assert s.shape == (5, 2, 2) and s.dense_dim() == 1
    assert torch.sparse_coo_tensor([[1]], 3.0).to_dense().tolist() == [0, 3]


@pytest.mark.parametrize(
    "args, kwargs, error, text",
    [
        (([[0, 5]], [1.0, 2.0], (2,)), {"check_invariants": True}, RuntimeError, "found index 5"),
        (([[0, -1]], [1.0, 2.0]), {}, RuntimeError, "found negative index -1 for dim 0"),
        (([[0, 1]], [1.0, 2.0, 3.0]), {}, RuntimeError, "same nnz, but got .*: 2, .*: 3"),
        (([0, 1], [1.0, 2.0]), {}, RuntimeError, "must be sparse_dim x nnz, but got: .2."),
        (([[0, 1]], [1.0, 2.0], (2, 2)), {}, RuntimeError, "len.size. == sparse_dim [+] dense_dim"),
        (
            ([[0, 1], [0, 1]], torch.ones(2, 2), (2, 2, 3)),
            {},
            RuntimeError,
            "values has incorrect size, expected .2, 3., got .2, 2.",
        ),
        (([[0, 1]], [1.0, 2.0], (-2,)), {}, RuntimeError, "negative size -2"),
        (([[0, 1]], [1.0, 2.0]), {"device": "meta"}, NotImplementedError, "device 'meta'"),
        (([[0, 1]], [1.0, 2.0]), {"pin_memory": True}, NotImplementedError, "pin_memory=True"),
        (([[0, 1]], None), {}, TypeError, "give indices and values, or the size"),
        (([[0, 1]], [1, 2]), {"requires_grad": True}, RuntimeError, "floating point"),
        (
            ([[1, 0]], [1.0, 2.0]),
            {"is_coalesced": True, "check_invariants": True},
            RuntimeError,
            "cannot set is_coalesced to true",
        ),
    ],
)
def test_what_does_not_fit_is_refused(args, kwargs, error, text):
    with pytest.raises(error, match=text):
        torch.sparse_coo_tensor(*args, **kwargs)


def test_indices_that_nobody_looked_at_are_looked_at_when_used():
    for index in (7, -1):
        s = torch.sparse_coo_tensor([[0, index]], [1.0, 2.0], (3,), is_coalesced=True)
        wide = torch.sparse_coo_tensor([[0, 1], [0, index]], [1.0, 2.0], (2, 3), is_coalesced=True)
        for use in (
            lambda s=s: s.to_dense(),
            lambda s=s: torch.zeros(3).add_(s),
            lambda s=s: s.sparse_mask(s.detach().clone()),
            lambda s=s: torch.ones(3).sparse_mask(s),
            lambda s=s: s._coalesced_(False).coalesce(),
            lambda s=wide: s @ torch.ones(3, 2),
            lambda s=wide: s @ torch.ones(3, 2).to_sparse(),
            lambda s=wide: torch.ones(2, 2) @ s,
        ):
            try:
                use()
            except RuntimeError as error:
                assert str(index) in str(error) or "index" in str(error)


def test_invariants_are_checked_where_asked():
    checks = torch.sparse.check_sparse_tensor_invariants
    wrong = ([[5]], [1.0], (2,))
    assert not checks.is_enabled()
    torch.sparse_coo_tensor(*wrong)
    with checks(), pytest.raises(RuntimeError, match="found index 5"):
        torch.sparse_coo_tensor(*wrong)
    with checks():
        torch.sparse_coo_tensor(*wrong, check_invariants=False)
        with checks(False):
            torch.sparse_coo_tensor(*wrong)
        assert checks.is_enabled()
    checks.enable()
    try:
        with pytest.raises(RuntimeError):
            torch.sparse_coo_tensor(*wrong)
    finally:
        checks.disable()

    @checks()
    def make():
        return torch.sparse_coo_tensor(*wrong)

    with pytest.raises(RuntimeError):
        make()
    one = checks()
    with one, pytest.raises(RuntimeError, match="already activated"):
        one.__enter__()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_to_sparse_and_back(dims):
    _, dense = random_coo()
    s = torch.tensor(dense).to_sparse(dims)
    assert s.sparse_dim() == dims and s.is_coalesced()
    same(s, dense)
    assert torch.tensor(dense).to_sparse(dense_dim=3 - dims).sparse_dim() == dims
    assert torch.equal(torch.tensor(dense).to_sparse_coo().to_dense(), torch.tensor(dense))
    assert s.to_dense(torch.float32).dtype is torch.float32
    with pytest.raises(RuntimeError, match="sparse_dim must be in"):
        torch.tensor(dense).to_sparse(4)
    with pytest.raises(NotImplementedError, match="layout sparse_bsr"):
        torch.tensor(dense).to_sparse(layout=torch.sparse_bsr)


# ---- arithmetic


@pytest.mark.parametrize("sparse_dim", [1, 2, 3])
@pytest.mark.parametrize("coalesced", [(False, False), (True, True), (True, False)])
def test_sums_and_products(sparse_dim, coalesced):
    (a, x), (b, y) = (
        random_coo(seed, sparse_dim=sparse_dim, coalesced=c) for seed, c in enumerate(coalesced)
    )
    same(a + b, x + y)
    same(a - b, x - y)
    same(torch.add(a, b, alpha=3), x + 3 * y)
    same(torch.sub(a, b, alpha=0.5), x - 0.5 * y)
    same(a * b, x * y)
    same(a + a, x + x)
    assert (a + b).is_coalesced() == all(coalesced)
    for t in (a * 3, 3 * a, a * torch.tensor(3.0)):
        same(t, 3 * x)
    same(a / 4, x / 4)
    same(-a, -x)
    dense = torch.arange(24.0, dtype=torch.float64).reshape(SIZES)
    same(dense + a, dense.numpy() + x, torch.strided)
    same(dense - a, dense.numpy() - x, torch.strided)
    same(a * dense, x * dense.numpy())
    same(dense * a, x * dense.numpy())
    same(a * dense[0], x * dense[0].numpy())
    for t in (dense.clone(), dense.flip(0), torch.zeros(2, 4, 3, dtype=torch.float64).mT.mT):
        if t.shape == SIZES:
            expected = t.numpy() + 2 * x
            assert t.add_(a, alpha=2) is t
            same(t, expected, torch.strided)
    across = dense.transpose(0, 2).contiguous().transpose(0, 2)
    same(across.sub_(a), dense.numpy() - x, torch.strided)


def test_in_place():
    (s, x), (b, y) = random_coo(0), random_coo(1)
    version = s._version
    for change, expected in (
        (lambda: s.add_(b), x + y),
        (lambda: s.sub_(b, alpha=1), x),
        (lambda: s.mul_(2), 2 * x),
        (lambda: s.div_(2), x),
        (lambda: s.neg_(), -x),
        (lambda: s.copy_(b), y),
        (lambda: s.abs_(), abs(y)),
        (lambda: s.zero_(), 0 * y),
    ):
        assert change() is s and s._version > version
        version = s._version
        same(s, expected)
    assert s._nnz() == 0
    out = torch.zeros(SIZES, dtype=torch.float64, layout=torch.sparse_coo)
    assert torch.mul(b, 3, out=out) is out
    same(out, 3 * y)
    product = torch.empty(0, dtype=torch.float64)
    matrix, m = random_coo(2, (3, 4))
    torch.mm(matrix, torch.ones(4, 2, dtype=torch.float64), out=product)
    same(product, m @ np.ones((4, 2)), torch.strided)


def test_what_is_selected_is_no_view():
    s, x = random_coo(sparse_dim=3)
    for part in (s[0], s[1:], s.unbind()[0]):
        with pytest.raises(RuntimeError, match="mul_: what was selected .* is no view of it"):
            part.mul_(2)
        part.clone().mul_(2)
    same(s, x)


def test_dtypes():
    s, x = random_coo()
    assert (s + s.float()).dtype is torch.float64 and (s.float() * 2.5).dtype is torch.float32
    assert (s.long() * 2).dtype is torch.int64 and (s.long() / 2).dtype is torch.float32
    same(s.float() + s.long(), 2 * x)
    for name in ("double", "half", "bfloat16", "int", "bool"):
        t = getattr(s, name)()
        assert t.layout is torch.sparse_coo and t._nnz() == 9
    assert s.to(torch.float64) is s and s.to(s.float()).dtype is torch.float32
    with pytest.raises(RuntimeError, match="Double can't be cast|can't be cast"):
        torch.zeros(SIZES, dtype=torch.int64).add_(s)
    z = (s * (1 + 2j)).conj()
    assert np.allclose(z.to_dense().numpy(), x * (1 - 2j))


UNARY = "abs neg sqrt relu sin tanh expm1 log1p floor sign erf trunc".split()


@pytest.mark.parametrize("name", UNARY)
def test_what_keeps_zeros(name):
    s, x = random_coo(n=5)
    same(getattr(torch, name)(s), getattr(torch, name)(torch.tensor(x)).numpy())


@pytest.mark.parametrize("name", "cos exp log sigmoid reciprocal logical_not".split())
def test_what_does_not_keep_zeros_is_refused(name):
    with pytest.raises(NotImplementedError, match=f"{name}.*sparse_coo.*zeros do not stay zero"):
        getattr(torch, name)(random_coo()[0])


def test_what_is_refused():
    s, _ = random_coo()
    d = torch.ones(SIZES, dtype=torch.float64)
    for call, error, text in (
        (
            lambda: s + d,
            RuntimeError,
            "add.sparse, dense. is not supported. Use add.dense, sparse.",
        ),
        (lambda: s + 1, RuntimeError, "add.sparse, dense. is not supported"),
        (lambda: s - d, RuntimeError, "sub.sparse, dense. is not supported"),
        (lambda: s / d, NotImplementedError, "div: .*sparse_coo.*beside strided"),
        (lambda: s + random_coo(sizes=(3, 4))[0], RuntimeError, "to have same size, but got"),
        (
            lambda: s + random_coo(sparse_dim=1)[0],
            RuntimeError,
            "sparse dimensions, but got 2 and 1",
        ),
        (lambda: d[0] + s, RuntimeError, "Expected 'self' to have the size of 'other'"),
        (lambda: d.mul_(s), NotImplementedError, "mul_: .*sparse_coo"),
        (lambda: d.copy_(s), RuntimeError, "copy_.. between dense and sparse Tensors is not"),
        (lambda: s.copy_(d), RuntimeError, "copy_.. between dense and sparse Tensors is not"),
        (lambda: s.fill_(1), NotImplementedError, "fill_: .*sparse_coo"),
        (lambda: s.view(-1), NotImplementedError, "view: .*sparse_coo"),
        (lambda: s.cumsum(0), NotImplementedError, "cumsum: .*sparse_coo"),
        (lambda: s.t(), RuntimeError, "t.. expects a tensor with <= 2 sparse and 0 dense"),
        (lambda: s.transpose(0, 2), RuntimeError, "must be both sparse or both dense"),
        (lambda: torch.cat([s, d]), RuntimeError, "a dense tensor was found at position 1"),
        (lambda: s[3], IndexError, "index 3 out of range"),
        (lambda: s.to("meta"), NotImplementedError, "meta"),
        (lambda: s.clone(memory_format=torch.contiguous_format), RuntimeError, "memory format"),
    ):
        with pytest.raises(error, match=text):
            call()


# ---- reductions, products, geometry


@pytest.mark.parametrize("sparse_dim", [1, 2, 3])
def test_reductions(sparse_dim):
    s, x = random_coo(sparse_dim=sparse_dim)
    assert s.sum() == x.sum() and s.sum(dtype=torch.float32).dtype is torch.float32
    for n in (1, 2, 3):
        for dims in itertools.combinations(range(3), n):
            gone = set(range(sparse_dim)) <= set(dims)
            layout = torch.strided if gone else torch.sparse_coo
            same(s.sum(dims), x.sum(dims), layout)
            same(torch.sparse.sum(s, dims), x.sum(dims), layout)
            same(s.sum(dims, keepdim=True), x.sum(dims, keepdims=True), layout)
    for p in (1, 2, 3, float("inf"), 0):
        np.testing.assert_allclose(
            torch.linalg.vector_norm(s, p), np.linalg.norm(x.ravel(), p), rtol=1e-12
        )
    assert torch.isclose(s.norm(), torch.tensor(x).norm())
    assert s.any() and torch.sparse.sum(s.long(), dtype=torch.float32).dtype is torch.float32


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "bfloat16", "complex128", "int64", "int32"]
)
def test_products_of_matrices(dtype):
    dtype = getattr(torch, dtype)
    (a, x), (b, y) = random_coo(0, (3, 4), dtype=dtype), random_coo(1, (4, 5), dtype=dtype)
    dense = torch.tensor(y).to(dtype)
    same(torch.mm(a, b), x @ y)
    assert torch.mm(a, b).is_coalesced()
    if dtype.is_complex:
        return
    for t in (a @ dense, torch.sparse.mm(a, dense), torch.matmul(a, dense)):
        same(t, x @ y, torch.strided)
    same(torch.tensor(x).to(dtype) @ b, x @ y, torch.strided)
    same(torch.sparse.mm(torch.tensor(x).to(dtype), b), x @ y, torch.strided)
    vector = dense[:, 0].contiguous()
    for t in (a @ vector, a.mv(vector)):
        same(t, (x @ y)[:, 0], torch.strided)
    bias = torch.ones(5).to(dtype)
    same(torch.addmm(bias, a, dense, beta=2, alpha=3), 2 + 3 * (x @ y), torch.strided)
    same(torch.sparse.addmm(bias, a, dense), 1 + x @ y, torch.strided)
    with pytest.raises(RuntimeError, match="cannot be multiplied .3x4 and 3x4"):
        a @ a
    with pytest.raises(RuntimeError, match="same dtype"):
        a @ dense.to(torch.float16)


def test_products_of_batches():
    s, x = random_coo(0, (2, 3, 4), sparse_dim=3)
    other = np.arange(40.0).reshape(2, 4, 5)
    same(torch.bmm(s, torch.tensor(other)), x @ other, torch.strided)


@pytest.mark.parametrize("sparse_dim", [1, 2, 3])
def test_geometry(sparse_dim):
    s, x = random_coo(sparse_dim=sparse_dim, n=12)
    for d in range(3):
        for i in (0, -1):
            layout = torch.strided if sparse_dim == 1 and d == 0 else torch.sparse_coo
            same(s.select(d, i), x.take(i, d), layout)
        index = [1, 0, 1]
        same(s.index_select(d, torch.tensor(index)), x.take(index, d))
        for piece in (slice(1, None), slice(0, 1), slice(None, None, 2), slice(2, 1)):
            same(s[(slice(None),) * d + (piece,)], x[(slice(None),) * d + (piece,)])
        same(torch.cat([s, s * 2], d), np.concatenate([x, 2 * x], d))
        same(s.narrow(d, 1, 1), x.take([1], d))
        for part, expected in zip(s.unbind(d), np.moveaxis(x, d, 0), strict=True):
            np.testing.assert_array_equal(array(part), expected)
    for d in range(4):
        same(s.unsqueeze(d), np.expand_dims(x, d))
        same(s.unsqueeze(d).squeeze(d), x)
        same(torch.stack([s, s], d), np.stack([x, x], d))
    same(s.unsqueeze(1).unsqueeze(0).squeeze(), x)
    if sparse_dim > 1:
        same(s.transpose(0, 1), x.transpose(1, 0, 2))
    if sparse_dim == 3:
        same(s.permute(2, 0, 1), x.transpose(2, 0, 1))
        same(s.mT, x.transpose(0, 2, 1))
    matrix, m = random_coo(1, (3, 4))
    same(matrix.t(), m.T)
    same(matrix.T, m.T)
    same(matrix[1], m[1])
    assert matrix[1, 2] == m[1, 2] and [t.shape for t in matrix] == [(4,)] * 3


def test_masks():
    s, x = random_coo()
    mask, _ = random_coo(1, coalesced=True)
    there = np.zeros(SIZES)
    there[tuple(mask.indices().numpy())] = 1
    dense = torch.arange(24.0, dtype=torch.float64).reshape(SIZES)
    same(dense.sparse_mask(mask), dense.numpy() * there)
    same(s.sparse_mask(mask), x * there)
    assert s.sparse_mask(mask)._nnz() == mask._nnz()
    nan = torch.full(SIZES, float("nan"), dtype=torch.float64)
    assert not torch.isnan((s * 0).sparse_mask(mask).to_dense()).any()
    assert torch.isnan(nan.sparse_mask(mask).values()).all()
    with pytest.raises(RuntimeError, match="incompatible sizes"):
        dense[0].sparse_mask(mask)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("log", [False, True])
def test_softmax_counts_only_what_is_there(dim, log):
    s, x = random_coo(coalesced=True)
    function = torch.sparse.log_softmax if log else torch.sparse.softmax
    there = np.zeros(SIZES, bool)
    there[tuple(s.indices().numpy())] = True
    with np.errstate(all="ignore"):
        powers = np.where(there, np.exp(x), 0)
        expected = powers / powers.sum(dim, keepdims=True)
        expected = np.where(there, np.log(expected) if log else expected, 0)
    result = function(s, dim)
    np.testing.assert_allclose(array(result), expected, rtol=1e-12, atol=1e-12)
    assert function(s, dim, dtype=torch.float32).dtype is torch.float32


def test_copies_and_factories():
    s, x = random_coo()
    for t in (s.clone(), s.detach(), torch.clone(s), s.data):
        same(t, x)
        assert t is not s and not t.is_coalesced()
    s.clone()._values().zero_()
    same(s, x)
    for t in (torch.zeros_like(s), torch.empty_like(s), s.new_zeros(2, 3)):
        assert t._nnz() == 0 and t.layout is torch.sparse_coo
    assert torch.zeros_like(s, layout=torch.strided).layout is torch.strided
    assert torch.equal(s, s.coalesce()) and not torch.equal(s, s * 2)
    assert torch.sparse_coo_tensor([[0]], [7.0], (1,)).item() == 7


@records.parametrised(records.RECORDS)
def test_every_op_gives_what_it_gives_of_strided_tensors_or_refuses(record):
    compared = 0
    for form in records.forms(record, limit=2):

        def sparse(t):
            return t.to_sparse() if t.dim() and t.layout is torch.strided else t

        try:
            found = records.leaves(form(sparse))
        except (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError) as error:
            assert str(error), record.schema
            continue
        if record.name in records.UNINITIALISED or "random" in record.tags:
            continue
        if any(isinstance(v, torch.Tensor) and v.is_sparse for v in records.leaves(form())):
            continue
        for a, b in zip(records.leaves(form()), found, strict=True):
            if isinstance(a, torch.Tensor):
                compared += 1
                np.testing.assert_allclose(
                    records.as_array(b), records.as_array(a), rtol=1e-6, atol=1e-6
                )
