"""Small functions of the top level that are Python."""

from __future__ import annotations

import flambeau
from flambeau import _C

__all__ = [
    "compile",
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_storage",
    "is_tensor",
    "numel",
    "typename",
    "use_deterministic_algorithms",
]


def is_tensor(obj):
    """Whether ``obj`` is a tensor.

    >>> flambeau.is_tensor(flambeau.ones(1))
    True
    """
    return isinstance(obj, flambeau.Tensor)


def is_storage(obj):
    """Whether ``obj`` is a storage."""
    return isinstance(obj, _C.UntypedStorage)


def typename(obj):
    """The qualified name of an object's type; for a tensor the name of its kind."""
    if is_tensor(obj):
        return obj.type()
    kind = type(obj)
    module = getattr(obj, "__module__", None) or kind.__module__
    name = getattr(obj, "__qualname__", None) or kind.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


def is_floating_point(input):
    """Whether the tensor's dtype is a floating one."""
    return input.is_floating_point()


def is_complex(input):
    """Whether the tensor's dtype is a complex one."""
    return input.is_complex()


def is_nonzero(input):
    """Whether the one element of a tensor is not zero."""
    if input.numel() != 1:
        raise RuntimeError(
            f"is_nonzero: Boolean value of Tensor with {input.numel()} values is ambiguous"
        )
    return bool(input.item())


def numel(input):
    """The number of elements of a tensor."""
    return input.numel()


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Everything here is deterministic already; the call is accepted and changes nothing.

    ``warn_only`` has nothing to warn of.
    """
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms: mode must be a bool, not {type(mode)}")


def compile(model=None, **options):
    """Graph mode does not exist yet."""
    raise NotImplementedError("compile: graph mode is not supported; run the model as it is")
