"""Nested Python containers as trees of leaves.

A tree's nodes are containers whose type is registered here (lists, tuples, dictionaries, named
tuples, ...); everything else, ``None`` included, is a leaf. Flattening gives the leaves in order
and a :class:`TreeSpec` from which the same nesting can be rebuilt around other leaves.

Example::

    >>> leaves, spec = tree_flatten({"weight": 1, "rest": (2, 3)})
    >>> leaves
    [1, 2, 3]
    >>> tree_unflatten(["a", "b", "c"], spec)
    {'weight': 'a', 'rest': ('b', 'c')}
"""

import functools
import json
import types
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeAlias

# More names than this file uses: programs import them all from here.
from flambeau.utils._pytree_nodes import (  # noqa: F401
    BUILTIN_TYPES,
    SERIALIZED_TYPE_TO_PYTHON_TYPE,
    STANDARD_DICT_TYPES,
    SUPPORTED_NODES,
    SUPPORTED_SERIALIZED_TYPES,
    Context,
    DumpableContext,
    FlattenFn,
    FromDumpableContextFn,
    GetAttrKey,
    IsLeaf,
    KeyEntry,
    KeyPath,
    MappingKey,
    NodeDef,
    PyTree,
    SequenceKey,
    ToDumpableContextFn,
    UnflattenFn,
    _dict_flatten,
    _dict_flatten_with_keys,
    _dict_unflatten,
    _get_node_type,
    _list_flatten,
    _list_flatten_with_keys,
    _list_unflatten,
    _namedtuple_flatten,
    _namedtuple_unflatten,
    _ordereddict_unflatten,
    _register_namedtuple,
    _register_pytree_node,
    _resolve,
    _SerializeNodeDef,
    _tuple_flatten,
    _tuple_flatten_with_keys,
    _tuple_unflatten,
    _type_named,
    is_namedtuple,
    is_namedtuple_class,
    is_namedtuple_instance,
    is_structseq,
    is_structseq_class,
    is_structseq_instance,
    register_pytree_node,
)

__all__ = [
    "Context",
    "DumpableContext",
    "FlattenFn",
    "FromDumpableContextFn",
    "LeafSpec",
    "PyTree",
    "PyTreeSpec",
    "ToDumpableContextFn",
    "TreeSpec",
    "UnflattenFn",
    "is_namedtuple",
    "is_namedtuple_class",
    "is_namedtuple_instance",
    "is_structseq",
    "is_structseq_class",
    "is_structseq_instance",
    "key_get",
    "keystr",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dumps",
    "treespec_loads",
    "treespec_pprint",
]


def tree_is_leaf(tree: PyTree, is_leaf: IsLeaf | None = None) -> bool:
    """Whether ``tree`` is a leaf, by the registry or because ``is_leaf(tree)`` says so.

    Example::

        >>> tree_is_leaf(None), tree_is_leaf([1, 2])
        (True, False)
        >>> tree_is_leaf([1, 2], is_leaf=lambda node: isinstance(node, list))
        True
    """
    if is_leaf is not None and is_leaf(tree):
        return True
    return _get_node_type(tree) not in SUPPORTED_NODES


# --- The structure of a tree ----------------------------------------------------------------------


