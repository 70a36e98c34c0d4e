"""Centring and scaling."""

from __future__ import annotations

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
]


def layer_norm(input, normalized_shape, weight=None, bias=None, eps: float = 1e-5):
    """Centre and scale over the last dimensions, then apply ``weight`` and ``bias``.

    Args:
        normalized_shape: sizes of the dimensions to normalise over, the last ones of ``input``.
        weight, bias: factor and summand for each element of these dimensions.
        eps: added to the variance.

    Shape:
        - input, output: (*, normalized_shape).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.layer_norm(flambeau.tensor([[1.0, 3.0]]), (2,))
        tensor([[-1.0000,  1.0000]])
    """
    if _overridden_in((input, weight, bias)):
        return handle_torch_function(
            layer_norm,
            (input, weight, bias),
            input,
            normalized_shape,
            weight=weight,
            bias=bias,
            eps=eps,
        )
    return flambeau.layer_norm(input, normalized_shape, weight, bias, eps)


def _check_several(size, skipped: int) -> None:
    """In training there have to be several values of what is normalised: of one, the deviation is
    0."""
    total = 1
    for d, n in enumerate(size):
        total *= 1 if d == 1 or d < skipped else n
    if total == 1:
        per = "value per channel" if skipped == 0 else "spatial element"
        raise ValueError(
            f"Expected more than 1 {per} when training, got input size {flambeau.Size(size)}"
        )


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """Centre and scale each channel over all samples, then apply ``weight`` and ``bias``.

    Args:
        running_mean, running_var: statistics of each channel, used outside of ``training``; in
            training they move towards those of the input, in place. None: there are none.
        weight, bias: factor and summand for each channel.
        training: whether to use the statistics of the input.
        momentum: how far the running statistics move.
        eps: added to the variance.

    Shape:
        - input, output: (N, C, *); everything else: (C).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.batch_norm(flambeau.tensor([[1.0], [3.0]]), None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    relevant = (input, running_mean, running_var, weight, bias)
    if _overridden_in(relevant):
        return handle_torch_function(
            batch_norm,
            relevant,
            input,
            running_mean,
            running_var,
            weight=weight,
            bias=bias,
            training=training,
            momentum=momentum,
            eps=eps,
        )
    if training:
        _check_several(input.size(), 0)
        if eps <= 0.0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return flambeau.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, True
    )


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
):
    """Centre and scale each channel of each sample by itself, then apply ``weight`` and ``bias``.

    Args:
        running_mean, running_var: statistics of each channel, used without ``use_input_stats``;
            else they move towards the samples' average, in place. None: there are none.
        weight, bias: factor and summand for each channel.
        use_input_stats: whether to use the statistics of the input.
        momentum: how far the running statistics move.
        eps: added to the variance.

    Shape:
        - input, output: (N, C, *); everything else: (C).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.instance_norm(flambeau.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """
    relevant = (input, running_mean, running_var, weight, bias)
    if _overridden_in(relevant):
        return handle_torch_function(
            instance_norm,
            relevant,
            input,
            running_mean=running_mean,
            running_var=running_var,
            weight=weight,
            bias=bias,
            use_input_stats=use_input_stats,
            momentum=momentum,
            eps=eps,
        )
    if use_input_stats:
        _check_several(input.size(), 2)
    return flambeau.instance_norm(
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True
    )


def group_norm(input, num_groups: int, weight=None, bias=None, eps: float = 1e-5):
    """Centre and scale groups of the channels of each sample, then apply ``weight`` and ``bias``.

    Args:
        num_groups: how many groups there are; it divides the number of channels.
        weight, bias: factor and summand for each channel.
        eps: added to the variance.

    Shape:
        - input, output: (N, C, *); weight, bias: (C).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.group_norm(flambeau.tensor([[1.0, 3.0]]), 1)
        tensor([[-1.0000,  1.0000]])
    """
    if _overridden_in((input, weight, bias)):
        return handle_torch_function(
            group_norm,
            (input, weight, bias),
            input,
            num_groups,
            weight=weight,
            bias=bias,
            eps=eps,
        )
    size = input.size()
    if len(size) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {size}")
    groups = (size[0] * size[1] // num_groups, num_groups)
    if groups[0] * _product(size[2:]) == 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"{flambeau.Size((*groups, *size[2:]))}"
        )
    return flambeau.group_norm(input, num_groups, weight, bias, eps, True)


def _product(sizes) -> int:
    total = 1
    for n in sizes:
        total *= n
    return total


def rms_norm(input, normalized_shape, weight=None, eps: float | None = None):
    """Divide by the root of the mean square over the last dimensions, then apply ``weight``.

    Args:
        normalized_shape: sizes of the dimensions to normalise over, the last ones of ``input``.
        weight: factor for each element of these dimensions.
        eps: added to the mean square; the dtype's epsilon when None.

    Shape:
        - input, output: (*, normalized_shape).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.rms_norm(flambeau.tensor([[1.0, 7.0]]), (2,))
        tensor([[0.2000, 1.4000]])
    """
    if _overridden_in((input, weight)):
        return handle_torch_function(
            rms_norm, (input, weight), input, normalized_shape, weight=weight, eps=eps
        )
    return flambeau.rms_norm(input, normalized_shape, weight, eps)


def local_response_norm(input, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
    """Divide each element by ``(k + alpha * mean) ** beta``, the mean of the squares at its place
    in ``size`` neighbouring channels.

    Args:
        size: how many channels are neighbours; those beyond the ends count as 0.
        alpha, beta, k: see above.

    Shape:
        - input, output: (N, C, *), 3 dimensions at least.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.local_response_norm(flambeau.ones(1, 3, 1), 3, alpha=3.0, beta=1.0)
        tensor([[[0.3333],
                 [0.2500],
                 [0.3333]]])
    """
    if _overridden_in((input,)):
        return handle_torch_function(
            local_response_norm, (input,), input, size, alpha=alpha, beta=beta, k=k
        )
    dim = input.dim()
    if dim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    squares = input.mul(input)
    border = [0, 0] * (dim - 2) + [size // 2, (size - 1) // 2]
    padded = flambeau.nn.functional.pad(squares, border)
    channels = input.size(1)
    total = padded.narrow(1, 0, channels)
    for i in range(1, size):
        total = total + padded.narrow(1, i, channels)
    if not input.is_floating_point() and not input.is_complex():
        return input / total.div(size, rounding_mode="trunc").mul(alpha).add(k).pow(beta)
    return input / total.div(size).mul(alpha).add(k).pow(beta)


def normalize(input, p: float = 2.0, dim=1, eps: float = 1e-12, out=None):
    """Divide by the norm along a dimension, or by ``eps`` where that is larger.

    Args:
        p: the exponent of the norm.
        dim: the dimension, or several.
        eps: the least divisor.
        out: where to put the result; it cannot be differentiated then.

    Shape:
        - input, output: any, the same.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.normalize(flambeau.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    if _overridden_in((input, out)):
        return handle_torch_function(normalize, (input, out), input, p=p, dim=dim, eps=eps, out=out)
    if not isinstance(input, flambeau.Tensor):
        raise AttributeError(f"normalize: a {type(input).__name__} has no norm: give a tensor")
    size = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / size if out is None else flambeau.div(input, size, out=out)
