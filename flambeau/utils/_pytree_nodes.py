"""Which containers are nodes of a tree, and how each is taken apart and put together.

The functions over trees are in ``flambeau.utils._pytree``, which also offers every name of here.
"""

import dataclasses
import functools
import importlib
import threading
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

# --- Keys: how one step from a node to its child is written ---------------------------------------


class KeyEntry(Protocol):
    """One step of a key path; ``str`` shows it as Python writes it and ``get`` takes it."""

    def __hash__(self) -> int: ...

    def __eq__(self, other: object) -> bool: ...

    def __str__(self) -> str: ...

    def get(self, parent: Any) -> Any: ...


@dataclasses.dataclass(frozen=True, slots=True)
class SequenceKey:
    """The step to an item of a list, tuple or deque."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Sequence[Any]) -> Any:
        return sequence[self.idx]


@dataclasses.dataclass(frozen=True, slots=True)
class MappingKey:
    """The step to a value of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Mapping[Any, Any]) -> Any:
        return mapping[self.key]


@dataclasses.dataclass(frozen=True, slots=True)
class GetAttrKey:
    """The step to an attribute, such as a field of a named tuple."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        return getattr(obj, self.name)


# --- The registry of node types -------------------------------------------------------------------

PyTree: TypeAlias = Any
Context: TypeAlias = Any
DumpableContext: TypeAlias = Any
KeyPath: TypeAlias = tuple[KeyEntry, ...]
FlattenFn: TypeAlias = Callable[[PyTree], tuple[list[Any], Context]]
UnflattenFn: TypeAlias = Callable[[Iterable[Any], Context], PyTree]
FlattenWithKeysFn: TypeAlias = Callable[[PyTree], tuple[list[tuple[KeyEntry, Any]], Context]]
ToDumpableContextFn: TypeAlias = Callable[[Context], DumpableContext]
FromDumpableContextFn: TypeAlias = Callable[[DumpableContext], Context]
IsLeaf: TypeAlias = Callable[[PyTree], bool]


class NodeDef(NamedTuple):
    """How containers of one type are taken apart and put together."""

    type: Any
    flatten_fn: FlattenFn
    unflatten_fn: UnflattenFn
    flatten_with_keys_fn: FlattenWithKeysFn | None


class _SerializeNodeDef(NamedTuple):
    """How the context of one node type is written to JSON and read back."""

    type: Any
    serialized_type_name: str | None
    to_dumpable_context: ToDumpableContextFn | None
    from_dumpable_context: FromDumpableContextFn | None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
SUPPORTED_SERIALIZED_TYPES: dict[Any, _SerializeNodeDef] = {}
SERIALIZED_TYPE_TO_PYTHON_TYPE: dict[str, Any] = {}
_REGISTRY_LOCK = threading.RLock()


def register_pytree_node(
    cls: type[Any],
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: ToDumpableContextFn | None = None,
    from_dumpable_context: FromDumpableContextFn | None = None,
    flatten_with_keys_fn: FlattenWithKeysFn | None = None,
) -> None:
    """Make instances of ``cls`` nodes of a tree instead of leaves.

    Args:
        cls: the container type; instances of its subclasses stay leaves.
        flatten_fn: returns the list of children and a context, which is whatever is needed beside
            the children to rebuild the container.
        unflatten_fn: builds the container from children and context.
        serialized_type_name: the name of the type in :func:`treespec_dumps`.
        to_dumpable_context: turns a context into something that JSON can hold; goes together with
            ``from_dumpable_context``.
        from_dumpable_context: the inverse of ``to_dumpable_context``.
        flatten_with_keys_fn: as ``flatten_fn``, with a ``(key, child)`` pair for each child;
            needed by the functions that end in ``_with_path``.

    Example::

        >>> from flambeau.utils._pytree import tree_leaves
        >>> class Pair:
        ...     def __init__(self, a, b):
        ...         self.a, self.b = a, b
        >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda ab, _: Pair(*ab))
        >>> tree_leaves([Pair(1, 2), 3])
        [1, 2, 3]
    """
    with _REGISTRY_LOCK:
        if cls in SUPPORTED_NODES:
            raise ValueError(f"register_pytree_node: {cls} is already registered")
        _add_node(
            cls,
            flatten_fn,
            unflatten_fn,
            serialized_type_name,
            to_dumpable_context,
            from_dumpable_context,
            flatten_with_keys_fn,
        )


def _register_pytree_node(
    cls: type[Any],
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: ToDumpableContextFn | None = None,
    from_dumpable_context: FromDumpableContextFn | None = None,
    flatten_with_keys_fn: FlattenWithKeysFn | None = None,
) -> None:
    """:func:`register_pytree_node` under its old name, which lets a type be registered again."""
    warnings.warn(
        "_register_pytree_node is deprecated; use register_pytree_node",
        FutureWarning,
        stacklevel=2,
    )
    _add_node(
        cls,
        flatten_fn,
        unflatten_fn,
        serialized_type_name,
        to_dumpable_context,
        from_dumpable_context,
        flatten_with_keys_fn,
    )


def _add_node(
    cls: Any,
    flatten_fn: FlattenFn,
    unflatten_fn: UnflattenFn,
    serialized_type_name: str | None,
    to_dumpable_context: ToDumpableContextFn | None = None,
    from_dumpable_context: FromDumpableContextFn | None = None,
    flatten_with_keys_fn: FlattenWithKeysFn | None = None,
) -> None:
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"register_pytree_node: {cls} needs both to_dumpable_context and "
            "from_dumpable_context, or neither"
        )
    with _REGISTRY_LOCK:
        SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
        SUPPORTED_SERIALIZED_TYPES[cls] = _SerializeNodeDef(
            cls, serialized_type_name, to_dumpable_context, from_dumpable_context
        )
        if serialized_type_name is not None:
            SERIALIZED_TYPE_TO_PYTHON_TYPE[serialized_type_name] = cls


def _register_namedtuple(cls: type[Any], *, serialized_type_name: str) -> None:
    """Give a named tuple, which is a node in any case, the name that serialising needs."""
    _add_node(
        cls,
        _namedtuple_flatten,
        _namedtuple_unflatten,
        serialized_type_name,
        _namedtuple_serialize,
        _namedtuple_deserialize,
        _namedtuple_flatten_with_keys,
    )


# --- Named tuples and the C types that resemble them ----------------------------------------------

_TPFLAGS_BASETYPE = 1 << 10  # set in `__flags__` of types that can be subclassed


def _class_of(obj: object) -> type:
    return obj if isinstance(obj, type) else type(obj)


def is_namedtuple(obj: object) -> bool:
    """Whether ``obj`` is a named tuple or a class of named tuples."""
    return is_namedtuple_class(_class_of(obj))


def is_namedtuple_class(cls: type) -> bool:
    """Whether ``cls`` is made by ``namedtuple`` or derives from such a class."""
    fields = getattr(cls, "_fields", None)
    return (
        isinstance(cls, type)
        and issubclass(cls, tuple)
        and isinstance(fields, tuple)
        and all(type(field) is str for field in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def is_namedtuple_instance(obj: object) -> bool:
    """Whether ``obj`` is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_structseq(obj: object) -> bool:
    """Whether ``obj`` is a C struct sequence, as ``time.localtime()`` is, or a class of them."""
    return is_structseq_class(_class_of(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether ``cls`` is a class of C struct sequences."""
    return (
        isinstance(cls, type)
        and cls.__bases__ == (tuple,)
        and all(
            isinstance(getattr(cls, name, None), int)
            for name in ("n_fields", "n_sequence_fields", "n_unnamed_fields")
        )
        and not cls.__flags__ & _TPFLAGS_BASETYPE
    )


def is_structseq_instance(obj: object) -> bool:
    """Whether ``obj`` is a C struct sequence."""
    return is_structseq_class(type(obj))


def _resolve(module: str, qualified_name: str) -> Any:
    return functools.reduce(getattr, qualified_name.split("."), importlib.import_module(module))


def _type_named(serialized_type_name: str) -> Any:
    try:
        return SERIALIZED_TYPE_TO_PYTHON_TYPE[serialized_type_name]
    except KeyError:
        raise NotImplementedError(
            f"treespec_loads: no node type is registered as {serialized_type_name!r}"
        ) from None


# --- The node types that come registered ----------------------------------------------------------


def _sequence_keys(values: Iterable[Any]) -> list[tuple[KeyEntry, Any]]:
    return [(SequenceKey(i), value) for i, value in enumerate(values)]


def _mapping_keys(mapping: Mapping[Any, Any]) -> list[tuple[KeyEntry, Any]]:
    return [(MappingKey(key), value) for key, value in mapping.items()]


def _tuple_flatten(d: tuple[Any, ...]) -> tuple[list[Any], Context]:
    return list(d), None


def _tuple_unflatten(values: Iterable[Any], context: Context) -> tuple[Any, ...]:
    return tuple(values)


def _tuple_flatten_with_keys(d: tuple[Any, ...]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _sequence_keys(d), None


def _list_flatten(d: list[Any]) -> tuple[list[Any], Context]:
    return d, None


def _list_unflatten(values: Iterable[Any], context: Context) -> list[Any]:
    return list(values)


def _list_flatten_with_keys(d: list[Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _sequence_keys(d), None


def _deque_flatten(d: deque[Any]) -> tuple[list[Any], Context]:
    return list(d), d.maxlen


def _deque_unflatten(values: Iterable[Any], context: Context) -> deque[Any]:
    return deque(values, maxlen=context)


def _deque_flatten_with_keys(d: deque[Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _sequence_keys(d), d.maxlen


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Context]:
    return list(d.values()), list(d.keys())


def _dict_unflatten(values: Iterable[Any], context: Context) -> dict[Any, Any]:
    return dict(zip(context, values, strict=True))


def _dict_flatten_with_keys(d: dict[Any, Any]) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _mapping_keys(d), list(d.keys())


def _ordereddict_unflatten(values: Iterable[Any], context: Context) -> OrderedDict[Any, Any]:
    return OrderedDict(zip(context, values, strict=True))


def _defaultdict_context(d: defaultdict[Any, Any]) -> Context:
    return [d.default_factory, list(d.keys())]


def _defaultdict_flatten(d: defaultdict[Any, Any]) -> tuple[list[Any], Context]:
    return list(d.values()), _defaultdict_context(d)


def _defaultdict_unflatten(values: Iterable[Any], context: Context) -> defaultdict[Any, Any]:
    default_factory, keys = context
    return defaultdict(default_factory, _dict_unflatten(values, keys))


def _defaultdict_flatten_with_keys(
    d: defaultdict[Any, Any],
) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return _mapping_keys(d), _defaultdict_context(d)


def _defaultdict_serialize(context: Context) -> DumpableContext:
    default_factory, keys = context
    return {
        "default_factory_module": default_factory.__module__,
        "default_factory_name": default_factory.__qualname__,
        "dict_context": keys,
    }


def _defaultdict_deserialize(dumped: DumpableContext) -> Context:
    factory = _resolve(dumped["default_factory_module"], dumped["default_factory_name"])
    return [factory, dumped["dict_context"]]


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Context]:
    return list(d), type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Context) -> Any:
    return context(*values)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    names = type(d)._fields
    return [(GetAttrKey(name), value) for name, value in zip(names, d, strict=True)], type(d)


def _structseq_unflatten(values: Iterable[Any], context: Context) -> Any:
    return context(list(values))


def _structseq_flatten_with_keys(d: Any) -> tuple[list[tuple[KeyEntry, Any]], Context]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], type(d)


def _namedtuple_serialize(context: Context) -> DumpableContext:
    entry = SUPPORTED_SERIALIZED_TYPES.get(context)
    if entry is None or entry.serialized_type_name is None:
        raise NotImplementedError(
            f"treespec_dumps: the named tuple {context} has no serialized_type_name; "
            "give it one with _register_namedtuple"
        )
    return entry.serialized_type_name


def _namedtuple_deserialize(dumped: DumpableContext) -> Context:
    return _type_named(dumped)


_add_node(
    tuple,
    _tuple_flatten,
    _tuple_unflatten,
    "builtins.tuple",
    flatten_with_keys_fn=_tuple_flatten_with_keys,
)
_add_node(
    list,
    _list_flatten,
    _list_unflatten,
    "builtins.list",
    flatten_with_keys_fn=_list_flatten_with_keys,
)
_add_node(
    dict,
    _dict_flatten,
    _dict_unflatten,
    "builtins.dict",
    flatten_with_keys_fn=_dict_flatten_with_keys,
)
_add_node(
    namedtuple,  # stands for every class of named tuples, none of which it is
    _namedtuple_flatten,
    _namedtuple_unflatten,
    "collections.namedtuple",
    _namedtuple_serialize,
    _namedtuple_deserialize,
    _namedtuple_flatten_with_keys,
)
_add_node(
    OrderedDict,
    _dict_flatten,
    _ordereddict_unflatten,
    "collections.OrderedDict",
    flatten_with_keys_fn=_dict_flatten_with_keys,
)
_add_node(
    defaultdict,
    _defaultdict_flatten,
    _defaultdict_unflatten,
    "collections.defaultdict",
    _defaultdict_serialize,
    _defaultdict_deserialize,
    _defaultdict_flatten_with_keys,
)
_add_node(
    deque,
    _deque_flatten,
    _deque_unflatten,
    "collections.deque",
    flatten_with_keys_fn=_deque_flatten_with_keys,
)

STANDARD_DICT_TYPES: frozenset[Any] = frozenset({dict, OrderedDict, defaultdict})
BUILTIN_TYPES: frozenset[Any] = frozenset(SUPPORTED_NODES)


def _get_node_type(tree: Any) -> Any:
    """The key of ``tree`` in the registry: its type, or ``namedtuple`` for all named tuples."""
    cls = type(tree)
    if cls is not tuple and issubclass(cls, tuple):
        if is_namedtuple_class(cls):
            return namedtuple
        if cls.__module__ == "flambeau.return_types" and cls not in SUPPORTED_NODES:
            _add_return_type(cls)
    return cls


def _add_return_type(cls: type) -> None:
    """What ops with several results give is a node; its classes are made as they are needed."""
    _add_node(
        cls,
        _namedtuple_flatten,
        _structseq_unflatten,
        f"flambeau.return_types.{cls.__name__}",
        flatten_with_keys_fn=_structseq_flatten_with_keys,
    )
