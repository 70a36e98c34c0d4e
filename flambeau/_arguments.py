"""What functions that are Python say of arguments that are not what they take."""

from __future__ import annotations

import flambeau

__all__ = ["integers", "need_tensor", "tensors"]


def need_tensor(function: str, value, name: str = "input", position: int = 1) -> None:
    if not isinstance(value, flambeau.Tensor):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Tensor, not "
            f"{type(value).__name__}"
        )


def tensors(function: str, values, name: str = "tensors") -> tuple:
    """A list of tensors as a tuple of its own."""
    if not isinstance(values, (list, tuple)):
        raise TypeError(
            f"{function}(): argument '{name}' (position 1) must be tuple of Tensors, not "
            f"{type(values).__name__}"
        )
    fixed = flambeau._C._fixed_tuple(values)
    for i, value in enumerate(fixed):
        if not isinstance(value, flambeau.Tensor):
            raise TypeError(
                f"{function}(): expected Tensor as element {i} in argument '{name}', but got "
                f"{type(value).__name__}"
            )
    return fixed


def integers(function: str, values, name: str, position: int) -> tuple:
    """A list of integers as a tuple of its own."""
    where = f"{function}(): argument '{name}' (position {position}) must be tuple of ints, "
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{where}not {type(values).__name__}")
    fixed = flambeau._C._fixed_tuple(values)
    for i, value in enumerate(fixed):
        several = isinstance(value, flambeau.Tensor) and (
            value.numel() != 1 or value.is_floating_point() or value.is_complex()
        )
        if several or not hasattr(value, "__index__"):
            raise TypeError(f"{where}but found element of type {type(value).__name__} at pos {i}")
    return fixed
