"""Random numbers. Without ``generator`` they come from the default one."""

from flambeau.ops.factories.filled import check_options
from flambeau.ops.language import (
    LEAST,
    MOST,
    Error,
    Spec,
    broadcast,
    check_not_shifted,
    check_written,
    default_dtype,
    dtype_name,
    dtypes,
    is_differentiable,
    placed,
    show,
    strides_like,
)
from flambeau.ops.record import BOOL, COMPLEX, FLOATING, REAL, structured
from flambeau.ops.samples import call, values

_RANDOM = frozenset({"random"})


def _fill(text, cpu):
    return structured(text, cpu=cpu, function_variant=False, tags=_RANDOM)


# ---- what is refused


def check_floating(op, dtype):
    if not is_differentiable(dtype):
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(dtype)}': it fills floating point "
            "tensors"
        )


def check_normal(dtype, mean, std):
    if not std >= 0:
        raise Error(f"normal_: normal_ expects std >= 0.0, but found std {std:g}")
    check_floating("normal_", dtype)
    if dtype.is_complex and mean != 0:
        raise Error(f"normal_: complex tensors take mean 0 only, got {mean:g}")


def largest(dtype):
    """The largest finite number of a floating dtype, or of the parts of a complex one."""
    if dtype == dtypes.float16 or dtype == dtypes.complex32:
        return 65504.0
    if dtype == dtypes.bfloat16:
        return 3.3895313892515355e38
    if dtype == dtypes.float32 or dtype == dtypes.complex64:
        return 3.4028234663852886e38
    return 1.7976931348623157e308


def check_uniform(dtype, low, high):
    check_floating("uniform_", dtype)
    most = largest(dtype)
    if not (-most <= low and low <= most):
        raise Error(f"uniform_: from={low:g} is out of bounds for {dtype_name(dtype)}")
    if not (-most <= high and high <= most):
        raise Error(f"uniform_: to={high:g} is out of bounds for {dtype_name(dtype)}")
    if not low <= high:
        raise Error(
            f"uniform_: uniform_ expects to return a [from, to) range, but found from={low:g} > "
            f"to={high:g}"
        )
    if not high - low <= most:
        raise Error(
            f"uniform_: uniform_ expects to - from to be at most {most:g}, the largest "
            f"{dtype_name(dtype)}, but found to={high:g} and from={low:g}"
        )


def check_probability(p):
    if not (p >= 0 and p <= 1):
        raise Error(f"bernoulli_: bernoulli_ expects p to be in [0, 1], but got p={p:g}")


def least_integer(dtype):
    """The smallest that ``random_(from, to)`` may be asked for."""
    if dtype in (dtypes.bool, dtypes.uint8, dtypes.uint16, dtypes.uint32):
        return 0
    if dtype == dtypes.int8:
        return -128
    if dtype == dtypes.int16:
        return -32768
    if dtype == dtypes.int32:
        return -2147483648
    return -65504 if dtype == dtypes.float16 else LEAST


def most_integer(dtype):
    if dtype == dtypes.bool:
        return 1
    if dtype == dtypes.uint8:
        return 255
    if dtype == dtypes.int8:
        return 127
    if dtype == dtypes.int16:
        return 32767
    if dtype == dtypes.uint16:
        return 65535
    if dtype == dtypes.int32:
        return 2147483647
    if dtype == dtypes.uint32:
        return 4294967295
    return 65504 if dtype == dtypes.float16 else MOST


def most_whole(dtype):
    """The largest integer that a dtype holds with all below it."""
    if dtype == dtypes.float32:
        return 16777216
    if dtype == dtypes.float64:
        return 9007199254740992
    if dtype == dtypes.float16:
        return 2048
    return 256 if dtype == dtypes.bfloat16 else most_integer(dtype)


