"""Products of matrices and vectors."""

from flambeau.ops.record import NUMERIC, composite, structured
from flambeau.ops.samples import call, np, values


@structured("mm(Tensor self, Tensor mat2) -> Tensor", shape="mm", cpu="mm", out=True)
def mm():
    """The product of two matrices: (n, k) times (k, m) gives (n, m).

    >>> flambeau.mm(flambeau.eye(2), flambeau.tensor([[1., 2.], [3., 4.]]))
    tensor([[1., 2.],
            [3., 4.]])
    """


mm.samples(call(values(2, 3), values(3, 4)), call(values(2, 0), values(0, 3)), dtypes=NUMERIC)
mm.reference(np.matmul)
mm.jvp("multilinear")
mm.autocast("lower")


@mm.batching
def _(b, self, mat2):
    return b.product(self, mat2)


@mm.gradient
def _(g, self, mat2, cxx):
    return (
        cxx.matrix_gradient_left(g, mat2, self.sizes, self.strides),
        cxx.matrix_gradient_right(g, self, mat2.sizes, mat2.strides),
    )


@structured("bmm(Tensor self, Tensor mat2) -> Tensor", shape="bmm", cpu="bmm", out=True)
def bmm():
    """Products of matrices, one for each in a batch: (b, n, k) times (b, k, m).

    >>> flambeau.bmm(flambeau.ones(2, 1, 3), flambeau.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """


bmm.samples(
    call(values(2, 2, 3), values(2, 3, 1)), call(values(0, 2, 3), values(0, 3, 1)), dtypes=NUMERIC
)
bmm.reference(np.matmul)
bmm.jvp("multilinear")
bmm.autocast("lower")


@bmm.batching
def _(b, self, mat2):
    return b.product(self, mat2)


@bmm.gradient
def _(g, self, mat2, ops):
    return (
        ops.bmm(g, ops.conj(ops.transpose_int(mat2, 1, 2))),
        ops.bmm(ops.conj(ops.transpose_int(self, 1, 2)), g),
    )


@structured("mv(Tensor self, Tensor vec) -> Tensor", shape="mv", cpu="mv", out=True)
def mv():
    """A matrix times a vector.

    >>> flambeau.mv(flambeau.eye(2), flambeau.tensor([1., 2.]))
    tensor([1., 2.])
    """


mv.samples(call(values(2, 3), values(3)), call(values(2, 0), values(0)), dtypes=NUMERIC)
mv.reference(np.matmul)
mv.jvp("multilinear")


@mv.batching
def _(b, self, vec):
    return b.product(self, vec)


@mv.gradient
def _(g, self, vec, cxx, ops):
    return cxx.outer(g, ops.conj(vec)), ops.mv(ops.conj(ops.t(self)), g)


@structured("dot(Tensor self, Tensor tensor) -> Tensor", shape="dot", cpu="dot", out=True)
def dot():
    """The sum of the products of two vectors' elements.

    >>> flambeau.dot(flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]))
    tensor(11.)
    """


dot.samples(call(values(3), values(3)), call(values(0), values(0)), dtypes=NUMERIC)
dot.reference(np.dot)
dot.jvp("multilinear")


@dot.batching
def _(b, self, tensor):
    return b.product(self, tensor)


@dot.gradient
def _(g, self, tensor, ops):
    return (
        ops.mul_Tensor(g, ops.conj(tensor)),
        ops.mul_Tensor(g, ops.conj(self)),
    )


@structured("vdot(Tensor self, Tensor other) -> Tensor", shape="dot", cpu="vdot", out=True)
def vdot():
    """``dot`` with the first vector conjugated.

    >>> flambeau.vdot(flambeau.tensor([1j]), flambeau.tensor([1j]))
    tensor(1.+0.j)
    """


vdot.samples(call(values(3), values(3)), call(values(0), values(0)), dtypes=NUMERIC)
vdot.reference(np.vdot)
vdot.jvp("multilinear")


@vdot.batching
def _(b, self, other):
    return b.product(b.at(self.value.conj(), self.batch_dim), other)


@vdot.gradient
def _(g, self, other, ops):
    return ops.mul_Tensor(ops.conj(g), other), ops.mul_Tensor(g, self)


@structured(
    "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    shape="addmm",
    cpu="addmm",
    out=True,
    inplace=True,
)
def addmm():
    """``beta * self + alpha * (mat1 @ mat2)``; ``self`` broadcasts.

    >>> flambeau.addmm(flambeau.ones(2), flambeau.eye(2), flambeau.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """


addmm.samples(
    call(values(2, 4), values(2, 3), values(3, 4)),
    call(values(4), values(2, 3), values(3, 4), beta=2, alpha=3),
    dtypes=NUMERIC,
)
addmm.reference(lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b))
addmm.autocast("lower")


@addmm.batching
def _(b, self, mat1, mat2, beta, alpha):
    product = b.product(mat1, mat2)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@addmm.jvp
