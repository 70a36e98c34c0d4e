"""Joining and rearranging."""

from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, ints, np, values


@structured(
    "cat(Tensor[] tensors, int dim=0) -> Tensor",
    shape="cat(tensors, dim)",
    cpu="cpu::cat(result, tensors, dim)",
    method=False,
    out=True,
    separate_out=True,
    aliases=("concat", "concatenate"),
)
def cat():
    """Tensors one after the other along a dimension.

    >>> flambeau.cat((flambeau.tensor([1]), flambeau.tensor([2, 3])))
    tensor([1, 2, 3])
    """


cat.samples(call([values(2, 3), values(1, 3)]), call([values(2, 1), values(2, 0), values(2, 2)], 1))
cat.reference(np.concatenate)


@cat.gradient
def _(g, tensors, dim, cxx):
    return cxx.cat_backward_list(g, tensors.sizes, tensors.dtype, dim)


@structured(
    "stack(Tensor[] tensors, int dim=0) -> Tensor",
    shape="stack(tensors, dim)",
    cpu="cpu::stack(result, tensors, dim)",
    method=False,
    out=True,
    separate_out=True,
)
def stack():
    """Tensors of one shape along a new dimension.

    >>> flambeau.stack((flambeau.tensor([1, 2]), flambeau.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """


stack.samples(
    call([values(2, 3), values(2, 3)]), call([values(2)], -1), call([values(0, 2), values(0, 2)], 1)
)
stack.reference(np.stack)


@stack.gradient
def _(g, tensors, dim, cxx):
    return cxx.stack_backward_list(g, tensors.dtype, dim)


@structured("flip(Tensor self, int[] dims) -> Tensor", shape="flip", cpu="flip")
def flip():
    """The order along dimensions reversed.

    >>> flambeau.flip(flambeau.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """


flip.samples(call(values(2, 3), [0]), call(values(2, 3), [0, -1]), call(values(0, 3), [1]))
flip.reference(np.flip)


@flip.gradient
def _(g, dims, ops):
    return ops.flip(g, dims)


@structured("roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor", shape="roll", cpu="roll")
def roll():
    """Elements moved along dimensions; what leaves at the end comes in at the front.

    >>> flambeau.roll(flambeau.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """


roll.samples(call(values(2, 3), 2), call(values(2, 3), [1, -1], [0, 1]), call(values(0, 3), 1, 0))
roll.reference(lambda x, shifts, dims=None: np.roll(x, shifts, dims))


@roll.gradient
def _(g, shifts, dims, cxx):
    return cxx.roll_backward(g, shifts, dims)


@structured(
    "tril(Tensor self, int diagonal=0) -> Tensor",
    shape='triangle("tril", self)',
    cpu="tril",
    inplace=True,
    out=True,
)
def tril():
    """The lower triangle of matrices; the rest is zero.

    >>> flambeau.tril(flambeau.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """


tril.samples(call(values(3, 3)), call(values(2, 3, 4), 1), call(values(0, 3), -1))
tril.reference(np.tril)


@tril.gradient
def _(g, diagonal, ops):
    return ops.tril(g, diagonal)


@structured(
    "triu(Tensor self, int diagonal=0) -> Tensor",
    shape='triangle("triu", self)',
    cpu="triu",
    inplace=True,
    out=True,
)
def triu():
    """The upper triangle of matrices; the rest is zero.

    >>> flambeau.triu(flambeau.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """


triu.samples(call(values(3, 3)), call(values(2, 3, 4), 1), call(values(0, 3), -1))
triu.reference(np.triu)


@triu.gradient
def _(g, diagonal, ops):
    return ops.triu(g, diagonal)


@structured(
    "repeat(Tensor self, int[] repeats) -> Tensor",
    shape="repeat",
    cpu="repeat",
    function_variant=False,
)
def repeat():
    """Copies laid side by side.

    >>> flambeau.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2])
    """


repeat.samples(call(values(2, 3), [2, 1, 3]), call(values(2), [0]), call(values(), [2]))
repeat.reference(np.tile)


@repeat.gradient
def _(g, self, repeats, cxx):
    return cxx.repeat_backward(g, repeats, self.sizes)


@composite("one_hot(Tensor self, int num_classes=-1) -> Tensor", module="_nn", method=False)
def one_hot():
    """Rows of zeros with a one at each index.

    >>> flambeau.nn.functional.one_hot(flambeau.tensor([1, 0]), 2)
    tensor([[0, 1],
            [1, 0]])
    """


one_hot.samples(call(ints([1, 0, 2]), 3), call(ints([[1], [0]]), 4))
one_hot.reference(lambda x, n: np.eye(n)[x])
