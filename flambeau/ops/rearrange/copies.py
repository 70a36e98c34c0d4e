"""Copies: of another dtype, device or order in memory, or just of their own."""

from flambeau.ops.factories.filled import check_options
from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    channels_last_strides,
    check_copy,
    format_name,
    formats,
    placed,
    resolved,
    same,
    show,
    strides_like,
    sum_to,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, dtype, np, values


def copied_strides(self, memory_format):
    """The strides of a copy; None for row-major ones."""
    if memory_format is None or memory_format == formats.preserve_format:
        return strides_like(self)
    if memory_format == formats.contiguous_format:
        return None
    want = 4 if memory_format == formats.channels_last else 5
    if self.dim() != want:
        raise Error(f"required rank {want} tensor to use {format_name(memory_format)} format")
    return channels_last_strides(self.shape)


@structured(
    "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor",
    cpu="copy_values",
    handles=frozenset({"conjugate", "negative"}),
    opaque=True,
)
def clone():
    """A copy with memory of its own; gradients pass through.

    >>> flambeau.clone(flambeau.tensor([1, 2]))
    tensor([1, 2])
    """


clone.samples(call(values(2, 3)), call(values()), call(values(0, 3)))
clone.reference(lambda x: x)
clone.batching("same")
clone.jvp("linear")


@clone.rule
def _(self, memory_format):
    return Spec(self.shape, self.dtype, copied_strides(self, memory_format))


@clone.gradient
def _(g):
    return g


@structured(
    "copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)",
    cpu="copy_into",
    function_variant=False,
    number_ok=("src",),
    node="CopyBackwards",
    handles=frozenset({"conjugate", "negative"}),
    opaque=True,
)
def copy_():
    """Copies ``src`` into this tensor, broadcast and cast.

    >>> flambeau.zeros(2).copy_(flambeau.tensor([1, 2]))
    tensor([1., 2.])
    """


copy_.samples(call(values(2, 3), values(2, 3)), call(values(2, 3), values(3)))
copy_.reference(lambda x, source: np.broadcast_to(source, x.shape))
copy_.batching("pointwise")
copy_.jvp("linear")


@copy_.rule
def _(self, src):
    if not same(self.shape, src.shape) and not same(
        broadcast(self.shape, src.shape, "copy_"), self.shape
    ):
        raise Error(
            f"copy_: The size of tensor a {show(self.shape)} must match the size of tensor b "
            f"{show(src.shape)}: src does not broadcast to self"
        )
    check_copy("copy_", self, src)
    if src.is_meta and not self.is_meta and src.numel() != 0:
        raise Error(
            "copy_: Cannot copy out of meta tensor; no data! Use empty_like or to_empty to make "
            "one with data"
        )


def as_source(g, sizes, dtype, layout, device, ops):
    """The gradient of a copy, as one of what was copied."""
    reduced = sum_to(g, sizes, ops)
    if reduced.is_complex() and not dtype.is_complex:
        reduced = ops.real(reduced)
    return ops.to_dtype_layout(reduced, dtype, layout, device)


@copy_.gradient
def _(g, src, ops):
    return ops.zeros_like(g), as_source(g, src.shape, src.dtype, src.layout, src.device, ops)


@structured(
    "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None, bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
    cpu="cpu::copy_values(result, self, memory_format)",
    function_variant=False,
    method=False,
    node="ToCopyBackward0",
    handles=frozenset({"conjugate", "negative"}),
    opaque=True,
)
def _to_copy():
    """A copy with another dtype, device or memory format."""


_to_copy.samples(call(values(2, 3)), call(values(2, 3), dtype=dtype("double")))
_to_copy.reference(lambda x, dtype=None: x)
_to_copy.batching("same")
_to_copy.jvp("linear")


