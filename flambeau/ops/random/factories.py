"""Tensors of random numbers. Without ``generator`` they come from the default one."""

from flambeau.ops.factories.filled import FORMAT, OPTIONS, check_options, like_spec
from flambeau.ops.language import (
    Error,
    Spec,
    default_dtype,
    dtype_name,
    dtypes,
    placed,
    scalar_type_name,
)
from flambeau.ops.random.fills import (
    check_floating,
    check_range,
    most_whole,
)
from flambeau.ops.record import COMPLEX, FLOATING, REAL, structured
from flambeau.ops.samples import call, values

_GENERATOR = (
    "*, Generator? generator, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None"
)
_RANDOM = frozenset({"random"})


def _factory(name, sizes, doc, samples, rule, cpu, format=""):
    """The two overloads of a random factory: from the default generator, and from a given one."""

    def body():
        pass

    body.__doc__ = doc
    extra = {"method": False, "tags": _RANDOM}
    extra["out"] = not format
    text = f"{name}({sizes}, {OPTIONS}{format}) -> Tensor"
    plain = structured(text, cpu=cpu.format("nullptr"), **extra)(body)
    plain.samples(*samples, dtypes=FLOATING | COMPLEX)
    plain.rule(rule)
    if not format:
        text = f"{name}.generator({sizes}, {_GENERATOR}) -> Tensor"
        given = structured(text, cpu=cpu.format("generator"), **extra)(body)
        calls = [call(*s.args, generator=None) for s in samples]
        given.samples(*calls, dtypes=FLOATING | COMPLEX)
        given.rule(rule)


