"""The LKJ distribution of correlation matrices."""

import math

import flambeau

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors of correlation matrices, whose density is in proportion to the determinant
    to the power of ``concentration - 1`` (Lewandowski, Kurowicka and Joe, 2009).

    Args:
        dim: the size of the matrices.
        concentration: 1 for all matrices alike; the larger, the closer to the identity.

    >>> factor = LKJCholesky(3, 1.0).sample()
    >>> bool(((factor @ factor.mT).diagonal() - 1).abs().max() < 1e-5)
    True
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _expands = ()

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(
                f"LKJCholesky: Expected dim to be an integer greater than or equal to 2. Found "
                f"dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(
            self.concentration.shape, flambeau.Size((dim, dim)), validate_args=validate_args
        )
        # The squared length of each row left of its diagonal (the onion method); of the first, 0.
        # For the density it would be Beta(before / 2 + 1/2, ...): rows from the third on come out
        # longer, as in PyTorch, whose draws these are.
        like = {"dtype": self.concentration.dtype, "device": self.concentration.device}
        before = flambeau.arange(dim - 1, **like)
        before = flambeau.cat([before.new_zeros(1), before])
        rest = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * before
        self._beta = Beta(before + 0.5, rest)

    def expand(self, batch_shape, _instance=None):
        batch_shape = flambeau.Size(batch_shape)
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        new._beta = self._beta.expand(batch_shape + (self.dim,))
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape=flambeau.Size()):
        with flambeau.no_grad():
            length = self._beta.sample(sample_shape).unsqueeze(-1)
            kind = {"dtype": length.dtype, "device": length.device}
            noise = flambeau.randn(self._extended_shape(sample_shape), **kind).tril(-1)
            direction = noise / noise.norm(dim=-1, keepdim=True)
            direction[..., 0, :] = 0.0
            rows = length.sqrt() * direction
            left = (1 - rows.square().sum(-1)).clamp(min=flambeau.finfo(rows.dtype).tiny)
            return rows + left.sqrt().diag_embed()

    def log_prob(self, value):
        if self._validate_args:
            self._validate_sample(value)
        n = self.dim
        order = flambeau.arange(2, n + 1, device=self.concentration.device)
        powers = 2 * (self.concentration - 1).unsqueeze(-1) + n - order
        density = (powers * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        a = self.concentration + 0.5 * (n - 1)
        normalizer = (
            0.5 * (n - 1) * math.log(math.pi)
            + flambeau.mvlgamma(a - 0.5, n - 1)
            - a.lgamma() * (n - 1)
        )
        return density - normalizer
