"""What masks choose."""

from flambeau.ops.index.pick import check_same_device
from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    check_fits,
    check_not_shifted,
    check_written,
    dtype_name,
    dtypes,
    same,
    show,
    sum_to,
    zeros_for,
)
from flambeau.ops.record import composite, native, structured
from flambeau.ops.samples import bools, call, ints, np, values


@structured(
    "masked_fill.Scalar(Tensor self, Tensor mask, Scalar value) -> Tensor",
    cpu="cpu::masked_fill(result, self, mask, value)",
    function_variant=True,
)
def masked_fill_scalar():
    """A copy with ``value`` where ``mask`` is true.

    >>> flambeau.zeros(2).masked_fill(flambeau.tensor([True, False]), 3)
    tensor([3., 0.])
    """


masked_fill_scalar.samples(
    call(values(2, 3), bools([[True], [False]]), 2), call(values(), bools(True), 1)
)
masked_fill_scalar.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_scalar.batching("pointwise")
masked_fill_scalar.jvp("linear")


def masked(self, mask):
    check_same_device("masked_fill", self, mask)
    if mask.dtype != dtypes.bool:
        raise Error(
            "masked_fill: masked_fill only supports boolean masks, but got mask with dtype "
            f"{dtype_name(mask.dtype)}"
        )
    return Spec(broadcast(self.shape, mask.shape, "masked_fill"), self.dtype)


def masked_in_place(self, mask):
    sizes = list(masked(self, mask).sizes)
    if not same(sizes, self.shape):
        raise Error(
            f"masked_fill_: output with shape {show(self.shape)} doesn't match the broadcast shape "
            f"{show(sizes)}"
        )
    check_written("masked_fill_", self)
    check_not_shifted("masked_fill_", self, mask)


def check_number(self, value):
    if value.is_meta and not self.is_meta:
        raise Error(
            "masked_fill: the value is on device 'meta' and has no bytes, but the tensor to fill "
            "is not"
        )
    if value.dim() != 0:
        raise Error(
            "masked_fill: masked_fill only supports a 0-dimensional value tensor, but got tensor "
            f"with {value.dim()} dimension(s)."
        )


@masked_fill_scalar.rule
def _(self, mask, value):
    check_fits("masked_fill", value, self.dtype)
    return masked(self, mask)


@masked_fill_scalar.gradient
def _(g, mask, ops):
    return ops.masked_fill_Scalar(g, mask, 0), None


@structured(
    "masked_fill.Tensor(Tensor self, Tensor mask, Tensor value) -> Tensor",
    cpu="cpu::masked_fill_tensor(result, self, mask, value)",
    checks_values=True,
)
def masked_fill_tensor():
    """``masked_fill`` with the value of a 0-dim tensor."""


masked_fill_tensor.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_tensor.jvp("linear")


@masked_fill_tensor.batching
def _(b, self, mask, value):
    rank = max(self.rank, mask.rank)
    x, m = b.aligned(self, rank), b.aligned(mask, rank)
    if not value.batched:
        return b.op(x, m, value.value)
    return b.ops.where.self(m, b.aligned(value, rank).to(self.dtype), x)


@masked_fill_tensor.rule
def _(self, mask, value):
    check_number(self, value)
    return masked(self, mask)


def sum_at(g, mask, ops):
    """The gradient of the one number that was put where the mask is true."""
    return ops.sum(ops.where_self(mask, g, zeros_for(g, [], ops)))


@masked_fill_tensor.gradient
def _(g, mask, ops):
    return ops.masked_fill_Scalar(g, mask, 0), None, sum_at(g, mask, ops)


@structured(
    "masked_fill_.Scalar(Tensor(a!) self, Tensor mask, Scalar value) -> Tensor(a!)",
    cpu="cpu::masked_fill_into(self, mask, value)",
    function_variant=False,
)
def masked_fill_scalar_():
    """Writes ``value`` where ``mask`` is true.

    >>> flambeau.zeros(2).masked_fill_(flambeau.tensor([True, False]), 1)
    tensor([1., 0.])
    """


masked_fill_scalar_.samples(
    call(values(2, 3), bools([[True], [False]]), 2), call(values(), bools(True), 1)
)
masked_fill_scalar_.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_scalar_.batching("pointwise")
masked_fill_scalar_.jvp("linear")


