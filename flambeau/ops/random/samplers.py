"""Draws from distributions whose parameters are tensors, and gradients of draws."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    check_written,
    dtype_name,
    dtypes,
    scalar_type_name,
)
from flambeau.ops.random.fills import check_floating
from flambeau.ops.record import FLOATING, REAL, structured
from flambeau.ops.samples import call, values

_RANDOM = frozenset({"random"})
_DOUBLES = frozenset({"float32", "float64"})


def _fill(text, cpu):
    return structured(text, cpu=cpu, function_variant=False, tags=_RANDOM)


def _draw(text, cpu, **options):
    return structured(text, cpu=cpu, tags=_RANDOM, method=False, **options)


def check_doubles(op, t):
    if t.dtype != dtypes.float32 and t.dtype != dtypes.float64:
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{scalar_type_name(t.dtype)}': use float32 or "
            "float64"
        )


def check_alike(op, first, other):
    """Tensors that are read side by side."""
    if first.dtype != other.dtype:
        raise Error(
            f"{op}: Found dtype {scalar_type_name(other.dtype)} but expected "
            f"{scalar_type_name(first.dtype)}: convert one of them"
        )


# ---- fills


@_fill(
    "cauchy_(Tensor(a!) self, float median=0, float sigma=1, *, Generator? generator=None) -> "
    "Tensor(a!)",
    "cauchy_",
)
def cauchy_():
    """Fills with numbers from the Cauchy distribution.

    >>> flambeau.empty(3).cauchy_().shape
    torch.Size([3])
    """


cauchy_.samples(call(values(2, 3)), call(values(2), 1.0, 0.5), dtypes=FLOATING)


@cauchy_.rule
def _(self, sigma):
    check_written("cauchy_", self)
    if not sigma > 0:
        raise Error(f"cauchy_: cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if not self.is_floating_point():
        raise Error(
            "cauchy_: Cauchy distribution is a continuous probability distribution. dtype must be "
            f"a floating point but you specified {dtype_name(self.dtype)}"
        )


@cauchy_.gradient
def _(g, ops):
    return ops.zeros_like(g)


@_fill(
    "log_normal_(Tensor(a!) self, float mean=1, float std=2, *, Generator? generator=None) -> "
    "Tensor(a!)",
    "log_normal_",
)
def log_normal_():
    """Fills with numbers whose logarithms are normally distributed.

    >>> bool((flambeau.empty(3).log_normal_() > 0).all())
    True
    """


log_normal_.samples(call(values(2, 3)), call(values(2), 0.0, 0.5), dtypes=FLOATING)


@log_normal_.rule
def _(self, std):
    check_written("log_normal_", self)
    if not std > 0:
        raise Error(f"log_normal_: log_normal_ expects std > 0.0, but found std={std:g}")
    if self.dtype.is_complex:
        raise NotImplementedError(
            'log_normal_: "log_normal_" not implemented for '
            f"'{scalar_type_name(self.dtype)}': use a real dtype"
        )
    check_floating("log_normal_", self.dtype)


@log_normal_.gradient
def _(g, ops):
    return ops.zeros_like(g)


@_fill(
    "geometric_(Tensor(a!) self, float p, *, Generator? generator=None) -> Tensor(a!)",
    "geometric_",
)
def geometric_():
    """Fills with how many trials it takes until one succeeds, which each does with probability
    ``p``.

    >>> bool((flambeau.empty(3).geometric_(0.5) >= 1).all())
    True
    """


geometric_.samples(call(values(2, 3), 0.25), call(values(0), 0.5), dtypes=REAL)


@geometric_.rule
def _(self, p):
    check_written("geometric_", self)
    if not (p > 0 and p < 1):
        raise Error(f"geometric_: geometric_ expects p to be in (0, 1), but got p={p:g}")
    if self.dtype.is_complex or self.dtype == dtypes.bool:
        raise NotImplementedError(
            f"geometric_: \"geometric_\" not implemented for '{scalar_type_name(self.dtype)}': "
            "use a real dtype"
        )


@geometric_.gradient
def _(g, ops):
    return ops.zeros_like(g)


# ---- draws


@_draw("_standard_gamma(Tensor self, Generator? generator=None) -> Tensor", cpu="_standard_gamma")
def _standard_gamma():
    """Numbers from gamma distributions with these shapes and rate 1 (Marsaglia and Tsang, 2000).

    >>> bool((flambeau._standard_gamma(flambeau.tensor([0.5, 2.])) > 0).all())
    True
    """


_standard_gamma.samples(call(values(2, 3, low=0.1)), call(values(0, low=0.1)), dtypes=_DOUBLES)


@_standard_gamma.rule
def _(self):
    check_doubles("_standard_gamma", self)
    return Spec(self.shape, self.dtype)


@_standard_gamma.gradient
def _(g, self, result, ops):
    return g * ops._standard_gamma_grad(self, result)


@structured(
    "_standard_gamma_grad(Tensor self, Tensor output) -> Tensor",
    cpu="_standard_gamma_grad",
    method=False,
    no_gradient="of a gradient of draws",
)
def _standard_gamma_grad():
    """How a draw from a gamma distribution moves with its shape, the share of all that is below it
    being kept (Figurnov, Mohamed and Mnih, 2018).

    >>> flambeau._standard_gamma_grad(flambeau.tensor([1.]), flambeau.tensor([1.]))
    tensor([1.1736])
    """


_standard_gamma_grad.samples(
    call(values(2, 3, low=0.5, high=4), values(2, 3, low=0.5, high=4)),
    call(values(0, low=0.1), values(0, low=0.1)),
    dtypes=_DOUBLES,
)


@_standard_gamma_grad.rule
def _(self, output):
    check_doubles("_standard_gamma_grad", self)
    check_alike("_standard_gamma_grad", self, output)
    return Spec(broadcast(self.shape, output.shape, "_standard_gamma_grad"), self.dtype)


@_draw(
    "_sample_dirichlet(Tensor self, Generator? generator=None) -> Tensor",
    cpu="_sample_dirichlet",
    no_gradient="torch.distributions.Dirichlet has it",
)
def _sample_dirichlet():
    """Points of the simplex from Dirichlet distributions, whose parameters lie along the last
    dimension.

    >>> flambeau._sample_dirichlet(flambeau.ones(4, 3)).sum(1).round(decimals=3)
    tensor([1., 1., 1., 1.])
    """


_sample_dirichlet.samples(call(values(2, 3, low=0.1)), call(values(0, 3, low=0.1)), dtypes=_DOUBLES)


@_sample_dirichlet.rule
def _(self):
    check_doubles("_sample_dirichlet", self)
    return Spec(self.shape, self.dtype)


@structured(
    "_dirichlet_grad(Tensor x, Tensor alpha, Tensor total) -> Tensor",
    cpu="_dirichlet_grad",
    method=False,
    no_gradient="of a gradient of draws",
)
def _dirichlet_grad():
    """How ``x`` from Beta(``alpha``, ``total - alpha``) moves with ``alpha``, over ``1 - x``.

    >>> half = flambeau.tensor([0.5])
    >>> flambeau._dirichlet_grad(half, flambeau.tensor([1.]), flambeau.tensor([2.]))
    tensor([0.6931])
    """


_dirichlet_grad.samples(
    call(
        values(2, 3, low=0.2, high=0.8),
        values(2, 3, low=0.5, high=2),
        values(2, 3, low=2.5, high=5),
    ),
    call(values(0, low=0.1), values(0, low=0.1), values(0, low=0.1)),
    dtypes=_DOUBLES,
)


@_dirichlet_grad.rule
def _(x, alpha, total):
    check_doubles("_dirichlet_grad", x)
    check_alike("_dirichlet_grad", x, alpha)
    check_alike("_dirichlet_grad", x, total)
    sizes = broadcast(
        broadcast(x.shape, alpha.shape, "_dirichlet_grad"), total.shape, "_dirichlet_grad"
    )
    return Spec(sizes, x.dtype)


@_draw(
    "poisson(Tensor self, Generator? generator=None) -> Tensor", cpu="poisson", checks_values=True
)
def poisson():
    """Numbers from Poisson distributions with these rates.

    >>> flambeau.poisson(flambeau.zeros(2))
    tensor([0., 0.])
    """


poisson.samples(call(values(2, 3, low=0.1)), call(values(0, low=0.1)), dtypes=FLOATING)


@poisson.rule
def _(self):
    if not self.is_floating_point():
        raise NotImplementedError(
            f"poisson: \"poisson_cpu\" not implemented for '{scalar_type_name(self.dtype)}': use "
            "float32, float64, bfloat16 or float16"
        )
    return Spec(self.shape, self.dtype)


@poisson.gradient
def _(g, ops):
    return ops.zeros_like(g)


@_draw(
    "binomial(Tensor count, Tensor prob, Generator? generator=None) -> Tensor",
    cpu="binomial",
    no_gradient="the draws are counts",
)
def binomial():
    """How many of ``count`` trials succeed, which each does with probability ``prob``.

    >>> flambeau.binomial(flambeau.tensor([5., 5.]), flambeau.tensor([0., 1.]))
    tensor([0., 5.])
    """


binomial.samples(
    call(values(2, 3, low=1, high=9), values(3, low=0.1, high=0.9)),
    call(values(0, low=1), values(0, low=0.1, high=0.9)),
    dtypes=_DOUBLES,
)


@binomial.rule
def _(count, prob):
    if not count.is_floating_point():
        raise ValueError(
            "binomial: binomial only supports floating-point dtypes for count, got: "
            f"{scalar_type_name(count.dtype)}"
        )
    if not prob.is_floating_point():
        raise ValueError(
            "binomial: binomial only supports floating-point dtypes for prob, got: "
            f"{scalar_type_name(prob.dtype)}"
        )
    check_alike("binomial", count, prob)
    check_doubles("binomial", count)
    return Spec(broadcast(count.shape, prob.shape, "binomial"), count.dtype)


@_draw(
    "normal.float_Tensor(float mean, Tensor std, *, Generator? generator=None) -> Tensor",
    cpu="normal_of_deviations",
    out=True,
    checks_values=True,
)
def normal_float_tensor():
    """Normal numbers with one mean."""


normal_float_tensor.samples(call(0.5, values(2, 3, low=0.1)), dtypes=FLOATING)


@normal_float_tensor.rule
def _(mean, std):
    if std.dtype.is_complex:
        raise Error("normal: normal expects standard deviation to be non-complex")
    check_floating("normal_", std.dtype)
    return Spec(std.shape, std.dtype)


_standard_gamma_grad.jvp("none")
_standard_gamma_grad.batching("pointwise")
_dirichlet_grad.jvp("none")
_dirichlet_grad.batching("pointwise")

for _op in (
    cauchy_,
    log_normal_,
    geometric_,
    _standard_gamma,
    _standard_gamma_grad,
    _sample_dirichlet,
    _dirichlet_grad,
    poisson,
    binomial,
    normal_float_tensor,
):
    _op.without("decomposition", "sharding", "autocast", "benchmark")
