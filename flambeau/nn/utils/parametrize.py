"""Parameters as functions of other parameters.

A parametrised layer gets a class of its own, in which the parameter's name is a property: reading
it runs the functions on the originals, assigning to it runs their inverses.
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Sequence
from contextlib import contextmanager

import flambeau
from flambeau.nn.modules.container import ModuleDict, ModuleList
from flambeau.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_enabled = 0
_cache: dict = {}


@contextmanager
def cached():
    """A context in which each parametrised tensor is computed once.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.utils.parametrizations.weight_norm(flambeau.nn.Linear(2, 2))
        >>> with cached():
        ...     layer.weight is layer.weight
        True
    """
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module, name: str, tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(what: str, before, after) -> None:
    """Dtype and shape stay, unless the caller has said that they need not."""
    if not isinstance(after, flambeau.Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(after).__name__}.")
    for field in ("dtype", "shape"):
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            raise ValueError(
                f"Registering a parametrization may not change the {field} of the tensor, unless "
                f"the `unsafe` flag is enabled: it was {old}, {what} gives {new}"
            )


def _inverse(modules, value, strict: bool):
    """Through all right inverses, the last function's first."""
    for module in reversed(list(modules)):
        if hasattr(module, "right_inverse"):
            try:
                value = module.right_inverse(value)
            except NotImplementedError:
                if strict:
                    raise
        elif strict:
            raise RuntimeError(
                f"parametrization {type(module).__name__} does not implement right_inverse."
            )
    return value


class ParametrizationList(ModuleList):
    """The functions of one parametrised tensor, and its originals: ``original``, or ``original0``,
    ``original1``, ... where the first function takes several.

    Args:
        modules: the functions, the first one first.
        original: the tensor.
        unsafe: whether shape and dtype may change.

    Shape:
        - original: any.

    Example::

        >>> import flambeau
        >>> ParametrizationList([flambeau.nn.ReLU()], flambeau.tensor([-1.0, 2.0]))()
        tensor([0., 2.])
    """

    def __init__(self, modules: Sequence, original, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape_like = original.detach()
        with flambeau.no_grad():
            new = _inverse(self, original, strict=False)
        self.is_tensor = isinstance(new, flambeau.Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            for field in ("dtype", "device"):
                if getattr(original, field) != getattr(new, field):
                    raise ValueError(
                        f"When `right_inverse` outputs one tensor, it may not change the {field}: "
                        f"{getattr(original, field)} became {getattr(new, field)}"
                    )
            with flambeau.no_grad():
                original.set_(new)
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, flambeau.Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors. Got "
                        f"element {i} of the sequence with type {type(part).__name__}."
                    )
                if isinstance(original, Parameter):
                    part = Parameter(part.detach(), original.requires_grad)
                part.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", part)
        if not unsafe:
            _check_same("A parametrization", shape_like, self())

    def right_inverse(self, value) -> None:
        """Let the originals be such that the functions give ``value``."""
        with flambeau.no_grad():
            value = _inverse(self, value, strict=True)
            if self.is_tensor:
                parts, names = [value], ["original"]
            else:
                if not isinstance(value, Sequence):
                    raise ValueError(
                        "'right_inverse' must return a sequence of tensors. Got "
                        f"{type(value).__name__}."
                    )
                if len(value) != self.ntensors:
                    raise ValueError(
                        "'right_inverse' must return a sequence of tensors of length "
                        f"{self.ntensors}. Got a sequence of length {len(value)}."
                    )
                parts, names = list(value), [f"original{i}" for i in range(self.ntensors)]
            for part, name in zip(parts, names):
                kept = getattr(self, name)
                if not isinstance(part, flambeau.Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(part).__name__}"
                    )
                if part.dtype != kept.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {part.dtype} while "
                        f"`{name}` has dtype {kept.dtype}"
                    )
            for part, name in zip(parts, names):
                getattr(self, name).set_(part)

    def forward(self):
        """The parametrised tensor."""
        if self.is_tensor:
            x = self[0](self.original)
        else:
            x = self[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for i in range(1, len(self)):
            x = self[i](x)
        return x


def _copied(self, memo):
    known = memo.get(id(self))
    if known is not None:
        return known
    twin = self.__new__(self.__class__)
    memo[id(self)] = twin
    twin.__dict__ = copy.deepcopy(self.__dict__, memo)
    for slot in copyreg._slotnames(self.__class__):  # type: ignore[attr-defined]
        if hasattr(self, slot):
            setattr(twin, slot, copy.deepcopy(getattr(self, slot), memo))
    return twin


def _refuse_pickle(self):
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(): save that, "
        "and load it into a module that is parametrized alike"
    )


