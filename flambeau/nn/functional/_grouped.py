"""Products of matrices in groups, and of matrices of 8-bit floats with their scales."""

from __future__ import annotations

import enum
import functools
from typing import Any

import flambeau

__all__ = ["ScalingType", "SwizzleType", "grouped_mm", "scaled_grouped_mm", "scaled_mm"]


class ScalingType(enum.IntEnum):
    """What one scale of a matrix is for.

    Example::

        >>> ScalingType.RowWise
        <ScalingType.RowWise: 1>
    """

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(enum.IntEnum):
    """In which order scales lie in memory.

    Example::

        >>> SwizzleType.NO_SWIZZLE
        <SwizzleType.NO_SWIZZLE: 0>
    """

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


def grouped_mm(mat_a, mat_b, *, offs=None, bias=None, out_dtype=None):
    """A product of matrices for each group, where groups may differ in size.

    Two batches of matrices are multiplied one by one. Where one of the two is a single matrix,
    its groups lie side by side in it, and ``offs`` says where each ends: its rows, in the first,
    its columns, in the second, and what is summed over if both are single matrices.

    Args:
        mat_a, mat_b: the matrices, of a floating dtype of at most 32 bits.
        offs: ``int32``, the end of each group; what lies behind the last is left out, and its
            place in the result holds zeros.
        bias: None; PyTorch has no such products with one either.
        out_dtype: the dtype of the result, which is that of the matrices.

    Shape:
        - mat_a (M, K), mat_b (G, K, N), ``offs`` counting rows: result (M, N).
        - mat_a (G, M, K), mat_b (K, N), ``offs`` counting columns: result (M, N).
        - mat_a (M, K), mat_b (K, N), ``offs`` counting what is summed over: result (G, M, N).
        - mat_a (G, M, K), mat_b (G, K, N), no ``offs``: result (G, M, N).

    Example::

        >>> import flambeau
        >>> tokens = flambeau.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        >>> experts = flambeau.stack([flambeau.eye(2), -flambeau.eye(2)])
        >>> grouped_mm(tokens, experts, offs=flambeau.tensor([1, 3], dtype=flambeau.int32))
        tensor([[ 1.,  2.],
                [-3., -4.],
                [-5., -6.]])
    """
    arguments = (mat_a, mat_b, offs, bias)
    if flambeau.overrides.has_torch_function(arguments):
        return flambeau.overrides.handle_torch_function(
            grouped_mm, arguments, mat_a, mat_b, offs=offs, bias=bias, out_dtype=out_dtype
        )
    name = "grouped_mm"
    matrices = {"mat_a": mat_a, "mat_b": mat_b}
    for which, matrix in matrices.items():
        if not isinstance(matrix, flambeau.Tensor):
            raise TypeError(
                f"{name}(): argument '{which}' must be Tensor, not {type(matrix).__name__}"
            )
    for which, matrix in matrices.items():
        if matrix.dim() not in (2, 3):
            raise RuntimeError(
                f"{name}: {which} has to be 2 or 3d, but has shape {list(matrix.shape)}"
            )
        if matrix.dtype not in (flambeau.float32, flambeau.bfloat16, flambeau.float16):
            raise RuntimeError(
                f"{name}: Expected {which} to be Float32, BFloat16 or Float16 matrix, got "
                f"{matrix.dtype}"
            )
    if mat_a.dtype != mat_b.dtype:
        raise RuntimeError(f"{name}: mat_a is {mat_a.dtype}, but mat_b is {mat_b.dtype}")
    if mat_a.shape[-1] != mat_b.shape[-2]:
        raise RuntimeError(
            f"{name}: contraction dimension of mat_a and mat_b must match, got shapes "
            f"{list(mat_a.shape)} and {list(mat_b.shape)}"
        )
    both_batched = mat_a.dim() == mat_b.dim() == 3
    if (offs is None) != both_batched:
        raise RuntimeError(
            f"{name}: Have to provide offsets if there is a 2d matrix, or no offset if both "
            "matrices are 3d"
        )
    if bias is not None:
        raise RuntimeError(f"{name}: Bias not supported yet; add it to the result")
    if out_dtype is not None and out_dtype != mat_a.dtype:
        raise RuntimeError(f"{name}: Grouped gemm output dtype must match `mat_a` dtype")
    if both_batched:
        return flambeau.bmm(mat_a, mat_b)
    if offs.dim() != 1 or offs.dtype != flambeau.int32:
        raise RuntimeError(
            f"{name}: offs has to be 1-D and int32, but is {offs.dim()}-D and {offs.dtype}"
        )
    ends = offs.tolist()
    groups = mat_a if mat_a.dim() == 3 else mat_b
    if groups.dim() == 3 and groups.shape[0] != len(ends):
        raise RuntimeError(
            f"{name}: there are {groups.shape[0]} matrices, but offs has {len(ends)} groups"
        )
    starts = [0, *ends][: len(ends)]
    spans = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
    if any(span.start > span.stop for span in spans):
        raise RuntimeError(f"{name}: offs has to increase from 0 on, but is {ends}")
    if mat_a.dim() == 2 and mat_b.dim() == 2:
        parts = [mat_a[:, span] @ mat_b[span] for span in spans]
        empty = mat_a.new_zeros((0, mat_a.shape[0], mat_b.shape[1]))
        return flambeau.stack(parts) if parts else empty
    along = 0 if mat_a.dim() == 2 else 1
    if along == 0:
        parts = [mat_a[span] @ mat_b[i] for i, span in enumerate(spans)]
    else:
        parts = [mat_a[i] @ mat_b[:, span] for i, span in enumerate(spans)]
    shape = [mat_a.shape[-2], mat_b.shape[-1]]
    shape[along] -= sum(part.shape[along] for part in parts)
    return flambeau.cat([*parts, mat_a.new_zeros(shape)], along)


