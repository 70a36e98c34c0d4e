"""``with flambeau.device(...)``: a function mode that says where factories put new tensors."""

from __future__ import annotations

import functools

import flambeau
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
