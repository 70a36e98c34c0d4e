"""Borders.

``pad`` is that of ``functional.pad``: the last dimension first, a negative number cuts off.
"""

from flambeau.ops.language import (
    MOST,
    Error,
    Spec,
    channels_last_strides,
    check_fits,
    dtype_name,
    formats,
    is_differentiable,
    same,
    show,
    suggest_memory_format,
    zeros_for,
)
from flambeau.ops.record import COMPLEX, FLOATING, composite, structured
from flambeau.ops.samples import call, np, values

REFLECT, REPLICATE, CIRCULAR, CONSTANT = 0, 1, 2, 3  # as ATen counts modes


# ---- what they have in common


def bordered(op, d, size, left, right, mode):
    """The size of a dimension with its border."""
    low, high = min(left, right), max(left, right)
    if high > 0 and (high > MOST - size or low > MOST - size - high):
        raise Error(
            f"{op}: dimension {d} of size {size} would get too large a size from padding "
            f"({left}, {right})"
        )
    # What is left where both sides are cut off, below zero where there is not so much.
    kept = size + max(min(left, 0), -size - 1)
    kept = kept + max(min(right, 0), -size - 1)
    cut_first = mode == CIRCULAR or mode == CONSTANT or high <= 0
    if kept < 0 and (cut_first or size + high + low < 0):
        raise Error(
            f"{op}: dimension {d} of size {size} would get a negative size from padding "
            f"({left}, {right})"
        )
    if mode != CONSTANT and size == 0:
        raise Error(
            f"{op}: dimension {d} of size 0 has no elements to pad with: got ({left}, {right}); "
            f'mode "constant" pads it'
        )
    if mode == REFLECT and high > size - 1:
        raise Error(
            f'{op}: mode "reflect" can pad dimension {d} of size {size} by at most {size - 1} on '
            f"each side, got ({left}, {right})"
        )
    if mode == CIRCULAR and high > kept:
        raise Error(
            f'{op}: mode "circular" can pad dimension {d} of size {size} by at most the {kept} '
            f"elements that are not cut off on each side, got ({left}, {right})"
        )
    return size + (left + right)


def check_pad(op, ndim, pad):
    if len(pad) % 2 != 0:
        raise Error(f"{op}: padding length must be divisible by 2, got {len(pad)}")
    if len(pad) > 2 * ndim:
        raise Error(
            f"{op}: padding length should be at most twice the input's dimensions, got {len(pad)} "
            f"for an input of dimension {ndim}"
        )


