"""Products of matrices and vectors."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    count,
    dtype_name,
    dtypes,
    same,
    scaled,
    show,
    sum_to,
)
from flambeau.ops.record import NUMERIC, composite, structured
from flambeau.ops.samples import call, np, values


def check_same_dtype(op, a, b):
    if a.dtype != b.dtype:
        raise Error(
            f"{op}: expected m1 and m2 to have the same dtype, but got: {dtype_name(a.dtype)} != "
            f"{dtype_name(b.dtype)}; convert one with .to()"
        )


def check_arithmetic(op, dtype):
    if dtype == dtypes.bool:
        raise Error(f"{op}: not implemented for bool: convert with .to(torch.float32) first")


@structured("mm(Tensor self, Tensor mat2) -> Tensor", cpu="mm", out=True)
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


@mm.flops
def _(self, mat2):
    return 2 * math.prod(self.shape) * mat2.shape[1]


@mm.batching
def _(b, self, mat2):
    return b.product(self, mat2)


def product_of_matrices(self, mat2):
    if self.dim() != 2:
        raise Error(
            f"mm: self must be a matrix, got {self.dim()}-D tensor of shape {show(self.shape)}"
        )
    if mat2.dim() != 2:
        raise Error(
            f"mm: mat2 must be a matrix, got {mat2.dim()}-D tensor of shape {show(mat2.shape)}"
        )
    a, b = self.shape, mat2.shape
    if a[1] != b[0]:
        raise Error(
            f"mm: mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
        )
    check_same_dtype("mm", self, mat2)
    check_arithmetic("mm", self.dtype)
    return Spec([a[0], b[1]], self.dtype)


@mm.rule
def _(self, mat2):
    return product_of_matrices(self, mat2)


def _column_major(sizes, strides):
    return strides[0] == 1 and strides[1] == sizes[0]


def of_left(g, right, sizes, strides, ops):
    """The gradient of a product's left factor, in that factor's order of memory."""
    if _column_major(sizes, strides):
        return ops.t(ops.mm(ops.conj(right), ops.t(g)))
    return ops.mm(g, ops.conj(ops.t(right)))


def of_right(g, left, sizes, strides, ops):
    if _column_major(sizes, strides):
        return ops.t(ops.mm(ops.t(g), ops.conj(left)))
    return ops.mm(ops.conj(ops.t(left)), g)


@mm.gradient
def _(g, self, mat2, ops):
    return (
        of_left(g, mat2, self.shape, self.stride(), ops),
        of_right(g, self, mat2.shape, mat2.stride(), ops),
    )


@structured("bmm(Tensor self, Tensor mat2) -> Tensor", cpu="bmm", out=True)
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


@bmm.flops
def _(self, mat2):
    return 2 * math.prod(self.shape) * mat2.shape[2]


@bmm.batching
def _(b, self, mat2):
    return b.product(self, mat2)


def product_of_batches(self, mat2):
    if self.dim() != 3 or mat2.dim() != 3:
        raise Error(
            f"bmm: batch1 and batch2 must be 3D tensors, got shapes {show(self.shape)} and "
            f"{show(mat2.shape)}"
        )
    a, b = self.shape, mat2.shape
    if a[0] != b[0] or a[2] != b[1]:
        raise Error(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] "
            f"but got: [{b[0]}, {b[1]}]."
        )
    if self.dtype != mat2.dtype:
        raise Error(
            f"bmm: expected scalar type {dtype_name(self.dtype)} but found {dtype_name(mat2.dtype)}"
        )
    check_arithmetic("bmm", self.dtype)
    return Spec([a[0], a[1], b[2]], self.dtype)


@bmm.rule
def _(self, mat2):
    return product_of_batches(self, mat2)


@bmm.gradient
def _(g, self, mat2, ops):
    return (
        ops.bmm(g, ops.conj(ops.transpose_int(mat2, 1, 2))),
        ops.bmm(ops.conj(ops.transpose_int(self, 1, 2)), g),
    )


@structured("mv(Tensor self, Tensor vec) -> Tensor", cpu="mv", out=True)
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


def product_with_vector(self, vec):
    if self.dim() != 2 or vec.dim() != 1:
        raise Error(
            f"mv: vector + matrix @ vector expected, got {self.dim()}-D matrix and {vec.dim()}-D "
            "vector"
        )
    a = self.shape
    if a[1] != vec.shape[0]:
        raise Error(f"mv: size mismatch, got input ({a[0]}x{a[1]}), vec ({vec.shape[0]})")
    check_same_dtype("mv", self, vec)
    check_arithmetic("mv", self.dtype)
    return Spec([a[0]], self.dtype)


@mv.rule
def _(self, vec):
    return product_with_vector(self, vec)


@mv.gradient
def _(g, self, vec, ops):
    return ops.outer(g, ops.conj(vec)), ops.mv(ops.conj(ops.t(self)), g)


@structured("dot(Tensor self, Tensor tensor) -> Tensor", cpu="dot", out=True)
def dot():
    """The sum of the products of two vectors' elements.

    >>> flambeau.dot(flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]))
    tensor(11.)
    """


dot.samples(call(values(3), values(3)), call(values(0), values(0)), dtypes=NUMERIC)
dot.reference(np.dot)
dot.jvp("multilinear")


@dot.decomposition
def _(self, tensor, ops):
    return ops.sum(self * tensor, dtype=self.dtype)


@dot.batching
def _(b, self, tensor):
    return b.product(self, tensor)


def product_of_vectors(self, tensor):
    if self.dim() != 1 or tensor.dim() != 1:
        raise Error(f"dot: 1D tensors expected, but got {self.dim()}D and {tensor.dim()}D tensors")
    if self.dtype != tensor.dtype:
        raise Error(
            "dot: expected both vectors to have same dtype, but found "
            f"{dtype_name(self.dtype)} and {dtype_name(tensor.dtype)}"
        )
    if self.numel() != tensor.numel():
        raise Error(
            f"dot: inconsistent tensor size, expected tensor {show(self.shape)} and src "
            f"{show(tensor.shape)} to have the same number of elements"
        )
    check_arithmetic("dot", self.dtype)
    return Spec([], self.dtype)


@dot.rule
def _(self, tensor):
    return product_of_vectors(self, tensor)


@dot.gradient
def _(g, self, tensor, ops):
    return (
        ops.mul_Tensor(g, ops.conj(tensor)),
        ops.mul_Tensor(g, ops.conj(self)),
    )


@structured("vdot(Tensor self, Tensor other) -> Tensor", cpu="vdot", out=True)
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


@vdot.rule
def _(self, other):
    return product_of_vectors(self, other)


@vdot.gradient
def _(g, self, other, ops):
    return ops.mul_Tensor(ops.conj(g), other), ops.mul_Tensor(g, self)


@structured(
    "addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
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


@addmm.flops
def _(mat1, mat2):
    return 2 * math.prod(mat1.shape) * mat2.shape[1]


def check_addend(op, self, product):
    if self.dtype != product.dtype:
        raise Error(
            f"{op}: self and mat2 must have the same dtype, but got {dtype_name(self.dtype)} and "
            f"{dtype_name(product.dtype)}"
        )
    if not same(broadcast(self.shape, product.sizes, op), product.sizes):
        raise Error(
            f"{op}: The expanded size of the tensor {show(product.sizes)} must match the existing "
            f"size {show(self.shape)}"
        )


@addmm.rule
def _(self, mat1, mat2):
    if mat1.dim() != 2 or mat2.dim() != 2:
        raise Error(
            f"addmm: mat1 and mat2 must be matrices, got {mat1.dim()}-D and {mat2.dim()}-D tensors"
        )
    product = product_of_matrices(mat1, mat2)
    check_addend("addmm", self, product)
    return product


@addmm.decomposition
def _(self, mat1, mat2, beta, alpha, ops):
    # What is multiplied by 0 is not looked at, be it NaN.
    shape = [mat1.size(0), mat2.size(1)]
    if alpha == 0:
        product = ops.zeros(shape, self.dtype, device=self.device)
    else:
        product = ops.mul_Scalar(ops.mm(mat1, mat2), alpha)
    return product if beta == 0 else ops.add_Tensor(ops.mul_Scalar(self, beta), product)


@addmm.batching
def _(b, self, mat1, mat2, beta, alpha):
    product = b.product(mat1, mat2)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@addmm.jvp
def _(t, mat1, mat2, beta, alpha):
    return t.get("self") * beta + (t.get("mat1") @ mat2 + mat1 @ t.get("mat2")) * alpha


@addmm.gradient
def _(g, self, mat1, mat2, beta, alpha, ops):
    return (
        scaled(sum_to(g, self.shape, ops), beta, ops),
        scaled(of_left(g, mat2, mat1.shape, mat1.stride(), ops), alpha, ops),
        scaled(of_right(g, mat1, mat2.shape, mat2.stride(), ops), alpha, ops),
    )


@structured(
    "addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
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


@addmv.rule
def _(self, mat, vec):
    product = product_with_vector(mat, vec)
    check_addend("addmv", self, product)
    return product


@addmv.batching
def _(b, self, mat, vec, beta, alpha):
    product = b.product(mat, vec)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@addmv.jvp
def _(t, mat, vec, beta, alpha):
    return t.get("self") * beta + (t.get("mat") @ vec + mat @ t.get("vec")) * alpha


@addmv.gradient
def _(g, self, mat, vec, beta, alpha, ops):
    return (
        scaled(sum_to(g, self.shape, ops), beta, ops),
        scaled(ops.outer(g, ops.conj(vec)), alpha, ops),
        scaled(ops.mv(ops.conj(ops.t(mat)), g), alpha, ops),
    )


@structured(
    "baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> "
    "Tensor",
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


@baddbmm.flops
def _(batch1, batch2):
    return 2 * math.prod(batch1.shape) * batch2.shape[2]


@baddbmm.rule
def _(self, batch1, batch2):
    product = product_of_batches(batch1, batch2)
    check_addend("baddbmm", self, product)
    return product


@baddbmm.batching
def _(b, self, batch1, batch2, beta, alpha):
    product = b.product(batch1, batch2)
    return b.scaled_sum(b.aligned(self, product.dim() - 1), product, beta, alpha)


@baddbmm.jvp
def _(t, batch1, batch2, beta, alpha):
    return t.get("self") * beta + (t.get("batch1") @ batch2 + batch1 @ t.get("batch2")) * alpha


@baddbmm.gradient
def _(g, self, batch1, batch2, beta, alpha, ops):
    return (
        scaled(sum_to(g, self.shape, ops), beta, ops),
        scaled(ops.bmm(g, ops.conj(ops.transpose_int(batch2, 1, 2))), alpha, ops),
        scaled(ops.bmm(ops.conj(ops.transpose_int(batch1, 1, 2)), g), alpha, ops),
    )


@composite(
    "matmul(Tensor self, Tensor other) -> Tensor",
    out=True,
    slots={"__matmul__": "nb_matrix_multiply", "__rmatmul__": "nb_matrix_multiply"},
)
def matmul(self, other, ops):
    """The matrix product of the last two dimensions, with the others broadcast.

    A 1-dim argument is a row (left) or column (right) that goes away in the result.

    >>> flambeau.matmul(flambeau.ones(2, 3), flambeau.ones(3))
    tensor([3., 3.])
    """
    a, b = self.dim(), other.dim()
    if a == 0 or b == 0:
        raise Error(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {a}D and {b}D"
        )
    if a == 1 and b == 1:
        return ops.dot(self, other)
    if a == 2 and b == 1:
        return ops.mv(self, other)
    if a == 1 and b == 2:
        return ops.squeeze__dim(ops.mm(ops.unsqueeze(self, 0), other), 0)
    if a == 2 and b == 2:
        return ops.mm(self, other)
    if a >= 3 and b <= 2:
        return folded_product(self, other, ops)
    return batched_product(self, other, ops)


def folded_product(a, b, ops):
    """(..., n, k) @ (k) or (k, m): the leading dimensions are rows of one large matrix."""
    leading = list(a.shape[:-1])
    matrix = ops.reshape(a, [count(leading), a.size(-1)])
    if b.dim() == 1:
        return ops.view(ops.mv(matrix, b), leading)
    return ops.view(ops.mm(matrix, b), leading + [b.size(1)])


def batched_product(a, b, ops):
    n, k = a.size(-2) if a.dim() > 1 else 1, a.size(-1)
    kb, m = b.size(-2) if b.dim() > 1 else b.size(0), b.size(-1) if b.dim() > 1 else 1
    batch = broadcast(a.shape[:-2], b.shape[:-2], "matmul")
    total = count(batch)

    def as_batch(t, rows, columns):
        matrix = ops.reshape(t, [rows, columns]) if t.dim() == 1 else t
        return ops.reshape(ops.expand(matrix, batch + [rows, columns]), [total, rows, columns])

    product = ops.bmm(as_batch(a, n, k), as_batch(b, kb, m))
    shape = list(batch)
    if a.dim() > 1:
        shape.append(n)
    if b.dim() > 1:
        shape.append(m)
    return ops.view(product, shape)


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
def outer(self, vec2, ops):
    """All products of an element of one vector with one of the other.

    >>> flambeau.outer(flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    if self.dim() != 1:
        raise Error(f"outer: Expected 1-D argument self, but got {self.dim()}-D")
    if vec2.dim() != 1:
        raise Error(f"outer: Expected 1-D argument vec2, but got {vec2.dim()}-D")
    return ops.mul_Tensor(ops.unsqueeze(self, 1), vec2)


outer.samples(call(values(2), values(3)), call(values(0), values(3)))
outer.reference(np.outer)


@composite(
    "linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
    module="_nn",
    method=False,
    out=True,
)
def linear(input, weight, bias, ops):
    """``input @ weight.T + bias``: (..., in) with weight (out, in) gives (..., out).

    >>> flambeau.nn.functional.linear(flambeau.ones(1, 2), flambeau.ones(3, 2))
    tensor([[2., 2., 2.]])
    """
    if weight.dim() != 2 and weight.dim() != 1:
        raise Error(f"linear: weight must be 1-D or 2-D, got shape {show(weight.shape)}")
    transposed = ops.t(weight)
    if bias is None:
        return ops.matmul(input, transposed)
    if input.dim() == 2 and weight.dim() == 2:
        return ops.addmm(bias, input, transposed)
    if input.dim() > 2 and weight.dim() == 2 and input.is_contiguous() and input.size(-1) > 0:
        last = input.size(-1)
        rows = ops.view(input, [input.numel() // last, last])
        out = ops.addmm(bias, rows, transposed)
        return ops.view(out, list(input.shape[:-1]) + [weight.size(0)])
    return ops.add_Tensor(ops.matmul(input, transposed), bias)


linear.samples(
    call(values(2, 3), values(4, 3)),
    call(values(2, 2, 3), values(1, 3), values(1)),
    call(values(3), values(2, 3), values(2)),
    dtypes=NUMERIC,
)
linear.reference(lambda x, weight, bias=0: x @ weight.T + bias)
linear.autocast("lower")