@functools.lru_cache(None)
def _values(dtype) -> Any:
    """All numbers of a dtype of 8-bit floats, by their bits."""
    exponent_bits, bias, finite, single_zero = {
        flambeau.float8_e4m3fn: (4, 7, True, False),
        flambeau.float8_e4m3fnuz: (4, 8, True, True),
        flambeau.float8_e5m2: (5, 15, False, False),
        flambeau.float8_e5m2fnuz: (5, 16, True, True),
    }[dtype]
    fraction_bits = 7 - exponent_bits
    numbers = []
    for bits in range(256):
        exponent = (bits & 127) >> fraction_bits
        fraction = (bits & ((1 << fraction_bits) - 1)) / (1 << fraction_bits)
        number = (1 + fraction) * 2.0 ** (exponent - bias)
        if exponent == 0:
            number = fraction * 2.0 ** (1 - bias)
        elif not finite and exponent == 31:
            number = flambeau.nan if fraction else flambeau.inf
        elif finite and not single_zero and bits & 127 == 127:
            number = flambeau.nan
        if single_zero and bits == 128:
            number = flambeau.nan
        numbers.append(-number if bits & 128 else number)
    return flambeau.tensor(numbers, dtype=flambeau.float32)


def _read(matrix):
    """8-bit floats as ``float32``."""
    return _values(matrix.dtype)[matrix.view(flambeau.uint8).long()]


def _one(values):
    return values if isinstance(values, (list, tuple)) else [values]


