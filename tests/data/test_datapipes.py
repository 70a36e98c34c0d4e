"""Pipelines: their stages, their passes, and what loaders tell them."""

import io
import pickle

import pytest

import flambeau as torch
from flambeau.utils import data as D
from flambeau.utils.data import graph_settings
from flambeau.utils.data.datapipes import iter as pipes
from flambeau.utils.data.datapipes import map as indexed
from flambeau.utils.data.datapipes.utils.common import StreamWrapper
from flambeau.utils.data.graph import traverse, traverse_dps

W, S = pipes.IterableWrapper, indexed.SequenceWrapper


def third(x):
    return x % 3


def even(x):
    return x % 2 == 0


def add(a, b):
    return a + b


def test_mapping_and_columns():
    assert list(W(range(4)).map(third)) == [0, 1, 2, 0]
    rows = W([(1, 2, 3)])
    assert list(rows.map(add, input_col=[0, 2])) == [(4, 2)]
    assert list(rows.map(third, input_col=1, output_col=-1)) == [(1, 2, 3, 2)]
    assert list(rows.map(third, input_col=2, output_col=[0])) == [(0, 2, 3)]
    assert list(W([{"a": 4}]).map(third, input_col="a", output_col="b")) == [{"a": 4, "b": 1}]
    for options in ({"output_col": 1}, {"input_col": 0, "output_col": [1, 2]}):
        with pytest.raises(ValueError, match="output_col"):
            rows.map(third, **options)
    with pytest.raises(ValueError, match="add takes 2 positional parameters, but 1"):
        W(range(3)).map(add)
    with pytest.raises(TypeError, match="callable"):
        W(range(3)).map(3)
    with pytest.warns(UserWarning, match="Lambda function"):
        W(range(3)).map(lambda x: x)


