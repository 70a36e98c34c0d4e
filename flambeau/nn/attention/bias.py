"""Causal masks that are not made: attention knows which scores count."""

from __future__ import annotations

import enum

import flambeau

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(enum.IntEnum):
    """Where the diagonal of a causal mask that is not square ends.

    Example::

        >>> CausalVariant.UPPER_LEFT
        <CausalVariant.UPPER_LEFT: 1>
    """

    UPPER_LEFT = 1  # it begins in the upper left corner
    LOWER_RIGHT = 2  # it ends in the lower right corner


class CausalBias(flambeau.Tensor):  # type: ignore[misc]
    """A causal mask for `flambeau.nn.functional.scaled_dot_product_attention`, by its shape alone.

    Args:
        variant: where the diagonal is.
        seq_len_q, seq_len_kv: how many queries and keys there are.

    Shape:
        - (seq_len_q, seq_len_kv), once it is made.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> q = flambeau.ones(1, 1, 2, 4)
        >>> F.scaled_dot_product_attention(q, q, q, attn_mask=causal_upper_left(2, 2)).shape
        torch.Size([1, 1, 2, 4])
        >>> causal_lower_right(1, 2)
        tensor([[True, True]])
    """

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int):
        return flambeau.Tensor._make_subclass(cls, flambeau.empty(0), False)

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant)}")
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv

    def _materialize(self, device=None):
        """The mask as a tensor."""
        late = self.variant is CausalVariant.LOWER_RIGHT
        offset = self.seq_len_kv - self.seq_len_q if late else 0
        sizes = (self.seq_len_q, self.seq_len_kv)
        return flambeau.ones(sizes, device=device, dtype=flambeau.bool).tril(diagonal=offset)

    def __repr__(self) -> str:
        return repr(self._materialize())

    @staticmethod
    def _dispatch(
        query,
        key,
        value,
        attn_mask,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ):
        if is_causal:
            raise ValueError("CausalBias should not be used with causal=True")
        square = attn_mask.seq_len_q == attn_mask.seq_len_kv
        causal = square or attn_mask.variant is CausalVariant.UPPER_LEFT
        return flambeau.nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=None if causal else attn_mask._materialize(query.device),
            dropout_p=dropout_p,
            is_causal=causal,
            scale=scale,
            enable_gqa=enable_gqa,
        )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is flambeau.nn.functional.scaled_dot_product_attention:
            return cls._dispatch(*args, **kwargs)
        return super().__torch_function__(func, types, args, kwargs)


def causal_upper_left(*size: int) -> CausalBias:
    """The causal mask whose diagonal begins in the upper left corner: query i sees keys up to i.

    Args:
        size: how many queries and keys there are.

    Example::

        >>> causal_upper_left(2, 3)
        tensor([[ True, False, False],
                [ True,  True, False]])
    """
    return _of_size("causal_upper_left", CausalVariant.UPPER_LEFT, size)


def causal_lower_right(*size: int) -> CausalBias:
    """The causal mask whose diagonal ends in the lower right corner: the last query sees all keys.

    Args:
        size: how many queries and keys there are.

    Example::

        >>> causal_lower_right(2, 3)
        tensor([[ True,  True, False],
                [ True,  True,  True]])
    """
    return _of_size("causal_lower_right", CausalVariant.LOWER_RIGHT, size)


def _of_size(name: str, variant: CausalVariant, size) -> CausalBias:
    if len(size) != 2:
        raise AssertionError(f"{name} only supports 2D tensors, got {len(size)} sizes")
    return CausalBias(variant, *size)
