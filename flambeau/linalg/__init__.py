"""Linear algebra: decompositions, systems of equations, norms and products.

What LAPACK does is done by the library of ``scipy-openblas32``, which is opened when the first
function needs it. Most functions are operators of the core, which know gradients, ``vmap`` and
``out=``.
"""

from __future__ import annotations

from flambeau import _C, matmul
from flambeau._C import _LinAlgError as LinAlgError

from ._norms import diagonal, matrix_norm, multi_dot, norm, vecdot

vector_norm = _C._linalg.linalg_vector_norm

# Names of operators, behind "linalg_".
_OPERATORS = (
    "cholesky cholesky_ex det householder_product inv inv_ex lu lu_factor lu_factor_ex lu_solve"
    " matrix_exp qr slogdet solve solve_ex solve_triangular"
).split()
globals().update({name: getattr(_C._linalg, f"linalg_{name}") for name in _OPERATORS})

__all__ = [
    "LinAlgError",
    "diagonal",
    "matmul",
    "matrix_norm",
    "multi_dot",
    "norm",
    "vecdot",
    "vector_norm",
    *_OPERATORS,
]
