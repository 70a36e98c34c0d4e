"""Images of other sizes, and values of images between their pixels."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._C import _has_torch_function_unary as _overridden
from flambeau._C import _has_torch_function_variadic as _any_overridden
from flambeau._C import _nn
from flambeau.overrides import handle_torch_function

__all__ = [
    "affine_grid",
    "grid_sample",
    "interpolate",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]

_NEAREST = {
    "nearest": (_nn.upsample_nearest1d, _nn.upsample_nearest2d, _nn.upsample_nearest3d),
    "nearest-exact": (
        _nn._upsample_nearest_exact1d,
        _nn._upsample_nearest_exact2d,
        _nn._upsample_nearest_exact3d,
    ),
}
_SMOOTH = {  # mode -> number of dimensions, op, the op without passing over elements
    "linear": (1, _nn.upsample_linear1d, None),
    "bilinear": (2, _nn.upsample_bilinear2d, _nn._upsample_bilinear2d_aa),
    "bicubic": (2, _nn.upsample_bicubic2d, _nn._upsample_bicubic2d_aa),
    "trilinear": (3, _nn.upsample_trilinear3d, None),
    "lanczos": (2, None, _nn._upsample_lanczos2d_aa),
}


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
):
    """A batch of sequences, images or volumes at another size.

    Args:
        size: the new size, a number or one for each dimension, or
        scale_factor: what the size is multiplied with, a number or one for each dimension.
        mode: ``"nearest"`` (counted from the front), ``"nearest-exact"``, ``"linear"`` (3-D input),
            ``"bilinear"``, ``"bicubic"`` and ``"lanczos"`` (4-D), ``"trilinear"`` (5-D) or
            ``"area"``.
        align_corners: whether the centres of the corner elements stay where they are; else the
            outer edges do. Of modes that interpolate.
        recompute_scale_factor: whether the factor is that of the sizes, rounded as they are.
        antialias: let filters grow with the step, so that no element is passed over: of
            ``"bilinear"`` and ``"bicubic"``, and always of ``"lanczos"``.

    Shape:
        - input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        - output: the same but for the last dimensions.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.interpolate(flambeau.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
        >>> F.interpolate(flambeau.tensor([[[1.0, 2.0]]]), 3, mode="linear", align_corners=True)
        tensor([[[1.0000, 1.5000, 2.0000]]])
    """
    if _overridden(input):
        return handle_torch_function(
            interpolate,
            (input,),
            input,
            size=size,
            scale_factor=scale_factor,
            mode=mode,
            align_corners=align_corners,
            recompute_scale_factor=recompute_scale_factor,
            antialias=antialias,
        )
    if mode in _NEAREST or mode == "area":
        if align_corners is not None:
            raise ValueError(
                "interpolate: align_corners can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    rank = input.dim() - 2
    size, scale_factor = _sizes_and_factors(input, size, scale_factor, rank)
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if scale_factor is not None and (recompute_scale_factor or mode == "area"):
        size = [int(n * factor) for n, factor in zip(input.shape[2:], scale_factor)]
        scale_factor = None
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if rank not in (1, 2, 3) or not (mode in _NEAREST or mode in _SMOOTH or mode == "area"):
        raise NotImplementedError(
            "interpolate: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.dim()}D) for the modes: nearest | linear | bilinear | bicubic | "
            f"trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if mode in _NEAREST:
        return _NEAREST[mode][rank - 1](input, size, scale_factor)
    if mode == "area":
        from ._pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[rank - 1](input, size)
    wanted, plain, smooth = _SMOOTH[mode]
    if rank != wanted:
        raise NotImplementedError(
            f"interpolate: Got {input.dim()}D input, but {mode} mode needs {wanted + 2}D input"
        )
    op = smooth if antialias else plain
    return op(input, size, align_corners, scale_factor)


def _sizes_and_factors(input, size, scale_factor, rank):
    """One of the two as a list, None for the other."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given, what = (size, "size") if size is not None else (scale_factor, "scale_factor")
    if not isinstance(given, (list, tuple)):
        given = [given] * rank
    elif len(given) != rank:
        raise ValueError(
            f"Input and {'output' if what == 'size' else what} must have the same number of "
            f"spatial dimensions, but got input with spatial dimensions of "
            f"{list(input.shape[2:])} and {what} of {given}. Please provide input tensor in "
            "(N, C, d1, d2, ...,dK) format and one number for each of d1 ... dK."
        )
    if what == "scale_factor":
        return None, given
    if not all(hasattr(n, "__index__") for n in given):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, "
            f"int], but got size with types {[type(n) for n in given]}"
        )
    return given, None


