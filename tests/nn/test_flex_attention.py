"""Attention by rules of one's own, against NumPy."""

import numpy as np
import pytest

import flambeau
from flambeau.nn.attention.flex_attention import (
    AuxRequest,
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    noop_mask,
    or_masks,
)

rng = np.random.default_rng(0)
Q, K, V = (rng.standard_normal((2, 4, n, e)) for n, e in ((10, 8), (12, 8), (12, 6)))
BIAS = rng.standard_normal((4, 12))
DOCUMENTS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3])
PLACES = np.ix_(range(2), range(4), range(10), range(12))


def causal(b, h, q, k):
    return q >= k


def reference(scores, seen=None, v=V):
    if seen is not None:
        scores = np.where(seen, scores, -np.inf)
    largest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(largest), 0, largest))
    total = weights.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = np.log(total)[..., 0] + np.where(np.isinf(largest), 0, largest)[..., 0]
    return weights / np.where(total == 0, 1, total) @ v, lse, largest[..., 0]


def tensors(dtype=flambeau.float64, **options):
    return [flambeau.tensor(x, dtype=dtype, **options) for x in (Q, K, V)]


SCORES = Q @ K.swapaxes(-1, -2) / np.sqrt(8)


def test_without_rules_it_is_attention():
    q, k, v = tensors()
    np.testing.assert_allclose(flex_attention(q, k, v).numpy(), reference(SCORES)[0], rtol=1e-10)
    scaled = flex_attention(q, k, v, scale=2.0).numpy()
    np.testing.assert_allclose(scaled, reference(SCORES * np.sqrt(8) * 2)[0], rtol=1e-10)
    half = flex_attention(*tensors(flambeau.bfloat16))
    assert half.dtype == flambeau.bfloat16
    np.testing.assert_allclose(half.float().numpy(), reference(SCORES)[0], atol=0.05)
    assert flex_attention(q.float(), k, v).dtype == flambeau.float32


def test_scores_by_a_rule():
    bias = flambeau.tensor(BIAS)
    result = flex_attention(
        *tensors(), score_mod=lambda s, b, h, q, k: s + bias[h, k] * b - (q - k).abs() * 0.125
    )
    b, h, q, k = PLACES
    expected = reference(SCORES + BIAS[h, k] * b - np.abs(q - k) * 0.125)[0]
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("block", [4, (2, 4), 128])
def test_masks_by_a_rule(block):
    documents = flambeau.tensor(DOCUMENTS)

    def same(b, h, q, k):
        return (documents[q] == documents[k]) & (q >= k) & (q != 5)

    mask = create_block_mask(same, None, None, 10, 12, BLOCK_SIZE=block)
    wanted = AuxRequest(lse=True, max_scores=True)
    result, other = flex_attention(*tensors(), block_mask=mask, return_aux=wanted)
    _, _, q, k = PLACES
    seen = (DOCUMENTS[q] == DOCUMENTS[k]) & (q >= k) & (q != 5)
    expected, lse, largest = reference(SCORES, seen)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-12)
    assert (result[:, :, 5] == 0).all()
    np.testing.assert_allclose(other.lse.numpy(), lse, rtol=1e-10)
    np.testing.assert_allclose(other.max_scores.numpy(), largest, rtol=1e-10)
    plain, nothing = flex_attention(*tensors(), block_mask=mask, return_aux=AuxRequest())
    assert flambeau.equal(plain, result) and nothing == (None, None)
    with pytest.warns(FutureWarning, match="return_lse"):
        again = flex_attention(*tensors(), block_mask=mask, return_lse=True)[1]
    assert flambeau.equal(again, other.lse)


def test_heads_of_keys_are_shared():
    q, k, v = tensors()
    result = flex_attention(q, k[:, :2], v[:, :2], enable_gqa=True)
    twice = np.repeat(K[:, :2], 2, 1), np.repeat(V[:, :2], 2, 1)
    scores = Q @ twice[0].swapaxes(-1, -2) / np.sqrt(8)
    np.testing.assert_allclose(result.numpy(), reference(scores, v=twice[1])[0], rtol=1e-10)
    one = create_block_mask(noop_mask, 2, None, 10, 12)
    shared = flex_attention(q, k[:1], v[:1], block_mask=one)
    np.testing.assert_allclose(
        shared.numpy(), reference(Q @ K[:1].swapaxes(-1, -2) / np.sqrt(8), v=V[:1])[0], rtol=1e-10
    )


def test_gradients():
    q, k, v = (flambeau.tensor(x[:1, :1, :3, :2], requires_grad=True) for x in (Q, K, V))
    bias = flambeau.tensor(BIAS[:1, :3], requires_grad=True)
    mask = create_block_mask(lambda b, h, q, k: (q >= k) & (q != 1), None, None, 3, 3)

    def attend(q, k, v, bias):
        return flex_attention(
            q, k, v, score_mod=lambda s, b, h, i, j: s * bias[h, j], block_mask=mask
        )

    assert flambeau.autograd.gradcheck(attend, (q, k, v, bias))
    attend(q, k, v, bias).sum().backward()
    assert q.grad.isfinite().all() and (q.grad[0, 0, 1] == 0).all()


# ---- masks


def test_functions_as_masks():
    near = and_masks(causal, lambda b, h, q, k: q - k < 2)
    first = or_masks(causal, lambda b, h, q, k: k == 2)
    q, k = np.mgrid[:4, :4]
    assert create_mask(near, 2, 3, 4, 4).shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(create_mask(near, 1, 1, 4, 4)[0, 0], (q >= k) & (q - k < 2))
    np.testing.assert_array_equal(create_mask(first, None, None, 4, 4)[0, 0], (q >= k) | (k == 2))

    def hide(score, b, h, q, k):
        return flambeau.where(q >= k, score, -flambeau.inf)

    np.testing.assert_array_equal(create_mask(hide, None, None, 4, 4)[0, 0], q >= k)


