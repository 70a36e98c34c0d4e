"""Random numbers. Without ``generator`` they come from the default one."""

from flambeau.ops.record import BOOL, COMPLEX, FLOATING, REAL, native
from flambeau.ops.samples import call, values

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


normal_.samples(call(values(2, 3)), call(values(2), 0.0, 0.5), dtypes=FLOATING | COMPLEX)


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


uniform_.samples(call(values(2, 3)), call(values(2), -1.0, 2.0), dtypes=FLOATING | COMPLEX)


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


exponential_.samples(call(values(2, 3)), call(values(2), 2.0), dtypes=FLOATING)


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


bernoulli_float.samples(call(values(2, 3)), call(values(0), 0.25), dtypes=REAL | BOOL)


@bernoulli_float.gradient
def _(g, cxx):
    return cxx.zeros_like(g)


@_fill(
    "bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)",
    "bernoulli_tensor_",
)
def bernoulli_tensor():
    """Fills with ones of the probabilities in ``p``, broadcast, and zeros."""


bernoulli_tensor.samples(call(values(2, 3), values(2, 3, low=0, high=1)), dtypes=FLOATING)


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


random_from.samples(call(values(2, 3), 3, 7), dtypes=REAL)


@_fill(
    "random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)", "random_to_"
)
def random_to():
    """Fills with integers from 0 on, below ``to``."""


random_to.samples(call(values(2, 3), 7), dtypes=REAL)


@_fill("random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)", "random_")
def random_():
    """Fills with integers over the range of the dtype.

    >>> flambeau.zeros(2).random_(5, 6)
    tensor([5., 5.])
    """


random_.samples(call(values(2, 3)), dtypes=REAL | BOOL)


@native("bernoulli(Tensor self, *, Generator? generator=None) -> Tensor", tags=_RANDOM, out=True)
def bernoulli():
    """Ones with the probabilities in ``self``, and zeros.

    >>> flambeau.bernoulli(flambeau.tensor([0., 1.]))
    tensor([0., 1.])
    """


bernoulli.samples(
    call(values(2, 3, low=0, high=1)), call(values(0, low=0, high=1)), dtypes=FLOATING
)


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


bernoulli_p.samples(call(values(2, 3), 0.25), dtypes=REAL | BOOL)


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


multinomial.samples(
    call(values(2, 3, low=0.1), 2), call(values(3, low=0.1), 4, True), dtypes=FLOATING
)


def _factory(name, sizes, doc, samples, format=""):
    """The two overloads of a random factory: from the default generator, and from a given one."""

    def body():
        pass

    body.__doc__ = doc
    extra = {} if format else {"out": name in ("rand", "randn")}
    text = f"{name}({sizes}, {_OPTIONS}{format}) -> Tensor"
    native(text, method=False, tags=_RANDOM, **extra)(body).samples(
        *samples, dtypes=FLOATING | COMPLEX
    )
    if not format:
        text = f"{name}.generator({sizes}, {_GENERATOR}) -> Tensor"
        given = [call(*s.args, generator=None) for s in samples]
        native(text, method=False, tags=_RANDOM)(body).samples(*given, dtypes=FLOATING | COMPLEX)


_factory(
    "rand",
    "int[] size",
    """Numbers from the uniform distribution on [0, 1).

>>> flambeau.rand(2, 3).shape
torch.Size([2, 3])
""",
    [call([2, 3]), call([0])],
)
_factory(
    "randn",
    "int[] size",
    """Numbers from the normal distribution.

>>> flambeau.randn(2, 3).shape
torch.Size([2, 3])
""",
    [call([2, 3]), call([0])],
)
_factory(
    "randperm",
    "int n",
    """The integers 0 to n - 1 in random order.

>>> flambeau.randperm(4).sort().values
tensor([0, 1, 2, 3])
""",
    [call(5), call(0)],
)
_factory(
    "rand_like",
    "Tensor self",
    """``rand`` with the shape and dtype of a tensor.

>>> flambeau.rand_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    [call(values(2, 3))],
    _FORMAT,
)
_factory(
    "randn_like",
    "Tensor self",
    """``randn`` with the shape and dtype of a tensor.

>>> flambeau.randn_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    [call(values(2, 3))],
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


randint.samples(call(7, [2, 3]), call(7, [0]))


@native(
    "randint.generator(int high, int[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_generator():
    """``randint`` from a given generator."""


randint_generator.samples(call(7, [2, 3], generator=None))


@native(
    "randint.low(int low, int high, int[] size, "
    f"{_OPTIONS.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_low():
    """``randint`` from ``low`` on."""


randint_low.samples(call(3, 7, [2, 3]))


@native(
    "randint.low_generator(int low, int high, int[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    tags=_RANDOM,
)
def randint_low_generator():
    """``randint`` from ``low`` on, from a given generator."""


randint_low_generator.samples(call(3, 7, [2, 3], generator=None))


@native(
    f"randint_like(Tensor self, int high, {_OPTIONS}{_FORMAT}) -> Tensor",
    method=False,
    tags=_RANDOM,
    opaque=True,
)
def randint_like():
    """``randint`` with the shape and dtype of a tensor.

    >>> flambeau.randint_like(flambeau.zeros(2), 3, 4)
    tensor([3., 3.])
    """


randint_like.samples(call(values(2, 3), 7), dtypes=REAL)


@native(
    f"randint_like.low_dtype(Tensor self, int low, int high, {_OPTIONS}{_FORMAT}) -> Tensor",
    method=False,
    tags=_RANDOM,
    opaque=True,
)
def randint_like_low():
    """``randint`` from ``low`` on, with the shape and dtype of a tensor."""


randint_like_low.samples(call(values(2, 3), 3, 7), dtypes=REAL)


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


normal.samples(call(values(2, 3), values(3, low=0.1)), dtypes=FLOATING | COMPLEX)


@native(
    "normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor",
    tags=_RANDOM,
    method=False,
)
def normal_tensor_float():
    """Normal numbers with one standard deviation."""


normal_tensor_float.samples(call(values(2, 3), 0.5), dtypes=FLOATING | COMPLEX)


@native(
    "normal.float_float(float mean, float std, int[] size, *, Generator? generator=None, "
    "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None)"
    " -> Tensor",
    tags=_RANDOM,
    method=False,
)
def normal_float_float():
    """Normal numbers of one distribution."""


normal_float_float.samples(call(1.0, 0.5, [2, 3]))
