"""Views of the same memory as other numbers: real parts, lazy conjugates."""

from flambeau.ops.language import (
    Error,
    Spec,
    check_fits,
    dtype_name,
    dtypes,
    formats,
    to_complex,
    to_real,
)
from flambeau.ops.record import COMPLEX, composite, native, view
from flambeau.ops.samples import call, np, values


@view("view_as_real(Tensor(a) self) -> Tensor(a)", handles=frozenset({"negative"}))
def view_as_real():
    """A complex tensor as a real one with a last dimension of 2.

    >>> flambeau.view_as_real(flambeau.tensor([1+2j]))
    tensor([[1., 2.]])
    """


view_as_real.samples(call(values(2, 3)), call(values()), dtypes=COMPLEX)
view_as_real.reference(lambda x: np.stack([x.real, x.imag], -1))
view_as_real.batching("same")
view_as_real.jvp("linear")


@view_as_real.rule
def _(self):
    if not self.is_complex():
        raise Error(
            "view_as_real: view_as_real is only supported for complex tensors, got "
            f"{dtype_name(self.dtype)}"
        )
    if self.is_conj():
        raise Error(
            "view_as_real: view_as_real doesn't work on unresolved conjugated tensors: call "
            ".resolve_conj() first, which copies"
        )
    strides = [s * 2 for s in self.stride()]
    return Spec(
        list(self.shape) + [2], to_real(self.dtype), strides + [1], self.storage_offset() * 2
    )


@view_as_real.gradient
def _(g, ops):
    plain = g if g.stride(-1) == 1 else ops.contiguous(g, formats.contiguous_format)
    return ops.view_as_complex(plain)


@view("view_as_complex(Tensor(a) self) -> Tensor(a)", handles=frozenset())
def view_as_complex():
    """A real tensor with a last dimension of 2 as a complex one.

    >>> flambeau.view_as_complex(flambeau.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """


view_as_complex.samples(
    call(values(2, 3, 2)), call(values(2)), dtypes=frozenset({"float64", "float32"})
)
view_as_complex.reference(lambda x: x[..., 0] + 1j * x[..., 1])
view_as_complex.batching(lambda b, self: b.op(self.full.contiguous()))
view_as_complex.jvp("linear")
view_as_complex.autocast("float32")


