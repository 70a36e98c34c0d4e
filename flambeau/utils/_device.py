"""``with flambeau.device(...)``: a function mode that says where factories put new tensors."""

from __future__ import annotations

import functools
import threading

import flambeau
from flambeau import _C
from flambeau.overrides import TorchFunctionMode

_NAMES = (
    "empty empty_strided zeros ones full scalar_tensor arange linspace logspace eye rand randn"
    " randint randperm tensor as_tensor asarray"
).split()


@functools.lru_cache(None)
def _factories() -> set:
    return {getattr(flambeau, n) for n in _NAMES if hasattr(flambeau, n)}


class DeviceContext(TorchFunctionMode):
    """Fills in ``device=`` where a factory is called without it."""

    def __init__(self, device):
        self.device = flambeau.device(device)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("device") is None and func in _factories():
            kwargs = {**kwargs, "device": self.device}
        return func(*args, **kwargs)


_entered: list[DeviceContext] = []


def _enter(device):
    context = DeviceContext(device)
    context.__enter__()
    _entered.append(context)
    return device


def _exit():
    _entered.pop().__exit__()


def innermost() -> DeviceContext | None:
    """The context that decides now."""
    for depth in reversed(range(_C._len_torch_function_stack())):
        mode = _C._get_function_stack_at(depth)
        if isinstance(mode, DeviceContext):
            return mode
    return None


_default = threading.local()


def replace_default(device) -> None:
    """Let a context below all others decide in this thread, in place of the one before."""
    context = None if device is None else DeviceContext(device)
    modes = [_C._pop_torch_function_stack() for _ in range(_C._len_torch_function_stack())]
    before = getattr(_default, "context", None)
    if context is not None:
        _C._push_on_torch_function_stack(context)
    for mode in reversed(modes):
        if mode is not before:
            _C._push_on_torch_function_stack(mode)
    _default.context = context
