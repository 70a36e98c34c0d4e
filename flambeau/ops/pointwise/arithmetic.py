"""Sums, differences, products, quotients and what is built of them."""

from flambeau.ops.record import (
    ALL,
    BOOL,
    COMPLEX,
    FLOATING,
    NUMERIC,
    REAL,
    pointwise,
)
from flambeau.ops.samples import np
from flambeau.ops.trace import f

_BOTH = ("self", "other")  # numbers may stand for either operand of the functions
_SUBTRACTION = "Subtraction, the `-` operator, with"


@pointwise(
    "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    slots={"__add__": "nb_add", "__radd__": "nb_add", "__iadd__": "nb_inplace_add"},
)
def add(self, other, alpha):
    """``self + alpha * other``, broadcast and promoted.

    Args: ``self``, ``other`` tensors or numbers; ``alpha`` a number that multiplies ``other``.

    >>> flambeau.add(flambeau.tensor([1., 2.]), 10, alpha=2)
    tensor([21., 22.])
    """
    return self + alpha * other


add.reference(lambda x, y, alpha=1: np.add(x, np.multiply(alpha, y)))
add.jvp("holomorphic")


@add.gradient
def _(g, alpha):
    return g, g * f.conj(alpha)


@pointwise(
    "sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    refuses_bool=_SUBTRACTION,
    dtypes=NUMERIC,
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    aliases=("subtract",),
    slots={"__sub__": "nb_subtract", "__isub__": "nb_inplace_subtract"},
)
def sub(self, other, alpha):
    """``self - alpha * other``, broadcast and promoted.

    >>> flambeau.sub(flambeau.tensor([5, 7]), flambeau.tensor([1, 2]))
    tensor([4, 5])
    """
    return self - alpha * other


sub.reference(lambda x, y, alpha=1: x - alpha * y)
sub.jvp("holomorphic")


@sub.gradient
def _(g, alpha):
    return g, -g * f.conj(alpha)


@pointwise(
    "mul.Tensor(Tensor self, Tensor other) -> Tensor",
    bool_loop=True,
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    aliases=("multiply",),
    slots={"__mul__": "nb_multiply", "__rmul__": "nb_multiply", "__imul__": "nb_inplace_multiply"},
)
def mul(self, other):
    """``self * other``, broadcast and promoted.

    >>> flambeau.mul(flambeau.tensor([1., 2.]), 3)
    tensor([3., 6.])
    """
    return self * other


mul.reference(np.multiply)
mul.jvp("holomorphic")


@mul.gradient
def _(g, self, other):
    return g * f.conj(other), g * f.conj(self)


@pointwise(
    "div.Tensor(Tensor self, Tensor other) -> Tensor",
    promote="floating",
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    aliases=("divide", "true_divide"),
    slots={
        "__truediv__": "nb_true_divide",
        "__itruediv__": "nb_inplace_true_divide",
    },
)
def div(self, other):
    """``self / other``; integers become the default floating dtype.

    >>> flambeau.div(flambeau.tensor([1, 2]), 4)
    tensor([0.2500, 0.5000])
    """
    return self / other


div.domain(other=(0.5, 3.0))
div.reference(np.true_divide)
div.jvp("holomorphic")


@div.gradient
def _(g, self, other):
    return g / f.conj(other), -g * f.conj(self / other / other)


@pointwise(
    "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
    static={"rounding_mode": (None, "trunc", "floor")},
    promote={None: "floating", "trunc": "common", "floor": "common"},
    dtypes={None: ALL, "trunc": REAL, "floor": REAL},
    number_ok=_BOTH,
    scalar_overloads={"Scalar_mode": ("other",)},
    aliases=("divide",),
    out_overload="out_mode",
)
def div_mode(self, other, rounding_mode):
    """``self / other``, rounded toward zero (``"trunc"``), down (``"floor"``) or not at all.

    >>> flambeau.div(flambeau.tensor([-7, 7]), 2, rounding_mode="floor")
    tensor([-4,  3])
    """
    if rounding_mode is None:
        return self / other
    return f.trunc_divide(self, other) if rounding_mode == "trunc" else f.floor_divide(self, other)


div_mode.domain(other=(0.5, 3.0))
div_mode.reference(
    lambda x, y, rounding_mode: {
        None: np.true_divide,
        "trunc": lambda x, y: np.trunc(x / y),
        "floor": np.floor_divide,
    }[rounding_mode](x, y)
)


