"""Decompositions give back what they were made of, and say what they cannot decompose."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg

import flambeau as torch
from flambeau import linalg

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
BATCHES = [(), (3,), (2, 0), (2, 1, 2)]


def random(dtype, *sizes, seed=0):
    return torch.randn(sizes, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def definite(dtype, *sizes):
    a = random(dtype, *sizes)
    return a @ a.mH + torch.eye(sizes[-1], dtype=dtype)


def close(a, b, dtype, factor=1.0):
    wide = 5e-4 if dtype in (torch.float32, torch.complex64) else 1e-10
    torch.testing.assert_close(a, b, rtol=wide * factor, atol=wide * factor)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_of_the_parts(dtype, batch):
    s, a = definite(dtype, *batch, 5, 5), random(dtype, *batch, 5, 5)
    lower, upper = linalg.cholesky(s), linalg.cholesky(s, upper=True)
    close(lower @ lower.mH, s, dtype)
    close(upper.mH @ upper, s, dtype)
    assert torch.equal(lower.triu(1), torch.zeros_like(lower))
    assert torch.equal(upper.tril(-1), torch.zeros_like(upper))
    for shape in ((5, 5), (7, 4), (4, 7)):
        m = random(dtype, *batch, *shape)
        for mode in ("reduced", "complete"):
            q, r = linalg.qr(m, mode)
            close(q @ r, m, dtype)
            close(q.mH @ q, torch.eye(q.shape[-1], dtype=dtype).expand(*batch, -1, -1), dtype)
            assert torch.equal(r.tril(-1), torch.zeros_like(r))
        close(linalg.qr(m, "r").R, linalg.qr(m).R, dtype)
        p, low, up = linalg.lu(m)
        close(p @ low @ up, m, dtype)
        factors, pivots = linalg.lu_factor(m)
        for part, again in zip((p, low, up), torch.lu_unpack(factors, pivots)):
            close(part, again, dtype)
    close(a @ linalg.inv(a), torch.eye(5, dtype=dtype).expand(*batch, -1, -1), dtype)
    b = random(dtype, *batch, 5, 2, seed=1)
    close(a @ linalg.solve(a, b), b, dtype)
    close(linalg.solve(a, b.mT, left=False) @ a, b.mT, dtype)
    factors, pivots = linalg.lu_factor(a)
    for adjoint in (False, True):
        m = a.mH if adjoint else a
        close(m @ linalg.lu_solve(factors, pivots, b, adjoint=adjoint), b, dtype)
        right = linalg.lu_solve(factors, pivots, b.mT, left=False, adjoint=adjoint)
        close(right @ m, b.mT, dtype)
    close(s @ torch.cholesky_solve(b, lower), b, dtype)
    close(s @ torch.cholesky_solve(b, upper, upper=True), b, dtype)
    close(torch.cholesky_inverse(lower), linalg.inv(s), dtype)
    close(torch.cholesky_inverse(upper, upper=True), linalg.inv(s), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_reflections(dtype):
    a = random(dtype, 2, 6, 4)
    packed, tau = torch.geqrf(a)
    q, r = linalg.qr(a)
    close(packed.triu()[..., :4, :], r, dtype)
    close(linalg.householder_product(packed, tau), q, dtype)
    close(torch.orgqr(packed, tau), q, dtype)
    c = random(dtype, 2, 6, 3, seed=1)
    whole = linalg.qr(a, "complete").Q
    close(torch.ormqr(packed, tau, c), whole @ c, dtype)
    close(torch.ormqr(packed, tau, c.mT, left=False), c.mT @ whole, dtype)
    close(torch.ormqr(packed, tau, c, transpose=True), whole.mH @ c, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular(dtype, upper, unit):
    a = random(dtype, 3, 4, 4) + 3 * torch.eye(4, dtype=dtype)
    b = random(dtype, 2, 1, 4, 5, seed=1)
    read = a.triu() if upper else a.tril()
    if unit:
        eye = torch.eye(4, dtype=dtype)
        read = read * (1 - eye) + eye
    for layout in (
        a,
        a.mT.contiguous().mT,
        a.transpose(0, 1).contiguous().transpose(0, 1),
    ):
        x = linalg.solve_triangular(layout, b, upper=upper, unitriangular=unit)
        assert x.shape == (2, 3, 4, 5)
        close(read @ x, b.expand(2, 3, 4, 5), dtype)
        x = linalg.solve_triangular(layout, b.mT, upper=upper, left=False, unitriangular=unit)
        close(x @ read, b.mT.expand(2, 3, 5, 4), dtype)
        for transpose in (False, True):
            x, copied = torch.triangular_solve(b[0], layout, upper, transpose, unit)
            close((read.mT if transpose else read) @ x, b[0].expand(3, 4, 5), dtype)
            assert torch.equal(copied, a)


def test_determinants():
    a = random(torch.complex128, 3, 4, 4)
    expected = np.linalg.det(a.numpy())
    np.testing.assert_allclose(linalg.det(a).numpy(), expected)
    sign, size = linalg.slogdet(a)
    np.testing.assert_allclose((sign * size.exp()).numpy(), expected)
    negative = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert torch.det(negative) == -1
    assert torch.logdet(negative).isnan()
    assert [x.item() for x in torch.slogdet(torch.zeros(2, 2))] == [0.0, -np.inf]
    assert torch.det(torch.zeros(0, 0)) == 1


def test_the_gradient_of_a_determinant_that_is_0():
    a = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    torch.det(a).backward()
    torch.testing.assert_close(a.grad, torch.tensor([[4.0, -2.0], [-2.0, 1.0]]).double())


def test_exponentials():
    for dtype in DTYPES:
        for size in (1e-3, 0.1, 0.5, 1.0, 3.0, 20.0):
            a = random(dtype, 2, 6, 6) * size
            expected = scipy.linalg.expm(a.to(torch.complex128).numpy())
            got = torch.matrix_exp(a).to(torch.complex128).numpy()
            tolerance = 1e-5 if dtype in (torch.float32, torch.complex64) else 1e-11
            assert np.abs(got - expected).max() <= tolerance * np.abs(expected).max()
    assert torch.matrix_exp(torch.tensor([[np.nan, 0.0], [0.0, 1.0]])).isnan().all()


def test_gradients_of_triangular_factors():
    """Of functions of the whole matrix, since beside the triangle there is nothing to change."""
    for dtype in (torch.float64, torch.complex128):
        a, b = random(dtype, 3, 3).requires_grad_(), random(dtype, 3, 2, seed=1).requires_grad_()

        def factor(a, upper):
            return linalg.cholesky(a @ a.mH + torch.eye(3, dtype=a.dtype), upper=upper)

        for upper in (False, True):

            def inverse(a, upper=upper):
                return torch.cholesky_inverse(factor(a, upper), upper)

            def solution(a, b, upper=upper):
                return torch.cholesky_solve(b, factor(a, upper), upper)

            for function, inputs in ((inverse, (a,)), (solution, (a, b))):
                assert torch.autograd.gradcheck(function, inputs)
                assert torch.autograd.gradgradcheck(function, inputs)


def test_what_is_refused():
    zeros = torch.zeros(2, 3, 3)
    zeros[0] = torch.eye(3)
    raises = lambda text: pytest.raises(linalg.LinAlgError, match=text)  # noqa: E731
    with raises(r"linalg.cholesky: \(Batch element 1\): .*positive-definite.*order 1 "):
        linalg.cholesky(zeros)
    with raises(r"linalg.inv: \(Batch element 1\): .*singular"):
        linalg.inv(zeros)
    with raises(r"linalg.solve: \(Batch element 1\): .*singular"):
        linalg.solve(zeros, torch.ones(3))
    with raises("lu_factor: the|lu_factor: U is singular"):
        linalg.lu_factor(zeros[1])
    with raises("cholesky_ex"):
        linalg.cholesky_ex(zeros, check_errors=True)
    assert linalg.cholesky_ex(zeros).info.tolist() == [0, 1]
    assert linalg.inv_ex(zeros).info.tolist() == [0, 1]
    assert linalg.solve_ex(zeros, torch.ones(3))[1].tolist() == [0, 1]
    out = torch.full((2, 3, 3), 7.0)
    with raises("linalg.inv"):
        linalg.inv(zeros, out=out)
    assert (out == 7).all()
    for call, text in (
        (lambda: linalg.inv(torch.ones(2, 3)), r"linalg.inv: A must be batches of square"),
        (lambda: linalg.qr(torch.ones(3)), r"linalg.qr: .*at least 2 dim"),
        (lambda: linalg.det(torch.ones(2, 2, dtype=torch.int64)), "linalg.det: Expected a float"),
        (lambda: linalg.det(torch.ones(2, 2).half()), "linalg.det: Low precision"),
        (lambda: linalg.solve(torch.ones(2, 2), torch.ones(3, 1)), "linalg.solve: Incompatible"),
        (
            lambda: linalg.lu_solve(
                torch.eye(2), torch.tensor([1, 9], dtype=torch.int32), torch.ones(2, 1)
            ),
            "linalg.lu_solve: pivots must be between 1 and 2",
        ),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()


def test_the_library_is_opened_at_first_use_and_named_where_it_lacks(tmp_path):
    program = """
