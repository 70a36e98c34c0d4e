"""Attention with several heads."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .linear import Linear
from .module import Module

__all__ = ["MultiheadAttention"]


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` that quantisation leaves alone when it is part of a layer.

    Args:
        in_features, out_features, bias, device, dtype: as of `Linear`.

    Shape:
        - as of `Linear`.

    Example::

        >>> import flambeau
        >>> NonDynamicallyQuantizableLinear(2, 3)(flambeau.zeros(1, 2)).shape
        torch.Size([1, 3])
    """


class MultiheadAttention(Module):
    """Projects query, key and value, attends with several heads, and projects the result.

    Args:
        embed_dim: size of a query, and of the output.
        num_heads: how many heads it is divided into.
        dropout: probability of a weight to be zeroed in training.
        bias: whether the projections have biases.
        add_bias_kv: whether there is one more key and value, which are learned.
        add_zero_attn: whether there is one more key and value of zeros.
        kdim, vdim: sizes of a key and a value, ``embed_dim`` when None.
        batch_first: whether the batch is the first dimension, not the second.
        device, dtype: of the parameters.

    Shape:
        - query: (L, N, embed_dim), key: (S, N, kdim), value: (S, N, vdim); (N, L, embed_dim) and
          so on with ``batch_first``; without N for one sample.
        - key_padding_mask: (N, S); attn_mask: (L, S) or (N * num_heads, L, S). True, or minus
          infinity, where a score does not count; other numbers are added to the scores.
        - output: like query; weights: (N, L, S), or (N, num_heads, L, S) without
          ``average_attn_weights``, or None without ``need_weights``.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.MultiheadAttention(4, 2, batch_first=True)
        >>> x = flambeau.zeros(3, 5, 4)
        >>> output, weights = layer(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([3, 5, 4]), torch.Size([3, 5, 5]))
    """

    __constants__ = ["batch_first"]
    bias_k: flambeau.Tensor | None
    bias_v: flambeau.Tensor | None

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim=None,
        vdim=None,
        batch_first: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.embed_dim = embed_dim
        self.kdim = kdim if kdim is not None else embed_dim
        self.vdim = vdim if vdim is not None else embed_dim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")

        def parameter(*sizes):
            return Parameter(flambeau.empty(sizes, **options))

        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
            for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
                self.register_parameter(name, None)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **options)
        if add_bias_kv:
            self.bias_k = parameter(1, 1, embed_dim)
            self.bias_v = parameter(1, 1, embed_dim)
        else:
            self.bias_k = self.bias_v = None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
        if self.bias_v is not None:
            init.xavier_normal_(self.bias_v)

    def __setstate__(self, state) -> None:
        # Files of before 1.1 do not say so.
        state.setdefault("_qkv_same_embed_dim", True)
        super().__setstate__(state)

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights: bool = True,
        attn_mask=None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple:
        """Attend.

        Args:
            query, key, value: see the class.
            key_padding_mask: keys that do not count.
            need_weights: whether to give the weights too; without, attention goes by tiles.
            attn_mask: scores that do not count.
            average_attn_weights: whether weights are averaged over the heads.
            is_causal: a hint that ``attn_mask`` is the causal one.
        """
        batched = query.dim() == 3
        key_padding_mask = F._canonical_mask(
            key_padding_mask,
            "key_padding_mask",
            F._none_or_dtype(attn_mask),
            "attn_mask",
            query.dtype,
        )
        attn_mask = F._canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if self.batch_first and batched:
            # What is the same tensor stays the same: it is projected at once.
            turned = query.transpose(1, 0)
            k = turned if key is query else key.transpose(1, 0)
            value = k if value is key else value.transpose(1, 0)
            query, key = turned, k
        same = self._qkv_same_embed_dim
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not same,
            q_proj_weight=None if same else self.q_proj_weight,
            k_proj_weight=None if same else self.k_proj_weight,
            v_proj_weight=None if same else self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        if self.batch_first and batched:
            output = output.transpose(1, 0)
        return output, weights

    def merge_masks(self, attn_mask, key_padding_mask, query) -> tuple:
        """Both masks as one of (N, num_heads, L, S), and which it is: None, 0 (scores), 1 (keys) or
        2 (both)."""
        if key_padding_mask is not None and attn_mask is None:
            return key_padding_mask, 1
        if attn_mask is None:
            return None, None
        n, length = query.shape[:2]
        if attn_mask.dim() == 3:
            merged = attn_mask.view(n, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(n, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            by_head = key_padding_mask.view(n, 1, 1, length).expand(-1, self.num_heads, -1, -1)
            merged = merged + by_head
        return merged, 2


# Where programs and pickles look for them.
MultiheadAttention.__module__ = "flambeau.nn.modules.activation"
NonDynamicallyQuantizableLinear.__module__ = "flambeau.nn.modules.linear"
