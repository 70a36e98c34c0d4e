"""Sums, means and maxima of rows of a table, bag by bag."""

from flambeau.ops.index.pick import check_embedding_indices
from flambeau.ops.language import Error, Spec, absent, dtype_name, dtypes, show
from flambeau.ops.record import FLOATING, composite, native, structured
from flambeau.ops.samples import call, ints, values

SUM_OF_BAG, MEAN_OF_BAG, MAX_OF_BAG = 0, 1, 2
_FIRST = (
    "Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
    "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False"
)
_FOUR = "(Tensor, Tensor, Tensor, Tensor)"


def check_bags(weight, indices, offsets, mode, sparse, per_sample_weights, include_last_offset):
    if sparse and mode == MAX_OF_BAG:
        raise Error("embedding_bag: max mode does not support sparse weights")
    if weight.dim() != 2:
        raise Error(f"embedding_bag: weight has to be a 2D Tensor, got {show(weight.shape)}")
    if not weight.is_floating_point():
        raise NotImplementedError(
            'embedding_bag: "embedding_bag_cpu" not implemented for '
            f"'{dtype_name(weight.dtype)}': use a floating dtype"
        )
    check_embedding_indices("embedding_bag", indices.dtype)
    check_embedding_indices("embedding_bag", offsets.dtype)
    if indices.dim() != 1 or offsets.dim() != 1:
        raise Error(
            "embedding_bag: input has to be a 1D Tensor with offsets in a 1D Tensor, got "
            f"{show(indices.shape)} and {show(offsets.shape)}"
        )
    if mode < SUM_OF_BAG or mode > MAX_OF_BAG:
        raise Error(f"embedding_bag: mode is 0 (sum), 1 (mean) or 2 (max), got {mode}")
    if include_last_offset and offsets.shape[0] < 1:
        raise Error("embedding_bag: include_last_offset: number of offset should be at least 1")
    if per_sample_weights is None:
        return
    if mode != SUM_OF_BAG:
        raise Error("embedding_bag: per_sample_weights only supported with mode='sum'")
    if per_sample_weights.dim() != 1 or per_sample_weights.numel() != indices.numel():
        raise Error(
            "embedding_bag: expected per_sample_weights to be 1D and of the same size as input, "
            f"got {show(per_sample_weights.shape)} and {show(indices.shape)}"
        )
    if per_sample_weights.dtype != weight.dtype:
        raise Error(
            "embedding_bag: expected weight and per_sample_weights to be of the same dtype, got "
            f"{dtype_name(weight.dtype)} and {dtype_name(per_sample_weights.dtype)}"
        )


@structured(
    f"_embedding_bag({_FIRST}, int padding_idx=-1) -> {_FOUR}",
    cpu="cpu::embedding_bag(result0, result1, result2, result3, weight, indices, offsets, mode, "
    "per_sample_weights, padding_idx)",
    method=False,
    checks_values=True,
    differentiable=(0,),
)
def _embedding_bag():
    """The op under ``embedding_bag``: results, the bag of each index, sizes, places of maxima.

    >>> flambeau._embedding_bag(
    ...     flambeau.eye(2), flambeau.tensor([0, 1, 1]), flambeau.tensor([0, 1]))[0]
    tensor([[1., 0.],
            [0., 2.]])
    """


_W, _I, _O = values(4, 2), ints([1, 3, 1, 0]), ints([0, 2, 2])
_embedding_bag.samples(
    call(_W, _I, _O),
    call(_W, _I, _O, False, 1),
    call(_W, _I, _O, False, 2),
    call(_W, _I, _O, False, 0, False, values(4)),
    call(_W, _I, ints([0, 2, 4]), False, 1, False, None, True, 3),
    dtypes=FLOATING,
)


@_embedding_bag.rule
def _(weight, indices, offsets, mode, sparse, per_sample_weights, include_last_offset):
    check_bags(weight, indices, offsets, mode, sparse, per_sample_weights, include_last_offset)
    bags = offsets.shape[0] - 1 if include_last_offset else offsets.shape[0]
    places = [bags, weight.shape[1]] if mode == MAX_OF_BAG else [0]
    return (
        Spec([bags, weight.shape[1]], weight.dtype),
        Spec(indices.shape, dtypes.int64),
        Spec([bags], dtypes.int64),
        Spec(places, dtypes.int64),
    )


