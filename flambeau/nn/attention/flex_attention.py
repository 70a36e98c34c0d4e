"""Attention whose scores and masks are functions of the places in the sequences.

A ``score_mod(score, batch, head, query, key)`` gives a score in place of each score, and a
``mask_mod(batch, head, query, key)`` says whether a query sees a key. All scores are made at once.
"""

from __future__ import annotations

import inspect
import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import flambeau
from flambeau._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
from flambeau.nn.functional import pad

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "FlexKernelOptions",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What `flex_attention` shall give besides its result.

    Example::

        >>> AuxRequest(lse=True)
        AuxRequest(lse=True, max_scores=False)
    """

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by `AuxRequest`: logarithms of sums of exponentials, and largest scores.

    Example::

        >>> AuxOutput()
        AuxOutput(lse=None, max_scores=None)
    """

    lse: Any = None
    max_scores: Any = None


class FlexKernelOptions(TypedDict, total=False):
    """How a kernel on an accelerator should do it; there is none here.

    Example::

        >>> FlexKernelOptions(BLOCK_M=64)
        {'BLOCK_M': 64}
    """

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    BLOCK_M1: int
    BLOCK_N1: int
    BLOCK_M2: int
    BLOCK_N2: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    kpack: int
    matrix_instr_nonkdim: int
    waves_per_eu: int
    BACKEND: str


# ---- masks


def noop_mask(batch, head, token_q, token_kv):
    """A mask under which all is seen.

    Args:
        batch, head, token_q, token_kv: the places.

    Example::

        >>> import flambeau
        >>> noop_mask(*flambeau.zeros(4).unbind())
        tensor(True)
    """
    return batch.new_ones((), dtype=flambeau.bool)


def _sliced_mask(batch, head, token_q, token_kv):
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask: a part of a mask counts places from its own "
        "start. Set its mask_mod to a function of these, made from the whole mask's mask_mod."
    )


def _all_callable(name: str, mask_mods) -> None:
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"{name}: All inputs should be callable mask_mods: {mask_mods}")


def or_masks(*mask_mods):
    """A mask under which is seen what one of these shows.

    Args:
        mask_mods: functions of batch, head, query and key.

    Example::

        >>> import flambeau
        >>> far = or_masks(lambda b, h, q, k: q > k + 1, lambda b, h, q, k: k > q + 1)
        >>> create_mask(far, None, None, 1, 4)[0, 0]
        tensor([[False, False,  True,  True]])
    """
    _all_callable("or_masks", mask_mods)

    def or_mask(b, h, q_idx, kv_idx):
        result = b.new_zeros((), dtype=flambeau.bool)
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return or_mask


def and_masks(*mask_mods):
    """A mask under which is seen what all of these show.

    Args:
        mask_mods: functions of batch, head, query and key.

    Example::

        >>> import flambeau
        >>> near = and_masks(lambda b, h, q, k: q >= k, lambda b, h, q, k: q - k < 2)
        >>> create_mask(near, None, None, 3, 3)[0, 0].int()
        tensor([[1, 0, 0],
                [1, 1, 0],
                [0, 1, 1]], dtype=torch.int32)
    """
    _all_callable("and_masks", mask_mods)

    def and_mask(b, h, q_idx, kv_idx):
        result = b.new_ones((), dtype=flambeau.bool)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return and_mask


def _for_all_places(function: Callable, first: tuple = ()) -> Callable:
    """``function`` of scores (``first``) and places, over all batches, heads, queries and keys."""
    for places in ((None, None, None, 0), (None, None, 0, None), (None, 0, None, None)):
        function = flambeau.vmap(function, in_dims=(*first, *places))
    return flambeau.vmap(function, in_dims=(*first, 0, None, None, None))


def _places(sizes, device) -> list:
    return [flambeau.arange(size, device=device) for size in sizes]


def _positional(function: Callable) -> int:
    """How many arguments a modification takes: 4 for one of masks, 5 for one of scores."""
    given = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(1 for p in given if p.kind in kinds and p.default is inspect.Parameter.empty)
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return count


