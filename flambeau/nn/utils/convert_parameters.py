"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import flambeau

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _of_one_device(op: str, parameters: list) -> None:
    devices = {p.device for p in parameters}
    if len(devices) > 1:
        raise TypeError(
            f"{op}: Found two parameters on different devices, this is currently not supported: "
            + ", ".join(sorted(map(str, devices)))
        )


def parameters_to_vector(parameters: Iterable[flambeau.Tensor]) -> flambeau.Tensor:
    """All elements of the parameters, in their order.

    Shape:
        (the number of elements of all,); a copy, through which gradients flow.

    Example:
        >>> flambeau.nn.utils.parameters_to_vector([flambeau.ones(1, 2), flambeau.zeros(1)])
        tensor([1., 1., 0.])
    """
    listed = list(parameters)
    _of_one_device("parameters_to_vector", listed)
    return flambeau.cat([p.reshape(-1) for p in listed])


def vector_to_parameters(vec: flambeau.Tensor, parameters: Iterable[flambeau.Tensor]) -> None:
    """Gives the parameters the elements of ``vec``, in their order, as views of it.

    Shape:
        vec: at least as many elements as the parameters have; what is beyond them is left.

    Example:
        >>> p = flambeau.nn.Parameter(flambeau.zeros(1, 2))
        >>> flambeau.nn.utils.vector_to_parameters(flambeau.tensor([1., 2.]), [p])
        >>> p.tolist()
        [[1.0, 2.0]]
    """
    if not isinstance(vec, flambeau.Tensor):
        raise TypeError(
            f"vector_to_parameters: expected torch.Tensor, but got: {type(vec).__name__}"
        )
    listed = list(parameters)
    _of_one_device("vector_to_parameters", listed)
    wanted = sum(p.numel() for p in listed)
    if vec.dim() != 1 or vec.numel() < wanted:
        raise RuntimeError(
            f"vector_to_parameters: the parameters have {wanted} elements, and vec is of shape "
            f"{list(vec.shape)}"
        )
    at = 0
    for p in listed:
        p.data = vec[at : at + p.numel()].view_as(p).data
        at += p.numel()
