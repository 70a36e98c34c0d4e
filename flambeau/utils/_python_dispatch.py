"""Modes that see every op below autograd."""

from __future__ import annotations

from contextlib import contextmanager

from flambeau import _C

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass", "return_and_correct_aliasing"]


class TorchDispatchMode:
    """Answers for every op of the thread while it is active, below autograd.

    >>> class Ops(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> with Ops():
    ...     _ = flambeau.ones(2) + 1
    aten.ones.default
    aten.add.Tensor
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} must define __torch_dispatch__")

    def __enter__(self):
        _C._push_on_torch_dispatch_stack(self)
        return self

    def __exit__(self, *exc_info):
        _C._pop_torch_dispatch_stack()

    @classmethod
    def push(cls, *args, **kwargs):
        return cls(*args, **kwargs)


class BaseTorchDispatchMode(TorchDispatchMode):
    """Runs every op unchanged."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode():
    n = _C._len_torch_dispatch_stack()
    return _C._get_dispatch_stack_at(n - 1) if n else None


def _get_current_dispatch_mode_stack():
    return [_C._get_dispatch_stack_at(i) for i in range(_C._len_torch_dispatch_stack())]


@contextmanager
def _pop_mode_temporarily():
    mode = _C._pop_torch_dispatch_stack()
    try:
        yield mode
    finally:
        _C._push_on_torch_dispatch_stack(mode)


@contextmanager
def _disable_current_modes():
    modes = [_C._pop_torch_dispatch_stack() for _ in range(_C._len_torch_dispatch_stack())]
    try:
        yield modes
    finally:
        for mode in reversed(modes):
            _C._push_on_torch_dispatch_stack(mode)


def is_traceable_wrapper_subclass(t) -> bool:
    """Whether ``t`` is a subclass that says how it is taken apart and put together again."""
    return hasattr(t, "__tensor_flatten__") and hasattr(type(t), "__tensor_unflatten__")


def return_and_correct_aliasing(func, args, kwargs, out):
    """What a ``__torch_dispatch__`` returns for an op that writes: the argument it wrote to."""
    written = [
        value
        for argument, value in _bound(func, args, kwargs)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    if not written:
        return out
    return written[0] if len(written) == 1 else tuple(written)


def _bound(func, args, kwargs):
    for i, argument in enumerate(func._schema.arguments):
        if i < len(args):
            yield argument, args[i]
        elif argument.name in (kwargs or {}):
            yield argument, kwargs[argument.name]