def create_mask(mod_fn, B, H, Q_LEN: int, KV_LEN: int, device=None):
    """What a function says of all places, as a tensor of bools.

    Args:
        mod_fn: a ``mask_mod``; or a ``score_mod``, of which minus infinity hides.
        B, H: how many batches and heads; None where all are alike.
        Q_LEN, KV_LEN: how many queries and keys.
        device: where to put it.

    Shape:
        - result: (B, H, Q_LEN, KV_LEN).

    Example::

        >>> import flambeau
        >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2)
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    sizes = (1 if B is None else B, 1 if H is None else H, Q_LEN, KV_LEN)
    places = _places(sizes, device)
    with TransformGetItemToIndex():
        if _positional(mod_fn) == 4:
            return _for_all_places(mod_fn)(*places).expand(sizes)
        scores = flambeau.zeros(sizes, device=device)
        return _for_all_places(mod_fn, (0,))(scores, *places) != -math.inf


# ---- masks by blocks


def _ordered(blocks):
    """For each row of blocks how many are marked, and which, these first."""
    order = flambeau.argsort(blocks.int(), dim=-1, descending=True, stable=True)
    return blocks.sum(-1).int(), order.int()


def _marked(counts, order, columns: int):
    """The reverse of `_ordered`."""
    first = flambeau.arange(order.shape[-1], device=order.device) < counts.unsqueeze(-1)
    marks = flambeau.zeros(*order.shape[:-1], columns + 1, dtype=flambeau.int32)
    places = flambeau.where(first, order, columns).long()  # the last column takes the rest
    return marks.to(order.device).scatter(-1, places, 1)[..., :columns]


class BlockMask:
    """A mask that knows which blocks of it are empty and which are full.

    ``kv_indices`` holds for each row of blocks the columns of blocks that are partly seen, of
    which the first ``kv_num_blocks`` count; ``full_kv_indices`` those that are seen whole; and
    ``q_indices`` and ``full_q_indices`` the same for columns.

    Args:
        seq_lengths: how many queries and keys.
        kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices: by rows.
        q_num_blocks, q_indices, full_q_num_blocks, full_q_indices: by columns.
        BLOCK_SIZE: how many queries and keys a block has.
        mask_mod: what is seen within blocks.

    Shape:
        - counts: (B, H, rows), indices: (B, H, rows, columns), of int32.

    Example::

        >>> import flambeau
        >>> mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 4, 4, BLOCK_SIZE=2)
        >>> mask.to_dense()
        tensor([[[[1, 0],
                  [1, 1]]]], dtype=torch.int32)
        >>> mask.sparsity()
        25.0
    """

    _TENSOR_ATTRS = [
        "kv_num_blocks",
        "kv_indices",
        "full_kv_num_blocks",
        "full_kv_indices",
        "q_num_blocks",
        "q_indices",
        "full_q_num_blocks",
        "full_q_indices",
    ]

    def __init__(
        self,
        seq_lengths,
        kv_num_blocks,
        kv_indices,
        full_kv_num_blocks,
        full_kv_indices,
        q_num_blocks,
        q_indices,
        full_q_num_blocks,
        full_q_indices,
        BLOCK_SIZE=(_DEFAULT_SPARSE_BLOCK_SIZE, _DEFAULT_SPARSE_BLOCK_SIZE),
        mask_mod=noop_mask,
    ) -> None:
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        for name, one, other in (
            ("kv", full_kv_num_blocks, full_kv_indices),
            ("q", full_q_num_blocks, full_q_indices),
        ):
            if (one is None) != (other is None):
                raise AssertionError(
                    f"full_{name}_num_blocks and full_{name}_indices must be both provided or "
                    "omitted"
                )
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks,
        kv_indices,
        full_kv_num_blocks=None,
        full_kv_indices=None,
        BLOCK_SIZE=_DEFAULT_SPARSE_BLOCK_SIZE,
        mask_mod=None,
        seq_lengths=None,
        compute_q_blocks: bool = True,
    ):
        """A mask from its rows of blocks; its columns follow, unless not ``compute_q_blocks``."""
        if kv_indices.dim() < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        sizes = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)

        def columns(counts, order):
            if counts is None or order is None or not compute_q_blocks:
                return None, None
            marks = _marked(counts, order, order.shape[-1])
            return _ordered(marks.transpose(-2, -1))

        if seq_lengths is None:
            seq_lengths = kv_indices.shape[-2] * sizes[0], kv_indices.shape[-1] * sizes[1]
        return cls(
            seq_lengths,
            kv_num_blocks,
            kv_indices,
            full_kv_num_blocks,
            full_kv_indices,
            *columns(kv_num_blocks, kv_indices),
            *columns(full_kv_num_blocks, full_kv_indices),
            BLOCK_SIZE=sizes,
            mask_mod=noop_mask if mask_mod is None else mask_mod,
        )

    def as_tuple(self, flatten: bool = True) -> tuple:
        """All parts; with ``flatten``, lengths and sizes of blocks as single numbers."""
        lengths = self.seq_lengths if flatten else (self.seq_lengths,)
        sizes = self.BLOCK_SIZE if flatten else (self.BLOCK_SIZE,)
        parts = (getattr(self, name) for name in self._TENSOR_ATTRS)
        return (*lengths, *parts, *sizes, self.mask_mod)

    @property
    def shape(self) -> tuple[int, ...]:
        """Batches, heads, queries and keys."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many pairs of queries and keys there are."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """The share of pairs that lie in empty blocks, in per cent."""
        blocks = self.kv_num_blocks.sum().item()
        if self.full_kv_num_blocks is not None:
            blocks += self.full_kv_num_blocks.sum().item()
        return 100 * (1 - blocks * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1] / self.numel())

    def to_dense(self):
        """1 for each block that is not empty."""
        columns = self.kv_indices.shape[-1]
        marks = _marked(self.kv_num_blocks, self.kv_indices, columns)
        if self.full_kv_num_blocks is not None:
            marks = marks | _marked(self.full_kv_num_blocks, self.full_kv_indices, columns)
        return marks

    def to(self, device):
        """The same mask on a device."""
        parts = {name: getattr(self, name) for name in self._TENSOR_ATTRS}
        moved = {name: part if part is None else part.to(device) for name, part in parts.items()}
        return BlockMask(
            self.seq_lengths, **moved, BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod
        )

    def _rows(self, rows: Callable, lengths, mask_mod):
        """A mask of what ``rows`` makes of the counts and of the indices."""
        kept = rows(self.kv_num_blocks, self.kv_indices)
        full = (None, None)
        if self.full_kv_num_blocks is not None:
            full = rows(self.full_kv_num_blocks, self.full_kv_indices)
        return BlockMask.from_kv_blocks(
            *kept,
            *full,
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=mask_mod,
            seq_lengths=lengths,
            compute_q_blocks=self.q_indices is not None,
        )

    def __getitem__(self, index):
        """Some batches, heads and rows of blocks; its ``mask_mod`` has to be set anew."""
        index = index if isinstance(index, tuple) else (index,)
        padded = (*index, slice(None), slice(None), slice(None))[:3]
        chosen = []
        for place, size in zip(padded, self.kv_num_blocks.shape, strict=False):
            if isinstance(place, int):
                start = place + size if -size <= place < 0 else place
                place = slice(start, start + 1)
            chosen.append(place)
        at = tuple(chosen)
        return self._rows(lambda *parts: [p[at] for p in parts], self.seq_lengths, _sliced_mask)

    def _adjust(self, new_q_len: int, new_kv_len: int):
        """The upper left corner, of other lengths."""
        rows = -(-new_q_len // self.BLOCK_SIZE[0])
        columns = -(-new_kv_len // self.BLOCK_SIZE[1])

        def corner(counts, order):
            counts, order = counts[:, :, :rows], order[:, :, :rows, :columns]
            counts = counts.clamp(max=columns)
            return (order < counts.unsqueeze(-1)).sum(-1).int(), order

        return self._rows(corner, (new_q_len, new_kv_len), self.mask_mod)

    def to_string(self, grid_size=(20, 20), limit: int = 4) -> str:
        """A picture of each batch and head: full, partly seen and empty blocks.

        Args:
            grid_size: the most rows and columns of a picture; -1 for all.
            limit: the most pictures.
        """
        blocks = self.to_dense()
        rows, columns = blocks.shape[-2:]
        most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        height = 1 if most[0] == -1 else max(1, -(-rows // most[0]))
        width = 1 if most[1] == -1 else max(1, -(-columns // most[1]))
        pictures = []
        for count, place in enumerate(itertools.product(*map(range, blocks.shape[:-2]))):
            if count == limit:
                pictures += ["...", "To print out more, set BlockMask.to_string(limit=N)"]
                pictures += ["or index it: BlockMask[batch, head]"]
                break
            lines = [f"{place}"]
            for r in range(0, rows, height):
                line = ""
                for c in range(0, columns, width):
                    seen = blocks[place][r : r + height, c : c + width].float().mean().item()
                    line += "  " if seen == 0 else "██" if seen == 1 else "░░"
                lines.append(line)
            pictures.append("\n".join(lines) + "\n")
        return "\n".join(pictures)

    def __str__(self) -> str:
        head = f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n"
        return head + self.to_string().strip() + "\n)"

    def __repr__(self) -> str:
        def shown(name):
            part = getattr(self, name)
            return f"    {name}={None if part is None else part.shape},\n"

        mask = getattr(self.mask_mod, "__name__", self.mask_mod)
        return (
            "BlockMask(\n"
            + "".join(map(shown, self._TENSOR_ATTRS))
            + f"    BLOCK_SIZE={self.BLOCK_SIZE},\n    shape={self.shape},\n"
            + f"    sparsity={self.sparsity():.2f}%,\n    mask_mod={mask}\n)"
        )


def create_block_mask(
    mask_mod,
    B,
    H,
    Q_LEN: int,
    KV_LEN: int,
    device=None,
    BLOCK_SIZE=_DEFAULT_SPARSE_BLOCK_SIZE,
    _compile: bool = False,
    separate_full_blocks: bool = True,
):
    """The `BlockMask` of a function of places.

    Args:
        mask_mod: says of batch, head, query and key whether the query sees the key.
        B, H: how many batches and heads; None where all are alike.
        Q_LEN, KV_LEN: how many queries and keys.
        device: where to put it.
        BLOCK_SIZE: how many queries and keys a block has, as one number or two.
        separate_full_blocks: whether blocks that are seen whole are listed apart.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> create_block_mask(lambda b, h, q, k: q >= k, 2, None, 256, 256).shape
        (2, 1, 256, 256)
    """
    if _positional(mask_mod) != 4:
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    sizes = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    seen = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    seen = pad(seen, (0, -KV_LEN % sizes[1], 0, -Q_LEN % sizes[0]))
    blocks = seen.unflatten(-1, (-1, sizes[1])).unflatten(-3, (-1, sizes[0]))
    count = blocks.sum((-3, -1))
    full = count == sizes[0] * sizes[1] if separate_full_blocks else None
    partly = (count > 0) if full is None else (count > 0) & ~full
    return BlockMask.from_kv_blocks(
        *_ordered(partly),
        *((None, None) if full is None else _ordered(full)),
        BLOCK_SIZE=sizes,
        mask_mod=mask_mod,
        seq_lengths=(Q_LEN, KV_LEN),
    )


# ---- attention


def _check(query, key, value, block_mask, enable_gqa: bool) -> None:
    name = "flex_attention"
    for which, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() != 4:
            raise NotImplementedError(
                f"{name}: NYI: query, key, and value must be 4D tensors, but {which} has shape "
                f"{list(tensor.shape)}"
            )
    if not query.device == key.device == value.device:
        raise ValueError(
            f"{name}: Expected query, key, and value to have the same device type, but got "
            f"{query.device}, {key.device} and {value.device}."
        )
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{name}: Expect query and key/value to have the same embedding dimension but got "
            f"E={query.shape[-1]} and E={key.shape[-1]}."
        )
    heads, others = query.shape[1], key.shape[1]
    if not enable_gqa and heads != others:
        raise ValueError(
            f"{name}: Expect query and key/value to have the same number of heads but got "
            f"Hq={heads} and Hkv={others}. Try setting enable_gqa=True for GQA."
        )
    if others == 0 or heads % others:
        raise ValueError(
            f"{name}: Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={others}."
        )
    batches = query.shape[0]
    if batches != key.shape[0] and (
        block_mask is None or block_mask.kv_num_blocks.shape[0] != batches or key.shape[0] != 1
    ):
        raise ValueError(
            f"{name}: Expect query and key/value to have the same batch size, or one batch of keys "
            f"and a block_mask with the batch size of query, but got Bq={batches} and "
            f"Bkv={key.shape[0]}."
        )
    if block_mask is None:
        return
    if block_mask.mask_mod is _sliced_mask:
        raise RuntimeError(f"{name}: Cannot use mask_mod from a sliced BlockMask")
    if block_mask.kv_num_blocks.device != query.device:
        raise RuntimeError(
            f"{name}: Expect q/k/v and block_mask to be on the same device but got {query.device} "
            f"and {block_mask.kv_num_blocks.device}."
        )
    lengths = query.shape[-2], key.shape[-2]
    if lengths != tuple(block_mask.seq_lengths):
        raise ValueError(
            f"{name}: block_mask was created for block_mask.shape={block_mask.shape} but got "
            f"q_len={lengths[0]} and kv_len={lengths[1]}. Create one for these lengths."
        )


def flex_attention(
    query,
    key,
    value,
    score_mod=None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: FlexKernelOptions | None = None,
    *,
    return_aux: AuxRequest | None = None,
):
    """Means of values, weighted by how queries and keys agree, by rules of one's own.

    Args:
        query, key, value: of floating dtypes; the result has that of ``query``.
        score_mod: gives the score of batch, head, query and key in place of the product's.
        block_mask: what is seen, from `create_block_mask`; its ``mask_mod`` decides. A query that
            sees nothing gives zeros.
        scale: of the products, one over the square root of the size of a query when None.
        enable_gqa: whether several heads of queries may share one of keys and values.
        return_lse: whether to give the logarithms of sums of exponentials too (deprecated).
        kernel_options: how a kernel on an accelerator should do it.
        return_aux: what else to give.

    Shape:
        - query (B, Hq, L, E), key (B, Hkv, S, E), value (B, Hkv, S, Ev), result (B, Hq, L, Ev).
        - what ``return_aux`` asks for: (B, Hq, L).

    Example::

        >>> import flambeau
        >>> x = flambeau.eye(3).reshape(1, 1, 3, 3)
        >>> causal = create_block_mask(lambda b, h, q, k: q >= k, None, None, 3, 3)
        >>> flex_attention(x, x, x, block_mask=causal, scale=0.0)[0, 0]
        tensor([[1.0000, 0.0000, 0.0000],
                [0.5000, 0.5000, 0.0000],
                [0.3333, 0.3333, 0.3333]])
    """
    _check(query, key, value, block_mask, enable_gqa)
    if return_lse:
        if return_aux is not None:
            raise ValueError(
                "flex_attention: Cannot specify both return_lse and return_aux: return_lse is "
                "deprecated, use return_aux=AuxRequest(lse=True)"
            )
        warnings.warn(
            "return_lse is deprecated. Please use return_aux=AuxRequest(lse=True) instead.",
            FutureWarning,
            stacklevel=2,
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    wide = query.dtype if query.dtype == flambeau.float64 else flambeau.float32
    group = query.shape[1] // key.shape[1]
    key, value = (
        x.repeat_interleave(group, 1).expand(query.shape[0], -1, -1, -1) for x in (key, value)
    )
    scores = query.to(wide) @ key.to(wide).transpose(-2, -1) * scale
    places = _places(scores.shape, query.device)
    with TransformGetItemToIndex():
        if score_mod is not None:
            scores = _for_all_places(score_mod, (0,))(scores, *places).to(wide)
        if block_mask is not None and block_mask.mask_mod is not noop_mask:
            seen = _for_all_places(block_mask.mask_mod)(*places)
            scores = scores.masked_fill(~seen, -math.inf)
    # Rows of minus infinity have no exponentials to divide by.
    blind = (scores == -math.inf).all(-1, keepdim=True)
    scores = scores.masked_fill(blind, 0.0)
    weights = scores.softmax(-1).masked_fill(blind, 0.0)
    result = weights.to(query.dtype) @ value.to(query.dtype)
    blind = blind.squeeze(-1)

    def lse():
        return scores.logsumexp(-1).masked_fill(blind, -math.inf)

    if return_aux is not None:
        largest = return_aux.max_scores and scores.amax(-1).masked_fill(blind, -math.inf)
        return result, AuxOutput(
            lse() if return_aux.lse else None, largest if return_aux.max_scores else None
        )
    return (result, lse()) if return_lse else result