@div_mode.gradient
def _(g, self, other, rounding_mode):
    if rounding_mode is None:
        return g / f.conj(other), -g * f.conj(self / other / other)
    return 0, 0


@pointwise(
    "floor_divide(Tensor self, Tensor other) -> Tensor",
    inplace_overload="Tensor",
    dtypes=REAL,
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    slots={
        "__floordiv__": "nb_floor_divide",
        "__rfloordiv__": "nb_floor_divide",
        "__ifloordiv__": "nb_inplace_floor_divide",
    },
)
def floor_divide(self, other):
    """``floor(self / other)``, exact for integers.

    >>> flambeau.floor_divide(flambeau.tensor([-7, 7]), 2)
    tensor([-4,  3])
    """
    return f.floor_divide(self, other)


floor_divide.domain(other=(0.5, 3.0))
floor_divide.reference(np.floor_divide)


@pointwise(
    "remainder.Tensor(Tensor self, Tensor other) -> Tensor",
    out_overload="Tensor_out",
    dtypes=REAL,
    number_ok=_BOTH,
    scalar_overloads={"Scalar": ("other",)},
    slots={
        "__mod__": "nb_remainder",
        "__rmod__": "nb_remainder",
        "__imod__": "nb_inplace_remainder",
    },
)
def remainder(self, other):
    """The remainder with the sign of ``other``, as Python's ``%``.

    >>> flambeau.remainder(flambeau.tensor([-7., 7.]), 3)
    tensor([2., 1.])
    """
    return f.remainder(self, other)


remainder.domain(other=(0.5, 3.0))
remainder.reference(np.remainder)


@remainder.gradient
def _(g, self, other):
    return g, -g * f.floor_divide(self, other)


@pointwise(
    "fmod.Tensor(Tensor self, Tensor other) -> Tensor",
    out_overload="Tensor_out",
    dtypes=REAL,
    scalar_overloads={"Scalar": ("other",)},
)
def fmod(self, other):
    """The remainder with the sign of ``self``, as C's ``fmod``.

    >>> flambeau.fmod(flambeau.tensor([-7., 7.]), 3)
    tensor([-1.,  1.])
    """
    return f.fmod(self, other)


fmod.domain(other=(0.5, 3.0))
fmod.reference(np.fmod)


@fmod.gradient
def _(g, self, other):
    return g, -g * f.trunc_divide(self, other)


@pointwise(
    "rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
    out_overload="Tensor_out",
    refuses_bool=_SUBTRACTION,
    dtypes=NUMERIC,
    number_ok=(),
    scalar_overloads={"Scalar": ("other",)},
    inplace=False,
    slots={"__rsub__": "nb_subtract"},
)
def rsub(self, other, alpha):
    """``other - alpha * self``.

    >>> flambeau.rsub(flambeau.tensor([1., 2.]), 10)
    tensor([9., 8.])
    """
    return other - alpha * self


rsub.reference(lambda x, y, alpha=1: y - alpha * x)
rsub.jvp("holomorphic")


@rsub.gradient
def _(g, alpha):
    return -g * f.conj(alpha), g


@pointwise(
    "neg(Tensor self) -> Tensor",
    dtypes=NUMERIC,
    aliases=("negative",),
    refuses_bool="Negation, the `-` operator, on",
    slots={"__neg__": "nb_negative"},
)
def neg(self):
    """``-self``.

    >>> flambeau.neg(flambeau.tensor([1., -2.]))
    tensor([-1.,  2.])
    """
    return -self


neg.reference(np.negative)
neg.jvp("holomorphic")


@neg.gradient
def _(g):
    return -g


@pointwise(
    "abs(Tensor self) -> Tensor",
    result="real",
    aliases=("absolute",),
    dtypes=NUMERIC | BOOL,
    slots={"__abs__": "nb_absolute"},
    inplace=True,
    inplace_functions=("abs",),
)
def abs(self):
    """The magnitude; real for complex input.

    >>> flambeau.abs(flambeau.tensor([-1., 2.]))
    tensor([1., 2.])
    """
    return f.abs(self)


abs.reference(np.abs)


@abs.gradient
def _(g, self):
    return g * f.sgn(self)


@pointwise("sign(Tensor self) -> Tensor", dtypes=REAL | BOOL, inplace_functions=())
def sign(self):
    """-1, 0 or 1 by the sign of each element.

    >>> flambeau.sign(flambeau.tensor([-3., 0., 2.]))
    tensor([-1.,  0.,  1.])
    """
    return f.sign(self)


