"""Networks: `Module`, layers, losses, and what they compute as functions."""

from . import attention, functional, init, modules, parallel, utils
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [*modules.__all__, "Buffer", "DataParallel", "Parameter", "UninitializedBuffer"]
__all__ += ["UninitializedParameter", "attention", "factory_kwargs", "functional", "init"]
__all__ += ["parallel", "utils"]


def factory_kwargs(kwargs):
    """What a layer's keyword arguments say of its new tensors: ``device``, ``dtype`` and
    ``memory_format``, also those in a ``factory_kwargs`` among them.

    Args:
        kwargs: the keyword arguments, or None.

    Shape:
        - no tensors.

    Example::

        >>> factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": "float32"}})
        {'dtype': 'float32', 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    simple = ("device", "dtype", "memory_format")
    if unexpected := kwargs.keys() - {*simple, "factory_kwargs"}:
        raise TypeError(f"factory_kwargs: unexpected kwargs {unexpected}")
    found = dict(kwargs.get("factory_kwargs", {}))
    for name in simple:
        if name in kwargs:
            if name in found:
                raise TypeError(
                    f"factory_kwargs: {name} specified twice, in **kwargs and in factory_kwargs"
                )
            found[name] = kwargs[name]
    return found