import os, sys
import flambeau
from flambeau import _C
assert "scipy_openblas32" not in sys.modules and _C._lapack_path() == ""
kept = flambeau.__dict__
if len(sys.argv) > 1:
    import flambeau._lapack
    flambeau._lapack.path = lambda: ""
    sys.modules["flambeau._lapack"] = flambeau._lapack
try:
    flambeau.linalg.inv(flambeau.eye(2))
    print("opened", _C._lapack_path())
except RuntimeError as error:
    print(error)
assert "scipy_openblas32" not in sys.modules
"""

    def run(*args, **env):
        command = [sys.executable, "-c", program, *args]
        given = {**os.environ, **env}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=given).stdout

    assert "scipy_openblas" in run()
    other = tmp_path / "no_library.so"
    other.write_text("")
    said = run("hidden", FLAMBEAU_LAPACK=str(other))
    assert "opened liblapack.so.3" in said or (
        "pip install scipy-openblas32" in said and "no_library.so" in said
    )


def test_the_same_bits_for_any_number_of_threads():
    a, threads = random(torch.float32, 200, 12, 12), torch.get_num_threads()
    found = []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            made = [linalg.inv(a), *linalg.qr(a), torch.matrix_exp(a), linalg.slogdet(a)[1]]
            found.append([t.contiguous().numpy().tobytes() for t in made])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_spectra(dtype, batch):
    s = definite(dtype, *batch, 4, 4)
    for triangle in ("L", "U"):
        found, vectors = linalg.eigh(s, triangle)
        close(vectors * found.unsqueeze(-2) @ vectors.mH, s, dtype)
        close(linalg.eigvalsh(s, triangle), found, dtype)
        assert (found[..., 1:] >= found[..., :-1]).all()
    for shape in ((4, 4), (5, 3), (3, 5)):
        a = random(dtype, *batch, *shape)
        for full in (False, True):
            u, found, vh = linalg.svd(a, full_matrices=full)
            k = found.shape[-1]
            close(u[..., :k] * found.unsqueeze(-2) @ vh[..., :k, :], a, dtype)
            for unitary in (u, vh.mH):
                side = torch.eye(unitary.shape[-1], dtype=dtype).expand(*batch, -1, -1)
                close(unitary.mH @ unitary, side, dtype)
        close(linalg.svdvals(a), found, dtype)
        u, found, v = torch.svd(a)
        close(u * found.unsqueeze(-2) @ v.mH, a, dtype)
        inverse = linalg.pinv(a)
        close(a @ inverse @ a, a, dtype)
        close((a @ inverse).mH, a @ inverse, dtype)
        assert (linalg.matrix_rank(a) == min(shape)).all()
        assert (linalg.matrix_rank(a[..., :1] @ a[..., :1, :]) == 1).all()
    a = random(dtype, *batch, 4, 4)
    found, vectors = linalg.eig(a)
    close(a.to(vectors.dtype) @ vectors, vectors * found.unsqueeze(-2), dtype)
    order = lambda t: t[..., 0] if not t.numel() else t.abs().sort().values  # noqa: E731
    close(order(linalg.eigvals(a)), order(found), dtype)


def test_empty_spectra():
    u, found, vh = linalg.svd(torch.zeros(2, 0, 3))
    assert (u.shape, found.shape) == ((2, 0, 0), (2, 0))
    assert torch.equal(vh, torch.eye(3).expand(2, 3, 3))
    assert linalg.pinv(torch.zeros(0, 3)).shape == (3, 0)
    assert linalg.eigvalsh(torch.zeros(0, 0)).shape == (0,)
    with pytest.raises(linalg.LinAlgError, match="linalg.svd: "):
        linalg.svd(torch.full((2, 2), float("nan")))
    with pytest.raises(linalg.LinAlgError, match=r"linalg.eigh: \(Batch element 1\)"):
        linalg.eigh(torch.tensor([[[1.0]], [[float("inf")]]]))


def test_gradients_of_spectra():
    """Of what does not depend on the factors that vectors are known up to."""
    for dtype in (torch.float64, torch.complex128):
        square, weights = random(dtype, 3, 3), random(dtype, 3, 3, seed=1)
        tall, wide = random(dtype, 4, 3), random(dtype, 3, 4)

        def projected(vectors, found):
            return (vectors * found.unsqueeze(-2)).abs() ** 2, vectors[..., :2] @ vectors[
                ..., :2
            ].mH

        def of_hermitian(a):
            found, vectors = linalg.eigh(a + a.mH)
            return *projected(vectors, found), found

        def of_any(a):
            u, found, vh = linalg.svd(a, full_matrices=False)
            return *projected(u, found), vh.mH[..., :2] @ vh[..., :2, :], u @ vh, found

        def of_square(a, weights=weights):
            found, vectors = linalg.eig(a)
            return found, (vectors * found.unsqueeze(-2)).abs() ** 2

        for function, given in (
            (of_hermitian, square),
            (of_any, square),
            (of_any, tall),
            (of_any, wide),
            (of_square, square),
            (lambda a: linalg.eigvalsh(a + a.mH), square),
            (linalg.eigvals, square),
            (linalg.svdvals, tall),
            (lambda a: torch.svd(a, compute_uv=False)[1], wide),
            (linalg.pinv, wide),
            (linalg.pinv, tall),
            (lambda a: linalg.matrix_norm(a, "nuc"), wide),
            (lambda a: linalg.matrix_norm(a, 2), tall),
            (linalg.cond, square),
            (lambda a: linalg.matrix_power(a, -3), square),
            (lambda a: linalg.lstsq(a, a[..., :1] * 2 + a.abs()[:1, :1]).solution, tall),
            (lambda a: linalg.lstsq(a, a[..., :1].exp(), driver="gels").residuals, tall),
            (lambda a: linalg.lstsq(a, a[..., :1] * 2 + 1, driver="gelsd").solution, tall),
        ):
            inputs = (given.clone().requires_grad_(),)
            assert torch.autograd.gradcheck(function, inputs)
            assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_least_squares(dtype, driver):
    for shape in ((5, 3), (3, 5), (4, 4)):
        a, b = random(dtype, 2, *shape), random(dtype, 2, shape[0], 2, seed=1)
        found = linalg.lstsq(a, b, driver=driver)
        close(found.solution, linalg.pinv(a) @ b, dtype)
        if shape == (5, 3) and driver != "gelsy":
            close(found.residuals, ((a @ found.solution - b).abs() ** 2).sum(-2), dtype)
        else:
            assert found.residuals.numel() == 0
        assert found.rank.tolist() == ([] if driver == "gels" else [min(shape)] * 2)
        if driver in ("gelsd", "gelss"):
            close(found.singular_values, linalg.svdvals(a), dtype)
    vector = linalg.lstsq(a, b[..., 0], driver=driver).solution
    close(vector, linalg.solve(a, b[..., 0]), dtype)


def test_norms():
    for dtype in DTYPES:
        a = random(dtype, 3, 4, 5)
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
            for dims in ((-2, -1), (2, 0), (0, 1)):
                for keepdim in (False, True):
                    want = np.linalg.norm(a.numpy(), order, dims, keepdim)
                    got = linalg.matrix_norm(a, order, dims, keepdim)
                    np.testing.assert_allclose(got.numpy(), want, rtol=2e-5)
                    again = linalg.norm(a, order, dims, keepdim)
                    assert torch.equal(got, again)
            square = a[..., :4]
            want = np.linalg.cond(square.numpy(), order)
            np.testing.assert_allclose(linalg.cond(square, order).numpy(), want, rtol=2e-3)
