"""What rules, bodies and gradients of records use beside Python itself. See docs/records.md.

Most of it has a twin in C++, which the printed form calls: the text here is what runs in Python, on
sizes that are symbols too. What has no body here is C++ on both sides.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

Error = RuntimeError
LEAST, MOST = -(2**63), 2**63 - 1  # the integers there are


class _Names:
    """``dtypes.int64`` is ``flambeau.int64``, looked up when a function runs."""

    def __getattr__(self, name):
        import flambeau

        return getattr(flambeau, name)


dtypes = formats = layouts = _Names()


class Ops:
    """Ops by the symbols of their overloads: ``ops.slice_Tensor(t, dim, 0, 1)`` calls
    ``slice.Tensor``. All arguments may be given by position.
    """

    def __getattr__(self, symbol):
        import flambeau

        cuts = [i for i, c in enumerate(symbol) if c == "_" and 0 < i < len(symbol) - 1]
        names = [f"{symbol[:i]}.{symbol[i + 1 :]}" for i in reversed(cuts)]
        found = filter(None, (flambeau._C._find_op(f"aten::{n}") for n in [symbol, *names]))
        overload = next(found, None)
        if overload is None:
            raise AttributeError(f"no op has the symbol {symbol!r}")
        keywords = [a.name for a in overload._schema.arguments if a.kwarg_only]
        most = len(overload._schema.arguments) - len(keywords)

        tensors = [a.type == "Tensor" for a in overload._schema.arguments]

        def call(*args, **given):
            # A number stands for a tensor, as in C++.
            args = [
                flambeau._C._leaf("wrapped_number", a)
                if is_tensor and isinstance(a, (bool, int, float, complex))
                else a
                for a, is_tensor in zip(args, tensors, strict=False)
            ]
            return overload(*args[:most], **dict(zip(keywords, args[most:], strict=False)), **given)

        setattr(self, symbol, call)
        return call


ops = Ops()  # what bodies are given, unless who calls them has ops of its own


@dataclass
class Spec:
    """What a rule says of one output: strides are row-major unless given.

    A view has strides and ``offset``. The output is on the device of the first tensor that is
    always given, or on ``device``.
    """

    sizes: object
    dtype: object
    strides: object = None
    offset: object = None
    device: object = None


@dataclass
class Twin:
    """A function that C++ has too: its name there, and ``(int, str) -> int``."""

    cxx: str
    args: list[str]
    result: str
    function: Callable | None

    def __call__(self, *args):
        if self.function is not None:
            return self.function(*args)
        import flambeau

        return flambeau._C._leaf(self.cxx, *map(_tensors_of, args))


def _tensors_of(value):
    """What stands for a tensor in Python says which one it stands for."""
    if isinstance(value, (list, tuple)):
        return [_tensors_of(v) for v in value]
    return value._as_tensor() if hasattr(value, "_as_tensor") else value


def _twin(cxx: str, signature: str, has_body: bool = True) -> Callable:
    args, result = signature.split(" -> ")
    args = [a.strip() for a in args.strip("()").split(",") if a.strip()]
    return lambda f: Twin(cxx, args, result, f if has_body else None)


def _leaf(cxx: str, signature: str) -> Callable:
    return _twin(cxx, signature, has_body=False)


# ---- geometry


@_twin("wrap_dim", "(int, int, literal) -> int")
def wrap_dim(dim, ndim, op):
    """A dimension counted from the front; IndexError beyond the ends."""
    most = 1 if ndim == 0 else ndim
    if dim < -most or dim >= most:
        raise IndexError(
            f"{op}: Dimension out of range (expected to be in range of [{-most}, {most - 1}], "
            f"but got {dim})"
        )
    return dim + most if dim < 0 else dim


@_twin("broadcast", "(int[], int[], literal) -> int[]")
def broadcast(a, b, op):
    """The shape that both broadcast to."""
    n = max(len(a), len(b))
    out = []
    for i in range(n):
        x = 1 if i < n - len(a) else a[i - (n - len(a))]
        y = 1 if i < n - len(b) else b[i - (n - len(b))]
        if x != 1 and y != 1 and x != y:
            raise Error(
                f"{op}: The size of tensor a ({x}) must match the size of tensor b ({y}) at "
                f"non-singleton dimension {i}: shapes {show(a)} and {show(b)} do not broadcast"
            )
        out.append(y if x == 1 else x)
    return out


@_twin("contiguous_strides", "(int[]) -> int[]")
def contiguous_strides(sizes):
    """Row-major strides; a dimension of no elements counts as one of one."""
    step, strides = 1, []
    for n in reversed(sizes):
        strides.insert(0, step)
        if n > 1:
            step = step * n
    return strides


@_twin("channels_last_strides", "(int[]) -> int[]")
def channels_last_strides(sizes):
    strides, step = [1] * len(sizes), 1
    for d in [1, *range(len(sizes) - 1, 1, -1), 0]:
        strides[d] = step
        if sizes[d] > 1:
            step = step * sizes[d]
    return strides


@_twin("same", "(int[], int[]) -> bool")
def same(a, b):
    """Whether two lists of integers are equal, of whatever kinds they are."""
    return len(a) == len(b) and all(x == y for x, y in zip(a, b, strict=True))


@_twin("count", "(int[]) -> int")
def count(sizes):
    """The number of elements."""
    if any(n == 0 for n in sizes):
        return 0
    total = 1
    for n in sizes:
        total = total * n
    return total


@_leaf("strides_like", "(tensor) -> int[]")
def strides_like(t):
    """The strides that ``empty_like`` gives."""


@_leaf("printed::suggest_memory_format", "(tensor) -> format")
def suggest_memory_format(t):
    """The format that the strides of a tensor suggest."""


@_twin("printed::placed", "(device?) -> device")
def placed(device):
    """The device of a factory: the CPU unless given, and without an index."""
    import flambeau

    return flambeau.device("cpu") if device is None or device.type == "cpu" else device


@_leaf("resolved", "(device) -> device")
def resolved(device):
    """A device with its index: the one in use where none is named."""


@_twin("printed::storage_bytes", "(tensor) -> int")
def storage_bytes(t):
    """How many bytes the storage has."""
    import flambeau

    return flambeau._C._storage_of(_tensors_of(t)).nbytes()


@_twin("sum_to", "(tensor, int[]) -> tensor")
def sum_to(t, sizes, ops):
    """``t`` summed to the shape that was broadcast to its own."""
    if not sizes and t.dim() > 0:
        return ops.sum(t)
    leading = t.dim() - len(sizes)
    over = [
        d for d in range(t.dim()) if d < leading or (sizes[d - leading] == 1 and t.shape[d] != 1)
    ]
    out = ops.sum_dim_IntList(t, over, True) if over else t
    return ops.view(out, sizes) if leading else out


@_twin("grad_to", "(tensor, int[], dtype) -> tensor")
def grad_to(t, sizes, dtype, ops):
    """A gradient as one of a tensor of this shape and dtype."""
    if t.is_complex() and not dtype.is_complex:
        t = ops.real(t)
    if not same(t.shape, sizes):
        t = sum_to(t, sizes, ops)
    return ops.to_dtype(t, dtype) if t.dtype != dtype and is_differentiable(dtype) else t


@_twin("Tensor", "() -> tensor?")
def absent():
    """The tensor that is not given: None, where a function wants to know its type."""
    return None


@_twin("formula::scaled", "(tensor, scalar) -> tensor")
def scaled(t, factor, ops):
    """A gradient times the conjugate of a number; no op where that is 1."""
    if factor == 1:
        return t
    return ops.mul_Tensor(t, factor.conjugate() if isinstance(factor, complex) else factor)


@_twin("conj_if_complex", "(tensor) -> tensor")
def conj_of_tensor(t, ops):
    """The conjugate of a complex tensor."""
    return ops.conj(t) if t.is_complex() else t


@_twin("printed::log_of", "(scalar) -> scalar")
def log_of(value):
    """The logarithm of a number: complex of a negative one."""
    is_complex = isinstance(value, complex) or value < 0
    return cmath.log(value) if is_complex else math.log(value)


@_leaf("formula::wants_ops", "(tensor, tensor, bool) -> bool")
def wants_ops(g, t, registered):
    """Whether a gradient is to be made of PyTorch's ops, since it is recorded itself or a layer
    looks at what runs; with ``registered`` also where ops have registrations of their own.
    """


@_leaf("printed::in_batch", "(tensor) -> bool")
def in_batch(t):
    """Whether vmap has an element for each item of its batch in the tensor: it has no one value."""


@_leaf("printed::under_dispatch", "(tensor) -> bool")
def under_dispatch(t):
    """Whether a ``__torch_dispatch__`` sees what runs on the tensor."""


@_twin("conj_of", "(scalar) -> scalar")
def conj_of(value):
    return value.conjugate() if isinstance(value, complex) else value


@_twin("formula::zeros_for", "(tensor, int[]) -> tensor")
def zeros_for(g, sizes, ops):
    """What a gradient is added to."""
    return ops.new_zeros(g, sizes)


# ---- einsum


@_leaf("shape::einsum_labels", "(str, int) -> int[][]")
def einsum_labels(equation, operands):
    """The labels of each operand as numbers, then those of an output that is written out."""


@_twin("shape::einsum_label", "(int) -> literal")
def einsum_label(label):
    """A label as it is written."""
    return "..." if label >= 52 else chr(ord("A") + label if label < 26 else ord("a") + label - 26)


@_leaf("printed::watched", "(tensor[]) -> bool")
def watched(tensors):
    """Whether any layer between a call and its kernel is on."""


# ---- numbers and dtypes


@_twin("printed::ceiled", "(float) -> float")
def ceil(x):
    """The least whole number from ``x`` on."""
    import math

    return float(math.ceil(x)) if math.isfinite(x) else x


@_twin("steps_between", "(literal, int, int, int) -> int")
def steps_between(op, start, end, step):
    """How many of ``start``, ``start + step``, ... come before ``end``."""
    n = -((start - end) // step)
    if n > MOST:
        raise Error(f"{op}: invalid size, possible overflow?")
    return n


@_twin("show", "(int[]) -> str")
def show(sizes):
    """``[2, 3]``, as sizes stand in messages."""
    return "[" + ", ".join(str(n) for n in sizes) + "]"


@_twin("printed::show_open", "(int[]) -> str")
def show_open(sizes):
    """``2, 3]``: behind what stands for leading dimensions."""
    return show(sizes)[1:]


@_twin("printed::show_shapes", "(tensor?[]) -> str")
def show_shapes(tensors):
    """``[2], [3]``: of those that are given."""
    return ", ".join(show(t.shape) for t in tensors if t is not None)


@_leaf("shape::scalar_type_name", "(dtype) -> literal")
def scalar_type_name(dtype):
    """``Float``, as dtypes are called in some of PyTorch's messages."""