@masked_fill_scalar_.rule
def _(self, mask, value):
    check_fits("masked_fill", value, self.dtype)
    masked_in_place(self, mask)


@masked_fill_scalar_.gradient
def _(g, mask, ops):
    return ops.masked_fill_Scalar(g, mask, 0), None


@structured(
    "masked_fill_.Tensor(Tensor(a!) self, Tensor mask, Tensor value) -> Tensor(a!)",
    cpu="cpu::masked_fill_tensor_into(self, mask, value)",
    function_variant=False,
)
def masked_fill_tensor_():
    """Writes the value of a 0-dim tensor where ``mask`` is true."""


masked_fill_tensor_.samples(call(values(2, 3), bools([[True], [False]]), values()))
masked_fill_tensor_.reference(lambda x, mask, value: np.where(mask, value, x))
masked_fill_tensor_.jvp("linear")


@masked_fill_tensor_.batching
def _(b, self, mask, value):
    x, m = self.first, b.aligned(mask, self.rank)
    if not value.batched:
        return b.op(x, m, value.value)
    return x.copy_(b.ops.where.self(m, b.aligned(value, self.rank).to(self.dtype), x))


@masked_fill_tensor_.rule
def _(self, mask, value):
    check_number(self, value)
    masked_in_place(self, mask)


@masked_fill_tensor_.gradient
def _(g, mask, ops):
    return ops.masked_fill_Scalar(g, mask, 0), None, sum_at(g, mask, ops)


@native(
    "masked_select(Tensor self, Tensor mask) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
    out=True,
    separate_out=True,
    opaque=True,
)
def masked_select():
    """The elements where ``mask`` is true, in one dimension.

    >>> flambeau.masked_select(flambeau.tensor([1, 2]), flambeau.tensor([False, True]))
    tensor([2])
    """


masked_select.samples(
    call(values(2, 3), bools([True, False, True])), call(values(2), bools([False, False]))
)
masked_select.reference(lambda x, mask: x[np.broadcast_to(mask, x.shape)])
masked_select.batching("dynamic")
masked_select.jvp("linear")


@masked_select.gradient
def _(g, self, mask, ops):
    shape = broadcast(self.shape, mask.shape, "masked_select_backward")
    if not shape:  # a 0-dim mask stands for no dimension of its own
        return ops.reshape(ops.sum(g), shape), None
    places = ops.expand(mask, shape)
    put = ops.index_put(zeros_for(g, shape, ops), [places], g, False)
    return sum_to(put, self.shape, ops), None


@native(
    "nonzero(Tensor self) -> Tensor",
    tags=frozenset({"dynamic_shape"}),
    out=True,
    module="_functional",
    method=False,
    places=(0,),
)
def nonzero():
    """The indices of nonzero elements, a row for each; ``flambeau.nonzero`` is the Python face.

    >>> flambeau._C._functional.nonzero(flambeau.tensor([0, 3]))
    tensor([[1]])
    """


nonzero.samples(call(values(2, 3)), call(values(0, 3)), call(ints([0, 3, 0, 4])))
nonzero.reference(np.argwhere)
nonzero.batching("dynamic")


def places_of(t, ops):
    """The indices of what is true; of a 0-dim tensor as of one with one element."""
    own = ops.unsqueeze(t, 0) if t.dim() == 0 else t
    return ops.unbind_int(ops.nonzero(own), 1)


@composite("nonzero_numpy(Tensor self) -> Tensor[]", module="_functional", method=False)
def nonzero_numpy(self, ops):
    """The indices of nonzero elements, a tensor for each dimension.

    >>> flambeau.ops.aten.nonzero_numpy(flambeau.tensor([0, 3, 4]))
    (tensor([1, 2]),)
    """
    return places_of(self, ops)


nonzero_numpy.samples(call(values(2, 3)), call(ints([[0, 3], [0, 4]])))
nonzero_numpy.reference(np.nonzero)


@composite("where(Tensor condition) -> Tensor[]", method=False)
def where(condition, ops):
    """The indices where the condition holds, a tensor for each dimension."""
    return places_of(condition, ops)


where.samples(call(bools([[True, False], [False, True]])))
where.reference(np.nonzero)