@_embedding_bag.gradient
def _(
    g,
    weight,
    indices,
    offsets,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    padding_idx,
    result1,
    result2,
    result3,
    ops,
):
    return (
        ops._embedding_bag_backward(
            g,
            indices,
            offsets,
            result1,
            result2,
            result3,
            weight.shape[0],
            scale_grad_by_freq,
            mode,
            sparse,
            per_sample_weights,
            padding_idx,
        ),
        None,
        None,
        ops._embedding_bag_per_sample_weights_backward(
            g, weight, indices, offsets, result1, mode, padding_idx
        )
        if mode == SUM_OF_BAG  # else there are no such weights
        else absent(),
    )


@composite(
    "_embedding_bag_backward(Tensor grad, Tensor indices, Tensor offsets, Tensor offset2bag, "
    "Tensor bag_size, Tensor maximum_indices, SymInt num_weights, bool scale_grad_by_freq, "
    "int mode, bool sparse, Tensor? per_sample_weights, int padding_idx=-1) -> Tensor",
    function_variant=False,
    method=False,
)
def _embedding_bag_backward(
    grad,
    indices,
    offsets,
    offset2bag,
    bag_size,
    maximum_indices,
    num_weights,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    padding_idx,
    ops,
):
    """The gradient of the table."""
    if sparse:
        return ops._embedding_bag_sparse_backward(
            grad,
            indices,
            offsets,
            offset2bag,
            bag_size,
            num_weights,
            scale_grad_by_freq,
            mode,
            per_sample_weights,
            padding_idx,
        )
    return ops._embedding_bag_dense_backward(
        grad,
        indices,
        offset2bag,
        bag_size,
        maximum_indices,
        num_weights,
        scale_grad_by_freq,
        mode,
        per_sample_weights,
        padding_idx,
    )


_embedding_bag_backward.samples(
    call(
        values(3, 2),
        _I,
        _O,
        ints([0, 0, 2, 2]),
        ints([2, 0, 2]),
        ints([0]),
        4,
        False,
        1,
        False,
        None,
    ),
    dtypes=FLOATING,
)


def rows_of_bags(grad, offset2bag, bag_size, mode, per_sample_weights, ops):
    """The gradient of the row that each index names."""
    each = grad
    if mode == MEAN_OF_BAG:
        sizes = ops.to_dtype(ops.clamp_min(bag_size, 1), grad.dtype)
        each = grad / ops.unsqueeze(sizes, 1)
    rows = ops.index_select(each, 0, offset2bag)
    if per_sample_weights is not None:
        rows = rows * ops.unsqueeze(per_sample_weights, 1)
    return rows


@composite(
    "_embedding_bag_sparse_backward(Tensor grad, Tensor indices, Tensor offsets, "
    "Tensor offset2bag, Tensor bag_size, SymInt num_weights, bool scale_grad_by_freq, int mode, "
    "Tensor? per_sample_weights, int padding_idx=-1) -> Tensor",
    function_variant=False,
    method=False,
    tags=frozenset({"dynamic_shape"}),
)
def _embedding_bag_sparse_backward(
    grad,
    indices,
    offset2bag,
    bag_size,
    num_weights,
    scale_grad_by_freq,
    mode,
    per_sample_weights,
    padding_idx,
    ops,
):
    """The gradient of the table as a sparse tensor, a row of it for each index."""
    if mode == MAX_OF_BAG:
        raise Error("_embedding_bag_sparse_backward: max mode does not support sparse weights")
    if not grad.is_floating_point():
        raise Error(
            "_embedding_bag_sparse_backward: expected a floating dtype, got "
            f"{dtype_name(grad.dtype)}"
        )
    rows = rows_of_bags(grad, offset2bag, bag_size, mode, per_sample_weights, ops)
    return ops.embedding_backward(rows, indices, num_weights, padding_idx, scale_grad_by_freq, True)


