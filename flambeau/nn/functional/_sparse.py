"""Tables that are looked up by row number."""

from __future__ import annotations

import flambeau
from flambeau._arguments import need_tensor
from flambeau._C import _has_torch_function as _overridden_in
from flambeau.overrides import handle_torch_function

__all__ = ["embedding", "one_hot"]

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
        used = indices.reshape(-1).unique()
        rows = weight[used]
        norms = rows.norm(norm_type, dim=1, keepdim=True)
        weight[used] = flambeau.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
