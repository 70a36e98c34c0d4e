"""Sequences of several lengths: side by side with padding, and packed for recurrent networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import flambeau

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):  # noqa: N801 - the name that pickles have
    data: flambeau.Tensor
    batch_sizes: flambeau.Tensor
    sorted_indices: flambeau.Tensor | None
    unsorted_indices: flambeau.Tensor | None


def _moved(t: flambeau.Tensor | None, device, non_blocking: bool):
    return None if t is None else t.to(device, non_blocking=non_blocking)


class PackedSequence(PackedSequence_):
    """Sequences of several lengths, one step after the other; recurrent layers take it as input.

    ``pack_padded_sequence`` and ``pack_sequence`` make it. Of the sequences ``abc`` and ``x`` the
    data is ``axbc``, and the sizes of the steps' batches are 2, 1, 1.

    Args:
        data: the steps, without padding.
        batch_sizes: how many sequences each step has, int64 on the CPU.
        sorted_indices: the order of the sequences by length, None where they were given so.
        unsorted_indices: the order back; follows from ``sorted_indices`` where it is not given.

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import pack_sequence
        >>> pack_sequence([flambeau.tensor([1, 2, 3]), flambeau.tensor([4])]).data
        tensor([1, 4, 2, 3])
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError(
                    "PackedSequence: expected data to be a list or tuple of length 2 where no "
                    "batch_sizes are given"
                )
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                f"PackedSequence: batch_sizes should always be on CPU, got {batch_sizes.device}; "
                "pack_sequence and pack_padded_sequence make it so"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def pin_memory(self):
        """The same in pinned memory."""
        orders = (t if t is None else t.pin_memory() for t in self[2:])
        return type(self)(self.data.pin_memory(), self.batch_sizes, *orders)

    def to(self, *args, **kwargs):
        """The same with its data converted or moved, as ``Tensor.to``; itself where that is so."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        wait = bool(kwargs.get("non_blocking", False))
        orders = (_moved(t, data.device, wait) for t in self[2:])
        return type(self)(data, self.batch_sizes, *orders)

    def cuda(self, *args, **kwargs):
        """The same on an accelerator of this name."""
        like = flambeau.tensor((), dtype=self.data.dtype, device=self.data.device)
        if like.to(*args, **kwargs).is_cuda:
            return self.to(*args, **kwargs)
        return self.to(*args, **kwargs | {"device": "cuda"})

    def cpu(self, *args, **kwargs):
        """The same on the CPU."""
        like = flambeau.tensor((), dtype=self.data.dtype, device=self.data.device)
        if like.to(*args, **kwargs).device.type == "cpu":
            return self.to(*args, **kwargs)
        return self.to(*args, **kwargs | {"device": "cpu"})

    def double(self):
        """Converted to float64."""
        return self.to(dtype=flambeau.double)

    def float(self):
        """Converted to float32."""
        return self.to(dtype=flambeau.float)

    def half(self):
        """Converted to float16."""
        return self.to(dtype=flambeau.half)

    def long(self):
        """Converted to int64."""
        return self.to(dtype=flambeau.long)

    def int(self):
        """Converted to int32."""
        return self.to(dtype=flambeau.int)

    def short(self):
        """Converted to int16."""
        return self.to(dtype=flambeau.short)

    def char(self):
        """Converted to int8."""
        return self.to(dtype=flambeau.int8)

    def byte(self):
        """Converted to uint8."""
        return self.to(dtype=flambeau.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a device of this name."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data is in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation: flambeau.Tensor | None) -> flambeau.Tensor | None:
    """The permutation that undoes another.

    Args:
        permutation: each of 0 to n - 1 once; None gives None.

    Shape:
        - permutation, output: (n).

    Example::

        >>> import flambeau
        >>> flambeau.nn.utils.rnn.invert_permutation(flambeau.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = flambeau.arange(0, permutation.numel(), device=permutation.device)
    made = flambeau.empty_like(permutation, memory_format=flambeau.contiguous_format)
    return made.scatter_(0, permutation, places)


def pack_padded_sequence(
    input: flambeau.Tensor,
    lengths,
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Packs sequences that lie side by side with padding.

    Args:
        input: the sequences.
        lengths: of each, a list or a tensor on the CPU.
        batch_first: whether the batch is the first dimension, not the steps.
        enforce_sorted: whether the sequences have to come with the longest first; otherwise they
            are sorted here.

    Shape:
        - input: (steps, batch, *), or (batch, steps, *) with ``batch_first``.
        - lengths: (batch).

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import pack_padded_sequence
        >>> packed = pack_padded_sequence(flambeau.tensor([[1, 2], [3, 0]]), [2, 1])
        >>> packed.data, packed.batch_sizes
        (tensor([1, 2, 3]), tensor([2, 1]))
    """
    if not isinstance(lengths, flambeau.Tensor):
        lengths = flambeau.as_tensor(lengths, dtype=flambeau.int64, device="cpu")
    else:
        lengths = lengths.to(dtype=flambeau.int64)
    order = None
    if not enforce_sorted:
        lengths, order = flambeau.sort(lengths, descending=True)
        order = order.to(input.device)
        input = input.index_select(0 if batch_first else 1, order)
    data, batch_sizes = flambeau._pack_padded_sequence(input, lengths, batch_first)
    return PackedSequence(data, batch_sizes, order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[flambeau.Tensor, flambeau.Tensor]:
    """Packed sequences side by side again, in the order in which they were given, and lengths.

    Args:
        sequence: what ``pack_padded_sequence`` made.
        batch_first: whether the batch is to be the first dimension, not the steps.
        padding_value: what stands behind the shorter ones.
        total_length: how many steps there shall be; as many as the longest has where None.

    Shape:
        - output: (steps, batch, *), or (batch, steps, *) with ``batch_first``.
        - lengths: (batch).

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> packed = pack_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])])
        >>> pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2],
                [3, 0]]), tensor([2, 1]))
    """
    steps = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "pad_packed_sequence: Expected total_length to be at least the length of the "
                f"longest sequence in input, but got total_length={total_length} and max sequence "
                f"length being {steps}"
            )
        steps = total_length
    padded, lengths = flambeau._pad_packed_sequence(
        sequence.data, sequence.batch_sizes, batch_first, padding_value, steps
    )
    back = sequence.unsorted_indices
    if back is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, back), lengths[back.cpu()]


def pad_sequence(
    sequences,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> flambeau.Tensor:
    """Sequences of several lengths side by side, with padding.

    Args:
        sequences: tensors, whose first dimensions are the steps; a tensor stands for its slices.
        batch_first: whether the batch is to be the first dimension, not the steps.
        padding_value: what stands beside the shorter ones.
        padding_side: "right", behind them, or "left".

    Shape:
        - each of sequences: (length, *).
        - output: (steps, batch, *), or (batch, steps, *) with ``batch_first``.

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import pad_sequence
        >>> pad_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    return flambeau._C._nn.pad_sequence(tuple(sequences), batch_first, padding_value, padding_side)


