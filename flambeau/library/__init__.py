"""Ops that a program registers: a schema, implementations in Python, a shape-only rule, a gradient.

>>> @flambeau.library.custom_op("mylib::twice", mutates_args=())
... def twice(x: flambeau.Tensor) -> flambeau.Tensor:
...     return x * 2
>>> @twice.register_fake
... def _(x):
...     return flambeau.empty_like(x)
>>> twice(flambeau.ones(2))
tensor([2., 2.])
"""

from flambeau.library._check import OpCheckError, opcheck
from flambeau.library._custom import CustomOpDef, custom_op, triton_op, wrap_triton
from flambeau.library._gradients import register_autograd
from flambeau.library._registry import (
    Library,
    define,
    fallthrough_kernel,
    get_ctx,
    get_kernel,
    impl,
    impl_abstract,
    register_autocast,
    register_fake,
    register_kernel,
    register_torch_dispatch,
    register_vmap,
)
from flambeau.library._schemas import infer_schema

__all__ = [
    "Library",
    "impl",
    "define",
    "fallthrough_kernel",
    "impl_abstract",
    "register_autocast",
    "register_fake",
    "register_torch_dispatch",
    "register_vmap",
    "get_ctx",
    "get_kernel",
    "custom_op",
    "triton_op",
    "wrap_triton",
    "infer_schema",
]

for _public in (*map(globals().get, __all__), CustomOpDef, OpCheckError, opcheck):
    _public.__module__ = __name__
for _public in (register_autograd, register_kernel):
    _public.__module__ = __name__
del _public
