"""Gamma functions of several variables."""

from flambeau.ops.language import (
    Error,
    default_dtype,
    dtypes,
    is_integral,
    scalar_type_name,
)
from flambeau.ops.record import REAL, native
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
