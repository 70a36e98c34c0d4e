"""Grids, blocks, diagonals and copies that are other ops, one after the other."""

from flambeau.ops.index.pick import check_same_device
from flambeau.ops.language import (
    Error,
    dtype_name,
    dtypes,
    formats,
    placed,
    show,
    show_shapes,
    wrap_dim,
)
from flambeau.ops.record import COMPLEX, FLOATING, composite
from flambeau.ops.samples import call, ints, np, values


def check_vectors(op, tensors):
    if len(tensors) == 0:
        raise Error(f"{op}: expects a non-empty list of tensors")
    for t in tensors:
        if t.dim() > 1:
            raise Error(
                f"{op}: Expected 0D or 1D tensor in the tensor list but got {show_shapes(tensors)}"
            )


def grid_of(tensors, by_columns, ops):
    for t in tensors:
        check_same_device("meshgrid", tensors[0], t)
    check_vectors("meshgrid", tensors)
    for t in tensors:
        if t.dtype != tensors[0].dtype:
            raise Error("meshgrid: meshgrid expects all tensors to have the same dtype")
    n = len(tensors)
    swapped = by_columns and n > 1
    shape = []
    for i in range(n):
        at = 1 - i if swapped and i < 2 else i
        shape.append(tensors[at].numel())
    grids = []
    for i, t in enumerate(tensors):
        at = 1 - i if swapped and i < 2 else i
        sizes = [1] * n
        sizes[at] = t.numel()
        grids.append(ops.expand(ops.view(t, sizes), shape))
    return grids


@composite("meshgrid(Tensor[] tensors) -> Tensor[]", module="_functional", method=False)
def meshgrid(tensors, ops):
    """The coordinates of a grid: for each vector its elements along a dimension of their own.

    >>> flambeau._C._functional.meshgrid([flambeau.tensor([1, 2]), flambeau.tensor([3])])
    (tensor([[1],
            [2]]), tensor([[3],
            [3]]))
    """
    return grid_of(tensors, False, ops)


