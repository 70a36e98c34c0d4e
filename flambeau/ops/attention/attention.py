"""Scaled dot-product attention."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    count,
    dtype_name,
    dtypes,
    grad_to,
    same,
    show,
    strides_like,
)
from flambeau.ops.language import ops as language_ops
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, special, values

_QKV = "Tensor query, Tensor key, Tensor value"


@composite("_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", method=False)
def _safe_softmax(self, dim, dtype, ops):
    """Softmax that gives 0 where all of a line is minus infinity."""
    out = ops.softmax_int(self, dim, dtype)
    nothing = ops.all_dim(ops.eq_Scalar(self, -math.inf), dim, True)
    return ops.masked_fill_Scalar(out, nothing, 0)


_safe_softmax.samples(call(values(2, 3), 1), call(values(2, 3), 0), dtypes=FLOATING)
_safe_softmax.reference(special.softmax)
_safe_softmax.without("benchmark")


def by_heads(sizes, dtype):
    """An output (N, heads, L, E) that lies as (N, L, heads, E)."""
    n, h, length, e = sizes[0], sizes[1], sizes[2], sizes[3]
    return Spec([n, h, length, e], dtype, [length * h * e, e, h * e, 1])


def check_mask(op, mask, query, keys):
    """Broadcasts to the scores."""
    scores = [query.shape[0], query.shape[1], query.shape[2], keys]
    ahead = 4 - mask.dim()
    fits = ahead >= 0
    for d in range(mask.dim()):
        if ahead >= 0 and mask.shape[d] != 1 and mask.shape[d] != scores[ahead + d]:
            fits = False
    if not fits:
        raise Error(
            f"{op}: attn_mask of shape {show(mask.shape)} does not broadcast to the scores, "
            f"{show(scores)}"
        )
    if mask.dtype != dtypes.bool and mask.dtype != query.dtype and mask.dtype != dtypes.float32:
        raise Error(
            f"{op}: Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {dtype_name(mask.dtype)} and query.dtype: {dtype_name(query.dtype)}"
        )


def check_attention(op, query, key, value, attn_mask, dropout_p):
    q, k, v = query.shape, key.shape, value.shape
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise Error(
            f"{op}: query, key and value must be (N, heads, L, E), got shapes {show(q)}, {show(k)} "
            f"and {show(v)}"
        )
    if not query.is_floating_point():
        raise NotImplementedError(
            f"{op}: not implemented for '{dtype_name(query.dtype)}': convert with "
            ".to(torch.float32)"
        )
    if key.dtype != query.dtype or value.dtype != query.dtype:
        raise Error(
            f"{op}: Expected query, key, and value to have the same dtype, but got "
            f"{dtype_name(query.dtype)}, {dtype_name(key.dtype)} and {dtype_name(value.dtype)}"
        )
    fits = q[0] == k[0] and q[0] == v[0] and k[1] == v[1] and k[2] == v[2] and q[3] == k[3]
    if not fits or k[1] == 0 or q[1] % k[1] != 0:
        raise Error(
            f"{op}: query {show(q)}, key {show(k)} and value {show(v)} do not fit each other: "
            "they need one batch size, keys as wide as queries, as many values as keys, and heads "
            "of which each key's serves as many queries'"
        )
    if attn_mask is not None:
        check_mask(op, attn_mask, query, k[2])
    if dropout_p != 0:
        raise Error(
            f"{op}: Currently do not support dropout > 0, got {dropout_p:g}: use "
            "scaled_dot_product_attention"
        )


def sum_dtype(query):
    return dtypes.float64 if query.dtype == dtypes.float64 else dtypes.float32


@structured(
    f"_scaled_dot_product_flash_attention_for_cpu({_QKV}, float dropout_p=0.0, "
    "bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None)"
    " -> (Tensor output, Tensor logsumexp)",
    cpu="_scaled_dot_product_flash_attention_for_cpu",
    method=False,
    differentiable=(0,),
)
def _scaled_dot_product_flash_attention_for_cpu():
    """Attention by tiles (Dao et al., 2022), and the logarithm of each row's sum of exponentials.

    A row whose scores are all masked gives 0.
    """


_scaled_dot_product_flash_attention_for_cpu.samples(
    call(values(1, 2, 3, 4), values(1, 2, 5, 4), values(1, 2, 5, 4)),
    call(values(1, 2, 3, 4), values(1, 1, 3, 4), values(1, 1, 3, 2), 0.0, True, scale=0.3),
    call(
        values(2, 1, 2, 4),
        values(2, 1, 3, 4),
        values(2, 1, 3, 4),
        attn_mask=values(2, 3, constant=True, dtype="float32"),
    ),
    dtypes=FLOATING,
)
_scaled_dot_product_flash_attention_for_cpu.without("decomposition", "sharding")
_scaled_dot_product_flash_attention_for_cpu.autocast("lower")
_scaled_dot_product_flash_attention_for_cpu.benchmark(
    call(values(4, 8, 512, 64), values(4, 8, 512, 64), values(4, 8, 512, 64), 0.0, True)
)


@_scaled_dot_product_flash_attention_for_cpu.flops
def _(query, key, value):
    scores = math.prod(query.shape[:3]) * key.shape[2]
    return 2 * scores * (query.shape[3] + value.shape[3])


@_scaled_dot_product_flash_attention_for_cpu.rule
def _(query, key, value, dropout_p, attn_mask):
    check_attention(
        "scaled_dot_product_flash_attention_for_cpu", query, key, value, attn_mask, dropout_p
    )
    n, h, length = query.shape[0], query.shape[1], query.shape[2]
    logs = Spec([n, h, length], sum_dtype(query), [length * h, 1, h])
    if value.shape[3] == query.shape[3] and query.stride()[3] == 1:
        return Spec(query.shape, query.dtype, strides_like(query)), logs
    return Spec([n, h, length, value.shape[3]], query.dtype), logs


def folded_mask(b, mask, items):
    """A mask for all items, whose samples follow each other."""
    if mask is None:
        return None
    if not mask.batched and (mask.rank < 4 or mask.shape[0] == 1):
        return mask.value
    wide = b.spread(mask, 4)
    return wide.expand(b.size, items, *wide.shape[2:]).flatten(0, 1)


@_scaled_dot_product_flash_attention_for_cpu.batching
def _(b, query, key, value, dropout_p, is_causal, attn_mask, scale):
    mask = folded_mask(b, attn_mask, query.shape[0])

    def attend(*given):
        return b.op(*given, dropout_p, is_causal, attn_mask=mask, scale=scale)

    return b.folded(attend, 4, query, key, value)


def default_scale(query, scale):
    if scale is not None:
        return float(scale)
    if query.shape[-1] == 0:
        return 1.0
    return math.pow(float(query.shape[-1]), -0.5)


def turned(t, ops):
    return ops.transpose_int(t, -2, -1)


def for_queries(t, heads, ops):
    """Keys or values, repeated for each head of the queries."""
    h = t.dim() - 3
    have = t.shape[h]
    if have == heads:
        return t
    ahead = list(t.shape[:h])
    behind = list(t.shape[h + 1 :])
    wide = ops.expand(ops.unsqueeze(t, h + 1), ahead + [have, heads // have] + behind)
    return ops.reshape(wide, ahead + [heads] + behind)


def for_keys(t, heads, ops):
    """The gradient of what was repeated."""
    have = t.shape[1]
    if have == heads:
        return t
    n, length, e = t.shape[0], t.shape[2], t.shape[3]
    split = ops.reshape(t, [n, heads, have // heads, length, e])
    return ops.sum_dim_IntList(split, [2])


def mask_of_causal(query, keys, ops):
    """Whether the key is not after the query."""
    queries = query.shape[query.dim() - 2]
    return ops.tril(ops.ones([queries, keys], dtypes.bool, None, query.device))


def weights(query, key, attn_mask, is_causal, factor, ops):
    """Softmax of the scores of all queries and keys."""
    scores = ops.mul_Scalar(ops.matmul(query, turned(key, ops)), factor)
    if is_causal:
        seen = mask_of_causal(query, key.shape[key.dim() - 2], ops)
        scores = ops.masked_fill_Scalar(scores, ops.logical_not(seen), -math.inf)
    if attn_mask is not None:
        if attn_mask.dtype == dtypes.bool:
            scores = ops.masked_fill_Scalar(scores, ops.logical_not(attn_mask), -math.inf)
        else:
            scores = scores + attn_mask
    return ops._safe_softmax(scores, -1)


@_scaled_dot_product_flash_attention_for_cpu.jvp
def _(t, query, key, value, is_causal, attn_mask, scale):
    heads, factor = query.shape[1], default_scale(query, scale)
    k, v = for_queries(key, heads, language_ops), for_queries(value, heads, language_ops)
    p = weights(query, k, attn_mask, is_causal, factor, language_ops)
    to_key = for_queries(t.get("key"), heads, language_ops)
    moved = (t.get("query") @ k.mT + query @ to_key.mT) * factor
    if attn_mask is not None and attn_mask.is_floating_point():
        moved = moved + t.get("attn_mask")
    moved = p * (moved - (p * moved).sum(-1, True))
    return moved @ v + p @ for_queries(t.get("value"), heads, language_ops), None


@_scaled_dot_product_flash_attention_for_cpu.gradient
def _(
    g,
    query,
    key,
    value,
    dropout_p,
    is_causal,
    attn_mask,
    scale,
    output,
    logsumexp,
    needs,
    ops,
):
    made = ops._scaled_dot_product_flash_attention_for_cpu_backward(
        g, query, key, value, output, logsumexp, dropout_p, is_causal, attn_mask, scale
    )
    to_mask = None
    if needs[3] and attn_mask is not None:
        # All scores at once, which only the gradient of a mask asks for.
        heads = query.shape[1]
        k = for_queries(key, heads, ops)
        p = weights(query, k, attn_mask, is_causal, default_scale(query, scale), ops)
        dp = ops.matmul(g, turned(for_queries(value, heads, ops), ops))
        ds = p * (dp - ops.sum_dim_IntList(dp * p, [-1], True))
        to_mask = grad_to(ds, attn_mask.shape, attn_mask.dtype, ops)
    return made[0], made[1], made[2], to_mask


@structured(
    f"_scaled_dot_product_flash_attention_for_cpu_backward(Tensor grad_out, {_QKV}, Tensor out, "
    "Tensor logsumexp, float dropout_p, bool is_causal, *, Tensor? attn_mask=None, "
    "float? scale=None) -> (Tensor grad_query, Tensor grad_key, Tensor grad_value)",
    cpu="_scaled_dot_product_flash_attention_for_cpu_backward",
    method=False,
)
def _scaled_dot_product_flash_attention_for_cpu_backward():
    """The gradients of attention: scores are computed again, tile by tile."""


_OUT = values(1, 2, 3, 4)
_scaled_dot_product_flash_attention_for_cpu_backward.samples(
    call(
        _OUT,
        values(1, 2, 3, 4),
        values(1, 1, 5, 4),
        values(1, 1, 5, 4),
        _OUT,
        values(1, 2, 3, low=2),
        0.0,
        False,
    ),
    dtypes=frozenset({"float32", "float64"}),
)
_scaled_dot_product_flash_attention_for_cpu_backward.without(
    "jvp", "decomposition", "sharding", "benchmark", "autocast"
)


@_scaled_dot_product_flash_attention_for_cpu_backward.flops
def _(query, key, value):
    scores = math.prod(query.shape[:3]) * key.shape[2]
    return 2 * scores * (3 * query.shape[3] + 2 * value.shape[3])


@_scaled_dot_product_flash_attention_for_cpu_backward.rule
def _(grad_out, query, key, value, out, logsumexp, dropout_p, attn_mask):
    op = "scaled_dot_product_flash_attention_for_cpu_backward"
    check_attention(op, query, key, value, attn_mask, dropout_p)
    made = [query.shape[0], query.shape[1], query.shape[2], value.shape[3]]
    if not same(grad_out.shape, made) or not same(out.shape, made):
        raise Error(
            f"{op}: grad_out {show(grad_out.shape)} and out {show(out.shape)} must have the shape "
            f"of the output, {show(made)}"
        )
    if not same(logsumexp.shape, made[:3]) or logsumexp.dtype != sum_dtype(query):
        raise Error(
            f"{op}: logsumexp must be {dtype_name(sum_dtype(query))} of shape {show(made[:3])}, "
            f"got {dtype_name(logsumexp.dtype)} of shape {show(logsumexp.shape)}"
        )
    return (
        by_heads(query.shape, query.dtype),
        by_heads(key.shape, key.dtype),
        by_heads(value.shape, value.dtype),
    )


@_scaled_dot_product_flash_attention_for_cpu_backward.batching
def _(
    b,
    grad_out,
    query,
    key,
    value,
    out,
    logsumexp,
    dropout_p,
    is_causal,
    attn_mask,
    scale,
):
    mask = folded_mask(b, attn_mask, query.shape[0])

    def back(*given):
        return b.op(*given, dropout_p, is_causal, attn_mask=mask, scale=scale)

    return b.folded(back, 4, grad_out, query, key, value, out, logsumexp)


@_scaled_dot_product_flash_attention_for_cpu_backward.gradient
def _(grads, grad_out, query, key, value, is_causal, attn_mask, scale, needs, ops):
    # With P = softmax(S): f = <dS, W> + <P, grad_out c^T> is differentiated, where a, b and c are
    # the gradients of the results, dS = P (dP - sum(P dP)), dP = grad_out V^T and
    # W = scale (a K^T + Q b^T).
    heads = query.shape[1]
    factor = default_scale(query, scale)
    k = for_queries(key, heads, ops)
    v = for_queries(value, heads, ops)
    p = weights(query, k, attn_mask, is_causal, factor, ops)
    dp = ops.matmul(grad_out, turned(v, ops))
    dot = ops.sum_dim_IntList(p * dp, [-1], True)
    ds = p * (dp - dot)
    w = ops.zeros_like(p)
    if grads[0] is not None:
        w = w + ops.mul_Scalar(ops.matmul(grads[0], turned(k, ops)), factor)
    if grads[1] is not None:
        moved = for_queries(grads[1], heads, ops)
        w = w + ops.mul_Scalar(ops.matmul(query, turned(moved, ops)), factor)
    mean = ops.sum_dim_IntList(p * w, [-1], True)
    r = p * (w - mean)
    to_p = (dp - dot) * w - dp * mean
    to_grad = ops.matmul(r, v)
    if grads[2] is not None:
        c = for_queries(grads[2], heads, ops)
        to_p = to_p + ops.matmul(grad_out, turned(c, ops))
        to_grad = to_grad + ops.matmul(p, c)
    to_scores = p * (to_p - ops.sum_dim_IntList(p * to_p, [-1], True))
    to_query = ops.mul_Scalar(ops.matmul(to_scores, k), factor)
    to_key = ops.mul_Scalar(ops.matmul(turned(to_scores, ops), query), factor)
    if grads[0] is not None:
        to_key = to_key + ops.mul_Scalar(ops.matmul(turned(ds, ops), grads[0]), factor)
    if grads[1] is not None:
        beside = for_queries(grads[1], heads, ops)
        to_query = to_query + ops.mul_Scalar(ops.matmul(ds, beside), factor)
    to_value = ops.matmul(turned(r, ops), grad_out)
    to_mask = None
    if needs[6] and attn_mask is not None:
        to_mask = grad_to(to_scores, attn_mask.shape, attn_mask.dtype, ops)
    return (
        to_grad,
        to_query,
        for_keys(to_key, key.shape[1], ops),
        for_keys(to_value, value.shape[1], ops),
        None,
        None,
        to_mask,
    )


@composite(
    f"_scaled_dot_product_attention_math({_QKV}, Tensor? attn_mask=None, float dropout_p=0.0, "
    "bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None, "
    "bool enable_gqa=False) -> (Tensor, Tensor)",
    method=False,
    tags=frozenset({"random"}),
)
def _scaled_dot_product_attention_math(
    query,
    key,
    value,
    attn_mask,
    dropout_p,
    is_causal,
    dropout_mask,
    scale,
    enable_gqa,
    ops,
):
    """Attention as the composition of its parts, and its weights.

    >>> x = flambeau.ones(1, 2, 3)
    >>> flambeau._scaled_dot_product_attention_math(x, x, x)[1]
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    if not query.is_floating_point():
        raise NotImplementedError(
            f"scaled_dot_product_attention: not implemented for '{dtype_name(query.dtype)}': "
            "convert with .to(torch.float32)"
        )
    if is_causal and attn_mask is not None:
        raise Error(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    if not 0 <= dropout_p <= 1:
        raise Error(
            "scaled_dot_product_attention: dropout probability has to be between 0 and 1, but "
            f"got {dropout_p:g}"
        )
    # Halves are computed in float32.
    half = query.dtype == dtypes.float16 or query.dtype == dtypes.bfloat16
    q, k, v = query, key, value
    if half:
        q = ops.to_dtype(query, dtypes.float32)
        k = ops.to_dtype(key, dtypes.float32)
        v = ops.to_dtype(value, dtypes.float32)
    if enable_gqa and query.dim() >= 3:
        h = query.dim() - 3
        have, found = key.shape[h], value.shape[h]
        wanted = query.shape[h]
        if have == 0 or found == 0 or wanted % have != 0 or wanted % found != 0:
            raise Error(
                "scaled_dot_product_attention: Number of heads in key and value must divide the "
                f"number of heads in query, got query {show(query.shape)}, key {show(key.shape)} "
                f"and value {show(value.shape)}"
            )
        k = for_queries(k, wanted, ops)
        v = for_queries(v, wanted, ops)
    factor = default_scale(query, scale)
    root = math.pow(abs(factor), 0.5)
    scores = ops.matmul(
        ops.mul_Scalar(q, -root if factor < 0 else root), ops.mul_Scalar(turned(k, ops), root)
    )
    masked = is_causal or attn_mask is not None
    if is_causal:
        seen = mask_of_causal(query, key.shape[key.dim() - 2], ops)
        scores = ops.masked_fill_Scalar(scores, ops.logical_not(seen), -math.inf)
    if attn_mask is not None:
        if attn_mask.dtype == dtypes.bool:
            scores = ops.masked_fill_Scalar(scores, ops.logical_not(attn_mask), -math.inf)
        else:
            scores = scores + attn_mask
    p = ops._safe_softmax(scores, -1) if masked else ops.softmax_int(scores, -1)
    if p.dtype != v.dtype:
        p = ops.to_dtype(p, v.dtype)
    if dropout_p > 0 and dropout_mask is not None:
        kept = ops.masked_fill_Scalar(p, ops.logical_not(dropout_mask), 0)
        # Of weights that are all dropped nothing is left, whatever the mask says.
        scaled = ops.mul_Scalar(v, 1.0 / (1.0 - dropout_p) if dropout_p < 1 else 0.0)
        made = ops.matmul(kept, scaled)
        return ops.to_dtype(made, query.dtype), ops.to_dtype(kept, query.dtype)
    if dropout_p > 0:
        p = ops.dropout(p, dropout_p, True)
    out = ops.matmul(p, v)
    if not half:
        return out, p
    return ops.to_dtype(out, query.dtype), ops.to_dtype(p, query.dtype)


_scaled_dot_product_attention_math.samples(
    call(values(2, 3, 4), values(2, 5, 4), values(2, 5, 4)),
    call(values(3, 4), values(3, 4), values(3, 4), is_causal=True, scale=-0.5),
    call(values(4, 3, 2), values(2, 3, 2), values(2, 3, 2), enable_gqa=True),
    dtypes=FLOATING,
)
_scaled_dot_product_attention_math.without("benchmark")


@composite(
    f"scaled_dot_product_attention({_QKV}, Tensor? attn_mask=None, float dropout_p=0.0, "
    "bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
    module="_nn",
    method=False,
    tags=frozenset({"random"}),
)
def scaled_dot_product_attention(
    query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, ops
):
    """``softmax(scale * query @ key.mT + mask) @ value``.

    Args:
        attn_mask: which scores count (bool), or what is added to them; it broadcasts to (..., L,
            S).
        dropout_p: probability of a weight to be zeroed.
        is_causal: whether query i sees keys up to i only.
        scale: 1 / sqrt(E) when None.
        enable_gqa: whether heads (dimension -3) of key and value may serve several of query.

    Shape:
        - query: (..., L, E), key: (..., S, E), value: (..., S, Ev).
        - output: (..., L, Ev).

    >>> x = flambeau.tensor([[[1., 0.], [0., 1.]]])
    >>> flambeau._C._nn.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.0)
    tensor([[[1.0000, 0.0000],
             [0.5000, 0.5000]]])
    """
    op = "scaled_dot_product_attention"
    q, k, v = query.shape, key.shape, value.shape
    if query.dim() < 2 or key.dim() < 2 or value.dim() < 2:
        raise Error(
            f"{op}: Expected query, key, and value to all be at least 2 dimensional, but got "
            f"shapes {show(q)}, {show(k)} and {show(v)}"
        )
    if key.dtype != query.dtype or value.dtype != query.dtype:
        raise Error(
            f"{op}: Expected query, key, and value to have the same dtype, but got "
            f"{dtype_name(query.dtype)}, {dtype_name(key.dtype)} and {dtype_name(value.dtype)}"
        )
    if q[-1] != k[-1] or k[-2] != v[-2]:
        raise Error(
            f"{op}: query {show(q)}, key {show(k)} and value {show(v)} do not fit each other: key "
            "must be as wide as query, and there must be as many values as keys"
        )
    if attn_mask is not None:
        if is_causal:
            raise Error(f"{op}: Explicit attn_mask should not be set when is_causal=True")
        if (
            attn_mask.dtype != dtypes.bool
            and attn_mask.dtype != query.dtype
            and attn_mask.dtype != dtypes.float32
        ):
            raise Error(
                f"{op}: Expected attn_mask dtype to be bool or float or to match query dtype, but "
                f"got attn_mask.dtype: {dtype_name(attn_mask.dtype)} and query.dtype: "
                f"{dtype_name(query.dtype)}"
            )
    tiled = dropout_p == 0 and query.is_floating_point() and query.dim() == 4
    if tiled and key.dim() == 4 and value.dim() == 4 and count(q) > 0 and count(v) > 0:
        alone = q[1] == k[1] or (enable_gqa and k[1] > 0 and q[1] % k[1] == 0)
        if q[0] == k[0] and q[0] == v[0] and k[1] == v[1] and alone:
            wide = attn_mask is not None and attn_mask.dim() > 4
            if not wide:
                return ops._scaled_dot_product_flash_attention_for_cpu(
                    query, key, value, 0.0, is_causal, attn_mask, scale
                )[0]
    return ops._scaled_dot_product_attention_math(
        query, key, value, attn_mask, dropout_p, is_causal, None, scale, enable_gqa
    )[0]


scaled_dot_product_attention.samples(
    call(values(2, 2, 3, 4), values(2, 2, 5, 4), values(2, 2, 5, 4)),
    call(values(2, 3, 4), values(2, 3, 4), values(2, 3, 4), is_causal=True),
    call(values(1, 1, 3, 4), values(1, 1, 3, 4), values(1, 1, 3, 2), is_causal=True, scale=0.2),
    dtypes=FLOATING,
)
scaled_dot_product_attention.benchmark(
    call(values(4, 8, 512, 64), values(4, 8, 512, 64), values(4, 8, 512, 64), is_causal=True)
)
