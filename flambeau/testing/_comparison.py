"""``assert_close``: are two values, or two structures of values, equal within tolerances?

In order of processing: ``_pairs`` walks both structures side by side and finds for each pair of
leaves the check that understands it; then every check runs, and the first that fails is raised.
"""

import cmath
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import flambeau

# Largest dtype-dependent error, (rtol, atol), that is taken for rounding; 0 for what is exact.
_TOLERANCES = {
    flambeau.float16: (1e-3, 1e-5),
    flambeau.bfloat16: (1.6e-2, 1e-5),
    flambeau.float32: (1.3e-6, 1e-5),
    flambeau.float64: (1e-7, 1e-7),
    flambeau.complex64: (1.3e-6, 1e-5),
    flambeau.complex128: (1e-7, 1e-7),
}
_EXACT = (0.0, 0.0)
_NUMBER_DTYPES = {
    int: flambeau.int64,
    float: flambeau.float64,
    complex: flambeau.complex128,
}
# Tensors of these take no part in promotion with other integers.
_WIDE_UNSIGNED = (flambeau.uint16, flambeau.uint32, flambeau.uint64)


class _Options(NamedTuple):
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        """``(rtol, atol)`` as given, or else the loosest that one of ``dtypes`` needs."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        needed = [_TOLERANCES.get(dtype, _EXACT) for dtype in dtypes]
        return max(rtol for rtol, _ in needed), max(atol for _, atol in needed)


_Path = tuple[Any, ...]
_Check = Callable[[], None]


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise an error unless ``actual`` and ``expected`` are close.

    Finite numbers are close where ``|actual - expected| <= atol + rtol * |expected|``; infinities
    where they are equal; NaN never is, unless ``equal_nan`` says so. Shapes must be equal, and
    device, dtype and layout as well unless the argument that checks them is False. Of a ``meta``
    tensor, which has no values, only these are compared.

    Both values can be tensors, Python or NumPy numbers, booleans or arrays, None, or sequences and
    mappings of such values with the same structure. Tensors and arrays are compared with values of
    the same type or a subclass; Python numbers of different types need ``check_dtype=False``.

    Args:
        actual: the value to test.
        expected: what it should be; ``rtol`` is relative to this one.
        allow_subclasses: whether a value may be compared with one of a subclass.
        rtol: relative tolerance; to be given together with ``atol``, or else taken from this
            table, where tensors of two dtypes get the looser tolerances:

            ===================== ======= =====
            dtype                 rtol    atol
            ===================== ======= =====
            float16               1e-3    1e-5
            bfloat16              1.6e-2  1e-5
            float32, complex64    1.3e-6  1e-5
            float64, complex128   1e-7    1e-7
            all others            0       0
            ===================== ======= =====
        atol: absolute tolerance; see ``rtol``.
        equal_nan: whether NaN is close to NaN.
        check_device: whether devices must be equal; if not, values are compared on the CPU.
        check_dtype: whether dtypes must be equal; if not, values are compared in a common dtype.
        check_layout: whether layouts must be equal.
        check_stride: whether strides must be equal.
        msg: a text to raise in place of the one that describes how values differ, or a function
            from that text to another one.

    Raises:
        AssertionError: the values are not close, or their structure, shape or type differs.
        TypeError: the values are of types that cannot be compared with each other.
        ValueError: only one of ``rtol`` and ``atol`` is given.

    Example::

        >>> ones = flambeau.ones(2)
        >>> flambeau.testing.assert_close(ones + 1e-6, ones)
        >>> flambeau.testing.assert_close([ones, 3.0], [ones, 3.0 + 1e-9])
        >>> flambeau.testing.assert_close(ones + 1, ones)
        Traceback (most recent call last):
        ...
        AssertionError: Tensor-likes are not close!
        <BLANKLINE>
        Mismatched elements: 2 / 2 (100.0%)
        Greatest absolute difference: 1.0 at index (0,) (up to 1e-05 allowed)
        Greatest relative difference: 1.0 at index (0,) (up to 1.3e-06 allowed)
    """
    __tracebackhide__ = True  # pytest then points at the caller
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"assert_close: Both 'rtol' and 'atol' must be either specified or omitted, "
            f"but got no {missing}."
        )
    options = _Options(
        allow_subclasses,
        rtol,
        atol,
        equal_nan,
        check_device,
        check_dtype,
        check_layout,
        check_stride,
    )
    # Structures are compared to the end before the first value is.
    for path, check in list(_pairs(actual, expected, (), options)):
        try:
            check()
        except AssertionError as error:
            raise AssertionError(_described(_located(str(error), path), msg)) from None


def _located(text: str, path: _Path) -> str:
    if not path:
        return text
    item = "".join(f"[{key!r}]" for key in path)
    return f"{text}\n\nThe failure occurred for item {item}"


