"""Distances of every vector to every other."""

import math

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    dtype_name,
    same,
    show,
    wants_ops,
)
from flambeau.ops.record import composite, native, structured
from flambeau.ops.samples import call, np, values

_DOUBLES = frozenset({"float32", "float64"})
_MANY = 25  # vectors, from which on a product of matrices is less work


def check_doubles(op, t):
    if t.dtype.is_complex or not t.is_floating_point() or t.dtype.itemsize < 4:
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(t.dtype)}': use float32 or float64"
        )


def check_p(op, p):
    if not p >= 0:
        raise Error(f"{op}: {op} only supports non-negative p values, got {p:g}")


@composite("cdist(Tensor x1, Tensor x2, float p=2, int? compute_mode=None) -> Tensor", method=False)
def cdist(x1, x2, p, compute_mode, ops):
    """The p-norm of the difference of every row of ``x1`` and every row of ``x2``.

    ``compute_mode`` 1 takes a product of matrices for p = 2, which loses digits where vectors are
    near each other; 2 never does, 0 does for more than 25 rows.

    >>> flambeau.cdist(flambeau.zeros(1, 2), flambeau.tensor([[3., 4.], [0., 1.]]))
    tensor([[5., 1.]])
    """
    mode = 0 if compute_mode is None else compute_mode
    if mode < 0 or mode > 2:
        raise Error(f"cdist: possible modes: 0, 1, 2, but was: {mode}")
    check_p("cdist", p)
    if x1.dim() < 2 or x2.dim() < 2:
        raise Error(
            "cdist: cdist only supports at least 2D tensors, got "
            f"{show(x1.shape)} and {show(x2.shape)}"
        )
    check_doubles("cdist", x1)
    check_doubles("cdist", x2)
    if x1.shape[-1] != x2.shape[-1]:
        raise Error(
            f"cdist: X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: "
            f"{x2.shape[-1]}"
        )
    batch = broadcast(x1.shape[:-2], x2.shape[:-2], "cdist")
    a = ops.expand(x1, list(batch) + list(x1.shape[-2:]))
    b = ops.expand(x2, list(batch) + list(x2.shape[-2:]))
    many = x1.shape[-2] > _MANY or x2.shape[-2] > _MANY
    if p == 2 and x1.shape[-1] > 0 and (mode == 1 or (mode == 0 and many)):
        return ops._euclidean_dist(a, b)
    return ops._cdist_forward(a, b, p, compute_mode)


cdist.samples(
    call(values(3, 2), values(4, 2)),
    call(values(2, 3, 2), values(1, 4, 2), 1.0),
    call(values(3, 2), values(4, 2), 3.0),
    call(values(3, 2), values(4, 2), 2.0, 1),
    call(values(0, 2), values(4, 2)),
    dtypes=_DOUBLES,
)
cdist.reference(
    lambda a, b, p=2, mode=None: np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], p, -1),
    tolerance=4096,
)
cdist.autocast("float32")


@native(
    "_euclidean_dist(Tensor x1, Tensor x2) -> Tensor",
    method=False,
)
def _euclidean_dist(x1, x2, ops):
    """``cdist`` for p = 2 as a product of matrices: |a|^2 - 2 a b + |b|^2."""
    forward_spec("_euclidean_dist", x1, x2, 2.0)
    first = ops.sum_dim_IntList(x1 * x1, [-1], True)
    second = ops.sum_dim_IntList(x2 * x2, [-1], True)
    left = ops.cat([ops.mul_Scalar(x1, -2), first, ops.ones_like(first)], -1)
    right = ops.cat([x2, ops.ones_like(second), second], -1)
    product = ops.matmul(left, ops.transpose_int(right, -2, -1))
    return ops.sqrt(ops.clamp_min(product, 0))


_euclidean_dist.samples(call(values(3, 2), values(4, 2)), dtypes=_DOUBLES)


@_euclidean_dist.gradient
def _(g, x1, x2, result, ops):
    return of_euclidean(g, x1, x2, result, ops), of_euclidean(
        ops.transpose_int(g, -2, -1), x2, x1, ops.transpose_int(result, -2, -1), ops
    )


