"""What names in a checkpoint stand for: the table of all that a file may name."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from contextlib import contextmanager

import flambeau

from . import rebuild
from .errors import CheckpointError, Damaged, short
from .limits import Budget, check_key, sizes, whole_numbers
from .rebuild import TYPED_STORAGES, StorageType
from .unpickler import Callable, UserClass

_OTHER_DTYPES = (
    "uint16",
    "uint32",
    "uint64",
    "complex32",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
)
# Modules that PyTorch has in one with others.
_ELSEWHERE = {
    "torch.nn.modules.lazy_conv": "torch.nn.modules.conv",
    "torch.optim._lr_base": "torch.optim.lr_scheduler",
    "torch.optim._lr_combined": "torch.optim.lr_scheduler",
    "torch.optim._lr_cycles": "torch.optim.lr_scheduler",
}
_MEMORY_FORMATS = ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")


def _get_layout(name: str):
    layout = getattr(flambeau, str(name).rpartition(".")[2], None)
    if not isinstance(layout, flambeau.layout):
        raise Damaged(f"{short(name)} is no layout")
    return layout


# What copies its argument is counted: see `limits`.


def _encode(budget: Budget, text: str, encoding: str = "latin1") -> bytes:
    # How protocol 2 writes bytes.
    if encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise Damaged(f"the encoding {short(encoding)} is not allowed")
    budget.copy(text)
    return text.encode(encoding)


def _bytearray(budget: Budget, data=b"", *encoding) -> bytearray:
    # A number would ask for that much memory.
    if isinstance(data, bytes) and not encoding:
        budget.copy(data)
        return bytearray(data)
    return bytearray(_encode(budget, data, *encoding))


def _no_bytes() -> bytes:
    # How protocol 2 writes bytes that are empty.
    return b""


def _hashing(kind):
    """set, frozenset, OrderedDict and Counter: of a list of elements, or of pairs."""
    pairs = kind is OrderedDict

    def make(budget: Budget, items=()):
        budget.copy(items)
        for item in items:
            if pairs and not isinstance(items, dict):
                if not isinstance(item, (tuple, list)) or len(item) != 2:
                    raise Damaged(f"{short(item)} is no key with its value")
                item = item[0]
            check_key(item)
        return kind(items)

    return make


def _defaultdict(budget: Budget, factory=None, items=()):
    from .objects import default_factory

    budget.nested()
    return defaultdict(default_factory(factory), _hashing(OrderedDict)(budget, items))


def _size(budget: Budget, items=()):
    budget.copy(items)
    return flambeau.Size(sizes(items))


def _whole(kind):
    def make(*numbers):
        whole_numbers(*numbers)
        return kind(*numbers)

    return make


def _complex(real=0, imag=0):
    if not isinstance(real, (int, float)) or not isinstance(imag, (int, float)):
        raise Damaged(f"complex of {short((real, imag))} is not allowed")
    return complex(real, imag)


def _one_number(kind):
    def make(value=0):
        if not isinstance(value, (int, float)):
            raise Damaged(f"{kind.__name__} of {short(value)} is not allowed")
        return kind(value)

    return make


def _results(kind):
    """Named results of an op."""

    def make(budget: Budget, items=()):
        if not isinstance(items, tuple):
            raise Damaged(f"{kind.__name__} of {short(items)} is not allowed")
        budget.copy(items)
        return kind(items)

    return make


_TABLE: dict[str, object] = {}
_user_globals: dict[str, object] = {}


def _table() -> dict[str, object]:
    """What names in a file stand for, whatever the user allows besides."""
    if _TABLE:
        return _TABLE
    from flambeau.nn import parameter

    table: dict[str, object] = {
        "collections.OrderedDict": Callable(_hashing(OrderedDict), copies=True, value=OrderedDict),
        "collections.Counter": Callable(_hashing(Counter), copies=True, value=Counter),
        "collections.defaultdict": Callable(_defaultdict, copies=True, value=defaultdict),
        "_codecs.encode": Callable(_encode, copies=True),
        "torch.Size": Callable(_size, copies=True, value=flambeau.Size),
        "torch.device": Callable(flambeau.device, value=flambeau.device),
        "torch.Tensor": flambeau.Tensor,
        "torch.nn.parameter.Parameter": Callable(rebuild.parameter, value=parameter.Parameter),
        "torch.serialization._get_layout": Callable(_get_layout),
        "torch._tensor._rebuild_from_type_v2": Callable(rebuild.from_type_v2, asks=True),
        "torch.storage.UntypedStorage": StorageType("UntypedStorage"),
    }
    for name, function in {
        "_rebuild_tensor": rebuild.tensor_v1,
        "_rebuild_tensor_v2": rebuild.tensor_v2,
        "_rebuild_tensor_v3": rebuild.tensor_v3,
        "_rebuild_meta_tensor_no_storage": rebuild.meta_tensor,
        "_rebuild_parameter": rebuild.parameter_of,
        "_rebuild_parameter_with_state": rebuild.parameter_with_state,
    }.items():
        table[f"torch._utils.{name}"] = Callable(function)
    for storage in TYPED_STORAGES.values():
        table[f"torch.{storage}"] = StorageType(storage)
    for name in (*TYPED_STORAGES, *_OTHER_DTYPES, *_MEMORY_FORMATS):
        # A file may be newer than this library, which then does not know all of its dtypes.
        value = getattr(flambeau, name, None)
        if value is not None:
            table[f"torch.{name}"] = value
    builtin = {
        "set": Callable(_hashing(set), copies=True, value=set),
        "frozenset": Callable(_hashing(frozenset), copies=True, value=frozenset),
        "slice": Callable(_whole(slice), value=slice),
        "range": Callable(_whole(range), value=range),
        "complex": Callable(_complex, value=complex),
        "bytearray": Callable(_bytearray, copies=True, value=bytearray),
        "bytes": Callable(_no_bytes, value=bytes),
        "int": Callable(_one_number(int), value=int),
        "float": Callable(_one_number(float), value=float),
        "bool": Callable(_one_number(bool), value=bool),
        # Only as what a defaultdict makes.
        "list": list,
        "dict": dict,
        "tuple": tuple,
        "str": str,
    }
    for name, value in builtin.items():
        table[f"builtins.{name}"] = value
        table[f"__builtin__.{name}"] = value
    table["__builtin__.xrange"] = builtin["range"]
    table["__builtin__.long"] = builtin["int"]
    table["__builtin__.unicode"] = str
    _TABLE.update(table)
    return _TABLE


def name_in_files(module: str) -> str:
    """The name of ``module`` in files, which call this library by PyTorch's name."""
    if module == "flambeau" or module.startswith("flambeau."):
        module = "torch" + module[len("flambeau") :]
    return _ELSEWHERE.get(module, module)


