"""Trees of containers: what counts as a node, order, rebuilding, prefixes, paths, JSON."""

import copy
import enum
import pickle
import time
from collections import OrderedDict, defaultdict, deque, namedtuple

import pytest

from flambeau.utils import _pytree as pytree

Point = namedtuple("Point", "x y")


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __eq__(self, other):
        return isinstance(other, Pair) and (self.a, self.b) == (other.a, other.b)

    __hash__ = None


@pytest.fixture
def pair_node():
    pytree.register_pytree_node(
        Pair,
        lambda pair: ([pair.a, pair.b], None),
        lambda children, _: Pair(*children),
        serialized_type_name="tests.Pair",
        flatten_with_keys_fn=lambda pair: (
            [(pytree.GetAttrKey("a"), pair.a), (pytree.GetAttrKey("b"), pair.b)],
            None,
        ),
    )
    yield Pair
    del pytree.SUPPORTED_NODES[Pair]
    del pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE["tests.Pair"]


TREES = [
    ([1, 2, [3]], [1, 2, 3]),
    ((1, (2,), ()), [1, 2]),
    ({"b": 1, "a": [2]}, [1, 2]),
    (OrderedDict([("b", 1), ("a", 2)]), [1, 2]),
    (defaultdict(list, {"k": 1}), [1]),
    (deque([1, 2], maxlen=3), [1, 2]),
    (Point(1, [2, 3]), [1, 2, 3]),
    (None, [None]),
    ("text", ["text"]),
    ([], []),
]


@pytest.mark.parametrize(("tree", "leaves"), TREES)
def test_flatten_and_rebuild(tree, leaves):
    found, spec = pytree.tree_flatten(tree)
    assert found == leaves == pytree.tree_leaves(tree)
    assert spec.num_leaves == len(leaves)
    rebuilt = pytree.tree_unflatten(found, spec)
    assert rebuilt == tree and type(rebuilt) is type(tree)
    assert pytree.tree_unflatten(spec, found) == tree


def test_rebuilding_keeps_what_is_no_leaf():
    counts = pytree.tree_map(lambda x: x + 1, defaultdict(int, {"k": 1}))
    assert counts == {"k": 2} and counts["new"] == 0
    assert pytree.tree_map(str, deque([1], maxlen=4)).maxlen == 4


def test_numbers_of_a_spec():
    spec = pytree.tree_structure([1, (2, 3), {}])
    assert (spec.num_nodes, spec.num_leaves, spec.num_children) == (6, 3, 3)
    assert spec.type is list and spec.context is None
    assert spec.child(0).is_leaf() and not spec.child(1).is_leaf()
    assert [child.num_leaves for child in spec.children()] == [1, 2, 0]
    assert pytree.tree_structure(Point(1, 2)).type is namedtuple


def test_specs_compare_by_structure():
    spec = pytree.tree_structure({"a": [1, 2]})
    same = pytree.tree_structure({"a": ["x", None]})
    assert spec == same and hash(spec) == hash(same)
    for other in [{"b": [1, 2]}, {"a": (1, 2)}, {"a": [1]}, OrderedDict(a=[1, 2])]:
        assert spec != pytree.tree_structure(other)
    assert spec != "a spec"


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda spec: pickle.loads(pickle.dumps(spec))]
)
def test_specs_can_be_copied(duplicate):
    spec = pytree.tree_structure({"a": [1, Point(2, 3)]})
    assert duplicate(spec) == spec


def test_repr():
    spec = pytree.tree_structure([1, (2, {"k": 3}), []])
    assert repr(spec) == (
        "TreeSpec(list, None, [*,\n"
        "  TreeSpec(tuple, None, [*,\n"
        "    TreeSpec(dict, ['k'], [*])]),\n"
        "  TreeSpec(list, None, [])])"
    )
    assert pytree.treespec_pprint(spec) == "[*, (*, {'k': *}), []]"


