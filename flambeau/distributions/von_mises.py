"""The von Mises distribution."""

import math

import flambeau

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles, with a density of ``exp(concentration * cos(x - loc))`` over its integral.

    Args:
        loc: the angle of the mean, in radians.
        concentration: how close draws come to it; it is nearly an inverse variance when large.

    >>> VonMises(flambeau.tensor([0.0]), 1.0).mean
    tensor([0.])
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False
    _expands = ("loc", "concentration")

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self):
        """The angle of the mean direction."""
        return self.loc

    @property
    def mode(self):
        return self.loc

    @lazy_property
    def variance(self):
        """1 less the length of the mean direction."""
        k = self.concentration
        return 1 - flambeau.special.i1e(k) / flambeau.special.i0e(k)

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        # i0e(k) is exp(-k) times the Bessel function
        normalizer = flambeau.special.i0e(k).log() + k + math.log(2 * math.pi)
        return k * (value - self.loc).cos() - normalizer

    @lazy_property
    def _proposal_r(self):
        # Of the wrapped Cauchy distribution from which draws are proposed
        k = self.concentration.double()
        tau = 1 + (1 + 4 * k.square()).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return flambeau.where(k < 1e-5, 1 / k + k, (1 + rho.square()) / (2 * rho))

    def sample(self, sample_shape=flambeau.Size()):
        """Draws by rejection from a wrapped Cauchy distribution (Best and Fisher, 1979)."""
        shape = self._extended_shape(sample_shape)
        with flambeau.no_grad():
            loc, k, r = self.loc.double(), self.concentration.double(), self._proposal_r
            x = loc.new_empty(shape)
            done = flambeau.zeros(shape, dtype=flambeau.bool, device=loc.device)
            while not done.all():
                angle, level, side = flambeau.rand((3, *shape), dtype=x.dtype, device=x.device)
                z = (math.pi * angle).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = (c * (2 - c) - level > 0) | ((c / level).log() + 1 - c >= 0)
                x = flambeau.where(accept, (side - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
