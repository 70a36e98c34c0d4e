"""Dropouts beside the plain one: of channels, and those that keep mean and variance."""

import math

from flambeau.ops.language import Error, dtype_name, show
from flambeau.ops.norm.softmax import check_probability
from flambeau.ops.record import FLOATING, composite
from flambeau.ops.samples import call, values

_RANDOM = frozenset({"random"})
_ALPHA = 1.7580993408473766  # selu's scale * alpha: what its values approach far below zero


def nothing_to_drop(op, input, p, train):
    """Whether the input stays as it is."""
    check_probability(p)
    if not input.is_floating_point() and not input.is_complex():
        raise Error(
            f"{op}: result type Float can't be cast to {dtype_name(input.dtype)}: use a floating "
            "dtype"
        )
    return p == 0 or not train or input.numel() == 0


def zero_of(input, ops):
    return ops.zeros([], input.dtype, None, input.device)


def kept(input, p, by_feature, ops):
    """1 where an element, or all of a channel, stays; 0 where it is dropped."""
    if not by_feature:
        return ops.bernoulli__float(ops.empty_like(input), 1 - p)
    if input.dim() < 2:
        raise Error(
            "feature_dropout: Feature dropout requires at least 2 dimensions in the input, got "
            f"shape {show(input.shape)}"
        )
    sizes = list(input.shape[:2]) + [1] * (input.dim() - 2)
    return ops.bernoulli__float(ops.new_empty(input, sizes), 1 - p)


def alpha_scale(p):
    """What brings the variance back to 1."""
    return 1.0 / math.pow((_ALPHA * _ALPHA * p + 1) * (1 - p), 0.5)


def alpha_parts(noise, p, ops):
    """The factor and the summand of alpha dropout."""
    scale = alpha_scale(p)
    added = ops.add_Scalar(noise, -1)
    ops.mul__Scalar(added, _ALPHA * scale)
    ops.add__Scalar(added, _ALPHA * scale * p)
    return ops.mul__Scalar(noise, scale), added


@composite(
    "feature_dropout(Tensor input, float p, bool train) -> Tensor", method=False, tags=_RANDOM
)
def feature_dropout(input, p, train, ops):
    """Zeros channels with probability ``p`` and scales the rest by 1 / (1 - p), when training.

    >>> flambeau.feature_dropout(flambeau.ones(1, 2, 2), 0.5, False)
    tensor([[[1., 1.],
             [1., 1.]]])
    """
    if nothing_to_drop("feature_dropout", input, p, train):
        return input
    if p == 1:
        return input * zero_of(input, ops)
    noise = kept(input, p, True, ops)
    return input * ops.div__Scalar(noise, 1 - p)


feature_dropout.samples(
    call(values(2, 3, 2), 0.5, True), call(values(2, 3), 0.5, False), dtypes=FLOATING
)


@composite(
    "feature_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
    method=False,
    tags=_RANDOM,
)
def feature_dropout_(self, p, train, ops):
    """``feature_dropout`` in place.

    >>> flambeau.feature_dropout_(flambeau.ones(1, 2), 1.0, True)
    tensor([[0., 0.]])
    """
    if nothing_to_drop("feature_dropout_", self, p, train):
        return
    if p == 1:
        ops.mul__Tensor(self, zero_of(self, ops))
        return
    noise = kept(self, p, True, ops)
    ops.mul__Tensor(self, ops.div__Scalar(noise, 1 - p))


feature_dropout_.samples(call(values(2, 3, 2), 0.5, True), dtypes=FLOATING)


@composite("alpha_dropout(Tensor input, float p, bool train) -> Tensor", method=False, tags=_RANDOM)
def alpha_dropout(input, p, train, ops):
    """Dropout to the value that ``selu`` has far below zero, after which mean and variance are
    brought back (Klambauer et al., 2017).

    >>> flambeau.alpha_dropout(flambeau.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    if nothing_to_drop("alpha_dropout", input, p, train):
        return input
    if p == 1:
        return input * zero_of(input, ops)
    factor, added = alpha_parts(kept(input, p, False, ops), p, ops)
    return ops.add__Tensor(input * factor, added, 1)


alpha_dropout.samples(
    call(values(2, 3), 0.5, True), call(values(2, 3), 0.5, False), dtypes=FLOATING
)


@composite(
    "alpha_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
    method=False,
    tags=_RANDOM,
)
def alpha_dropout_(self, p, train, ops):
    """``alpha_dropout`` in place.

    >>> flambeau.alpha_dropout_(flambeau.ones(2), 1.0, True)
    tensor([0., 0.])
    """
    if nothing_to_drop("alpha_dropout_", self, p, train):
        return
    if p == 1:
        ops.mul__Tensor(self, zero_of(self, ops))
        return
    factor, added = alpha_parts(kept(self, p, False, ops), p, ops)
    ops.mul__Tensor(self, factor)
    ops.add__Tensor(self, added, 1)


alpha_dropout_.samples(call(values(2, 3), 0.5, True), dtypes=FLOATING)


@composite(
    "feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def feature_alpha_dropout(input, p, train, ops):
    """``alpha_dropout`` of whole channels.

    >>> flambeau.feature_alpha_dropout(flambeau.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    if nothing_to_drop("feature_alpha_dropout", input, p, train):
        return input
    if p == 1:
        return input * zero_of(input, ops)
    factor, added = alpha_parts(kept(input, p, True, ops), p, ops)
    return ops.add__Tensor(input * factor, added, 1)


feature_alpha_dropout.samples(
    call(values(2, 3, 2), 0.5, True), call(values(2, 3), 0.5, False), dtypes=FLOATING
)


@composite(
    "feature_alpha_dropout_(Tensor(a!) self, float p, bool train) -> Tensor(a!)",
    method=False,
    tags=_RANDOM,
)
def feature_alpha_dropout_(self, p, train, ops):
    """``feature_alpha_dropout`` in place.

    >>> flambeau.feature_alpha_dropout_(flambeau.ones(1, 2), 1.0, True)
    tensor([[0., 0.]])
    """
    if nothing_to_drop("feature_alpha_dropout_", self, p, train):
        return
    if p == 1:
        ops.mul__Tensor(self, zero_of(self, ops))
        return
    factor, added = alpha_parts(kept(self, p, True, ops), p, ops)
    ops.mul__Tensor(self, factor)
    ops.add__Tensor(self, added, 1)


feature_alpha_dropout_.samples(call(values(2, 3, 2), 0.5, True), dtypes=FLOATING)

for _op in (
    feature_dropout,
    feature_dropout_,
    alpha_dropout,
    alpha_dropout_,
    feature_alpha_dropout,
    feature_alpha_dropout_,
):
    _op.without("benchmark")
