"""Layers without initial values."""

from __future__ import annotations

import inspect

import flambeau

__all__ = ["skip_init"]


def skip_init(module_cls, *args, **kwargs):
    """A layer whose parameters hold whatever was in memory.

    Args:
        module_cls: the class of the layer, which takes ``device``.
        args, kwargs: its arguments.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> skip_init(flambeau.nn.Linear, 5, 1).weight.shape
        torch.Size([1, 5])
    """
    if not issubclass(module_cls, flambeau.nn.Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=device)