@_to_copy.rule
def _(self, dtype, layout, device, pin_memory, memory_format):
    check_options("to", self.layout if layout is None else layout, pin_memory)
    place = placed(self.device if device is None else device)
    if self.is_meta and place.type != "meta":
        raise NotImplementedError(
            "to: Cannot copy out of meta tensor; no data! Please use "
            "torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module from "
            "meta to a different device."
        )
    kind = self.dtype if dtype is None else dtype
    return Spec(self.shape, kind, copied_strides(self, memory_format), device=place)


@_to_copy.gradient
def _(g, self, ops):
    return as_source(g, self.shape, self.dtype, self.layout, self.device, ops)


def moved(self, dtype, layout, device, non_blocking, copy, memory_format, ops):
    """The tensor itself where it is all of this already and no copy is asked for."""
    form = formats.preserve_format if memory_format is None else memory_format
    there = resolved(device)
    stays = dtype == self.dtype and layout == self.layout and there == self.device
    as_it_is = form == formats.preserve_format or self.is_contiguous(memory_format=form)
    if stays and as_it_is and not copy:
        return self
    return ops._to_copy(self, dtype, layout, there, None, non_blocking, form)


@composite(
    "to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool copy=False, "
    "MemoryFormat? memory_format=None) -> Tensor(a)",
    function_variant=False,
)
def to_options(self, dtype, layout, device, pin_memory, non_blocking, copy, memory_format, ops):
    """The tensor with this dtype, device and layout: itself when nothing changes."""
    if pin_memory is not None and pin_memory:
        raise NotImplementedError("to: pin_memory=True is not supported")
    return moved(
        self,
        self.dtype if dtype is None else dtype,
        self.layout if layout is None else layout,
        self.device if device is None else device,
        non_blocking,
        copy,
        memory_format,
        ops,
    )


to_options.samples(call(values(2, 3)), call(values(2, 3), dtype=dtype("double")))
to_options.reference(lambda x, dtype=None: x)


@composite(
    "to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, "
    "bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
    function_variant=False,
)
def to_device(self, device, dtype, non_blocking, copy, memory_format, ops):
    """The tensor on a device, as a dtype.

    >>> flambeau.tensor([1, 2]).to("cpu", flambeau.float32)
    tensor([1., 2.])
    """
    return moved(self, dtype, self.layout, device, non_blocking, copy, memory_format, ops)


to_device.samples(call(values(2, 3), "cpu", dtype("double")))
to_device.reference(lambda x, device, dtype: x)


@composite(
    "to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, "
    "MemoryFormat? memory_format=None) -> Tensor(a)",
    function_variant=False,
)
def to_dtype(self, dtype, non_blocking, copy, memory_format, ops):
    """The tensor as a dtype.

    >>> flambeau.tensor([1.5]).to(flambeau.int64)
    tensor([1])
    """
    return moved(self, dtype, self.layout, self.device, non_blocking, copy, memory_format, ops)


to_dtype.samples(
    call(values(2, 3), dtype("double")), call(values(2, 3), dtype("double"), copy=True)
)
to_dtype.reference(lambda x, dtype, copy=False: x)


@composite(
    "to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, "
    "MemoryFormat? memory_format=None) -> Tensor(a)",
    function_variant=False,
)
def to_other(self, other, non_blocking, copy, memory_format, ops):
    """The tensor with the dtype and device of another one."""
    return moved(
        self, other.dtype, other.layout, other.device, non_blocking, copy, memory_format, ops
    )


to_other.samples(call(values(2, 3), values(1, dtype="double")))
to_other.reference(lambda x, other: x)


@composite("type_as(Tensor self, Tensor other) -> Tensor", function_variant=False)
def type_as(self, other, ops):
    """``to(other.dtype)``.

    >>> flambeau.tensor([1, 2]).type_as(flambeau.zeros(1))
    tensor([1., 2.])
    """
    form = formats.preserve_format
    return moved(self, other.dtype, other.layout, other.device, False, False, form, ops)


type_as.samples(call(values(2, 3), values(1, dtype="double")))
type_as.reference(lambda x, other: x)
