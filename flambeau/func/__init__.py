"""Transforms of functions: gradients, directional derivatives, batches, Jacobians.

Each takes a function of tensors and gives another, which may be transformed again.
"""

from flambeau.func._reverse import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from flambeau.func._stateless import functional_call, stack_module_state
from flambeau.func._vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
