"""Functions of tensors that read their arguments in several ways, and so are Python."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import flambeau
from flambeau import _C
from flambeau._arguments import integers, need_tensor
from flambeau._arguments import tensors as tensors_of
from flambeau.overrides import handle_torch_function

__all__ = [
    "argwhere",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "einsum",
    "meshgrid",
    "nonzero",
    "norm",
    "split",
    "unique",
    "unique_consecutive",
    "unravel_index",
]

_overridden = _C._has_torch_function_unary
_overridden_in = _C._has_torch_function


# The ops that these functions are the faces of.
_ops = _C._functional


# ---- parts


def split(tensor, split_size_or_sections, dim: int = 0):
    """Parts of a tensor along a dimension, as views.

    Args:
        tensor: what to split.
        split_size_or_sections: the size of each part (the last may be smaller), or a list with the
            size of each.
        dim: the dimension.

    Example::

        >>> import flambeau
        >>> flambeau.split(flambeau.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
        >>> flambeau.split(flambeau.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    if _overridden(tensor):
        return handle_torch_function(split, (tensor,), tensor, split_size_or_sections, dim=dim)
    if isinstance(split_size_or_sections, flambeau.Tensor) and split_size_or_sections.numel() == 1:
        split_size_or_sections = int(split_size_or_sections)
    if isinstance(split_size_or_sections, int):
        return tuple(_ops.split(tensor, split_size_or_sections, dim))
    return flambeau.split_with_sizes(tensor, split_size_or_sections, dim)


# ---- sets


def _wanted(values, inverse, counts, return_inverse, return_counts):
    if not return_inverse and not return_counts:
        return values
    return (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))


def unique(
    input,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """The distinct elements, or slices along a dimension, in ascending order.

    Args:
        input: any tensor of numbers that have an order. Each NaN is distinct from all others.
        sorted: the result is in order whatever this says.
        return_inverse: also gives where each element of the input is in the result.
        return_counts: also gives how often each occurs.
        dim: slices along this dimension are compared, instead of elements.

    Example::

        >>> import flambeau
        >>> flambeau.unique(flambeau.tensor([3, 1, 3]), return_inverse=True, return_counts=True)
        (tensor([1, 3]), tensor([1, 0, 1]), tensor([1, 2]))
    """
    if _overridden(input):
        return handle_torch_function(
            unique,
            (input,),
            input,
            sorted=sorted,
            return_inverse=return_inverse,
            return_counts=return_counts,
            dim=dim,
        )
    if dim is None:
        found = flambeau._unique2(input, sorted, return_inverse, return_counts)
    else:
        found = _ops.unique_dim(input, dim, sorted, return_inverse, return_counts)
    return _wanted(*found, return_inverse, return_counts)


def unique_consecutive(
    input, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    """One element, or slice along ``dim``, of each run of equal ones.

    Args:
        input: any tensor of numbers that have an order.
        return_inverse: also gives where each element of the input is in the result.
        return_counts: also gives the length of each run.
        dim: slices along this dimension are compared, instead of elements.

    Example::

        >>> import flambeau
        >>> flambeau.unique_consecutive(flambeau.tensor([1, 1, 2, 1]), return_counts=True)
        (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    if _overridden(input):
        return handle_torch_function(
            unique_consecutive,
            (input,),
            input,
            return_inverse=return_inverse,
            return_counts=return_counts,
            dim=dim,
        )
    found = _ops.unique_consecutive(input, return_inverse, return_counts, dim)
    return _wanted(*found, return_inverse, return_counts)


def nonzero(input, *, out=None, as_tuple: bool = False):
    """The indices of nonzero elements, a row for each.

    Args:
        input: any tensor.
        out: takes the result; not with ``as_tuple``.
        as_tuple: gives a vector for each dimension instead, so that ``input[nonzero(input,
            as_tuple=True)]`` picks the nonzero elements.

    Example::

        >>> import flambeau
        >>> flambeau.nonzero(flambeau.tensor([0, 3, 0, 4]))
        tensor([[1],
                [3]])
        >>> flambeau.nonzero(flambeau.tensor([0, 3, 0, 4]), as_tuple=True)
        (tensor([1, 3]),)
    """
    if _overridden(input):
        return handle_torch_function(nonzero, (input,), input, out=out, as_tuple=as_tuple)
    if as_tuple:
        if out is not None:
            raise TypeError("nonzero(): out= holds one tensor, but as_tuple=True gives several")
        return tuple(_ops.nonzero_numpy(input))
    return _ops.nonzero(input, out=out)


def argwhere(input):
    """The indices of nonzero elements, a row for each.

    Example::

        >>> import flambeau
        >>> flambeau.argwhere(flambeau.tensor([0, 3]))
        tensor([[1]])
    """
    need_tensor("argwhere", input)
    return nonzero(input)


# ---- sums of products

_ELLIPSIS = "..."
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _term(labels) -> str:
    """A list of dimension numbers, with Ellipsis perhaps, as an equation's letters."""
    text = ""
    for label in labels:
        if label is Ellipsis:
            text += _ELLIPSIS
        elif not 0 <= label < len(_LETTERS):
            raise ValueError(
                "einsum(): subscript in subscript list is not within the valid range "
                f"[0, {len(_LETTERS)}): got {label}"
            )
        else:
            text += _LETTERS[label]
    return text


def _from_lists(args):
    """``(a, [0, 1], b, [1, 2], [0, 2])`` as an equation and its operands."""
    pairs = len(args) // 2
    equation = ",".join(_term(args[2 * i + 1]) for i in range(pairs))
    if len(args) % 2:
        equation += "->" + _term(args[-1])
    return equation, [args[2 * i] for i in range(pairs)]


def einsum(*args):
    """Sums of products of elements, with dimensions named by letters (Einstein's notation).

    Dimensions of one letter go together; those whose letter the output lacks are summed. Without
    ``->`` the output has the letters that occur once, in the order A-Z, a-z. ``...`` stands for
    further dimensions, which broadcast. A letter twice in one term picks the diagonal.

    Args:
        equation: the terms, as in ``"bij,bjk->bik"``. Instead of an equation, each operand may be
            followed by the list of its dimensions' numbers, and all by that of the output.
        operands: the tensors, contracted from left to right.

    Example::

        >>> import flambeau
        >>> a = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> flambeau.einsum("ij,j->i", a, flambeau.tensor([1.0, 1.0]))
        tensor([3., 7.])
        >>> flambeau.einsum("ii", a)
        tensor(5.)
        >>> flambeau.einsum(a, [0, 1], [1, 0])
        tensor([[1., 3.],
                [2., 4.]])
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one "
            "operand and its subscripts list"
        )
    if isinstance(args[0], flambeau.Tensor):
        equation, operands = _from_lists(args)
    else:
        equation, operands = args[0], args[1:]
        if not isinstance(equation, str):
            raise TypeError(
                "einsum(): argument 'equation' (position 1) must be str, not "
                f"{type(equation).__name__}"
            )
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if _overridden_in(operands):
        return handle_torch_function(einsum, operands, equation, *operands)
    return _ops.einsum(equation, operands)


# ---- broadcasting


def broadcast_shapes(*shapes):
    """The shape to which all the given shapes broadcast.

    Example::

        >>> import flambeau
        >>> flambeau.broadcast_shapes((2, 1), (3,))
        torch.Size([2, 3])
    """
    given, shapes = shapes, []
    for shape in given:
        sizes = (shape,) if hasattr(shape, "__index__") else shape
        fixed = flambeau._C._fixed_tuple(sizes) if isinstance(sizes, (list, tuple)) else (None,)
        if isinstance(shape, flambeau.Tensor) or not all(hasattr(n, "__index__") for n in fixed):
            raise RuntimeError(
                "broadcast_shapes: Input shapes should be of type ints, a tuple of ints, or a list "
                f"of ints, got {shape!r}"
            )
        shapes.append(fixed)
    result = [1] * max(map(len, shapes), default=0)
    for i, shape in enumerate(shapes):
        for d in range(-1, -1 - len(shape), -1):
            if shape[d] < 0:
                raise ValueError(
                    f"broadcast_shapes: Attempting to broadcast a dimension with negative length: "
                    f"{tuple(shape)}"
                )
            if shape[d] == 1 or shape[d] == result[d]:
                continue
            if result[d] != 1:
                raise RuntimeError(
                    f"broadcast_shapes: Attempting to broadcast a dimension of length {shape[d]} "
                    f"at {d}! Mismatching argument at index {i} had {shape}; but expected shape "
                    f"should be broadcastable to {result}"
                )
            result[d] = shape[d]
    return flambeau.Size(result)


def broadcast_tensors(*tensors):
    """All tensors expanded to the shape that they broadcast to.

    Example::

        >>> import flambeau
        >>> a, b = flambeau.broadcast_tensors(flambeau.ones(2, 1), flambeau.ones(3))
        >>> a.shape, b.shape
        (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    if _overridden_in(tensors):
        return handle_torch_function(broadcast_tensors, tensors, *tensors)
    tensors = tensors_of("broadcast_tensors", tensors)
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t if t.shape == shape else t.expand(shape) for t in tensors)


# ---- grids and blocks


def _spread(tensors: tuple) -> tuple:
    """The tensors, given one by one or as one list."""
    return (
        tuple(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        else tensors
    )


def meshgrid(*tensors, indexing: str | None = None):
    """The coordinates of a grid: for each vector its elements along a dimension of their own.

    Args:
        tensors: vectors or numbers, one by one or as a list.
        indexing: "ij" gives the first vector the rows, as matrices are indexed, "xy" the columns.

    Example::

        >>> import flambeau
        >>> flambeau.meshgrid(flambeau.tensor([1, 2]), flambeau.tensor([3, 4]), indexing="ij")
        (tensor([[1, 1],
                [2, 2]]), tensor([[3, 4],
                [3, 4]]))
    """
    tensors = _spread(tensors)
    if _overridden_in(tensors):
        return handle_torch_function(meshgrid, tensors, *tensors, indexing=indexing)
    tensors = tensors_of("meshgrid", tensors)
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing "
            "argument.",
            stacklevel=2,
        )
        return tuple(_ops.meshgrid(tensors))
    return tuple(_ops.meshgrid(tensors, indexing=indexing))


def cartesian_prod(*tensors):
    """All choices of one element from each vector, as rows.

    Args:
        tensors: the vectors.

    Example::

        >>> import flambeau
        >>> flambeau.cartesian_prod(flambeau.tensor([1, 2]), flambeau.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    tensors = _spread(tensors)
    if _overridden_in(tensors):
        return handle_torch_function(cartesian_prod, tensors, *tensors)
    return _ops.cartesian_prod(tensors_of("cartesian_prod", tensors))


def block_diag(*tensors):
    """Matrices along the diagonal of one, with zeros beside them; a vector is a row.

    Args:
        tensors: what stands there, of at most two dimensions.

    Example::

        >>> import flambeau
        >>> flambeau.block_diag(flambeau.tensor([1, 2]), flambeau.tensor([[3], [4]]))
        tensor([[1, 2, 0],
                [0, 0, 3],
                [0, 0, 4]])
    """
    tensors = _spread(tensors)
    if _overridden_in(tensors):
        return handle_torch_function(block_diag, tensors, *tensors)
    return _ops.block_diag(tensors_of("block_diag", tensors))


def _at_least(function, op, name: str, tensors: tuple):
    if _overridden_in(_spread(tensors)):
        return handle_torch_function(function, _spread(tensors), *tensors)
    if len(tensors) == 1 and isinstance(tensors[0], flambeau.Tensor):
        return op(tensors[0])
    return tuple(op(tensors_of(name, _spread(tensors))))


def atleast_1d(*tensors):
    """Numbers as vectors; others as they are.

    Args:
        tensors: one, or several, which give a tuple.

    Example::

        >>> import flambeau
        >>> flambeau.atleast_1d(flambeau.tensor(1))
        tensor([1])
    """
    return _at_least(atleast_1d, _ops.atleast_1d, "atleast_1d", tensors)


def atleast_2d(*tensors):
    """Numbers and vectors as matrices of one row; others as they are.

    Args:
        tensors: one, or several, which give a tuple.

    Example::

        >>> import flambeau
        >>> flambeau.atleast_2d(flambeau.tensor([1, 2]))
        tensor([[1, 2]])
    """
    return _at_least(atleast_2d, _ops.atleast_2d, "atleast_2d", tensors)


def atleast_3d(*tensors):
    """Numbers, vectors and matrices with dimensions of one around them; others as they are.

    Args:
        tensors: one, or several, which give a tuple.

    Example::

        >>> import flambeau
        >>> flambeau.atleast_3d(flambeau.tensor([1, 2])).shape
        torch.Size([1, 2, 1])
    """
    return _at_least(atleast_3d, _ops.atleast_3d, "atleast_3d", tensors)


# ---- norms


def norm(
    input,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    out=None,
    dtype=None,
):
    """The norm of a tensor's elements, of all or along dimensions.

    Args:
        input: a tensor of floating-point or complex numbers.
        p: the order of the norm: a number, or ``"fro"``, which is 2.
        dim: the dimensions; all when None.
        keepdim: whether these stay, with size 1.
        out: takes the result.
        dtype: the dtype to compute in.

    Example::

        >>> import flambeau
        >>> flambeau.norm(flambeau.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if _overridden(input):
        return handle_torch_function(
            norm, (input,), input, p=p, dim=dim, keepdim=keepdim, out=out, dtype=dtype
        )
    need_tensor("norm", input)
    dims = dim
    if dim is not None:
        dims = [dim] if isinstance(dim, int) else integers("norm", dim, "dim", 3)
    if isinstance(p, str):
        if p != "fro":
            raise NotImplementedError(f"norm: p={p!r} is not supported; use a number or 'fro'")
        if dims is not None and len(dims) > 2:
            raise RuntimeError(
                f"norm: dim must be a 2-tuple for p='fro', got {tuple(dims)}; use p=2"
            )
    order = 2.0 if p is None or p == "fro" else p
    return _C._linalg.linalg_vector_norm(input, order, dims, keepdim, dtype=dtype, out=out)


def unravel_index(indices, shape):
    """Where elements of a tensor of shape ``shape`` are, that ``indices`` counts row by row.

    Args:
        indices: integers.
        shape: the sizes, or the one size.

    Shape:
        - result: for each dimension a tensor of the shape of ``indices``.

    Example::

        >>> import flambeau
        >>> flambeau.unravel_index(flambeau.tensor([4, 1]), (3, 2))
        (tensor([2, 0]), tensor([0, 1]))
    """
    if _overridden(indices):
        return handle_torch_function(unravel_index, (indices,), indices, shape=shape)
    need_tensor("unravel_index", indices)
    if indices.is_complex() or indices.is_floating_point() or indices.dtype == flambeau.bool:
        raise TypeError(
            f"unravel_index: expected 'indices' to be integer dtype, but got {indices.dtype}"
        )
    sizes = integers("unravel_index", [shape] if isinstance(shape, int) else shape, "shape", 2)
    if any(size < 0 for size in sizes):
        raise ValueError(f"unravel_index: 'shape' cannot have negative values, but got {shape}")
    places = []
    left = indices.to(flambeau.int64)
    for size in reversed(sizes):
        places.append(left % size)
        left = left // size
    return tuple(reversed(places))
