"""Distances between vectors of the same place."""

from flambeau.ops.language import Error, broadcast, dtype_name, joint_dtype, wrap_dim
from flambeau.ops.record import FLOATING, NUMERIC, composite
from flambeau.ops.samples import call, np, values


@composite(
    "pairwise_distance(Tensor x1, Tensor x2, float p=2, float eps=1e-06, bool keepdim=False)"
    " -> Tensor",
    method=False,
)
def pairwise_distance(x1, x2, p, eps, keepdim, ops):
    """The p-norm of ``x1 - x2 + eps`` over the last dimension.

    >>> flambeau.pairwise_distance(flambeau.zeros(1, 2), flambeau.tensor([[3., 4.]]))
    tensor([5.0000])
    """
    broadcast(x1.shape, x2.shape, "pairwise_distance")
    last = max(x1.dim(), x2.dim()) - 1
    if last < 0:
        raise Error("pairwise_distance: expected vectors, got tensors of no dimensions")
    moved = ops.add_Scalar(x1 - x2, eps)
    return ops.linalg_vector_norm(moved, p, [last], keepdim)


pairwise_distance.samples(
    call(values(2, 3), values(2, 3)),
    call(values(2, 3), values(3), 3.0, 1e-6, True),
    call(values(3), values(3), 1.0),
    dtypes=NUMERIC,
)
pairwise_distance.reference(
    lambda a, b, p=2, eps=1e-6, keepdim=False: np.linalg.norm(a - b + eps, p, -1, keepdim),
    tolerance=16,
)


@composite(
    "cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", method=False
)
def cosine_similarity(x1, x2, dim, eps, ops):
    """The cosine of the angle between ``x1`` and ``x2`` along a dimension.

    >>> flambeau.cosine_similarity(flambeau.tensor([[1., 0.]]), flambeau.tensor([[3., 4.]]))
    tensor([0.6000])
    """
    dtype = joint_dtype(x1, x2)
    if not dtype.is_floating_point:
        raise Error(
            "cosine_similarity: expected common dtype to be floating point, yet common dtype is "
            f"{dtype_name(dtype)}"
        )
    sizes = broadcast(x1.shape, x2.shape, "cosine_similarity")
    d = wrap_dim(dim, len(sizes), "cosine_similarity")
    first = ops.expand(ops.to_dtype(x1, dtype), sizes)
    second = ops.expand(ops.to_dtype(x2, dtype), sizes)
    if len(sizes) == 0:
        return ops.squeeze_dim(
            cosine_similarity_of(ops.unsqueeze(first, 0), ops.unsqueeze(second, 0), d, eps, ops), 0
        )
    return ops.squeeze_dim(cosine_similarity_of(first, second, d, eps, ops), d)


def cosine_similarity_of(first, second, d, eps, ops):
    a = first / norm_of(first, d, eps, ops)
    b = second / norm_of(second, d, eps, ops)
    return ops.sum_dim_IntList(a * b, [d], True)


def norm_of(t, d, eps, ops):
    """The norm, at least ``eps``, through which gradients pass as if it had no least value."""
    norm = ops.linalg_vector_norm(t, 2, [d], True)
    return norm + ops.detach(ops.clamp_min(norm, eps) - norm)


cosine_similarity.samples(
    call(values(2, 3), values(2, 3)),
    call(values(2, 3), values(3), 0),
    call(values(2, 3, 2), values(2, 3, 2), -1),
    dtypes=FLOATING,
)
cosine_similarity.reference(
    lambda a, b, dim=1, eps=1e-8: (
        (a * b).sum(dim)
        / (
            np.linalg.norm(a * np.ones_like(b), axis=dim)
            * np.linalg.norm(b * np.ones_like(a), axis=dim)
        )
    ),
    tolerance=32,
)

for _op in (pairwise_distance, cosine_similarity):
    _op.without("benchmark")
