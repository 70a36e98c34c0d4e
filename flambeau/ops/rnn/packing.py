"""Sequences of several lengths: side by side with padding, or packed one step after the other."""

from flambeau.ops.index.pick import check_same_device
from flambeau.ops.language import Error, dtype_name, dtypes, same, show
from flambeau.ops.record import ALL, composite, native
from flambeau.ops.rnn.networks import steps_of
from flambeau.ops.samples import call, ints, np, values


def lengths_of(lengths, batch, ops):
    """The length of each sequence: above 0, and none longer than the one before."""
    op = "_pack_padded_sequence"
    if lengths.dim() != 1 or lengths.numel() == 0 or lengths.dtype != dtypes.int64:
        raise Error(
            f"{op}: `lengths` argument should be a 1D CPU int64 tensor of at least one element, "
            f"but got {lengths.device} {dtype_name(lengths.dtype)} of shape {show(lengths.shape)}"
        )
    if lengths.shape[0] != batch:
        raise Error(
            f"{op}: Expected `len(lengths)` to be equal to batch_size, but got "
            f"{lengths.shape[0]} (batch_size={batch})"
        )
    found = [0 for _ in range(0)]
    for i in range(batch):
        n = int(ops.select_int(lengths, 0, i).item())
        if n <= 0:
            raise Error(
                f"{op}: Length of all samples has to be greater than 0, but found an element in "
                f"'lengths' that is {n}"
            )
        if i > 0 and n > found[i - 1]:
            raise Error(
                f"{op}: `lengths` array must be sorted in decreasing order when `enforce_sorted` "
                "is True. You can pass `enforce_sorted=False` to pack_padded_sequence and/or "
                "pack_sequence to sidestep this requirement if you do not need ONNX exportability."
            )
        found.append(n)
    return found


def behind_two(sizes):
    return list(sizes[2:])


@native(
    "_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)",
    method=False,
    differentiable=(0,),
    tags=frozenset({"dynamic_shape"}),
)
def _pack_padded_sequence(input, lengths, batch_first, ops):
    """The steps of padded sequences one after the other, without the padding; rows of each step.

    >>> flambeau._pack_padded_sequence(
    ...     flambeau.tensor([[1, 2], [3, 4], [5, 0]]), flambeau.tensor([3, 2]), False)
    (tensor([1, 2, 3, 4, 5]), tensor([2, 2, 1]))
    """
    if input.dim() < 2:
        raise Error(
            "_pack_padded_sequence: expected input of shape [steps, batch, ...], got "
            f"{show(input.shape)}"
        )
    if input.numel() == 0:
        raise Error(
            "_pack_padded_sequence: Cannot pack empty tensors, got input of shape "
            f"{show(input.shape)}"
        )
    if input.is_meta or lengths.is_meta:
        check_same_device("_pack_padded_sequence", input, lengths)
    padded = ops.transpose_int(input, 0, 1) if batch_first else input
    batch = padded.shape[1]
    found = lengths_of(lengths, batch, ops)
    if found[0] > padded.shape[0]:
        raise Error(
            f"_pack_padded_sequence: Expected sequences of {found[0]} steps, but input has the "
            f"shape {show(input.shape)}"
        )
    sizes = ops.empty_memory_format([found[0]], dtypes.int64, None, lengths.device)
    parts = [input for _ in range(0)]
    done = 0
    for i in range(batch):
        n = batch - i  # the sequences that are as long as this one, or longer
        length = found[n - 1]
        if length > done:
            steps = ops.slice_Tensor(ops.slice_Tensor(padded, 0, done, length), 1, 0, n)
            parts.append(ops.reshape(steps, [(length - done) * n] + behind_two(padded.shape)))
            ops.fill__Scalar(ops.slice_Tensor(sizes, 0, done, length), n)
            done = length
    return ops.cat(parts), sizes


@_pack_padded_sequence.gradient
def _(g, input, result1, batch_first, ops):
    return ops._pack_padded_sequence_backward(g, input.shape, result1, batch_first)


@composite(
    "_pack_padded_sequence_backward(Tensor grad, SymInt[] input_size, Tensor batch_sizes, "
    "bool batch_first) -> Tensor",
    function_variant=False,
    method=False,
    tags=frozenset({"data_dependent"}),
)
def _pack_padded_sequence_backward(grad, input_size, batch_sizes, batch_first, ops):
    """The gradient of ``_pack_padded_sequence``: steps back to where they were.

    >>> flambeau.ops.aten._pack_padded_sequence_backward(
    ...     flambeau.tensor([1., 2., 3.]), [2, 2], flambeau.tensor([2, 1]), False)
    tensor([[1., 2.],
            [3., 0.]])
    """
    sizes = list(input_size)
    if batch_first:
        sizes = [input_size[1], input_size[0]] + list(input_size[2:])
    made = ops.new_zeros(grad, sizes)
    unpack_into(made, grad, steps_of("_pack_padded_sequence_backward", batch_sizes, ops), ops)
    return ops.transpose_int(made, 0, 1) if batch_first else made


def unpack_into(padded, data, sizes, ops):
    """Copies packed steps to where padded ones stand, as many at once as have the same rows."""
    first = 0
    row = 0
    for t in range(len(sizes)):
        n = sizes[t]
        behind = 0 if t + 1 == len(sizes) else sizes[t + 1]
        if behind != n:
            steps = t + 1 - first
            part = ops.slice_Tensor(data, 0, row, row + steps * n)
            place = ops.slice_Tensor(ops.slice_Tensor(padded, 0, first, t + 1), 1, 0, n)
            ops.copy_(place, ops.view(part, [steps, n] + behind_two(padded.shape)))
            row += steps * n
            first = t + 1