def upsample(input, size=None, scale_factor=None, mode: str = "nearest", align_corners=None):
    """`interpolate` by an older name.

    Args:
        size, scale_factor, mode, align_corners: as of `interpolate`.

    Shape:
        - input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        - output: the same but for the last dimensions.

    Example::

        >>> import flambeau
        >>> flambeau.nn.functional.interpolate(flambeau.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with the nearest element, by an older name.

    Args:
        size, scale_factor: as of `interpolate`.

    Shape:
        - input: (N, C, H, W) or (N, C, D, H, W).
        - output: the same but for the last dimensions.

    Example::

        >>> import flambeau
        >>> flambeau.nn.functional.interpolate(flambeau.tensor([[[1.0, 2.0]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` of images between aligned corners, by an older name.

    Args:
        size, scale_factor: as of `interpolate`.

    Shape:
        - input: (N, C, H, W).
        - output: the same but for H and W.

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x = flambeau.tensor([[[[1.0, 2.0]]]])
        >>> F.interpolate(x, size=(1, 3), mode="bilinear", align_corners=True)
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


_INTERPOLATION = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDING = {"zeros": 0, "border": 1, "reflection": 2}


def grid_sample(
    input,
    grid,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
):
    """Values of images or volumes at places that ``grid`` names.

    Args:
        grid: places (x, y) or (x, y, z), of which -1 is the one end of the input and 1 the other.
        mode: ``"bilinear"`` (of volumes too), ``"nearest"`` or, of images, ``"bicubic"``.
        padding_mode: what lies beyond the input: ``"zeros"``, its ``"border"``, or its
            ``"reflection"``.
        align_corners: whether -1 and 1 are the centres of the outer elements, or their edges.

    Shape:
        - input: (N, C, H, W) or (N, C, D, H, W), grid: (N, H', W', 2) or (N, D', H', W', 3).
        - output: (N, C, H', W') or (N, C, D', H', W').

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> x = flambeau.tensor([[[[1.0, 3.0]]]])
        >>> F.grid_sample(x, flambeau.zeros(1, 1, 1, 2), align_corners=False)
        tensor([[[[2.]]]])
    """
    if _any_overridden(input, grid):
        return handle_torch_function(
            grid_sample,
            (input, grid),
            input,
            grid,
            mode=mode,
            padding_mode=padding_mode,
            align_corners=align_corners,
        )
    if mode not in _INTERPOLATION:
        raise ValueError(
            f"grid_sample: expected mode to be 'bilinear', 'nearest' or 'bicubic', not '{mode}'"
        )
    if padding_mode not in _PADDING:
        raise ValueError(
            "grid_sample: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        _warn_of_corners("grid_sample")
        align_corners = False
    return flambeau.grid_sampler(
        input, grid, _INTERPOLATION[mode], _PADDING[padding_mode], align_corners
    )


def affine_grid(theta, size, align_corners: bool | None = None):
    """The places that `grid_sample` reads to move, turn and stretch images.

    Args:
        theta: matrices that take places of the result to places of the input.
        size: that of the result, (N, C, H, W) or (N, C, D, H, W).
        align_corners: as of `grid_sample`.

    Shape:
        - theta: (N, 2, 3) or (N, 3, 4).
        - output: (N, H, W, 2) or (N, D, H, W, 3).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.affine_grid(flambeau.eye(2, 3)[None], [1, 1, 1, 2], align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    if _overridden(theta):
        return handle_torch_function(
            affine_grid, (theta,), theta, size, align_corners=align_corners
        )
    if align_corners is None:
        _warn_of_corners("affine_grid")
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(
            f"affine_grid: Expected theta to have floating point type, but got {theta.dtype}"
        )
    rank = len(size) - 2
    if rank not in (2, 3):
        raise NotImplementedError(
            "affine_grid: only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(
            f"affine_grid: Expected a batch of affine matrices of shape Nx{rank}x{rank + 1} "
            f"for size {size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: Expected non-zero, positive output size. Got {size}")
    return flambeau.affine_grid_generator(theta, size, align_corners)


def _warn_of_corners(name: str) -> None:
    warnings.warn(
        f"{name}: align_corners is False unless it is given; it was True in very old versions of "
        "PyTorch",
        stacklevel=3,
    )
