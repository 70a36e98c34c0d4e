"""Powers, and the few that have loops of their own."""

import math

from flambeau.ops.language import (
    Error,
    conj_of_tensor,
    dtypes,
    grad_to,
    is_integral,
    log_of,
    wants_ops,
)
from flambeau.ops.record import (
    ALL,
    COMPLEX,
    FLOATING,
    INTEGRAL,
    composite,
    native,
    pointwise,
)
from flambeau.ops.samples import call, np, values
from flambeau.ops.trace import f


def _own(text, dtypes):
    """An op that ``pow`` runs, without a name in Python."""
    return pointwise(
        text, dtypes=dtypes, function_variant=False, method=False, inplace_functions=()
    )


@composite("square(Tensor self) -> Tensor", inplace=True, out=True)
def square(self, ops):
    """``self * self``.

    >>> flambeau.square(flambeau.tensor([2., 3.]))
    tensor([4., 9.])
    """
    return ops.pow_Tensor_Scalar(self, 2)


square.samples(call(values(2, 3)), call(values()), call(values(0, 3)))
square.reference(np.square)


@_own("_square(Tensor self) -> Tensor", ALL)
def _square(self):
    """``self * self``: what ``pow`` runs for an exponent of 2."""
    return self * self


_square.reference(lambda x: x * x)


@_own("_cube(Tensor self) -> Tensor", ALL)
def _cube(self):
    """``self * self * self``: what ``pow`` runs for an exponent of 3."""
    return self * self * self


_cube.reference(lambda x: x * x * x)


@_own("_inverse_square(Tensor self) -> Tensor", FLOATING | COMPLEX)
def _inverse_square(self):
    """``1 / self**2``: what ``pow`` runs for an exponent of -2."""
    inverse = f.reciprocal(self)  # whose square leaves the range where the result does
    return inverse * inverse


_inverse_square.domain(self=(0.1, 3.0))
_inverse_square.reference(lambda x: 1 / (x * x), tolerance=8)


@_own("_whole_power(Tensor self, *, Scalar exponent) -> Tensor", INTEGRAL)
def _whole_power(self, exponent):
    """``self`` to a small whole power: what ``pow`` runs for integers."""
    return f.whole_power(self, exponent)


_whole_power.samples(call(values(2, 3), exponent=5), call(values(7), exponent=31))
_whole_power.reference(lambda x, exponent: x**exponent)


# Powers of -inf and -0 are those of inf and 0, which roots are not.


@_own("_root(Tensor self) -> Tensor", FLOATING)
def _root(self):
    """The square root: what ``pow`` runs for an exponent of 0.5."""
    return f.where(self == -math.inf, math.inf, f.sqrt(self + 0.0))


_root.domain(self=(0.0, 3.0))
_root.reference(np.sqrt)


@_own("_inverse_root(Tensor self) -> Tensor", FLOATING)
def _inverse_root(self):
    """One over the square root: what ``pow`` runs for an exponent of -0.5."""
    return f.where(self == -math.inf, 0.0, f.reciprocal(f.sqrt(self + 0.0)))


_inverse_root.domain(self=(0.1, 3.0))
_inverse_root.reference(lambda x: 1 / np.sqrt(x), tolerance=4)


@native(
    "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
    inplace_overload="Scalar",
    inplace=True,
    out=True,
    slots={"__pow__": "nb_power", "__ipow__": "nb_inplace_power"},
)
def pow_scalar(self, exponent, ops):
    """``self`` to the power of a number."""
    if keeps_dtype(self.dtype, exponent):
        e = float(exponent)
        if e == 2:
            return ops._square(self)
        if e == 3:
            return ops._cube(self)
        if e == 1:
            return ops.clone(self)
        if e == 0:
            return ops.fill_Scalar(self, 1)
        if e < 0 and isinstance(exponent, int) and is_integral(self.dtype, True):
            raise Error("pow: Integers to negative integer powers are not allowed.")
        if not is_integral(self.dtype, True):
            if e == 0.5:
                return ops.sqrt(self) if self.is_complex() else ops._root(self)
            if e == -0.5:
                return ops.rsqrt(self) if self.is_complex() else ops._inverse_root(self)
            if e == -1:
                return ops.reciprocal(self)
            if e == -2:
                return ops._inverse_square(self)
        if e > 3 and e < 32 and is_integral(self.dtype, False):
            return ops._whole_power(self, exponent)
    if self.dtype == dtypes.bool and isinstance(exponent, int) and int(exponent) < 0:
        raise Error("pow: Integers to negative integer powers are not allowed.")
    return ops.pow_Tensor_Tensor(self, exponent)