def _described(text: str, msg: str | Callable[[str], str] | None) -> str:
    if msg is None:
        return text
    return msg(text) if callable(msg) else msg


def _pairs(
    actual: Any, expected: Any, path: _Path, options: _Options
) -> Iterator[tuple[_Path, _Check]]:
    """The checks to make, each with the place of its values in the two structures."""
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise AssertionError(_located(text, path))
        for i in range(len(actual)):
            yield from _pairs(actual[i], expected[i], (*path, i), options)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        for key in _common_keys(actual, expected, path):
            yield from _pairs(actual[key], expected[key], (*path, key), options)
    else:
        yield path, _check_for(actual, expected, path, options)


def _is_sequence(value: Any) -> bool:
    # A character of a string is a string again, without end.
    return isinstance(value, Sequence) and not isinstance(value, str)


def _common_keys(
    actual: Mapping[Any, Any], expected: Mapping[Any, Any], path: _Path
) -> Sequence[Any]:
    missing, additional = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    if missing or additional:
        text = (
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {_sorted(missing)}\n"
            f"Additional keys in the actual mapping: {_sorted(additional)}"
        )
        raise AssertionError(_located(text, path))
    return _sorted(actual)


def _sorted(keys: Any) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


def _check_for(actual: Any, expected: Any, path: _Path, options: _Options) -> _Check:
    if actual is None or expected is None:
        return partial(_check_none, actual, expected)
    if _are(actual, expected, bool, "bool_"):
        return partial(_check_booleans, bool(actual), bool(expected))
    if not isinstance(actual, bool) and not isinstance(expected, bool):
        if _are(actual, expected, (int, float, complex), "number"):
            return partial(_check_numbers, _number(actual), _number(expected), options)
    tensors = _tensors(actual, expected, options)
    if tensors is None:
        text = (
            "No comparison pair was able to handle inputs of type "
            f"{type(actual)} and {type(expected)}."
        )
        raise TypeError(_located(text, path))
    return partial(_check_tensors, *tensors, options)


def _are(actual: Any, expected: Any, python_types: Any, numpy_type: str) -> bool:
    """Whether both are of a Python type or of NumPy's type for the same."""
    numpy = sys.modules.get("numpy")  # without it there are no NumPy values either
    types = (python_types, getattr(numpy, numpy_type)) if numpy else python_types
    return isinstance(actual, types) and isinstance(expected, types)


def _number(value: Any) -> int | float | complex:
    return value if type(value) in _NUMBER_DTYPES else value.item()


def _tensors(actual: Any, expected: Any, options: _Options) -> tuple[Any, Any] | None:
    if options.allow_subclasses:
        related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    else:
        related = type(actual) is type(expected)
    if not related:
        return None
    try:
        return flambeau.as_tensor(actual), flambeau.as_tensor(expected)
    except (TypeError, ValueError, RuntimeError):
        return None


# --- Checks of two leaves -------------------------------------------------------------------------


def _check_none(actual: Any, expected: Any) -> None:
    if actual is not expected:
        raise AssertionError(f"None mismatch: {actual} is not {expected}")


def _check_booleans(actual: bool, expected: bool) -> None:
    if actual is not expected:
        raise AssertionError(f"Booleans mismatch: {actual} is not {expected}")


def _check_numbers(actual: Any, expected: Any, options: _Options) -> None:
    if options.check_dtype and type(actual) is not type(expected):
        raise AssertionError(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    rtol, atol = options.tolerances(*(_NUMBER_DTYPES[type(v)] for v in (actual, expected)))
    if actual == expected:
        return
    if options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected):
        return
    difference = abs(actual - expected)
    if not (cmath.isfinite(difference) and difference <= atol + rtol * abs(expected)):
        raise AssertionError(_scalar_text(actual, expected, rtol, atol))


def _check_tensors(actual: Any, expected: Any, options: _Options) -> None:
    _check_attributes(actual, expected, options)
    if actual.is_meta or expected.is_meta:
        return
    if actual.layout != expected.layout:
        actual, expected = actual.to_dense(), expected.to_dense()
    if actual.layout in (flambeau.sparse_csr, flambeau.sparse_csc):
        actual, expected = actual.to_sparse(), expected.to_sparse()
    if actual.layout is flambeau.sparse_coo:
        _check_sparse(actual, expected, options)
        return
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    with flambeau.no_grad():
        actual, expected = _made_comparable(actual, expected)
        matches = close_elements(actual, expected, rtol, atol, options.equal_nan)
        if matches.all():
            return
        if actual.dim():
            text = _tensor_text(actual, expected, matches, rtol, atol)
        else:
            text = _scalar_text(actual.item(), expected.item(), rtol, atol)
    raise AssertionError(text)


