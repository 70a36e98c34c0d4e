"""How tensors print.

Only the elements that appear are ever read, and they are read as Python numbers in a few calls to
``tolist``: the cost of printing follows the length of the text, not the size of the tensor.

In order of processing: ``_str`` chooses prefix and suffixes, ``_tensor_str`` reads the shown
elements, ``_style`` finds one notation and one width for all of them, ``_render`` lays them out.
"""

import contextlib
import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flambeau
from flambeau import _C

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


@dataclasses.dataclass
class _PrintOptions:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PRINT_OPTS = _PrintOptions()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print from now on.

    An argument that is left out keeps its present value, except ``sci_mode``, which goes back to
    being chosen for each tensor.

    Args:
        precision: digits after the decimal point (at first 4).
        threshold: tensors with more elements than this are summarised (at first 1000).
        edgeitems: elements shown at either end of a summarised dimension (at first 3).
        linewidth: characters in a line, at which rows are broken (at first 80).
        profile: ``"default"``, ``"short"`` or ``"full"`` sets the four options above together;
            arguments given beside it win.
        sci_mode: True or False forces scientific notation on or off; None chooses it where values
            span more than three decimal orders, exceed 1e8 or are smaller than 1e-4.

    Example::

        >>> flambeau.set_printoptions(precision=2)
        >>> flambeau.tensor([1.12345])
        tensor([1.12])
        >>> flambeau.set_printoptions(profile="default")
        >>> flambeau.tensor([1.12345])
        tensor([1.1235])
    """
    if profile is not None and profile not in _PROFILES:
        raise ValueError(
            f"set_printoptions: unknown profile {profile!r}; choose one of {', '.join(_PROFILES)}"
        )
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    options = dict(_PROFILES[profile]) if profile is not None else {}
    options.update((name, value) for name, value in given.items() if value is not None)
    for name, value in options.items():
        setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the present print options as keyword arguments for :func:`set_printoptions`.

    Example::

        >>> flambeau.get_printoptions()["precision"]
        4
    """
    return dataclasses.asdict(PRINT_OPTS)


@contextlib.contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Apply :func:`set_printoptions` inside a ``with`` block only.

    Example::

        >>> with flambeau.printoptions(precision=1):
        ...     print(flambeau.tensor([0.25]))
        tensor([0.2])
        >>> print(flambeau.tensor([0.25]))
        tensor([0.2500])
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Style(NamedTuple):
    """The notation shared by all elements of a tensor."""

    width: int
    text: Callable[[Any], str]


def _exact_style(values: list[Any]) -> _Style:
    """Integers and booleans, right-aligned."""
    width = max(len(str(value)) for value in values)
    return _Style(width, lambda value: str(value).rjust(width))


def _float_style(values: list[float]) -> _Style:
    """Floats: as integers with a bare point, with decimals, or in scientific notation.

    Zeros, infinities and NaN take no part in the choice, nor in the width.
    """
    measured = [value for value in values if value != 0 and math.isfinite(value)]
    scientific = bool(measured) and _is_scientific(measured)
    if not scientific and all(value.is_integer() for value in measured):
        width = max((len(f"{value:.0f}.") for value in measured), default=1)
        return _Style(width, lambda value: _whole_text(value).rjust(width))
    notation = f".{PRINT_OPTS.precision}{'e' if scientific else 'f'}"
    width = max(len(format(value, notation)) for value in measured)
    return _Style(width, f"{{:{width}{notation}}}".format)


def _is_scientific(measured: list[float]) -> bool:
    if PRINT_OPTS.sci_mode is not None:
        return PRINT_OPTS.sci_mode
    magnitudes = [abs(value) for value in measured]
    smallest, largest = min(magnitudes), max(magnitudes)
    return largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4


def _whole_text(value: float) -> str:
    # The point says that the type is floating; nan and inf say it themselves.
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _complex_style(values: list[complex]) -> _Style:
    """Real and imaginary parts each have a style of their own."""
    real = _float_style([value.real for value in values])
    imag = _float_style([value.imag for value in values])

    def text(value: complex) -> str:
        imaginary = imag.text(value.imag).lstrip() + "j"
        sign = "" if imaginary[0] in "+-" else "+"
        return real.text(value.real) + sign + imaginary

    return _Style(real.width + imag.width + len("j"), text)