@_twin("dtype_name", "(dtype) -> literal")
def dtype_name(dtype):
    """``float32``."""
    return str(dtype).removeprefix("torch.")


@_twin("layout_name", "(layout) -> literal")
def layout_name(layout):
    """``strided``."""
    return str(layout).removeprefix("torch.")


@_twin("memory_format_name", "(format) -> literal")
def format_name(memory_format):
    """``channels_last``."""
    return str(memory_format).removeprefix("torch.")


@_twin("is_integral", "(dtype, bool) -> bool")
def is_integral(dtype, or_bool):
    if dtype == dtypes.bool:
        return or_bool
    return not (dtype.is_floating_point or dtype.is_complex)


@_twin("is_differentiable", "(dtype) -> bool")
def is_differentiable(dtype):
    return dtype.is_floating_point or dtype.is_complex


@_twin("to_real", "(dtype) -> dtype")
def to_real(dtype):
    return dtype.to_real() if dtype.is_complex else dtype


@_twin("to_complex", "(dtype) -> dtype")
def to_complex(dtype):
    return dtype.to_complex()


@_twin("default_dtype", "() -> dtype")
def default_dtype():
    import flambeau

    return flambeau.get_default_dtype()


@_twin("can_cast", "(dtype, dtype) -> bool")
def can_cast(a, b):
    import flambeau

    return flambeau.can_cast(a, b)


