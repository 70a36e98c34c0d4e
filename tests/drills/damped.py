"""A throw-away pointwise op with overloads in which a number stands for either tensor."""

from flambeau.ops.record import FLOATING, pointwise


@pointwise(
    "damped.Tensor(Tensor self, Tensor other) -> Tensor",
    scalar_overloads={"Scalar": ("other",), "Scalar_first": ("self",)},
    dtypes=FLOATING,
    number_ok=(),
)
def damped(self, other):
    """``self / (1 + other^2)``.

    >>> flambeau.damped(flambeau.tensor([2., 4.]), 1)
    tensor([1., 2.])
    """
    return self / (1 + other * other)


@damped.gradient
def _(g, self, other):
    below = 1 + other * other
    return g / below, -2 * g * self * other / (below * below)


damped.reference(lambda x, y: x / (1 + y * y))
