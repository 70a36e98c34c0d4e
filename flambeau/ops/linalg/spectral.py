"""Eigenvalues and singular values."""

from flambeau.ops.language import (
    Error,
    Spec,
    dtypes,
    to_complex,
    to_real,
)
from flambeau.ops.linalg.checks import (
    LAPACK,
    adjoint,
    check_float,
    check_matrix,
    check_square,
    column_strides,
    diagonal_of,
    matrices_of,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, definite, np, values

_OPTIONS = {"out": True, "module": "_linalg", "method": False}


def conj_of(t, ops):
    return ops.conj(t) if t.is_complex() else t


def row(t, ops):
    """Numbers for the columns of matrices."""
    return ops.unsqueeze(t, -2)


def column(t, ops):
    return ops.unsqueeze(t, -1)


# ---- Hermitian matrices


@structured(
    '_linalg_eigh(Tensor A, str UPLO="L", bool compute_v=True)'
    " -> (Tensor eigenvalues, Tensor eigenvectors)",
    cpu="cpu::linalg_eigh(eigenvalues, eigenvectors, A, UPLO, compute_v)",
    out=True,
    out_overload="eigenvalues",
    method=False,
    differentiable=(0, 1),
    checks_values=True,
)
def _linalg_eigh():
    """Eigenvalues in rising order, and eigenvectors where they are asked for."""


# Of eigenvectors a factor of size 1 is anybody's guess, so their gradients are tried elsewhere.
_linalg_eigh.samples(
    call(definite(3, 3, constant=True)),
    call(definite(2, 2, 2, constant=True), "U", False),
    call(definite(0, 0, constant=True)),
    dtypes=LAPACK,
)


@_linalg_eigh.rule
def _(A, UPLO, compute_v):
    check_square("linalg.eigh", A, "A")
    check_float("linalg.eigh", A)
    if UPLO != "L" and UPLO != "U" and UPLO != "l" and UPLO != "u":
        raise Error(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    sizes = list(A.shape) if compute_v else [0]
    return (
        Spec(list(A.shape[:-1]), to_real(A.dtype)),
        Spec(sizes, A.dtype, column_strides(sizes)),
    )


@_linalg_eigh.batching
def _(b, A, UPLO, compute_v):
    found, vectors = b.ops._linalg_eigh(A.full, UPLO, compute_v)
    return [found, vectors if compute_v else b.at(vectors, None)]


def over_gaps(inner, found, ops):
    """Divided by the distances of eigenvalues: column less row, and 0 on the diagonal."""
    gaps = row(found, ops) - column(found, ops)
    one = ops.eye(found.shape[-1], dtypes.bool, found.layout, found.device, False)
    quotient = inner / ops.masked_fill_Scalar(gaps, one, 1.0)
    return ops.masked_fill_Scalar(quotient, one, 0.0)


@_linalg_eigh.gradient
def _(grads, A, UPLO, compute_v, eigenvalues, eigenvectors, ops):
    of_values, of_vectors = grads[0], grads[1]
    if not compute_v:  # they are made now
        if of_values is None:
            return ops.zeros_like(A)
        vectors = ops.linalg_eigh(A, UPLO)[1]
        return ops.matmul(vectors * row(of_values, ops), adjoint(vectors, ops))
    turned = adjoint(eigenvectors, ops)
    if of_vectors is None:
        if of_values is None:
            return ops.zeros_like(A)
        return ops.matmul(eigenvectors * row(of_values, ops), turned)
    inner = over_gaps(ops.matmul(turned, of_vectors), eigenvalues, ops)
    if of_values is not None:
        inner = inner + ops.diag_embed(of_values)
    return ops.matmul(eigenvectors, ops.matmul(inner, turned))


@composite(
    'linalg_eigh(Tensor self, str UPLO="L") -> (Tensor eigenvalues, Tensor eigenvectors)',
    out_overload="eigvals",
    **_OPTIONS,
)
def linalg_eigh(self, UPLO, ops):
    """The eigenvalues of Hermitian matrices in rising order, and their eigenvectors as columns.

    One triangle is read: the lower one, or with ``UPLO="U"`` the upper one. A factor of size 1 of
    each eigenvector is arbitrary, and what depends on it has no gradient.

    >>> flambeau.linalg.eigh(flambeau.tensor([[2., 1.], [1., 2.]]))[0]
    tensor([1., 3.])
    """
    return ops._linalg_eigh(self, UPLO, True)


@composite('linalg_eigvalsh(Tensor self, str UPLO="L") -> Tensor', **_OPTIONS)
def linalg_eigvalsh(self, UPLO, ops):
    """The eigenvalues of Hermitian matrices in rising order.

    >>> flambeau.linalg.eigvalsh(flambeau.tensor([[2., 1.], [1., 2.]]))
    tensor([1., 3.])
    """
    # A gradient needs the eigenvectors.
    return ops._linalg_eigh(self, UPLO, self.requires_grad)[0]


linalg_eigh.samples(
    call(definite(3, 3, constant=True)), call(definite(2, 2, 2, constant=True), "U"), dtypes=LAPACK
)
linalg_eigvalsh.samples(call(definite(3, 3)), call(definite(2, 2, 2), "U"), dtypes=LAPACK)
linalg_eigvalsh.reference(np.linalg.eigvalsh, tolerance=32)

# ---- singular values


@structured(
    "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None)"
    " -> (Tensor U, Tensor S, Tensor Vh)",
    cpu="cpu::linalg_svd(U, S, Vh, A, full_matrices, compute_uv)",
    out=True,
    out_overload="U",
    method=False,
    differentiable=(0, 1, 2),
    checks_values=True,
)
def _linalg_svd():
    """Singular values in falling order, and singular vectors where they are asked for."""


_linalg_svd.samples(
    call(values(3, 2, constant=True)),
    call(values(2, 3, constant=True), True),
    call(values(2, 3, 2, constant=True), compute_uv=False),
    call(values(0, 2, constant=True), True),
    dtypes=LAPACK,
)


@_linalg_svd.rule
def _(A, full_matrices, compute_uv, driver):
    check_matrix("linalg.svd", A, "A")
    check_float("linalg.svd", A)
    if driver is not None:
        raise Error("linalg.svd: keyword argument `driver=` is only supported on CUDA inputs")
    m, n = A.shape[-2], A.shape[-1]
    k = min(m, n)
    batch = matrices_of(A.shape)
    u = batch + [m, m if full_matrices else k]
    vh = batch + [n if full_matrices else k, n]
    if not compute_uv:
        u, vh = [0], [0]
    return (
        Spec(u, A.dtype, column_strides(u)),
        Spec(batch + [k], to_real(A.dtype)),
        Spec(vh, A.dtype, column_strides(vh)),
    )


@_linalg_svd.batching
def _(b, A, full_matrices, compute_uv, driver):
    u, s, vh = b.ops._linalg_svd(A.full, full_matrices, compute_uv, driver=driver)
    return [u, s, vh] if compute_uv else [b.at(u, None), s, b.at(vh, None)]


def skew(t, ops):
    return t - adjoint(t, ops)


@_linalg_svd.gradient
def _(grads, A, full_matrices, compute_uv, U, S, Vh, ops):
    of_u, of_s, of_vh = grads[0], grads[1], grads[2]
    m, n = A.shape[-2], A.shape[-1]
    k = min(m, n)
    if not compute_uv:  # they are made now
        if of_s is None:
            return ops.zeros_like(A)
        first, _, last = ops.linalg_svd(A, False, None)
        return ops.matmul(first * row(of_s, ops), last)
    left = ops.slice_Tensor(U, -1, 0, k)
    right = ops.slice_Tensor(Vh, -2, 0, k)
    if of_u is None and of_vh is None:
        if of_s is None:
            return ops.zeros_like(A)
        return ops.matmul(left * row(of_s, ops), right)
    squares = S * S
    gaps = row(squares, ops) - column(squares, ops)
    one = ops.eye(k, dtypes.bool, S.layout, S.device, False)
    safe = ops.masked_fill_Scalar(gaps, one, 1.0)
    inner = ops.zeros([k, k], left.dtype, left.layout, left.device, False)
    # Vectors that A maps to 0 are not followed.
    if of_u is not None:
        slope = ops.slice_Tensor(of_u, -1, 0, k)
        turn = skew(ops.matmul(adjoint(left, ops), slope), ops)
        inner = inner + ops.masked_fill_Scalar(turn / safe, one, 0.0) * row(S, ops)
    if of_vh is not None:
        slope = ops.slice_Tensor(of_vh, -2, 0, k)
        turn = skew(ops.matmul(right, adjoint(slope, ops)), ops)
        inner = inner + column(S, ops) * ops.masked_fill_Scalar(turn / safe, one, 0.0)
    if of_s is not None:
        inner = inner + ops.diag_embed(of_s)
    if A.is_complex() and of_u is not None:
        # What turns both vectors by the same phase.
        slope = ops.slice_Tensor(of_u, -1, 0, k)
        turn = diagonal_of(ops.matmul(adjoint(left, ops), slope), ops)
        phase = ops.view_as_complex(ops.stack([ops.zeros_like(S), ops.imag(turn) / S], -1))
        inner = inner + ops.diag_embed(phase)
    made = ops.matmul(left, ops.matmul(inner, right))
    if of_u is not None and m > k:
        over = ops.slice_Tensor(of_u, -1, 0, k) / row(S, ops)
        beside = over - ops.matmul(left, ops.matmul(adjoint(left, ops), over))
        made = made + ops.matmul(beside, right)
    if of_vh is not None and n > k:
        under = ops.slice_Tensor(of_vh, -2, 0, k) / column(S, ops)
        beside = under - ops.matmul(ops.matmul(under, adjoint(right, ops)), right)
        made = made + ops.matmul(left, beside)
    return made


@composite(
    "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None)"
    " -> (Tensor U, Tensor S, Tensor Vh)",
    out_overload="U",
    **_OPTIONS,
)
def linalg_svd(A, full_matrices, driver, ops):
    """U, S and Vh with ``A == U @ diag(S) @ Vh``: singular values in falling order between
    matrices with orthonormal columns and rows.

    ``full_matrices=False`` leaves out the vectors that A maps to 0.

    >>> flambeau.linalg.svd(flambeau.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    return ops._linalg_svd(A, full_matrices, True, driver)


@composite("linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", **_OPTIONS)
def linalg_svdvals(A, driver, ops):
    """The singular values of matrices, in falling order.

    >>> flambeau.linalg.svdvals(flambeau.tensor([[3., 0.], [0., 4.]]))
    tensor([4., 3.])
    """
    return ops._linalg_svd(A, False, A.requires_grad, driver)[1]


@composite(
    "svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)",
    out=True,
    out_overload="U",
)
def svd(self, some, compute_uv, ops):
    """``linalg.svd`` of before, which gives V and not its adjoint; ``some`` leaves vectors out.

    >>> flambeau.svd(flambeau.tensor([[3., 0.], [0., 4.]])).S
    tensor([4., 3.])
    """
    check_matrix("svd", self, "input")
    if not compute_uv:
        m, n = self.shape[-2], self.shape[-1]
        found = ops._linalg_svd(self, False, self.requires_grad, None)[1]
        batch = matrices_of(self.shape)
        left = ops.new_zeros(self, batch + [m, m])
        return left, found, ops.new_zeros(self, batch + [n, n])
    left, found, right = ops._linalg_svd(self, not some, True, None)
    return left, found, adjoint(right, ops)


linalg_svd.samples(
    call(values(3, 2, constant=True)),
    call(values(2, 2, 3, constant=True), False),
    dtypes=LAPACK,
)
svd.samples(
    call(values(3, 2, constant=True)),
    call(values(2, 2, 3, constant=True), False),
    call(values(3, 2, constant=True), compute_uv=False),
    dtypes=LAPACK,
)
linalg_svdvals.samples(call(values(3, 2)), call(values(2, 2, 3)), dtypes=LAPACK)
linalg_svdvals.reference(lambda a, driver=None: np.linalg.svd(a, compute_uv=False), tolerance=32)

# ---- matrices of any kind


@structured(
    "linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)",
    cpu="cpu::linalg_eig(eigenvalues, eigenvectors, self)",
    differentiable=(0, 1),
    checks_values=True,
    **_OPTIONS,
)
def linalg_eig():
    """The eigenvalues of square matrices, and their eigenvectors as columns; both are complex.

    >>> flambeau.linalg.eig(flambeau.tensor([[0., 1.], [-1., 0.]]))[0].imag.abs()
    tensor([1., 1.])
    """


@structured(
    "_linalg_eigvals(Tensor self) -> Tensor",
    cpu="cpu::linalg_eigvals(result, self)",
    method=False,
    checks_values=True,
)
def _linalg_eigvals():
    """The eigenvalues of square matrices that no gradient is asked of."""


@composite("linalg_eigvals(Tensor self) -> Tensor", **_OPTIONS)
def linalg_eigvals(self, ops):
    """The eigenvalues of square matrices, which are complex.

    >>> flambeau.linalg.eigvals(flambeau.tensor([[0., 1.], [-1., 0.]])).imag.abs()
    tensor([1., 1.])
    """
    if self.requires_grad:
        return ops.linalg_eig(self)[0]
    return ops._linalg_eigvals(self)


@linalg_eig.rule
def _(self):
    check_square("linalg.eig", self, "input")
    check_float("linalg.eig", self)
    kind = to_complex(self.dtype)
    return (
        Spec(list(self.shape[:-1]), kind),
        Spec(self.shape, kind, column_strides(self.shape)),
    )


@_linalg_eigvals.rule
def _(self):
    check_square("linalg.eigvals", self, "input")
    check_float("linalg.eigvals", self)
    return Spec(list(self.shape[:-1]), to_complex(self.dtype))


@linalg_eig.gradient
def _(grads, self, eigenvalues, eigenvectors, ops):
    of_values, of_vectors = grads[0], grads[1]
    turned = adjoint(eigenvectors, ops)
    if of_vectors is None:
        if of_values is None:
            return ops.zeros_like(self)
        inner = ops.diag_embed(of_values)
    else:
        # Vectors have length 1: what changes their length is taken away.
        along = ops.matmul(turned, of_vectors)
        length = ops.real(diagonal_of(along, ops))
        inner = along - ops.matmul(turned, eigenvectors) * row(length, ops)
        inner = over_gaps(inner, ops.conj(eigenvalues), ops)
        if of_values is not None:
            inner = inner + ops.diag_embed(of_values)
    made = ops._linalg_solve_ex(turned, ops.matmul(inner, turned), True, False)[0]
    return made if self.is_complex() else ops.real(made)


@_linalg_eigvals.gradient
def _(g, self, ops):
    vectors = ops.linalg_eig(self)[1]
    turned = adjoint(vectors, ops)
    inner = ops.matmul(ops.diag_embed(g), turned)
    made = ops._linalg_solve_ex(turned, inner, True, False)[0]
    return made if self.is_complex() else ops.real(made)


linalg_eig.samples(
    call(values(3, 3, constant=True)), call(values(2, 2, 2, constant=True)), dtypes=LAPACK
)
_linalg_eigvals.samples(call(values(3, 3)), call(values(2, 2, 2)), dtypes=LAPACK)
linalg_eigvals.samples(call(values(3, 3)), call(values(2, 2, 2)), dtypes=LAPACK)

for _op in (linalg_eig, _linalg_eigvals):
    _op.batching("front")
for _op in (_linalg_eigh, _linalg_svd, linalg_eig, _linalg_eigvals):
    _op.without("jvp", "decomposition", "sharding")
for _op in (_linalg_eigh, _linalg_svd, _linalg_eigvals):
    _op.without("autocast")
for _op in (linalg_eigh, linalg_eigvalsh, linalg_svd, linalg_svdvals, svd, linalg_eig):
    _op.autocast("float32")
linalg_eigvals.autocast("float32")
for _op in (_linalg_eigh, linalg_eigh, linalg_eigvalsh, _linalg_svd, linalg_svd, svd):
    _op.benchmark(call(definite(128, 128)))
for _op in (linalg_svdvals, linalg_eig, linalg_eigvals, _linalg_eigvals):
    _op.benchmark(call(values(128, 128)))