def keeps_dtype(dtype, exponent):
    """Whether powers of an exponent have the dtype of their base."""
    if isinstance(exponent, complex):
        return False
    if is_integral(dtype, True) and isinstance(exponent, float):
        return False
    return dtype != dtypes.bool or isinstance(exponent, bool)


pow_scalar.samples(
    call(values(2, 3, low=0.5), 3), call(values(2, low=0.5), 0), call(values(0, 3), 2)
)
pow_scalar.reference(np.power, tolerance=8)
pow_scalar.batching("pointwise")


@pow_scalar.jvp
def _(t, self, exponent):
    return t.get("self") * (exponent * self ** (exponent - 1) if exponent != 0 else 0)


@pow_scalar.gradient
def _(g, self, exponent, ops):
    if exponent == 0:
        return ops.zeros_like(self)
    if exponent == 1 and not wants_ops(g, self, False):
        return g
    less = exponent - 1
    if less == 1 and not wants_ops(g, self, True):
        slope = ops.mul_Scalar(self, exponent)
    else:
        slope = ops.mul_Scalar(ops.pow_Tensor_Scalar(self, less), exponent)
    return grad_to(g * conj_of_tensor(slope, ops), self.shape, self.dtype, ops)


@pointwise(
    "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    inplace_overload="Tensor",
    out_overload="Tensor_Tensor_out",
    number_ok=(),
    slots={"__pow__": "nb_power", "__rpow__": "nb_power", "__ipow__": "nb_inplace_power"},
)
def pow(self, exponent):
    """``self ** exponent``.

    >>> flambeau.pow(flambeau.tensor([1., 2., 3.]), 2)
    tensor([1., 4., 9.])
    """
    return f.pow(self, exponent)


pow.domain(self=(0.5, 3.0), exponent=(0.2, 2.5))
pow.reference(np.power, tolerance=8)
pow.jvp("holomorphic")


@pow.gradient
def _(g, self, exponent, result):
    base = g * f.conj(exponent * f.pow(self, exponent - 1))
    return (
        f.where(exponent == 0, 0, base),
        # Where 0 is the power for all exponents around, the slope is 0 too.
        g
        * f.conj(result * f.log(f.where((self == 0) & ((result == 0) | (exponent == 0)), 1, self))),
    )


@native(
    "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
    out=True,
    method=False,
)
def pow_of_scalar(self, exponent, ops):
    """A number to the powers in a tensor."""
    return ops.pow_Tensor_Tensor(self, exponent)


pow_of_scalar.samples(
    call(2, values(2, 3, low=0, high=3)), call(3, values(low=0)), call(2, values(0, 3))
)
pow_of_scalar.reference(np.power, tolerance=8)
pow_of_scalar.batching("pointwise")


@pow_of_scalar.gradient
def _(g, self, exponent, result, ops):
    if self == 0:
        at = ops.ge_Scalar(ops.real(exponent), 0)
        logs = ops.masked_fill_Scalar(ops.full_like(result, -math.inf), at, 0.0)
        flat = g * conj_of_tensor(result * logs, ops)
        return (grad_to(flat, exponent.shape, exponent.dtype, ops),)
    log = log_of(self)
    factor = math.nan if isinstance(log, complex) and not result.is_complex() else log
    slope = ops.mul_Scalar(result, factor)
    return (grad_to(g * conj_of_tensor(slope, ops), exponent.shape, exponent.dtype, ops),)