def test_filters_batches_and_groups():
    assert list(W(range(6)).filter(even)) == [0, 2, 4]
    assert list(W([(0, 1), (1, 2)]).filter(even, input_col=1)) == [(1, 2)]
    with pytest.raises(ValueError):
        list(W(range(3)).filter(third))
    batches = W(range(5)).batch(2)
    assert len(batches) == 3 and [b.as_str() for b in batches] == ["[0, 1]", "[2, 3]", "[4]"]
    assert list(W(range(5)).batch(2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(W(range(5)).batch(2).batch(2).unbatch(unbatch_level=2)) == list(range(5))
    with pytest.raises(IndexError, match="exceeds the depth"):
        list(W(range(5)).batch(2).unbatch(unbatch_level=2))
    with pytest.raises(AssertionError):
        W(range(5)).batch(0)
    groups = W(range(7)).groupby(third, keep_key=True)
    assert list(groups) == [(0, [0, 3, 6]), (1, [1, 4]), (2, [2, 5])]
    with pytest.raises(RuntimeError, match="group"):
        list(W(range(7)).groupby(third, buffer_size=3, group_size=3))
    small = W(range(7)).groupby(third, buffer_size=3, group_size=3, drop_remaining=True)
    assert sum(map(len, small)) < 7


def test_several_pipes():
    assert list(W("ab").concat(W("c"))) == ["a", "b", "c"]
    assert list(W("abc").zip(W("xy"))) == [("a", "x"), ("b", "y")]
    assert list(W("abc").mux(W("xy"))) == ["a", "x", "b", "y"]
    assert len(W("abc").mux(W("xy"))) == 4 and len(W("abc").concat(W("d"))) == 4
    a, b = W(range(3)).fork(2)
    assert list(zip(a, b)) == [(0, 0), (1, 1), (2, 2)]
    assert list(a) == [0, 1, 2] and list(b) == [0, 1, 2]
    a, b, c = W(range(9)).demux(3, third)
    assert [list(c), list(a), list(b)] == [[2, 5, 8], [0, 3, 6], [1, 4, 7]]
    a, b = W(range(9)).fork(2, buffer_size=2)
    with pytest.raises(BufferError, match="buffer size 2"):
        list(a)
    with pytest.raises(ValueError, match="between 0 and 1"):
        list(W(range(3)).demux(2, third)[0])
    with pytest.raises(ValueError, match="num_instances"):
        W(range(3)).fork(0)
    a, b = W(range(3)).fork(2)
    iterator = iter(a)
    next(iterator)
    with pytest.warns(UserWarning, match="not exhausted"):
        next(iter(a))
    with pytest.raises(RuntimeError, match="invalidated"):
        next(iterator)


def test_a_pipe_has_one_pass_at_a_time():
    pipe = W(range(4))
    first = iter(pipe)
    assert next(first) == 0
    second = iter(pipe)
    assert next(second) == 0
    with pytest.raises(RuntimeError, match="another iterator has been created"):
        next(first)
    assert list(second) == [1, 2, 3]


def test_names_reprs_and_pickles():
    assert repr(W("a").batch(2)) == "BatcherIterDataPipe"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = W("a").nothing
    assert "shuffle" in dir(W("a")) and D.IterDataPipe is type(W("a")).__mro__[1]
    with pytest.raises(Exception, match="already taken"):
        D.functional_datapipe("batch")(type(W("a")))
    pipe = pickle.loads(pickle.dumps(W(range(4)).shuffle().batch(2)))
    assert sorted(sum(pipe, [])) == [0, 1, 2, 3]
    error = pytest.raises(ZeroDivisionError, lambda: list(W([0]).map((1).__floordiv__)))
    assert "thrown by __iter__ of MapperIterDataPipe" in str(error.value)


def test_shuffles_follow_seeds_and_loaders():
    pipe = W(range(20)).shuffle(buffer_size=5)
    torch.manual_seed(0)
    first = list(pipe)
    torch.manual_seed(0)
    assert list(pipe) == first != sorted(first) and list(pipe) != first
    assert list(pipe.set_shuffle(False)) == list(range(20))
    loader = D.DataLoader(W(range(20)).shuffle(), None, shuffle=False)
    assert list(loader) == list(range(20))
    with pytest.warns(UserWarning, match="does not contain a `Shuffler`"):
        D.DataLoader(W(range(20)), None, shuffle=True)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_have_their_parts(persistent):
    pipe = W(range(11)).shuffle().sharding_filter()
    loader = D.DataLoader(pipe, 3, num_workers=2, persistent_workers=persistent)
    for _ in range(2):  # all shuffle alike, so that none is left out
        assert sorted(torch.cat(list(loader)).tolist()) == list(range(11))
    mapped = D.DataLoader(S(range(6)).map(third), 2, num_workers=2)
    assert [b.tolist() for b in mapped] == [[0, 1], [2, 0], [1, 2]]


def test_sharding():
    pipe = W(range(10)).sharding_filter()
    graph_settings.apply_sharding(pipe, 3, 1)
    assert list(pipe) == [1, 4, 7] and len(pipe) == 3
    with pytest.raises(ValueError, match="instance_id"):
        pipe.apply_sharding(2, 2)
    with pytest.raises(RuntimeError, match="Sharding twice"):
        graph_settings.apply_sharding(W("a").sharding_filter().sharding_filter(), 2, 0)


def test_graphs():
    source = W(range(3))
    pipe = source.zip(source.map(third))
    graph = traverse_dps(pipe)
    assert len(graph_settings.get_all_graph_pipes(graph)) == 3 and list(graph) == [id(pipe)]
    with pytest.warns(FutureWarning, match="traverse_dps"):
        assert traverse(pipe).keys() == graph.keys()
    with pytest.raises(RuntimeError, match="Expected `IterDataPipe`"):
        traverse_dps([source])


def test_pipes_with_indices():
    pipe = S(range(10)).map(third).batch(4)
    assert len(pipe) == 3 and pipe[2] == [2, 0] and list(pipe)[0] == [0, 1, 2, 0]
    with pytest.raises(IndexError):
        pipe[3]
    assert S("ab").concat(S("cd"))[3] == "d" and S("ab").zip(S("cd"))[1] == ("b", "d")
    assert len(S("ab").zip(S("cde"))) == 2
    with pytest.raises(IndexError, match="out of range"):
        S("ab").zip(S("c"))[1]
    with pytest.raises(TypeError, match="MapDataPipe"):
        S("ab").concat("cd")
    a, b = (list(S(range(9)).shuffle().set_seed(3)) for _ in range(2))
    assert a == b != sorted(a) == list(range(9))
    assert S({"a": 1})["a"] == 1


def test_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.bin"):
        (tmp_path / name).write_text(name * 2)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "d.txt").write_text("d")
    files = pipes.FileLister(str(tmp_path), "*.txt")
    assert [f[-5:] for f in files] == ["a.txt", "b.txt"]
    assert len(list(pipes.FileLister(str(tmp_path), ["*.txt", "*.bin"], recursive=True))) == 4
    read = dict(files.open_files("b").read_from_stream())
    assert [v for _, v in sorted(read.items())] == [b"a.txta.txt", b"b.txtb.txt"]
    with pytest.raises(ValueError, match="mode"):
        files.open_files("w")
    with pytest.raises(TypeError, match="length"):
        len(files)
    stream = StreamWrapper(io.StringIO("x"))
    child = StreamWrapper(io.StringIO("y"), stream)
    stream.autoclose()
    StreamWrapper.close_streams({"a": [child]})
    assert child.closed and stream.closed


class Typed(D.IterDataPipe[int]):
    def __init__(self, source):
        self.source = source

    @D.runtime_validation
    def __iter__(self):
        yield from self.source


def test_checks_of_types():
    assert list(Typed([1, 2])) == [1, 2]
    with pytest.raises(RuntimeError, match="Expected an instance as subtype of int"):
        list(Typed(["a"]))
    with D.runtime_validation_disabled():
        assert list(Typed(["a"])) == ["a"]

    @D.argument_validation
    def length(pipe: D.IterDataPipe[float]):
        return 3

    with pytest.raises(TypeError, match="subtype of hint"):
        length(Typed([1]))
    with pytest.raises(TypeError, match="as a IterDataPipe"):
        length([1])


def test_pipes_that_are_not_deterministic():
    @D.non_deterministic
    class Random(D.IterDataPipe):
        def __iter__(self):
            yield 4

    @D.functional_datapipe("perhaps_random")
    @D.non_deterministic(lambda source, really: really)
    class Perhaps(D.IterDataPipe):
        def __init__(self, source, really):
            self.source = source

        def __iter__(self):
            yield from self.source

    assert list(Random()) == [4] and list(W("a").perhaps_random(True)) == ["a"]
    with D.guaranteed_datapipes_determinism():
        assert list(W("a").perhaps_random(False)) == ["a"]
        for make in (Random, lambda: W("a").perhaps_random(True)):
            with pytest.raises(TypeError, match="non-deterministic"):
                make()


def test_distributed_sampler():
    parts = [D.DistributedSampler(range(10), 3, rank, seed=1) for rank in range(3)]
    assert {len(p) for p in parts} == {4} and set().union(*parts) == set(range(10))
    first = list(parts[0])
    parts[0].set_epoch(1)
    assert list(parts[0]) != first
    parts = [D.DistributedSampler(range(10), 3, r, False, drop_last=True) for r in (0, 2)]
    assert list(map(list, parts)) == [[0, 3, 6], [2, 5, 8]]
    assert list(D.DistributedSampler(range(2), 8, 5, shuffle=False)) == [1]
    with pytest.raises(ValueError, match="Invalid rank 3"):
        D.DistributedSampler(range(2), 3, 3)
    with pytest.raises(RuntimeError, match="num_replicas"):
        D.DistributedSampler(range(2))