def of_euclidean(g, x1, x2, distances, ops):
    """What x1 gets: each difference, over its length, times what comes back."""
    at_once = ops.eq_Scalar(distances, 0)
    share = ops.masked_fill_Scalar(g / ops.masked_fill_Scalar(distances, at_once, 1), at_once, 0)
    return x1 * ops.sum_dim_IntList(share, [-1], True) - ops.matmul(share, x2)


def forward_spec(op, x1, x2, p):
    check_p(op, p)
    if x1.dim() < 2 or x2.dim() < 2:
        raise Error(f"{op}: expected matrices, got {show(x1.shape)} and {show(x2.shape)}")
    check_doubles(op, x1)
    if x2.dtype != x1.dtype:
        raise Error(
            f"{op}: expected one dtype, got {dtype_name(x1.dtype)} and {dtype_name(x2.dtype)}"
        )
    if x1.shape[-1] != x2.shape[-1] or not same(x1.shape[:-2], x2.shape[:-2]):
        raise Error(
            f"{op}: X1 and X2 must have the same batch and number of columns, got "
            f"{show(x1.shape)} and {show(x2.shape)}"
        )
    sizes = list(x1.shape[:-1])
    sizes.append(x2.shape[-2])
    return sizes


@structured(
    "_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor",
    cpu="cpu::cdist(result, x1, x2, p)",
    function_variant=False,
    method=False,
)
def _cdist_forward():
    """The op under ``cdist``."""


_cdist_forward.samples(
    call(values(3, 2), values(4, 2), 2.0, None),
    call(values(2, 3, 2), values(2, 4, 2), 1.0, None),
    call(values(3, 2), values(4, 2), 3.0, None),
    call(values(3, 2), values(4, 2), 1.5, 2),
    dtypes=_DOUBLES,
)
_cdist_forward.reference(
    lambda a, b, p, mode: np.linalg.norm(a[..., :, None, :] - b[..., None, :, :], p, -1),
    tolerance=64,
)


@_cdist_forward.rule
def _(x1, x2, p):
    return Spec(forward_spec("_cdist_forward", x1, x2, p), x1.dtype)


@_cdist_forward.gradient
def _(g, x1, x2, p, result, ops):
    if wants_ops(g, x1, False):
        return by_ops(g, x1, x2, p, result, ops)
    back = ops.transpose_int(result, -2, -1)
    return (
        ops._cdist_backward(g, x1, x2, p, result),
        ops._cdist_backward(ops.transpose_int(g, -2, -1), x2, x1, p, back),
    )


def by_ops(g, x1, x2, p, distances, ops):
    """The gradients of ``cdist`` as ops, which have gradients themselves."""
    moved = ops.unsqueeze(x1, -2) - ops.unsqueeze(x2, -3)
    far = ops.unsqueeze(distances, -1)
    scale = ops.unsqueeze(g, -1)
    at_once = ops.eq_Scalar(far, 0)
    safe = ops.masked_fill_Scalar(far, at_once, 1)
    size = ops.abs(moved)
    if p == 0:
        each = ops.mul_Scalar(moved, 0) * scale
    elif p == 1:
        each = ops.sign(moved) * scale
    elif p == math.inf:
        each = ops.sign(moved) * ops.to_dtype(ops.eq_Tensor(size, far), x1.dtype) * scale
    elif p == 2:
        each = moved / safe * scale
    else:
        here = ops.eq_Scalar(moved, 0)
        share = ops.masked_fill_Scalar(size, here, 1) / safe
        powers = ops.masked_fill_Scalar(ops.pow_Tensor_Scalar(share, p - 1), here, 0)
        each = ops.sign(moved) * powers * scale
    each = ops.masked_fill_Scalar(each, at_once, 0)
    return ops.sum_dim_IntList(each, [-2]), -ops.sum_dim_IntList(each, [-3])


@structured(
    "_cdist_backward(Tensor grad, Tensor x1, Tensor x2, float p, Tensor cdist) -> Tensor",
    cpu="cpu::cdist_backward(result, grad, x1, x2, p, cdist)",
    function_variant=False,
    method=False,
)
def _cdist_backward():
    """What ``_cdist_forward`` gives ``x1``."""


