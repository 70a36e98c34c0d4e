"""Random numbers. Without ``generator`` they come from the default one."""

from flambeau.ops.record import native

_OPTIONS = (
    "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"
)
_GENERATOR = (
    "*, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None"
)
_FORMAT = ", MemoryFormat? memory_format=None"
_RANDOM = frozenset({"random"})


def _fill(text, cxx):
    return native(text, cxx=cxx, function_variant=False, tags=_RANDOM)


@_fill(
    "normal_(Tensor(a!) self, float mean=0, float std=1, *, Generator? generator=None) -> "
    "Tensor(a!)",
    "normal_",
)
def normal_():
    """Fills with numbers from the normal distribution.

    >>> flambeau.empty(3).normal_().shape
    torch.Size([3])
    """


@normal_.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@_fill(
    "uniform_(Tensor(a!) self, float from=0, float to=1, *, Generator? generator=None) -> "
    "Tensor(a!)",
    "uniform_",
)
def uniform_():
    """Fills with numbers from the uniform distribution on [from, to).

    >>> bool((flambeau.empty(3).uniform_() < 1).all())
    True
    """


@uniform_.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@_fill(
    "exponential_(Tensor(a!) self, float lambd=1, *, Generator? generator=None) -> Tensor(a!)",
    "exponential_",
)
def exponential_():
    """Fills with numbers from the exponential distribution of rate ``lambd``.

    >>> bool((flambeau.empty(3).exponential_() >= 0).all())
    True
    """


@exponential_.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@_fill(
    "bernoulli_.float(Tensor(a!) self, float p=0.5, *, Generator? generator=None) -> Tensor(a!)",
    "bernoulli_float_",
)
def bernoulli_float():
    """Fills with ones of probability ``p`` and zeros.

    >>> flambeau.empty(2).bernoulli_(1.0)
    tensor([1., 1.])
    """


@bernoulli_float.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@_fill(
    "bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)",
    "bernoulli_tensor_",
)
def bernoulli_tensor():
    """Fills with ones of the probabilities in ``p``, broadcast, and zeros."""


@bernoulli_tensor.gradient
def _(g, p, cxx):
    return cxx.zeros_like(g), None


@_fill(
    "random_.from(Tensor(a!) self, int from, int? to, *, Generator? generator=None) -> Tensor(a!)",
    "random_from_",
)
def random_from():
    """Fills with integers from ``from`` on, below ``to``.

    >>> flambeau.zeros(2).random_(5, 6)
    tensor([5., 5.])
    """


@_fill(
    "random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)", "random_to_"
)
def random_to():
    """Fills with integers from 0 on, below ``to``."""


@_fill("random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)", "random_")
def random_():
    """Fills with integers over the range of the dtype.

    >>> flambeau.zeros(2).random_(5, 6)
    tensor([5., 5.])
    """


@native("bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", tags=_RANDOM, out=True)
def bernoulli():
    """Ones with the probabilities in ``self``, and zeros.

    >>> flambeau.bernoulli(flambeau.tensor([0., 1.]))
    tensor([0., 1.])
    """


@bernoulli.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@native(
    "bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor",
    tags=_RANDOM,
    cxx="bernoulli_p",
)
def bernoulli_p():
    """Ones of probability ``p`` and zeros, in the shape of ``self``."""


@native(
    "multinomial(Tensor self, int num_samples, bool replacement=False, *, "
    "Generator? generator=None) -> Tensor",
    tags=_RANDOM,
    out=True,
)
def multinomial():
    """Indices drawn with the weights in each row.

    >>> flambeau.multinomial(flambeau.tensor([0., 1.]), 1)
    tensor([1])
    """


def _factory(name, sizes, doc, format=""):
    """The two overloads of a random factory: from the default generator, and from a given one."""

    def body():
        pass

    body.__doc__ = doc
    extra = {} if format else {"out": name in ("rand", "randn")}
    native(f"{name}({sizes}, {_OPTIONS}{format}) -> Tensor", method=False, tags=_RANDOM, **extra)(
        body
    )
    if not format:
        native(f"{name}.generator({sizes}, {_GENERATOR}) -> Tensor", method=False, tags=_RANDOM)(
            body
        )


_factory(
    "rand",
    "int[] size",
    """Numbers from the uniform distribution on [0, 1).

>>> flambeau.rand(2, 3).shape
torch.Size([2, 3])
""",
)
_factory(
    "randn",
    "int[] size",
    """Numbers from the normal distribution.

>>> flambeau.randn(2, 3).shape
torch.Size([2, 3])
""",
)
_factory(
    "randperm",
    "int n",
    """The integers 0 to n - 1 in random order.

>>> flambeau.randperm(4).sort().values
tensor([0, 1, 2, 3])
""",
)
_factory(
    "rand_like",
    "Tensor self",
    """``rand`` with the shape and dtype of a tensor.

>>> flambeau.rand_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    _FORMAT,
)
_factory(
    "randn_like",
    "Tensor self",
    """``randn`` with the shape and dtype of a tensor.

>>> flambeau.randn_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    _FORMAT,
)


@native(
    f"randint(int high, int[] size, {_OPTIONS.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
    cxx="randint",
)
def randint():
    """Integers from ``low`` (0 unless given) on, below ``high``.

    >>> flambeau.randint(3, (2,)).dtype
    torch.int64
    """


@native(
    "randint.generator(int high, int[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_generator():
    """``randint`` from a given generator."""


@native(
    "randint.low(int low, int high, int[] size, "
    f"{_OPTIONS.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_low():
    """``randint`` from ``low`` on."""


@native(
    "randint.low_generator(int low, int high, int[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_low_generator():
    """``randint`` from ``low`` on, from a given generator."""


@native(
    f"randint_like(Tensor self, int high, {_OPTIONS}{_FORMAT}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_like():
    """``randint`` with the shape and dtype of a tensor.

    >>> flambeau.randint_like(flambeau.zeros(2), 3, 4)
    tensor([3., 3.])
    """


@native(
    f"randint_like.low_dtype(Tensor self, int low, int high, {_OPTIONS}{_FORMAT}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_like_low():
    """``randint`` from ``low`` on, with the shape and dtype of a tensor."""


@native(
    "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
    tags=_RANDOM,
    method=False,
)
def normal():
    """Numbers from normal distributions with the given means and standard deviations.

    >>> flambeau.normal(flambeau.zeros(2), flambeau.zeros(2))
    tensor([0., 0.])
    """


@native(
    "normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor",
    tags=_RANDOM,
    method=False,
)
def normal_tensor_float():
    """Normal numbers with one standard deviation."""


@native(
    "normal.float_float(float mean, float std, int[] size, *, Generator? generator=None, "
    "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None)"
    " -> Tensor",
    tags=_RANDOM,
    method=False,
)
def normal_float_float():
    """Normal numbers of one distribution."""