def _uniform_rule(size, dtype, layout, device, pin_memory):
    check_options("empty", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    check_floating("uniform_", kind)
    return Spec(size, kind, device=placed(device))


def _normal_rule(size, dtype, layout, device, pin_memory):
    check_options("empty", layout, pin_memory)
    kind = default_dtype() if dtype is None else dtype
    check_floating("normal_", kind)
    return Spec(size, kind, device=placed(device))


def _permutation_rule(n, dtype, layout, device, pin_memory):
    if n < 0:
        raise Error(f"randperm: n must be non-negative, got {n}")
    check_options("empty", layout, pin_memory)
    kind = dtypes.int64 if dtype is None else dtype
    if kind == dtypes.bool or kind.is_complex:
        raise NotImplementedError(
            f"randperm: \"randperm\" not implemented for '{scalar_type_name(kind)}': "
            "use a real dtype"
        )
    if n - 1 > most_whole(kind):
        raise Error(
            f"randperm: n cannot be greater than {most_whole(kind) + 1} for {dtype_name(kind)}, "
            f"which does not hold all integers from there on, but got {n}"
        )
    return Spec([n], kind, device=placed(device))


def _uniform_like_rule(self, dtype, layout, device, pin_memory, memory_format):
    check_floating("uniform_", self.dtype if dtype is None else dtype)
    return like_spec("empty_like", self, dtype, layout, device, pin_memory, memory_format)


def _normal_like_rule(self, dtype, layout, device, pin_memory, memory_format):
    check_floating("normal_", self.dtype if dtype is None else dtype)
    return like_spec("empty_like", self, dtype, layout, device, pin_memory, memory_format)


_factory(
    "rand",
    "SymInt[] size",
    """Numbers from the uniform distribution on [0, 1).

>>> flambeau.rand(2, 3).shape
torch.Size([2, 3])
""",
    [call([2, 3]), call([0])],
    _uniform_rule,
    "cpu::uniform_(result, 0, 1, {})",
)
_factory(
    "randn",
    "SymInt[] size",
    """Numbers from the normal distribution.

>>> flambeau.randn(2, 3).shape
torch.Size([2, 3])
""",
    [call([2, 3]), call([0])],
    _normal_rule,
    "cpu::normal_(result, 0, 1, {})",
)
_factory(
    "randperm",
    "SymInt n",
    """The integers 0 to n - 1 in random order.

>>> flambeau.randperm(4).sort().values
tensor([0, 1, 2, 3])
""",
    [call(5), call(0)],
    _permutation_rule,
    "cpu::randperm(result, {})",
)
_factory(
    "rand_like",
    "Tensor self",
    """``rand`` with the shape and dtype of a tensor.

>>> flambeau.rand_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    [call(values(2, 3))],
    _uniform_like_rule,
    "cpu::uniform_(result, 0, 1, {})",
    FORMAT,
)
_factory(
    "randn_like",
    "Tensor self",
    """``randn`` with the shape and dtype of a tensor.

>>> flambeau.randn_like(flambeau.zeros(2)).shape
torch.Size([2])
""",
    [call(values(2, 3))],
    _normal_like_rule,
    "cpu::normal_(result, 0, 1, {})",
    FORMAT,
)


@structured(
    f"randint(SymInt high, SymInt[] size, {OPTIONS.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, 0, high, nullptr)",
    tags=_RANDOM,
    out=True,
    checks_values=True,
)
def randint():
    """Integers from ``low`` (0 unless given) on, below ``high``.

    >>> flambeau.randint(3, (2,)).dtype
    torch.int64
    """


randint.samples(call(7, [2, 3]), call(7, [0]))


def integers_spec(op, low, high, size, dtype, layout, device, pin_memory):
    check_options("empty", layout, pin_memory)
    kind = dtypes.int64 if dtype is None else dtype
    check_range(op, kind, low, high)
    return Spec(size, kind, device=placed(device))


@randint.rule
def _(high, size, dtype, layout, device, pin_memory):
    return integers_spec("randint", 0, high, size, dtype, layout, device, pin_memory)


@structured(
    "randint.generator(SymInt high, SymInt[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, 0, high, generator)",
    tags=_RANDOM,
    out=True,
    checks_values=True,
)
def randint_generator():
    """``randint`` from a given generator."""


randint_generator.samples(call(7, [2, 3], generator=None))


@randint_generator.rule
def _(high, size, dtype, layout, device, pin_memory):
    return integers_spec("randint", 0, high, size, dtype, layout, device, pin_memory)


@structured(
    "randint.low(SymInt low, SymInt high, SymInt[] size, "
    f"{OPTIONS.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, low, high, nullptr)",
    tags=_RANDOM,
    out=True,
    checks_values=True,
)
def randint_low():
    """``randint`` from ``low`` on."""


randint_low.samples(call(3, 7, [2, 3]))


@randint_low.rule
def _(low, high, size, dtype, layout, device, pin_memory):
    return integers_spec("randint", low, high, size, dtype, layout, device, pin_memory)


@structured(
    "randint.low_generator(SymInt low, SymInt high, SymInt[] size, "
    f"{_GENERATOR.replace('dtype=None', 'dtype=long')}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, low, high, generator)",
    tags=_RANDOM,
    out=True,
    checks_values=True,
)
def randint_low_generator():
    """``randint`` from ``low`` on, from a given generator."""


randint_low_generator.samples(call(3, 7, [2, 3], generator=None))


@randint_low_generator.rule
def _(low, high, size, dtype, layout, device, pin_memory):
    return integers_spec("randint", low, high, size, dtype, layout, device, pin_memory)


@structured(
    f"randint_like(Tensor self, SymInt high, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, 0, high, nullptr)",
    tags=_RANDOM,
    opaque=True,
)
def randint_like():
    """``randint`` with the shape and dtype of a tensor.

    >>> flambeau.randint_like(flambeau.zeros(2), 3, 4)
    tensor([3., 3.])
    """


randint_like.samples(call(values(2, 3), 7), dtypes=REAL)


@randint_like.rule
def _(self, high, dtype, layout, device, pin_memory, memory_format):
    check_range("randint_like", self.dtype if dtype is None else dtype, 0, high)
    return like_spec("empty_like", self, dtype, layout, device, pin_memory, memory_format)


@structured(
    f"randint_like.low_dtype(Tensor self, SymInt low, SymInt high, {OPTIONS}{FORMAT}) -> Tensor",
    method=False,
    cpu="cpu::random_range(result, low, high, nullptr)",
    tags=_RANDOM,
    opaque=True,
)
def randint_like_low():
    """``randint`` from ``low`` on, with the shape and dtype of a tensor."""


randint_like_low.samples(call(values(2, 3), 3, 7), dtypes=REAL)


@randint_like_low.rule
def _(self, low, high, dtype, layout, device, pin_memory, memory_format):
    check_range("randint_like", self.dtype if dtype is None else dtype, low, high)
    return like_spec("empty_like", self, dtype, layout, device, pin_memory, memory_format)
