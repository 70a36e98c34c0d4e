"""Gradients of tables, as sparse tensors: the rows that were looked up."""

from flambeau.ops.language import Error, dtypes, show
from flambeau.ops.record import composite
from flambeau.ops.samples import call, ints, values


@composite(
    "embedding_sparse_backward(Tensor grad, Tensor indices, SymInt num_weights, "
    "SymInt padding_idx, bool scale_grad_by_freq) -> Tensor",
    function_variant=False,
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def embedding_sparse_backward(grad, indices, num_weights, padding_idx, scale_grad_by_freq, ops):
    """The gradient of ``embedding``: a row for each index, in the order of the indices.

    >>> flambeau.ops.aten.embedding_sparse_backward(
    ...     flambeau.ones(2, 1), flambeau.tensor([0, 0]), 2, -1, False).to_dense()
    tensor([[2.],
            [0.]])
    """
    op = "embedding_sparse_backward"
    if scale_grad_by_freq:
        raise Error(f"{op}: scale_grad_by_freq not supported with sparse gradients")
    if grad.dim() == 0 or num_weights < 0:
        raise Error(
            f"{op}: expected gradients of rows and num_weights from 0 on, got shape "
            f"{show(grad.shape)} and {num_weights}"
        )
    width = grad.shape[-1]
    flat = ops.to_dtype(ops.reshape(indices, [-1]), dtypes.int64)
    rows = ops.reshape(grad, [flat.shape[0], width])
    if padding_idx != -1:
        kept = ops.reshape(ops.nonzero(ops.ne_Scalar(flat, padding_idx)), [-1])
        flat = ops.index_select(flat, 0, kept)
        rows = ops.index_select(rows, 0, kept)
    return ops._sparse_coo_tensor_unsafe(ops.unsqueeze(flat, 0), rows, [num_weights, width])


embedding_sparse_backward.samples(
    call(values(3, 2), ints([1, 0, 1]), 4, -1, False),
    call(values(3, 2), ints([1, 0, 1]), 2, 0, False),
)
embedding_sparse_backward.without("benchmark")
