"""utils.benchmark: timers, what measurements say, tables, and tensors of random layouts."""

import pickle
import shutil

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils import benchmark as B

# ---- timers


def test_a_timer_times():
    x = torch.ones(4)
    timer = B.Timer("y = x + k", "k = 2", globals={"x": x}, label="add", sub_label="small")
    m = timer.timeit(50)
    assert m.number_per_run == 50 and len(m.raw_times) == 1 and 0 < m.median < 1e-2
    assert m.title == "add: small" and m.as_row_name == "small"
    heard = []
    m = timer.blocked_autorange(lambda n, t: heard.append((n, t)), min_run_time=0.01)
    assert sum(m.raw_times) >= 0.01 and heard == [(m.number_per_run, t) for t in m.raw_times]
    m = timer.adaptive_autorange(1e9, min_run_time=0.001)
    assert len(m.raw_times) >= 4
    m = timer.adaptive_autorange(0.0, min_run_time=0.001, max_run_time=0.02)
    assert sum(m.raw_times) > 0.02
    assert pickle.loads(pickle.dumps(m)).raw_times == m.raw_times


def test_threads_are_set_while_it_runs():
    before = torch.get_num_threads()
    seen = []
    B.Timer("seen.append(torch.get_num_threads())", globals={"seen": seen}, num_threads=2).timeit(1)
    assert set(seen) == {2} and torch.get_num_threads() == before


def test_what_a_timer_does_not_take():
    with pytest.raises(ValueError, match="only a `str` stmt"):
        B.Timer(lambda: 1)
    with pytest.raises(ValueError, match="global_setup is C.. only"):
        B.Timer(global_setup="x")
    with pytest.raises(ValueError, match="Invalid language `rust`"):
        B.Timer(language="rust")
    with pytest.raises(ValueError, match="globals are variables of Python"):
        B.Timer(language="c++", globals={"x": 1})
    with pytest.raises(ValueError, match="`repeats` must be >= 1"):
        B.Timer().collect_callgrind(repeats=0)
    for name in ("repeat", "autorange"):
        with pytest.raises(NotImplementedError, match="blocked_autorange"):
            getattr(B.Timer(), name)()


def test_code_may_be_indented():
    timer = B.Timer(
        """
        if torch:
            n = 1
        """,
        setup="""
            a = 1
            b = 2""",
    )
    assert timer._task_spec.stmt == "if torch:\n    n = 1"
    assert timer._task_spec.summarize() == (
        "stmt:\n  if torch:\n      n = 1\n\nsetup:\n  a = 1\n  b = 2\n"
    )
    timer.timeit(1)


# ---- measurements


def measured(times, number=10, **fields):
    return B.Measurement(number, times, B.TaskSpec("f(x)", "pass", **fields))


def test_statistics_are_numpys():
    times = np.random.default_rng(0).uniform(1e-5, 2e-5, 11)
    m = measured((times * 10).tolist())
    assert m.median == pytest.approx(np.median(times))
    assert m.mean == pytest.approx(times.mean())
    assert m.iqr == pytest.approx(np.subtract(*np.quantile(times, [0.75, 0.25])))
    assert m.meets_confidence(10) and not m.meets_confidence(0.1) and m.has_warnings
    assert m.num_threads == 1 and m.description is None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        m.nothing  # noqa: B018


def test_figures_that_mean_something():
    assert measured([1.0] * 20, 1).significant_figures == 4
    assert measured([1.0, 1.01] * 20, 1).significant_figures == 2
    assert measured([1e-7] * 20, 1).significant_figures == 1  # no clock is that good


def test_how_measurements_print():
    lines = repr(measured([3.0], 2, description="once", num_threads=3)).splitlines()
    assert lines[1:] == ["f(x)", "once", "  1.50 s", "  1 measurement, 2 runs , 3 threads"]
    lines = repr(measured([1e-4, 1e-4, 1e-4, 3e-4])).splitlines()
    assert lines[2:] == [
        "  Median: 10.00 us",
        "  IQR:    5.00 us (10.00 to 15.00)",
        "  4 measurements, 10 runs per measurement, 1 thread",
        "  WARNING: Interquartile range is 50.0% of the median measurement.",
        "           This suggests significant environmental influence.",
    ]


