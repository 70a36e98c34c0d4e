"""Modules that hold modules, and modules that hold parameters."""

from __future__ import annotations

import itertools
import operator
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import flambeau

from ..parameter import Parameter
from . import _hooks
from .module import Module, _addindent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Container",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
]

_plain_call = Module.__call__


def _index(idx, length: int) -> int:
    """``idx`` as a position in a sequence of ``length``, negative ones counted from the end."""
    idx = operator.index(idx)
    if not -length <= idx < length:
        raise IndexError(f"index {idx} is out of range")
    return idx % length


def _pairs(container: str, given):
    """The ``(key, value)`` pairs of a mapping or of an iterable of pairs."""
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{container}.update should be called with an iterable of key/value pairs, but got "
            + type(given).__name__
        )
    if isinstance(given, (Mapping, ModuleDict, ParameterDict)):
        return given.items()
    pairs = []
    for i, pair in enumerate(given):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{container} update sequence element #{i} should be Iterable; is "
                + type(pair).__name__
            )
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(
                f"{container} update sequence element #{i} has length {len(pair)}; 2 is required"
            )
        pairs.append(pair)
    return pairs


class _Indexed(Module):
    """Children numbered from 0, as `Sequential` and `ModuleList` keep them."""

    _modules: dict[str, Module]

    def _key(self, idx) -> str:
        return list(self._modules)[_index(idx, len(self))]

    def __setitem__(self, idx, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx) -> None:
        keys = list(self._modules)[idx] if isinstance(idx, slice) else [self._key(idx)]
        for key in keys:
            delattr(self, key)
        self._modules = {str(i): module for i, module in enumerate(self._modules.values())}

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def pop(self, key):
        """Take the module at index ``key`` out and return it."""
        module = self[key]
        del self[key]
        return module

    def append(self, module: Module):
        """Add ``module`` at the end."""
        self.add_module(str(len(self)), module)
        return self


class Sequential(_Indexed):
    """Modules one after the other: the output of each is the input of the next.

    Args:
        args: modules in order, or one ``OrderedDict`` of names and modules.

    Shape:
        - input: what the first module takes.
        - output: what the last module gives.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> net(flambeau.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    def __init__(self, *args) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._key(idx)]

    def forward(self, input) -> Any:
        # `module(input)`, without the two calls in between for a module that is called plainly.
        # See Note [When a call may skip the hooks].
        for module in self._modules.values():
            if not _hooks.ever_used and type(module).__call__ is _plain_call:
                input = module.forward(input)
            else:
                input = module(input)
        return input

    def __add__(self, other):
        self._require_sequential("add", other)
        return Sequential(*self, *other)

    def __iadd__(self, other):
        self._require_sequential("add", other)
        for module in list(other):
            self.append(module)
        return self

    @staticmethod
    def _require_sequential(what: str, other) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"{what} operator supports only objects of Sequential class, but {type(other)} is "
                "given."
            )

    def _require_factor(self, factor) -> None:
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")

    def __mul__(self, other: int):
        self._require_factor(other)
        return Sequential(*(list(self) * other))

    def __rmul__(self, other: int):
        return self * other

    def __imul__(self, other: int):
        self._require_factor(other)
        for module in list(self) * (other - 1):
            self.append(module)
        return self

    def insert(self, index: int, module: Module):
        """Put ``module`` at ``index`` and move those behind it."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        length = len(self)
        if not -length <= index <= length:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._modules = {str(i): m for i, m in enumerate(modules)}
        return self

    def extend(self, sequential):
        """Add all modules of ``sequential`` at the end."""
        for module in list(sequential):
            self.append(module)
        return self


