"""``sparse_coo_tensor``, ``sparse_csr_tensor`` and ``sparse_csc_tensor``."""

from __future__ import annotations

import flambeau
from flambeau.overrides import handle_torch_function, has_torch_function

from ._checks import check_sparse_tensor_invariants

__all__ = [
    "sparse_coo_tensor",
    "sparse_compressed_tensor",
    "sparse_csc_tensor",
    "sparse_csr_tensor",
]


def sparse_coo_tensor(
    indices=None,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
    is_coalesced=None,
):
    """A tensor that keeps the places of its elements, and the elements; all others are zero.

    Elements of one place are added when it is coalesced. What follows the first dimension of
    ``values`` is dense. With a shape alone, ``sparse_coo_tensor((2, 3))``, there are no elements.

    Args:
        indices: (sparse dimensions, n) integers, a column for each element.
        values: n elements, or n tensors of the dense dimensions' shape.
        size: the shape; by default as large as the largest indices need.
        dtype: of the elements; by default that of ``values``.
        device: the CPU; others have no sparse tensors.
        pin_memory: not supported.
        requires_grad: whether gradients are wanted of the new tensor. One of ``values`` that have
            a history has one too.
        check_invariants: whether indices are looked at now, and the order of what is said to be
            coalesced; by default as ``sparse.check_sparse_tensor_invariants`` says.
        is_coalesced: whether every place is there once, in row-major order.

    Example::

        >>> flambeau.sparse_coo_tensor([[0, 1], [2, 0]], [3., 4.], (2, 3)).to_dense()
        tensor([[0., 0., 3.],
                [4., 0., 0.]])
    """
    given = tuple(a for a in (indices, values) if isinstance(a, flambeau.Tensor))
    if has_torch_function(given):
        return handle_torch_function(
            sparse_coo_tensor,
            given,
            indices,
            values,
            size,
            dtype=dtype,
            device=device,
            pin_memory=pin_memory,
            requires_grad=requires_grad,
            check_invariants=check_invariants,
            is_coalesced=is_coalesced,
        )
    options = {"device": device, "pin_memory": pin_memory}
    if values is None:
        made = _without_elements(indices if size is None else size, indices, size, dtype)
        return made.requires_grad_(requires_grad) if requires_grad else made
    if indices is None:
        raise TypeError("sparse_coo_tensor(): missing argument 'indices' beside 'values'")
    where = indices if isinstance(indices, flambeau.Tensor) else flambeau.tensor(indices)
    where = where.detach().to(flambeau.int64)
    if not isinstance(values, flambeau.Tensor):
        values = flambeau.tensor(values, dtype=dtype)
    elif dtype is not None:
        values = values.to(dtype)
    if values.dim() == 0:
        values = values.expand(1)
    if where.dim() == 1 and where.numel() == 0 and size is None:
        where = where.reshape(0, 0) if values.numel() == 0 else where
    if where.dim() != 2:
        raise RuntimeError(
            f"sparse_coo_tensor: indices must be sparse_dim x nnz, but got: {list(where.shape)}"
        )
    checks = check_sparse_tensor_invariants.is_enabled()
    checks = checks if check_invariants is None else check_invariants
    if size is None:
        shape = _least_size(where, values)
    else:
        shape = flambeau.Size(size)
    made = flambeau._sparse_coo_tensor_unsafe(
        where, values, shape, dtype=dtype, is_coalesced=is_coalesced, **options
    )
    if checks:
        _check(where, shape, bool(is_coalesced))
    return made.requires_grad_() if requires_grad else made


def _without_elements(shape, indices, size, dtype):
    if shape is None or (indices is not None and size is not None):
        raise TypeError("sparse_coo_tensor(): missing argument 'values' beside 'indices'")
    if isinstance(shape, flambeau.Tensor) or not all(hasattr(n, "__index__") for n in shape):
        raise TypeError(
            "sparse_coo_tensor(): give indices and values, or the size of a tensor without elements"
        )
    return flambeau.zeros(tuple(shape), dtype=dtype, layout=flambeau.sparse_coo)


def _least_size(indices, values):
    """The smallest shape in which the indices are."""
    if indices.shape[1] == 0 or indices.shape[0] == 0:
        outer = [0] * indices.shape[0]
    else:
        outer = [n + 1 for n in indices.max(1).values.tolist()]
        for dim, least in enumerate(indices.min(1).values.tolist()):
            if least < 0:
                raise RuntimeError(f"sparse_coo_tensor: found negative index {least} for dim {dim}")
    return flambeau.Size([*outer, *values.shape[1:]])


