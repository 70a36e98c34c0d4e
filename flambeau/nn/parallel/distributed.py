"""One model in many processes."""

from __future__ import annotations

from ..modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Averages gradients over processes, of which there has to be a group; this build has none.

    Args:
        module: the model.
        arguments, keywords: as in PyTorch.

    Shape:
        - as of ``module``.

    Example::

        >>> from flambeau import nn
        >>> nn.parallel.DistributedDataParallel(nn.Linear(2, 3))
        Traceback (most recent call last):
        ValueError: DistributedDataParallel: Default process group has not been initialized, ...
    """

    def __init__(self, module, *arguments, **keywords) -> None:
        super().__init__()
        raise ValueError(
            "DistributedDataParallel: Default process group has not been initialized, and this "
            "build has none. Ask flambeau.distributed.is_available() first."
        )
