"""Special functions, under SciPy's names: the same functions as at the top level."""

from __future__ import annotations

from flambeau import (
    digamma,
    erf,
    erfc,
    expm1,
    lgamma,
    log1p,
    log_softmax,
    logsumexp,
    round,
    sigmoid,
    softmax,
)

gammaln = lgamma
psi = digamma
expit = sigmoid

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_softmax",
    "logsumexp",
    "psi",
    "round",
    "softmax",
]