_embedding_bag_sparse_backward.samples(
    call(values(3, 2), _I, _O, ints([0, 0, 2, 2]), ints([2, 0, 2]), 4, False, 1, None),
    call(values(3, 2), _I, _O, ints([0, 0, 2, 2]), ints([2, 0, 2]), 4, False, 0, values(4)),
    dtypes=FLOATING,
)
_embedding_bag_sparse_backward.without("benchmark")


@composite(
    "_embedding_bag_dense_backward(Tensor grad, Tensor indices, Tensor offset2bag, "
    "Tensor bag_size, Tensor maximum_indices, SymInt num_weights, bool scale_grad_by_freq, "
    "int mode, Tensor? per_sample_weights, int padding_idx=-1) -> Tensor",
    function_variant=False,
    method=False,
)
def _embedding_bag_dense_backward(
    grad,
    indices,
    offset2bag,
    bag_size,
    maximum_indices,
    num_weights,
    scale_grad_by_freq,
    mode,
    per_sample_weights,
    padding_idx,
    ops,
):
    """The gradient of the table, a row of it for each bag that a row of the table is in."""
    if not grad.is_floating_point():
        raise Error(
            "_embedding_bag_dense_backward: expected a floating dtype, got "
            f"{dtype_name(grad.dtype)}"
        )
    if mode == MAX_OF_BAG:
        empty = ops.lt_Scalar(maximum_indices, 0)
        places = ops.masked_fill_Scalar(maximum_indices, empty, 0)
        table = ops.new_zeros(grad, [num_weights, grad.shape[1]])
        return ops.scatter_add(table, 0, places, ops.masked_fill_Scalar(grad, empty, 0))
    rows = rows_of_bags(grad, offset2bag, bag_size, mode, per_sample_weights, ops)
    return ops.embedding_dense_backward(rows, indices, num_weights, padding_idx, scale_grad_by_freq)


_embedding_bag_dense_backward.samples(
    call(values(3, 2), _I, ints([0, 0, 2, 2]), ints([2, 0, 2]), ints([0]), 4, False, 0, values(4)),
    call(
        values(2, 2),
        _I,
        ints([0, 0, 1, 1]),
        ints([2, 2]),
        ints([[1, 3], [0, 0]]),
        4,
        False,
        2,
        None,
    ),
    dtypes=FLOATING,
)


@composite(
    "_embedding_bag_per_sample_weights_backward(Tensor grad, Tensor weight, Tensor indices, "
    "Tensor offsets, Tensor offset2bag, int mode, int padding_idx=-1) -> Tensor",
    function_variant=False,
    method=False,
)
def _embedding_bag_per_sample_weights_backward(
    grad, weight, indices, offset2bag, mode, padding_idx, ops
):
    """The gradient of what each index weighs."""
    if mode != SUM_OF_BAG:
        raise Error(
            "_embedding_bag_per_sample_weights_backward: per_sample_weights only supported with "
            "mode='sum'"
        )
    if not grad.is_floating_point():
        raise Error(
            "_embedding_bag_per_sample_weights_backward: expected a floating dtype, got "
            f"{dtype_name(grad.dtype)}"
        )
    rows = ops.index_select(grad, 0, offset2bag) * ops.index_select(weight, 0, indices)
    made = ops.sum_dim_IntList(rows, [1])
    if padding_idx < 0:
        return made
    return ops.masked_fill_Scalar(made, ops.eq_Scalar(indices, padding_idx), 0)


_embedding_bag_per_sample_weights_backward.samples(
    call(values(3, 2), _W, _I, _O, ints([0, 0, 2, 2]), 0, 3), dtypes=FLOATING
)


@composite(f"_embedding_bag_forward_only({_FIRST}, int padding_idx=-1) -> {_FOUR}", method=False)
def _embedding_bag_forward_only(
    weight,
    indices,
    offsets,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    include_last_offset,
    padding_idx,
    ops,
):
    """``_embedding_bag``, as it is called where nothing needs gradients."""
    return ops._embedding_bag(
        weight,
        indices,
        offsets,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )


_embedding_bag_forward_only.samples(call(_W, _I, _O), dtypes=FLOATING)


@composite(f"embedding_bag({_FIRST}) -> {_FOUR}", method=False)
def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    include_last_offset,
    ops,
):
    """Sums (mode 0), means (1) or maxima (2) of the rows that each bag of indices names.

    >>> flambeau.embedding_bag(
    ...     flambeau.eye(2), flambeau.tensor([0, 1, 1]), flambeau.tensor([0, 1]))[0]
    tensor([[1., 0.],
            [0., 2.]])
    """
    return ops._embedding_bag(
        weight,
        indices,
        offsets,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
    )


embedding_bag.samples(call(_W, _I, _O), call(_W, _I, _O, False, 2), dtypes=FLOATING)


@composite(
    "embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, "
    "bool scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, "
    f"bool include_last_offset, int? padding_idx) -> {_FOUR}",
    method=False,
)
def embedding_bag_padding_idx(
    weight,
    indices,
    offsets,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    include_last_offset,
    padding_idx,
    ops,
):
    """The same, without the indices that are padding."""
    row = -1
    if padding_idx is not None:
        rows = weight.shape[0]
        if padding_idx < -rows or padding_idx >= rows:
            raise Error(
                "embedding_bag: padding_idx must be within the number of embeddings, -"
                f"{rows} through {rows - 1}, but got {padding_idx}"
            )
        row = padding_idx + rows if padding_idx < 0 else padding_idx
    return ops._embedding_bag(
        weight,
        indices,
        offsets,
        scale_grad_by_freq,
        mode,
        sparse,
        per_sample_weights,
        include_last_offset,
        row,
    )


embedding_bag_padding_idx.samples(
    call(_W, _I, _O, False, 1, False, None, False, 3), dtypes=FLOATING
)


@native(
    "embedding_renorm_(Tensor(a!) self, Tensor indices, float max_norm, float norm_type)"
    " -> Tensor(a!)",
    method=False,
)
def embedding_renorm_(self, indices, max_norm, norm_type, ops):
    """Shortens the rows that ``indices`` name to ``max_norm``, where they are longer.

    >>> flambeau.embedding_renorm_(
    ...     flambeau.tensor([[3., 4.], [3., 4.]]), flambeau.tensor([1]), 1.0, 2.0)
    tensor([[3.0000, 4.0000],
            [0.6000, 0.8000]])
    """
    if self.dim() != 2:
        raise Error(f"embedding_renorm_: self must be 2-D, got shape {show(self.shape)}")
    if not self.is_floating_point():
        raise NotImplementedError(
            'embedding_renorm_: "embedding_renorm_cpu" not implemented for '
            f"'{dtype_name(self.dtype)}': use a floating dtype"
        )
    check_embedding_indices("embedding_renorm_", indices.dtype)
    flat = ops.to_dtype(ops.reshape(indices, [-1]), dtypes.int64)
    rows = ops.index_select(self, 0, flat)
    norms = ops.linalg_vector_norm(rows, norm_type, [1], True)
    longer = ops.gt_Scalar(norms, max_norm)
    scale = ops.mul_Scalar(ops.reciprocal(ops.add_Scalar(norms, 1e-7)), max_norm)
    # A row that is named twice is given the same numbers twice.
    ops.index_put_(self, [flat], rows * ops.where_self(longer, scale, 1), False)


embedding_renorm_.samples(call(values(3, 2), ints([0, 2]), 1.0, 2.0), dtypes=FLOATING)

_embedding_bag.without("jvp", "batching", "decomposition", "sharding", "autocast", "benchmark")

for _op in (
    _embedding_bag_backward,
    _embedding_bag_dense_backward,
    _embedding_bag_per_sample_weights_backward,
    _embedding_bag_forward_only,
    embedding_bag,
    embedding_bag_padding_idx,
):
    _op.without("benchmark")

embedding_renorm_.without("batching", "autocast", "benchmark")
