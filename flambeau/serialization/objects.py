"""Objects of classes, for ``weights_only=False``: which classes a file may name, and how an object
is made of what it says.

Note [Objects without calls]: no function that a file names is called, and no class either. An
object is made by the builtin type under its class (``object.__new__``, ``dict.__new__``), never by
a ``__new__`` or ``__init__`` of the class; its state is written into ``__dict__`` and slots, past
``__setattr__`` and properties. ``__setstate__`` is called, of classes that are allowed. A class
with ``__del__`` would run when the object is dropped, so it is refused.

Allowed are the classes of flambeau's networks, optimisers and data, those of the program itself,
and those of modules that the caller names. Nothing is imported because a file says so: a module of
the program has to be there already.
"""

from __future__ import annotations

import enum
import functools
import importlib
import os
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque

import flambeau

from .errors import CheckpointError, Damaged, short
from .limits import check_key
from .unpickler import Callable, UserClass, attributes

# What a class may derive from that is not written in Python, the more special first.
_EMPTY = (OrderedDict, Counter, defaultdict, deque, list, dict, set)
_VALUES = (bool, int, float, complex, str, bytes)
_BASES = (*_EMPTY, frozenset, tuple, *_VALUES, object)

# Where the library's own classes for whole models and training states are.
_LIBRARY = ("nn", "optim", "utils.data", "utils.hooks", "distributions", "amp")


class KnownClass(UserClass):
    """A class whose objects are made without calling anything: see Note [Objects without calls]."""

    __slots__ = ()

    def call(self, machine, args):
        """As pickle writes what derives from containers; nothing else is called."""
        base = _builtin_base(self.cls)
        if base is frozenset:
            return frozenset.__new__(self.cls, _elements(machine, args))
        if base not in _EMPTY:
            raise Damaged(f"it calls {_told(self.cls)}")
        made = base.__new__(self.cls)
        if base is set:
            set.update(made, _elements(machine, args))
        elif base is defaultdict:
            defaultdict.__init__(made, default_factory(*args))
            machine.budget.nested()
        elif base is deque:
            _fill_deque(machine, made, *args)
        elif base is Counter and len(args) == 1 and type(args[0]) is dict:
            machine.set_items(made, [x for pair in args[0].items() for x in pair])
        elif args and args != ([],):
            raise Damaged(f"it calls {_told(self.cls)} with {short(args)}")
        return made

    def make(self, machine, args, kwargs):
        base = _builtin_base(self.cls)
        if base is tuple and not kwargs:
            return tuple.__new__(self.cls, _items_of_tuple(machine, self.cls, args))
        if base is frozenset and not kwargs:
            return frozenset.__new__(self.cls, _elements(machine, args))
        if base in _VALUES and len(args) == 1 and type(args[0]) is base and not kwargs:
            return base.__new__(self.cls, args[0])
        if kwargs or args:
            raise Damaged(f"it gives {short(args)} to the __new__ of {_told(self.cls)}")
        if base is defaultdict:
            machine.budget.nested()
        return base.__new__(self.cls)

    def set_state(self, machine, target, state):
        own = class_attribute(self.cls, "__setstate__")
        if own is None:
            write_state(target, state)
            return
        if not isinstance(own, types.FunctionType):
            raise Damaged(f"it sets the state of a {full_name(self.cls)}, which is not in Python")
        try:
            own(target, state)
        except Exception as error:
            raise Damaged(
                f"{full_name(self.cls)}.__setstate__ raised {type(error).__name__}: "
                f"{str(error)[:500]}"
            ) from error


class KnownEnum(UserClass):
    """An enumeration, whose members are found by their values."""

    __slots__ = ()

    def call(self, machine, args):
        if len(args) == 1:
            for member in self.cls.__members__.values():
                value = member._value_
                if type(value) is type(args[0]) and (value is args[0] or plain_equal(value, *args)):
                    return member
            if issubclass(self.cls, enum.Flag) and type(args[0]) is int:
                own = class_attribute(self.cls, "_missing_")
                if own is class_attribute(enum.Flag, "_missing_"):
                    return self.cls(args[0])
        raise Damaged(f"{full_name(self.cls)} has no member {short(args)}")

    def make(self, machine, args, kwargs):
        raise Damaged(f"it makes a member of {full_name(self.cls)}")

    def set_state(self, machine, target, state):
        raise Damaged(f"it sets the state of a member of {full_name(self.cls)}")