class ModuleList(_Indexed):
    """A list of modules that the enclosing module knows of. It has no ``forward``.

    Args:
        modules: the modules to start with.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau import nn
        >>> blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> len(blocks), len(list(blocks.parameters()))
        (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[self._key(idx)]

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        return ModuleList([*self, *other])

    def insert(self, index: int, module: Module) -> None:
        """Put ``module`` at ``index`` and move those behind it."""
        for i in range(len(self._modules), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module

    def extend(self, modules: Iterable[Module]):
        """Add all of ``modules`` at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        offset = len(self)
        for i, module in enumerate(list(modules)):
            self.add_module(str(offset + i), module)
        return self

    def __repr__(self) -> str:
        """Runs of children that print alike take one line."""
        if not self._modules:
            return self._get_name() + "()"
        lines, start = [], 0
        for text, run in itertools.groupby(repr(module) for module in self):
            count = len(list(run))
            if count == 1:
                line = f"({start}): {text}"
            else:
                line = f"({start}-{start + count - 1}): {count} x {text}"
            lines.append(_addindent(line, 2))
            start += count
        return self._get_name() + "(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules that the enclosing module knows of. It has no ``forward``.

    Args:
        modules: a mapping, or an iterable of pairs, to start with.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau import nn
        >>> heads = nn.ModuleDict({"small": nn.Linear(4, 2), "large": nn.Linear(4, 10)})
        >>> heads["small"].out_features
        2
    """

    _modules: dict[str, Module]

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take the module under ``key`` out and return it."""
        module = self[key]
        del self[key]
        return module

    def keys(self):
        """The keys, in order of insertion."""
        return self._modules.keys()

    def items(self):
        """The ``(key, module)`` pairs."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules) -> None:
        """Add the pairs of ``modules``, over those with the same keys."""
        for key, module in _pairs("ModuleDict", modules):
            self[key] = module


def _as_parameter(value):
    """Tensors become parameters; anything else is kept as it is."""
    if isinstance(value, flambeau.Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _describe(value, kind) -> str:
    """One line of a parameter container's ``repr``."""
    if not isinstance(value, flambeau.Tensor):
        return f"Object of type: {type(value).__name__}"
    role = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(str(n) for n in value.size())
    device = "" if value.device.type == "cpu" else f" ({value.device})"
    return f"{role} containing: [{kind(value)} of size {size}{device}]"


class ParameterList(Module):
    """A list of parameters that the enclosing module knows of. Tensors that are added become
    parameters; other values may be kept too, and are not.

    Args:
        values: what to start with.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> weights = nn.ParameterList(flambeau.zeros(2, n) for n in (3, 4))
        >>> [tuple(w.shape) for w in weights]
        [(2, 3), (2, 4)]
    """

    def __init__(self, values: Iterable | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _get_abs_string_index(self, idx) -> str:
        return str(_index(idx, len(self)))

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(self[i] for i in range(len(self))[idx])
        return getattr(self, self._get_abs_string_index(idx))

    def __setitem__(self, idx: int, param) -> None:
        setattr(self, self._get_abs_string_index(idx), _as_parameter(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self):
        return iter(self[i] for i in range(len(self)))

    def __iadd__(self, parameters):
        return self.extend(parameters)

    def append(self, value):
        """Add ``value`` at the end."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable):
        """Add all of ``values`` at the end."""
        if not isinstance(values, Iterable) or isinstance(values, flambeau.Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                + type(values).__name__
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        lines = (f"  ({i}): {_describe(v, lambda t: t.dtype)}" for i, v in enumerate(self))
        return "\n".join(lines)

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters that the enclosing module knows of. Tensors that are added become
    parameters; other values may be kept too, and are not.

    Args:
        parameters: a mapping, or an iterable of pairs, to start with.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> params = nn.ParameterDict({"scale": flambeau.ones(1), "shift": flambeau.zeros(1)})
        >>> params["scale"].requires_grad
        True
    """

    def __init__(self, parameters=None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _key_to_attr(self, key: str) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}')."
            )
        return key

    def __getitem__(self, key: str):
        return getattr(self, self._key_to_attr(key))

    def __setitem__(self, key: str, value) -> None:
        attr = self._key_to_attr(key)
        self._keys[key] = None
        setattr(self, attr, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._key_to_attr(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> ParameterDict:
        """A new dictionary of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default=None):
        """The value under ``key``, which is ``default`` if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Take all values out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str):
        """Take the value under ``key`` out and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, object]:
        """Take the last pair out and return it."""
        if not self._keys:
            raise KeyError("popitem: ParameterDict is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default=None):
        """The value under ``key``, or ``default``."""
        return self[key] if key in self else default

    def fromkeys(self, keys, default=None) -> ParameterDict:
        """A new dictionary with ``default`` under each of ``keys``."""
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The keys, in order of insertion."""
        return self._keys.keys()

    def items(self):
        """The ``(key, value)`` pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters) -> None:
        """Add the pairs of ``parameters``, over those with the same keys."""
        pairs = _pairs("ParameterDict", parameters)
        # As in PyTorch, so that optimisers list the same parameters in the same order.
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs)
        for key, value in pairs:
            self[key] = value

    def extra_repr(self) -> str:
        return "\n".join(f"  ({k}): {_describe(v, lambda t: t.type())}" for k, v in self.items())

    def __call__(self, input):
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other):
        merged = other.copy()
        merged.update(self)
        return merged

    def __ior__(self, other):
        self.update(other)
        return self


class Container(Module):
    """A module with others as attributes; `Module` itself does all that it did.

    Args:
        kwargs: the modules, by name.

    Shape:
        - none: it has no forward.

    Example::

        >>> import flambeau, warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     box = Container(first=flambeau.nn.ReLU())
        >>> [name for name, _ in box.named_children()]
        ['first']
    """

    def __init__(self, **kwargs) -> None:
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__()
        for key, value in kwargs.items():
            self.add_module(key, value)
