"""Student's t-distribution."""

import math

import flambeau

from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all

__all__ = ["StudentT"]


class StudentT(Distribution):
    """A normal number over the root of a mean of ``df`` squares of normal numbers.

    Args:
        df: degrees of freedom.
        loc: the centre.
        scale: what draws are multiplied by.

    >>> StudentT(flambeau.tensor([1.0, 4.0])).variance
    tensor([nan, 2.])
    """

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    _expands = ("df", "loc", "scale", "_chi2")

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self):
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self):
        return self.loc

    @property
    def variance(self):
        spread = self.scale.square() * self.df / (self.df - 2)
        spread = spread.masked_fill(self.df <= 2, math.inf)
        return spread.masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape=flambeau.Size()):
        shape = self._extended_shape(sample_shape)
        normal = _standard_normal(shape, self.df.dtype, self.df.device)
        squares = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (normal * flambeau.rsqrt(squares / self.df))

    def _log_beta(self):
        half = 0.5 * self.df
        return half.lgamma() + 0.5 * math.log(math.pi) - (half + 0.5).lgamma()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        normalizer = self.scale.log() + 0.5 * self.df.log() + self._log_beta()
        return -0.5 * (self.df + 1.0) * (y.square() / self.df).log1p() - normalizer

    def entropy(self):
        half = 0.5 * self.df
        rise = (half + 0.5).digamma() - half.digamma()
        return self.scale.log() + (half + 0.5) * rise + 0.5 * self.df.log() + self._log_beta()
