"""Parts of a tensor as views, by number or by where they begin."""

from flambeau.ops.language import Error, dtypes, show, wrap_dim
from flambeau.ops.record import composite
from flambeau.ops.samples import call, ints, np, values


def in_sections(self, sections, dim, ops):
    d = divided_dim(self, dim)
    if sections <= 0:
        raise Error(f"tensor_split: number of sections must be larger than 0, got {sections}")
    size = self.shape[d]
    if sections > size and sections > 1000000:
        raise Error(
            f"tensor_split: {sections} sections of a dimension of {size} elements are more than "
            "1000000: most would be empty"
        )
    least, more = size // sections, size % sections
    parts = []
    for i in range(sections):
        first = i * least + min(i, more)
        last = first + least + (1 if i < more else 0)
        parts.append(ops.slice_Tensor(self, d, first, last))
    return parts


def divided_dim(self, dim):
    if self.dim() == 0:
        raise Error(
            "tensor_split: tensor_split expected at least a 1-dimensional tensor, but got a tensor "
            "with 0 dims"
        )
    return wrap_dim(dim, self.dim(), "tensor_split")


def at_indices(self, indices, dim, ops):
    d = divided_dim(self, dim)
    parts = []
    first = 0
    for last in indices:
        parts.append(ops.slice_Tensor(self, d, first, last))
        first = last
    parts.append(ops.slice_Tensor(self, d, first, self.shape[d]))
    return parts


@composite("tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]")
def tensor_split(self, sections, dim, ops):
    """So many parts along a dimension, the first ones larger by one where it does not divide.

    >>> flambeau.tensor_split(flambeau.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    return in_sections(self, sections, dim, ops)


@composite("tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]")
def tensor_split_indices(self, indices, dim, ops):
    """Parts that begin at 0 and at these places."""
    return at_indices(self, indices, dim, ops)


@composite(
    "tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, "
    "Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]",
    tags=frozenset({"data_dependent"}),
)
def tensor_split_tensor(self, tensor_indices_or_sections, dim, ops):
    """The same with a number of parts, or places, in a tensor."""
    given = tensor_indices_or_sections
    if given.dtype != dtypes.int64 or given.dim() > 1:
        raise Error(
            "tensor_split: tensor_split expected tensor_indices_or_sections to have dtype of long "
            f"and zero or one dimension, got {show(given.shape)}"
        )
    if given.dim() == 0:
        return in_sections(self, int(given.item()), dim, ops)
    places = [int(ops.select_int(given, 0, i).item()) for i in range(given.shape[0])]
    return at_indices(self, places, dim, ops)


tensor_split.samples(call(values(5, 2), 3), call(values(2, 3), 2, 1), call(values(2), 4))
tensor_split.reference(np.array_split)
tensor_split_indices.samples(call(values(5, 2), [1, 4]), call(values(2, 3), [2, 2], -1))
tensor_split_tensor.samples(call(values(5), ints([1, 4])))


def split_dim(op, self, dim):
    """The dimension of hsplit, vsplit and dsplit."""
    if self.dim() < max(dim, 1) + (0 if dim == 1 else 1):
        raise Error(
            f"{op}: {op} requires a tensor with more dimensions, but got a tensor with "
            f"{self.dim()} dimensions!"
        )
    return 0 if dim == 1 and self.dim() == 1 else dim


def check_divides(op, self, sections, d):
    if sections <= 0 or self.shape[d] % sections != 0:
        raise Error(
            f"{op}: {op} attempted to split along dimension {d}, but the size of the dimension "
            f"{self.shape[d]} is not divisible by the split_size {sections}!"
        )


def _split_along(name, dim, words):
    def by_number(self, sections, ops):
        d = split_dim(name, self, dim)
        check_divides(name, self, sections, d)
        return in_sections(self, sections, d, ops)

    def by_places(self, indices, ops):
        return at_indices(self, indices, split_dim(name, self, dim), ops)

    by_number.__doc__ = f"""Equal parts along the {words} dimension.

    >>> [t.shape[{dim}] for t in flambeau.{name}(flambeau.ones(4, 4, 4), 2)]
    [2, 2]
    """
    by_places.__doc__ = "Parts that begin at 0 and at these places."
    made = (
        composite(f"{name}.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]")(by_number),
        composite(f"{name}.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]")(by_places),
    )
    made[0].samples(call(values(2, 4, 2), 2))
    made[1].samples(call(values(2, 4, 2), [1]))
    for record in made:
        record.without("benchmark")
    return made


hsplit, hsplit_places = _split_along("hsplit", 1, "second")
vsplit, vsplit_places = _split_along("vsplit", 0, "first")
dsplit, dsplit_places = _split_along("dsplit", 2, "third")
for _record in (tensor_split, tensor_split_indices, tensor_split_tensor):
    _record.without("benchmark")
