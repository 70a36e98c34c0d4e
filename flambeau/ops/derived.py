"""The rule of every op: that of its record, or what follows for a pointwise op from its fields.

The entries of pointwise ops call its twin in C++, `pointwise_rule`. This runs on tensors whose
sizes are symbols too.
"""

from __future__ import annotations

from collections.abc import Callable

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    channels_last_strides,
    contiguous_strides,
    default_dtype,
    dtype_name,
    dtypes,
    formats,
    is_integral,
    result_type,
    same,
    scalar_type_name,
    to_real,
)
from flambeau.ops.record import Record
from flambeau.ops.samples import BOOLEAN


def rule_of(record: Record) -> Callable | None:
    """What says the outputs, as a function of all arguments by their names; None: nothing does."""
    if record.rule is not None:
        return record.rule
    if record.kind != "pointwise":
        return None
    return lambda **arguments: _pointwise(record, arguments)


def _pointwise(record: Record, arguments: dict) -> Spec:
    op = record.name
    inputs = [
        (a.name, _tensor(arguments[a.name]))
        for a in record.schema.args
        if a.is_tensor or a.name in record.as_tensor
    ]
    tensors = [t for _, t in inputs]
    if record.refuses_bool and any(t.dtype == dtypes.bool for t in tensors):
        raise Error(
            f"{op}: {record.refuses_bool} a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    common = _common_dtype(record, inputs, arguments)
    if dtype_name(common) not in _chosen(record.dtypes, record, arguments):
        raise NotImplementedError(
            f"{op}: \"{op}_cpu\" not implemented for '{scalar_type_name(common)}'"
        )
    device = _device(op, tensors)
    sizes = tensors[0].shape
    for t in tensors[1:]:
        sizes = broadcast(sizes, t.shape, op)
    result = _chosen(record.result, record, arguments)
    kinds = {"boolean": dtypes.bool, "real": to_real(common)}
    return Spec(sizes, kinds.get(result, common), _strides(sizes, tensors), device=device)


def _device(op: str, tensors: list):
    """The one that all are on, but for those on the CPU that count as numbers."""
    found = [t.device for t in tensors if t.dim() > 0 or t.device.type != "cpu"]
    for other in found[1:]:
        if other != found[0]:
            raise Error(
                f"{op}: Expected all tensors to be on the same device, but found at least two "
                f"devices, {found[0]} and {other}!"
            )
    return found[0] if found else tensors[0].device


def _tensor(value):
    """A number stands for a tensor of no dimensions."""
    import flambeau

    number = isinstance(value, (bool, int, float, complex))
    return flambeau._C._leaf("wrapped_number", value) if number else value


def _chosen(field, record: Record, arguments: dict):
    """A field that may depend on the first static argument."""
    return field[arguments[next(iter(record.static))]] if isinstance(field, dict) else field


def _common_dtype(record: Record, inputs: list, arguments: dict):
    values = []
    for name, t in inputs:
        if name not in BOOLEAN:
            values.append(t)
        elif t.dtype not in (dtypes.bool, dtypes.uint8):
            raise Error(
                f"{record.name}: {record.name} expected condition to be a boolean tensor, but got "
                f"a tensor with dtype {scalar_type_name(t.dtype)}"
            )
    promote = _chosen(record.promote, record, arguments)
    if promote == "none":
        return values[0].dtype
    common = result_type(values)
    if promote == "floating" and is_integral(common, True):
        return default_dtype()
    return common


def _strides(sizes: list, tensors: list) -> list:
    """The layout on which the operands agree, or else the order of their dimensions."""
    if all(same(t.shape, sizes) for t in tensors):
        if all(t.is_contiguous() for t in tensors):
            return contiguous_strides(sizes)
        if all(t.is_contiguous(memory_format=formats.channels_last) for t in tensors):
            return channels_last_strides(sizes)
        first = tensors[0]
        if all(_is_dense(t) and same(t.stride(), first.stride()) for t in tensors):
            return list(first.stride())
    return _ordered(sizes, [_steps(sizes, t) for t in tensors])


def _is_dense(t) -> bool:
    """Whether its elements fill a stretch of memory, in whatever order of dimensions."""
    step = 1
    for stride, n in sorted(
        ((stride, n) for stride, n in zip(t.stride(), t.shape) if n != 1), key=lambda p: p[0]
    ):
        if stride != step:
            return False
        step = step * n
    return True


def _steps(sizes: list, t) -> list:
    """Its strides, innermost dimension first, and 0 where it is broadcast."""
    out = []
    for d in range(len(sizes)):
        at = t.dim() - 1 - d
        still = at < 0 or (t.shape[at] == 1 and sizes[len(sizes) - 1 - d] != 1)
        out.append(0 if still else t.stride()[at])
    return out


def _ordered(sizes: list, steps: list) -> list:
    """Strides without gaps, in the order of dimensions that the operands' memory suggests."""
    n = len(sizes)

    def order(a: int, b: int) -> int:
        """Below 0: dimension a is inner to b; above: outer; 0: the operands do not tell."""
        for of in steps:
            if of[a] == 0 or of[b] == 0:
                continue
            if of[a] != of[b]:
                return -1 if of[a] < of[b] else 1
            if sizes[n - 1 - a] > sizes[n - 1 - b]:
                return 1
        return 0

    by = list(range(n))
    for i in range(1, n):
        at = i
        for j in range(i - 1, -1, -1):
            found = order(by[j], by[at])
            if found < 0:
                break
            if found > 0:
                by[j], by[at] = by[at], by[j]
                at = j
    strides, step = [0] * n, 1
    for k in by:
        strides[n - 1 - k] = step
        if sizes[n - 1 - k] > 1:
            step = step * sizes[n - 1 - k]
    return strides