def test_replicates_are_merged():
    a, b, c = measured([1.0], 1), measured([4.0], 2), measured([5.0], label="other")
    merged = B.Measurement.merge([a, c, b])
    assert [m.times for m in merged] == [[1.0, 2.0], [0.5]]


def test_units_and_figures():
    assert [B.select_unit(t)[0] for t in (3e-9, 4e-5, 0.2, 7, 4000)] == "ns us ms s s".split()
    assert B.unit_to_english("ms") == "millisecond"
    assert [B.trim_sigfig(12345.6, n) for n in (1, 3)] == [10000, 12300] and not B.trim_sigfig(0, 2)
    with pytest.raises(AssertionError, match="must be an integer"):
        B.trim_sigfig(1.0, 1.5)
    assert B.ordered_unique([3, 1, 3]) == [3, 1]


# ---- tables


def results():
    return [
        measured([t * factor * 1e-5] * 4, label="work", sub_label=sub, description=f"n={n}",
                 num_threads=threads)
        for threads, factor in ((1, 2), (2, 1))
        for sub, t in (("fast", 1), ("slow", 8.75))
        for n in (1, 1000)
        if (sub, n, threads) != ("slow", 1, 2)
    ]  # fmt: skip


def test_a_table():
    table = B.Compare(results())
    lines = str(table).splitlines()
    assert lines[0].strip("[]-") == " work "
    assert [cell.strip() for cell in lines[1].split("|")] == ["", "n=1", "n=1000"]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if "|" in line][1:]
    assert rows == [
        ["fast", "2.0", "2.0"],
        ["slow", "17.5", "17.5"],
        ["fast", "1.0", "1.0"],
        ["slow", "", "8.8"],
    ]
    assert [line for line in lines if "threads:" in line] == [
        f"{n} threads: ".ljust(len(lines[1]), "-") for n in (1, 2)
    ]
    assert lines[-1] == "Times are in microseconds (us)."
    assert len({len(line) for line in lines[:-2]}) == 1


def test_figures_colours_and_warnings_of_tables(capsys):
    table = B.Compare(results() + [measured([1.0, 2.0, 3.0, 4.0], label="wide")])
    table.trim_significant_figures()
    table.highlight_warnings()
    table.colorize()
    table.print()
    text = capsys.readouterr().out
    assert "\033[92m\033[1m" in text and "\033[31m\033[1m" in text  # best, and 8.75 times that
    assert "250.0 (! 60%)" in text.replace("\033[0m", "") or "(! 60%)" in text
    assert "has high variance" in text and text.count("Times are in") == 2
    table.colorize(rowwise=True)
    assert "\033[31m" not in str(table)
    with pytest.raises(
        ValueError, match="Expected an instance of `Measurement`, got <class 'int'>"
    ):
        table.extend_results([3])


def test_places_are_named_where_there_are_several():
    table = B.Compare([measured([1.0], env="old"), measured([2.0], env="new")])
    assert [line.split("|")[0].strip() for line in str(table).splitlines()[3:5]] == [
        "(new)  f(x)",
        "(old)  f(x)",
    ]


# ---- tensors of random layouts


def fuzzer(**options):
    P, T = B.FuzzedParameter, B.FuzzedTensor
    return B.Fuzzer(
        [
            P("dim", distribution={1: 0.5, 2: 0.5}, strict=True),
            [P(f"n{i}", 2, 64, distribution="loguniform") for i in range(2)],
            P("step", 1, 3, distribution="uniform"),
            P("share", 0.0, 1.0, distribution="uniform"),
            P("same", distribution={1: 0.5, B.ParameterAlias("n0"): 0.5}),
        ],
        [
            T("x", ("n0", "n1"), ("step", 1), 0.3, 16, 1024, 8192, "dim"),
            [T("y", ("same", 3), dtype=torch.int64)],
        ],
        **options,
    )


