"""Gradients that are too large."""

from __future__ import annotations

import types
import warnings

import flambeau

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _listed(tensors) -> list:
    return [tensors] if isinstance(tensors, flambeau.Tensor) else list(tensors)


def _refuse_foreach(name: str, tensors: list, foreach) -> None:
    for tensor in tensors if foreach else ():
        if not tensor.is_cpu:
            raise RuntimeError(
                f"{name}: foreach=True was passed, but can't use the foreach API on "
                f"{tensor.device.type} tensors"
            )


@flambeau.no_grad()
def get_total_norm(
    tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
):
    """The norm of tensors as if they were one vector.

    Args:
        tensors: a tensor, or any number of them.
        norm_type: order of the norm; ``inf`` for the largest element.
        error_if_nonfinite: raise where it is NaN or infinite.
        foreach: gives the same; ``True`` is refused for tensors of other devices than the CPU.

    Shape:
        - tensors: any; the result has no dimensions.

    Example::

        >>> import flambeau
        >>> get_total_norm([flambeau.tensor([3.0]), flambeau.tensor([4.0])])
        tensor(5.)
    """
    tensors = _listed(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return flambeau.tensor(0.0)
    _refuse_foreach("get_total_norm", tensors, foreach)
    norms = [flambeau.linalg.vector_norm(t, norm_type).to(tensors[0].device) for t in tensors]
    # Tensors of different dtypes are joined in the widest.
    kind = norms[0].dtype
    for norm in norms[1:]:
        kind = flambeau.promote_types(kind, norm.dtype)
    joined = flambeau.stack([norm.to(kind) for norm in norms])
    total = flambeau.linalg.vector_norm(joined, norm_type)
    if error_if_nonfinite and not bool(flambeau.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To scale by it anyway, set `error_if_nonfinite=False`"
        )
    return total


@flambeau.no_grad()
def clip_grads_with_norm_(parameters, max_norm: float, total_norm, foreach: bool | None = None):
    """Scale gradients down, in place, so that a norm of ``total_norm`` becomes ``max_norm``.

    Args:
        parameters: a tensor, or any number of them, with gradients.
        max_norm: the largest norm.
        total_norm: the norm of all gradients, as `get_total_norm` gives it.
        foreach: gives the same; ``True`` is refused for tensors of other devices than the CPU.

    Shape:
        - parameters: any; total_norm: one element.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> (w * 4).sum().backward()
        >>> clip_grads_with_norm_(w, 1.0, flambeau.tensor(4.0))
        >>> w.grad
        tensor([1.0000])
    """
    grads = [p.grad for p in _listed(parameters) if p.grad is not None]
    if not grads:
        return
    _refuse_foreach("clip_grads_with_norm_", grads, foreach)
    factor = flambeau.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
    for grad in grads:
        grad.mul_(factor.to(grad.device))


@flambeau.no_grad()
def clip_grad_norm_(
    parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """Scale gradients down, in place, so that their norm as one vector is at most ``max_norm``.

    Args:
        parameters: a tensor, or any number of them, with gradients.
        max_norm: the largest norm.
        norm_type: order of the norm; ``inf`` for the largest element.
        error_if_nonfinite: raise where the norm is NaN or infinite.
        foreach: gives the same; ``True`` is refused for tensors of other devices than the CPU.

    Shape:
        - parameters: any; the result, the norm before, has no dimensions.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> (w * 4).sum().backward()
        >>> clip_grad_norm_(w, 1.0)
        tensor(4.)
        >>> w.grad
        tensor([1.0000])
    """
    if not isinstance(parameters, flambeau.Tensor):
        generated = isinstance(parameters, types.GeneratorType)
        parameters = list(parameters)
        if generated and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                stacklevel=3,
            )
    parameters = _listed(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
):
    """The deprecated name of `clip_grad_norm_`.

    Args:
        parameters, max_norm, norm_type, error_if_nonfinite, foreach: as there.

    Shape:
        - as there.

    Example::

        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     clip_grad_norm([], 1.0)
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
def clip_grad_value_(parameters, clip_value: float, foreach: bool | None = None) -> None:
    """Bring each element of gradients between ``-clip_value`` and ``clip_value``, in place.

    Args:
        parameters: a tensor, or any number of them, with gradients.
        clip_value: the largest size of an element.
        foreach: gives the same; ``True`` is refused for tensors of other devices than the CPU.

    Shape:
        - parameters: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> (w * 4).sum().backward()
        >>> clip_grad_value_(w, 1.0)
        >>> w.grad
        tensor([1.])
    """
    bound = float(clip_value)
    grads = [p.grad for p in _listed(parameters) if p.grad is not None]
    _refuse_foreach("clip_grad_value_", grads, foreach)
    for grad in grads:
        grad.clamp_(-bound, bound)


# Names under which PyTorch has two of them too.
_get_total_norm, _clip_grads_with_norm_ = get_total_norm, clip_grads_with_norm_
