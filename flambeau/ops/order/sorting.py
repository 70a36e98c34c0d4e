"""Sorting and sets."""

from flambeau.ops.language import (
    Error,
    Spec,
    dtype_name,
    dtypes,
    show,
    strides_like,
    wrap_dim,
    zeros_for,
)
from flambeau.ops.record import BOOL, REAL, composite, native, structured
from flambeau.ops.samples import call, ints, np, values


def put_back(g, dim, indices, sizes, keepdim, ops):
    """The gradient of elements that were picked along a dimension, in a tensor of these sizes."""
    zeros = zeros_for(g, sizes, ops)
    if keepdim or not sizes:
        return ops.scatter_src(zeros, dim, indices, g)
    return ops.scatter_src(zeros, dim, ops.unsqueeze(indices, dim), ops.unsqueeze(g, dim))


_SORT = {
    "cpu": "cpu::sort(values, indices, self, dim, descending)",
    "differentiable": (0,),
    "out": True,
    "places": (1,),
}


@structured(
    "sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)",
    out_overload="values",
    **_SORT,
)
def sort():
    """The elements along a dimension in order, and where they were. Always stable.

    >>> flambeau.sort(flambeau.tensor([3, 1, 2])).values
    tensor([1, 2, 3])
    """


sort.samples(
    call(values(2, 3)),
    call(values(2, 3), 0, True),
    call(values(0, 3)),
    call(values()),
    dtypes=REAL | BOOL,
)
sort.batching("dims")


@sort.jvp
def _(t, dim, result):
    return t.get("self").gather(dim, result[1]), None


@structured(
    "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False)"
    " -> (Tensor values, Tensor indices)",
    out_overload="values_stable",
    **_SORT,
)
def sort_stable():
    """``sort`` that is asked to keep the order of equal elements."""


sort_stable.samples(
    call(values(2, 3), stable=True),
    call(values(2, 3), stable=True, dim=0, descending=True),
    dtypes=REAL | BOOL,
)
sort_stable.batching("dims")


@sort.rule
@sort_stable.rule
def _(self, dim):
    wrap_dim(dim, self.dim(), "sort")
    if self.is_complex():
        raise Error(
            f"sort: Sort does not support complex dtypes on CPU, got {dtype_name(self.dtype)}"
        )
    strides = strides_like(self)
    return Spec(self.shape, self.dtype, strides), Spec(self.shape, dtypes.int64, strides)


@sort_stable.jvp
def _(t, dim, result):
    return t.get("self").gather(dim, result[1]), None


@sort.gradient
@sort_stable.gradient
def _(g, self, indices, dim, ops):
    return put_back(g, dim, indices, self.shape, True, ops)


@composite("msort(Tensor self) -> Tensor", out=True)
def msort(self, ops):
    """The elements along the first dimension in order.

    >>> flambeau.msort(flambeau.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """
    return ops.sort(self, 0, False)[0]


msort.samples(call(values(3, 2)), call(values(0)), dtypes=REAL | BOOL)
msort.reference(lambda x: np.sort(x, 0))


@composite("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor")
def argsort(self, dim, descending, ops):
    """The indices that sort along a dimension.

    >>> flambeau.argsort(flambeau.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """
    return ops.sort(self, dim, descending)[1]


argsort.samples(call(values(2, 3)), call(values(2, 3), 0), call(values(0, 3)), dtypes=REAL | BOOL)
argsort.reference(lambda x, dim=-1: np.argsort(x, dim, kind="stable"))


@composite(
    "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
)
def argsort_stable(self, stable, dim, descending, ops):
    """``argsort`` with the order of equal elements kept."""
    return ops.sort_stable(self, stable, dim, descending)[1]


argsort_stable.samples(
    call(values(2, 3), stable=True), call(values(2, 3), stable=True, dim=0), dtypes=REAL | BOOL
)
argsort_stable.reference(lambda x, stable, dim=-1: np.argsort(x, dim, kind="stable"))


@structured(
    "topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True)"
    " -> (Tensor values, Tensor indices)",
    cpu="cpu::topk(values, indices, self, k, dim, largest)",
    differentiable=(0,),
    out=True,
    out_overload="values",
    places=(1,),
)
def topk():
    """The k largest (or smallest) elements along a dimension, and where they are.

    >>> flambeau.topk(flambeau.tensor([1, 5, 3]), 2).values
    tensor([5, 3])
    """


topk.samples(
    call(values(2, 3), 2), call(values(3, 2), 1, 0, False), call(values(2, 3), 0), dtypes=REAL
)
topk.batching("dims")


@topk.rule
def _(self, k, dim):
    d = wrap_dim(dim, self.dim(), "topk")
    n = 1 if self.dim() == 0 else self.shape[d]
    if k < 0 or k > n:
        raise Error(
            f"topk: selected index k out of range: k is {k}, and dimension {d} of shape "
            f"{show(self.shape)} has {n} elements"
        )
    if self.is_complex():
        raise Error(
            f"topk: topk does not support complex dtypes on CPU, got {dtype_name(self.dtype)}"
        )
    if self.dtype == dtypes.bool:
        raise Error("topk: topk does not support bool dtypes on CPU")
    sizes = list(self.shape)
    if self.dim() > 0:
        sizes[d] = k
    return Spec(sizes, self.dtype), Spec(sizes, dtypes.int64)


@topk.jvp
def _(t, dim, result):
    return t.get("self").gather(dim, result[1]), None


@topk.gradient
def _(g, self, indices, dim, ops):
    return put_back(g, dim, indices, self.shape, True, ops)


@native(
    "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False)"
    " -> (Tensor, Tensor, Tensor)",
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def _unique2():
    """The distinct elements, where each element of the input is among them, and how often each."""


_unique2.samples(call(values(2, 3)), call(ints([3, 1, 3]), True, True, True), dtypes=REAL | BOOL)
_unique2.batching("dynamic")


@native(
    "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, "
    "bool return_counts=False) -> (Tensor, Tensor, Tensor)",
    method=False,
    module="_functional",
    tags=frozenset({"dynamic_shape"}),
)
def unique_dim():
    """The distinct slices along a dimension.

    >>> flambeau._C._functional.unique_dim(flambeau.tensor([[2, 2], [1, 1]]), 0)[0]
    tensor([[1, 1],
            [2, 2]])
    """


unique_dim.samples(
    call(values(2, 3), 0), call(ints([[3, 1], [3, 1]]), 0, True, True, True), dtypes=REAL | BOOL
)
unique_dim.batching("dynamic")


@native(
    "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, "
    "int? dim=None) -> (Tensor, Tensor, Tensor)",
    method=False,
    module="_functional",
    tags=frozenset({"dynamic_shape"}),
)
def unique_consecutive():
    """One element, or slice, of each run of equal ones; ``flambeau.unique_consecutive`` is the
    Python face.

    >>> flambeau._C._functional.unique_consecutive(flambeau.tensor([3, 3, 1]))[0]
    tensor([3, 1])
    """


unique_consecutive.samples(
    call(values(2, 3)),
    call(ints([3, 3, 1]), True, True),
    call(ints([[3, 3, 1]]), dim=1),
    dtypes=REAL | BOOL,
)
unique_consecutive.batching("dynamic")