def unpad_sequence(
    padded_sequences: flambeau.Tensor, lengths: flambeau.Tensor, batch_first: bool = False
) -> list[flambeau.Tensor]:
    """The sequences that ``pad_sequence`` put side by side, each by itself.

    As PyTorch's, it leaves ``padded_sequences`` with the batch first.

    Args:
        padded_sequences: what ``pad_sequence`` made.
        lengths: of each.
        batch_first: whether the batch is the first dimension, not the steps.

    Shape:
        - padded_sequences: (steps, batch, *), or (batch, steps, *) with ``batch_first``.
        - lengths: (batch).

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import unpad_sequence
        >>> unpad_sequence(flambeau.tensor([[1, 2], [3, 0]]), flambeau.tensor([2, 1]))
        [tensor([1, 3]), tensor([2])]
    """
    if not batch_first:
        padded_sequences.transpose_(0, 1)
    place = flambeau.arange(padded_sequences.shape[1], device=lengths.device)
    pairs = zip(padded_sequences, lengths, strict=True)
    return [sequence[place < length] for sequence, length in pairs]


def pack_sequence(sequences: list[flambeau.Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of several lengths.

    Args:
        sequences: tensors, whose first dimensions are the steps.
        enforce_sorted: whether they have to come with the longest first.

    Shape:
        - each of sequences: (length, *).

    Example::

        >>> import flambeau
        >>> flambeau.nn.utils.rnn.pack_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])])[:2]
        (tensor([1, 3, 2]), tensor([2, 1]))
    """
    lengths = flambeau.as_tensor([v.size(0) for v in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[flambeau.Tensor]:
    """The sequences of a packed one, each by itself.

    Args:
        packed_sequences: what ``pack_sequence`` made.

    Shape:
        - each of the outputs: (length, *).

    Example::

        >>> import flambeau
        >>> from flambeau.nn.utils.rnn import pack_sequence, unpack_sequence
        >>> unpack_sequence(pack_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])]))
        [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
