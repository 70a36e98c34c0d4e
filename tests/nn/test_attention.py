"""Attention and what is made of it, against its definition."""

import math

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.nn.attention import SDPBackend, _cur_sdpa_kernel_backends, bias, sdpa_kernel


def drawn(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype)


def defined(q, k, v, mask=None, is_causal=False, scale=None):
    if k.dim() > 2 and k.shape[-3] != q.shape[-3]:
        times = q.shape[-3] // k.shape[-3]
        k, v = (torch.stack([t] * times, -3).flatten(-4, -3) for t in (k, v))
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        seen = torch.ones(q.shape[-2], k.shape[-2]).tril().bool()
        scores = scores.masked_fill(~seen, -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    top = scores.amax(-1, True).clamp_min(-1e30)
    p = (scores - top).exp()
    return p / p.sum(-1, True).clamp_min(1e-300) @ v


CASES = {
    "plain": ((2, 3, 5, 8), (2, 3, 7, 8), {}),
    "tiles": ((1, 2, 250, 16), (1, 2, 300, 16), {}),
    "causal": ((1, 9, 250, 16), (1, 9, 250, 16), {"is_causal": True}),
    "more queries than keys": ((1, 2, 300, 8), (1, 2, 140, 8), {"is_causal": True}),
    "fewer": ((1, 2, 140, 8), (1, 2, 300, 8), {"is_causal": True}),
    "heads": ((2, 6, 5, 8), (2, 2, 7, 8), {"enable_gqa": True}),
    "scale": ((2, 3, 5, 8), (2, 3, 7, 8), {"scale": -0.3}),
    "wide": ((1, 2, 5, 300), (1, 2, 7, 300), {}),
    "three": ((3, 5, 8), (3, 7, 8), {}),
    "two": ((5, 8), (7, 8), {"is_causal": True}),
    "five": ((2, 2, 3, 5, 8), (2, 2, 3, 7, 8), {}),
    "broadcast": ((2, 3, 5, 8), (1, 3, 7, 8), {}),
}
MASKS = {
    "bool": lambda: drawn(5, 7) > -0.5,
    "rows of nothing": lambda: (torch.arange(5)[:, None] > 1).expand(5, 7),
    "float": lambda: drawn(2, 1, 5, 7),
    "keys": lambda: drawn(2, 1, 1, 7),
    "queries": lambda: drawn(3, 5, 1),
    "one": lambda: drawn(1, 1),
}


def agree(q, k, v, tolerance=1e-9, mask=None, **options):
    leaves = [t.requires_grad_() for t in (q, k, v)]
    weights = drawn(*q.shape[:-1], v.shape[-1]).cos()
    plain = {n: o for n, o in options.items() if n != "enable_gqa"}
    made = [
        F.scaled_dot_product_attention(q, k, v, mask, **options),
        defined(*(t.double() for t in leaves), mask, **plain),
    ]
    torch.testing.assert_close(made[0].double(), made[1], rtol=tolerance, atol=tolerance)
    got, want = (torch.autograd.grad((y.double() * weights).sum(), leaves) for y in made)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_attention(case, dtype):
    q, k, options = CASES[case]
    dtype = getattr(torch, dtype)
    tolerance = 1e-9 if dtype == torch.float64 else 2e-5
    agree(
        drawn(*q, dtype=dtype),
        drawn(*k, dtype=dtype, seed=1),
        drawn(*k, dtype=dtype, seed=2),
        tolerance,
        **options,
    )


@pytest.mark.parametrize("mask", MASKS)
def test_masks(mask):
    agree(drawn(2, 3, 5, 8), drawn(2, 3, 7, 8), drawn(2, 3, 7, 6), mask=MASKS[mask]())


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2e-2), ("float16", 2e-3)])
def test_halves(dtype, tolerance):
    dtype = getattr(torch, dtype)
    q, k, v = (drawn(1, 2, 130, 16, dtype=dtype, seed=i) for i in range(3))
    got = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    want = defined(q.double(), k.double(), v.double(), is_causal=True)
    assert got.dtype == dtype
    torch.testing.assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


def test_layouts():
    q, k, v = (drawn(2, 5, 3, 8, seed=i).transpose(1, 2) for i in range(3))
    got = F.scaled_dot_product_attention(q, k, v)
    assert got.stride() == q.stride()
    torch.testing.assert_close(got, defined(q, k, v))
    turned = drawn(2, 3, 8, 5).mT
    torch.testing.assert_close(F.scaled_dot_product_attention(turned, k, v), defined(turned, k, v))