_cdist_backward.samples(
    call(values(3, 4), values(3, 2), values(4, 2), 2.0, values(3, 4, low=0.1)), dtypes=_DOUBLES
)


@_cdist_backward.rule
def _(grad, x1, x2, p, cdist):
    sizes = forward_spec("_cdist_backward", x1, x2, p)
    if not same(grad.shape, sizes) or not same(cdist.shape, sizes):
        raise Error(
            f"_cdist_backward: grad and cdist must be {show(sizes)}, got {show(grad.shape)} and "
            f"{show(cdist.shape)}"
        )
    return Spec(x1.shape, x1.dtype)


@composite("pdist(Tensor self, float p=2) -> Tensor", method=False)
def pdist(self, p, ops):
    """The distances of each two rows, the first to all behind it first.

    >>> flambeau.pdist(flambeau.tensor([[0., 0.], [3., 4.], [0., 1.]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    check_rows("pdist", self, p)
    return ops._pdist_forward(self, p)


def check_rows(op, self, p):
    if self.dim() != 2:
        raise Error(
            f"{op}: pdist only supports 2D tensors, got: {self.dim()}D, of shape {show(self.shape)}"
        )
    check_doubles(op, self)
    if not p >= 0:
        raise Error(f"{op}: pdist only supports non-negative p values, got {p:g}")


pdist.samples(
    call(values(4, 2)), call(values(4, 2), 1.0), call(values(4, 3), 3.0), call(values(1, 2)),
    dtypes=_DOUBLES,
)  # fmt: skip
pdist.reference(
    lambda x, p=2: np.linalg.norm(
        x[np.triu_indices(len(x), 1)[0]] - x[np.triu_indices(len(x), 1)[1]], p, -1
    ),
    tolerance=64,
)
pdist.autocast("float32")


@structured(
    "_pdist_forward(Tensor self, float p=2) -> Tensor",
    cpu="cpu::pdist(result, self, p)",
    function_variant=False,
    method=False,
)
def _pdist_forward():
    """The op under ``pdist``."""


_pdist_forward.samples(call(values(4, 2)), call(values(4, 3), 1.5), dtypes=_DOUBLES)


@_pdist_forward.rule
def _(self, p):
    check_rows("_pdist_forward", self, p)
    rows = self.shape[0]
    return Spec([rows * (rows - 1) // 2], self.dtype)


@_pdist_forward.gradient
def _(g, self, p, ops):
    return ops._pdist_backward(g, self, p, g)


@composite(
    "_pdist_backward(Tensor grad, Tensor self, float p, Tensor pdist) -> Tensor",
    function_variant=False,
    method=False,
)
def _pdist_backward(grad, self, p, pdist, ops):
    """The gradient of ``pdist``: that of ``cdist`` of the rows and themselves."""
    check_rows("_pdist_backward", self, p)
    rows = self.shape[0]
    pairs = rows * (rows - 1) // 2
    if grad.numel() != pairs or pdist.numel() != pairs:
        raise Error(
            f"_pdist_backward: grad of shape {show(grad.shape)} and pdist of shape "
            f"{show(pdist.shape)} must have an element for each of {pairs} pairs of rows"
        )
    pair = ops.triu_indices(rows, rows, 1, device=self.device)
    places = [ops.select_int(pair, 0, 0), ops.select_int(pair, 0, 1)]
    half = ops.index_put(ops.new_zeros(self, [rows, rows]), places, grad, False)
    both = half + ops.transpose_int(half, 0, 1)
    far = ops._cdist_forward(self, self, p, None)
    if wants_ops(grad, self, False):
        return by_ops(both, self, self, p, far, ops)[0]
    return ops._cdist_backward(both, self, self, p, far)


_pdist_backward.samples(
    call(values(6), values(4, 2), 2.0, values(6, constant=True)), dtypes=_DOUBLES
)

for _op in (cdist, pdist, _pdist_backward):
    _op.without("benchmark")

_euclidean_dist.without("jvp", "batching", "autocast", "benchmark")

for _op in (_cdist_forward, _pdist_forward):
    _op.without("jvp", "batching", "decomposition", "sharding", "autocast", "benchmark")

_cdist_backward.without("batching", "decomposition", "sharding", "autocast", "benchmark")
