"""``__torch_function__`` for functions that are written in Python, and function modes."""

from __future__ import annotations

import functools

import flambeau
from flambeau import _C

__all__ = [
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "handle_torch_function",
    "has_torch_function",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]

has_torch_function = _C._has_torch_function
has_torch_function_unary = _C._has_torch_function_unary
has_torch_function_variadic = _C._has_torch_function_variadic
_get_overloaded_args = _C._overloaded_args
_disabled_torch_function_impl = _C._disabled_torch_function_impl


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Gives the call of ``public_api`` to modes, then to the arguments that override.

    >>> class Loud(flambeau.Tensor):
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return "loud"
    >>> def double(x):
    ...     if flambeau.overrides.has_torch_function_unary(x):
    ...         return flambeau.overrides.handle_torch_function(double, (x,), x)
    ...     return x * 2
    >>> double(flambeau.ones(1).as_subclass(Loud))
    'loud'
    """
    overloaded = _get_overloaded_args(relevant_args)
    types = tuple(map(type, overloaded))
    if _C._len_torch_function_stack():
        with _pop_mode_temporarily() as mode:
            result = mode.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    for argument in overloaded:
        result = argument.__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    asked = [type(a) for a in overloaded]
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: {asked}"
    )


def wrap_torch_function(dispatcher):
    """Makes a function overridable: ``dispatcher`` gives the arguments that may override."""

    def decorate(function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(value) -> bool:
    """Whether a value is a Tensor, or has ``__torch_function__``."""
    return type(value) is flambeau.Tensor or hasattr(value, "__torch_function__")


# ---- what can be overridden


def _public_functions(module):
    for name in dir(module):
        if name.startswith("_") and not name.startswith("__"):
            continue
        value = getattr(module, name, None)
        if callable(value) and not isinstance(value, type):
            yield value


@functools.lru_cache(None)
def get_overridable_functions() -> dict:
    """The functions that ``__torch_function__`` sees, by the module or class that has them."""
    tensor = flambeau.Tensor
    owners = {
        flambeau: _C._VariableFunctions,
        tensor: tensor,
        flambeau.nn.functional: flambeau.nn.functional,
    }
    return {owner: list(_public_functions(where)) for owner, where in owners.items()}


@functools.lru_cache(None)
def get_ignored_functions() -> set:
    """Public functions that never ask ``__torch_function__``: they take no tensor."""
    names = (
        "tensor as_tensor from_numpy empty zeros ones full arange linspace eye rand randn randint"
        " randperm empty_strided scalar_tensor manual_seed seed initial_seed get_rng_state"
        " set_rng_state is_grad_enabled set_grad_enabled save load"
    ).split()
    return {getattr(flambeau, n) for n in names if hasattr(flambeau, n)}


@functools.lru_cache(None)
def _methods() -> set:
    return set(get_overridable_functions()[flambeau.Tensor])


def is_tensor_method_or_property(function) -> bool:
    """Whether a function is a method of Tensor or the getter of one of its properties."""
    return function in _methods() or getattr(function, "__name__", "") == "__get__"


def resolve_name(function) -> str | None:
    """A readable name, as ``flambeau.Tensor.add``."""
    if isinstance(function, (_C.OpOverload, _C.OpOverloadPacket)):
        return str(function)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    return f"{module}.{name}" if module and name else None


_functions_that_keep_the_class = {
    getattr(flambeau.Tensor, name).__get__
    for name in ("grad", "_grad", "_base")
    if hasattr(flambeau.Tensor, name)
}


def get_default_nowrap_functions() -> set:
    """Functions whose results the default ``__torch_function__`` leaves as they are."""
    return _functions_that_keep_the_class


# ---- modes


class TorchFunctionMode:
    """Sees every call of the public API while it is active.

    >>> class Names(flambeau.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     _ = flambeau.zeros(2)
    zeros
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} must define __torch_function__")

    def __enter__(self):
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(self, *exc_info):
        _C._pop_torch_function_stack()

    @classmethod
    def push(cls, *args, **kwargs):
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """Runs every function unchanged."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class _pop_mode_temporarily:
    def __enter__(self):
        self.mode = _C._pop_torch_function_stack()
        return self.mode

    def __exit__(self, *exc_info):
        _C._push_on_torch_function_stack(self.mode)


def _get_current_function_mode():
    n = _C._len_torch_function_stack()
    return _C._get_function_stack_at(n - 1) if n else None


def _get_current_function_mode_stack():
    return [_C._get_function_stack_at(i) for i in range(_C._len_torch_function_stack())]