def scaled_mm(
    mat_a,
    mat_b,
    scale_a,
    scale_recipe_a,
    scale_b,
    scale_recipe_b,
    swizzle_a=None,
    swizzle_b=None,
    bias=None,
    output_dtype=flambeau.bfloat16,
    contraction_dim=(),
    use_fast_accum: bool = False,
):
    """The product of two matrices of 8-bit floats, times their scales.

    Args:
        mat_a, mat_b: of a ``float8`` dtype.
        scale_a, scale_b: ``float32``: one number, or one for each row of the first and each
            column of the second.
        scale_recipe_a, scale_recipe_b: which of these, `ScalingType.TensorWise` or
            `ScalingType.RowWise`, the same for both.
        swizzle_a, swizzle_b: the order of scales in blocks; these scales have one order.
        bias: is added to each row.
        output_dtype: of the result; the products are added up in ``float32``.
        contraction_dim: the dimensions that are summed over, when not the last and the first.
        use_fast_accum: whether a device may add up less exactly; the CPU does not.

    Shape:
        - mat_a (M, K), mat_b (K, N), bias (N), result (M, N).

    Example::

        >>> import flambeau
        >>> bits = flambeau.tensor([[56, 64], [0, 184]], dtype=flambeau.uint8)  # 1, 2, 0, -1
        >>> a, half = bits.view(flambeau.float8_e4m3fn), flambeau.tensor(0.5)
        >>> way = ScalingType.TensorWise
        >>> scaled_mm(a, a, half, way, half, way, output_dtype=flambeau.float32)
        tensor([[0.2500, 0.0000],
                [0.0000, 0.2500]])
    """
    (scale_a, *more_a), (scale_b, *more_b) = _one(scale_a), _one(scale_b)
    ways = [*_one(scale_recipe_a), *_one(scale_recipe_b)]
    name = "scaled_mm"
    if mat_a.dim() != 2 or mat_b.dim() != 2:
        raise ValueError(
            f"{name}: expected two matrices, but got {list(mat_a.shape)} and {list(mat_b.shape)}"
        )
    dim_a, dim_b = contraction_dim or (1, 0)
    if mat_a.shape[dim_a] != mat_b.shape[dim_b]:
        shapes = " and ".join("x".join(map(str, matrix.shape)) for matrix in (mat_a, mat_b))
        dims = f" with contraction dims mat_a: {dim_a}, mat_b: {dim_b}" if contraction_dim else ""
        raise ValueError(f"{name}: mat_a and mat_b shapes cannot be multiplied ({shapes}){dims}")
    mat_a = mat_a if dim_a in (1, -1) else mat_a.t()
    mat_b = mat_b if dim_b in (0, -2) else mat_b.t()
    rows, columns = mat_a.shape[0], mat_b.shape[1]
    kinds = (flambeau.float8_e4m3fn, flambeau.float8_e4m3fnuz)
    kinds += (flambeau.float8_e5m2, flambeau.float8_e5m2fnuz)
    good = mat_a.dtype in kinds and mat_b.dtype in kinds and not more_a and not more_b
    good = good and scale_a.dtype == scale_b.dtype == flambeau.float32
    if ways == [ScalingType.TensorWise] * 2:
        good = good and scale_a.numel() == scale_b.numel() == 1
    elif ways == [ScalingType.RowWise] * 2:
        good = good and scale_a.shape == (rows, 1) and scale_b.shape == (1, columns)
    else:
        good = False
    if not good:
        raise ValueError(
            f"{name}: Invalid scaling configuration. mat_a and mat_b have to be float8, scales "
            "float32; for TensorWise scaling one number each, for RowWise scaling of shapes "
            f"({rows}, 1) and (1, {columns}). Got {mat_a.dtype} and {mat_b.dtype}, scales "
            f"{scale_a.dtype} {list(scale_a.shape)} and {scale_b.dtype} {list(scale_b.shape)}, "
            f"ways {ways}"
        )
    if ways[0] == ScalingType.TensorWise:
        scale_a, scale_b = scale_a.reshape(()), scale_b.reshape(())
    result = (_read(mat_a) @ _read(mat_b)) * scale_a * scale_b
    if bias is not None:
        result = result + bias
    return result.to(mat_a.dtype if output_dtype is None else output_dtype)


def scaled_grouped_mm(mat_a, mat_b, *arguments, **keywords):
    """Products as of `grouped_mm` of 8-bit floats with scales: as in PyTorch, not on the CPU.

    Args:
        mat_a, mat_b: the matrices.

    Shape:
        - as of `grouped_mm`.

    Example::

        >>> import flambeau
        >>> a, scale = flambeau.zeros(2, 2).byte().view(flambeau.float8_e5m2), flambeau.tensor(1.0)
        >>> way = ScalingType.TensorWise
        >>> [scaled_mm(group, group, scale, way, scale, way).shape for group in (a, a)]
        [torch.Size([2, 2]), torch.Size([2, 2])]
    """
    raise NotImplementedError(
        "scaled_grouped_mm: there is no implementation for the CPU; call scaled_mm for each group"
    )
