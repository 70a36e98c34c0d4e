"""The chi-squared distribution."""

from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of squares of ``df`` normal numbers.

    >>> import flambeau
    >>> Chi2(flambeau.tensor([4.0])).mean
    tensor([4.])
    """

    arg_constraints = {"df": constraints.positive}
    _expands = ("concentration", "rate")

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self):
        """The number of squares, which need not be whole."""
        return self.concentration * 2