def bordered_sizes(op, sizes, pad, mode):
    made = list(sizes)
    for k in range(len(pad) // 2):
        if pad[2 * k] != 0 or pad[2 * k + 1] != 0:
            d = len(sizes) - 1 - k
            made[d] = bordered(op, d, sizes[d], pad[2 * k], pad[2 * k + 1], mode)
    return made


def check_edges(op, self, padding, rank):
    """The input of an op that repeats elements along its last ``rank`` dimensions."""
    if len(padding) != 2 * rank:
        raise Error(f"{op}: padding needs {2 * rank} numbers, got {show(padding)}")
    if self.dim() != rank + 1 and self.dim() != rank + 2:
        raise Error(
            f"{op}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with possibly 0 batch "
            f"size and other non-zero dimensions for input, but got: {show(self.shape)}"
        )
    for d in range(self.dim() - rank - 1, self.dim()):
        if self.shape[d] == 0:
            raise Error(
                f"{op}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with possibly 0 "
                f"batch size and other non-zero dimensions for input, but got: {show(self.shape)}"
            )


def lies_last(self):
    """Whether channels are its innermost dimension."""
    return suggest_memory_format(self) != formats.contiguous_format


def _reference(mode):
    def reference(x, pad, value=0):
        sides = [(0, 0)] * (x.ndim - len(pad) // 2) + list(zip(pad[-2::-2], pad[::-2], strict=True))
        how = {"constant_values": value} if mode == CONSTANT else {}
        grown = [tuple(max(p, 0) for p in side) for side in sides]
        cuts = [(max(-left, 0), max(-right, 0)) for left, right in sides]

        def cut(x):
            return x[tuple(slice(a, n - b) for (a, b), n in zip(cuts, x.shape, strict=True))]

        name = ("reflect", "edge", "wrap", "constant")[mode]
        if mode in (CIRCULAR, CONSTANT):
            return np.pad(cut(x), grown, name, **how)
        return cut(np.pad(x, grown, name))

    return reference


# ---- one value


@structured(
    "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
    cpu="cpu::constant_border(result, self, pad, value)",
    method=False,
    opaque=True,
    out=True,
    separate_out=True,
)
def constant_pad_nd():
    """A tensor with a border of one value: (left, right) of the last dimension, then of the others.

    >>> flambeau.constant_pad_nd(flambeau.tensor([[1, 2]]), [1, 0, 0, 1], 5)
    tensor([[5, 1, 2],
            [5, 5, 5]])
    """


constant_pad_nd.samples(
    call(values(2, 3, 4), [0, 1, 2, 0], 2.0),
    call(values(2, 3, 4), [-1, 0, 2, -1], 2.0),
    call(values(2, 0), [1, 2]),
)
constant_pad_nd.benchmark(call(values(16, 64, 32, 32), [1, 1, 1, 1]))
constant_pad_nd.reference(_reference(CONSTANT))
constant_pad_nd.jvp("linear")
constant_pad_nd.without("decomposition", "sharding", "autocast")


@constant_pad_nd.batching
def _(b, self, pad, value):
    return b.op(self.first, pad, value)


@constant_pad_nd.rule
def _(self, pad, value):
    check_fits("constant_pad_nd", value, self.dtype)
    check_pad("constant_pad_nd", self.dim(), pad)
    shape = bordered_sizes("constant_pad_nd", self.shape, pad, CONSTANT)
    if lies_last(self):
        return Spec(shape, self.dtype, channels_last_strides(shape))
    return Spec(shape, self.dtype)


@constant_pad_nd.gradient
def _(g, pad, ops):
    return ops.constant_pad_nd(g, [-p for p in pad], 0)


# ---- elements of the tensor

_EDGES = {
    REFLECT: "their neighbours mirrored, without repeating the edge",
    REPLICATE: "copies of the edge",
}
_SIZES, _SIDES = (2, 3, 4, 3, 4), [1, 2, 0, 1, 1, 0]
_ROWS = {REFLECT: ("3, 2, 1, 2, 3, 2", "1., 3., 2."), REPLICATE: ("1, 1, 1, 2, 3, 3", "3., 1., 2.")}


def _documented(f, text, example):
    f.__doc__ = f"{text}\n\n{example}"
    return f


def _edges(name, mode, rank):
    """An op that pads the last ``rank`` dimensions with elements that are there."""
    backward = f"{name}_backward"

    def body():
        pass

    def rule(self, padding):
        check_edges(name, self, padding, rank)
        shape = bordered_sizes(name, self.shape, padding, mode)
        if lies_last(self):
            return Spec(shape, self.dtype, channels_last_strides(shape))
        return Spec(shape, self.dtype)

    def gradient(g, self, padding, ops):
        return getattr(ops, backward)(g, self, padding)

    def batching(b, self, padding):
        return b.folded(lambda x: b.op(x, padding), rank + 2, self)

    example = f">>> flambeau._C._nn.{name}(flambeau.tensor([[1, 2, 3]]), [2, 1])\n"
    example += f"tensor([[{_ROWS[mode][0]}]])"
    if rank > 1:
        example = f">>> flambeau._C._nn.{name}(flambeau.zeros({', '.join('2' * (rank + 1))}), 1)"
        example += f".shape\ntorch.Size([2{', 4' * rank}])"
    made = structured(
        f"{name}(Tensor self, SymInt[{2 * rank}] padding) -> Tensor",
        cpu=f"cpu::edge_border(result, self, padding, {mode})",
        module="_nn",
        method=False,
        opaque=True,
        out=True,
        separate_out=True,
    )(_documented(body, f"A border around the last {rank} dimensions: {_EDGES[mode]}.", example))
    cut = [-1, 2, *[1, -1] * (rank - 1)]
    made.samples(
        call(values(*_SIZES[: rank + 2]), _SIDES[: 2 * rank]),
        call(values(*_SIZES[1 : rank + 2]), cut),
    )
    large = (4, 16, *((4096,), (64, 64), (16, 16, 16))[rank - 1])
    made.benchmark(call(values(*large), [1] * 2 * rank))
    made.reference(_reference(mode))
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast")
    made.rule(rule)
    made.gradient(gradient)


def _edges_backward(name, mode, rank):
    forward = name.removesuffix("_backward")

    def body():
        pass

    def rule(grad_output, self, padding):
        check_edges(name, self, padding, rank)
        shape = bordered_sizes(name, self.shape, padding, mode)
        if not is_differentiable(self.dtype):
            raise NotImplementedError(
                f"{name}: not implemented for {dtype_name(self.dtype)}: gradients are floating "
                f"point or complex"
            )
        if not same(shape, grad_output.shape) or grad_output.dtype != self.dtype:
            raise Error(
                f"{name}: grad_output unexpected. Expected: {show(shape)} and "
                f"{dtype_name(self.dtype)}, Got: {show(grad_output.shape)} and "
                f"{dtype_name(grad_output.dtype)}"
            )
        if lies_last(self):
            return Spec(self.shape, self.dtype, channels_last_strides(self.shape))
        return Spec(self.shape, self.dtype)

    def gradient(g, self, padding, ops):
        return getattr(ops, forward)(g, padding), zeros_for(g, self.shape, ops)

    def batching(b, grad_output, self, padding):
        return b.folded(lambda g, x: b.op(g, x, padding), rank + 2, grad_output, self)

    def jvp(t, grad_output, self, padding):
        return t.op(t.get("grad_output"), self, padding)

    example = f">>> flambeau._C._nn.{name}(flambeau.ones(1, 6), flambeau.zeros(1, 3), [2, 1])\n"
    example += f"tensor([[{_ROWS[mode][1]}]])"
    if rank > 1:
        sides = [", ".join(str(n) for n in [1] + [size] * rank) for size in (4, 2)]
        example = f">>> g, x = flambeau.ones({sides[0]}), flambeau.zeros({sides[1]})\n"
        example += f">>> flambeau._C._nn.{name}(g, x, 1).sum()\ntensor({4**rank}.)"
    text = f"The gradient of `{forward}`: each border is added to where its elements came from."
    made = structured(
        f"{name}(Tensor grad_output, Tensor self, SymInt[{2 * rank}] padding) -> Tensor",
        cpu=f"cpu::edge_border_backward(result, grad_output, padding, {mode})",
        module="_nn",
        method=False,
    )(_documented(body, text, example))
    inner = _SIZES[2 : rank + 2][::-1]
    grown = [n + _SIDES[2 * i] + _SIDES[2 * i + 1] for i, n in enumerate(inner)]
    made.samples(
        call(values(*_SIZES[:2], *grown[::-1]), values(*_SIZES[: rank + 2]), _SIDES[: 2 * rank]),
        dtypes=FLOATING | COMPLEX,
    )
    made.batching(batching)
    made.jvp(jvp)
    made.without("decomposition", "sharding", "autocast", "benchmark")
    made.rule(rule)
    made.gradient(gradient)


_edges("reflection_pad1d", REFLECT, 1)
_edges("reflection_pad2d", REFLECT, 2)
_edges("reflection_pad3d", REFLECT, 3)
_edges("replication_pad1d", REPLICATE, 1)
_edges("replication_pad2d", REPLICATE, 2)
_edges("replication_pad3d", REPLICATE, 3)
_edges_backward("reflection_pad1d_backward", REFLECT, 1)
_edges_backward("reflection_pad2d_backward", REFLECT, 2)
_edges_backward("reflection_pad3d_backward", REFLECT, 3)
_edges_backward("replication_pad1d_backward", REPLICATE, 1)
_edges_backward("replication_pad2d_backward", REPLICATE, 2)
_edges_backward("replication_pad3d_backward", REPLICATE, 3)


@composite("_pad_circular(Tensor self, SymInt[] pad) -> Tensor", module="_nn", method=False)
def _pad_circular(self, pad, ops):
    """A tensor whose last dimensions begin with their last elements, and end with their first."""
    check_pad("pad", self.dim(), pad)
    made = ops.new_empty(self, bordered_sizes("pad", self.shape, pad, CIRCULAR))
    inside, kept = made, self
    for k in range(len(pad) // 2):
        d, left, right = self.dim() - 1 - k, pad[2 * k], pad[2 * k + 1]
        size = self.shape[d] + min(left, 0) + min(right, 0)
        kept = ops.narrow(kept, d, max(-left, 0), size)
        inside = ops.narrow(inside, d, max(left, 0), size)
    ops.copy_(inside, kept)
    # What is copied along one dimension is part of what is copied along the next.
    for k in range(len(pad) // 2):
        d, left, right = self.dim() - 1 - k, pad[2 * k], pad[2 * k + 1]
        first = max(left, 0)
        end = first + self.shape[d] + min(left, 0) + min(right, 0)
        if left > 0:
            ops.copy_(ops.narrow(made, d, 0, left), ops.narrow(made, d, end - left, left))
        if right > 0:
            ops.copy_(ops.narrow(made, d, end, right), ops.narrow(made, d, first, right))
    return made


_pad_circular.samples(
    call(values(2, 3, 4), [2, 1]),
    call(values(2, 3, 4), [4, 1, 0, 3]),
    call(values(2, 3, 4), [-1, 2, 1, -1]),
)
_pad_circular.benchmark(call(values(16, 64, 32, 32), [1, 1, 1, 1]))
_pad_circular.reference(_reference(CIRCULAR))


def padded(self, pad, mode, value, ops):
    check_pad("pad", self.dim(), pad)
    if mode == CONSTANT:
        return ops.constant_pad_nd(self, pad, 0.0 if value is None else value)
    if value is not None and value != 0:
        raise Error("pad: only mode 'constant' takes a value argument")
    rank, outer = len(pad) // 2, self.dim() - len(pad) // 2
    if rank < 1 or rank > 3 or outer < 1 or outer > 2:
        raise NotImplementedError(
            f"pad: padding size {len(pad)} is not supported for a {self.dim()}D input; modes other "
            f"than constant pad the last 1, 2 or 3 dimensions of an input that has 1 or 2 more"
        )
    if mode == REFLECT:
        if rank == 1:
            return ops.reflection_pad1d(self, pad)
        if rank == 2:
            return ops.reflection_pad2d(self, pad)
        return ops.reflection_pad3d(self, pad)
    if mode == REPLICATE:
        if rank == 1:
            return ops.replication_pad1d(self, pad)
        if rank == 2:
            return ops.replication_pad2d(self, pad)
        return ops.replication_pad3d(self, pad)
    return ops._pad_circular(self, pad)


@composite(
    "_pad_enum(Tensor self, SymInt[] pad, int mode, float? value=None) -> Tensor",
    module="_nn",
    method=False,
)
def _pad_enum(self, pad, mode, value, ops):
    """`pad` with a number for the mode: 0 is reflect, 1 replicate, 2 circular, 3 constant."""
    if mode < REFLECT or mode > CONSTANT:
        raise Error(
            f"_pad_enum: {mode} is not a valid value for mode: 0 is reflect, 1 replicate, "
            f"2 circular, 3 constant"
        )
    return padded(self, pad, mode, value, ops)


_pad_enum.samples(
    call(values(2, 3, 4), [2, 1], 0),
    call(values(2, 3, 4), [1, 2, 1, 0], 1),
    call(values(2, 3, 4), [4, 1, 0, 3], 2),
    call(values(2, 3, 4), [0, 1, 2, 0], 3, 2.0),
)
_pad_enum.without("benchmark")


@composite(
    'pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor',
    module="_nn",
    method=False,
)
def pad(self, pad, mode, value, ops):
    """A tensor with a border, of one value or of its own elements: `functional.pad`.

    >>> flambeau._C._nn.pad(flambeau.tensor([[1, 2, 3]]), (1, 2), "circular")
    tensor([[3, 1, 2, 3, 1, 2]])
    """
    if mode == "reflect":
        return padded(self, pad, REFLECT, value, ops)
    if mode == "replicate":
        return padded(self, pad, REPLICATE, value, ops)
    if mode == "circular":
        return padded(self, pad, CIRCULAR, value, ops)
    if mode != "constant":
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}")
    return padded(self, pad, CONSTANT, value, ops)


pad.samples(
    call(values(2, 3, 4), [2, 1], "reflect"),
    call(values(2, 3, 4, 2), [1, 0, 0, 1, 1, 1], "replicate"),
    call(values(2, 3, 4), [4, 1, 0, 3], "circular"),
    call(values(2, 3, 4), [0, 1, 2, 0], value=2.0),
    call(values(2, 3, 4), [0, 1]),
)
pad.without("benchmark")
