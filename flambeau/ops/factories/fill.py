"""One value for all elements of a tensor that is there."""

from flambeau.ops.language import (
    Error,
    Spec,
    check_fits,
    check_written,
    dtype_name,
    strides_like,
)
from flambeau.ops.record import native, structured
from flambeau.ops.samples import call, np, values


@structured(
    "fill_.Scalar(Tensor(a!) self, Scalar value) -> Tensor(a!)",
    cpu="fill_number",
    node="FillBackward2",
    handles=frozenset({"conjugate", "negative"}),
)
def fill_scalar():
    """Sets all elements to a value.

    >>> flambeau.empty(2).fill_(3)
    tensor([3., 3.])
    """


def check_complex(self):
    if not self.is_complex():
        raise Error(
            f"fill_: value cannot be converted to type {dtype_name(self.dtype)} without overflow: "
            "it is complex"
        )


@fill_scalar.rule
def _(self, value):
    if isinstance(value, complex):
        check_complex(self)
    check_fits("fill_", value, self.dtype)


fill_scalar.samples(call(values(2, 3), 1), call(values(), 0))
fill_scalar.reference(np.full_like)
fill_scalar.batching("pointwise")
fill_scalar.jvp("linear")


@fill_scalar.gradient
def _(g, ops):
    return ops.zeros_like(g)


@structured(
    "fill_.Tensor(Tensor(a!) self, Tensor value) -> Tensor(a!)",
    cpu="cpu::fill_number(self, value.value())",
    node="FillBackward3",
    handles=frozenset({"conjugate", "negative"}),
)
def fill_tensor():
    """Sets all elements to the value of a 0-dim tensor."""


@fill_tensor.rule
def _(self, value):
    if value.dim() != 0:
        raise Error(
            "fill_: fill_ only supports 0-dimension value tensor but got tensor with "
            f"{value.dim()} dimensions."
        )
    check_written("fill_", self)
    if value.is_meta and not self.is_meta:
        raise Error(
            "fill_: the value is on device 'meta' and has no bytes, but the tensor to fill is on "
            f"{self.device}"
        )
    if value.is_complex():
        check_complex(self)


fill_tensor.samples(call(values(2, 3), values()))
fill_tensor.reference(np.full_like)
fill_tensor.jvp("linear")


@fill_tensor.batching
def _(b, self, value):
    return self.first.copy_(b.aligned(value, self.rank))


@fill_tensor.gradient
def _(g, ops):
    return ops.zeros_like(g), ops.sum(g)


@structured(
    "fill.Scalar(Tensor self, Scalar value) -> Tensor",
    method=False,
    out=True,
    out_overload="Scalar_out",
    node="FillBackward0",
    cpu="cpu::fill(result, value)",
)
def fill_copy():
    """A copy of the shape and layout of ``self``, filled with a value.

    >>> flambeau.fill(flambeau.zeros(2), 3)
    tensor([3., 3.])
    """


fill_copy.samples(call(values(2, 3), 1), call(values(), 0))
fill_copy.reference(np.full_like)
fill_copy.batching("pointwise")
fill_copy.jvp("linear")


@fill_copy.rule
def _(self, value):
    check_fits("fill", value, self.dtype)
    return Spec(self.shape, self.dtype, strides_like(self))


@fill_copy.gradient
def _(g, ops):
    return ops.zeros_like(g)


@native(
    "fill.Tensor(Tensor self, Tensor value) -> Tensor",
    method=False,
    node="FillBackward1",
)
def fill_copy_tensor(self, value, ops):
    """A copy of the shape and layout of ``self``, filled with a 0-dim tensor's value."""
    return ops.fill__Tensor(ops.empty_like(self), value)


fill_copy_tensor.samples(call(values(2, 3), values()))
fill_copy_tensor.reference(np.full_like)
fill_copy_tensor.jvp("linear")


@fill_copy_tensor.batching
def _(b, self, value):
    return b.ops.empty_like(self.full).copy_(b.aligned(value, self.rank))


@fill_copy_tensor.gradient
def _(g, ops):
    return ops.zeros_like(g), ops.sum(g)


@structured(
    "zero_(Tensor(a!) self) -> Tensor(a!)",
    handles=frozenset({"conjugate", "negative"}),
    cpu="cpu::fill_number(self, Scalar(int64_t{0}))",
)
def zero_():
    """Sets all elements to zero.

    >>> flambeau.ones(2).zero_()
    tensor([0., 0.])
    """


zero_.samples(call(values(2, 3)), call(values(0)))
zero_.reference(np.zeros_like)
zero_.batching("pointwise")
zero_.jvp("linear")


@zero_.rule
def _(self):
    return


@zero_.gradient
def _(g, ops):
    return ops.zeros_like(g)
