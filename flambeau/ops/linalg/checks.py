"""What ops on matrices check, and how their results lie in memory."""

from flambeau.ops.language import (
    Error,
    dtype_name,
    is_differentiable,
    scalar_type_name,
    show,
)

LAPACK = frozenset({"float32", "float64", "complex64", "complex128"})


def column_strides(sizes):
    """Matrices one after the other, each by columns."""
    rank = len(sizes)
    if rank < 2:
        return [1] * rank
    rows = max(1, sizes[rank - 2])
    step = rows * max(1, sizes[rank - 1])
    strides = [1, rows]
    for d in reversed(range(rank - 2)):
        strides.insert(0, step)
        step = step * max(1, sizes[d])
    return strides


def check_matrix(op, t, name):
    if t.dim() < 2:
        raise Error(
            f"{op}: The input tensor {name} must have at least 2 dimensions, got {show(t.shape)}"
        )


def check_square(op, t, name):
    check_matrix(op, t, name)
    if t.shape[-1] != t.shape[-2]:
        raise Error(
            f"{op}: {name} must be batches of square matrices, but they are {t.shape[-2]} by "
            f"{t.shape[-1]} matrices"
        )


def check_float(op, t):
    if not is_differentiable(t.dtype):
        raise Error(
            f"{op}: Expected a floating point or complex tensor as input. Got "
            f"{scalar_type_name(t.dtype)}: convert with .to(torch.float32)"
        )
    if t.dtype.itemsize < 4:
        raise Error(
            f"{op}: Low precision dtypes not supported. Got {scalar_type_name(t.dtype)}: convert "
            "with .to(torch.float32)"
        )


def check_lapack(op, t):
    """The same where PyTorch finds no kernel."""
    if not is_differentiable(t.dtype) or t.dtype.itemsize < 4:
        raise NotImplementedError(
            f"{op}: not implemented for {scalar_type_name(t.dtype)}: convert with "
            ".to(torch.float32)"
        )


def check_same(op, a, b, first, second):
    if a.dtype != b.dtype:
        raise Error(
            f"{op}: Expected {first} and {second} to have the same dtype, but found "
            f"{dtype_name(a.dtype)} and {dtype_name(b.dtype)} instead"
        )


def adjoint(t, ops):
    """The conjugate transpose of matrices."""
    turned = ops.transpose_int(t, -2, -1)
    return ops.conj(turned) if t.is_complex() else turned


def real_part(t, ops):
    return ops.real(t) if t.is_complex() else t


def diagonal_of(t, ops):
    return ops.diagonal(t, 0, -2, -1)


def matrices_of(sizes):
    """All but the last two."""
    return list(sizes[: len(sizes) - 2])
