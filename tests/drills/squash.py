"""A throw-away pointwise op, in one file."""

from flambeau.ops.record import FLOATING, pointwise
from flambeau.ops.samples import np
from flambeau.ops.trace import f


@pointwise(
    "squash(Tensor self, Tensor other, *, Scalar scale=1) -> Tensor",
    dtypes=FLOATING,
)
def squash(self, other, scale):
    """``self * tanh(scale * other)``, broadcast and promoted.

    >>> flambeau.squash(flambeau.tensor([2., 4.]), 0.5, scale=2)
    tensor([1.5232, 3.0464])
    """
    return self * f.tanh(scale * other)


@squash.gradient
def _(g, self, other, scale):
    t = f.tanh(scale * other)
    return g * t, g * self * scale * (1 - t * t)


squash.reference(lambda x, y, scale=1: x * np.tanh(scale * y))
