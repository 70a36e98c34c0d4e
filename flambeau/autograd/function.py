"""Functions with a backward of one's own.

A subclass of :class:`Function` says how its result is computed (``forward``) and how gradients pass
through it (``backward``). Each call makes a *context*, an object of a class that is derived from
:class:`BackwardCFunction` and named after the function: it carries what ``forward`` leaves for
``backward``, and it is the ``grad_fn`` of the outputs.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau import _C

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]


class FunctionCtx:
    """What ``forward`` and ``backward`` are given as ``ctx``; it takes any attribute.

    Shape:
        - no tensors.
    """

    def save_for_backward(self, *tensors) -> None:
        """Keep inputs and outputs of ``forward`` for ``backward``, in ``ctx.saved_tensors``.

        They are checked for changes in place, and freed with the graph. To be called once at most.

        Example::

            >>> import flambeau as torch
            >>> class Square(torch.autograd.Function):
            ...     @staticmethod
            ...     def forward(ctx, x):
            ...         ctx.save_for_backward(x)
            ...         return x * x
            ...     @staticmethod
            ...     def backward(ctx, grad):
            ...         (x,) = ctx.saved_tensors
            ...         return 2 * x * grad
            >>> x = torch.tensor(3.0, requires_grad=True)
            >>> Square.apply(x).backward()
            >>> x.grad
            tensor(6.)
        """
        self.to_save = tensors

    def save_for_forward(self, *tensors) -> None:
        """Keep tensors for ``jvp``, in ``ctx.saved_tensors``."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args) -> None:
        """Say which inputs ``forward`` has modified in place; it must return each of them."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args) -> None:
        """Say which outputs have no gradient; ``backward`` is given zeros for them."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` is given zeros (True) or None where a gradient is missing."""
        self.materialize_grads = value

    def mark_shared_storage(self, *pairs) -> None:
        """Deprecated, as in PyTorch: sharing of memory is tracked without it."""
        warnings.warn(
            "mark_shared_storage is deprecated: tensors that share memory are tracked "
            "automatically, and views are allowed as outputs",
            FutureWarning,
            stacklevel=2,
        )


class _HookMixin:
    @staticmethod
    def _register_hook(backward_hooks, hook):
        from flambeau.utils.hooks import RemovableHandle

        if backward_hooks is None:
            from collections import OrderedDict

            backward_hooks = OrderedDict()
        handle = RemovableHandle(backward_hooks)
        backward_hooks[handle.id] = hook
        return backward_hooks, handle


class BackwardCFunction(_C._FunctionBase, FunctionCtx, _HookMixin):
    """The base of all contexts."""

    _forward_cls: type[Function]

    def apply(self, *args):
        """What the engine calls: ``backward``, or ``vjp``, which is another name for it."""
        backward, vjp = self._forward_cls.backward, self._forward_cls.vjp
        if vjp is Function.vjp:
            return backward(self, *args)
        if backward is not Function.backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. "
                "You should only implement one of them."
            )
        return vjp(self, *args)

    def apply_jvp(self, *args):
        return self._forward_cls.jvp(self, *args)


class FunctionMeta(type):
    """Gives each Function the class of its contexts."""

    def __init__(cls, name, bases, attrs) -> None:
        cls._backward_cls = type(
            name + "Backward",
            (BackwardCFunction,),
            {"_forward_cls": cls, "__module__": cls.__module__},
        )
        super().__init__(name, bases, attrs)


