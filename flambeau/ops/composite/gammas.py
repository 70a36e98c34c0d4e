"""Gamma functions of several variables, and incomplete ones."""

from flambeau.ops.language import (
    Error,
    Spec,
    broadcast,
    default_dtype,
    dtypes,
    is_integral,
    joint_dtype,
    scalar_type_name,
)
from flambeau.ops.record import FLOATING, REAL, native, structured
from flambeau.ops.samples import call, special, values

_LOG_PI = 1.1447298858494002


def gamma_arguments(self, p, ops):
    """``self`` less 0, 1/2, ... (p - 1) / 2, along a new last dimension."""
    kind = default_dtype() if is_integral(self.dtype, False) else self.dtype
    steps = ops.arange(p, kind, None, self.device)
    return ops.sub_Tensor(ops.unsqueeze(self, -1), steps * 0.5, 1)


@native("mvlgamma(Tensor self, int p) -> Tensor", inplace=True, out=True, inplace_functions=())
def mvlgamma(self, p, ops):
    """The logarithm of the gamma function of ``p`` variables, up to a constant the sum of
    ``lgamma(self - j / 2)`` for ``j`` from 0 to ``p - 1``.

    >>> flambeau.mvlgamma(flambeau.tensor([2.]), 2)
    tensor([0.4516])
    """
    if p < 1:
        raise Error(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    if self.dtype.is_complex:
        raise NotImplementedError(
            f"mvlgamma: \"mvlgamma\" not implemented for '{scalar_type_name(self.dtype)}': use a "
            "real dtype"
        )
    if self.dtype == dtypes.bool:
        raise Error("mvlgamma: The input tensor may not be a boolean tensor.")
    total = ops.sum_dim_IntList(ops.lgamma(gamma_arguments(self, p, ops)), [-1])
    return ops.add_Scalar(total, p * (p - 1) * 0.25 * _LOG_PI)


mvlgamma.samples(call(values(2, 3, low=2.2, high=5), 3), call(values(0, low=2.2), 1), dtypes=REAL)
mvlgamma.reference(special.multigammaln, tolerance=32)
mvlgamma.batching("same")
mvlgamma.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@mvlgamma.gradient
def _(g, self, p, ops):
    return g * ops.sum_dim_IntList(ops.digamma(gamma_arguments(self, p, ops)), [-1])


# ---- incomplete gamma functions


def shares_spec(op, self, other):
    kind = joint_dtype(self, other)
    if not kind.is_floating_point:
        raise NotImplementedError(
            f"{op}: \"{op}_cpu\" not implemented for '{scalar_type_name(kind)}': use float32, "
            "float64, bfloat16 or float16"
        )
    return Spec(broadcast(self.shape, other.shape, op), kind)


def gamma_density(self, other, ops):
    """Of the gamma distribution of shape ``self`` and rate 1 at ``other``."""
    log = ops.sub_Tensor(ops.mul_Tensor(self - 1, ops.log(other)), other, 1)
    return ops.exp(ops.sub_Tensor(log, ops.lgamma(self), 1))


@structured("igamma(Tensor self, Tensor other) -> Tensor", cpu="igamma", inplace=True, out=True)
def igamma():
    """The share of the gamma distribution of shape ``self`` and rate 1 that is below ``other``.

    >>> flambeau.igamma(flambeau.tensor([1.]), flambeau.tensor([2.]))
    tensor([0.8647])
    """


@igamma.rule
def _(self, other):
    return shares_spec("igamma", self, other)


@igamma.gradient
def _(g, self, other, needs, ops):
    if needs[0]:
        raise NotImplementedError(
            "igamma: a gradient is not implemented for self; distributions.Gamma has draws with one"
        )
    return None, g * gamma_density(self, other, ops)


@structured("igammac(Tensor self, Tensor other) -> Tensor", cpu="igammac", inplace=True, out=True)
def igammac():
    """The share of the gamma distribution of shape ``self`` and rate 1 that is above ``other``.

    >>> flambeau.igammac(flambeau.tensor([1.]), flambeau.tensor([2.]))
    tensor([0.1353])
    """


@igammac.rule
def _(self, other):
    return shares_spec("igammac", self, other)


@igammac.gradient
def _(g, self, other, needs, ops):
    if needs[0]:
        raise NotImplementedError(
            "igammac: a gradient is not implemented for self; distributions.Gamma has draws with "
            "one"
        )
    return None, -(g * gamma_density(self, other, ops))


for _op in igamma, igammac:
    _op.samples(
        call(values(2, 3, low=0.5, high=9, constant=True), values(3, low=0.5, high=9)),
        call(values(0, low=1, constant=True), values(0, low=1)),
        dtypes=FLOATING,
    )
    _op.batching("pointwise")
    _op.without("jvp", "decomposition", "sharding", "autocast", "benchmark")
igamma.reference(special.gammainc, tolerance=64)
igammac.reference(special.gammaincc, tolerance=64)