class TreeSpec:
    """The structure of a tree: its nodes' types and contexts, with places for the leaves.

    Specs are compared, hashed and shared, so they are never modified once made.
    """

    __slots__ = ("_children", "_context", "num_children", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Context, children_specs: list["TreeSpec"]) -> None:
        if type is None and (context is not None or children_specs):
            raise AssertionError("TreeSpec: a leaf has neither context nor children")
        self.type = type
        self._context = context
        self._children = children_specs
        self.num_children = len(children_specs)
        self.num_nodes: int = 1 + sum(child.num_nodes for child in children_specs)
        self.num_leaves: int = (
            1 if type is None else sum(child.num_leaves for child in children_specs)
        )

    @property
    def context(self) -> Context:
        """What the node's type needs beside the children to build the node."""
        return self._context

    @property
    def children_specs(self) -> list["TreeSpec"]:
        """The children's specs; deprecated in favour of :meth:`children`."""
        warnings.warn(
            "TreeSpec.children_specs is deprecated; use children() or child(index)",
            FutureWarning,
            stacklevel=2,
        )
        return self._children

    def is_leaf(self) -> bool:
        """Whether the tree is a single leaf."""
        return self.type is None

    def children(self) -> list["TreeSpec"]:
        """The specs of the root's children."""
        return self._children.copy()

    def child(self, index: int) -> "TreeSpec":
        """The spec of one child of the root."""
        return self._children[index]

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """Build the tree around ``leaves``."""
        leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"tree_unflatten: the spec has {self.num_leaves} leaves, but {len(leaves)} were "
                f"given (spec: {self})"
            )
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator[Any]) -> PyTree:
        if self.type is None:
            return next(leaves)
        children = [child._build(leaves) for child in self._children]
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self._context)

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The subtrees of ``tree`` that stand where this spec has leaves.

        ``tree`` must have this structure at its top. Dictionaries match by their keys, whatever
        their type and order.
        """
        subtrees: list[PyTree] = []
        self._flatten_up_to(tree, subtrees)
        return subtrees

    def _flatten_up_to(self, node: PyTree, subtrees: list[PyTree]) -> None:
        if self.type is None:
            subtrees.append(node)
            return
        for spec, child in zip(self._children, self._matching_children(node), strict=True):
            spec._flatten_up_to(child, subtrees)

    def _matching_children(self, node: PyTree) -> list[PyTree]:
        """The children of ``node`` in this spec's order, or an error where the two differ."""
        node_type = _get_node_type(node)
        both_dicts = self.type in STANDARD_DICT_TYPES and node_type in STANDARD_DICT_TYPES
        if node_type != self.type and not both_dicts:
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {node_type!r}.")
        children, context = SUPPORTED_NODES[node_type].flatten_fn(node)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if both_dicts:
            return self._by_key(node)
        # The length limit of a deque says nothing about its items.
        if context != self._context and node_type is not deque:
            raise ValueError(
                f"Node context mismatch for node type {self.type!r}; "
                f"expected {self._context!r}, but got {context!r}."
            )
        return children

    def _by_key(self, node: Mapping[Any, Any]) -> list[PyTree]:
        keys = self._context[1] if self.type is defaultdict else self._context
        missing, extra = set(keys).difference(node), set(node).difference(keys)
        if missing or extra:
            raise ValueError(
                f"Node keys mismatch; missing key(s): {missing}; extra key(s): {extra}."
            )
        return [node[key] for key in keys]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (
            self.type == other.type
            and self._context == other._context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        # Contexts need not be hashable; equal specs have equal types and children in any case.
        return hash((self.type, tuple(self._children)))

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        indent += 2
        children = (",\n" + " " * indent).join(child._text(indent) for child in self._children)
        return f"TreeSpec({self.type.__name__}, {self._context}, [{children}])"


PyTreeSpec: TypeAlias = TreeSpec


class LeafSpec(TreeSpec):
    """The structure of a leaf; deprecated in favour of ``spec.is_leaf()``."""

    __slots__ = ()

    def __init__(self) -> None:
        warnings.warn(
            "LeafSpec is deprecated; test a spec with spec.is_leaf()", FutureWarning, stacklevel=2
        )
        super().__init__(None, None, [])


def _make_leaf_spec() -> TreeSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return LeafSpec()


# All leaves are alike, so one object stands for all; it is a LeafSpec for the sake of isinstance.
_LEAF_SPEC = _make_leaf_spec()


# --- Flatten, rebuild, map ------------------------------------------------------------------------


def tree_flatten(tree: PyTree, is_leaf: IsLeaf | None = None) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of ``tree`` in order, and its structure.

    ``is_leaf``, asked at every node first, can turn a node into a leaf.

    Example::

        >>> tree_flatten([1, (2, None)])
        ([1, 2, None], TreeSpec(list, None, [*,
          TreeSpec(tuple, None, [*,
            *])]))
    """
    leaves: list[Any] = []
    return leaves, _flatten_into(leaves, tree, is_leaf)


def _flatten_into(leaves: list[Any], node: PyTree, is_leaf: IsLeaf | None) -> TreeSpec:
    if tree_is_leaf(node, is_leaf):
        leaves.append(node)
        return _LEAF_SPEC
    node_type = _get_node_type(node)
    children, context = SUPPORTED_NODES[node_type].flatten_fn(node)
    return TreeSpec(
        node_type, context, [_flatten_into(leaves, child, is_leaf) for child in children]
    )


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """Build the tree of structure ``treespec`` around ``leaves``."""
    if not isinstance(treespec, TreeSpec):
        # The arguments are also taken the other way round.
        leaves, treespec = treespec, leaves  # type: ignore[assignment]
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"tree_unflatten: treespec must be a TreeSpec, not {type(leaves)}")
    return treespec.unflatten(leaves)


def tree_iter(tree: PyTree, is_leaf: IsLeaf | None = None) -> Iterator[Any]:
    """Iterate over the leaves of ``tree``."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    children, _ = SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)
    for child in children:
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf | None = None) -> list[Any]:
    """Return the leaves of ``tree`` in order."""
    return list(tree_iter(tree, is_leaf))