class Function(_C._FunctionBase, FunctionCtx, _HookMixin, metaclass=FunctionMeta):
    """Base of functions that define their own gradient. All methods are static.

    ``forward(ctx, *args)`` computes the result, or ``forward(*args)`` together with
    ``setup_context(ctx, inputs, output)``; ``backward(ctx, *grads)`` is given one gradient for each
    output and returns one for each argument of ``forward``, None for what is no tensor. Call the
    function by ``apply``.

    Shape:
        - forward, any tensors in and out; backward, the gradients' shapes are those of the outputs.

    Example::

        >>> import flambeau as torch
        >>> class Exp(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(x):
        ...         return x.exp()
        ...     @staticmethod
        ...     def setup_context(ctx, inputs, output):
        ...         ctx.save_for_backward(output)
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (y,) = ctx.saved_tensors
        ...         return grad * y
        >>> x = torch.zeros(2, requires_grad=True)
        >>> y = Exp.apply(x)
        >>> y.grad_fn.name()
        'ExpBackward'
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs) -> None:
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method: call it by apply()."
        )

    @staticmethod
    def forward(*args, **kwargs) -> Any:
        """Compute the result. To be overridden."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep on ``ctx`` what ``backward`` needs, where ``forward`` does not take a ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Give the gradients of the arguments from those of the results. To be overridden."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Give the tangents of the results from those of the arguments."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        """The rule by which ``flambeau.func.vmap`` maps the function."""
        raise NotImplementedError("To use autograd.Function with vmap, you must override vmap.")

    @classmethod
    def apply(cls, *args, **kwargs):
        """Call the function, and record it when an argument requires grad."""
        if (level := _C._transform_level()) is not None:
            from flambeau.func._custom import apply_at

            if cls.setup_context is not _no_setup_context:
                args, kwargs = _bound(cls.forward, args, kwargs), {}
            return apply_at(level, cls, args)
        if cls.setup_context is _no_setup_context:
            if kwargs:
                raise TypeError(
                    f"{cls.__name__}.apply() takes keyword arguments only where setup_context is "
                    "defined"
                )
            return cls._apply(False, *args)
        return cls._apply(True, *_bound(cls.forward, args, kwargs))


_no_setup_context = Function.setup_context


def _bound(forward: Callable, args: tuple, kwargs: dict) -> tuple:
    """The arguments in order, defaults filled in."""
    bound = _signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


@functools.lru_cache(maxsize=256)
def _signature(forward: Callable) -> inspect.Signature:
    return inspect.signature(forward)


def once_differentiable(fn: Callable) -> Callable:
    """Declare a ``backward`` that cannot be differentiated again: a second time is an error.

    Shape:
        - fn, any backward of a :class:`Function`.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.autograd.function import once_differentiable
        >>> class Double(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        ...     @staticmethod
        ...     @once_differentiable
        ...     def backward(ctx, grad):
        ...         return 2 * grad
        >>> x = torch.ones(1, requires_grad=True)
        >>> torch.autograd.grad(Double.apply(x), x)
        (tensor([2.]),)
    """

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        with flambeau.no_grad():
            outputs = fn(ctx, *args)
        if not flambeau.is_grad_enabled():
            return outputs
        # The gradients would seem to be constants; instead they say so when they are asked.
        if not any(isinstance(a, flambeau.Tensor) and a.requires_grad for a in args):
            return outputs
        single = not isinstance(outputs, tuple)
        wrapped = _error_if_differentiated(*((outputs,) if single else outputs))
        return wrapped[0] if single else wrapped

    return wrapper


class _OnlyOnce(Function):
    @staticmethod
    def forward(ctx, *tensors):
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def _error_if_differentiated(*outputs):
    places = [i for i, t in enumerate(outputs) if isinstance(t, flambeau.Tensor)]
    results = list(outputs)
    sources = [results[i].detach().requires_grad_() for i in places]
    for i, t in zip(places, _OnlyOnce.apply(*sources) if sources else ()):
        results[i] = t
    return tuple(results)


class InplaceFunction(Function):
    """Deprecated base of functions with an ``inplace`` flag; use :class:`Function`.

    Shape:
        - as in :class:`Function`.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """PyTorch's legacy functions over nested structures have no counterpart; use :class:`Function`.

    Shape:
        - as in :class:`Function`.
    """

    @classmethod
    def apply(cls, *args, **kwargs):
        raise NotImplementedError(
            "NestedIOFunction is a legacy interface: flatten the structures and use Function"
        )
