"""Context managers and decorators that turn the recording of operations off and on."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from flambeau import _C

__all__ = [
    "enable_grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class _Decorator:
    """Makes a context manager a decorator of functions, generators and classes."""

    def __call__(self, orig_func: Callable) -> Callable:
        if inspect.isclass(orig_func):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the class {orig_func.__name__}: decorate "
                "its methods"
            )
        wrap = _wrap_generator if inspect.isgeneratorfunction(orig_func) else _wrap_function
        return wrap(self.clone, orig_func)

    def clone(self):
        return type(self)()


def _wrap_function(make: Callable, func: Callable) -> Callable:
    @functools.wraps(func)
    def inside(*args, **kwargs):
        with make():
            return func(*args, **kwargs)

    return inside


def _wrap_generator(make: Callable, func: Callable) -> Callable:
    """The mode holds while the generator runs, and not while its caller does."""

    @functools.wraps(func)
    def inside(*args, **kwargs):
        generator = func(*args, **kwargs)
        try:
            with make():
                value = generator.send(None)
            while True:
                try:
                    request = yield value
                except GeneratorExit:
                    with make():
                        generator.close()
                    raise
                except BaseException:
                    with make():
                        value = generator.throw(*sys.exc_info())
                else:
                    with make():
                        value = generator.send(request)
        except StopIteration as stop:
            return stop.value

    return inside


class no_grad(_C._NoGrad, _Decorator):
    """Operations inside are not recorded: their results do not require grad.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
        >>> @torch.no_grad()
        ... def double(x):
        ...     return x * 2
        >>> double(x).requires_grad
        False
    """

    __slots__ = ()


class enable_grad(_C._EnableGrad, _Decorator):
    """Operations inside are recorded, also where ``no_grad`` surrounds it.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.no_grad(), torch.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    __slots__ = ()


class set_grad_enabled(_C._SetGrad, _Decorator):
    """Turns recording on or off, at once or for the block that follows.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.set_grad_enabled(False):
        ...     torch.is_grad_enabled()
        False
        >>> torch.is_grad_enabled()
        True
    """

    __slots__ = ()

    def __call__(self, orig_func: Callable) -> Callable:
        _C._set_grad_enabled(self.prev)  # a decorator concerns the function only
        return super().__call__(orig_func)

    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__name__}(mode={self.mode})"

    def clone(self):
        # Making one sets the mode; inside(), which leaves again, is where it is made.
        return type(self)(self.mode)


class inference_mode(_C._InferenceGuard, _Decorator):
    """As ``no_grad``, and tensors made inside carry no version: they can never be recorded.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(1, requires_grad=True)
        >>> with torch.inference_mode():
        ...     y = x * 2
        >>> y.is_inference()
        True
    """

    __slots__ = ()

    def clone(self):
        return type(self)(self.mode)


class _Setting:
    """Sets a flag of the thread, and brings it back at the end of a block."""

    _get: Callable[[], bool]
    _set: Callable[[bool], None]

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.prev = self._get()
        self._set(mode)

    def __enter__(self) -> None:
        self._set(self.mode)

    def __exit__(self, *exc_info: Any) -> None:
        self._set(self.prev)

    def clone(self):
        return type(self)(self.mode)


class set_multithreading_enabled(_Setting, _Decorator):
    """PyTorch's switch for backward on several threads; here backward runs on the caller's.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.set_multithreading_enabled(False):
        ...     torch.autograd.is_multithreading_enabled()
        False
    """

    _get = staticmethod(_C._is_multithreading_enabled)
    _set = staticmethod(_C._set_multithreading_enabled)

    def __call__(self, orig_func: Callable) -> Callable:
        self._set(self.prev)
        return super().__call__(orig_func)


class _force_original_view_tracking(_Setting, _Decorator):
    _get = staticmethod(_C._is_view_replay_enabled)
    _set = staticmethod(_C._set_view_replay_enabled)

    def __call__(self, orig_func: Callable) -> Callable:
        self._set(self.prev)
        return super().__call__(orig_func)


class _unsafe_preserve_version_counter:
    """Changes in place inside of the block are not counted."""

    def __init__(self, tensors) -> None:
        self.tensors = (tensors,) if not isinstance(tensors, (tuple, list)) else tuple(tensors)
        self.versions = tuple(t._version for t in self.tensors)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: Any) -> None:
        _C._unsafe_set_version_counter(self.tensors, self.versions)
