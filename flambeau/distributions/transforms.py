"""Invertible maps between tensors, with the determinants of their derivatives.

A transform maps ``domain`` to ``codomain``; ``t.inv`` is the way back, and
``t.log_abs_det_jacobian(x, y)`` the logarithm of how much volume grows at ``x``, for ``y = t(x)``.

>>> t = ComposeTransform([AffineTransform(1.0, 2.0), ExpTransform()])
>>> x = flambeau.tensor([0.0, 1.0])
>>> t(x)
tensor([ 2.7183, 20.0855])
>>> t.inv(t(x))
tensor([0., 1.])
>>> t.log_abs_det_jacobian(x, t(x))
tensor([1.6931, 3.6931])
"""

import math

import flambeau
import flambeau.nn.functional as F

from . import constraints
from ._transform_base import (
    ComposeTransform,
    IndependentTransform,
    Transform,
    _check_shape,
    _SameKind,
    identity_transform,
)
from ._transform_base import _InverseTransform as _InverseTransform
from ._transform_numbers import (
    AbsTransform,
    AffineTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
    TanhTransform,
    _clipped_sigmoid,
)
from .utils import _sum_rightmost, lazy_property, vec_to_tril_matrix

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "CatTransform",
    "ComposeTransform",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "ExpTransform",
    "IndependentTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "TanhTransform",
    "Transform",
    "identity_transform",
]