def check_range(op, dtype, low, high):
    if low >= high:
        raise Error(
            f"{op}: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    least, most = least_integer(dtype), most_integer(dtype)
    if low < least or low > most:
        raise Error(f"{op}: from is out of bounds for {dtype_name(dtype)}: {low}")
    if high - 1 < least or high - 1 > most:
        raise Error(f"{op}: to - 1 is out of bounds for {dtype_name(dtype)}: {high - 1}")


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


@normal_.rule
def _(self, mean, std):
    check_written("normal_", self)
    check_normal(self.dtype, mean, std)


@normal_.gradient
def _(g, ops):
    return ops.zeros_like(g)


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


@uniform_.rule
def _(self, from_, to):
    check_written("uniform_", self)
    check_uniform(self.dtype, from_, to)


@uniform_.gradient
def _(g, ops):
    return ops.zeros_like(g)


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


@exponential_.rule
def _(self, lambd):
    check_written("exponential_", self)
    if not lambd > 0:
        raise Error(f"exponential_: exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    if not self.is_floating_point():
        raise Error(
            "exponential_: Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {dtype_name(self.dtype)}"
        )


@exponential_.gradient
def _(g, ops):
    return ops.zeros_like(g)


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


@bernoulli_float.rule
def _(self, p):
    check_written("bernoulli_", self)
    check_probability(p)


@bernoulli_float.gradient
def _(g, ops):
    return ops.zeros_like(g)


@_fill(
    "bernoulli_.Tensor(Tensor(a!) self, Tensor p, *, Generator? generator=None) -> Tensor(a!)",
    "bernoulli_tensor_",
)
def bernoulli_tensor():
    """Fills with ones of the probabilities in ``p``, broadcast, and zeros."""


bernoulli_tensor.samples(call(values(2, 3), values(2, 3, low=0, high=1)), dtypes=FLOATING)


def check_probabilities(p):
    if not p.is_floating_point():
        raise NotImplementedError(
            f"bernoulli_: \"bernoulli_\" not implemented for '{dtype_name(p.dtype)}' as "
            "the dtype of probabilities"
        )


@bernoulli_tensor.rule
def _(self, p):
    check_written("bernoulli_", self)
    check_probabilities(p)
    check_not_shifted("bernoulli_", self, p)


@bernoulli_tensor.gradient
def _(g, ops):
    return ops.zeros_like(g), None


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


@random_from.rule
def _(self, from_, to):
    check_written("random_", self)
    if to is not None:
        check_range("random_", self.dtype, from_, to)
        return
    if from_ == LEAST:
        return
    if from_ > most_whole(self.dtype):
        raise Error(f"random_: from is out of bounds for {dtype_name(self.dtype)}: {from_}")


@_fill(
    "random_.to(Tensor(a!) self, int to, *, Generator? generator=None) -> Tensor(a!)", "random_to_"
)
def random_to():
    """Fills with integers from 0 on, below ``to``."""


random_to.samples(call(values(2, 3), 7), dtypes=REAL)


@random_to.rule
def _(self, to):
    check_written("random_", self)
    check_range("random_", self.dtype, 0, to)


@_fill("random_(Tensor(a!) self, *, Generator? generator=None) -> Tensor(a!)", "random_")
def random_():
    """Fills with integers over the range of the dtype.

    >>> flambeau.zeros(2).random_(5, 6)
    tensor([5., 5.])
    """


random_.samples(call(values(2, 3)), dtypes=REAL | BOOL)


@random_.rule
def _(self):
    check_written("random_", self)


@structured(
    "bernoulli(Tensor self, *, Generator? generator=None) -> Tensor",
    cpu="cpu::bernoulli_tensor_(result, self, generator)",
    tags=_RANDOM,
    out=True,
    checks_values=True,
)
def bernoulli():
    """Ones with the probabilities in ``self``, and zeros.

    >>> flambeau.bernoulli(flambeau.tensor([0., 1.]))
    tensor([0., 1.])
    """


bernoulli.samples(
    call(values(2, 3, low=0, high=1)), call(values(0, low=0, high=1)), dtypes=FLOATING
)


@bernoulli.rule
def _(self):
    check_probabilities(self)
    return Spec(self.shape, self.dtype)


@bernoulli.gradient
def _(g, ops):
    return ops.zeros_like(g)


@structured(
    "bernoulli.p(Tensor self, float p, *, Generator? generator=None) -> Tensor",
    cpu="cpu::bernoulli_float_(result, p, generator)",
    tags=_RANDOM,
)
def bernoulli_p():
    """Ones of probability ``p`` and zeros, in the shape of ``self``."""


bernoulli_p.samples(call(values(2, 3), 0.25), dtypes=REAL | BOOL)


@bernoulli_p.rule
def _(self, p):
    check_probability(p)
    return Spec(self.shape, self.dtype, strides_like(self))


@structured(
    "multinomial(Tensor self, SymInt num_samples, bool replacement=False, *, "
    "Generator? generator=None) -> Tensor",
    cpu="multinomial",
    tags=_RANDOM,
    out=True,
    checks_values=True,
    places=(0,),
)
def multinomial():
    """Indices drawn with the weights in each row.

    >>> flambeau.multinomial(flambeau.tensor([0., 1.]), 1)
    tensor([1])
    """


multinomial.samples(
    call(values(2, 3, low=0.1), 2), call(values(3, low=0.1), 4, True), dtypes=FLOATING
)


@multinomial.rule
def _(self, num_samples, replacement):
    if self.dim() != 1 and self.dim() != 2:
        raise Error(f"multinomial: prob_dist must be 1 or 2 dim, got shape {show(self.shape)}")
    if not self.is_floating_point():
        raise Error(
            "multinomial: multinomial only supports floating-point dtypes for input, got: "
            f"{dtype_name(self.dtype)}"
        )
    if num_samples <= 0:
        raise Error(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    categories = self.shape[-1]
    if not replacement and num_samples > categories:
        raise Error(
            "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without "
            f"replacement: {num_samples} > {categories}"
        )
    if categories > 16777216:
        raise Error("multinomial: number of categories cannot exceed 2^24")
    sizes = list(self.shape)
    sizes[self.dim() - 1] = num_samples
    return Spec(sizes, dtypes.int64)


@structured(
    "normal.Tensor_Tensor(Tensor mean, Tensor std, *, Generator? generator=None) -> Tensor",
    cpu="normal_of_tensors",
    tags=_RANDOM,
    out=True,
    checks_values=True,
    method=False,
)
def normal():
    """Numbers from normal distributions with the given means and standard deviations.

    >>> flambeau.normal(flambeau.zeros(2), flambeau.zeros(2))
    tensor([0., 0.])
    """


normal.samples(call(values(2, 3), values(3, low=0.1)), dtypes=FLOATING | COMPLEX)


@normal.rule
def _(mean, std):
    if std.is_complex():
        raise TypeError("normal: expects standard deviation to be non-complex")
    check_floating("normal_", mean.dtype)
    return Spec(broadcast(mean.shape, std.shape, "normal"), mean.dtype)


@structured(
    "normal.Tensor_float(Tensor mean, float std=1, *, Generator? generator=None) -> Tensor",
    cpu="normal_of_means",
    tags=_RANDOM,
    out=True,
    checks_values=True,
    method=False,
)
def normal_tensor_float():
    """Normal numbers with one standard deviation."""


normal_tensor_float.samples(call(values(2, 3), 0.5), dtypes=FLOATING | COMPLEX)


@normal_tensor_float.rule
def _(mean, std):
    if not std >= 0:
        raise Error(f"normal: normal expects std >= 0.0, but found std {std:g}")
    check_normal(mean.dtype, 0.0, std)
    return Spec(mean.shape, mean.dtype, strides_like(mean))


@structured(
    "normal.float_float(float mean, float std, SymInt[] size, *, Generator? generator=None, "
    "ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None)"
    " -> Tensor",
    cpu="cpu::normal_(result, mean, std, generator)",
    tags=_RANDOM,
    method=False,
)
def normal_float_float():
    """Normal numbers of one distribution."""


normal_float_float.samples(call(1.0, 0.5, [2, 3]))


@normal_float_float.rule
def _(mean, std, size, dtype, layout, device, pin_memory):
    check_options("empty", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    check_normal(kind, mean, std)
    return Spec(size, kind, device=placed(device))
