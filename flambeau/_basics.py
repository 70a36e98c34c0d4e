"""Small functions of the top level that are Python."""

from __future__ import annotations

import sys

import flambeau
from flambeau import _C

__all__ = [
    "_assert",
    "_check",
    "_check_index",
    "_check_not_implemented",
    "_check_tensor_all",
    "_check_type",
    "_check_value",
    "_check_with",
    "_register_device_module",
    "_shape_as_tensor",
    "compile",
    "get_device_module",
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_storage",
    "is_tensor",
    "numel",
    "sym_float",
    "sym_int",
    "sym_ite",
    "sym_max",
    "sym_min",
    "sym_not",
    "sym_sum",
    "typename",
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


# ---- conditions that programs state


def _assert(condition, message):
    """Python's ``assert`` as a function; the condition may be a tensor of one element.

    >>> flambeau._assert(flambeau.tensor(True), "never seen")
    """
    if type(condition) is not flambeau.Tensor and _C._has_torch_function_unary(condition):
        from flambeau.overrides import handle_torch_function

        return handle_torch_function(_assert, (condition,), condition, message)
    if not condition:
        raise AssertionError(message)


def _check_with(error, cond, message=None):
    """Raise ``error`` with the text that ``message()`` gives, unless ``cond``, a bool, holds."""
    if not isinstance(cond, (bool, flambeau.SymInt)):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        text = "Expected cond to be True, but got False."
    elif callable(message):
        text = str(message())
    else:
        raise TypeError("message must be a callable")
    raise error(text)


def _check(cond, message=None):
    """Raise RuntimeError with the text that ``message()`` gives, unless ``cond`` holds.

    >>> flambeau._check(1 < 2, lambda: "never made")
    """
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None):
    """As ``_check``, with IndexError."""
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None):
    """As ``_check``, with ValueError."""
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None):
    """As ``_check``, with TypeError."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None):
    """As ``_check``, with the error of what is not there."""
    _check_with(NotImplementedError, cond, message)


def _check_tensor_all(cond, message=None):
    """As ``_check``, unless all elements of a tensor of bools hold."""
    if not is_tensor(cond):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype != flambeau.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(RuntimeError, bool(cond.all()), message)


def _shape_as_tensor(self):
    """The sizes of a tensor as an ``int64`` tensor."""
    return flambeau.tensor(self.shape, dtype=flambeau.int64)


# ---- numbers that may be symbols: on plain numbers they are Python's


def sym_int(a):
    """``a`` without what follows the point.

    >>> flambeau.sym_int(-2.5)
    -2
    """
    return a if isinstance(a, flambeau.SymInt) else int(a)


def sym_float(a):
    """``a`` as a float."""
    return float(a)


def sym_max(a, b):
    """The larger of two numbers; a float where one of them is one.

    >>> flambeau.sym_max(3, 2.0)
    3.0
    """
    return _alike(max(a, b), a, b)


def sym_min(a, b):
    """The smaller of two numbers; a float where one of them is one."""
    return _alike(min(a, b), a, b)


def _alike(chosen, a, b):
    return float(chosen) if isinstance(a, float) or isinstance(b, float) else chosen


def sym_not(a):
    """The opposite of a bool."""
    return not a


def sym_sum(args):
    """The sum of numbers."""
    return sum(args)


def sym_ite(b, t, f):
    """``t`` if ``b`` holds, else ``f``, which has to be of the same type."""
    if type(t) is not type(f):
        raise AssertionError(f"sym_ite: type mismatch: {type(t)} vs {type(f)}")
    return t if b else f