def plain_equal(a, b) -> bool:
    """Whether plain values are equal; False for all others, which may compare as they like."""
    if type(a) in (int, float, str, bytes, bool, complex, type(None)):
        return a == b
    if type(a) is tuple and len(a) == len(b) < 100:
        return all(type(x) is type(y) and plain_equal(x, y) for x, y in zip(a, b))
    return False


def _told(cls) -> str:
    return (
        f"{full_name(cls)}, and no class is called for a file; if you trust it, allow that by "
        f"flambeau.serialization.add_safe_globals([{cls.__qualname__}])"
    )


def full_name(cls) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _elements(machine, args: tuple) -> list:
    if len(args) != 1 or type(args[0]) is not list:
        raise Damaged(f"it makes a set of {short(args)}")
    machine.budget.copy(args[0])
    for element in args[0]:
        check_key(element)
    return args[0]


def _fill_deque(machine, made: deque, items=(), maxlen=None) -> None:
    if type(items) not in (list, tuple) or (maxlen is not None and type(maxlen) is not int):
        raise Damaged(f"a deque of {short(items)}, at most {short(maxlen)}")
    machine.budget.copy(items)
    deque.__init__(made, items, maxlen)


def make_deque(machine, items=(), maxlen=None) -> deque:
    made: deque = deque()
    _fill_deque(machine, made, items, maxlen)
    return made


def default_factory(factory=None):
    """``factory`` if a defaultdict in a file may call it."""
    kinds = (None, list, dict, set, int, float, str, bool, tuple, OrderedDict, Counter, deque)
    if not any(factory is kind for kind in kinds):
        raise Damaged(f"a defaultdict of {short(factory)} is not allowed")
    return factory


def _items_of_tuple(machine, cls, args: tuple):
    fields = getattr(cls, "_fields", None)
    items = args
    if not (isinstance(fields, tuple) and len(fields) == len(args)):  # no named tuple
        if isinstance(fields, tuple) or len(args) != 1 or type(args[0]) not in (tuple, list):
            raise Damaged(f"a {full_name(cls)} of {short(args)}")
        items = args[0]
    machine.budget.copy(items)
    return items


def _builtin_base(cls):
    for base in cls.__mro__:
        if base in _BASES:
            return base
    return object


def class_attribute(cls, name: str):
    """An attribute of a class as it is written down, or None; nothing of a metaclass runs."""
    for kind in cls.__mro__[:-1]:
        if name in kind.__dict__:
            return kind.__dict__[name]
    return None


def write_state(target, state) -> None:
    """Attributes and slots, as the default of pickle sets them, but past all code of the class."""
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    if state is not None:
        target.__dict__.update(attributes(state))
    for name, value in attributes(slots or {}).items():
        slot = class_attribute(type(target), name)
        if isinstance(slot, types.MemberDescriptorType):
            slot.__set__(target, value)
        elif slot is None and hasattr(target, "__dict__"):
            target.__dict__[name] = value
        else:
            raise Damaged(f"{full_name(type(target))} has no slot {short(name)}")


# ---- which classes


class Objects:
    """Finds what ``weights_only=False`` allows besides tensors and plain containers."""

    def __init__(self, safe_modules=()) -> None:
        self.safe = tuple(_module_name(module) for module in safe_modules)

    def find(self, module: str, name: str):
        """What a name in a file stands for, or None."""
        if module == "torch._C" and name == "_VariableFunctionsClass":
            return _FUNCTIONS
        value = self._resolve(module, name)
        if value is None:
            return None
        if isinstance(value, type):
            return self.rule(value)
        return value if _is_function_of_the_library(value) else None

    def rule(self, cls) -> UserClass:
        """How to make objects of ``cls``."""
        if type(cls.__module__) is not str or not self._allows(cls.__module__):
            raise CheckpointError(
                f"load: the file names {full_name(cls)}, a class of a module whose objects it may "
                f"not have. If you trust it, name its module: load(..., weights_only=False, "
                f"safe_modules=[{cls.__module__!r}])"
            )
        if class_attribute(cls, "__del__") is not None:
            raise CheckpointError(
                f"load: the file has an object of {full_name(cls)}, which has a __del__ that would "
                "run when it is dropped; save the state_dict() instead, or values without it."
            )
        return KnownEnum(cls) if issubclass(cls, enum.Enum) else KnownClass(cls)

    def _allows(self, module: str) -> bool:
        inner = module.partition(".")[2]
        if module.partition(".")[0] == "flambeau":
            return any(inner == part or inner.startswith(f"{part}.") for part in _LIBRARY)
        return self._is_safe(module) or is_of_the_program(module)

    def _is_safe(self, module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in self.safe)

    def _resolve(self, module: str, name: str):
        if module.partition(".")[0] == "torch":
            return _of_the_library(module, name)
        if module not in sys.modules and self._is_safe(module):
            importlib.import_module(module)
        found = sys.modules.get(module)
        if found is None:
            if _looks_like_the_programs(module):
                raise CheckpointError(
                    f"load: the file names {module}.{name}, and no module {module} is imported. "
                    "Files import nothing: import it before you load."
                )
            return None
        return _walk(vars(found).get(name.partition(".")[0]), name)