@_twin("promote", "(dtype, dtype) -> dtype")
def promote(a, b):
    import flambeau

    return flambeau.promote_types(a, b)


@_leaf("printed::result_type", "(tensor[]) -> dtype")
def result_type(tensors):
    """The dtype that tensors promote to, numbers that stand for tensors being weak."""


@_twin("printed::joint_dtype", "(tensor, tensor) -> dtype")
def joint_dtype(a, b):
    """The dtype that two tensors promote to."""
    return result_type([a, b])


@_leaf("check_fits", "(literal, scalar, dtype) -> none")
def check_fits(op, value, dtype):
    """RuntimeError where a number does not fit an element."""


@_leaf("fits", "(scalar, dtype) -> bool")
def fits(value, dtype):
    """Whether a number is a value of the dtype, up to rounding."""


@_twin("check_sequence", "(literal, scalar, scalar, int, dtype) -> none")
def check_sequence(op, start, step, n, dtype):
    """RuntimeError where the first or the last of ``n`` integers does not fit an element."""
    check_fits(op, start, dtype)
    last = int(start) + (n - 1) * int(step)
    if not LEAST <= last <= MOST or not fits(last, dtype):
        raise Error(
            f"{op}: the last of {n} values cannot be converted to type {dtype_name(dtype)} "
            "without overflow"
        )


# ---- memory: which is looked at, not touched


@_leaf("check_inplace", "(tensor, bool, literal) -> none")
def check_inplace(t, requires_grad, op):
    """RuntimeError where autograd forbids to write to ``t`` what may require grad: for bodies that
    write to several tensors, before the first of them.
    """


@_leaf("check_written_once", "(literal, tensor) -> none")
def check_written(op, t):
    """RuntimeError where elements of a tensor that is written share memory."""


@_leaf("check_not_shifted", "(literal, tensor, tensor) -> none")
def check_not_shifted(op, written, read):
    """The same where each element that is read may lie under the one that is written from it."""


@_leaf("printed::check_copy", "(literal, tensor, tensor) -> none")
def check_copy(op, written, read):
    """The same where what is read may be put aside first, or is what is written already."""


@_leaf("printed::check_apart", "(literal, tensor, tensor) -> none")
def check_apart(op, written, read):
    """RuntimeError where what is written and what is read share memory."""