def _style(dtype: Any, values: list[Any]) -> _Style:
    if dtype.is_complex:
        return _complex_style(values)
    return _float_style(values) if dtype.is_floating_point else _exact_style(values)


def _shown(tensor: Any, edge: int, dim: int = 0) -> Any:
    """Nested lists of the elements that a summary shows, from views of the tensor's corners."""
    while dim < tensor.dim() and tensor.size(dim) <= 2 * edge:
        dim += 1
    if dim == tensor.dim():
        return tensor.tolist()
    head = _shown(tensor.narrow(dim, 0, edge), edge, dim + 1)
    tail = _shown(tensor.narrow(dim, tensor.size(dim) - edge, edge), edge, dim + 1)
    return _concatenate(head, tail, dim)


def _concatenate(head: list[Any], tail: list[Any], dim: int) -> list[Any]:
    if dim == 0:
        return head + tail
    return [_concatenate(h, t, dim - 1) for h, t in zip(head, tail, strict=True)]


def _render(values: Any, sizes: tuple[int, ...], indent: int, style: _Style) -> str:
    """Lay out nested lists; a list shorter than its size is a summary with a gap in its middle."""
    if not sizes:
        return style.text(values)
    if len(sizes) == 1:
        items = [style.text(value) for value in values]
        gap = " ..."
    else:
        items = [_render(value, sizes[1:], indent + 1, style) for value in values]
        gap = "..."
    if len(values) < sizes[0]:
        items.insert(len(values) // 2, gap)
    margin = " " * (indent + 1)
    if len(sizes) == 1:
        per_line = max(1, int((PRINT_OPTS.linewidth - indent) // (style.width + len(", "))))
        starts = range(0, len(items), per_line)
        items = [", ".join(items[start : start + per_line]) for start in starts]
    # A blank line more for each dimension keeps matrices, and blocks of matrices, apart.
    newlines = "\n" * max(1, len(sizes) - 1)
    return "[" + f",{newlines}{margin}".join(items) + "]"


def _tensor_str(tensor: Any, indent: int) -> str:
    """The text between ``tensor(`` and the suffixes; ``indent`` is the column where it starts."""
    sizes = tuple(tensor.shape)
    summarised = tensor.numel() > PRINT_OPTS.threshold
    if summarised and sizes and not PRINT_OPTS.edgeitems:
        return "[...]"
    values = _shown(tensor, PRINT_OPTS.edgeitems) if summarised else tensor.tolist()
    flat = values if sizes else [values]
    for _ in sizes[1:]:
        flat = list(itertools.chain.from_iterable(flat))
    return _render(values, sizes, indent, _style(tensor.dtype, flat))


def _shown_by_default(dtype: Any) -> bool:
    """Whether the printed elements alone say which dtype they have."""
    default = flambeau.get_default_dtype()
    default_complex = flambeau.complex128 if default == flambeau.float64 else flambeau.complex64
    return dtype in (default, default_complex, flambeau.int64, flambeau.bool)


def _has_elements(tensor: Any) -> bool:
    """Whether there are elements to read: there are none on meta, and who knows other layouts?"""
    return not tensor.is_meta and tensor.layout is flambeau.strided


_PARTS = {
    flambeau.sparse_coo: ("_indices", "_values"),
    flambeau.sparse_csr: ("crow_indices", "col_indices", "values"),
    flambeau.sparse_csc: ("ccol_indices", "row_indices", "values"),
}


def _has_parts(tensor: Any) -> bool:
    """Whether it is a sparse tensor that tells what it consists of; a package's may not."""
    if tensor.layout not in _PARTS or not isinstance(tensor, flambeau.Tensor):
        return False
    try:
        tensor._nnz()
    except NotImplementedError:
        return False
    return True


def _parts(tensor: Any, indent: int) -> str:
    """What a sparse tensor consists of, each part on lines of its own."""
    lines = []
    for name in _PARTS[tensor.layout]:
        part = getattr(tensor, name)()
        prefix = f"{name.lstrip('_')}=tensor("
        empty = "[], size=" + str(tuple(part.shape))
        text = _tensor_str(part, indent + len(prefix)) if part.numel() else empty
        lines.append(f"{prefix}{text})")
    return (",\n" + " " * indent).join(lines)


def _contents(tensor: Any, indent: int) -> str:
    if _has_parts(tensor):
        return _parts(tensor, indent)
    if not _has_elements(tensor):
        return "..."
    return _tensor_str(tensor, indent) if tensor.numel() else "[]"


def _suffixes(tensor: Any) -> Iterator[str]:
    size = f"size={tuple(tensor.shape)}"
    dtype = f"dtype={tensor.dtype}"
    if tensor.device.type != "cpu":
        yield f"device='{tensor.device}'"
    if _has_parts(tensor):
        yield size
        yield f"nnz={tensor._nnz()}"
        if not _shown_by_default(tensor.dtype):
            yield dtype
        yield f"layout={tensor.layout}"
        yield from _history(tensor)
        return
    if tensor.layout is not flambeau.strided:
        yield f"layout={tensor.layout}"
    if not _has_elements(tensor) or not tensor.numel():
        # No element shows the shape or hints at the dtype; `[]` alone means one dimension.
        if not _has_elements(tensor) or tensor.dim() != 1:
            yield size
        if tensor.dtype != flambeau.get_default_dtype():
            yield dtype
    else:
        if not PRINT_OPTS.edgeitems:
            yield size
        if not _shown_by_default(tensor.dtype):
            yield dtype
    yield from _history(tensor)


def _history(tensor: Any) -> Iterator[str]:
    try:
        node = tensor.grad_fn
    except RuntimeError:
        # A view made and modified in place under no_grad has no valid history to show.
        yield "grad_fn=<Invalid>"
        return
    if node is not None:
        yield f"grad_fn=<{type(node).__name__}>"
    elif tensor.requires_grad:
        yield "requires_grad=True"


def _append_suffixes(text: str, suffixes: Iterator[str], indent: int, apart: bool) -> str:
    """What follows the elements, on a line of its own where they are ``apart``."""
    parts = [text]
    column = PRINT_OPTS.linewidth if apart else len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > PRINT_OPTS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(parts) + ")"


@contextlib.contextmanager
def _no_modes() -> Iterator[None]:
    """Hide the reads that printing makes from function transforms and dispatch modes, which exist
    once this module is loaded."""
    modes = sys.modules.get("flambeau.utils._python_dispatch")
    off = _C._set_transforms_off(True)
    try:
        with modes._disable_current_modes() if modes else contextlib.nullcontext():
            yield
    finally:
        _C._set_transforms_off(off)


def _wrapper_str(kind: str, depth: int | None, value: Any, extra: Any) -> str:
    """The text of a tensor that belongs to a level of a function transform."""
    text = repr(value)
    if kind == "jvp":
        return text if extra is None else f"{text[:-1]}, tangent={extra!r})"
    name = "BatchedTensor" if kind == "vmap" else "GradTrackingTensor"
    place = f", bdim={extra}" if kind == "vmap" else ""
    inner = text.replace("\n", "\n    ")
    return f"{name}(lvl={-2 if depth is None else depth}{place}, value=\n    {inner}\n)"


def _str(tensor: Any, tensor_contents: str | None = None) -> str:
    """Return ``repr(tensor)``; ``tensor_contents`` replaces the elements' text."""
    if (parts := _C._transform_parts(tensor)) is not None:
        with _no_modes():
            return _wrapper_str(*parts)
    cls = type(tensor)
    # `nn` is looked up for subclasses only: printing a plain tensor must not import it.
    parameter: Any = None if cls is flambeau.Tensor else flambeau.nn.Parameter
    is_plain = parameter is None or cls is parameter
    prefix = "tensor(" if is_plain else f"{cls.__name__}("
    indent = len(prefix)
    with flambeau.no_grad(), _no_modes():
        contents = _contents(tensor, indent) if tensor_contents is None else tensor_contents
        apart = tensor_contents is None and tensor.is_sparse and _has_parts(tensor)
        text = _append_suffixes(prefix + contents, _suffixes(tensor), indent, apart)
    if is_plain or not isinstance(tensor, parameter):
        return text
    return f"Parameter({text})"