@view_as_complex.rule
def _(self):
    if self.dtype != dtypes.float32 and self.dtype != dtypes.float64:
        raise Error(
            "view_as_complex: view_as_complex is only supported for half, float and double "
            f"tensors, but got a tensor of scalar type: {dtype_name(self.dtype)}"
        )
    if self.dim() == 0:
        raise Error("view_as_complex: Input tensor must have one or more dimensions")
    last = self.dim() - 1
    if self.shape[last] != 2:
        raise Error("view_as_complex: Tensor must have a last dimension of size 2")
    if self.stride()[last] != 1:
        raise Error("view_as_complex: Tensor must have a last dimension with stride 1")
    strides = []
    for s in self.stride()[:last]:
        if s % 2 != 0:
            raise Error(
                "view_as_complex: Tensor must have a stride divisible by 2 for all but last "
                "dimension"
            )
        strides.append(s // 2)
    if self.storage_offset() % 2 != 0:
        raise Error("view_as_complex: Tensor must have a storage_offset divisible by 2")
    return Spec(self.shape[:last], to_complex(self.dtype), strides, self.storage_offset() // 2)


@view_as_complex.gradient
def _(g, ops):
    return ops.view_as_real(ops.resolve_conj(g))


@view("_conj(Tensor(a) self) -> Tensor(a)", flips="conjugate", method=False)
def _conj():
    """The lazily conjugated view of a complex tensor."""


_conj.samples(call(values(2, 3)), dtypes=COMPLEX)
_conj.reference(np.conj)
_conj.batching("same")
_conj.jvp("linear")


@_conj.rule
def _(self):
    if not self.is_complex():
        raise Error("_conj: a real tensor has no conjugate view")
    return Spec(self.shape, self.dtype, self.stride(), self.storage_offset())


@_conj.gradient
def _(g, ops):
    return ops.conj(g)


@view("_neg_view(Tensor(a) self) -> Tensor(a)", flips="negative", method=False)
def _neg_view():
    """The lazily negated view."""


_neg_view.samples(call(values(2, 3)))
_neg_view.batching("same")
_neg_view.jvp("linear")


@_neg_view.rule
def _(self):
    if self.dtype == dtypes.bool:
        raise Error("_neg_view: booleans cannot be negated; use ~ or logical_not()")
    check_fits("_neg_view", 1, self.dtype)  # who holds the view may have to negate at any time
    return Spec(self.shape, self.dtype, self.stride(), self.storage_offset())


@_neg_view.gradient
def _(g, ops):
    return ops.neg(g)


@composite("conj(Tensor(a) self) -> Tensor(a)")
def conj(self, ops):
    """The complex conjugate, as a lazy view; real tensors are returned as they are.

    >>> flambeau.conj(flambeau.tensor([1+2j]))
    tensor([1.-2.j])
    """
    return ops._conj(self) if self.is_complex() else self


conj.samples(call(values(2, 3)), call(values()))
conj.reference(np.conj)


@composite("real(Tensor(a) self) -> Tensor(a)", method=False, attribute="real", writable=True)
def real(self, ops):
    """The real part as a view; real tensors are returned as they are.

    >>> flambeau.real(flambeau.tensor([1+2j]))
    tensor([1.])
    """
    if not self.is_complex():
        return self
    plain = ops._conj(self) if self.is_conj() else self
    return ops.select_int(ops.view_as_real(plain), -1, 0)


real.samples(call(values(2, 3)), call(values()))
real.reference(np.real)


@composite("imag(Tensor(a) self) -> Tensor(a)", method=False, attribute="imag", writable=True)
def imag(self, ops):
    """The imaginary part of a complex tensor as a view.

    >>> flambeau.imag(flambeau.tensor([1+2j]))
    tensor([2.])
    """
    if not self.is_complex():
        raise Error("imag: imag is not implemented for tensors with non-complex dtypes.")
    if not self.is_conj():
        return ops.select_int(ops.view_as_real(self), -1, 1)
    return ops.select_int(ops._neg_view(ops.view_as_real(ops._conj(self))), -1, 1)


imag.samples(call(values(2, 3)), call(values()), dtypes=COMPLEX)
imag.reference(np.imag)


@composite("resolve_conj(Tensor(a) self) -> Tensor(a)")
def resolve_conj(self, ops):
    """A copy without the conjugate bit when it is set, else the tensor itself.

    >>> flambeau.tensor([1 + 2j]).conj().resolve_conj()
    tensor([1.-2.j])
    """
    return ops.clone(self) if self.is_conj() else self


resolve_conj.samples(call(values(2, 3)), call(values()))
resolve_conj.reference(lambda x: x)


@composite("resolve_neg(Tensor(a) self) -> Tensor(a)")
def resolve_neg(self, ops):
    """A copy without the negative bit when it is set, else the tensor itself.

    >>> flambeau.tensor([1 + 2j]).conj().imag.resolve_neg()
    tensor([-2.])
    """
    return ops.clone(self) if self.is_neg() else self


resolve_neg.samples(call(values(2, 3)), call(values()))
resolve_neg.reference(lambda x: x)


@native(
    "detach(Tensor(a) self) -> Tensor(a)",
    cxx="detach",
    handles=frozenset({"conjugate", "negative", "autograd"}),
    opaque=True,
)
def detach():
    """The same memory, outside of the graph.

    >>> flambeau.ones(2, requires_grad=True).detach().requires_grad
    False
    """


@detach.rule
def _(self):
    return Spec(self.shape, self.dtype, self.stride(), self.storage_offset())


detach.samples(call(values(2, 3)), call(values()))
detach.reference(lambda x: x)
detach.batching("same")
detach.jvp("none")


@native(
    "detach_(Tensor(a!) self) -> Tensor(a!)",
    cxx="detach_",
    handles=frozenset({"conjugate", "negative", "autograd"}),
    opaque=True,
)
def detach_():
    """Takes this tensor out of the graph that made it; it becomes a leaf.

    >>> flambeau.ones(1, requires_grad=True).mul(2).detach_().requires_grad
    False
    """


@detach_.rule
def _(self):
    return


detach_.samples(call(values(2, 3)), call(values()))
detach_.reference(lambda x: x)
detach_.jvp("none")


@detach_.batching
def _(b, self):
    return b.op(self.value)
