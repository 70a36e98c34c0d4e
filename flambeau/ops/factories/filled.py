"""Empty, constant and regular tensors."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    ceil,
    channels_last_strides,
    check_fits,
    check_sequence,
    default_dtype,
    dtype_name,
    dtypes,
    format_name,
    formats,
    is_integral,
    layout_name,
    layouts,
    placed,
    steps_between,
    strides_like,
    to_complex,
)
from flambeau.ops.record import native, structured
from flambeau.ops.samples import call, dtype, np, values

OPTIONS = (
    "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
)
FORMAT = ", MemoryFormat? memory_format=None"


@structured(
    f"empty.memory_format(SymInt[] size, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    out=True,
    out_overload="out",
    opaque=True,
    cpu="",
)
def empty():
    """A tensor whose elements are whatever memory held.

    >>> flambeau.empty(2, 3).shape
    torch.Size([2, 3])
    """


empty.samples(call([2, 3]), call([0]), call([2], dtype=dtype("int64")))


@empty.rule
def _(size, dtype, layout, device, pin_memory, memory_format):
    check_options("empty", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    return Spec(size, kind, format_strides(size, memory_format), device=placed(device))


@structured(
    f"empty_strided(SymInt[] size, SymInt[] stride, {OPTIONS}) -> Tensor",
    method=False,
    opaque=True,
    cpu="",
)
def empty_strided():
    """An empty tensor with the given strides.

    >>> flambeau.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """


empty_strided.samples(call([2, 3], [1, 2]), call([], []))


@empty_strided.rule
def _(size, stride, dtype, layout, device, pin_memory):
    check_options("empty_strided", layout, pin_memory)
    check_strides("empty_strided", size, stride)
    kind = default_dtype() if dtype is None else dtype
    return Spec(size, kind, stride, device=placed(device))


def check_options(op, layout, pin_memory):
    if pin_memory is not None and pin_memory:
        raise NotImplementedError(f"{op}: pin_memory=True is not supported")
    if layout is not None and layout != layouts.strided:
        raise NotImplementedError(f"{op}: layout torch.{layout_name(layout)} is not supported")


def like_spec(op, self, dtype, layout, device, pin_memory, memory_format):
    """An output in the shape of ``self``, and in its layout unless another is asked for."""
    check_options(op, layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    place = placed(self.device if device is None else device)
    if memory_format is None or memory_format == formats.preserve_format:
        return Spec(self.shape, kind, strides_like(self), device=place)
    return Spec(self.shape, kind, format_strides(self.shape, memory_format), device=place)


def format_strides(size, memory_format):
    """The strides of a memory format; None for row-major ones."""
    if memory_format is None or memory_format == formats.contiguous_format:
        return None
    if memory_format == formats.preserve_format:
        raise Error(
            "empty: memory_format=torch.preserve_format has no tensor whose layout could be kept: "
            "use empty_like"
        )
    want = 4 if memory_format == formats.channels_last else 5
    if len(size) != want:
        raise Error(
            f"empty: required rank {want} tensor to use {format_name(memory_format)} format"
        )
    return channels_last_strides(size)


def check_strides(op, size, stride):
    if len(size) != len(stride):
        raise Error(
            f"{op}: dimensionality of sizes ({len(size)}) must match dimensionality of strides "
            f"({len(stride)})"
        )


def dtype_of_fill(value):
    if isinstance(value, bool):
        return dtypes.bool
    if isinstance(value, int):
        return dtypes.int64
    return to_complex(default_dtype()) if isinstance(value, complex) else default_dtype()


@structured(
    f"zeros(SymInt[] size, {OPTIONS}) -> Tensor",
    cpu="cpu::fill(result, 0)",
    method=False,
    out=True,
)
def zeros():
    """A tensor of zeros.

    >>> flambeau.zeros(2)
    tensor([0., 0.])
    """


@zeros.rule
def _(size, dtype, layout, device, pin_memory):
    check_options("zeros", layout, pin_memory)
    return Spec(size, default_dtype() if dtype is None else dtype, device=placed(device))


zeros.samples(call([2, 3]), call([]), call([0, 2], dtype=dtype("int64")))
zeros.reference(lambda size, dtype=None: np.zeros(size))


@structured(
    f"ones(SymInt[] size, {OPTIONS}) -> Tensor", method=False, out=True, cpu="cpu::fill(result, 1)"
)
def ones():
    """A tensor of ones.

    >>> flambeau.ones(2)
    tensor([1., 1.])
    """


ones.samples(call([2, 3]), call([]), call([0, 2], dtype=dtype("int64")))
ones.reference(lambda size, dtype=None: np.ones(size))


@ones.rule
def _(size, dtype, layout, device, pin_memory):
    check_options("ones", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    return Spec(size, kind, device=placed(device))


@structured(
    f"full(SymInt[] size, Scalar fill_value, {OPTIONS}) -> Tensor",
    method=False,
    out=True,
    cpu="cpu::fill(result, fill_value)",
)
def full():
    """A tensor of one value; its dtype follows from the value.

    >>> flambeau.full((2,), 7)
    tensor([7, 7])
    """


full.samples(call([2, 3], 1.5), call([], True), call([2], 3, dtype=dtype("float64")))
full.reference(lambda size, value, dtype=None: np.full(size, value))


@full.rule
def _(size, fill_value, dtype, layout, device, pin_memory):
    check_options("full", layout, pin_memory)
    kind = dtype_of_fill(fill_value) if dtype is None else dtype
    if isinstance(fill_value, complex) and not kind.is_complex:
        raise Error(
            f"full: value cannot be converted to type {dtype_name(kind)} without overflow: it is "
            "complex"
        )
    check_fits("full", fill_value, kind)
    return Spec(size, kind, device=placed(device))


@structured(
    f"scalar_tensor(Scalar s, {OPTIONS}) -> Tensor", method=False, cpu="cpu::fill(result, s)"
)
def scalar_tensor():
    """A 0-dim tensor.

    >>> flambeau.scalar_tensor(3.)
    tensor(3.)
    """


scalar_tensor.samples(call(1.5), call(3, dtype=dtype("int64")))
scalar_tensor.reference(lambda value, dtype=None: np.asarray(value))


@scalar_tensor.rule
def _(s, dtype, layout, device, pin_memory):
    check_options("scalar_tensor", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    check_fits("scalar_tensor", s, kind)
    return Spec([], kind, device=placed(device))


@structured(
    f"empty_like(Tensor self, {OPTIONS}{FORMAT}) -> Tensor", method=False, opaque=True, cpu=""
)
def empty_like():
    """An empty tensor with the shape, dtype and layout of another.

    >>> flambeau.empty_like(flambeau.zeros(2, 3)).shape
    torch.Size([2, 3])
    """


empty_like.samples(call(values(2, 3)), call(values(2), dtype=dtype("int64")))
empty_like.batching("same")


@empty_like.rule
def _(self, dtype, layout, device, pin_memory, memory_format):
    return like_spec("empty_like", self, dtype, layout, device, pin_memory, memory_format)


@structured(
    f"zeros_like(Tensor self, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    opaque=True,
    cpu="cpu::fill(result, 0)",
)
def zeros_like():
    """Zeros with the shape, dtype and layout of another tensor.

    >>> flambeau.zeros_like(flambeau.tensor([1, 2]))
    tensor([0, 0])
    """


zeros_like.samples(call(values(2, 3)), call(values()), call(values(2), dtype=dtype("int64")))
zeros_like.reference(lambda x, dtype=None: np.zeros_like(x, dtype))
zeros_like.batching("same")


@zeros_like.rule
def _(self, dtype, layout, device, pin_memory, memory_format):
    return like_spec("zeros_like", self, dtype, layout, device, pin_memory, memory_format)


@structured(
    f"ones_like(Tensor self, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    opaque=True,
    cpu="cpu::fill(result, 1)",
)
def ones_like():
    """Ones with the shape, dtype and layout of another tensor.

    >>> flambeau.ones_like(flambeau.tensor([1, 2]))
    tensor([1, 1])
    """


ones_like.samples(call(values(2, 3)), call(values()), call(values(2), dtype=dtype("int64")))
ones_like.reference(lambda x, dtype=None: np.ones_like(x, dtype))
ones_like.batching("same")


@ones_like.rule
def _(self, dtype, layout, device, pin_memory, memory_format):
    return like_spec("ones_like", self, dtype, layout, device, pin_memory, memory_format)


@structured(
    f"full_like(Tensor self, Scalar fill_value, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    opaque=True,
    cpu="cpu::fill(result, fill_value)",
)
def full_like():
    """One value with the shape, dtype and layout of another tensor.

    >>> flambeau.full_like(flambeau.tensor([1, 2]), 5)
    tensor([5, 5])
    """


full_like.samples(call(values(2, 3), 1), call(values(0), 1))
full_like.reference(np.full_like)
full_like.batching("same")


@full_like.rule
def _(self, fill_value, dtype, layout, device, pin_memory, memory_format):
    check_fits("full_like", fill_value, self.dtype if dtype is None else dtype)
    return like_spec("full_like", self, dtype, layout, device, pin_memory, memory_format)


@structured(
    f"new_empty(Tensor self, SymInt[] size, {OPTIONS}) -> Tensor",
    function_variant=False,
    opaque=True,
    cpu="",
)
def new_empty():
    """An empty tensor with this one's dtype and device.

    >>> flambeau.ones(2).new_empty(3, 4).shape
    torch.Size([3, 4])
    """


new_empty.samples(call(values(2), [2, 3]))
new_empty.batching("dims")


@new_empty.rule
def _(self, size, dtype, layout, device, pin_memory):
    check_options("new_empty", layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    return Spec(size, kind, None, device=placed(self.device if device is None else device))


@structured(
    f"new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, {OPTIONS}) -> Tensor",
    function_variant=False,
    opaque=True,
    cpu="",
)
def new_empty_strided():
    """An empty strided tensor with this one's dtype and device.

    >>> flambeau.ones(2).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """


new_empty_strided.samples(call(values(2), [2, 3], [1, 2]))


@new_empty_strided.rule
def _(self, size, stride, dtype, layout, device, pin_memory):
    check_options("new_empty_strided", layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    check_strides("new_empty_strided", size, stride)
    return Spec(size, kind, stride, device=placed(self.device if device is None else device))


@new_empty_strided.batching
def _(b, self, size, stride, dtype, device):
    extent = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if 0 not in size else 0
    room = b.ops.new_empty(self.value, [b.size * extent], dtype=dtype, device=device)
    return room.as_strided([b.size, *size], [extent, *stride])


@structured(
    f"new_zeros(Tensor self, SymInt[] size, {OPTIONS}) -> Tensor",
    function_variant=False,
    opaque=True,
    cpu="cpu::fill(result, 0)",
)
def new_zeros():
    """Zeros with this tensor's dtype and device.

    >>> flambeau.tensor([1, 2]).new_zeros(3)
    tensor([0, 0, 0])
    """


new_zeros.samples(call(values(2), [2, 3]), call(values(), []))
new_zeros.reference(lambda x, size: np.zeros(size, x.dtype))
new_zeros.batching("dims")


@new_zeros.rule
def _(self, size, dtype, layout, device, pin_memory):
    check_options("new_zeros", layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    return Spec(size, kind, None, device=placed(self.device if device is None else device))


@structured(
    f"new_ones(Tensor self, SymInt[] size, {OPTIONS}) -> Tensor",
    function_variant=False,
    opaque=True,
    cpu="cpu::fill(result, 1)",
)
def new_ones():
    """Ones with this tensor's dtype and device.

    >>> flambeau.tensor([1, 2]).new_ones(3)
    tensor([1, 1, 1])
    """


new_ones.samples(call(values(2), [2, 3]), call(values(), []))
new_ones.reference(lambda x, size: np.ones(size, x.dtype))
new_ones.batching("dims")


@new_ones.rule
def _(self, size, dtype, layout, device, pin_memory):
    check_options("new_ones", layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    return Spec(size, kind, None, device=placed(self.device if device is None else device))


@structured(
    f"new_full(Tensor self, SymInt[] size, Scalar fill_value, {OPTIONS}) -> Tensor",
    function_variant=False,
    opaque=True,
    cpu="cpu::fill(result, fill_value)",
)
def new_full():
    """One value with this tensor's dtype and device.

    >>> flambeau.tensor([1, 2]).new_full((2,), 7)
    tensor([7, 7])
    """


new_full.samples(call(values(2), [2, 3], 1), call(values(), [], 0))
new_full.reference(lambda x, size, value: np.full(size, value, x.dtype))
new_full.batching("dims")


@new_full.rule
def _(self, size, fill_value, dtype, layout, device, pin_memory):
    check_options("new_full", layout, pin_memory)
    kind = self.dtype if dtype is None else dtype
    check_fits("new_full", fill_value, kind)
    return Spec(size, kind, None, device=placed(self.device if device is None else device))


@native(f"arange(Scalar end, {OPTIONS}) -> Tensor", method=False, out=True)
def arange(end, dtype, layout, device, pin_memory, ops):
    """``start, start + step, ...`` below ``end``.

    >>> flambeau.arange(3)
    tensor([0, 1, 2])
    >>> flambeau.arange(1, 2, 0.5)
    tensor([1.0000, 1.5000])
    """
    return ops.arange_start_step(0, end, 1, dtype, layout, device, pin_memory)


arange.samples(call(5), call(2.5), call(0))
arange.reference(np.arange)


@native(f"arange.start(Scalar start, Scalar end, {OPTIONS}) -> Tensor", method=False)
def arange_start(start, end, dtype, layout, device, pin_memory, ops):
    """``start`` to ``end`` by one."""
    return ops.arange_start_step(start, end, 1, dtype, layout, device, pin_memory)


arange_start.samples(call(2, 5), call(0.5, 2))
arange_start.reference(np.arange)


@structured(
    f"arange.start_step(Scalar start, Scalar end, Scalar step=1, {OPTIONS}) -> Tensor",
    cpu="cpu::arange(result, start, step)",
    method=False,
    out=True,
    out_overload="start_out",
)
def arange_start_step():
    """``start`` to ``end`` by ``step``."""


arange_start_step.samples(call(1, 6, 2), call(2, 0.5, -0.25))
arange_start_step.reference(np.arange)


@arange_start_step.rule
def _(start, end, step, dtype, layout, device, pin_memory):
    integers = isinstance(start, int) and isinstance(end, int) and isinstance(step, int)
    check_options("arange", layout, pin_memory)
    kind = (dtypes.int64 if integers else default_dtype()) if dtype is None else dtype
    if isinstance(start, complex) or isinstance(end, complex) or isinstance(step, complex):
        raise Error("arange: value cannot be converted to type double: it is complex")
    a, b, by = float(start), float(end), float(step)
    if kind == dtypes.bool:
        raise NotImplementedError("arange: \"arange_cpu\" not implemented for 'Bool'")
    if by == 0:
        raise Error("arange: step must be nonzero")
    if not math.isfinite(a) or not math.isfinite(b):
        raise Error(f"arange: unsupported range: {a:g} -> {b:g}")
    if (by > 0 and b < a) or (by < 0 and b > a):
        raise Error(
            "arange: upper bound and lower bound inconsistent with step sign: "
            f"{a:g} to {b:g} by {by:g}"
        )
    if kind == dtypes.int64 and not integers:
        # Of int64, the numbers themselves are made integers first.
        if not max(abs(a), abs(b), abs(by)) < 9.2e18:
            raise Error("arange: value cannot be converted to type int64_t without overflow")
        if int(step) == 0:
            raise ValueError("arange: step must be nonzero")
        n = steps_between("arange", int(start), int(end), int(step))
    elif integers and is_integral(kind, False):
        n = steps_between("arange", int(start), int(end), int(step))
    else:
        steps = ceil((b - a) / by)
        if not steps < 9.2e18:
            raise Error("arange: invalid size, possible overflow?")
        n = int(steps)
    if is_integral(kind, False) and n > 0:
        check_sequence("arange", start, step, n, kind)
    return Spec([n], kind, device=placed(device))


@structured(
    f"linspace(Scalar start, Scalar end, int steps, {OPTIONS}) -> Tensor",
    cpu="cpu::linspace(result, start, end)",
    method=False,
    out=True,
)
def linspace():
    """``steps`` evenly spaced values, both ends included.

    >>> flambeau.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """


linspace.samples(call(0, 2, 5), call(1.5, -1, 1), call(0, 1, 0))
linspace.reference(np.linspace)


@linspace.rule
def _(start, end, steps, dtype, layout, device, pin_memory):
    of_complex = isinstance(start, complex) or isinstance(end, complex)
    check_options("linspace", layout, pin_memory)
    usual = to_complex(default_dtype()) if of_complex else default_dtype()
    kind = usual if dtype is None else dtype
    if steps < 0:
        raise Error(f"linspace: number of steps must be non-negative, got {steps}")
    if of_complex and not kind.is_complex:
        raise Error(f"linspace: complex ends need a complex dtype, not {dtype_name(kind)}")
    check_fits("linspace", start, kind)
    check_fits("linspace", end, kind)
    return Spec([steps], kind, device=placed(device))


@structured(
    f"eye(SymInt n, {OPTIONS}) -> Tensor", method=False, out=True, cpu="cpu::fill_diagonal(result)"
)
def eye():
    """The identity matrix.

    >>> flambeau.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """


eye.samples(call(3), call(0))
eye.reference(np.eye)


@eye.rule
def _(n, dtype, layout, device, pin_memory):
    return eye_spec(n, n, dtype, layout, device, pin_memory)


@structured(
    f"eye.m(SymInt n, SymInt m, {OPTIONS}) -> Tensor",
    method=False,
    out=True,
    cpu="cpu::fill_diagonal(result)",
)
def eye_m():
    """An n by m matrix with ones on the diagonal."""


eye_m.samples(call(2, 3), call(3, 0))
eye_m.reference(np.eye)


def eye_spec(n, m, dtype, layout, device, pin_memory):
    if n < 0:
        raise Error(f"eye: n must be greater or equal to 0, got {n}")
    if m < 0:
        raise Error(f"eye: m must be greater or equal to 0, got {m}")
    check_options("zeros", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    return Spec([n, m], kind, device=placed(device))


@eye_m.rule
def _(n, m, dtype, layout, device, pin_memory):
    return eye_spec(n, m, dtype, layout, device, pin_memory)