def test_all_gradients_by_differences():
    leaves = [t.requires_grad_() for t in (drawn(1, 2, 3, 4), drawn(1, 1, 5, 4), drawn(1, 1, 5, 2))]
    mask = drawn(3, 5).requires_grad_()

    def attend(*args):
        return F.scaled_dot_product_attention(*args, enable_gqa=True)

    def causal(*args):
        return F.scaled_dot_product_attention(*args, enable_gqa=True, is_causal=True, scale=0.7)

    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(attend, (*leaves, mask)) and check(causal, leaves)


def test_dropout_keeps_the_mean_and_follows_the_seed():
    q, k = drawn(1, 2, 40, 8), drawn(1, 2, 50, 8)
    v = torch.ones_like(k)
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(F.scaled_dot_product_attention(q, k, v, dropout_p=0.5))
    assert torch.equal(*made) and abs(made[0].mean() - 1) < 0.1 and made[0].std() > 0.01


def test_nothing_to_attend_to():
    q, k = drawn(1, 2, 3, 4), torch.zeros(1, 2, 0, 4).double()
    assert F.scaled_dot_product_attention(q, k, k).tolist() == torch.zeros(1, 2, 3, 4).tolist()
    assert F.scaled_dot_product_attention(k, q, q).shape == (1, 2, 0, 4)


def test_what_does_not_fit_is_refused():
    q = torch.ones(1, 2, 3, 4)
    with pytest.raises(RuntimeError, match=r"scaled_dot_product_attention: .*\[1, 2, 3, 2\]"):
        F.scaled_dot_product_attention(q, q[..., :2], q)
    with pytest.raises(RuntimeError, match="should not be set when is_causal"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(3, 3), is_causal=True)
    with pytest.raises(RuntimeError, match="Expected attn_mask dtype"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(3, 3).long())
    with pytest.raises(RuntimeError, match="attn_mask of shape"):
        F.scaled_dot_product_attention(q, q, q, torch.ones(3, 4))
    with pytest.raises(RuntimeError, match="same dtype"):
        F.scaled_dot_product_attention(q, q.double(), q)
    with pytest.raises(NotImplementedError, match="not implemented for 'int64'"):
        F.scaled_dot_product_attention(q.long(), q.long(), q.long())


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_bits_do_not_depend_on_threads(threads):
    before = torch.get_num_threads()

    def bits():
        made = []
        for heads in (1, 9):
            leaves = [
                drawn(1, heads, 260, 16, dtype=torch.float32, seed=i).requires_grad_()
                for i in range(3)
            ]
            y = F.scaled_dot_product_attention(*leaves, is_causal=True)
            made += [y.detach(), *torch.autograd.grad(y.sin().sum(), leaves)]
        return made

    try:
        torch.set_num_threads(3)
        want = bits()
        torch.set_num_threads(threads)
        assert all(map(torch.equal, bits(), want))
    finally:
        torch.set_num_threads(before)


# ---- layers


