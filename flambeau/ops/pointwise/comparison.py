"""Comparisons, predicates, logic, bits, selection and rounding."""

import math

from flambeau.ops.language import dtype_name, dtypes
from flambeau.ops.record import ALL, BOOL, FLOATING, INTEGRAL, REAL, native, pointwise
from flambeau.ops.samples import call, np, values
from flambeau.ops.trace import f

_CMP = {
    "result": "boolean",
    "scalar_overloads": {"Scalar": ("other",)},
    "number_ok": (),
    "bool_loop": True,
    "out_overload": "Tensor_out",
}


@pointwise(
    "eq.Tensor(Tensor self, Tensor other) -> Tensor", slots={"__eq__": "tp_richcompare:eq"}, **_CMP
)
def eq(self, other):
    """Elementwise equality.

    >>> flambeau.eq(flambeau.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return self == other


eq.reference(np.equal)


@pointwise(
    "ne.Tensor(Tensor self, Tensor other) -> Tensor",
    aliases=("not_equal",),
    slots={"__ne__": "tp_richcompare:ne"},
    **_CMP,
)
def ne(self, other):
    """Elementwise inequality.

    >>> flambeau.ne(flambeau.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return self != other


ne.reference(np.not_equal)


@pointwise(
    "lt.Tensor(Tensor self, Tensor other) -> Tensor",
    dtypes=REAL | BOOL,
    aliases=("less",),
    slots={"__lt__": "tp_richcompare:lt"},
    **_CMP,
)
def lt(self, other):
    """``self < other``.

    >>> flambeau.lt(flambeau.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return self < other


lt.reference(np.less)


@pointwise(
    "le.Tensor(Tensor self, Tensor other) -> Tensor",
    dtypes=REAL | BOOL,
    aliases=("less_equal",),
    slots={"__le__": "tp_richcompare:le"},
    **_CMP,
)
def le(self, other):
    """``self <= other``.

    >>> flambeau.le(flambeau.tensor([1, 3]), 2)
    tensor([ True, False])
    """
    return self <= other


le.reference(np.less_equal)


@pointwise(
    "gt.Tensor(Tensor self, Tensor other) -> Tensor",
    dtypes=REAL | BOOL,
    aliases=("greater",),
    slots={"__gt__": "tp_richcompare:gt"},
    **_CMP,
)
def gt(self, other):
    """``self > other``.

    >>> flambeau.gt(flambeau.tensor([1, 3]), 2)
    tensor([False,  True])
    """
    return self > other


gt.reference(np.greater)


@pointwise(
    "ge.Tensor(Tensor self, Tensor other) -> Tensor",
    dtypes=REAL | BOOL,
    aliases=("greater_equal",),
    slots={"__ge__": "tp_richcompare:ge"},
    **_CMP,
)
def ge(self, other):
    """``self >= other``.

    >>> flambeau.ge(flambeau.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return self >= other


ge.reference(np.greater_equal)


@pointwise(
    "isnan(Tensor self) -> Tensor", result="boolean", inplace=False, out=False, bool_loop=True
)
def isnan(self):
    """Where an element is NaN.

    >>> flambeau.isnan(flambeau.tensor([1., float("nan")]))
    tensor([False,  True])
    """
    return self != self


isnan.reference(np.isnan)


@pointwise(
    "isinf(Tensor self) -> Tensor", result="boolean", inplace=False, out=False, bool_loop=True
)
def isinf(self):
    """Where an element is infinite.

    >>> flambeau.isinf(flambeau.tensor([1., float("inf")]))
    tensor([False,  True])
    """
    return f.isinf(self)


isinf.reference(np.isinf)


@pointwise(
    "isfinite(Tensor self) -> Tensor", result="boolean", inplace=False, out=False, bool_loop=True
)
def isfinite(self):
    """Where an element is neither infinite nor NaN.

    >>> flambeau.isfinite(flambeau.tensor([1., float("inf")]))
    tensor([ True, False])
    """
    return f.isfinite(self)


isfinite.reference(np.isfinite)


@pointwise(
    "logical_not(Tensor self) -> Tensor",
    result="boolean",
    bool_loop=True,
    inplace_functions=(),
)
def logical_not(self):
    """True where an element is zero.

    >>> flambeau.logical_not(flambeau.tensor([0, 2]))
    tensor([ True, False])
    """
    return self == 0


logical_not.reference(np.logical_not)


@pointwise(
    "logical_and(Tensor self, Tensor other) -> Tensor",
    result="boolean",
    bool_loop=True,
    number_ok=(),
)
def logical_and(self, other):
    """True where both are nonzero.

    >>> flambeau.logical_and(flambeau.tensor([0, 2]), flambeau.tensor([1, 1]))
    tensor([False,  True])
    """
    return (self != 0) & (other != 0)


logical_and.reference(np.logical_and)


@pointwise(
    "logical_or(Tensor self, Tensor other) -> Tensor",
    result="boolean",
    bool_loop=True,
    number_ok=(),
)
def logical_or(self, other):
    """True where one is nonzero.

    >>> flambeau.logical_or(flambeau.tensor([0, 2]), flambeau.tensor([0, 1]))
    tensor([False,  True])
    """
    return (self != 0) | (other != 0)


logical_or.reference(np.logical_or)


@pointwise(
    "logical_xor(Tensor self, Tensor other) -> Tensor",
    result="boolean",
    bool_loop=True,
    number_ok=(),
)
def logical_xor(self, other):
    """True where exactly one is nonzero.

    >>> flambeau.logical_xor(flambeau.tensor([0, 2]), flambeau.tensor([1, 1]))
    tensor([ True, False])
    """
    return (self != 0) ^ (other != 0)


logical_xor.reference(np.logical_xor)


_BITS = {
    "dtypes": INTEGRAL | BOOL,
    "scalar_overloads": {"Scalar": ("other",)},
    "number_ok": (),
    "bool_loop": True,
    "out_overload": "Tensor_out",
}


@pointwise(
    "bitwise_and.Tensor(Tensor self, Tensor other) -> Tensor",
    slots={"__and__": "nb_and", "__rand__": "nb_and", "__iand__": "nb_inplace_and"},
    **_BITS,
)
def bitwise_and(self, other):
    """``self & other``.

    >>> flambeau.bitwise_and(flambeau.tensor([6]), 3)
    tensor([2])
    """
    return self & other


bitwise_and.reference(np.bitwise_and)


@pointwise(
    "bitwise_or.Tensor(Tensor self, Tensor other) -> Tensor",
    slots={"__or__": "nb_or", "__ror__": "nb_or", "__ior__": "nb_inplace_or"},
    **_BITS,
)
def bitwise_or(self, other):
    """``self | other``.

    >>> flambeau.bitwise_or(flambeau.tensor([6]), 3)
    tensor([7])
    """
    return self | other


bitwise_or.reference(np.bitwise_or)


@pointwise(
    "bitwise_xor.Tensor(Tensor self, Tensor other) -> Tensor",
    slots={"__xor__": "nb_xor", "__rxor__": "nb_xor", "__ixor__": "nb_inplace_xor"},
    **_BITS,
)
def bitwise_xor(self, other):
    """``self ^ other``.

    >>> flambeau.bitwise_xor(flambeau.tensor([6]), 3)
    tensor([5])
    """
    return self ^ other


bitwise_xor.reference(np.bitwise_xor)


@pointwise(
    "bitwise_not(Tensor self) -> Tensor",
    dtypes=INTEGRAL | BOOL,
    bool_loop=True,
    slots={"__invert__": "nb_invert"},
    inplace_functions=(),
)
def bitwise_not(self):
    """``~self``; for truth values, the logical complement.

    >>> flambeau.bitwise_not(flambeau.tensor([0, 5]))
    tensor([-1, -6])
    >>> ~flambeau.tensor([True, False])
    tensor([False,  True])
    """
    return ~self


bitwise_not.reference(np.bitwise_not)


_SHIFT = {
    "dtypes": INTEGRAL,
    "scalar_overloads": {"Tensor_Scalar": ("other",)},
    "number_ok": (),
    "out_overload": "Tensor_out",
}


@pointwise(
    "bitwise_left_shift.Tensor(Tensor self, Tensor other) -> Tensor",
    slots={
        "__lshift__": "nb_lshift",
        "__rlshift__": "nb_lshift",
        "__ilshift__": "nb_inplace_lshift",
    },
    **_SHIFT,
)
def bitwise_left_shift(self, other):
    """``self << other``.

    >>> flambeau.bitwise_left_shift(flambeau.tensor([1, 2]), 3)
    tensor([ 8, 16])
    """
    return f.left_shift(self, other)


bitwise_left_shift.domain(other=(0, 4))
bitwise_left_shift.reference(np.left_shift)


@pointwise(
    "bitwise_right_shift.Tensor(Tensor self, Tensor other) -> Tensor",
    slots={
        "__rshift__": "nb_rshift",
        "__rrshift__": "nb_rshift",
        "__irshift__": "nb_inplace_rshift",
    },
    **_SHIFT,
)
def bitwise_right_shift(self, other):
    """``self >> other``, with the sign kept.

    >>> flambeau.bitwise_right_shift(flambeau.tensor([8, -8]), 1)
    tensor([ 4, -4])
    """
    return f.right_shift(self, other)


bitwise_right_shift.domain(other=(0, 4))
bitwise_right_shift.reference(np.right_shift)


@pointwise(
    "where.self(Tensor condition, Tensor self, Tensor other) -> Tensor",
    bool_loop=True,
    inplace=False,
    number_ok=("self", "other"),
    out_overload="self_out",
)
def where(condition, self, other):
    """``self`` where ``condition`` is true, ``other`` elsewhere; all broadcast.

    >>> flambeau.where(flambeau.tensor([True, False]), flambeau.tensor([1., 2.]), 0.)
    tensor([1., 0.])
    """
    return f.where(condition, self, other)


where.reference(np.where)
where.jvp("holomorphic")


@where.gradient
def _(g, condition):
    return None, f.where(condition, g, 0), f.where(condition, 0, g)


@pointwise("floor(Tensor self) -> Tensor", dtypes=REAL)
def floor(self):
    """The largest integer not above each element.

    >>> flambeau.floor(flambeau.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """
    return f.floor(self)


floor.reference(np.floor)


@floor.gradient
def _(g):
    return 0


@pointwise("ceil(Tensor self) -> Tensor", dtypes=REAL)
def ceil(self):
    """The smallest integer not below each element.

    >>> flambeau.ceil(flambeau.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """
    return f.ceil(self)


ceil.reference(np.ceil)


@ceil.gradient
def _(g):
    return 0


@pointwise("trunc(Tensor self) -> Tensor", dtypes=REAL, aliases=("fix",))
def trunc(self):
    """Each element without its fraction.

    >>> flambeau.trunc(flambeau.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """
    return f.trunc(self)


trunc.reference(np.trunc)


@trunc.gradient
def _(g):
    return 0


@pointwise("round(Tensor self) -> Tensor", dtypes=REAL)
def round(self):
    """The nearest integer, halves to even.

    >>> flambeau.round(flambeau.tensor([0.5, 1.5]))
    tensor([0., 2.])
    >>> flambeau.round(flambeau.tensor([1.2345]), decimals=2)
    tensor([1.2300])
    """
    return f.round(self)


round.reference(np.round)


@round.gradient
def _(g):
    return 0


@native(
    "round.decimals(Tensor self, *, int decimals) -> Tensor",
    node="RoundBackward1",
    inplace=True,
    out=True,
)
def round_decimals(self, decimals, ops):
    """To the nearest multiple of ``10 ** -decimals``; what has no digits that far stays."""
    if not self.is_floating_point():
        raise NotImplementedError(
            f"round: \"round_cpu\" not implemented for '{dtype_name(self.dtype)}' with decimals: "
            "convert it with .to()"
        )
    if decimals > 0 and decimals <= 10 and self.dtype in (dtypes.float32, dtypes.float64):
        return ops._round_decimals(self, power_of_ten(decimals))
    if decimals < -309:
        return ops.mul_Scalar(self, 0.0)
    wide = ops.to_dtype(self, dtypes.float64)
    up, rest, down = power_of_ten(decimals), power_of_ten(decimals - 308), power_of_ten(-decimals)
    return ops.to_dtype(ops._round_scaled(wide, up, rest, down), self.dtype)


def power_of_ten(n):
    """``10 ** n`` from 1 to the largest that there is."""
    return math.pow(10.0, float(min(max(n, 0), 308)))


round_decimals.samples(
    call(values(2, 3), decimals=1),
    call(values(2, 3, high=500), decimals=-2),
    call(values(0, 3), decimals=2),
    dtypes=FLOATING,
)
round_decimals.batching("same")
round_decimals.jvp("none")
round_decimals.reference(lambda x, decimals: np.round(x, decimals))


@round_decimals.gradient
def _(g, ops):
    return ops.zeros_like(g)


@pointwise(
    "_round_decimals(Tensor self, *, Scalar up) -> Tensor",
    dtypes=FLOATING,
    function_variant=False,
    method=False,
    inplace_functions=(),
)
def _round_decimals(self, up):
    """``round(self * up) / up``, in double: what ``round`` runs with a few decimals."""
    return f.round_scaled(self, up)


_round_decimals.samples(call(values(2, 3), up=10.0), call(values(7, high=500), up=1000.0))
_round_decimals.reference(lambda x, up: np.round(x * up) / up)


@pointwise(
    "_round_scaled(Tensor self, *, Scalar up, Scalar rest, Scalar down) -> Tensor",
    dtypes=FLOATING,
    function_variant=False,
    method=False,
    inplace=False,
    out=False,
)
def _round_scaled(self, up, rest, down):
    """``round(self * up * rest / down) / up / rest * down``: what ``round`` runs with decimals."""
    scaled = self * up * rest / down
    rounded = f.round(scaled) / rest / up * down
    # From 2^52 on numbers have no fraction.
    return f.where((f.abs(scaled) < 2.0**52) & f.isfinite(rounded), rounded, self)


_round_scaled.reference(lambda x, up, rest, down: np.round(x * up * rest / down) / rest / up * down)


@pointwise("angle(Tensor self) -> Tensor", result="real", promote="floating", dtypes=ALL)
def angle(self):
    """The argument of a complex number, in radians; 0 or pi for real input, NaN stays.

    >>> flambeau.angle(flambeau.tensor([1+1j]))
    tensor([0.7854])
    """
    return f.angle(self)


angle.reference(np.angle)


@angle.gradient
def _(g, self):
    size = f.abs(self)
    return f.where(size == 0, self * 0, f.mul_i(g * (self / (size * size))))
