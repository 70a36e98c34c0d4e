"""Bounds on the gradients of a network: on their common norm, or on each element."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable

import flambeau

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _listed(parameters) -> list:
    """The tensors, of one or of an iterable, each of which is looked at once."""
    if isinstance(parameters, flambeau.Tensor):
        return [parameters]
    listed = list(parameters)
    if not listed and isinstance(parameters, types.GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur. It may have "
            "been used up before: call module.parameters() anew.",
            UserWarning,
            stacklevel=3,
        )
    return listed


def _grads_of(parameters: list) -> list:
    return [p.grad for p in parameters if p.grad is not None]


@flambeau.no_grad()
def get_total_norm(
    tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
):
    """The norm of all elements of all tensors together, as if they were one vector.

    Args:
        tensors: a tensor, or an iterable of tensors of any shapes.
        norm_type: the order; ``inf`` for the largest magnitude.
        error_if_nonfinite: raise RuntimeError where the norm is infinite or not a number.
        foreach: there is one way here, and the result is the same for any value.

    Shape:
        () of the dtype of the tensors, on the device of the first; 0. without tensors.

    Example:
        >>> flambeau.nn.utils.get_total_norm([flambeau.tensor([3.]), flambeau.tensor([[4.]])])
        tensor(5.)
    """
    listed = [tensors] if isinstance(tensors, flambeau.Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not listed:
        return flambeau.tensor(0.0)
    device = listed[0].device
    norms = [flambeau.linalg.vector_norm(t, norm_type).to(device) for t in listed]
    total = flambeau.linalg.vector_norm(flambeau.stack(norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"get_total_norm: The total norm of order {norm_type} for gradients from "
            "`parameters` is non-finite, so it cannot be clipped. To disable this error and scale "
            "the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@flambeau.no_grad()
def clip_grads_with_norm_(parameters, max_norm: float, total_norm, foreach: bool | None = None):
    """Scales the gradients in place by ``max_norm / (total_norm + 1e-6)``, if that is below 1.

    Args:
        parameters: a tensor or an iterable of tensors, of which those that have a gradient count.
        max_norm: the bound.
        total_norm: the norm that they have now, a tensor, from `get_total_norm`.
        foreach: there is one way here, and the result is the same for any value.

    Example:
        >>> p = flambeau.nn.Parameter(flambeau.zeros(2))
        >>> p.grad = flambeau.tensor([3., 4.])
        >>> flambeau.nn.utils.clip_grads_with_norm_(p, 1.0, flambeau.tensor(5.))
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    _scale(_grads_of(_listed(parameters)), max_norm, total_norm)


def _scale(grads: list, max_norm: float, total_norm) -> None:
    # No branch on the value, so that nothing has to be read back from a device.
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for g in grads:
        g.mul_(factor.to(g.device))


@flambeau.no_grad()
def clip_grad_norm_(
    parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """Scales all gradients in place by one number, such that their common norm is ``max_norm`` at
    most (Pascanu, Mikolov and Bengio, 2013), and returns the norm that they had.

    Args:
        parameters: a tensor or an iterable of tensors, of which those that have a gradient count.
        max_norm: the bound.
        norm_type: the order; ``inf`` for the largest magnitude.
        error_if_nonfinite: raise RuntimeError, and change nothing, where the norm is infinite or
            not a number.
        foreach: there is one way here, and the result is the same for any value.

    Example:
        >>> p = flambeau.nn.Parameter(flambeau.zeros(2))
        >>> p.grad = flambeau.tensor([3., 4.])
        >>> flambeau.nn.utils.clip_grad_norm_(p, 1.0), p.grad
        (tensor(5.), tensor([0.6000, 0.8000]))
    """
    grads = _grads_of(_listed(parameters))
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    _scale(grads, max_norm, total)
    return total


def clip_grad_norm(
    parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """The old name of `clip_grad_norm_`.

    Example:
        >>> flambeau.nn.utils.clip_grad_norm_([], 1.0)
        tensor(0.)
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@flambeau.no_grad()
def clip_grad_value_(
    parameters: flambeau.Tensor | Iterable, clip_value: float, foreach: bool | None = None
) -> None:
    """Brings each element of the gradients, in place, between ``-clip_value`` and ``clip_value``.

    Args:
        parameters: a tensor or an iterable of tensors, of which those that have a gradient count.
        clip_value: the bound of a magnitude.
        foreach: there is one way here, and the result is the same for any value.

    Example:
        >>> p = flambeau.nn.Parameter(flambeau.zeros(2))
        >>> p.grad = flambeau.tensor([0.5, -4.])
        >>> flambeau.nn.utils.clip_grad_value_(p, 1.0)
        >>> p.grad
        tensor([ 0.5000, -1.0000])
    """
    bound = float(clip_value)
    for g in _grads_of(_listed(parameters)):
        g.clamp_(-bound, bound)
