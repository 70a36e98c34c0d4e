"""Tables that are looked up by row number."""

from __future__ import annotations

import warnings

import flambeau
from flambeau._arguments import need_tensor
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

__all__ = ["embedding", "embedding_bag", "one_hot"]

one_hot = flambeau._C._nn.one_hot


def embedding(
    input,
    weight,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """The rows of ``weight`` that ``input`` names.

    Args:
        input: row numbers.
        weight: the table.
        padding_idx: a row that gets no gradient.
        max_norm: rows that are longer are first shortened to this length, in ``weight`` itself.
        norm_type: which p-norm measures the length.
        scale_grad_by_freq: divide a row's gradient by how often it is named.
        sparse: give the gradient of ``weight`` as a sparse tensor.

    Shape:
        - input: any; weight: (N, D).
        - output: (*input, D).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.embedding(flambeau.tensor([2, 0]), flambeau.eye(3))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if _overridden_in((input, weight)):
        return handle_torch_function(
            embedding,
            (input, weight),
            input,
            weight,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )
    if padding_idx is None:
        padding_idx = -1
    else:
        need_tensor("embedding", weight, "weight", 2)
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("embedding: padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    return flambeau.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def _shorten_rows(weight, indices, max_norm: float, norm_type: float) -> None:
    with flambeau.no_grad():
        flambeau.embedding_renorm_(weight.detach(), indices, max_norm, norm_type)


_MODES = {"sum": 0, "mean": 1, "max": 2}


def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights=None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
):
    """Sums, means or maxima of the rows of ``weight`` that each bag names.

    Args:
        input: row numbers: a bag in each row, or one after the other.
        weight: the table.
        offsets: where bags begin, if they stand one after the other.
        max_norm: rows that are longer are first shortened to this length, in ``weight`` itself.
        norm_type: which p-norm measures the length.
        scale_grad_by_freq: divide a row's gradient by how often it is named.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: give the gradient of ``weight`` as a sparse tensor.
        per_sample_weights: a factor for each index; for sums.
        include_last_offset: whether ``offsets`` ends with the end of the last bag.
        padding_idx: a row that counts nothing and gets no gradient.

    Shape:
        - input: (B, N), or (N) with offsets (B); weight: (V, D).
        - output: (B, D).

    Example::

        >>> import flambeau
        >>> import flambeau.nn.functional as F
        >>> F.embedding_bag(flambeau.tensor([[0, 1], [1, 1]]), flambeau.eye(2))
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]])
    """
    if _overridden_in((input, weight, offsets, per_sample_weights)):
        return handle_torch_function(
            embedding_bag,
            (input, weight, offsets, per_sample_weights),
            input,
            weight,
            offsets=offsets,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            per_sample_weights=per_sample_weights,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
    if weight.dtype == flambeau.long and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed: it is "
            "embedding_bag(input, weight, ...).",
            stacklevel=2,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            f"it must have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(
            f"embedding_bag: weight has to be a 2D Tensor, but got Tensor of dimension "
            f"{weight.dim()}"
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "embedding_bag: if input is 2D, then offsets has to be None, as each row is a bag. "
                f"However, found offsets of type {type(offsets)}"
            )
        offsets = flambeau.arange(
            0, input.numel(), input.size(1), dtype=input.dtype, device=input.device
        )
        include_last_offset = False
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() != 1:
        raise ValueError(
            "embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension "
            f"{input.dim()}"
        )
    elif offsets is None:
        raise ValueError("embedding_bag: offsets has to be a 1D Tensor but got None")
    elif offsets.dim() != 1:
        raise ValueError(f"embedding_bag: offsets has to be a 1D Tensor, got {offsets.dim()}D")
    if mode not in _MODES:
        raise ValueError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(
            "embedding_bag: max mode does not support scaling the gradient by the frequency"
        )
    if mode == "max" and sparse:
        raise ValueError("embedding_bag: max mode does not support sparse weights")
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights is only supported for mode='sum' (got "
            f"mode='{mode}')"
        )
    return flambeau.embedding_bag(
        weight,
        input,
        offsets,
        scale_grad_by_freq,
        _MODES[mode],
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )[0]
