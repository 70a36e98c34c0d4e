"""Shapes by name: compositions of views, and copies where a view will not do."""

from flambeau.ops.language import (
    MOST,
    Error,
    count,
    dtypes,
    formats,
    same,
    show,
    wrap_dim,
)
from flambeau.ops.record import composite, native
from flambeau.ops.samples import call, np, values
from flambeau.ops.views.geometry import inferred_size, view_strides, viewed
from flambeau.ops.views.parts import window_sizes


@composite("reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)")
def reshape(self, shape, ops):
    """The same elements under another shape: a view where possible, else a copy.

    >>> flambeau.reshape(flambeau.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    sizes = inferred_size(shape, self.numel(), "reshape")
    if self.is_contiguous():
        return ops.view(self, sizes)
    strides = view_strides(self.shape, self.stride(), sizes, self.numel())
    if strides is not None:
        return ops._reshape_alias(self, sizes, strides)
    return ops._unsafe_view(ops.clone(self, formats.contiguous_format), sizes)


reshape.samples(call(values(2, 3), [3, -1]), call(values(), [1, 1]), call(values(0, 3), [3, 0]))
reshape.reference(np.reshape)


@native(
    "_unsafe_view(Tensor self, SymInt[] size) -> Tensor",
    method=False,
    function_variant=False,
    opaque=True,
)
def _unsafe_view():
    """What ``reshape`` runs on its own copy: nobody else sees that memory, so it is no view."""


_unsafe_view.samples(call(values(2, 3), [3, 2]), call(values(2, 3), [-1]))
_unsafe_view.reference(np.reshape)
_unsafe_view.batching(lambda b, self, size: self.full.reshape([b.size, *size]))


@_unsafe_view.jvp
def _(t, size):
    return t.get("self").reshape(size)


@_unsafe_view.rule
def _(self, size):
    return viewed(self, size, "view")


@_unsafe_view.gradient
def _(g, self, ops):
    return ops.reshape(g, self.shape)


@composite("reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)", function_variant=False)
def reshape_as(self, other, ops):
    """``reshape(other.shape)``.

    >>> flambeau.arange(4).reshape_as(flambeau.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return ops.reshape(self, other.shape)


reshape_as.samples(call(values(2, 3), values(3, 2)))
reshape_as.reference(lambda x, y: np.reshape(x, y.shape))


@composite("view_as(Tensor(a) self, Tensor other) -> Tensor(a)", function_variant=False)
def view_as(self, other, ops):
    """``view(other.shape)``.

    >>> flambeau.arange(4).view_as(flambeau.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return ops.view(self, other.shape)


view_as.samples(call(values(2, 3), values(3, 2)))
view_as.reference(lambda x, y: np.reshape(x, y.shape))


@composite("expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", function_variant=False)
def expand_as(self, other, ops):
    """``expand(other.shape)``.

    >>> flambeau.tensor([1, 2]).expand_as(flambeau.zeros(2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return ops.expand(self, other.shape)


expand_as.samples(call(values(3), values(2, 3)))
expand_as.reference(lambda x, y: np.broadcast_to(x, y.shape))


@composite("broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)")
def broadcast_to(self, size, ops):
    """``expand`` as a function.

    >>> flambeau.broadcast_to(flambeau.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return ops.expand(self, size)


broadcast_to.samples(call(values(3), [2, 3]), call(values(), [2]))
broadcast_to.reference(np.broadcast_to)


@composite(
    "flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)",
)
def flatten(self, start_dim, end_dim, ops):
    """Dimensions ``start_dim`` to ``end_dim`` joined into one.

    >>> flambeau.flatten(flambeau.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    a = wrap_dim(start_dim, self.dim(), "flatten")
    b = wrap_dim(end_dim, self.dim(), "flatten")
    if a > b:
        raise Error("flatten: flatten() has invalid args: start_dim cannot come after end_dim")
    if self.dim() == 0:
        return ops.reshape(self, [1])
    if a == b:
        return self
    shape = list(self.shape[:a])
    shape.append(count(self.shape[a : b + 1]))
    shape.extend(self.shape[b + 1 :])
    return ops.reshape(self, shape)


flatten.samples(
    call(values(2, 3, 2)), call(values(2, 3, 2), 1), call(values(2, 3, 2), 0, 1), call(values())
)
flatten.reference(
    lambda x, start=0, end=-1: np.reshape(
        x, [*x.shape[:start], -1, *(x.shape[end:][1:] if x.ndim else ())]
    )
)


@composite("unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)")
def unflatten(self, dim, sizes, ops):
    """One dimension split into several; one size may be -1.

    >>> flambeau.unflatten(flambeau.zeros(2, 12), 1, (3, 4)).shape
    torch.Size([2, 3, 4])
    """
    d = wrap_dim(dim, self.dim(), "unflatten")
    if not sizes:
        raise Error("unflatten: sizes must be non-empty")
    if self.dim() == 0:
        raise Error("unflatten: a 0-dim tensor has no dimension to split")
    known, unknown = 1, 0
    for s in sizes:
        if s == -1:
            unknown = unknown + 1
        else:
            known = -1 if known < 0 or s < 0 or (s > 0 and known > MOST // s) else known * s
    n = self.size(d)
    if unknown > 1:
        raise Error("unflatten: only one dimension can be inferred")
    fits = known > 0 and n % known == 0 if unknown == 1 else known == n
    if not fits:
        raise Error(
            f"unflatten: Provided sizes {show(sizes)} don't multiply up to the size of dim {d} "
            f"({n}) in the input tensor"
        )
    shape = list(self.shape[:d])
    for s in sizes:
        shape.append(n // known if s == -1 else s)
    shape.extend(self.shape[d + 1 :])
    return ops.view(self, shape)


unflatten.samples(call(values(2, 6), 1, [3, 2]), call(values(6), 0, [2, -1]))
unflatten.reference(lambda x, dim, sizes: np.reshape(x, [*x.shape[:dim], *sizes]))


@composite("ravel(Tensor(a) self) -> Tensor(a)")
def ravel(self, ops):
    """All elements in one dimension.

    >>> flambeau.ravel(flambeau.zeros(2, 3)).shape
    torch.Size([6])
    """
    return ops.reshape(ops.contiguous(self, formats.contiguous_format), [-1])


ravel.samples(call(values(2, 3)), call(values()))
ravel.reference(np.ravel)


@composite(
    "movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)",
    aliases=("moveaxis",),
)
def movedim(self, source, destination, ops):
    """Dimensions moved to other places, the rest kept in order.

    >>> flambeau.movedim(flambeau.zeros(2, 3, 5), 0, -1).shape
    torch.Size([3, 5, 2])
    """
    if len(source) != len(destination):
        raise Error(
            f"movedim: Invalid source or destination dims: source ({show(source)} dims) should "
            f"contain the same number of dims as destination ({show(destination)} dims)"
        )
    n = self.dim()
    order, used = [-1] * n, []
    for i in range(len(source)):
        start, end = wrap_dim(source[i], n, "movedim"), wrap_dim(destination[i], n, "movedim")
        if start in used:
            raise Error(f"movedim: repeated dim in `source` ({show(source)})")
        if n == 0:
            continue
        if order[end] >= 0:
            raise Error(f"movedim: repeated dim in `destination` ({show(destination)})")
        used.append(start)
        order[end] = start
    if n == 0:
        return ops.alias(self)
    left = [d for d in range(n) if d not in used]
    place = 0
    for i in range(n):
        if order[i] < 0:
            order[i] = left[place]
            place = place + 1
    return ops.permute(self, order)


movedim.samples(call(values(2, 3, 4), [0, 1], [-1, 0]))
movedim.reference(np.moveaxis)


@composite(
    "movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)",
    aliases=("moveaxis",),
)
def movedim_int(self, source, destination, ops):
    """One dimension moved to another place."""
    return ops.movedim_intlist(self, [source], [destination])


movedim_int.samples(call(values(2, 3, 4), 0, -1), call(values(2, 3, 4), 2, 0))
movedim_int.reference(np.moveaxis)


@composite("narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)")
def narrow(self, dim, start, length, ops):
    """``length`` elements from ``start`` on along a dimension.

    >>> flambeau.narrow(flambeau.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    if self.dim() == 0:
        raise Error("narrow: narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise Error("narrow: narrow(): length must be non-negative.")
    d = wrap_dim(dim, self.dim(), "narrow")
    n = self.size(d)
    if start < -n or start > n:
        raise IndexError(
            f"narrow: start out of range (expected to be in range of [{-n}, {n}], but got {start})"
        )
    first = start + n if start < 0 else start
    if first > n - length:
        raise Error(f"narrow: start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return ops.slice_Tensor(self, d, first, first + length)


narrow.samples(call(values(5), 0, 1, 3), call(values(2, 3), 1, -2, 2), call(values(2, 3), 0, 0, 0))
narrow.reference(lambda x, dim, start, n: np.take(x, range(start, start + n), dim))


@composite("chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]")
def chunk(self, chunks, dim, ops):
    """About equal parts along a dimension, at most ``chunks`` of them.

    >>> [len(c) for c in flambeau.chunk(flambeau.arange(5), 2)]
    [3, 2]
    """
    if self.dim() == 0:
        raise Error("chunk: chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise Error(f"chunk: chunk expects `chunks` to be greater than 0, got: {chunks}")
    d = wrap_dim(dim, self.dim(), "chunk")
    each = (self.size(d) + chunks - 1) // chunks
    if each == 0:  # an empty dimension still gives that many parts
        return ops.split_with_sizes(self, [0] * chunks, d)
    return ops.split_Tensor(self, each, d)


chunk.samples(call(values(5), 2), call(values(2, 3), 3, 1))
chunk.reference(np.array_split)


@composite(
    "numpy_T(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False, attribute="T"
)
def numpy_T(self, ops):
    """The dimensions in reverse order.

    >>> flambeau.zeros(2, 3).T.shape
    torch.Size([3, 2])
    """
    return ops.permute(self, list(reversed(range(self.dim()))))


numpy_T.samples(call(values(2, 3)))
numpy_T.reference(np.transpose)


@composite(
    "matrix_H(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False, attribute="H"
)
def matrix_H(self, ops):
    """The conjugate transpose of a matrix.

    >>> flambeau.tensor([[1 + 1j, 2j]]).H
    tensor([[1.-1.j],
            [0.-2.j]])
    """
    if self.dim() != 2 and self.dim() != 0:
        raise Error(
            "matrix_H: tensor.H is only supported on matrices (2-D tensors). "
            f"Got {self.dim()}-D tensor."
        )
    return ops.conj(self) if self.dim() == 0 else ops.mH(self)


matrix_H.samples(call(values(2, 3)))
matrix_H.reference(lambda x: np.conj(x).T)


@composite("mT(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False, attribute="mT")
def mT(self, ops):
    """The last two dimensions exchanged.

    >>> flambeau.zeros(4, 2, 3).mT.shape
    torch.Size([4, 3, 2])
    """
    if self.dim() < 2:
        raise Error(
            f"mT: tensor.mT is only supported on matrices or batches of matrices. Got {self.dim()}"
            "-D tensor."
        )
    return ops.transpose_int(self, -2, -1)


mT.samples(call(values(2, 3, 4)))
mT.reference(lambda x: np.swapaxes(x, -1, -2))


@composite("mH(Tensor(a) self) -> Tensor(a)", function_variant=False, method=False, attribute="mH")
def mH(self, ops):
    """The last two dimensions exchanged, conjugated.

    >>> flambeau.tensor([[1 + 1j, 2j]]).mH
    tensor([[1.-1.j],
            [0.-2.j]])
    """
    return ops.conj(ops.mT(self))


mH.samples(call(values(2, 3, 4)))
mH.reference(lambda x: np.conj(np.swapaxes(x, -1, -2)))


@composite("adjoint(Tensor(a) self) -> Tensor(a)")
def adjoint(self, ops):
    """The last two dimensions exchanged, conjugated.

    >>> flambeau.tensor([[1 + 1j, 2j]]).adjoint()
    tensor([[1.-1.j],
            [0.-2.j]])
    """
    if self.dim() == 1:
        raise Error(
            "adjoint: tensor.adjoint() is only supported on matrices or batches of matrices. "
            "Got 1-D tensor."
        )
    return ops.conj(self) if self.dim() == 0 else ops.mH(self)


adjoint.samples(call(values(2, 3, 4)))
adjoint.reference(lambda x: np.conj(np.swapaxes(x, -1, -2)))


@composite(
    "contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)",
    function_variant=False,
)
def contiguous(self, memory_format, ops):
    """The tensor itself when it is laid out so, else a copy that is.

    >>> flambeau.arange(4).view(2, 2).t().contiguous().stride()
    (2, 1)
    """
    if memory_format == formats.preserve_format:
        raise Error("contiguous: preserve memory format is unsupported by the contiguous operator")
    if self.is_contiguous(memory_format=memory_format):
        return self
    return ops.clone(self, memory_format)


contiguous.samples(call(values(2, 3)), call(values(0)))
contiguous.reference(lambda x: x)


@native(
    "select_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt index) -> Tensor",
    method=False,
    function_variant=False,
    opaque=True,
)
def select_backward(grad_output, input_sizes, dim, index, ops):
    """The gradient of ``select``: zeros with one slice filled."""
    out = ops.zeros(input_sizes, grad_output.dtype, None, grad_output.device)
    ops.copy_(ops.select_int(out, dim, index), grad_output)
    return out


select_backward.samples(call(values(2), [2, 3], 1, 2))
select_backward.batching("dims")
select_backward.jvp("linear")


@select_backward.gradient
def _(g, dim, index, ops):
    return ops.select_int(g, dim, index)


@native(
    "slice_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt start, SymInt "
    "end, SymInt step)"
    " -> Tensor",
    method=False,
    function_variant=False,
    opaque=True,
)
def slice_backward(grad_output, input_sizes, dim, start, end, step, ops):
    """The gradient of ``slice``: zeros with the slice filled."""
    out = ops.zeros(input_sizes, grad_output.dtype, None, grad_output.device)
    ops.copy_(ops.slice_Tensor(out, dim, start, end, step), grad_output)
    return out


slice_backward.samples(call(values(2, 2), [4, 2], 0, 0, 3, 2))
slice_backward.batching("dims")
slice_backward.jvp("linear")


@slice_backward.gradient
def _(g, dim, start, end, step, ops):
    return ops.slice_Tensor(g, dim, start, end, step)


@native(
    "diagonal_backward(Tensor grad_output, SymInt[] input_sizes, int offset, int dim1, int dim2)"
    " -> Tensor",
    method=False,
    function_variant=False,
    opaque=True,
)
def diagonal_backward(grad_output, input_sizes, offset, dim1, dim2, ops):
    """The gradient of ``diagonal``: zeros with the diagonal filled."""
    out = ops.zeros(input_sizes, grad_output.dtype, None, grad_output.device)
    ops.copy_(ops.diagonal(out, offset, dim1, dim2), grad_output)
    return out


diagonal_backward.samples(call(values(2), [2, 3], 0, 0, 1))
diagonal_backward.batching("dims")
diagonal_backward.jvp("linear")


@diagonal_backward.gradient
def _(g, offset, dim1, dim2, ops):
    return ops.diagonal(g, offset, dim1, dim2)


@native(
    "unfold_backward(Tensor grad_in, SymInt[] input_sizes, int dim, int size, int step) -> Tensor",
    method=False,
    function_variant=False,
    opaque=True,
)
def unfold_backward(grad_in, input_sizes, dim, size, step, ops):
    """The gradient of ``unfold``: each element gets the sum over the windows that hold it."""
    d = wrap_dim(dim, len(input_sizes), "unfold_backward")
    want = window_sizes("unfold_backward", input_sizes, d, size, step)
    if not same(grad_in.shape, want):
        raise Error(
            f"unfold_backward: grad_in of shape {show(grad_in.shape)} is no gradient of windows of "
            f"{size} elements, {step} apart, along dimension {dim} of a tensor of shape "
            f"{show(input_sizes)}: it must have the shape {show(want)}"
        )
    # Halves are added up in float, and rounded once.
    half = grad_in.dtype == dtypes.float16 or grad_in.dtype == dtypes.bfloat16
    kind = dtypes.float32 if half and grad_in.numel() > 0 else grad_in.dtype
    out = ops.zeros(input_sizes, kind, None, grad_in.device)
    if grad_in.numel() == 0:
        return out
    if out.dim() == 0:
        return ops.clone(ops.select_int(grad_in, -1, 0))
    # One strided add for each place in the window: its elements never overlap.
    windows = grad_in.size(d)
    for k in range(size):
        target = ops.slice_Tensor(out, d, k, k + (windows - 1) * step + 1, step)
        ops.add__Tensor(target, ops.select_int(grad_in, -1, k))
    if half:
        return ops._to_copy(out, grad_in.dtype)
    return out


unfold_backward.samples(call(values(2, 3), [5], 0, 3, 2))
unfold_backward.batching("dims")
unfold_backward.jvp("linear")


@unfold_backward.gradient
def _(g, dim, size, step, ops):
    return ops.unfold(g, dim, size, step)