def by_hand(layer, q, k, v, mask):
    """Batch first; ``mask`` is added to the scores of (N, heads, L, S)."""
    e, h = layer.embed_dim, layer.num_heads
    w = [layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight]
    if layer.in_proj_weight is not None:
        w = layer.in_proj_weight.chunk(3)
    b = layer.in_proj_bias.chunk(3)
    q, k, v = (t @ x.mT + y for t, x, y in zip((q, k, v), w, b))
    if layer.bias_k is not None:
        n = len(k)
        k = torch.cat([k, layer.bias_k.expand(n, 1, e)], 1)
        v = torch.cat([v, layer.bias_v.expand(n, 1, e)], 1)
    if layer.add_zero_attn:
        k, v = (torch.cat([t, torch.zeros(len(t), 1, e)], 1) for t in (k, v))
    mask = F.pad(mask, (0, k.shape[1] - mask.shape[-1]))
    q, k, v = (t.view(len(t), -1, h, e // h).transpose(1, 2) for t in (q, k, v))
    p = (q @ k.mT / math.sqrt(e // h) + mask).softmax(-1)
    return layer.out_proj((p @ v).transpose(1, 2).flatten(2)), p


@pytest.mark.parametrize(
    "options",
    [{}, {"kdim": 6, "vdim": 4}, {"add_bias_kv": True, "add_zero_attn": True}],
    ids=["plain", "sizes", "more keys"],
)
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(options, batch_first):
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first, **options)
    n, length, keys = 3, 5, 4
    q = torch.randn(n, length, 8)
    k, v = (torch.randn(n, keys, size) for size in (layer.kdim, layer.vdim))
    if not options:
        v = k
    pad = torch.arange(keys)[None] >= torch.tensor([4, 2, 3])[:, None]
    scores = torch.randn(n * 2, length, keys)
    whole = scores.view(n, 2, length, keys).masked_fill(pad[:, None, None], -math.inf)
    given = (q, k, v) if batch_first else [t.transpose(0, 1) for t in (q, k, v)]
    padding = torch.zeros(n, keys).masked_fill(pad, -math.inf)
    want, p = by_hand(layer, q, k, v, whole)
    masks = {"key_padding_mask": padding, "attn_mask": scores}
    for weights in (True, False):
        got, found = layer(*given, need_weights=weights, average_attn_weights=False, **masks)
        torch.testing.assert_close(got if batch_first else got.transpose(0, 1), want)
        assert found is None or torch.testing.assert_close(found, p) is None
    averaged = layer(*given, **masks)[1]
    torch.testing.assert_close(averaged, p.mean(1))
    masks = {"key_padding_mask": padding[0], "attn_mask": scores[:2]}
    one = layer(q[0], k[0], v[0], **masks)
    torch.testing.assert_close(one[0], want[0])


def test_the_causal_hint():
    layer = nn.MultiheadAttention(8, 2)
    x = torch.randn(5, 3, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    got = layer(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
    torch.testing.assert_close(got, layer(x, x, x, attn_mask=mask)[0])
    with pytest.raises(RuntimeError, match="Need attn_mask"):
        layer(x, x, x, is_causal=True)
    with pytest.raises(RuntimeError, match="should be"):
        layer(x, x, x, attn_mask=mask[:4])
    with pytest.raises(AssertionError, match="divisible by num_heads"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(AssertionError, match="key_padding_mask"):
        layer(x, x, x, key_padding_mask=torch.zeros(3, 5, 1))


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_transformer_does_not_see_the_future_or_padding(norm_first):
    net = nn.Transformer(8, 2, 2, 2, 16, dropout=0.0, batch_first=True, norm_first=norm_first)
    src, tgt = torch.randn(2, 5, 8), torch.randn(2, 4, 8)
    pad = torch.arange(5)[None] >= torch.tensor([5, 3])[:, None]
    masks = {
        "tgt_mask": net.generate_square_subsequent_mask(4),
        "src_key_padding_mask": pad,
        "memory_key_padding_mask": pad,
    }
    want = net(src, tgt, **masks)
    later, beyond = tgt.clone(), src.clone()
    later[:, 2:] += 1
    beyond[1, 3:] += 1
    torch.testing.assert_close(net(beyond, later, **masks)[:, :2], want[:, :2])
    assert not torch.allclose(net(src.flip(2), tgt, **masks), want)
    want.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(src, tgt, **masks), want.detach())


def test_padding_comes_out_as_zero_in_evaluation():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(2, 4, 8)
    pad = torch.arange(4)[None] >= torch.tensor([4, 2])[:, None]
    with torch.no_grad():
        y = net(x, src_key_padding_mask=pad)
        assert (y[1, 2:] == 0).all() and (y[0] != 0).all()
        assert (net(x, src_key_padding_mask=pad.flip(1))[1, :2] != 0).all()
    assert (net(x, src_key_padding_mask=pad)[1, 2:] != 0).all()
    with pytest.warns(UserWarning, match="num_heads is odd"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 3, 16, batch_first=True), 1)


def test_masks_by_shape():
    q, k = drawn(1, 2, 3, 4), drawn(1, 2, 5, 4)
    upper, lower = bias.causal_upper_left(3, 5), bias.causal_lower_right(3, 5)
    for mask, diagonal in ((upper, 0), (lower, 2)):
        got = F.scaled_dot_product_attention(q, k, k, mask)
        seen = torch.ones(3, 5).bool().tril(diagonal)
        torch.testing.assert_close(got, defined(q, k, k, seen))
        assert repr(mask) == repr(seen)
    with pytest.raises(ValueError, match="causal=True"):
        F.scaled_dot_product_attention(q, k, k, upper, is_causal=True)


def test_which_backends_are_allowed():
    before = _cur_sdpa_kernel_backends()
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        assert set(_cur_sdpa_kernel_backends()) == {SDPBackend.MATH, SDPBackend.FLASH_ATTENTION}
    assert _cur_sdpa_kernel_backends() == before
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):
        pass
