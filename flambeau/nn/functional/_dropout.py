"""Dropout."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau.overrides import handle_torch_function

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero each element with probability ``p`` and scale the others by ``1 / (1 - p)``; outside
    ``training``, nothing.

    Args:
        p: probability of an element to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout(flambeau.ones(3), 0.5, training=False)
        tensor([1., 1., 1.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if inplace:
        return flambeau.dropout_(input, p, training)
    return flambeau.dropout(input, p, training)


def alpha_dropout(input, p: float = 0.5, training: bool = False, inplace: bool = False):
    """Dropout to the value that ``selu`` has far below zero, after which mean and variance are
    brought back (Klambauer et al., 2017).

    Args:
        p: probability of an element to be dropped.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.alpha_dropout(flambeau.ones(1, 3), 0.5, training=False)
        tensor([[1., 1., 1.]])
    """
    if _overridden(input):
        return handle_torch_function(
            alpha_dropout, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if inplace:
        return flambeau.alpha_dropout_(input, p, training)
    return flambeau.alpha_dropout(input, p, training)


def feature_alpha_dropout(input, p: float = 0.5, training: bool = False, inplace: bool = False):
    """``alpha_dropout`` of whole channels.

    Args:
        p: probability of a channel to be dropped.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: (N, C, *), the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.feature_alpha_dropout(flambeau.ones(1, 3), 0.5, training=False)
        tensor([[1., 1., 1.]])
    """
    if _overridden(input):
        return handle_torch_function(
            feature_alpha_dropout, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if inplace:
        return flambeau.feature_alpha_dropout_(input, p, training)
    return flambeau.feature_alpha_dropout(input, p, training)


def _of_channels(input, p: float, training: bool, inplace: bool, ndim: int):
    """Dropout of channels; an input of fewer dimensions than ``ndim`` has no batch."""
    alone = input.dim() < ndim
    if inplace:
        made = flambeau.feature_dropout_(input.unsqueeze_(0) if alone else input, p, training)
        return made.squeeze_(0) if alone else made
    made = flambeau.feature_dropout(input.unsqueeze(0) if alone else input, p, training)
    return made.squeeze(0) if alone else made


def dropout1d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero whole channels, which are sequences, with probability ``p`` and scale the others by
    ``1 / (1 - p)``.

    Args:
        p: probability of a channel to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: (N, C, L) or (C, L), the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout1d(flambeau.ones(1, 2, 1), 1.0).flatten()
        tensor([0., 0.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout1d, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input: channels of "
            "one dimension, with or without a batch. Use dropout for other inputs"
        )
    return _of_channels(input, p, training, inplace, 3)


def dropout2d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero whole channels, which are planes, with probability ``p`` and scale the others by
    ``1 / (1 - p)``.

    Args:
        p: probability of a channel to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: (N, C, H, W) or (N, C, L), the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout2d(flambeau.ones(1, 2, 1, 1), 1.0).flatten()
        tensor([0., 0.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout2d, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and "
            "will be an error; use dropout instead, which does the same. dropout2d is for channels "
            "of two dimensions, with a batch.",
            stacklevel=2,
        )
    if input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and took it as (N, C, L), as dropout1d "
            "does. It will be taken as (C, H, W) one day; use dropout1d to keep this.",
            stacklevel=2,
        )
    return _of_channels(input, p, training, inplace, 0)


def dropout3d(input, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Zero whole channels, which are volumes, with probability ``p`` and scale the others by
    ``1 / (1 - p)``.

    Args:
        p: probability of a channel to be zeroed.
        training: whether to drop anything.
        inplace: whether to work in ``input`` itself.

    Shape:
        - input, output: (N, C, D, H, W) or (C, D, H, W), the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.dropout3d(flambeau.ones(1, 2, 1, 1, 1), 1.0).flatten()
        tensor([0., 0.])
    """
    if _overridden(input):
        return handle_torch_function(
            dropout3d, (input,), input, p=p, training=training, inplace=inplace
        )
    _check(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated and "
            "will be an error; use dropout instead, which does the same. dropout3d is for channels "
            "of three dimensions, with or without a batch.",
            stacklevel=2,
        )
    alone = input.dim() != 5
    return _of_channels(input, p, training, inplace, input.dim() + 1 if alone else 5)
