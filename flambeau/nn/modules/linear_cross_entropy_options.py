"""How ``linear_cross_entropy`` splits its work."""

from __future__ import annotations

import dataclasses

import flambeau

__all__ = ["LinearCrossEntropyOptions"]


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Asks ``linear_cross_entropy`` to keep the scores of a chunk of the batch at a time.

    Args:
        allow_retain_graph: whether ``backward`` may be called again; it always may.
        batch_chunk_size: how many items a chunk has.
        chunking_method: ``"aspect_ratio"``, also with ``":2"`` and the like behind it, by which
            chunks are smaller; or ``"auto"``, or None for one chunk.
        acc_policy: ``"accurate"``, ``"balanced"``, ``"compact"`` or ``"auto"``; gradients of halves
            are added up in float32 for all.
        acc_dtype: the dtype in which gradients are added up.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LinearCrossEntropyOptions(batch_chunk_size=8).batch_chunk_size
        8
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: flambeau.dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            factor = factor if colon else "1"
            if name != "aspect_ratio" or not factor.isdigit() or int(factor) < 1:
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        floating = (flambeau.float16, flambeau.bfloat16, flambeau.float32, flambeau.float64)
        if self.acc_dtype is not None and self.acc_dtype not in floating:
            raise ValueError(
                f"acc_dtype must be None or a floating dtype, got {self.acc_dtype!r}: None lets "
                "the op choose"
            )

    def _size(self, items: int, features: int, classes: int, half: bool) -> int:
        """How many of the items a chunk has."""
        method = self.chunking_method
        if method == "auto":
            method = None if self.batch_chunk_size else "aspect_ratio" if half else "aspect_ratio:2"
        size = min(self.batch_chunk_size or items, items)
        if method is not None:
            rows = -(-items // -(-classes // features))
            found = min((1 << (rows - 1).bit_length()) // int(method.partition(":")[2] or 1), items)
            if self.batch_chunk_size not in (None, found):
                raise ValueError(
                    f"batch_chunk_size (={self.batch_chunk_size}) and chunking_method ('{method}') "
                    f"give different chunk sizes ({self.batch_chunk_size} vs {found}); pass only "
                    "one."
                )
            size = found
        return max(1, size)