def is_dtype(name: str) -> bool:
    """Whether a file may name the dtype."""
    return isinstance(_table().get(f"torch.{name}"), flambeau.dtype)


def find_global(module: str, name: str):
    """What a name stands for with ``weights_only=True``."""
    full = f"{name_in_files(module)}.{name}"
    found = _find_plain(full, name)
    if found is None and full in _user_globals:
        from . import values

        # What has a function of ours for it needs no other.
        found = values.find(module, name) or _as_allowed(_user_globals[full])
    if found is None:
        raise _refused(
            full,
            name,
            "load(..., weights_only=False) also makes modules, NumPy values "
            "and objects of the program's own classes; ",
        )
    return found


def finder(weights_only: bool, safe_modules=()):
    """`find_global`, or what allows more; see `objects`."""
    if weights_only:
        return find_global
    from . import values
    from .objects import Objects

    objects = Objects(safe_modules)

    known: dict[tuple[str, str], object] = {}

    def find(module: str, name: str):
        found = known.get((module, name))
        if found is None:
            found = known[module, name] = find_once(module, name)
        return found

    def find_once(module: str, name: str):
        full = f"{name_in_files(module)}.{name}"
        found = _find_plain(full, name)
        if found is None:
            found = values.find(module, name)
        if found is None and full in _user_globals:
            found = _as_allowed(_user_globals[full])
        if found is None:
            found = objects.find(name_in_files(module), name)
        if found is None:
            raise _refused(full, name, "")
        return found

    return find


def _find_plain(full: str, name: str):
    found = _table().get(full)
    if found is None and full.startswith("torch.return_types."):
        kind = flambeau._C._return_type(name)
        if kind is not None:
            return Callable(_results(kind), copies=True, value=kind)
    return found


def _as_allowed(value):
    return UserClass(value) if isinstance(value, type) else Callable(value, value=value)


def _refused(full: str, name: str, other: str) -> CheckpointError:
    return CheckpointError(
        f"load: the file names {full}, which is not among the things that a file may name. If you "
        f"trust it, allow it: {other}flambeau.serialization.add_safe_globals("
        f"[{name.split('.')[0]}]) allows it alone; or save the state_dict() instead of the object "
        "itself. Pickles are never executed, weights_only=False included."
    )


def add_safe_globals(safe_globals: list) -> None:
    """Allow files to make instances of these classes, and to call these functions.

    Args:
        safe_globals: classes and functions, or pairs of one and the name that files have for it.

    Example::

        >>> import datetime
        >>> add_safe_globals([datetime.timedelta])
        >>> datetime.timedelta in get_safe_globals()
        True
        >>> clear_safe_globals()
    """
    for item in safe_globals:
        if isinstance(item, tuple):
            value, name = item
        else:
            value, name = item, f"{name_in_files(item.__module__)}.{item.__qualname__}"
        _user_globals[name] = value


def get_safe_globals() -> list:
    """What `add_safe_globals` allowed.

    Example::

        >>> get_safe_globals()
        []
    """
    return list(_user_globals.values())


def clear_safe_globals() -> None:
    """Take back what `add_safe_globals` allowed.

    Example::

        >>> clear_safe_globals()
    """
    _user_globals.clear()


@contextmanager
def safe_globals(safe_globals: list):
    """Allow classes and functions, as `add_safe_globals` does, inside a ``with`` block.

    Example::

        >>> import datetime
        >>> with safe_globals([datetime.timedelta]):
        ...     len(get_safe_globals())
        1
    """
    before = dict(_user_globals)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _user_globals.clear()
        _user_globals.update(before)