def arg_tree_leaves(*args: PyTree, **kwargs: PyTree) -> list[Any]:
    """Return the leaves of all arguments in order."""
    return tree_leaves([*args, *kwargs.values()])


def tree_structure(tree: PyTree, is_leaf: IsLeaf | None = None) -> TreeSpec:
    """Return the structure of ``tree``."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf | None = None
) -> PyTree:
    """Return the tree that has ``func(leaf, ...)`` in the place of each leaf.

    Each of ``rests`` has the structure of ``tree`` at its top, and gives ``func`` one argument
    more: its leaf, or whole subtree, at the same place.

    Example::

        >>> tree_map(lambda x, y: x + len(y), {"a": 1, "b": 2}, {"a": [0], "b": [0, 0]})
        {'a': 2, 'b': 4}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *map(spec.flatten_up_to, rests)))


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf | None = None
) -> PyTree:
    """Call ``func`` as :func:`tree_map` does, for its effect, and return ``tree`` itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    for arguments in zip(leaves, *map(spec.flatten_up_to, rests), strict=True):
        func(*arguments)
    return tree


def _predicate(type_or_types_or_pred: Any) -> Callable[[Any], bool]:
    if isinstance(type_or_types_or_pred, (type, tuple, types.UnionType)):
        return lambda leaf: isinstance(leaf, type_or_types_or_pred)
    if callable(type_or_types_or_pred):
        return type_or_types_or_pred
    raise TypeError(
        f"tree_map_only: expected a type, types or a predicate, not {type_or_types_or_pred!r}"
    )


def map_only(
    type_or_types_or_pred: Any, /
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Restrict a function of a leaf to leaves of some types; others pass unchanged.

    Example::

        >>> tree_map(map_only(int)(lambda x: x + 1), [1, "a"])
        [2, 'a']
    """
    chosen = _predicate(type_or_types_or_pred)

    def restrict(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @functools.wraps(func)
        def restricted(leaf: Any) -> Any:
            return func(leaf) if chosen(leaf) else leaf

        return restricted

    return restrict


def tree_map_only(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: IsLeaf | None = None,
) -> PyTree:
    """:func:`tree_map` over the leaves of some types (or chosen by a predicate) only.

    Example::

        >>> tree_map_only(int, lambda x: -x, [1, "a", 2.0])
        [-1, 'a', 2.0]
    """
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: IsLeaf | None = None,
) -> PyTree:
    """:func:`tree_map_` over the leaves of some types (or chosen by a predicate) only."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None) -> bool:
    """Whether ``pred`` holds for every leaf."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None) -> bool:
    """Whether ``pred`` holds for some leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None
) -> bool:
    """Whether ``pred`` holds for every leaf of the given types."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None
) -> bool:
    """Whether ``pred`` holds for some leaf of the given types."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def _broadcast_to_and_flatten(
    tree: PyTree, treespec: TreeSpec, is_leaf: IsLeaf | None = None
) -> list[Any] | None:
    """The leaves of ``tree``, each repeated for all leaves of ``treespec`` below its place.

    None where ``tree`` is not a prefix of that structure: `in_dims` of vmap, for instance, may
    say one thing for a whole list of arguments.
    """
    leaves, prefix = tree_flatten(tree, is_leaf)
    try:
        subtrees = prefix.flatten_up_to(treespec.unflatten([0] * treespec.num_leaves))
    except ValueError:
        return None
    repeats = [len(tree_leaves(subtree, is_leaf)) for subtree in subtrees]
    return [leaf for leaf, count in zip(leaves, repeats, strict=True) for _ in range(count)]


# --- Key paths ------------------------------------------------------------------------------------


def tree_flatten_with_path(
    tree: PyTree, is_leaf: IsLeaf | None = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """:func:`tree_flatten` with a ``(key path, leaf)`` pair for each leaf."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_leaves_with_path(tree: PyTree, is_leaf: IsLeaf | None = None) -> list[tuple[KeyPath, Any]]:
    """Return a ``(key path, leaf)`` pair for each leaf.

    Example::

        >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1, 2]})]
        [("['a'][0]", 1), ("['a'][1]", 2)]
    """
    return list(_leaves_below((), tree, is_leaf))


