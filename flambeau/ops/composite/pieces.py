"""Conversions and small compositions: complex numbers from parts, degrees, powers in double."""

import math

from flambeau.ops.language import Error, broadcast, dtype_name, dtypes, show, wrap_dim
from flambeau.ops.record import BOOL, COMPLEX, FLOATING, REAL, composite
from flambeau.ops.samples import call, ints, np, values


@composite("complex(Tensor real, Tensor imag) -> Tensor", out=True)
def complex(real, imag, ops):
    """Complex numbers from their parts.

    >>> flambeau.complex(flambeau.tensor([1.]), flambeau.tensor([2.]))
    tensor([1.+2.j])
    """
    if real.dtype not in (dtypes.float32, dtypes.float64):
        raise Error(
            f"complex: Expected both inputs to be Float or Double tensors but got "
            f"{dtype_name(real.dtype)}"
        )
    if real.dtype != imag.dtype:
        raise Error(
            f"complex: Expected object of scalar type {dtype_name(real.dtype)} but got scalar type "
            f"{dtype_name(imag.dtype)} for second argument"
        )
    sizes = broadcast(real.shape, imag.shape, "complex")
    pair = [ops.expand(real, sizes), ops.expand(imag, sizes)]
    return ops.view_as_complex(ops.stack(pair, -1))


complex.samples(
    call(values(2, 3), values(3)),
    call(values(), values()),
    dtypes=frozenset({"float32", "float64"}),
)
complex.reference(lambda x, y: x + 1j * y)


@composite("polar(Tensor abs, Tensor angle) -> Tensor", out=True)
def polar(abs, angle, ops):
    """Complex numbers from their sizes and angles.

    >>> flambeau.polar(flambeau.tensor([2.]), flambeau.tensor([0.]))
    tensor([2.+0.j])
    """
    if abs.dtype not in (dtypes.float32, dtypes.float64):
        raise Error(
            f"polar: Expected both inputs to be Float or Double tensors but got "
            f"{dtype_name(abs.dtype)}"
        )
    if abs.dtype != angle.dtype:
        raise Error(
            f"polar: Expected object of scalar type {dtype_name(abs.dtype)} but got scalar type "
            f"{dtype_name(angle.dtype)} for second argument"
        )
    return ops.complex(abs * ops.cos(angle), abs * ops.sin(angle))


polar.samples(call(values(2, 3), values(3)), dtypes=frozenset({"float32", "float64"}))
polar.reference(lambda size, angle: size * np.exp(1j * angle), tolerance=8)


def check_no_complex(op, self):
    if self.is_complex():
        raise Error(f"{op}: {op} is not supported for complex tensors.")


@composite("deg2rad(Tensor self) -> Tensor", inplace=True, out=True)
def deg2rad(self, ops):
    """Radians from degrees.

    >>> flambeau.deg2rad(flambeau.tensor([180.]))
    tensor([3.1416])
    """
    check_no_complex("deg2rad", self)
    return ops.mul_Scalar(self, 0.017453292519943295)


deg2rad.samples(call(values(2, 3)), call(values()), dtypes=REAL | BOOL)
deg2rad.reference(np.deg2rad)


@composite("rad2deg(Tensor self) -> Tensor", inplace=True, out=True)
def rad2deg(self, ops):
    """Degrees from radians.

    >>> flambeau.rad2deg(flambeau.tensor([1.]))
    tensor([57.2958])
    """
    check_no_complex("rad2deg", self)
    return ops.mul_Scalar(self, 57.29577951308232)


rad2deg.samples(call(values(2, 3)), call(values()), dtypes=REAL | BOOL)
rad2deg.reference(np.rad2deg)


@composite("isposinf(Tensor self) -> Tensor", out=True)
def isposinf(self, ops):
    """Where an element is infinity.

    >>> flambeau.isposinf(flambeau.tensor([float("inf"), -float("inf")]))
    tensor([ True, False])
    """
    check_no_complex("isposinf", self)
    return ops.eq_Scalar(self, math.inf)


isposinf.samples(call(values(2, 3)), dtypes=REAL | BOOL)
isposinf.reference(np.isposinf)


@composite("isneginf(Tensor self) -> Tensor", out=True)
def isneginf(self, ops):
    """Where an element is minus infinity.

    >>> flambeau.isneginf(flambeau.tensor([float("inf"), -float("inf")]))
    tensor([False,  True])
    """
    check_no_complex("isneginf", self)
    return ops.eq_Scalar(self, -math.inf)


isneginf.samples(call(values(2, 3)), dtypes=REAL | BOOL)
isneginf.reference(np.isneginf)


@composite("isreal(Tensor self) -> Tensor")
def isreal(self, ops):
    """Where an element has no imaginary part.

    >>> flambeau.isreal(flambeau.tensor([1+0j, 1j]))
    tensor([ True, False])
    """
    if self.is_complex():
        return ops.eq_Scalar(ops.imag(self), 0)
    return ops.ones_like(self, dtype=dtypes.bool)


isreal.samples(call(values(2, 3)), call(values(0)))
isreal.reference(np.isreal)


# ---- products and sums