@composite(
    "meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]",
    module="_functional",
    method=False,
)
def meshgrid_indexing(tensors, indexing, ops):
    """The same; "xy" takes the first vector for the columns, "ij" for the rows."""
    if indexing == "ij":
        return grid_of(tensors, False, ops)
    if indexing != "xy":
        raise Error(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    return grid_of(tensors, True, ops)


meshgrid.samples(call([values(2), values(3)]), call([values(), values(2)]))
meshgrid.reference(lambda tensors: np.meshgrid(*tensors, indexing="ij"))
meshgrid_indexing.samples(
    call([values(2), values(3), values(2)], indexing="xy"),
    call([values(2), values(3)], indexing="ij"),
)
meshgrid_indexing.reference(lambda tensors, indexing: np.meshgrid(*tensors, indexing=indexing))


@composite("cartesian_prod(Tensor[] tensors) -> Tensor", module="_functional", method=False)
def cartesian_prod(tensors, ops):
    """All choices of one element from each vector, as rows.

    >>> flambeau._C._functional.cartesian_prod([flambeau.tensor([1, 2]), flambeau.tensor([3])])
    tensor([[1, 3],
            [2, 3]])
    """
    check_vectors("cartesian_prod", tensors)
    for t in tensors:
        if t.dim() != 1:
            raise Error(f"cartesian_prod: Expect a 1D vector, but got shape {show(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    grids = grid_of(tensors, False, ops)
    return ops.stack([ops.flatten_using_ints(t, 0, -1) for t in grids], 1)


cartesian_prod.samples(call([values(2), values(3)]), call([values(3)]))


@composite("combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor")
def combinations(self, r, with_replacement, ops):
    """The choices of ``r`` elements of a vector in order, as rows.

    >>> flambeau.combinations(flambeau.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if self.dim() != 1:
        raise Error(f"combinations: Expect a 1D vector, but got shape {show(self.shape)}")
    if r < 0:
        raise Error(f"combinations: Expect a non-negative number, but got {r}")
    if r > 64:
        raise Error(f"combinations: at most 64 elements are chosen, as dimensions are, got {r}")
    if r == 0:
        return ops.new_empty(self, [0])
    n = self.numel()
    size = 1.0
    for _ in range(r):
        size = size * n
    if size > 1e8:
        raise Error(
            f"combinations: {r} of {n} elements have more than 1e8 arrangements, all of which are "
            "looked at"
        )
    # Which places are chosen depends on sizes alone: it is told where there is memory.
    here = placed(None)
    grids = grid_of([ops.arange(n, dtypes.int64, None, here)] * r, False, ops)
    kept = ops.full([n] * r, True, dtypes.bool, None, here)
    for i in range(r - 1):
        if with_replacement:
            kept = ops.logical_and(kept, ops.le_Tensor(grids[i], grids[i + 1]))
        else:
            kept = ops.logical_and(kept, ops.lt_Tensor(grids[i], grids[i + 1]))
    chosen = [ops.masked_select(t, kept) for t in grids]
    places = [ops.to_device(t, self.device, dtypes.int64) for t in chosen]
    return ops.stack([ops.index_select(self, 0, t) for t in places], 1)


combinations.samples(call(values(4)), call(values(3), 3, True), call(values(3), 1))


@composite("block_diag(Tensor[] tensors) -> Tensor", module="_functional", method=False)
def block_diag(tensors, ops):
    """Matrices along the diagonal of one, with zeros beside them; a vector is a row.

    >>> flambeau._C._functional.block_diag([flambeau.tensor([1]), flambeau.tensor([2])])
    tensor([[1, 0],
            [0, 2]])
    """
    if len(tensors) == 0:
        raise Error("block_diag: expects a non-empty list of tensors")
    columns = 0
    for t in tensors:
        if t.dim() > 2:
            raise Error(
                "block_diag: Input tensors must have 2 or fewer dimensions, got "
                f"{show_shapes(tensors)}"
            )
        check_same_device("block_diag", tensors[0], t)
        columns += t.shape[1] if t.dim() == 2 else t.numel()
    rows = [t if t.dim() == 2 else ops.reshape(t, [1, t.numel()]) for t in tensors]
    bands = []
    before = 0
    for block in rows:
        n, m = block.shape[0], block.shape[1]
        left = ops.new_zeros(block, [n, before])
        right = ops.new_zeros(block, [n, columns - before - m])
        bands.append(ops.cat([left, block, right], 1))
        before += m
    return ops.cat(bands)


block_diag.samples(call([values(2, 2), values(3), values()]), call([values(1, 2)]))


@composite("tile(Tensor self, SymInt[] dims) -> Tensor")
def tile(self, dims, ops):
    """Copies side by side, as many along each dimension as ``dims`` says, the last ones first.

    >>> flambeau.tile(flambeau.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    missing = self.dim() - len(dims)
    if missing > 0:
        return ops.repeat(self, [1] * missing + list(dims))
    return ops.repeat(self, dims)


tile.samples(call(values(2, 3), [2]), call(values(2), [2, 1, 3]), call(values(2, 3), [1, 0]))
tile.reference(np.tile)


# ---- diagonals


@composite("diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor")
def diag_embed(self, offset, dim1, dim2, ops):
    """Zeros with the last dimension of ``self`` on a diagonal of two new ones.

    >>> flambeau.diag_embed(flambeau.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    n = self.dim() + 1
    first, second = wrap_dim(dim1, n, "diag_embed"), wrap_dim(dim2, n, "diag_embed")
    if first == second:
        raise Error(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    if self.dim() == 0:
        raise Error("diag_embed: expected at least one dimension, got a 0-dim tensor")
    last = self.shape[self.dim() - 1]
    size = last + abs(offset)
    sizes = list(self.shape[: self.dim() - 1])
    sizes.insert(min(first, second), size)
    sizes.insert(max(first, second), size)
    made = ops.new_zeros(self, sizes)
    ops.copy_(ops.diagonal(made, offset, first, second), self)
    return made


diag_embed.samples(
    call(values(3)), call(values(2, 3), 1, 0, 2), call(values(2, 3), -2), call(values(0))
)


@composite("diag(Tensor self, int diagonal=0) -> Tensor", out=True)
def diag(self, diagonal, ops):
    """A matrix with a vector on a diagonal, or the diagonal of a matrix.

    >>> flambeau.diag(flambeau.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    >>> flambeau.diag(flambeau.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    if self.dim() == 1:
        return ops.diag_embed(self, diagonal)
    if self.dim() != 2:
        raise Error(
            f"diag: Supports 1D or 2D tensors. Got {self.dim()}D, of shape {show(self.shape)}"
        )
    return ops.clone(ops.diagonal(self, diagonal), formats.contiguous_format)


diag.samples(call(values(3)), call(values(2, 3), 1), call(values(3, 2), -1), call(values(2), -1))
diag.reference(np.diag)


@composite("diagflat(Tensor self, int offset=0) -> Tensor")
def diagflat(self, offset, ops):
    """A matrix with all elements on a diagonal.

    >>> flambeau.diagflat(flambeau.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return ops.diag_embed(ops.flatten_using_ints(self, 0, -1), offset)


diagflat.samples(call(values(2, 2)), call(values(2), 1))
diagflat.reference(np.diagflat)


# ---- at least so many dimensions


@composite("atleast_1d(Tensor self) -> Tensor", module="_functional", method=False)
def atleast_1d(self, ops):
    """A number as a vector; others as they are.

    >>> flambeau._C._functional.atleast_1d(flambeau.tensor(1))
    tensor([1])
    """
    return ops.reshape(self, [1]) if self.dim() == 0 else self


@composite("atleast_2d(Tensor self) -> Tensor", module="_functional", method=False)
def atleast_2d(self, ops):
    """A number or a vector as a matrix of one row; others as they are.

    >>> flambeau._C._functional.atleast_2d(flambeau.tensor(1))
    tensor([[1]])
    """
    if self.dim() == 0:
        return ops.reshape(self, [1, 1])
    return ops.unsqueeze(self, 0) if self.dim() == 1 else self


@composite("atleast_3d(Tensor self) -> Tensor", module="_functional", method=False)
def atleast_3d(self, ops):
    """A number, a vector or a matrix with dimensions of one around it; others as they are.

    >>> flambeau._C._functional.atleast_3d(flambeau.tensor(1))
    tensor([[[1]]])
    """
    if self.dim() == 0:
        return ops.reshape(self, [1, 1, 1])
    if self.dim() == 1:
        return ops.unsqueeze(ops.unsqueeze(self, 0), -1)
    return ops.unsqueeze(self, -1) if self.dim() == 2 else self


@composite("atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]", module="_functional", method=False)
def atleast_1d_all(tensors, ops):
    """The same of several."""
    return [ops.atleast_1d(t) for t in tensors]


@composite("atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]", module="_functional", method=False)
def atleast_2d_all(tensors, ops):
    """The same of several."""
    return [ops.atleast_2d(t) for t in tensors]


@composite("atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]", module="_functional", method=False)
def atleast_3d_all(tensors, ops):
    """The same of several."""
    return [ops.atleast_3d(t) for t in tensors]


for _record, _function in (
    (atleast_1d, lambda x: np.atleast_1d(x)),
    (atleast_2d, lambda x: np.atleast_2d(x)),
    (atleast_3d, lambda x: np.atleast_3d(x)),
):
    _record.samples(call(values()), call(values(2)), call(values(2, 3)), call(values(2, 3, 1, 2)))
    _record.reference(_function)
for _record in (atleast_1d_all, atleast_2d_all, atleast_3d_all):
    _record.samples(call([values(), values(2)]))


@composite("hstack(Tensor[] tensors) -> Tensor", method=False, out=True)
def hstack(tensors, ops):
    """Tensors side by side: vectors along their dimension, others along the second.

    >>> flambeau.hstack((flambeau.tensor([1, 2]), flambeau.tensor([3])))
    tensor([1, 2, 3])
    """
    if len(tensors) == 0:
        raise Error("hstack: hstack expects a non-empty TensorList")
    whole = ops.atleast_1d_Sequence(tensors)
    return ops.cat(whole, 0 if whole[0].dim() == 1 else 1)


@composite("vstack(Tensor[] tensors) -> Tensor", method=False, out=True, aliases=("row_stack",))
def vstack(tensors, ops):
    """Tensors one below the other; a vector is a row.

    >>> flambeau.vstack((flambeau.tensor([1, 2]), flambeau.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    if len(tensors) == 0:
        raise Error("vstack: vstack expects a non-empty TensorList")
    return ops.cat(ops.atleast_2d_Sequence(tensors), 0)


@composite("dstack(Tensor[] tensors) -> Tensor", method=False, out=True)
def dstack(tensors, ops):
    """Tensors behind each other, along the third dimension.

    >>> flambeau.dstack((flambeau.tensor([1, 2]), flambeau.tensor([3, 4])))
    tensor([[[1, 3],
             [2, 4]]])
    """
    if len(tensors) == 0:
        raise Error("dstack: dstack expects a non-empty TensorList")
    return ops.cat(ops.atleast_3d_Sequence(tensors), 2)


@composite("column_stack(Tensor[] tensors) -> Tensor", method=False, out=True)
def column_stack(tensors, ops):
    """Tensors side by side; a number or a vector is a column.

    >>> flambeau.column_stack((flambeau.tensor([1, 2]), flambeau.tensor([3, 4])))
    tensor([[1, 3],
            [2, 4]])
    """
    if len(tensors) == 0:
        raise Error("column_stack: column_stack expects a non-empty TensorList")
    return ops.hstack([t if t.dim() > 1 else ops.reshape(t, [t.numel(), 1]) for t in tensors])


hstack.samples(call([values(2), values(3)]), call([values(2, 1), values(2, 3)]))
hstack.reference(np.hstack)
vstack.samples(call([values(2), values(3, 2)]), call([values(), values()]))
vstack.reference(np.vstack)
dstack.samples(call([values(2), values(2)]), call([values(2, 3), values(2, 3)]))
dstack.reference(np.dstack)
column_stack.samples(call([values(2), values(2, 3)]), call([values(), values()]))
column_stack.reference(np.column_stack)


# ---- turned over


@composite("fliplr(Tensor self) -> Tensor")
def fliplr(self, ops):
    """With the second dimension the other way round.

    >>> flambeau.fliplr(flambeau.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if self.dim() < 2:
        raise Error(f"fliplr: Input must be >= 2-d, got {show(self.shape)}")
    return ops.flip(self, [1])


@composite("flipud(Tensor self) -> Tensor")
def flipud(self, ops):
    """With the first dimension the other way round.

    >>> flambeau.flipud(flambeau.tensor([1, 2]))
    tensor([2, 1])
    """
    if self.dim() < 1:
        raise Error("flipud: Input must be >= 1-d, got a 0-dim tensor")
    return ops.flip(self, [0])


@composite("rot90(Tensor self, int k=1, int[] dims=[0,1]) -> Tensor")
def rot90(self, k, dims, ops):
    """Turned by 90 degrees ``k`` times, from the first of two dimensions to the second.

    >>> flambeau.rot90(flambeau.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        raise Error(f"rot90: expected total rotation dims == 2, but got dims = {len(dims)}")
    if self.dim() < 2:
        raise Error(f"rot90: expected total dims >= 2, but got total dims = {self.dim()}")
    a, b = wrap_dim(dims[0], self.dim(), "rot90"), wrap_dim(dims[1], self.dim(), "rot90")
    if a == b:
        raise Error(f"rot90: expected rotation dims to be different, but got {show(dims)}")
    turns = k % 4
    if turns == 1:
        return ops.transpose_int(ops.flip(self, [b]), a, b)
    if turns == 2:
        return ops.flip(self, [a, b])
    if turns == 3:
        return ops.transpose_int(ops.flip(self, [a]), a, b)
    return ops.clone(self, formats.contiguous_format)


fliplr.samples(call(values(2, 3)), call(values(2, 0)))
fliplr.reference(np.fliplr)
flipud.samples(call(values(2, 3)), call(values(3)))
flipud.reference(np.flipud)
rot90.samples(
    call(values(2, 3)),
    call(values(2, 3, 2), 2, [0, 2]),
    call(values(2, 3), 3),
    call(values(2, 2), 4),
)
rot90.reference(lambda x, k=1, dims=(0, 1): np.rot90(x, k, tuple(dims)))


# ---- picking


@composite("take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", out=True)
def take_along_dim(self, indices, dim, ops):
    """The elements at ``indices`` along a dimension, as ``argsort`` gives them; of all where None.

    >>> t = flambeau.tensor([[30, 10, 20]])
    >>> flambeau.take_along_dim(t, t.argsort(1), 1)
    tensor([[10, 20, 30]])
    """
    if indices.dtype != dtypes.int64:
        raise Error(
            f"take_along_dim: dtype of indices should be Long but got {dtype_name(indices.dtype)}"
        )
    if dim is None:
        flat = ops.reshape(self, [-1])
        return ops.gather(flat, 0, from_front(ops.reshape(indices, [-1]), flat.shape[0], ops))
    if self.dim() != indices.dim():
        raise Error(
            "take_along_dim: input and indices should have the same number of dimensions, but got "
            f"{self.dim()} dimensions for input, and {indices.dim()} dimensions for indices"
        )
    d = wrap_dim(dim, self.dim(), "take_along_dim")
    own, places = list(self.shape), list(indices.shape)
    both = list(self.shape)
    for k in range(self.dim()):
        if k == d:
            both[k] = 1
        elif own[k] == 1:
            both[k] = places[k]
        elif own[k] != places[k] and places[k] != 1:
            raise Error(
                f"take_along_dim: input of shape {show(self.shape)} and indices of shape "
                f"{show(indices.shape)} do not broadcast beside dimension {d}"
            )
    wide, chosen = list(both), list(both)
    if self.dim() > 0:
        wide[d] = own[d]
        chosen[d] = places[d]
    length = own[d] if self.dim() > 0 else 1
    wrapped = from_front(indices, length, ops)
    return ops.gather(ops.expand(self, wide), d, ops.expand(wrapped, chosen))


def from_front(indices, length, ops):
    """Indices below 0 count from behind."""
    return ops.where_self(ops.lt_Scalar(indices, 0), ops.add_Scalar(indices, length), indices)


take_along_dim.samples(
    call(values(2, 3), ints([[1, 0], [2, 2]]), 1),
    call(values(2, 3), ints([[1, 0, 1]]), 0),
    call(values(2, 3), ints([5, 0])),
)


@composite(
    "std_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, "
    "bool keepdim=False) -> (Tensor, Tensor)",
    method=False,
)
def std_mean(self, dim, correction, keepdim, ops):
    """The standard deviation and the mean.

    >>> flambeau.std_mean(flambeau.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    deviation = ops.std_correction(self, dim, correction, keepdim)
    return deviation, ops.mean_dim(self, dim, keepdim)


@composite(
    "std_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False)"
    " -> (Tensor, Tensor)",
    method=False,
)
def std_mean_dim(self, dim, unbiased, keepdim, ops):
    """The same; ``unbiased`` divides by N - 1."""
    return ops.std_mean_correction(self, dim, 1 if unbiased else 0, keepdim)


@composite("std_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)", method=False)
def std_mean_all(self, unbiased, ops):
    """The same over all elements."""
    return ops.std_mean_correction(self, None, 1 if unbiased else 0, False)


def _numpy_std_mean(x, dim=None, correction=1, keepdim=False):
    dim = dim and tuple(dim)
    return np.std(x, dim, ddof=correction, keepdims=keepdim), np.mean(x, dim, keepdims=keepdim)


std_mean.samples(
    call(values(2, 3)),
    call(values(2, 3), [1], correction=0, keepdim=True),
    dtypes=FLOATING | COMPLEX,
)
std_mean.reference(_numpy_std_mean, tolerance=16)
std_mean_dim.samples(
    call(values(2, 3), [1]), call(values(2, 3), [0], False), dtypes=FLOATING | COMPLEX
)
std_mean_all.samples(call(values(2, 3)), call(values(2, 3), False), dtypes=FLOATING | COMPLEX)

for _record in (
    meshgrid,
    meshgrid_indexing,
    cartesian_prod,
    combinations,
    block_diag,
    tile,
    diag_embed,
    diag,
    diagflat,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    atleast_1d_all,
    atleast_2d_all,
    atleast_3d_all,
    hstack,
    vstack,
    dstack,
    column_stack,
    fliplr,
    flipud,
    rot90,
    take_along_dim,
    std_mean,
    std_mean_dim,
    std_mean_all,
):
    _record.without("benchmark")
