"""Layers that only change the shape."""

from __future__ import annotations

import flambeau

from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Makes one dimension of the dimensions ``start_dim`` to ``end_dim``.

    Shape:
        - input: (*, S_start, ..., S_end, *).
        - output: (*, product of S_start to S_end, *).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Flatten()(flambeau.zeros(32, 1, 5, 5)).shape
        torch.Size([32, 25])
    """

    __constants__ = ["start_dim", "end_dim"]
    start_dim: int
    end_dim: int

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions of one.

    Args:
        dim: the dimension to split.
        unflattened_size: the sizes of the new ones; one of them may be -1.

    Shape:
        - input: (*, S_dim, *).
        - output: (*, unflattened_size, *).

    Example::

        >>> import flambeau
        >>> flambeau.nn.Unflatten(1, (2, 5, 5))(flambeau.zeros(2, 50)).shape
        torch.Size([2, 2, 5, 5])
    """

    __constants__ = ["dim", "unflattened_size"]
    dim: int
    unflattened_size: tuple[int, ...]

    def __init__(self, dim: int, unflattened_size) -> None:
        super().__init__()
        if isinstance(dim, str):
            raise NotImplementedError("Unflatten: dim must be an int; named dimensions are not.")
        self._require_tuple_int(unflattened_size)
        self.dim = dim
        self.unflattened_size = unflattened_size

    def _require_tuple_int(self, input) -> None:
        if not isinstance(input, (tuple, list)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type " + type(input).__name__
            )
        for i, size in enumerate(input):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {i}"
                )

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