def _leaves_below(
    path: KeyPath, node: PyTree, is_leaf: IsLeaf | None
) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(node, is_leaf):
        yield path, node
        return
    node_type = _get_node_type(node)
    flatten_with_keys = SUPPORTED_NODES[node_type].flatten_with_keys_fn
    if flatten_with_keys is None:
        raise ValueError(
            f"tree_flatten_with_path: {node_type} has no flatten_with_keys_fn; "
            "pass one to register_pytree_node"
        )
    for key, child in flatten_with_keys(node)[0]:
        yield from _leaves_below((*path, key), child, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf | None = None
) -> PyTree:
    """:func:`tree_map` whose ``func`` gets the leaf's key path as its first argument."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    paths, leaves = [path for path, _ in pairs], [leaf for _, leaf in pairs]
    return spec.unflatten(map(func, paths, leaves, *map(spec.flatten_up_to, rests)))


def keystr(kp: KeyPath) -> str:
    """Return a key path as Python writes it, such as ``['a'][0].x``."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """Return what stands at key path ``kp`` of ``obj``."""
    return functools.reduce(lambda node, key: key.get(node), kp, obj)


# --- Specs as text --------------------------------------------------------------------------------

_PROTOCOL = 1


class EnumEncoder(json.JSONEncoder):
    """JSON with members of enumerations, which dictionary keys in a context may be."""

    def default(self, o: object) -> Any:
        if isinstance(o, Enum):
            fqn = f"{type(o).__module__}:{type(o).__qualname__}"
            return {"__enum__": True, "fqn": fqn, "name": o.name}
        return super().default(o)


def enum_object_hook(obj: dict[str, Any]) -> Any:
    """The inverse of :class:`EnumEncoder`, for ``json.loads``."""
    if "__enum__" not in obj:
        return obj
    module, _, qualified_name = obj["fqn"].partition(":")
    return _resolve(module, qualified_name)[obj["name"]]


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """Write a spec as JSON, which :func:`treespec_loads` reads."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"treespec_dumps: treespec must be a TreeSpec, not {type(treespec)}")
    if protocol not in (None, _PROTOCOL):
        raise ValueError(f"treespec_dumps: unknown protocol {protocol}; there is {_PROTOCOL}")
    return json.dumps((_PROTOCOL, _spec_to_json(treespec)), cls=EnumEncoder)


def _spec_to_json(spec: TreeSpec) -> dict[str, Any]:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    entry = SUPPORTED_SERIALIZED_TYPES[spec.type]
    if entry.serialized_type_name is None:
        raise NotImplementedError(
            f"treespec_dumps: {spec.type} has no serialized_type_name; "
            "pass one to register_pytree_node"
        )
    return {
        "type": entry.serialized_type_name,
        "context": _context_to_json(entry, spec.context),
        "children_spec": [_spec_to_json(child) for child in spec.children()],
    }


def _context_to_json(entry: _SerializeNodeDef, context: Context) -> DumpableContext:
    if entry.to_dumpable_context is not None:
        return entry.to_dumpable_context(context)
    try:
        return json.dumps(context, cls=EnumEncoder)
    except TypeError as error:
        raise TypeError(
            f"treespec_dumps: JSON cannot hold the context of {entry.type}; "
            "pass to_dumpable_context and from_dumpable_context to register_pytree_node"
        ) from error


@functools.lru_cache
def treespec_loads(serialized: str) -> TreeSpec:
    """Read a spec that :func:`treespec_dumps` wrote."""
    protocol, spec = json.loads(serialized)
    if protocol != _PROTOCOL:
        raise ValueError(f"treespec_loads: unknown protocol {protocol}; there is {_PROTOCOL}")
    return _spec_from_json(spec)


def _spec_from_json(spec: dict[str, Any]) -> TreeSpec:
    if spec["type"] is None:
        return _LEAF_SPEC
    cls = _type_named(spec["type"])
    from_dumpable_context = SUPPORTED_SERIALIZED_TYPES[cls].from_dumpable_context
    if from_dumpable_context is not None:
        context = from_dumpable_context(spec["context"])
    else:
        context = json.loads(spec["context"], object_hook=enum_object_hook)
    return TreeSpec(cls, context, [_spec_from_json(child) for child in spec["children_spec"]])


class _Asterisk:
    def __repr__(self) -> str:
        return "*"


def treespec_pprint(treespec: TreeSpec) -> str:
    """Show a spec as its tree with an asterisk for each leaf.

    Example::

        >>> treespec_pprint(tree_structure({"a": [1, 2]}))
        "{'a': [*, *]}"
    """
    return repr(treespec.unflatten([_Asterisk()] * treespec.num_leaves))