@composite(
    "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, "
    "int total_length) -> (Tensor, Tensor)",
    method=False,
    tags=frozenset({"data_dependent"}),
)
def _pad_packed_sequence(data, batch_sizes, batch_first, padding_value, total_length, ops):
    """Packed sequences side by side again, with padding behind, and the length of each.

    >>> flambeau._pad_packed_sequence(
    ...     flambeau.tensor([1, 2, 3]), flambeau.tensor([2, 1]), False, -1, 0)
    (tensor([[ 1,  2],
            [ 3, -1]]), tensor([2, 1]))
    """
    op = "_pad_packed_sequence"
    sizes = steps_of(op, batch_sizes, ops)
    steps = len(sizes)
    if total_length > 0 and total_length < steps:
        raise Error(
            f"{op}: Expected total_length to be at least the length of the longest sequence in "
            f"input, but got total_length={total_length} and max sequence length being {steps}"
        )
    total = 0
    for t in range(steps):
        if sizes[t] <= 0 or (t > 0 and sizes[t] > sizes[t - 1]):
            raise Error(f"{op}: batch_sizes must be above 0 and not grow, got {show(sizes)}")
        total += sizes[t]
    if data.dim() == 0 or data.shape[0] != total:
        raise Error(
            f"{op}: batch_sizes {show(sizes)} do not fit packed data of shape {show(data.shape)}"
        )
    shape = [total_length if total_length > 0 else steps, sizes[0]] + list(data.shape[1:])
    padded = ops.new_full(data, shape, padding_value)
    unpack_into(padded, data, sizes, ops)
    lengths = ops.empty_memory_format([sizes[0]], dtypes.int64, None, batch_sizes.device)
    for t in range(steps):
        behind = 0 if t + 1 == steps else sizes[t + 1]
        if behind != sizes[t]:
            ops.fill__Scalar(ops.slice_Tensor(lengths, 0, behind, sizes[t]), t + 1)
    return ops.transpose_int(padded, 0, 1) if batch_first else padded, lengths


@composite(
    "pad_sequence(Tensor[] sequences, bool batch_first=False, float padding_value=0.0, "
    "str padding_side='right') -> Tensor",
    module="_nn",
    method=False,
)
def pad_sequence(sequences, batch_first, padding_value, padding_side, ops):
    """Sequences side by side, with padding behind or before them; ``nn.utils.rnn`` has it.

    >>> flambeau._C._nn.pad_sequence([flambeau.tensor([1, 2]), flambeau.tensor([3])])
    tensor([[1, 3],
            [2, 0]])
    """
    op = "pad_sequence"
    if len(sequences) == 0:
        raise Error(f"{op}: received an empty list of sequences")
    left = padding_side == "left"
    if not left and padding_side != "right":
        raise Error(
            f"{op}: Expected padding_side to be one of left or right, but got {padding_side}."
        )
    first = sequences[0]
    longest = 0
    for t in sequences:
        if t.dim() == 0 or not same(t.shape[1:], first.shape[1:]):
            raise Error(
                f"{op}: expected sequences that are alike behind their first dimension, got "
                f"{show(first.shape)} and {show(t.shape)}"
            )
        longest = max(longest, t.shape[0])
    parts = []
    for t in sequences:
        missing = longest - t.shape[0]
        part = t
        if missing > 0:
            padding = ops.new_full(t, [missing] + list(t.shape[1:]), padding_value)
            part = ops.cat([padding, t]) if left else ops.cat([t, padding])
        parts.append(part)
    return ops.stack(parts, 0 if batch_first else 1)


def _numpy_packed(x, lengths, batch_first):
    x = np.swapaxes(x, 0, 1) if batch_first else x
    sizes = np.array([sum(lengths > t) for t in range(lengths[0])])
    return np.concatenate([x[t, :n] for t, n in enumerate(sizes)]), sizes


def _numpy_padded(data, sizes, batch_first, value, total):
    out = np.full((max(total, len(sizes)), sizes[0], *data.shape[1:]), value, data.dtype)
    row = 0
    for t, n in enumerate(sizes):
        out[t, :n] = data[row : row + n]
        row += n
    lengths = np.array([sum(sizes > i) for i in range(sizes[0])])
    return (np.swapaxes(out, 0, 1) if batch_first else out), lengths


_pack_padded_sequence.samples(
    call(values(3, 2), ints([3, 1]), False),
    call(values(2, 4, 2), ints([4, 2]), True),
    dtypes=ALL,
)
_pack_padded_sequence.reference(_numpy_packed)
_pack_padded_sequence_backward.samples(
    call(values(5, 2), [2, 4, 2], ints([2, 2, 1]), True), dtypes=ALL
)
_pad_packed_sequence.samples(
    call(values(4), ints([2, 1, 1]), False, 0, 0),
    call(values(6, 2), ints([2, 2, 1, 1]), True, 1, 6),
    dtypes=ALL,
)
_pad_packed_sequence.reference(_numpy_padded)
pad_sequence.samples(
    call([values(2), values(3), values(0)]),
    call([values(2, 2), values(3, 2)], True, 1.0, "left"),
    dtypes=ALL,
)
_pack_padded_sequence.batching("none")
_pack_padded_sequence.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
for _record in (_pack_padded_sequence_backward, _pad_packed_sequence, pad_sequence):
    _record.without("benchmark")