def _check(indices, shape, is_coalesced):
    """What `check_invariants` asks for."""
    columns = indices.shape[1]
    if columns == 0 or indices.shape[0] == 0:
        return
    lows, highs = indices.min(1).values.tolist(), indices.max(1).values.tolist()
    for dim, (low, high) in enumerate(zip(lows, highs, strict=True)):
        if low < 0:
            raise RuntimeError(f"sparse_coo_tensor: found negative index {low} for dim {dim}")
        if high >= shape[dim]:
            raise RuntimeError(
                f"sparse_coo_tensor: size is inconsistent with indices: for dim {dim}, size is "
                f"{shape[dim]} but found index {high}"
            )
    if not is_coalesced:
        return
    flat = indices[0]
    for dim in range(1, indices.shape[0]):
        flat = flat * shape[dim] + indices[dim]
    if not bool((flat[1:] > flat[:-1]).all()):
        raise RuntimeError(
            "sparse_coo_tensor: cannot set is_coalesced to true if indices correspond to "
            "uncoalesced COO tensor"
        )


def _compressed(function, layout, indices, places, values, size, dtype, device, pin, requires_grad):
    given = tuple(a for a in (indices, places, values) if isinstance(a, flambeau.Tensor))
    options = {"dtype": dtype, "device": device, "pin_memory": pin}
    if has_torch_function(given):
        options["requires_grad"] = requires_grad
        return handle_torch_function(function, given, indices, places, values, size, **options)
    ends = indices if isinstance(indices, flambeau.Tensor) else flambeau.tensor(indices)
    where = places if isinstance(places, flambeau.Tensor) else flambeau.tensor(places)
    if where.numel() == 0 and not isinstance(places, flambeau.Tensor):
        where = where.to(ends.dtype)
    elements = values
    if not isinstance(values, flambeau.Tensor):
        elements = flambeau.tensor(values, dtype=dtype)
    if size is None:
        lines = max(ends.shape[-1] - 1, 0) if ends.dim() else 0
        length = int(where.max()) + 1 if where.numel() else 0
        both = (lines, length) if layout is flambeau.sparse_csr else (length, lines)
        size = (*both, *elements.shape[1:])
    made = flambeau._sparse_compressed_tensor_unsafe(
        ends, where, elements, tuple(size), layout=layout, **options
    )
    return made.requires_grad_() if requires_grad else made


def sparse_csr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """A sparse matrix whose rows lie one behind the other.

    Its parts are looked at, whatever ``check_invariants`` says.

    Args:
        crow_indices: where each row begins among the elements, and where the last one ends.
        col_indices: the column of each element, growing along each row.
        values: the elements.
        size: the shape; by default as large as the indices need.
        dtype: of the elements; by default that of ``values``.
        device: the CPU; others have no sparse tensors.
        pin_memory: not supported.
        requires_grad: whether gradients are wanted of the new tensor.
        check_invariants: checks are made in any case.

    Example::

        >>> flambeau.sparse_csr_tensor([0, 1, 2], [1, 0], [3., 4.]).to_dense()
        tensor([[0., 3.],
                [4., 0.]])
    """
    return _compressed(
        sparse_csr_tensor, flambeau.sparse_csr, crow_indices, col_indices, values, size, dtype,
        device, pin_memory, requires_grad,
    )  # fmt: skip


def sparse_csc_tensor(
    ccol_indices,
    row_indices,
    values,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """A sparse matrix whose columns lie one behind the other.

    Its parts are looked at, whatever ``check_invariants`` says.

    Args:
        ccol_indices: where each column begins among the elements, and where the last one ends.
        row_indices: the row of each element, growing along each column.
        values: the elements.
        size: the shape; by default as large as the indices need.
        dtype: of the elements; by default that of ``values``.
        device: the CPU; others have no sparse tensors.
        pin_memory: not supported.
        requires_grad: whether gradients are wanted of the new tensor.
        check_invariants: checks are made in any case.

    Example::

        >>> flambeau.sparse_csc_tensor([0, 1, 2], [1, 0], [3., 4.]).to_dense()
        tensor([[0., 4.],
                [3., 0.]])
    """
    return _compressed(
        sparse_csc_tensor, flambeau.sparse_csc, ccol_indices, row_indices, values, size, dtype,
        device, pin_memory, requires_grad,
    )  # fmt: skip


def sparse_compressed_tensor(
    compressed_indices, plain_indices, values, size=None, *, layout=None, **options
):
    """``sparse_csr_tensor`` or ``sparse_csc_tensor``, as ``layout`` says.

    Args:
        compressed_indices: where each row (column) begins among the elements.
        plain_indices: the column (row) of each element.
        values: the elements.
        size: the shape; by default as large as the indices need.
        layout: ``sparse_csr`` or ``sparse_csc``.
        options: what these functions take besides.

    Example::

        >>> flambeau.sparse_compressed_tensor(
        ...     [0, 1, 2], [1, 0], [3., 4.], layout=flambeau.sparse_csr).crow_indices()
        tensor([0, 1, 2])
    """
    functions = {flambeau.sparse_csr: sparse_csr_tensor, flambeau.sparse_csc: sparse_csc_tensor}
    if layout is None:
        raise RuntimeError("sparse_compressed_tensor: expected sparse compressed tensor layout")
    if layout not in functions:
        raise NotImplementedError(f"sparse_compressed_tensor: layout {layout} is not supported")
    return functions[layout](compressed_indices, plain_indices, values, size, **options)