def _walk(value, name: str):
    """Classes inside of classes."""
    for part in name.split(".")[1:]:
        if not isinstance(value, type):
            return None
        value = value.__dict__.get(part)
    return value


def _module_name(module) -> str:
    if isinstance(module, types.ModuleType):
        return module.__name__
    if not isinstance(module, str):
        raise TypeError(
            f"load: safe_modules are modules or names of modules, got {type(module).__name__}"
        )
    return module


def _of_the_library(module: str, name: str):
    """Something of flambeau by PyTorch's name for it, which may be in a module within ours."""
    if module == "torch._C._nn":
        module = "torch.nn.functional"
    if name == "NonDynamicallyQuantizableLinear":  # which names PyTorch's module of it
        module = "torch.nn.modules.attention"
    inner = module.split(".")[1:]
    if any(part.startswith("__") for part in (*inner, name)):
        return None
    if inner and not any(".".join(inner).startswith(part) for part in (*_LIBRARY, "special")):
        return None
    while True:
        path = ".".join(("flambeau", *inner))
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError:
            found = None
        value = getattr(found, name.partition(".")[0], None)
        if value is not None or len(inner) < 2:
            return _walk(value, name)
        inner.pop()


def _is_function_of_the_library(value) -> bool:
    """A function of tensors, as networks hold it as their activation."""
    from flambeau.nn import functional

    if isinstance(value, types.FunctionType):
        return value.__module__.startswith("flambeau.nn.functional") and value in [
            getattr(functional, name, None) for name in (value.__name__,)
        ]
    return type(value) is type(flambeau.relu)


def _get_attribute(machine, owner, name):
    """``getattr`` as pickle uses it: for a class in a class, a member, a function of tensors."""
    if type(name) is str:
        if owner is _FUNCTIONS:
            value = getattr(flambeau, name, None)
            if _is_function_of_the_library(value):
                return value
        rule = machine.rule(owner)
        if isinstance(rule, KnownEnum) and name in owner.__members__:
            return owner.__members__[name]
        if isinstance(rule, KnownClass) and isinstance(owner.__dict__.get(name), type):
            return machine.find(owner.__module__, f"{owner.__qualname__}.{name}")
    raise Damaged(f"getattr of {short(owner)} and {short(name)} is not allowed")


def _reconstruct(machine, cls, base, state):
    """How protocols 0 and 1 write objects."""
    rule = machine.rule(cls)
    if not isinstance(rule, KnownClass) or _builtin_base(cls) is not base:
        raise Damaged(f"it makes an instance of {short(cls)}")
    return rule.make(machine, () if base is object else (state,), {})


_FUNCTIONS = type("functions", (), {})()
GET_ATTRIBUTE = Callable(_get_attribute, asks=True)
RECONSTRUCT = Callable(_reconstruct, asks=True)


# ---- which modules are the program's


@functools.cache
def _installed() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages, and this package."""
    import site
    import sysconfig

    paths = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*getattr(site, "getsitepackages", list)(), site.getusersitepackages()]
    paths.append(os.path.dirname(flambeau.__file__))
    return tuple({os.path.realpath(path) + os.sep for path in paths if path})


def is_of_the_program(module: str) -> bool:
    """Whether the module is the program's own: neither Python's nor installed."""
    if module == "__main__":
        return True
    found = sys.modules.get(module)
    path = getattr(found, "__file__", None)
    return isinstance(path, str) and _is_a_file_of_the_program(path)


def _is_a_file_of_the_program(path: str) -> bool:
    path = os.path.realpath(path)
    if {"site-packages", "dist-packages"} & set(path.split(os.sep)):
        return False
    return not path.startswith(_installed())


def _looks_like_the_programs(module: str) -> bool:
    """Whether a module that is not there may be the program's: for the text of an error only."""
    return module.partition(".")[0] not in sys.stdlib_module_names
