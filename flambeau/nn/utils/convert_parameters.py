"""Parameters as one vector, and back."""

from __future__ import annotations

import flambeau

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _check_device(param, device):
    if device is not None and param.device != device:
        raise TypeError(
            f"Found two parameters on different devices, {device} and {param.device}: this is "
            "currently not supported."
        )
    return param.device


def parameters_to_vector(parameters):
    """The elements of all parameters, one after the other.

    Args:
        parameters: tensors of one device.

    Shape:
        - parameters: any; the result: (sum of their sizes).

    Example::

        >>> import flambeau
        >>> parameters_to_vector([flambeau.ones(2), flambeau.zeros(1, 1)])
        tensor([1., 1., 0.])
    """
    parts, device = [], None
    for param in parameters:
        device = _check_device(param, device)
        parts.append(param.view(-1))
    return flambeau.cat(parts)


def vector_to_parameters(vec, parameters) -> None:
    """Let parameters be views of the pieces of a vector.

    Args:
        vec: the vector.
        parameters: tensors, whose ``data`` are replaced.

    Shape:
        - vec: (at least the sum of the parameters' sizes).

    Example::

        >>> import flambeau
        >>> w = flambeau.zeros(2, 1, requires_grad=True)
        >>> vector_to_parameters(flambeau.tensor([1.0, 2.0]), [w])
        >>> w.detach().flatten()
        tensor([1., 2.])
    """
    if not isinstance(vec, flambeau.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    begin, device = 0, None
    for param in parameters:
        device = _check_device(param, device)
        end = begin + param.numel()
        param.data = vec[begin:end].view_as(param).data
        begin = end