def test_blocks_of_a_mask():
    mask = create_block_mask(causal, 2, None, 10, 12, BLOCK_SIZE=4)
    assert mask.shape == (2, 1, 10, 12) and mask.numel() == 240
    assert mask.to_dense()[1, 0].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    # The last row of blocks is cut off at the tenth query, so none of its blocks is full.
    assert mask.full_kv_num_blocks[0, 0].tolist() == [0, 1, 0]
    assert mask.kv_num_blocks[0, 0].tolist() == [1, 1, 3]
    assert mask.kv_indices[0, 0, 1, :1].tolist() == [1]
    assert mask.q_num_blocks[0, 0].tolist() == [2, 2, 1]
    assert mask.sparsity() == pytest.approx(100 * (1 - 6 * 16 / 120))
    together = create_block_mask(causal, 2, None, 10, 12, BLOCK_SIZE=4, separate_full_blocks=False)
    assert together.full_kv_indices is None
    assert flambeau.equal(together.to_dense(), mask.to_dense())
    assert mask.to("meta").kv_indices.device.type == "meta"
    assert len(mask.as_tuple()) == 13 and mask.as_tuple(False)[0] == (10, 12)


def test_pictures_of_a_mask():
    mask = create_block_mask(causal, None, None, 8, 8, BLOCK_SIZE=4)
    assert str(mask) == ("BlockMask(shape=(1, 1, 8, 8), sparsity=25.00%, \n(0, 0)\n██  \n████\n)")
    assert mask.to_string((1, 1)) == "(0, 0)\n░░\n"
    assert "BLOCK_SIZE=(4, 4)" in repr(mask) and "mask_mod=causal" in repr(mask)
    many = create_block_mask(causal, 6, None, 4, 4, BLOCK_SIZE=4)
    assert many.to_string(limit=2).count("██") == 2 and "limit=N" in many.to_string(limit=2)


def test_parts_of_a_mask():
    mask = create_block_mask(causal, 2, 3, 12, 12, BLOCK_SIZE=4)
    assert mask[0].shape == (1, 3, 12, 12) and mask[:, -1].shape == (2, 1, 12, 12)
    assert mask[:, :, 1].kv_indices.shape == (2, 3, 1, 3)
    part = mask[0, 0]
    with pytest.raises(RuntimeError, match="sliced BlockMask"):
        flex_attention(*(flambeau.ones(1, 1, 12, 2),) * 3, block_mask=part)
    part.mask_mod = mask.mask_mod
    x = flambeau.eye(12).reshape(1, 1, 12, 12)
    assert (flex_attention(x, x, x, block_mask=part)[0, 0].triu(1) == 0).all()
    corner = mask._adjust(8, 6)
    assert corner.shape == (2, 3, 8, 6) and corner.to_dense()[0, 0].tolist() == [[1, 0], [1, 1]]


def test_masks_from_blocks():
    counts = flambeau.tensor([[[1, 2]]], dtype=flambeau.int32)
    order = flambeau.tensor([[[[1, 0], [0, 1]]]], dtype=flambeau.int32)
    mask = BlockMask.from_kv_blocks(counts, order, BLOCK_SIZE=2)
    assert mask.shape == (1, 1, 4, 4) and mask.mask_mod is noop_mask
    assert mask.to_dense().tolist() == [[[[0, 1], [1, 1]]]]
    assert mask.q_num_blocks.tolist() == [[[1, 2]]]
    assert BlockMask.from_kv_blocks(counts, order, compute_q_blocks=False).q_indices is None
    with pytest.raises(AssertionError, match="both provided"):
        BlockMask.from_kv_blocks(counts, order, counts)
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        BlockMask.from_kv_blocks(counts, order[0, 0, 0])


@pytest.mark.parametrize(
    "sizes, options, error, words",
    [
        (((1, 2, 3, 4), (1, 1, 3, 4)), {}, ValueError, "enable_gqa=True"),
        (((1, 3, 3, 4), (1, 2, 3, 4)), {"enable_gqa": True}, ValueError, "multiple of kv heads"),
        (((2, 3, 4), (2, 3, 4)), {}, NotImplementedError, "4D tensors"),
        (((1, 2, 3, 4), (1, 2, 3, 5)), {}, ValueError, "embedding dimension"),
        (((2, 2, 3, 4), (1, 2, 3, 4)), {}, ValueError, "batch size"),
    ],
)
def test_inputs_that_do_not_fit(sizes, options, error, words):
    query, other = map(flambeau.ones, sizes)
    with pytest.raises(error, match=f"flex_attention: .*{words}"):
        flex_attention(query, other, other, **options)


def test_masks_that_do_not_fit():
    x = flambeau.ones(1, 1, 4, 2)
    with pytest.raises(ValueError, match="block_mask was created for"):
        flex_attention(x, x, x, block_mask=create_block_mask(causal, 1, 1, 4, 5))
    with pytest.raises(RuntimeError, match="same device"):
        flex_attention(x, x, x, block_mask=create_block_mask(causal, 1, 1, 4, 4).to("meta"))
    with pytest.raises(ValueError, match="both return_lse and return_aux"):
        flex_attention(x, x, x, return_lse=True, return_aux=AuxRequest())
    with pytest.raises(AssertionError, match="requires a mask_mod"):
        create_block_mask(lambda s, b, h, q, k: s, 1, 1, 2, 2)
    with pytest.raises(AssertionError, match="4 or 5 positional"):
        create_mask(lambda a: a, 1, 1, 2, 2)
    with pytest.raises(RuntimeError, match="callable"):
        and_masks(3)
