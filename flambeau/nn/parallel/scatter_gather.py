"""Parts of a batch on accelerators, and back."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["gather", "parallel_apply", "replicate", "scatter"]


def _refuse(function: str) -> NoReturn:
    raise RuntimeError(
        f"parallel.{function}: Cannot access accelerator device when none is available. Ask "
        "flambeau.accelerator.is_available() first."
    )


def replicate(network, devices, detach: bool = False):
    """Raises: copies of a module go to accelerators, and there are none.

    Args:
        network, devices, detach: what to copy, where to, and whether apart from the graph.

    Shape:
        - no tensors.

    Example::

        >>> replicate(None, [0])
        Traceback (most recent call last):
        RuntimeError: parallel.replicate: Cannot access accelerator device when none is available...
    """
    _refuse("replicate")


def scatter(inputs, target_gpus, dim: int = 0):
    """Raises: parts of a batch go to accelerators, and there are none.

    Args:
        inputs, target_gpus, dim: what to divide, among which, along which dimension.

    Shape:
        - inputs: any.

    Example::

        >>> scatter(None, [0])
        Traceback (most recent call last):
        RuntimeError: parallel.scatter: Cannot access accelerator device when none is available...
    """
    _refuse("scatter")


def gather(outputs, target_device, dim: int = 0):
    """Raises: parts of a batch come from accelerators, and there are none.

    Args:
        outputs, target_device, dim: what to put together, where, along which dimension.

    Shape:
        - outputs: any.

    Example::

        >>> gather([], 0)
        Traceback (most recent call last):
        RuntimeError: parallel.gather: Cannot access accelerator device when none is available...
    """
    _refuse("gather")


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """Raises: modules are called at once on accelerators, and there are none.

    Args:
        modules, inputs, kwargs_tup, devices: what to call, with what, where.

    Shape:
        - inputs: as of the modules.

    Example::

        >>> parallel_apply([], [])
        Traceback (most recent call last):
        RuntimeError: parallel.parallel_apply: Cannot access accelerator device when none is ...
    """
    _refuse("parallel_apply")
