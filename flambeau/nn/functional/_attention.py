"""Attention."""

from __future__ import annotations

import math
import warnings

import flambeau
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

from ._dropout import dropout
from ._linear import linear

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]

scaled_dot_product_attention = flambeau._C._nn.scaled_dot_product_attention


def _canonical_mask(
    mask, mask_name: str, other_type, other_name: str, target_type, check_other: bool = True
):
    """A mask as what is added to scores: minus infinity where a bool mask is True."""
    if mask is None:
        return None
    floating = mask.is_floating_point()
    if mask.dtype != flambeau.bool and not floating:
        raise AssertionError(
            f"only bool and floating types of {mask_name} are supported, got {mask.dtype}"
        )
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type "
            "for both instead.",
            stacklevel=3,
        )
    if floating:
        return mask
    return flambeau.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _none_or_dtype(input):
    if input is None or isinstance(input, flambeau.Tensor):
        return None if input is None else input.dtype
    raise RuntimeError(f"input must be None or a Tensor, got {type(input).__name__}")


def _in_projection_packed(q, k, v, w, b):
    """Queries, keys and values by one weight, of which each has a third; what is the same tensor
    is multiplied once."""
    e = q.size(-1)
    if k is not v:
        biases = (None, None, None) if b is None else b.chunk(3)
        return tuple(map(linear, (q, k, v), w.chunk(3), biases))
    if q is k:
        return _parts(linear(q, w, b), 3)
    b_q, b_kv = (None, None) if b is None else b.split([e, e * 2])
    w_q, w_kv = w.split([e, e * 2])
    return (linear(q, w_q, b_q), *_parts(linear(k, w_kv, b_kv), 2))


