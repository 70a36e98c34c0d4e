"""Tensors that a module owns: what it trains (`Parameter`) and what it only keeps (`Buffer`); and
those whose shape is not known yet."""

from __future__ import annotations

import functools
from collections import OrderedDict

import flambeau
from flambeau._tensor import set_attributes

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


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


def name_as_torch() -> None:
    """Let ``Parameter`` say that it is of ``torch``, where that is the name of the library."""
    Parameter.__module__ = "torch.nn.parameter"


if flambeau.__name__ == "torch":
    name_as_torch()


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


# What may be asked of a tensor without a shape: where it is, what it holds, and to move or cast it.
_BEFORE_SHAPE = (
    "__hash__ size copy_ is_complex is_floating_point half float double bfloat16 char short int "
    "long cuda cpu to get_device"
).split()


class UninitializedTensorMixin:
    """What `UninitializedParameter` and `UninitializedBuffer` share: no shape until
    `materialize` is given one."""

    cls_to_become: type

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Become an ordinary parameter or buffer of this shape, with memory that is not set.

        Args:
            shape: the sizes.
            device, dtype: as the tensor was made with, unless given.
        """
        data = self.data
        self.data = flambeau.empty(shape, device=device or data.device, dtype=dtype or data.dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. Call the lazy module "
            "once with a batch, which gives it its shape; a state dictionary that holds one cannot "
            "be loaded into a module that has its parameters already."
        )

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call the lazy module "
            "once before `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, proto):
        return type(self), (self.requires_grad, self.data.device, self.data.dtype)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            make, arguments = self.__reduce_ex__(2)
            memo[id(self)] = make(*arguments)
        return memo[id(self)]

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        allowed = func in _allowed_functions() or type(func).__name__ == "method-wrapper"
        if not allowed:
            raise ValueError(
                f"Attempted to use an uninitialized parameter in {func}: it has no shape yet. "
                "Call the lazy module once with a batch before its "
                f"`{cls.__name__}` is used otherwise."
            )
        return super().__torch_function__(func, types, args, kwargs or {})


@functools.lru_cache(None)
def _allowed_functions() -> frozenset:
    return frozenset(getattr(flambeau.Tensor, name) for name in _BEFORE_SHAPE)


def is_lazy(param) -> bool:
    """Whether a parameter or buffer has no shape yet.

    Example::

        >>> import flambeau
        >>> is_lazy(UninitializedParameter()), is_lazy(Parameter(flambeau.ones(1)))
        (True, False)
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet; a lazy module makes it an ordinary one when it
    sees its first input.

    Args:
        requires_grad: whether backward will fill ``grad``.
        device, dtype: of the parameter to be.

    Shape:
        - none, until `materialize` is given one.

    Example::

        >>> import flambeau
        >>> w = UninitializedParameter()
        >>> w
        <UninitializedParameter>
        >>> w.materialize((2, 3))
        >>> type(w).__name__, w.shape
        ('Parameter', torch.Size([2, 3]))
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        data = flambeau.empty(0, device=device, dtype=dtype)
        return flambeau.Tensor._make_subclass(cls, data, requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, flambeau.Tensor):  # type: ignore[misc]
    """A buffer whose shape is not known yet; see `UninitializedParameter`.

    Args:
        requires_grad: whether backward will fill ``grad``.
        device, dtype: of the buffer to be.
        persistent: whether ``state_dict`` includes it.

    Shape:
        - none, until `materialize` is given one.

    Example::

        >>> import flambeau
        >>> b = UninitializedBuffer()
        >>> b.materialize((2,))
        >>> b.shape
        torch.Size([2])
    """

    cls_to_become = flambeau.Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        data = flambeau.empty(0, device=device, dtype=dtype)
        buffer = flambeau.Tensor._make_subclass(cls, data, requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer
