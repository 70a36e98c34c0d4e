"""Sorting and sets."""

from flambeau.ops.record import composite, native, structured

_SORT = {
    "shape": "sort(self, dim)",
    "cpu": "cpu::sort(values, indices, self, dim, descending)",
    "differentiable": (0,),
    "out": True,
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


@structured(
    "sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False)"
    " -> (Tensor values, Tensor indices)",
    out_overload="values_stable",
    **_SORT,
)
def sort_stable():
    """``sort`` that is asked to keep the order of equal elements."""


@sort.gradient
@sort_stable.gradient
def _(g, self, indices, dim, cxx):
    return cxx.value_selecting_backward(g, dim, indices, self.sizes, True)


@composite("msort(Tensor self) -> Tensor", out=True)
def msort():
    """The elements along the first dimension in order.

    >>> flambeau.msort(flambeau.tensor([3, 1, 2]))
    tensor([1, 2, 3])
    """


@composite("argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor")
def argsort():
    """The indices that sort along a dimension.

    >>> flambeau.argsort(flambeau.tensor([3, 1, 2]))
    tensor([1, 2, 0])
    """


@composite(
    "argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor",
    cxx="argsort_stable",
)
def argsort_stable():
    """``argsort`` with the order of equal elements kept."""


@structured(
    "topk(Tensor self, int k, int dim=-1, bool largest=True, bool sorted=True)"
    " -> (Tensor values, Tensor indices)",
    shape="topk(self, k, dim)",
    cpu="cpu::topk(values, indices, self, k, dim, largest)",
    differentiable=(0,),
    out=True,
    out_overload="values",
)
def topk():
    """The k largest (or smallest) elements along a dimension, and where they are.

    >>> flambeau.topk(flambeau.tensor([1, 5, 3]), 2).values
    tensor([5, 3])
    """


@topk.gradient
def _(g, self, indices, dim, cxx):
    return cxx.value_selecting_backward(g, dim, indices, self.sizes, True)


@native(
    "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False)"
    " -> (Tensor, Tensor, Tensor)",
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def _unique2():
    """The distinct elements, where each element of the input is among them, and how often each."""


@native(
    "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, "
    "bool return_counts=False) -> (Tensor, Tensor, Tensor)",
    method=False,
    function_variant=False,
    tags=frozenset({"dynamic_shape"}),
)
def unique_dim():
    """The distinct slices along a dimension."""


@native(
    "unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, "
    "int? dim=None) -> (Tensor, Tensor, Tensor)",
    method=False,
    function_variant=False,
    tags=frozenset({"dynamic_shape"}),
)
def unique_consecutive():
    """One element, or slice, of each run of equal ones; ``flambeau.unique_consecutive`` is the
    Python face."""
