"""``make_tensor``: random tensors of any dtype, range and memory layout."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import flambeau

_INTEGRAL = (
    flambeau.uint8,
    flambeau.int8,
    flambeau.int16,
    flambeau.int32,
    flambeau.int64,
    flambeau.uint16,
    flambeau.uint32,
    flambeau.uint64,
)
_INEXACT = (
    flambeau.float16,
    flambeau.bfloat16,
    flambeau.float32,
    flambeau.float64,
    flambeau.complex64,
    flambeau.complex128,
)


def make_tensor(
    *shape: int | Sequence[int],
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return a tensor with values drawn uniformly from ``[low, high)``.

    Args:
        shape: sizes, as arguments or as one sequence.
        dtype: the dtype; without ``low`` and ``high`` it decides the range: ``[0, 2)`` for bool,
            ``[0, 10)`` for unsigned and ``[-9, 10)`` for signed integers, ``[-9, 9)`` for
            floating numbers and for either part of complex ones.
        device: the device.
        low: smallest value; raised to the smallest finite value of ``dtype``.
        high: bound of the values; lowered to the largest finite value of ``dtype``.
        requires_grad: whether autograd records what is done with the tensor.
        noncontiguous: whether the values lie two apart in memory; a tensor of one element stays
            contiguous.
        exclude_zero: whether zeros become 1, or the smallest normal number of a dtype that is
            not integral.
        memory_format: the memory format; not together with ``noncontiguous``.

    Raises:
        ValueError: the range is empty, NaN or outside the dtype's; ``requires_grad`` with a bool
            or integer dtype; ``noncontiguous`` with a ``memory_format``.
        TypeError: there are no random numbers of this dtype.

    Example::

        >>> flambeau.testing.make_tensor(2, 3, dtype=flambeau.int8, device="cpu", low=0).shape
        torch.Size([2, 3])
    """
    sizes = _sizes(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "make_tensor: noncontiguous and memory_format are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    if dtype is not flambeau.bool and dtype not in _INTEGRAL + _INEXACT:
        raise TypeError(f"make_tensor: the dtype {dtype} is not supported")
    if requires_grad and dtype not in _INEXACT:
        raise ValueError(
            f"make_tensor: requires_grad=True needs a floating or complex dtype, but got {dtype}"
        )
    noncontiguous = noncontiguous and math.prod(sizes) > 1
    if noncontiguous:
        # Every second of twice as many different values, of which the first is left out.
        sizes = (*sizes[:-1], 2 * sizes[-1])
    result = _draw(sizes, dtype, device, low, high)
    if noncontiguous:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        smallest = flambeau.finfo(dtype).tiny if dtype in _INEXACT else 1
        result.masked_fill_(result == 0, smallest)
    return result.requires_grad_(requires_grad)


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    if len(shape) == 1 and isinstance(shape[0], Sequence):
        return tuple(shape[0])
    return shape


def _draw(
    sizes: tuple[int, ...], dtype: Any, device: Any, low: float | None, high: float | None
) -> Any:
    if dtype in _INEXACT:
        info = flambeau.finfo(dtype)
        start, stop = _bounds(low, high, (-9, 9), (info.min, info.max), dtype)
        return _uniform(sizes, dtype, device, start, stop)
    if dtype is flambeau.bool:
        start, stop = _bounds(low, high, (0, 2), (0, 2), dtype)
    else:
        info = flambeau.iinfo(dtype)
        # `randint` takes its bounds as int64, so that the largest int64 cannot be drawn.
        limit = info.max if dtype is flambeau.int64 else info.max + 1
        start, stop = _bounds(low, high, (-9, 10), (info.min, limit), dtype)
    # A fractional bound admits the integers above it, be it the lower or the excluded upper one.
    return flambeau.randint(math.ceil(start), math.ceil(stop), sizes, device=device, dtype=dtype)


def _bounds(
    low: float | None,
    high: float | None,
    default: tuple[float, float],
    limits: tuple[float, float],
    dtype: Any,
) -> tuple[float, float]:
    """The range to draw from, within the limits of the dtype."""
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"make_tensor: low and high cannot be NaN, but got {low=} and {high=}")
    if low == high and dtype in _INEXACT:
        warnings.warn(
            "make_tensor: low == high is deprecated; use flambeau.full",
            FutureWarning,
            stacklevel=4,
        )
    elif low >= high:
        raise ValueError(f"make_tensor: low must be less than high, but got {low} >= {high}")
    elif high < limits[0] or low >= limits[1]:
        raise ValueError(
            f"make_tensor: the range [{low}, {high}) lies outside of what {dtype} can hold, "
            f"[{limits[0]}, {limits[1]})"
        )
    least, most = limits
    return min(max(low, least), most), min(max(high, least), most)


def _uniform(sizes: tuple[int, ...], dtype: Any, device: Any, low: float, high: float) -> Any:
    result = flambeau.empty(sizes, device=device, dtype=dtype)
    if not dtype.is_complex:
        return _fill_uniform(result, low, high)
    # Both parts of a number are drawn before the next number is.
    parts = flambeau.empty((*sizes, 2), device=device, dtype=result.real.dtype)
    _fill_uniform(parts, low, high)
    result.real.copy_(parts[..., 0])
    result.imag.copy_(parts[..., 1])
    return result


def _fill_uniform(tensor: Any, low: float, high: float) -> Any:
    if high - low < flambeau.finfo(tensor.dtype).max:
        return tensor.uniform_(low, high)
    # The width of the range is no finite number of the dtype; that of half the range is.
    return tensor.uniform_(low / 2, high / 2).mul_(2)
