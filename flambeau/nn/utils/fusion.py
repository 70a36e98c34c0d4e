"""Normalisation by known statistics as a part of the layer before it."""

from __future__ import annotations

import copy

import flambeau
from flambeau.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _check_eval(name: str, *modules) -> None:
    if any(module.training for module in modules):
        raise AssertionError(f"{name}: Fusion only for eval! Call eval() on both modules first.")


def fuse_conv_bn_eval(conv, bn, transpose: bool = False):
    """A convolution that does what ``conv`` and then ``bn`` do.

    Args:
        conv: the convolution, in evaluation mode.
        bn: the batch normalisation after it, in evaluation mode.
        transpose: whether ``conv`` is a transposed one.

    Shape:
        - as ``conv``'s.

    Example::

        >>> import flambeau
        >>> conv = flambeau.nn.Conv2d(1, 2, 1).eval()
        >>> bn = flambeau.nn.BatchNorm2d(2).eval()
        >>> x = flambeau.ones(1, 1, 2, 2)
        >>> bool(flambeau.allclose(fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6))
        True
    """
    _check_eval("fuse_conv_bn_eval", conv, bn)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("fuse_conv_bn_eval: bn has no running statistics to fuse")
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return fused


def fuse_conv_bn_weights(
    conv_w, conv_b, bn_rm, bn_rv, bn_eps: float, bn_w, bn_b, transpose: bool = False
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution with the normalisation after it.

    Args:
        conv_w, conv_b: weight and bias (or None) of the convolution.
        bn_rm, bn_rv: mean and variance.
        bn_eps: added to the variance.
        bn_w, bn_b: weight and bias (or None) of the normalisation.
        transpose: whether it is a transposed convolution.

    Shape:
        - conv_w: (out, in, ...), or (in, out, ...) of a transposed one; others: (out).

    Example::

        >>> import flambeau
        >>> one, two = flambeau.ones(1), flambeau.full((1,), 2.0)
        >>> fuse_conv_bn_weights(flambeau.ones(1, 1), None, one, one, 0.0, two, None)[1].detach()
        tensor([-2.])
    """
    bias = flambeau.zeros_like(bn_rm) if conv_b is None else conv_b
    scale = flambeau.rsqrt(bn_rv + bn_eps)
    if bn_w is not None:
        scale = scale * bn_w
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
    shift = (bias - bn_rm) * scale
    if bn_b is not None:
        shift = shift + bn_b
    bias_grad = conv_w.requires_grad if conv_b is None else conv_b.requires_grad
    return (
        Parameter(weight.detach(), conv_w.requires_grad),
        Parameter(shift.to(bias.dtype).detach(), bias_grad),
    )


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what ``linear`` and then ``bn`` do.

    Args:
        linear: the layer, in evaluation mode.
        bn: the batch normalisation after it, in evaluation mode.

    Shape:
        - as ``linear``'s.

    Example::

        >>> import flambeau
        >>> linear, bn = flambeau.nn.Linear(2, 3).eval(), flambeau.nn.BatchNorm1d(3).eval()
        >>> x = flambeau.ones(1, 2)
        >>> bool(flambeau.allclose(fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6))
        True
    """
    _check_eval("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, but they "
            f"are {linear.out_features} and {bn.num_features}"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("fuse_linear_bn_eval: bn has no running statistics to fuse")
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w, linear_b, bn_rm, bn_rv, bn_eps: float, bn_w, bn_b
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer with the normalisation after it.

    Args:
        linear_w, linear_b: weight and bias (or None) of the layer.
        bn_rm, bn_rv: mean and variance.
        bn_eps: added to the variance.
        bn_w, bn_b: weight and bias of the normalisation.

    Shape:
        - linear_w: (out, in); others: (out).

    Example::

        >>> import flambeau
        >>> one, two = flambeau.ones(1), flambeau.full((1,), 2.0)
        >>> fuse_linear_bn_weights(flambeau.ones(1, 1), None, one, one, 0.0, two, one)[1].detach()
        tensor([-1.])
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
