"""Special functions, under SciPy's names: the same functions as at the top level."""

from __future__ import annotations

import flambeau
from flambeau import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    i0,
    igamma,
    igammac,
    lgamma,
    log1p,
    log_softmax,
    logit,
    logsumexp,
    mvlgamma,
    polygamma,
    round,
    sigmoid,
    sinc,
    softmax,
    xlogy,
)

_special = flambeau._C._special

gammainc = igamma
gammaincc = igammac
multigammaln = mvlgamma
entr = _special.special_entr
erfcx = _special.special_erfcx
i0e = _special.special_i0e
i1 = _special.special_i1
i1e = _special.special_i1e
log_ndtr = _special.special_log_ndtr
ndtr = _special.special_ndtr
ndtri = _special.special_ndtri
xlog1py = _special.special_xlog1py

gammainc = igamma
gammaincc = igammac
gammaln = lgamma
psi = digamma
expit = sigmoid

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "expit",
    "exp2",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]
