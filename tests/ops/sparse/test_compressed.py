"""Matrices by rows and by columns against arrays."""

import copy
import io
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau.autograd import gradcheck

LAYOUTS = {"csr": torch.sparse_csr, "csc": torch.sparse_csc}
DENSE = np.array([[0, 0, 3.0], [4, 0, 5], [0, 0, 0], [1, 2, 0]])


def made(kind, dense=DENSE):
    return getattr(torch.tensor(dense), f"to_sparse_{kind}")()


def same(t, expected, layout=None):
    assert t.shape == np.shape(expected) and (layout is None or t.layout is layout)
    np.testing.assert_allclose(t.to_dense().numpy(), expected)


def test_parts():
    r, c = made("csr"), made("csc")
    assert r.is_sparse_csr and not r.is_sparse and r.layout is torch.sparse_csr
    assert r.crow_indices().tolist() == [0, 1, 3, 3, 5]
    assert r.col_indices().tolist() == [2, 0, 2, 0, 1] and r.values().tolist() == [3, 4, 5, 1, 2]
    assert c.ccol_indices().tolist() == [0, 2, 3, 5]
    assert c.row_indices().tolist() == [1, 3, 3, 0, 1] and c.values().tolist() == [4, 1, 2, 3, 5]
    assert r._nnz() == 5 and r.sparse_dim() == 2 and r.dense_dim() == 0
    same(r, DENSE)
    same(c, DENSE)
    with pytest.raises(RuntimeError, match="crow_indices: expected layout torch.sparse_csr"):
        c.crow_indices()
    with pytest.raises(RuntimeError, match="row_indices: expected layout torch.sparse_csc"):
        r.row_indices()


@pytest.mark.parametrize("kind", LAYOUTS)
def test_conversions(kind):
    m, layout = made(kind), LAYOUTS[kind]
    for t in (
        m.to_sparse_csr().to_sparse_csc(), m.to_sparse_coo().to_sparse(layout=layout), m.clone(),
        m.detach(), copy.deepcopy(m),
        pickle.loads(pickle.dumps(m)),
    ):  # fmt: skip
        same(t, DENSE)
    assert m.to(torch.float32).dtype is torch.float32 and m.float().layout is layout
    buffer = io.BytesIO()
    torch.save(m, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer)
    torch.testing.assert_close(loaded, m)
    wide = torch.arange(12.0).reshape(2, 3, 2).to_sparse(2)
    same(getattr(wide, f"to_sparse_{kind}")(), np.arange(12.0).reshape(2, 3, 2), layout)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_ops(kind):
    m, layout, other = made(kind), LAYOUTS[kind], np.arange(6.0).reshape(3, 2)
    dense = torch.tensor(other)
    for t in (m @ dense, torch.mm(m, dense), torch.sparse.mm(m, dense)):
        same(t, DENSE @ other, torch.strided)
    same(torch.mv(m, dense[:, 0].contiguous()), DENSE @ other[:, 0], torch.strided)
    same(m * 2, DENSE * 2, layout)
    same(m + m, DENSE * 2, layout)
    same(m - m * 3, DENSE * -2, layout)
    same(m.sqrt(), np.sqrt(DENSE), layout)
    same(torch.tensor(DENSE) + m, 2 * DENSE, torch.strided)
    assert m.sum() == DENSE.sum() and torch.isclose(m.norm(), torch.tensor(DENSE).norm())
    same(m.t(), DENSE.T, LAYOUTS["csc" if kind == "csr" else "csr"])
    same(m @ m.t().to_sparse(layout=layout), DENSE @ DENSE.T, layout)
    version = m._version
    assert m.mul_(2) is m and m._version > version
    same(m, DENSE * 2)
    for call in (lambda: m[0], lambda: m.cos(), lambda: m.view(-1), lambda: m.cumsum(0)):
        with pytest.raises(NotImplementedError, match=f"sparse_{kind}|zeros do not stay zero"):
            call()


def test_gradients():
    values = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    x = torch.arange(6.0, dtype=torch.float64).reshape(3, 2).requires_grad_()

    def build(function, v):
        return function([0, 1, 3], [2, 0, 1], v, (2, 3))

    assert gradcheck(lambda v: build(torch.sparse_csr_tensor, v).to_dense(), (values,))
    assert gradcheck(
        lambda v: torch.sparse_csc_tensor([0, 1, 1, 3], [1, 0, 1], v, (2, 3)).to_dense(), (values,)
    )
    assert gradcheck(
        lambda v, x: torch.sparse.mm(build(torch.sparse_csr_tensor, v), x), (values, x)
    )
    assert gradcheck(lambda x: build(torch.sparse_csr_tensor, values.detach()) @ x, (x,))
    assert gradcheck(
        lambda x: x.to_sparse_csr().values() * 2, (x.detach().add(1).requires_grad_(),)
    )


@pytest.mark.parametrize(
    "parts, text",
    [
        (([0, 1], [0, 1], [1.0, 2.0], (1, 2)), "crow_indices.* == nnz"),
        (([0, 2], [0, 5], [1.0, 2.0], (1, 2)), "0 <= col_indices < 2 .*found 5"),
        (([0, 2], [1, 0], [1.0, 2.0], (1, 2)), "col_indices must be sorted and distinct"),
        (([1, 2], [0, 1], [1.0, 2.0], (1, 2)), "crow_indices.* == 0"),
        (([0, 3, 2], [0, 1], [1.0, 2.0], (2, 2)), "crow_indices"),
        (([0, 2], [0, 1], [1.0, 2.0], (2, 2)), "number of rows [+] 1 as 3, but got 2"),
        (([0, 2], [0, 1], [1.0], (1, 2)), "values must have shape .2., got .1."),
        (([0.0, 2.0], [0, 1], [1.0, 2.0], (1, 2)), "one dtype, int32 or int64"),
        (([0, 2], [0, 1], [1.0, 2.0], (2,)), "size must have length"),
    ],
)
def test_parts_that_do_not_fit(parts, text):
    with pytest.raises(RuntimeError, match=text):
        torch.sparse_csr_tensor(*parts)


def test_text():
    assert str(made("csr").float()) == (
        "tensor(crow_indices=tensor([0, 1, 3, 3, 5]),\n"
        "       col_indices=tensor([2, 0, 2, 0, 1]),\n"
        "       values=tensor([3., 4., 5., 1., 2.]), size=(4, 3), nnz=5,\n"
        "       layout=torch.sparse_csr)"
    )
