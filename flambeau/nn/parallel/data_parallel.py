"""A batch divided among the accelerators of a machine."""

from __future__ import annotations

from ..modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Holds a module and calls it. PyTorch divides the batch among accelerators; without one, as
    here, it calls the module with the whole batch too.

    Args:
        module: what to call.
        device_ids, output_device: which accelerators; there are none.
        dim: the dimension of the batch.

    Shape:
        - as of ``module``.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> model = nn.DataParallel(nn.Linear(2, 3))
        >>> model(flambeau.ones(5, 2)).shape, list(model.state_dict())
        (torch.Size([5, 3]), ['module.weight', 'module.bias'])
    """

    def __init__(self, module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(
    module, inputs, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None
):
    """Call a module on parts of a batch, each on its accelerator.

    Args:
        module, inputs: what to call, with what.
        device_ids, output_device, dim, module_kwargs: how to divide it.

    Shape:
        - as of ``module``.

    Example::

        >>> from flambeau import nn
        >>> data_parallel(nn.Linear(2, 3), None)
        Traceback (most recent call last):
        RuntimeError: data_parallel: device type could not be determined: there is no accelerator...
    """
    raise RuntimeError(
        "data_parallel: device type could not be determined: there is no accelerator. Call the "
        "module, or use nn.DataParallel, which calls it."
    )