def _parts(projected, n: int) -> tuple:
    """The ``n`` parts of the last dimension, each contiguous."""
    split = projected.unflatten(-1, (n, projected.size(-1) // n)).unsqueeze(0)
    stacked = split.transpose(0, -2).squeeze(-2).contiguous()
    return tuple(stacked[i] for i in range(n))


def _in_projection(q, k, v, w_q, w_k, w_v, b_q=None, b_k=None, b_v=None):
    """Queries, keys and values, each by a weight of its own."""
    e = q.size(-1)
    for name, w, wanted in (("q", w_q, e), ("k", w_k, k.size(-1)), ("v", w_v, v.size(-1))):
        if tuple(w.shape) != (e, wanted):
            raise AssertionError(
                f"expecting {name} weights shape of {(e, wanted)}, but got {w.shape}"
            )
    return linear(q, w_q, b_q), linear(k, w_k, b_k), linear(v, w_v, b_v)


def _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads: int) -> bool:
    """Whether the input is batched."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    batched = dims == 3
    kind = "batched" if batched else "unbatched"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {kind} (`{dims}-D`) `query`, expected `key` and `value` to be `{dims}-D` but "
            f"found {key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {kind} (`{dims}-D`) `query`, expected `key_padding_mask` to be `None` or "
            f"`{dims - 1}-D` but found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.dim() not in (2, 3):
            raise AssertionError(
                f"For {kind} (`{dims}-D`) `query`, expected `attn_mask` to be `None`, `2-D` or "
                f"`3-D` but found {attn_mask.dim()}-D tensor instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if not batched and attn_mask.dim() == 3 and tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {attn_mask.shape}"
            )
    return batched


def _checked_mask(attn_mask, target: int, source: int, heads: int):
    """A mask with a dimension for all heads of all samples, which may be 1."""
    if attn_mask.dim() == 2:
        wanted: tuple[int, ...] = (target, source)
    elif attn_mask.dim() == 3:
        wanted = (heads, target, source)
    else:
        raise RuntimeError(
            f"multi_head_attention_forward: attn_mask's dimension {attn_mask.dim()} is not "
            "supported; give (L, S) or (N * num_heads, L, S)"
        )
    if tuple(attn_mask.shape) != wanted:
        raise RuntimeError(
            f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, but should be "
            f"{wanted}."
        )
    return attn_mask.unsqueeze(0) if attn_mask.dim() == 2 else attn_mask


def _given_heads(name: str, static, heads: int, head_dim: int):
    if static.size(0) != heads:
        raise AssertionError(f"expecting {name}.size(0) of {heads}, but got {static.size(0)}")
    if static.size(2) != head_dim:
        raise AssertionError(f"expecting {name}.size(2) of {head_dim}, but got {static.size(2)}")
    return static


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight,
    out_proj_bias,
    training: bool = True,
    key_padding_mask=None,
    need_weights: bool = True,
    attn_mask=None,
    use_separate_proj_weight: bool = False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
):
    """What `flambeau.nn.MultiheadAttention` computes; see there.

    Args:
        query, key, value: (L, N, E), (S, N, E) and (S, N, E), or without N.
        embed_dim_to_check: E.
        num_heads: how many heads E is divided into.
        in_proj_weight, in_proj_bias: of the projections of query, key and value, (3 E, E).
        bias_k, bias_v: one more key and value, (1, 1, E); None: none.
        add_zero_attn: whether there is one more key and value of zeros.
        dropout_p: probability of a weight to be zeroed in ``training``.
        out_proj_weight, out_proj_bias: of the projection of the result.
        key_padding_mask: keys that do not count (True), or what is added to their scores; (N, S).
        need_weights: whether the weights are given too.
        attn_mask: scores that do not count (True), or what is added; (L, S) or (N * num_heads, L,
            S).
        use_separate_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight: three weights in
            place of ``in_proj_weight``.
        static_k, static_v: projected keys and values in place of those of ``key`` and ``value``.
        average_attn_weights: whether weights are averaged over the heads.
        is_causal: a hint that ``attn_mask`` is the causal one.

    Shape:
        - output: (L, N, E), and weights (N, L, S) or (N, num_heads, L, S), or None.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x, w = flambeau.ones(1, 1, 2), flambeau.eye(2)
        >>> F.multi_head_attention_forward(
        ...     x, x, x, 2, 1, w.repeat(3, 1), None, None, None, False, 0.0, w, None)
        (tensor([[[1., 1.]]]), tensor([[[1.]]]))
    """
    tensors = (
        query,
        key,
        value,
        in_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        out_proj_weight,
        out_proj_bias,
    )
    if _overridden_in(tensors):
        return handle_torch_function(
            multi_head_attention_forward,
            tensors,
            query,
            key,
            value,
            embed_dim_to_check,
            num_heads,
            in_proj_weight,
            in_proj_bias,
            bias_k,
            bias_v,
            add_zero_attn,
            dropout_p,
            out_proj_weight,
            out_proj_bias,
            training=training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            is_causal=is_causal,
            use_separate_proj_weight=use_separate_proj_weight,
            q_proj_weight=q_proj_weight,
            k_proj_weight=k_proj_weight,
            v_proj_weight=v_proj_weight,
            static_k=static_k,
            static_v=static_v,
            average_attn_weights=average_attn_weights,
        )
    batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _batch_of_one(query, key, value)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    target, n, e = query.shape
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # attention itself knows which scores count
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False
    if e != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {e}"
        )
    head_dim = e // num_heads
    if head_dim * num_heads != e:
        raise AssertionError(f"embed_dim {e} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's "
                f"{value.shape[:2]}"
            )
        for name, w in (("q", q_proj_weight), ("k", k_proj_weight), ("v", v_proj_weight)):
            if w is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = _in_projection(
            query, key, value, q_proj_weight, k_proj_weight, v_proj_weight, *biases
        )
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)

    heads = n * num_heads
    if attn_mask is not None:
        attn_mask = _checked_mask(attn_mask, target, key.shape[0], heads)
    masks = [attn_mask, key_padding_mask]

    def one_more_key() -> None:
        for i, mask in enumerate(masks):
            if mask is not None:
                masks[i] = flambeau.nn.functional.pad(mask, (0, 1))

    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must be given together")
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = flambeau.cat([k, bias_k.repeat(1, n, 1)])
        v = flambeau.cat([v, bias_v.repeat(1, n, 1)])
        one_more_key()
    q = q.view(target, heads, head_dim).transpose(0, 1)
    if static_k is None:
        k = k.view(k.shape[0], heads, head_dim).transpose(0, 1)
    else:
        k = _given_heads("static_k", static_k, heads, head_dim)
    if static_v is None:
        v = v.view(v.shape[0], heads, head_dim).transpose(0, 1)
    else:
        v = _given_heads("static_v", static_v, heads, head_dim)
    if add_zero_attn:
        shape = (heads, 1, head_dim)
        k = flambeau.cat([k, flambeau.zeros(shape, dtype=k.dtype, device=k.device)], dim=1)
        v = flambeau.cat([v, flambeau.zeros(shape, dtype=v.dtype, device=v.device)], dim=1)
        one_more_key()
    attn_mask, key_padding_mask = masks
    source = k.size(1)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (n, source):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(n, source)}, but got "
                f"{key_padding_mask.shape}"
            )
        by_head = key_padding_mask.view(n, 1, 1, source).expand(-1, num_heads, -1, -1)
        by_head = by_head.reshape(heads, 1, source)
        attn_mask = by_head if attn_mask is None else attn_mask + by_head
    if not training:
        dropout_p = 0.0

    if need_weights:
        if is_causal and attn_mask is None:
            raise AssertionError("is_causal needs its mask where weights are wanted")
        q = q * math.sqrt(1.0 / float(head_dim))
        if attn_mask is not None:
            scores = flambeau.baddbmm(attn_mask, q, k.transpose(-2, -1))
        else:
            scores = flambeau.bmm(q, k.transpose(-2, -1))
        weights = scores.softmax(-1)
        if dropout_p > 0.0:
            weights = dropout(weights, p=dropout_p)
        made = flambeau.bmm(weights, v).transpose(0, 1).contiguous().view(target * n, e)
        output = linear(made, out_proj_weight, out_proj_bias)
        output = output.view(target, n, output.size(1))
        weights = weights.view(n, num_heads, target, source)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            return output.squeeze(1), weights.squeeze(0)
        return output, weights

    if attn_mask is not None:
        if attn_mask.size(0) == 1:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(n, num_heads, -1, source)
    q = q.view(n, num_heads, target, head_dim)
    k = k.view(n, num_heads, source, head_dim)
    v = v.view(n, num_heads, source, head_dim)
    made = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    made = made.permute(2, 0, 1, 3).contiguous().view(n * target, e)
    output = linear(made, out_proj_weight, out_proj_bias)
    output = output.view(target, n, output.size(1))
    return (output if batched else output.squeeze(1)), None


def _batch_of_one(query, key, value) -> tuple:
    """With a batch dimension; what is the same tensor stays the same."""
    q = query.unsqueeze(1)
    k = q if key is query else key.unsqueeze(1)
    return q, k, k if value is key else value.unsqueeze(1)