def _(t, mat1, mat2, beta, alpha):
    return t.get("self") * beta + (t.get("mat1") @ mat2 + mat1 @ t.get("mat2")) * alpha


@addmm.gradient
def _(g, self, mat1, mat2, beta, alpha, cxx):
    return (
        cxx.scaled(cxx.sum_to(g, self.sizes), beta),
        cxx.scaled(cxx.matrix_gradient_left(g, mat2, mat1.sizes, mat1.strides), alpha),
        cxx.scaled(cxx.matrix_gradient_right(g, mat1, mat2.sizes, mat2.strides), alpha),
    )


@structured(
    "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
    shape="addmv",
    cpu="addmv",
    out=True,
    inplace=True,
)
def addmv():
    """``beta * self + alpha * (mat @ vec)``.

    >>> flambeau.addmv(flambeau.ones(2), flambeau.eye(2), flambeau.ones(2))
    tensor([2., 2.])
    """


addmv.samples(
    call(values(2), values(2, 3), values(3)),
    call(values(1), values(2, 3), values(3), beta=2, alpha=3),
    dtypes=NUMERIC,
)
addmv.reference(lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b))


@addmv.batching
def _(b, self, mat, vec, beta, alpha):
    product = b.product(mat, vec)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@addmv.jvp
def _(t, mat, vec, beta, alpha):
    return t.get("self") * beta + (t.get("mat") @ vec + mat @ t.get("vec")) * alpha


@addmv.gradient
def _(g, self, mat, vec, beta, alpha, cxx, ops):
    return (
        cxx.scaled(cxx.sum_to(g, self.sizes), beta),
        cxx.scaled(cxx.outer(g, ops.conj(vec)), alpha),
        cxx.scaled(ops.mv(ops.conj(ops.t(mat)), g), alpha),
    )


@structured(
    "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> "
    "Tensor",
    shape="baddbmm",
    cpu="baddbmm",
    out=True,
    inplace=True,
)
def baddbmm():
    """``beta * self + alpha * (batch1 @ batch2)``; ``self`` broadcasts.

    >>> flambeau.baddbmm(flambeau.ones(1), flambeau.ones(2, 1, 3), flambeau.ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """


baddbmm.samples(
    call(values(2, 2, 4), values(2, 2, 3), values(2, 3, 4)),
    call(values(4), values(2, 2, 3), values(2, 3, 4), beta=2, alpha=3),
    dtypes=NUMERIC,
)
baddbmm.reference(lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b))
baddbmm.autocast("lower")


@baddbmm.batching
def _(b, self, batch1, batch2, beta, alpha):
    product = b.product(batch1, batch2)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@baddbmm.jvp
def _(t, batch1, batch2, beta, alpha):
    return t.get("self") * beta + (t.get("batch1") @ batch2 + batch1 @ t.get("batch2")) * alpha


@baddbmm.gradient
def _(g, self, batch1, batch2, beta, alpha, cxx, ops):
    return (
        cxx.scaled(cxx.sum_to(g, self.sizes), beta),
        cxx.scaled(ops.bmm(g, ops.conj(ops.transpose_int(batch2, 1, 2))), alpha),
        cxx.scaled(ops.bmm(ops.conj(ops.transpose_int(batch1, 1, 2)), g), alpha),
    )


@composite(
    "matmul(Tensor self, Tensor other) -> Tensor",
    out=True,
    slots={"__matmul__": "nb_matrix_multiply", "__rmatmul__": "nb_matrix_multiply"},
)
def matmul():
    """The matrix product of the last two dimensions, with the others broadcast.

    A 1-dim argument is a row (left) or column (right) that goes away in the result.

    >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """


matmul.samples(
    call(values(2, 3), values(3, 2)),
    call(values(3), values(3)),
    call(values(3, 2, 3), values(3)),
    call(values(2, 1, 2, 3), values(2, 3, 1)),
    dtypes=NUMERIC,
)
matmul.reference(np.matmul)
matmul.autocast("lower")


@composite("outer(Tensor self, Tensor vec2) -> Tensor", out=True, aliases=("ger",))
def outer():
    """All products of an element of one vector with one of the other.

    >>> flambeau.outer(flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """


outer.samples(call(values(2), values(3)), call(values(0), values(3)))
outer.reference(np.outer)


@composite(
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    module="_nn",
    method=False,
    out=True,
)
def linear():
    """``input @ weight.T + bias``: (..., in) with weight (out, in) gives (..., out).

    >>> flambeau.nn.functional.linear(flambeau.ones(1, 2), flambeau.ones(3, 2))
    tensor([[2., 2., 2.]])
    """


linear.samples(
    call(values(2, 3), values(4, 3)),
    call(values(2, 2, 3), values(1, 3), values(1)),
    call(values(3), values(2, 3), values(2)),
    dtypes=NUMERIC,
)
linear.reference(lambda x, weight, bias=0: x @ weight.T + bias)
linear.autocast("lower")
