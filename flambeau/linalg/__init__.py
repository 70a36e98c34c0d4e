"""Linear algebra: decompositions, systems of equations, norms and products.

What LAPACK does is done by the library of ``scipy-openblas32``, which is opened when the first
function needs it. Most functions are operators of the core, which know gradients, ``vmap`` and
``out=``.
"""

from __future__ import annotations

from flambeau import _C, matmul
from flambeau._C import _LinAlgError as LinAlgError

from ._products import diagonal, multi_dot, vecdot

# Names of operators, behind "linalg_".
_OPERATORS = (
    "cholesky cholesky_ex cond det eig eigh eigvals eigvalsh householder_product inv inv_ex lstsq"
    " lu lu_factor lu_factor_ex lu_solve matrix_exp matrix_norm matrix_power matrix_rank norm pinv"
    " qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve vander"
    " vector_norm"
).split()
globals().update({name: getattr(_C._linalg, f"linalg_{name}") for name in _OPERATORS})

__all__ = [
    "LinAlgError",
    "diagonal",
    "matmul",
    "multi_dot",
    "vecdot",
    *_OPERATORS,
]