@composite("trace(Tensor self) -> Tensor")
def trace(self, ops):
    """The sum of the diagonal of a matrix.

    >>> flambeau.trace(flambeau.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if self.dim() != 2:
        raise Error(f"trace: expected a matrix, but got tensor with dim {self.dim()}")
    return ops.sum(ops.diagonal(self, 0, 0, 1))


trace.samples(call(values(2, 3)), call(values(3, 3)))
trace.reference(np.trace, tolerance=8)


@composite("dist(Tensor self, Tensor other, Scalar p=2) -> Tensor")
def dist(self, other, p, ops):
    """The p-norm of the difference.

    >>> flambeau.dist(flambeau.tensor([3., 0.]), flambeau.tensor([0., 4.]))
    tensor(5.)
    """
    return ops.linalg_vector_norm(ops.sub_Tensor(self, other), p)


dist.samples(
    call(values(2, 3), values(2, 3)), call(values(2, 3), values(3), 1), dtypes=FLOATING | COMPLEX
)
dist.reference(lambda x, y, p=2: np.linalg.norm(np.ravel(x - y), p), tolerance=8)


@composite("take(Tensor self, Tensor index) -> Tensor")
def take(self, index, ops):
    """The elements at these places of the flattened tensor.

    >>> flambeau.take(flambeau.tensor([[1, 2], [3, 4]]), flambeau.tensor([0, -1]))
    tensor([1, 4])
    """
    if index.dtype != dtypes.int64:
        raise Error(
            f"take: take(): Expected a long tensor for index, but got {dtype_name(index.dtype)}"
        )
    flat, n = ops.reshape(self, [-1]), self.numel()
    if n == 0 and index.numel() != 0:
        raise IndexError("take: take(): tried to take from an empty tensor")
    places = ops.reshape(index, [-1])
    wrapped = ops.where_self(ops.lt_Scalar(places, 0), places + n, places)
    return ops.reshape(ops.index_select(flat, 0, wrapped), index.shape)


@composite("sum_to_size(Tensor self, SymInt[] size) -> Tensor", function_variant=False)
def sum_to_size(self, size, ops):
    """The sum over the dimensions along which ``size`` is broadcast to this shape.

    >>> flambeau.ones(2, 3).sum_to_size(3)
    tensor([2., 2., 2.])
    """
    lead = self.dim() - len(size)
    if lead < 0:
        raise Error(f"sum_to_size: size {show(size)} is not expandable to size {show(self.shape)}")
    summed = self
    for i in range(len(size)):
        if size[i] != self.shape[lead + i]:
            if size[i] != 1:
                raise Error(
                    f"sum_to_size: size {show(size)} is not expandable to size {show(self.shape)}"
                )
            summed = ops.sum_dim_IntList(summed, [lead + i], True)
    if lead > 0:
        summed = ops.sum_dim_IntList(summed, list(range(lead)))
    return summed


sum_to_size.samples(call(values(2, 3), [3]), call(values(2, 3), [2, 1]))


@composite("index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", inplace=True)
def index_copy(self, dim, index, source, ops):
    """Rows of ``source`` put in the places of ``index`` along a dimension.

    >>> flambeau.index_copy(
    ...     flambeau.zeros(3), 0, flambeau.tensor([2, 0]), flambeau.tensor([1., 2.]))
    tensor([2., 0., 1.])
    """
    d = wrap_dim(dim, self.dim(), "index_copy")
    if index.dtype != dtypes.int64:
        raise IndexError("index_copy: index_copy_(): Expected a long tensor for index")
    if self.dtype != source.dtype:
        raise Error(
            f"index_copy: index_copy_(): self and source expected to have the same dtype, but got "
            f"(self) {dtype_name(self.dtype)} and (source) {dtype_name(source.dtype)}"
        )
    if index.dim() > 1:
        raise IndexError("index_copy: index_copy_(): Index should have dimension 1 or 0")
    if self.dim() == 0 and source.numel() == 1 and index.numel() == 1:
        return ops.clone(ops.reshape(source, []))
    if self.dim() == 0 or source.dim() != self.dim():
        raise IndexError(
            f"index_copy: source of shape {show(source.shape)} must have as many dimensions as "
            f"self of shape {show(self.shape)}"
        )
    for i in range(self.dim()):
        want = index.numel() if i == d else self.shape[i]
        if source.shape[i] != want:
            raise IndexError(
                f"index_copy: Source/destination tensor must have same slice shapes: source has "
                f"{show(source.shape)}, self {show(self.shape)}, and index {index.numel()} places"
            )
    sizes = [1] * self.dim()
    sizes[d] = index.numel()
    places = ops.expand(ops.reshape(index, sizes), source.shape)
    return ops.scatter_src(self, d, places, source)


take.samples(call(values(2, 3), ints([[0, 5], [-1, 2]])), call(values(4), ints([])))
take.reference(lambda x, index: np.take(x, index.astype(int)))
index_copy.samples(call(values(3, 2), 0, ints([2, 0]), values(2, 2)))
for _op in (complex, polar, deg2rad, rad2deg, isposinf, isneginf, isreal, trace, dist, take):
    _op.without("benchmark")
sum_to_size.without("benchmark")
index_copy.without("benchmark")