def test_unflatten_wants_as_many_leaves():
    spec = pytree.tree_structure([1, 2])
    with pytest.raises(ValueError, match="has 2 leaves, but 3 were"):
        spec.unflatten([1, 2, 3])
    with pytest.raises(TypeError, match="must be a TreeSpec"):
        pytree.tree_unflatten([1, 2], [3])


def test_is_leaf_cuts_the_tree_short():
    def whole(node):
        return isinstance(node, dict)

    tree = [1, {"a": 2}, [{"b": 3}]]
    assert pytree.tree_leaves(tree, is_leaf=whole) == [1, {"a": 2}, {"b": 3}]
    assert pytree.tree_map(len, [{"a": 2}, {}], is_leaf=whole) == [1, 0]


def test_map_over_several_trees():
    assert pytree.tree_map(lambda x, y: x + y, (1, [2]), (10, [20])) == (11, [22])
    # Where the first tree has a leaf, the others may have more.
    assert pytree.tree_map(lambda x, y: y[x], [0, 1], [["a"], ["b", "c"]]) == ["a", "c"]
    # Dictionaries match by key, not by order or kind.
    other = OrderedDict([("b", 2), ("a", 1)])
    assert pytree.tree_map(lambda x, y: (x, y), {"a": 0, "b": 0}, other) == {
        "a": (0, 1),
        "b": (0, 2),
    }


@pytest.mark.parametrize(
    ("tree", "other", "message"),
    [
        ([1], (1,), "type mismatch"),
        ([1], [1, 2], "arity mismatch"),
        ({"a": 1}, {"b": 1}, r"missing key\(s\): \{'a'\}; extra key\(s\): \{'b'\}"),
        (Point(1, 2), namedtuple("Other", "x y")(1, 2), "context mismatch"),
        ([[1]], [2], "type mismatch"),
    ],
)
def test_trees_that_do_not_match(tree, other, message):
    with pytest.raises(ValueError, match=message):
        pytree.tree_map(max, tree, other)


def test_map_in_place_returns_its_argument():
    tree, seen = {"a": [1], "b": 2}, []
    assert pytree.tree_map_(seen.append, tree) is tree
    assert seen == [1, 2]
    assert pytree.tree_map_only_(int, seen.append, [3, "x"]) == [3, "x"]
    assert seen == [1, 2, 3]


def test_only():
    tree = [1, "a", 2.5]
    assert pytree.tree_map_only(int, lambda x: -x, tree) == [-1, "a", 2.5]
    assert pytree.tree_map_only((int, float), lambda x: -x, tree) == [-1, "a", -2.5]
    assert pytree.tree_map_only(int | float, lambda x: -x, tree) == [-1, "a", -2.5]
    assert pytree.tree_map_only(lambda x: x == "a", str.upper, tree) == [1, "A", 2.5]
    assert pytree.tree_all_only(int, lambda x: x == 1, tree)
    assert pytree.tree_any_only(float, lambda x: x > 2, tree)
    with pytest.raises(TypeError, match="a type, types or a predicate"):
        pytree.tree_map_only(3, str, tree)


def test_all_and_any():
    assert pytree.tree_all(lambda x: x > 0, [1, (2,)])
    assert not pytree.tree_all(lambda x: x > 1, [1, (2,)])
    assert pytree.tree_any(lambda x: x > 1, [1, (2,)])
    assert pytree.arg_tree_leaves([1], 2, k=(3,)) == [1, 2, 3]


def test_broadcast_to_and_flatten():
    spec = pytree.tree_structure([1, (2, 3), {"k": 4}])
    assert pytree._broadcast_to_and_flatten(0, spec) == [0, 0, 0, 0]
    assert pytree._broadcast_to_and_flatten([0, 1, None], spec) == [0, 1, 1, None]
    assert pytree._broadcast_to_and_flatten([0, 1], spec) is None


