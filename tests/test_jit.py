"""`flambeau.jit` and `flambeau.compiler`: programs stay Python; `flambeau.futures`."""

import threading
import typing
import warnings

import pytest

import flambeau
from flambeau import compiler, jit, nn
from flambeau.futures import Future, collect_all, wait_all


def test_scripts_and_traces_are_what_they_were_made_of():
    def double(x):
        return 2 * x

    layer = nn.Linear(2, 2)
    for give_back in (jit.script, jit.script_if_tracing, jit.export, jit.unused, jit.ignore):
        assert give_back(double) is double
    assert jit.script(layer) is layer
    assert jit.trace(layer, flambeau.ones(2)) is layer
    assert jit.trace_module(layer, {"forward": flambeau.ones(2)}) is layer
    assert jit.ignore(drop=True)(double) is jit.ignore()(double) is double
    with pytest.raises(RuntimeError, match="must be a bool or a function"):
        jit.ignore("no")
    assert not jit.is_scripting() and not jit.is_tracing()
    assert jit.annotate(typing.List[int], [1]) == [1]  # noqa: UP006
    assert jit.Attribute(1, int) == (1, int)


def test_script_modules_are_modules():
    class Net(jit.ScriptModule):
        __constants__ = ["n"]
        n: jit.Final[int]

        def __init__(self):
            super().__init__()
            self.layer, self.n = nn.Linear(1, 1), 2

        @jit.script_method
        def forward(self, x):
            return self.layer(x) * self.n

    assert Net()(flambeau.ones(1, 1)).shape == (1, 1)
    assert not isinstance(jit.script(Net.forward), jit.ScriptFunction)
    with pytest.raises(TypeError, match="not compiled"):
        jit.ScriptFunction()


def test_what_needs_a_compiled_program_raises(tmp_path):
    with pytest.raises(NotImplementedError, match=r"jit\.save"):
        jit.save(nn.Linear(1, 1), tmp_path / "x.pt")
    with pytest.raises(NotImplementedError, match=r"jit\.load"):
        jit.load(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "value, kind, expected",
    [
        ([1, 2], list[int], True),
        ([1, "a"], list[int], False),
        ([1, 2], typing.List[float], False),  # noqa: UP006
        ({"a": [1]}, dict[str, list[int]], True),
        ({"a": [1.0]}, dict[str, list[int]], False),
        ((1, "a"), tuple[int, str], True),
        ((1, "a", 2), tuple[int, str], False),
        ((1, 2, 3), tuple[int, ...], True),
        (None, typing.Optional[int], True),  # noqa: UP045
        ([None, 2], list[typing.Optional[int]], True),  # noqa: UP045
        (3, int | str, True),
        (3, (str, list[int]), False),
        (3, (str, int), True),
        (3, typing.Any, True),
        ([flambeau.ones(1)], list[flambeau.Tensor], True),
        ("a", list[int], False),
    ],
)
def test_isinstance_looks_into_containers(value, kind, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert jit.isinstance(value, kind) is expected


def test_isinstance_says_what_it_cannot_know():
    with pytest.warns(UserWarning, match="inner type"):
        assert jit.isinstance([], list[int])
    with pytest.raises(RuntimeError, match="without a contained type"):
        jit.isinstance([1], list)
    with pytest.raises(RuntimeError, match="tuple of types"):
        jit.isinstance(1, [int])


def test_annotations_of_lists():
    from flambeau.jit.annotations import BroadcastingList1, BroadcastingList3, List

    assert List is typing.List  # noqa: UP006
    assert BroadcastingList1[int] is BroadcastingList3[float] is None


def test_marks_for_a_compiler_change_nothing():
    def f():
        return 1

    for mark in (compiler.disable, compiler.allow_in_graph, compiler.assume_constant_result):
        assert mark(f) is f
    assert compiler.disable(reason="slow")(f) is f
    assert not compiler.is_compiling() and not compiler.is_exporting()
    assert not compiler.is_dynamo_compiling() and compiler.list_backends() == []
    assert compiler.reset() is compiler.cudagraph_mark_step_begin() is None
    with pytest.raises(NotImplementedError, match="graph mode"):
        compiler.compile(f)


def test_names_of_the_compiler_that_packages_touch():
    from flambeau import _dynamo

    _dynamo.config.optimize_ddp = False
    assert _dynamo.config.optimize_ddp is False
    assert not isinstance(nn.Linear(1, 1), _dynamo.OptimizedModule)
    assert issubclass(_dynamo.OptimizedModule, nn.Module)
    with pytest.raises(RuntimeError, match="OptimizedModule"):
        _dynamo.OptimizedModule(nn.Linear(1, 1), None)
    t = flambeau.ones(2)
    assert _dynamo.mark_dynamic(t, 0) is _dynamo.mark_static_address(t) is None


# ---- futures


def test_a_future_waits_for_its_result():
    future: Future[int] = Future()
    assert not future.done()
    with pytest.raises(RuntimeError, match="not completed"):
        future.value()
    timer = threading.Timer(0.01, future.set_result, [3])
    timer.start()
    assert future.wait() == 3 and future.done() and future.value() == 3
    timer.join()
    with pytest.raises(RuntimeError, match="already completed"):
        future.set_result(4)


def test_a_future_raises_what_went_wrong_and_hands_it_on():
    future: Future[int] = Future()
    after = future.then(lambda done: done.wait() + 1)
    future.set_exception(KeyError("lost"))
    for each in (future, after):
        with pytest.raises(KeyError, match="lost"):
            each.wait()
    with pytest.raises(AssertionError, match="not an Exception"):
        Future().set_exception("words")
    with pytest.raises(ValueError, match="expected devices of type cpu"):
        Future(devices=["meta"])


def test_callbacks_are_called_in_order_and_at_once_when_it_is_done():
    future, seen = Future(), []
    future.add_done_callback(lambda done: seen.append(("first", done.value())))
    future.add_done_callback(lambda done: seen.append(("second", done.value())))
    future.set_result(1)
    future.add_done_callback(lambda done: seen.append(("late", done.value())))
    assert seen == [("first", 1), ("second", 1), ("late", 1)]
    assert future.then(lambda done: done.value() * 5).value() == 5


def test_many_futures_together():
    futures = [Future() for _ in range(3)]
    together = collect_all(futures)
    for number, future in enumerate(futures):
        assert not together.done()
        future.set_result(number)
    assert together.wait() == futures and wait_all(futures) == [0, 1, 2]
    assert collect_all([]).wait() == []


def test_forked_calls_give_futures():
    assert jit.wait(jit.fork(lambda a, b: a - b, 3, b=1)) == 2

    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        jit.wait(jit.fork(fails))