def test_draws_keep_to_their_bounds_and_are_the_same_for_a_seed():
    drawn = list(fuzzer(seed=3).take(30))
    for tensors, properties, params in drawn:
        x, y = tensors["x"], tensors["y"]
        assert x.dim() == params["dim"] and 16 <= x.numel() <= 1024
        assert tuple(x.shape) == (params["n0"], params["n1"])[: params["dim"]]
        assert y.shape == (params["same"], 3) and params["same"] in (1, params["n0"])
        assert 1 <= y.min() and y.max() <= 126 and 0 <= params["share"] <= 1
        assert properties["x"]["is_contiguous"] == x.is_contiguous()
        assert properties["x"]["numel"] == x.numel() and properties["y"]["dtype"] == "torch.int64"
    assert {p["x"]["is_contiguous"] for _, p, _ in drawn} == {True, False}
    assert {p["dim"] for _, _, p in drawn} == {1, 2}
    for (a, _, p), (b, _, q) in zip(drawn, fuzzer(seed=3).take(30), strict=True):
        assert p == q and all(torch.equal(a[k], b[k]) for k in a)


def test_constraints_reject():
    made = fuzzer(seed=0, constraints=[lambda p: p["step"] == 2])
    assert all(p["step"] == 2 for _, _, p in made.take(5)) and 0 < made.rejection_rate < 1
    with pytest.raises(ValueError, match="Failed to generate"):
        next(fuzzer(constraints=[lambda p: False]).take(1))


def test_mistakes_in_parameters():
    P, T = B.FuzzedParameter, B.FuzzedTensor
    for options in (
        {"distribution": "normal"},
        {"distribution": {1: 0.5}},
        {"distribution": {1: 1.5, 2: -0.5}},
        {"distribution": {1: 1.0}, "minval": 1},
        {"distribution": "uniform", "minval": 1},
    ):
        with pytest.raises(AssertionError):
            P("x", **options)
    one = P("x", distribution={B.ParameterAlias("y"): 1.0})
    other = P("y", distribution={B.ParameterAlias("x"): 1.0})
    with pytest.raises(ValueError, match="ParameterAlias cycle"):
        next(B.Fuzzer([one, other], []).take(1))
    with pytest.raises(ValueError, match="Duplicate names"):
        B.Fuzzer([one], [T("x", (1,))])


# ---- instructions


def test_counts_of_functions():
    F = B.FunctionCount
    a = B.FunctionCounts((F(30, "/x/core/a.cpp:f [/lib/a.so]"), F(5, "g")), False)
    b = B.FunctionCounts((F(10, "g"),), False)
    assert [tuple(r) for r in a - b] == [(30, "/x/core/a.cpp:f [/lib/a.so]"), (-5, "g")]
    assert (a + b).sum() == 45 and (a * 2).sum() == 70 and len(a[:1]) == 1 and a[1].count == 5
    assert a.filter(lambda f: f == "g").sum() == 5
    assert repr(a).splitlines()[-1] == "Total: 35"
    many = B.FunctionCounts(tuple(F(i, "f" * 90) for i in range(30)), True, _linewidth=60)
    lines = repr(many).splitlines()[1:]
    assert len(lines) == 19 and lines[9].strip() == "..." and " ... " in lines[0]
    with pytest.raises(AssertionError, match="Cannot merge"):
        a + many


def test_instructions_are_counted_or_what_is_missing_is_named(monkeypatch):
    x = torch.ones(8)
    timer = B.Timer("x.add(1)", globals={"x": B.CopyIfCallgrind(x)})
    if shutil.which("valgrind"):
        stats = timer.collect_callgrind(20)
        assert stats.number_per_run == 20 and stats.counts() > stats.baseline_exclusive_stats.sum()
        assert 20 * 100 < stats.counts() < 20 * 100_000
        assert "Instructions:" in repr(stats)
        assert stats.delta(stats).sum() == 0
        assert stats.as_standardized().counts() == stats.counts()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OSError, match="missing valgrind.*install valgrind"):
        timer.collect_callgrind()
    with pytest.raises(ValueError, match="Unsupported type: <class 'object'>"):
        B.CopyIfCallgrind(object())
