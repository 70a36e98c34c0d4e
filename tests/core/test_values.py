"""Arguments and results of every type and number pass through ops that are defined at run time."""

import math

import pytest

import flambeau as torch
from flambeau._recorder import record
from flambeau.utils._python_dispatch import TorchDispatchMode


class Passing(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


LIBRARY = torch.library.Library("values", "DEF")


def defined(schema: str, function):
    """The op of a schema whose kernel is a Python function."""
    name = LIBRARY.define(schema)
    LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    return getattr(torch.ops.values, name.split(".")[0])


def test_results_of_any_mix():
    two = [torch.ones(1), torch.zeros(2)]
    given = (torch.ones(3), 7, 2.5, True, "text", two, [1, 2, 3], None, 3 + 4j)
    op = defined(
        "mix(Tensor x) -> (Tensor, int, float, bool, str, Tensor[], int[], Tensor?, Scalar)",
        lambda x: given,
    )
    out = op(torch.ones(1))
    assert len(out) == 9
    assert out[0] is given[0]
    assert out[1:5] == (7, 2.5, True, "text")
    assert type(out[1]) is int and type(out[3]) is bool
    assert [t.numel() for t in out[5]] == [1, 2]
    assert list(out[6]) == [1, 2, 3] and out[7] is None and out[8] == 3 + 4j


def test_more_results_than_have_room_in_place():
    n = 40
    returns = ", ".join(["Tensor"] * n)
    op = defined(f"many(Tensor x) -> ({returns})", lambda x: tuple(x + i for i in range(n)))
    assert [t.item() for t in op(torch.tensor(1))] == list(range(1, n + 1))


def test_no_result():
    seen = []
    op = defined("nothing(Tensor x) -> ()", lambda x: seen.append(x))
    assert op(torch.ones(1)) is None and len(seen) == 1


@pytest.mark.parametrize(
    "kind, value",
    [
        ("float[]", [0.5, math.inf]),
        ("Scalar[]", [1, 2.5, True, 1j]),
        ("str[]", ["a", "", "two words"]),
        ("bool[]", [True, False]),
        ("int[]", [1, -(2**62)]),
        ("int?[]", [1, None, 3]),
        ("float?[]", [None, 0.5]),
        ("ScalarType[]", [torch.float32, torch.int8]),
        ("Device[]", [torch.device("cpu"), torch.device("meta")]),
        ("int?", None),
        ("int?", 4),
        ("str?", "x"),
        ("Layout", torch.strided),
        ("MemoryFormat?", torch.channels_last),
        ("Device?", torch.device("meta")),
    ],
)
def test_arguments_of_a_type(kind, value):
    name = "take_" + "".join(c if c.isalnum() else "_" for c in f"{kind}{value}")
    seen = []
    op = defined(f"{name}(Tensor x, {kind} v) -> Tensor", lambda x, v: seen.append(v) or x)
    op(torch.ones(1), value)
    assert seen == [value]
    with Passing():  # what passes a mode is boxed again
        op(torch.ones(1), value)
    assert seen[1] == value


def test_lists_with_missing_tensors():
    seen = []
    op = defined("maybe(Tensor?[] xs) -> int", lambda xs: seen.append(xs) or len(xs))
    t = torch.ones(1)
    assert op([t, None, t]) == 3
    assert seen[0][0] is t and seen[0][1] is None
    assert op([]) == 0
    with pytest.raises(RuntimeError, match="maybe"):
        op(None)


def test_defaults_of_every_type():
    seen = []
    op = defined(
        "defaults(Tensor x, int a=3, float b=0.5, bool c=True, str d='text', Scalar e=2, "
        "int[] f=[1, 2], float[] g=[0.5], bool[] h=[True, False], str[] i=['p', 'q'], "
        "ScalarType j=long, Layout k=strided, MemoryFormat l=contiguous_format, int[2] m=7, "
        "int? n=None, Tensor? o=None, Scalar[] p=[1, 2.5], int?[] q=[1, None]) -> int",
        lambda x, *args: seen.append(args) or 0,
    )
    op(torch.ones(1))
    with_defaults = []
    other = defined(
        "defaults_shown(Tensor x, str d='text', str[] i=['p', 'q'], int?[] q=[1, None]) -> str",
        lambda x, d="?", i="?", q="?": with_defaults.append((d, i, q)) or "done",
    )
    assert other(torch.ones(1), "other") == "done" and with_defaults[0][0] == "other"
    schema = torch.ops.values.defaults.default._schema
    defaults = {a.name: a.default_value for a in schema.arguments if a.has_default}
    assert defaults["i"] == ["p", "q"] and defaults["j"] is torch.int64
    assert defaults["p"] == [1, 2.5] and defaults["q"] == [1, None]


def test_wrong_results_are_named():
    op = defined("wrong(Tensor x) -> (Tensor, int)", lambda x: (x, "seven"))
    with pytest.raises(TypeError, match="int"):
        op(torch.ones(1))
    short = defined("short(Tensor x) -> (Tensor, int)", lambda x: (x,))
    with pytest.raises(TypeError, match="expected 2 results, got 1"):
        short(torch.ones(1))
    one = defined("not_a_tensor(Tensor x) -> Tensor", lambda x: 3)
    with pytest.raises(TypeError, match="expected a Tensor"):
        one(torch.ones(1))


def test_mixed_results_are_recorded():
    op = defined("pair(Tensor x) -> (Tensor, int)", lambda x: (x + 1, 5))
    graph = record(lambda x: op(x)[0] * 2, torch.ones(1))
    assert [str(node.op) for node in graph.nodes] == ["values.pair.default", "aten.mul.Tensor"]
    assert graph.nodes[0].outputs[1] == 5
    assert graph(torch.tensor([4.0])).item() == 10


def test_an_in_place_list_gives_its_own_tensors():
    op = defined("double_(Tensor(a!)[] xs) -> ()", lambda xs: [x.mul_(2) for x in xs] and None)
    ones = [torch.ones(2), torch.ones(3)]
    op(ones)
    assert ones[0].tolist() == [2, 2] and ones[1].tolist() == [2, 2, 2]
