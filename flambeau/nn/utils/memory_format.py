"""Weights of convolutions in another order of memory."""

from __future__ import annotations

import flambeau

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module, memory_format):
    """Bring the weights of all two-dimensional convolutions inside ``module`` into a memory format.

    Args:
        module: a layer or network.
        memory_format: the format.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> conv = flambeau.nn.Conv2d(2, 2, 3)
        >>> _ = convert_conv2d_weight_memory_format(conv, flambeau.channels_last)
        >>> conv.weight.is_contiguous(memory_format=flambeau.channels_last)
        True
    """
    return _convert(module, memory_format, "Conv2d", "ConvTranspose2d")


def convert_conv3d_weight_memory_format(module, memory_format):
    """Bring the weights of all three-dimensional convolutions inside ``module`` into a memory
    format.

    Args:
        module: a layer or network.
        memory_format: the format.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> conv = flambeau.nn.Conv3d(2, 2, 3)
        >>> _ = convert_conv3d_weight_memory_format(conv, flambeau.channels_last_3d)
        >>> conv.weight.is_contiguous(memory_format=flambeau.channels_last_3d)
        True
    """
    return _convert(module, memory_format, "Conv3d", "ConvTranspose3d")


def _convert(module, memory_format, *names: str):
    kinds = tuple(getattr(flambeau.nn, name) for name in names)
    for layer in module.modules():
        if isinstance(layer, kinds):
            data = layer.weight.detach().clone(memory_format=flambeau.contiguous_format)
            layer.weight.data = data.contiguous(memory_format=memory_format)
    return module