def _inject_new_class(module) -> None:
    cls = type(module)
    members = {"__getstate__": _refuse_pickle}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _copied
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module, name: str) -> None:
    def get(self):
        functions = self.parametrizations[name]
        if not _cache_enabled:
            return functions()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = functions()
        return _cache[key]

    def put(self, value) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, put))


def register_parametrization(module, tensor_name: str, parametrization, *, unsafe: bool = False):
    """Make a parameter or buffer the result of a function, or of one function more.

    Args:
        module: the layer.
        tensor_name: which of its tensors.
        parametrization: a module that takes the tensor and gives one in its place; its
            ``right_inverse``, if it has one, gives the first original, or several.
        unsafe: let shape and dtype change.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.Linear(2, 2)
        >>> layer = register_parametrization(layer, "weight", flambeau.nn.ReLU())
        >>> bool((layer.weight >= 0).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_same("A parametrization", before, after)
            back = _inverse([parametrization], after, strict=False)
            _check_same("parametrization.right_inverse", before, back)
        functions = module.parametrizations[tensor_name]
        functions.append(parametrization)
        functions.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        functions = ParametrizationList(
            [parametrization], getattr(module, tensor_name), unsafe=unsafe
        )
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = functions
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def is_parametrized(module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of a module, or any of them, is parametrised.

    Args:
        module: the layer.
        tensor_name: which of its tensors; None: any.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> is_parametrized(flambeau.nn.Linear(1, 1))
        False
    """
    functions = getattr(module, "parametrizations", None)
    if not isinstance(functions, ModuleDict):
        return False
    return len(functions) > 0 if tensor_name is None else tensor_name in functions


def remove_parametrizations(module, tensor_name: str, leave_parametrized: bool = True):
    """Make a parametrised tensor a plain one again.

    Args:
        module: the layer.
        tensor_name: which of its tensors.
        leave_parametrized: keep what the functions give now; else the original.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.utils.parametrizations.weight_norm(flambeau.nn.Linear(2, 2))
        >>> type(remove_parametrizations(layer, "weight")).__name__
        'Linear'
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    functions = module.parametrizations[tensor_name]
    if functions.is_tensor:
        original = functions.original
        if leave_parametrized:
            with flambeau.no_grad():
                original.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module) -> type:
    """The class that a module had before.

    Args:
        module: the layer.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> type_before_parametrizations(flambeau.nn.Linear(1, 1)).__name__
        'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name: str | None = None):
    """Give a module the functions and originals of another.

    Args:
        from_module: the module that has them.
        to_module: the module that gets them.
        tensor_name: of which tensor; None: of all.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> a, b = flambeau.nn.Linear(2, 2), flambeau.nn.Linear(2, 2)
        >>> a = register_parametrization(a, "weight", flambeau.nn.ReLU())
        >>> b = transfer_parametrizations_and_params(a, b)
        >>> flambeau.equal(a.weight, b.weight)
        True
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        functions = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for function in functions:
            register_parametrization(to_module, name, function)
        originals = (
            ["original"]
            if functions.is_tensor
            else [f"original{i}" for i in range(functions.ntensors)]
        )
        for original in originals:
            setattr(to_module.parametrizations[name], original, getattr(functions, original))
    return to_module