sign.reference(lambda x: np.sign(x + 0))


@sign.gradient
def _(g):
    return 0


@pointwise("sgn(Tensor self) -> Tensor", dtypes=ALL, inplace_functions=())
def sgn(self):
    """``sign`` for real input, ``self / abs(self)`` for complex input (0 at 0).

    >>> flambeau.sgn(flambeau.tensor([3+4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return f.sgn(self)


sgn.reference(lambda x: x / np.abs(x) if np.iscomplexobj(x) else np.sign(x + 0))


@sgn.gradient
def _(g, self, result, ops):
    # Of self / abs(self): real input only jumps.
    if not self.is_complex():
        return ops.zeros_like(g)
    size = ops.abs(self)
    part = ops.real(g * ops.conj(result))
    across = (g - part * result) / size
    return ops.masked_fill_Scalar(across, ops.eq_Scalar(size, 0), 0.0)


@pointwise("reciprocal(Tensor self) -> Tensor", promote="floating")
def reciprocal(self):
    """``1 / self``.

    >>> flambeau.reciprocal(flambeau.tensor([2., 4.]))
    tensor([0.5000, 0.2500])
    """
    return f.reciprocal(self)


reciprocal.domain(self=(0.5, 3.0))
reciprocal.reference(np.reciprocal)
reciprocal.jvp("holomorphic")


@reciprocal.gradient
def _(g, result):
    return -g * f.conj(result * result)


@pointwise(
    "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
    dtypes=FLOATING | COMPLEX,
    scalar_overloads={"Scalar": ("weight",)},
    number_ok=(),
    nodes={"Tensor": "LerpBackward1", "Scalar": "LerpBackward0"},
    out_overload="Tensor_out",
)
def lerp(self, end, weight):
    """``self + weight * (end - self)``, exact at both ends.

    >>> flambeau.lerp(flambeau.tensor([0., 10.]), flambeau.tensor([10., 20.]), 0.5)
    tensor([ 5., 15.])
    """
    # From the nearer end, by half the step: neither overflows where the result does not.
    back = weight - 1
    near = f.abs(weight) < f.abs(back)
    half = 0.5 * end - 0.5 * self
    return f.where(near, self, end) + 2 * f.where(near, weight, back) * half


lerp.domain(weight=(0.1, 0.9))
lerp.reference(lambda x, end, weight: x + weight * (end - x), tolerance=16)
lerp.jvp("holomorphic")


@lerp.gradient
def _(g, self, end, weight):
    return g * f.conj(1 - weight), g * f.conj(weight), g * f.conj(end - self)


@pointwise(
    "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    dtypes=NUMERIC,
    number_ok=(),
)
def addcmul(self, tensor1, tensor2, value):
    """``self + value * tensor1 * tensor2``.

    >>> flambeau.addcmul(flambeau.ones(2), flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]))
    tensor([4., 9.])
    """
    return self + value * tensor1 * tensor2


addcmul.reference(lambda x, y, z, value=1: x + value * y * z, tolerance=32)
addcmul.jvp("holomorphic")


@addcmul.gradient
def _(g, tensor1, tensor2, value):
    return g, g * f.conj(tensor2 * value), g * f.conj(tensor1 * value)


@pointwise(
    "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    dtypes=FLOATING | COMPLEX,
    number_ok=(),
)
def addcdiv(self, tensor1, tensor2, value):
    """``self + value * tensor1 / tensor2``.

    >>> flambeau.addcdiv(flambeau.ones(2), flambeau.tensor([1., 2.]), flambeau.tensor([2., 4.]))
    tensor([1.5000, 1.5000])
    """
    return self + value * (tensor1 / tensor2)


addcdiv.domain(tensor2=(0.5, 3.0))
addcdiv.reference(lambda x, y, z, value=1: x + value * y / z, tolerance=32)
addcdiv.jvp("holomorphic")


@addcdiv.gradient
def _(g, tensor1, tensor2, value):
    return (
        g,
        g * f.conj(value / tensor2),
        -g * f.conj(value * tensor1 / (tensor2 * tensor2)),
    )


@pointwise(
    "maximum(Tensor self, Tensor other) -> Tensor", dtypes=REAL | BOOL, inplace=False, number_ok=()
)
def maximum(self, other):
    """The larger of two elements; NaN if either is.

    >>> flambeau.maximum(flambeau.tensor([1., 5.]), flambeau.tensor([3., 2.]))
    tensor([3., 5.])
    """
    return f.maximum(self, other)


maximum.reference(np.maximum)


@maximum.gradient
def _(g, self, other):
    half = f.where(self == other, g / 2, g)
    return f.where(self < other, 0, half), f.where(self > other, 0, half)


@pointwise(
    "minimum(Tensor self, Tensor other) -> Tensor", dtypes=REAL | BOOL, inplace=False, number_ok=()
)
def minimum(self, other):
    """The smaller of two elements; NaN if either is.

    >>> flambeau.minimum(flambeau.tensor([1., 5.]), flambeau.tensor([3., 2.]))
    tensor([1., 2.])
    """
    return f.minimum(self, other)


minimum.reference(np.minimum)


@minimum.gradient
def _(g, self, other):
    half = f.where(self == other, g / 2, g)
    return f.where(self > other, 0, half), f.where(self < other, 0, half)


@pointwise(
    "clamp_min(Tensor self, Scalar min) -> Tensor",
    dtypes=REAL,
    inplace_functions=("clamp_min",),
    as_tensor=("min",),
)
def clamp_min(self, min):
    """``max(self, min)``; NaN stays.

    >>> flambeau.clamp_min(flambeau.tensor([-1., 2.]), 0)
    tensor([0., 2.])
    """
    return f.maximum(min, self)  # of two zeros self, as in PyTorch


clamp_min.reference(np.maximum)


@clamp_min.gradient
def _(g, self, min):
    return f.where(self >= min, g, 0)


@pointwise(
    "clamp_min.Tensor(Tensor self, Tensor min) -> Tensor",
    dtypes=REAL | BOOL,
    number_ok=(),
    inplace_functions=("clamp_min",),
    out_overload="Tensor_out",
)
def clamp_min_tensor(self, min):
    """``clamp_min`` with a tensor as the bound, broadcast."""
    return f.maximum(self, min)


clamp_min_tensor.reference(np.maximum)


@clamp_min_tensor.gradient
def _(g, self, min):
    return f.where(self >= min, g, 0), f.where(self < min, g, 0)


@pointwise(
    "clamp_max(Tensor self, Scalar max) -> Tensor",
    dtypes=REAL,
    inplace_functions=("clamp_max",),
    as_tensor=("max",),
)
def clamp_max(self, max):
    """``min(self, max)``; NaN stays.

    >>> flambeau.clamp_max(flambeau.tensor([-1., 2.]), 0)
    tensor([-1.,  0.])
    """
    return f.minimum(max, self)


clamp_max.reference(np.minimum)


@clamp_max.gradient
def _(g, self, max):
    return f.where(self <= max, g, 0)


@pointwise(
    "clamp_max.Tensor(Tensor self, Tensor max) -> Tensor",
    dtypes=REAL | BOOL,
    number_ok=(),
    inplace_functions=("clamp_max",),
    out_overload="Tensor_out",
)
def clamp_max_tensor(self, max):
    """``clamp_max`` with a tensor as the bound, broadcast."""
    return f.minimum(self, max)


clamp_max_tensor.reference(np.minimum)


@clamp_max_tensor.gradient
def _(g, self, max):
    return f.where(self <= max, g, 0), f.where(self > max, g, 0)


@pointwise(
    "_clamp_both(Tensor self, Scalar min, Scalar max) -> Tensor",
    dtypes=REAL,
    as_tensor=("min", "max"),
    function_variant=False,
    method=False,
    inplace_functions=(),
)
def _clamp_both(self, min, max):
    """``clamp`` with both bounds, neither NaN: what ``clamp`` runs."""
    return f.at_most(f.at_least(self, min), max)


_clamp_both.reference(np.clip)


@pointwise(
    "_clamp_between(Tensor self, Tensor min, Tensor max) -> Tensor",
    dtypes=REAL | BOOL,
    number_ok=(),
    function_variant=False,
    method=False,
)
def _clamp_between(self, min, max):
    """``clamp`` with tensors as both bounds: what ``clamp`` runs."""
    return f.minimum(f.maximum(self, min), max)


_clamp_between.reference(np.clip)


@_clamp_between.gradient
def _(g, self, min, max):
    above = self >= min
    kept = f.where(above, self, min)
    inside = f.where(kept <= max, g, 0)
    return f.where(above, inside, 0), f.where(above, 0, inside), f.where(kept > max, g, 0)