def _check_sparse(actual: Any, expected: Any, options: _Options) -> None:
    """The parts, in order where not both are as they came."""
    if actual.is_coalesced() != expected.is_coalesced():
        actual, expected = actual.coalesce(), expected.coalesce()
    if actual._nnz() != expected._nnz():
        raise AssertionError(
            "The number of specified values in sparse COO tensors does not match: "
            f"{actual._nnz()} != {expected._nnz()}"
        )
    for name in ("indices", "values"):
        parts = (getattr(t, f"_{name}")() for t in (actual, expected))
        try:
            _check_tensors(*parts, options)
        except AssertionError as error:
            raise AssertionError(f"Sparse COO {name}: {error}") from None


def _check_attributes(actual: Any, expected: Any, options: _Options) -> None:
    attributes = [
        ("shape", True, actual.shape, expected.shape),
        ("layout", options.check_layout, actual.layout, expected.layout),
        ("stride()", options.check_stride, actual.stride(), expected.stride()),
        ("device", options.check_device, actual.device, expected.device),
        ("dtype", options.check_dtype, actual.dtype, expected.dtype),
    ]
    for name, checked, of_actual, of_expected in attributes:
        if checked and of_actual != of_expected:
            raise AssertionError(
                f"The values for attribute '{name}' do not match: {of_actual} != {of_expected}."
            )


def _made_comparable(actual: Any, expected: Any) -> tuple[Any, Any]:
    if actual.device != expected.device:
        actual, expected = actual.cpu(), expected.cpu()
    if actual.dtype != expected.dtype:
        dtypes = (
            flambeau.int64 if tensor.dtype in _WIDE_UNSIGNED else tensor.dtype
            for tensor in (actual, expected)
        )
        common = flambeau.promote_types(*dtypes)
        actual, expected = actual.to(common), expected.to(common)
    return actual, expected


def close_elements(actual: Any, expected: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    """A mask of the elements that are close."""
    matches = actual == expected
    if equal_nan and _is_inexact(actual):
        matches = matches | (actual.isnan() & expected.isnan())
    if rtol == 0 and atol == 0:
        return matches
    if not _is_inexact(actual):
        # The difference of two unsigned numbers would wrap around.
        actual, expected = actual.double(), expected.double()
    difference = (actual - expected).abs()
    return matches | ((difference <= atol + rtol * expected.abs()) & (difference < float("inf")))


def _is_inexact(tensor: Any) -> bool:
    return tensor.dtype.is_floating_point or tensor.dtype.is_complex


# --- What is said of values that differ -----------------------------------------------------------


def _scalar_text(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    difference = abs(actual - expected)
    relative = float("inf") if expected == 0 else difference / abs(expected)
    return (
        _headline("Scalars", rtol, atol)
        + f"Expected {expected} but got {actual}.\n"
        + f"Absolute difference: {difference}{_allowance(atol, rtol, atol)}\n"
        + f"Relative difference: {relative}{_allowance(rtol, rtol, atol)}"
    )


def _tensor_text(actual: Any, expected: Any, matches: Any, rtol: float, atol: float) -> str:
    if not _is_inexact(actual):
        actual, expected = actual.to(flambeau.int64), expected.to(flambeau.int64)
    count = matches.numel()
    mismatches = count - int(matches.sum())
    absolute = (actual - expected).abs()
    relative = absolute / expected.abs()
    return (
        _headline("Tensor-likes", rtol, atol)
        + f"Mismatched elements: {mismatches} / {count} ({mismatches / count:.1%})\n"
        + f"Greatest absolute difference: {_greatest(absolute, matches)}"
        + f"{_allowance(atol, rtol, atol)}\n"
        + f"Greatest relative difference: {_greatest(relative, matches)}"
        + _allowance(rtol, rtol, atol)
    )


def _headline(what: str, rtol: float, atol: float) -> str:
    return f"{what} are not {'equal' if rtol == 0 and atol == 0 else 'close'}!\n\n"


def _allowance(tolerance: float, rtol: float, atol: float) -> str:
    return "" if rtol == 0 and atol == 0 else f" (up to {tolerance} allowed)"


def _greatest(difference: Any, matches: Any) -> str:
    """The greatest difference among elements that do not match, and its place."""
    values, positions = difference.masked_fill(matches, 0).flatten().max(0)
    return f"{values.item()} at index {_unravel(positions.item(), matches.shape)}"


def _unravel(position: int, shape: Sequence[int]) -> tuple[int, ...]:
    index = []
    for size in reversed(shape):
        position, remainder = divmod(position, size)
        index.append(remainder)
    return tuple(reversed(index))