class ReshapeTransform(Transform):
    """The dimensions on the right in another shape.

    >>> ReshapeTransform((4,), (2, 2))(flambeau.arange(4.0))
    tensor([[0., 1.],
            [2., 3.]])
    """

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size=0):
        self.in_shape = flambeau.Size(in_shape)
        self.out_shape = flambeau.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError(
                f"ReshapeTransform: in_shape {tuple(self.in_shape)} and out_shape "
                f"{tuple(self.out_shape)} have different numbers of elements"
            )
        super().__init__(cache_size=cache_size)

    @constraints.dependent_property
    def domain(self):
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self):
        return constraints.independent(constraints.real, len(self.out_shape))

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x):
        return x.reshape(x.shape[: x.dim() - len(self.in_shape)] + self.out_shape)

    def _inverse(self, y):
        return y.reshape(y.shape[: y.dim() - len(self.out_shape)] + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(self._batch(x.shape, self.in_shape))

    def forward_shape(self, shape):
        return self._batch(shape, self.in_shape) + self.out_shape

    def inverse_shape(self, shape):
        return self._batch(shape, self.out_shape) + self.in_shape

    def _batch(self, shape, event):
        _check_shape(self, shape, len(event))
        batch = flambeau.Size(shape[: len(shape) - len(event)])
        if tuple(shape[len(batch) :]) != tuple(event):
            raise ValueError(
                f"ReshapeTransform: Shape mismatch: expected {tuple(event)} on the right but got "
                f"{tuple(shape[len(batch) :])}"
            )
        return batch


# ---- of vectors


class SoftmaxTransform(_SameKind, Transform):
    """``exp(x)`` over its sum. The way back is the logarithm: sums of ``x`` are lost, so that this
    serves optimisers but no densities."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x):
        return F.softmax(x, -1)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape

    def inverse_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape


class StickBreakingTransform(_SameKind, Transform):
    """Vectors of ``n`` numbers to points of the simplex in ``n + 1`` dimensions: each number says
    which share of what is left is broken off, and 0 stands for equal shares.

    >>> StickBreakingTransform()(flambeau.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    @staticmethod
    def _after(x):
        """How many shares come after each number's own."""
        n = x.shape[-1]
        return flambeau.arange(n, 0, -1, dtype=x.dtype, device=x.device)

    def _call(self, x):
        share = _clipped_sigmoid(x - self._after(x).log())
        left = (1 - share).cumprod(-1)
        return F.pad(share, [0, 1], value=1) * F.pad(left, [1, 0], value=1)

    def _inverse(self, y):
        body = y[..., :-1]
        left = (1 - body.cumsum(-1)).clamp(min=flambeau.finfo(y.dtype).tiny)
        return body.log() - left.log() + self._after(body).log()

    def log_abs_det_jacobian(self, x, y):
        shifted = x - self._after(x).log()
        return (F.logsigmoid(shifted) - shifted + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        _check_shape(self, shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class CorrCholeskyTransform(Transform):
    """Vectors of ``n (n - 1) / 2`` numbers to Cholesky factors of correlation matrices of size
    ``n``: ``tanh`` of each is a partial correlation, and a row is broken off a stick of length 1.

    >>> CorrCholeskyTransform()(flambeau.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x):
        eps = flambeau.finfo(x.dtype).eps
        partial = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        n = partial.shape[-1]
        left = (1 - partial.square()).sqrt().cumprod(-1)  # of the length of each row
        unit = partial + flambeau.eye(n, dtype=x.dtype, device=x.device)
        return unit * F.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = F.pad((1 - y.square().cumsum(-1))[..., :-1], [1, 0], value=1)
        n = y.shape[-1]
        rows, columns = flambeau.tril_indices(n, n, -1, device=y.device)
        partial = y[..., rows, columns] / left[..., rows, columns].sqrt()
        return ((1 + partial) / (1 - partial)).log() / 2

    def log_abs_det_jacobian(self, x, y):
        # Each partial correlation is scaled by what its row has left, and tanh has its own slope.
        left = 1 - y.square().cumsum(-1)
        n = y.shape[-1]
        rows, columns = flambeau.tril_indices(n, n, -2, device=y.device)
        scales = left[..., rows, columns].log().sum(-1) / 2
        slopes = 2 * (x + F.softplus(-2 * x) - math.log(2.0)).sum(-1)
        return scales - slopes

    def forward_shape(self, shape):
        _check_shape(self, shape, 1)
        n = (math.isqrt(8 * shape[-1] + 1) + 1) // 2
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError(
                "CorrCholeskyTransform: Input is not a flattened lower-diagonal number: "
                f"{shape[-1]} is not n (n - 1) / 2 for any n"
            )
        return shape[:-1] + (n, n)

    def inverse_shape(self, shape):
        _check_shape(self, shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError(
                f"CorrCholeskyTransform: Input is not square: got shape {tuple(shape)}"
            )
        n = shape[-1]
        return shape[:-2] + (n * (n - 1) // 2,)


# ---- of matrices


class LowerCholeskyTransform(_SameKind, Transform):
    """Any square matrix to a lower triangular one with a positive diagonal: the part above is
    dropped, the diagonal exponentiated."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_SameKind, Transform):
    """Any square matrix to a positive definite one, whose Cholesky factor is that of
    ``LowerCholeskyTransform``."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x):
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(flambeau.linalg.cholesky(y))


# ---- of parts


def _parts(name, tseq, cache_size):
    if not all(isinstance(t, Transform) for t in tseq):
        raise AssertionError(f"{name}: expected transforms, got {tseq}")
    return [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)


def _check_within(transform, value, dim, extent):
    if not -value.dim() <= dim < value.dim():
        raise AssertionError(
            f"{type(transform).__name__}: dim {dim} is out of range for shape {tuple(value.shape)}"
        )
    if value.shape[dim] != extent:
        raise AssertionError(
            f"{type(transform).__name__}: expected {extent} along dim {dim}, got shape "
            f"{tuple(value.shape)}"
        )


class CatTransform(Transform):
    """Each piece along ``dim`` through a transform of its own; the pieces have these ``lengths``.

    >>> t = CatTransform([ExpTransform(), identity_transform], dim=0, lengths=[1, 2])
    >>> t(flambeau.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(self, tseq, dim=0, lengths=None, cache_size=0):
        self.transforms = _parts("CatTransform", tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"CatTransform: {len(self.transforms)} transforms have {len(self.lengths)} lengths"
            )
        self.dim = dim

    @lazy_property
    def event_dim(self):
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self):
        return sum(self.lengths)

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _pieces(self, value):
        _check_within(self, value, self.dim, self.length)
        return value.split(self.lengths, self.dim)

    def _call(self, x):
        pieces = zip(self.transforms, self._pieces(x), strict=True)
        return flambeau.cat([t(piece) for t, piece in pieces], self.dim)

    def _inverse(self, y):
        pieces = zip(self.transforms, self._pieces(y), strict=True)
        return flambeau.cat([t.inv(piece) for t, piece in pieces], self.dim)

    def log_abs_det_jacobian(self, x, y):
        terms = []
        for t, a, b in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            term = t.log_abs_det_jacobian(a, b)
            terms.append(_sum_rightmost(term, self.event_dim - t.domain.event_dim))
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return flambeau.cat(terms, dim) if dim < 0 else sum(terms)

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(Transform):
    """Each slice along ``dim`` through a transform of its own.

    >>> t = StackTransform([ExpTransform(), identity_transform])
    >>> t(flambeau.zeros(2))
    tensor([1., 0.])
    """

    def __init__(self, tseq, dim=0, cache_size=0):
        self.transforms = _parts("StackTransform", tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.dim = dim

    def with_cache(self, cache_size=1):
        if cache_size == self._cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _slice(self, value):
        _check_within(self, value, self.dim, len(self.transforms))
        return value.unbind(self.dim)

    def _call(self, x):
        slices = zip(self.transforms, self._slice(x), strict=True)
        return flambeau.stack([t(part) for t, part in slices], self.dim)

    def _inverse(self, y):
        slices = zip(self.transforms, self._slice(y), strict=True)
        return flambeau.stack([t.inv(part) for t, part in slices], self.dim)

    def log_abs_det_jacobian(self, x, y):
        slices = zip(self.transforms, self._slice(x), self._slice(y), strict=True)
        return flambeau.stack([t.log_abs_det_jacobian(a, b) for t, a, b in slices], self.dim)

    @property
    def bijective(self):
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
