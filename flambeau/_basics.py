"""Small functions of the top level that are Python."""

from __future__ import annotations

import sys

import flambeau
from flambeau import _C

__all__ = [
    "_register_device_module",
    "compile",
    "get_device_module",
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


def _need_tensor(function, value):
    if not isinstance(value, flambeau.Tensor) and not _C._has_torch_function_unary(value):
        from flambeau._arguments import need_tensor

        need_tensor(function, value)


def is_floating_point(input):
    """Whether the tensor's dtype is a floating one."""
    _need_tensor("is_floating_point", input)
    return input.is_floating_point()


def is_complex(input):
    """Whether the tensor's dtype is a complex one."""
    _need_tensor("is_complex", input)
    return input.is_complex()


def is_nonzero(input):
    """Whether the one element of a tensor is not zero."""
    _need_tensor("is_nonzero", input)
    if input.numel() != 1:
        raise RuntimeError(
            f"is_nonzero: Boolean value of Tensor with {input.numel()} values is ambiguous"
        )
    return bool(input.item())


def numel(input):
    """The number of elements of a tensor."""
    _need_tensor("numel", input)
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


def _register_device_module(device_type, module):
    """Make ``module`` the one of a device that a package from outside brings: ``flambeau.<name>``.

    Args:
        device_type: the name that the device was given.
        module: has functions such as ``device_count`` and ``is_available``.
    """
    name = flambeau.device(device_type).type
    if hasattr(flambeau, name):
        raise RuntimeError(
            f"The runtime module of '{name}' has already been registered with "
            f"{getattr(flambeau, name)!r}"
        )
    setattr(flambeau, name, module)
    sys.modules[f"flambeau.{name}"] = module


def get_device_module(device=None):
    """The module of a device: ``flambeau.cpu`` for the CPU.

    >>> flambeau.get_device_module("cpu").__name__
    'flambeau.cpu'
    """
    name = flambeau.device("cpu" if device is None else device).type
    module = getattr(flambeau, name, None)
    if module is None:
        raise RuntimeError(f"Invalid device '{name}': no module is registered for it")
    return module
