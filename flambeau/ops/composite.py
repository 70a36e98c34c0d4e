"""Further compositions in C++ that gradients or C++ programs reach."""

from flambeau.ops.record import composite, native


@native(
    "clamp(Tensor self, Scalar? min=None, Scalar? max=None) -> Tensor",
    cxx="clamp_scalar",
    node="ClampBackward1",
    inplace=True,
    out=True,
    aliases=("clip",),
)
def clamp():
    """``min(max(self, min), max)``; NaN stays.

    >>> flambeau.clamp(flambeau.tensor([-1., 0.5, 2.]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """


@clamp.gradient
def _(g, self, min, max, cxx):
    return cxx.clamp_backward(g, self, min, max)


@composite(
    "clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor",
    cxx="clamp_tensor",
    aliases=("clip",),
    inplace=True,
    out=True,
    out_overload="Tensor_out",
)
def clamp_tensor():
    """``clamp`` with tensors as bounds, broadcast."""


@native("equal(Tensor self, Tensor other) -> bool", tags=frozenset({"data_dependent"}))
def equal():
    """Whether two tensors have the same shape and elements.

    >>> flambeau.equal(flambeau.tensor([1, 2]), flambeau.tensor([1, 2]))
    True
    """


@native(
    "_local_scalar_dense(Tensor self) -> Scalar", tags=frozenset({"data_dependent"}), method=False
)
def _local_scalar_dense():
    """The one element of a tensor as a number; the op under ``item``."""


@composite(
    "isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> Tensor"
)
def isclose():
    """``abs(self - other) <= atol + rtol * abs(other)`` for each element.

    >>> flambeau.isclose(flambeau.tensor([1.]), flambeau.tensor([1. + 1e-9]))
    tensor([True])
    """


@composite(
    "allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, "
    "bool equal_nan=False) -> bool"
)
def allclose():
    """Whether ``isclose`` holds everywhere.

    >>> flambeau.allclose(flambeau.tensor([1.]), flambeau.tensor([1. + 1e-9]))
    True
    """


@composite(
    "norm.Scalar(Tensor self, Scalar p=2) -> Tensor",
    cxx="norm_scalar",
    function_variant=False,
    method=False,
)
def norm_scalar():
    """The p-norm of all elements, or along ``dim``."""


@composite(
    "norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor",
    cxx="norm_dim",
    out=True,
    out_overload="out",
    function_variant=False,
    method=False,
)
def norm_dim():
    """The p-norm along dimensions."""


@composite(
    "norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, "
    "ScalarType dtype) -> Tensor",
    cxx="norm_dim_dtype",
    function_variant=False,
    method=False,
)
def norm_dim_dtype():
    """The p-norm along dimensions, computed in a dtype."""


@composite(
    "norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor",
    cxx="norm_dtype",
    function_variant=False,
    method=False,
)
def norm_dtype():
    """The p-norm of all elements, computed in a dtype."""


@composite("var(Tensor self, bool unbiased=True) -> Tensor", cxx="var_unbiased")
def var():
    """The variance of all elements."""


@composite(
    "var.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
    cxx="var_unbiased_dim",
)
def var_dim():
    """The variance along dimensions."""


@composite("std(Tensor self, bool unbiased=True) -> Tensor", cxx="std_unbiased")
def std():
    """The standard deviation of all elements."""


@composite(
    "std.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor",
    cxx="std_unbiased_dim",
)
def std_dim():
    """The standard deviation along dimensions."""


@composite(
    "var_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)",
    cxx="var_mean_unbiased",
    method=False,
)
def var_mean():
    """The variance and mean of all elements."""


@composite(
    "var_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)"
    " -> (Tensor, Tensor)",
    cxx="var_mean_unbiased_dim",
    method=False,
)
def var_mean_dim():
    """The variance and mean along dimensions."""


@composite(
    "einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor",
    method=False,
    function_variant=False,
)
def einsum():
    """Sums of products over named dimensions; ``flambeau.einsum`` is the Python face."""