def test_key_paths():
    tree = {"a": [1, Point(2, 3)], 5: deque([4])}
    pairs = pytree.tree_leaves_with_path(tree)
    assert [pytree.keystr(path) for path, _ in pairs] == [
        "['a'][0]",
        "['a'][1].x",
        "['a'][1].y",
        "[5][0]",
    ]
    assert all(pytree.key_get(tree, path) is leaf for path, leaf in pairs)
    assert pytree.tree_flatten_with_path(tree)[1] == pytree.tree_structure(tree)
    named = pytree.tree_map_with_path(
        lambda path, x, y: (pytree.keystr(path), x + y), [1, 2], [3, 4]
    )
    assert named == [("[0]", 4), ("[1]", 6)]
    assert pytree.tree_map_with_path(max, []) == []


def test_a_registered_type(pair_node):
    tree = [Pair(1, [2]), 3]
    assert pytree.tree_map(lambda x: x * 2, tree) == [Pair(2, [4]), 6]
    paths = [pytree.keystr(path) for path, _ in pytree.tree_leaves_with_path(tree)]
    assert paths == ["[0].a", "[0].b[0]", "[1]"]
    with pytest.raises(ValueError, match="already registered"):
        pytree.register_pytree_node(Pair, None, None)


def test_a_subclass_is_a_leaf():
    class MyList(list):
        pass

    assert pytree.tree_leaves([MyList([1])]) == [[1]]


def test_registration_needs_both_directions():
    with pytest.raises(ValueError, match="both to_dumpable_context and"):
        pytree.register_pytree_node(Pair, None, None, to_dumpable_context=str)
    assert Pair not in pytree.SUPPORTED_NODES


def test_the_old_registration_replaces(pair_node):
    with pytest.warns(FutureWarning, match="use register_pytree_node"):
        pytree._register_pytree_node(Pair, lambda pair: ([pair.b], None), None)
    assert pytree.tree_leaves(Pair(1, 2)) == [2]
    with pytest.raises(ValueError, match="no flatten_with_keys_fn"):
        pytree.tree_leaves_with_path(Pair(1, 2))


def test_json(pair_node):
    tree = [{"a": Pair(1, 2)}, (defaultdict(list, k=3), deque([4], maxlen=2)), {Level.HIGH: 5}]
    spec = pytree.tree_structure(tree)
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec
    assert pytree.treespec_dumps(pytree.tree_structure([0])) == (
        '[1, {"type": "builtins.list", "context": "null", '
        '"children_spec": [{"type": null, "context": null, "children_spec": []}]}]'
    )


def test_json_of_named_tuples():
    Named = namedtuple("Named", "x")
    spec = pytree.tree_structure(Named(1))
    with pytest.raises(NotImplementedError, match="_register_namedtuple"):
        pytree.treespec_dumps(spec)
    pytree._register_namedtuple(Named, serialized_type_name="tests.Named")
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec


def test_json_errors():
    with pytest.raises(TypeError, match="JSON cannot hold"):
        pytree.treespec_dumps(pytree.tree_structure({object(): 1}))
    with pytest.raises(ValueError, match="unknown protocol 7"):
        pytree.treespec_dumps(pytree.tree_structure(1), protocol=7)
    with pytest.raises(NotImplementedError, match="'no.such.type'"):
        pytree.treespec_loads('[1, {"type": "no.such.type", "context": null, "children_spec": []}]')


def test_named_tuples_and_struct_sequences():
    assert pytree.is_namedtuple(Point) and pytree.is_namedtuple(Point(1, 2))
    assert pytree.is_namedtuple_class(type("Sub", (Point,), {}))
    assert not pytree.is_namedtuple((1, 2)) and not pytree.is_namedtuple_instance(Point)
    now = time.localtime()
    assert pytree.is_structseq(now) and pytree.is_structseq_class(type(now))
    assert pytree.is_structseq_instance(now) and not pytree.is_structseq(Point(1, 2))


def test_deprecated_names_still_work():
    spec = pytree.tree_structure([1])
    assert isinstance(spec.child(0), pytree.LeafSpec)
    with pytest.warns(FutureWarning, match="is_leaf"):
        assert pytree.LeafSpec() == spec.child(0)
    with pytest.warns(FutureWarning, match="children"):
        assert spec.children_specs == [spec.child(0)]
