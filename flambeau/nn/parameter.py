"""Tensors that a module owns: what it trains (`Parameter`) and what it only keeps (`Buffer`)."""

from __future__ import annotations

from collections import OrderedDict

import flambeau
from flambeau._tensor import set_attributes

__all__ = ["Buffer", "Parameter"]


class _ParameterMeta(type(flambeau.Tensor)):  # type: ignore[misc]
    """Lets a custom tensor that was wrapped by `Parameter` count as one."""

    def __instancecheck__(cls, instance) -> bool:
        if super().__instancecheck__(instance):
            return True
        return (
            cls is Parameter
            and isinstance(instance, flambeau.Tensor)
            and getattr(instance, "_is_param", False)
        )


class Parameter(flambeau.Tensor, metaclass=_ParameterMeta):
    """A tensor that a `Module` lists in `parameters()` as soon as it is assigned to it.

    Args:
        data: the initial value; its memory is shared. Empty when None.
        requires_grad: whether backward fills ``grad``.

    Shape:
        - data: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.nn.Parameter(flambeau.zeros(2, 3))
        >>> w.requires_grad, w.is_leaf
        (True, True)
    """

    def __new__(cls, data=None, requires_grad: bool = True):
        if data is None:
            data = flambeau.empty(0)
        if type(data) is flambeau.Tensor or type(data) is Parameter:
            return flambeau.Tensor._make_subclass(cls, data, requires_grad)
        # A custom tensor keeps its own type and is only marked.
        result = data.detach().requires_grad_(requires_grad)
        if type(result) is not type(data):
            raise RuntimeError(
                f"Parameter: {type(data).__name__}.detach() gave a {type(result).__name__}; to "
                "be used as a parameter, a custom tensor must keep its type in detach()."
            )
        result._is_param = True
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        state = self.__dict__.copy()
        # Hooks are not pickled: they would drag arbitrary functions into a checkpoint.
        if not state:
            return rebuild_parameter, (self.data, self.requires_grad, OrderedDict())
        return (
            rebuild_parameter_with_state,
            (self.data, self.requires_grad, OrderedDict(), state),
        )

    __torch_function__ = flambeau._C._disabled_torch_function_impl


def rebuild_parameter(data, requires_grad, backward_hooks):
    return Parameter(data, requires_grad)


def rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    parameter = Parameter(data, requires_grad)
    set_attributes(parameter, state)
    return parameter


class _BufferMeta(type(flambeau.Tensor)):  # type: ignore[misc]
    def __instancecheck__(cls, instance) -> bool:
        if super().__instancecheck__(instance):
            return True
        return (
            cls is Buffer
            and isinstance(instance, flambeau.Tensor)
            and getattr(instance, "_is_buffer", False)
        )


class Buffer(flambeau.Tensor, metaclass=_BufferMeta):
    """A tensor that a `Module` lists in `buffers()` as soon as it is assigned to it.

    Args:
        data: the value; its memory is shared. Empty when None.
        persistent: whether ``state_dict`` includes it.

    Shape:
        - data: any.

    Example::

        >>> import flambeau
        >>> m = flambeau.nn.Module()
        >>> m.mean = flambeau.nn.Buffer(flambeau.zeros(3))
        >>> [name for name, _ in m.named_buffers()]
        ['mean']
    """

    def __new__(cls, data=None, *, persistent: bool = True):
        if data is None:
            data = flambeau.empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer

    __torch_function__ = flambeau._C._disabled_torch_function_impl
