"""Profiles: what they see, how times and bytes are summed, what they write and say."""

import gzip
import json
import os
import threading
import time

import pytest

import flambeau as torch
from flambeau import _C
from flambeau.autograd.profiler_util import EventList, FunctionEvent

P = torch.profiler


def names(prof):
    return [event.name for event in prof.events()]


def test_ops_stand_in_the_op_that_calls_them():
    x, w, b = torch.ones(2, 3), torch.ones(4, 3), torch.ones(4)
    with P.profile() as prof:
        torch.nn.functional.linear(x, w, b)
    linear = next(e for e in prof.events() if e.name == "aten::linear")
    parts = [e.name for e in linear.cpu_children]
    assert "aten::addmm" in parts and linear.cpu_parent is None
    assert all(e.cpu_parent is linear for e in linear.cpu_children)
    inner = sum(e.cpu_time_total for e in linear.cpu_children)
    assert linear.self_cpu_time_total == pytest.approx(linear.cpu_time_total - inner)
    assert all(e.self_cpu_time_total >= 0 for e in prof.events())


def test_nothing_is_seen_before_and_after():
    x = torch.ones(3)
    with P.profile() as prof:
        x + 1
    x * 2
    assert names(prof) == ["aten::add"] and not _C._is_profiled()
    assert prof.events()[0].overload_name in ("Tensor", "Scalar")


def test_a_profile_changes_nothing_of_what_runs():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.GELU(), torch.nn.Linear(7, 1))
    x = torch.randn(4, 5)

    def gradients():
        net.zero_grad()
        net(x).exp().sum().backward()
        return [p.grad.clone() for p in net.parameters()]

    plain = gradients()
    with P.profile(record_shapes=True, profile_memory=True, with_stack=True, with_modules=True):
        looked_at = gradients()
    assert all(torch.equal(a, b) for a, b in zip(plain, looked_at))
    # Where the gradient of a pointwise op is one loop, it stays one.
    with P.profile() as prof:
        torch.ones(3, requires_grad=True).sigmoid().sum().backward()
    node = next(e for e in prof.events() if e.name == "SigmoidBackward0")
    assert len(node.cpu_children) <= 1


def test_backward_has_the_sequence_of_its_forward():
    x = torch.ones(3, requires_grad=True)
    with P.profile() as prof:
        y = x.exp()
        z = y.sin()
        z.sum().backward()
    events = {e.name: e for e in prof.events()}
    for op, node in (("aten::exp", "ExpBackward0"), ("aten::sin", "SinBackward0")):
        visit = events[f"autograd::engine::evaluate_function: {node}"]
        assert events[op].sequence_nr == events[node].sequence_nr == visit.sequence_nr >= 0
        assert events[node].cpu_parent is visit and visit.fwd_thread == visit.thread
        assert events[node].time_range.start > events[op].time_range.end
    assert "torch::autograd::AccumulateGrad" in events
    assert events["torch::autograd::AccumulateGrad"].sequence_nr == -1


def test_ranges_nest_and_self_times_add_up():
    with P.profile() as prof:
        with P.record_function("outer"):
            time.sleep(0.002)
            with P.record_function("inner", "x=1"):
                torch.ones(2) + 1
    outer, inner = prof.events()[:2]
    assert (outer.name, inner.name) == ("outer", "inner(x=1)")
    assert inner.cpu_parent is outer and outer.is_user_annotation
    assert outer.self_cpu_time_total >= 2000
    assert outer.cpu_time_total == pytest.approx(prof.events().self_cpu_time_total)

    @P.record_function("decorated")
    def work():
        return torch.ones(1)

    with P.profile() as prof:
        work(), work()
    assert prof.key_averages()[0].count == 2 and prof.key_averages()[0].key == "decorated"


def test_ranges_end_where_the_block_raises():
    with P.profile() as prof:
        with pytest.raises(RuntimeError):
            with P.record_function("fails"):
                torch.ones(2) @ torch.ones(3)
        torch.ones(1)
    events = {e.name: e for e in prof.events()}
    assert (
        events["aten::ones"].cpu_parent is None or events["aten::ones"].cpu_parent.name == "fails"
    )
    assert [e.cpu_parent for e in prof.events() if e.name == "aten::ones"][-1] is None


def test_shapes_and_numbers():
    x, w = torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3)
    with P.profile(record_shapes=True, with_flops=True) as prof:
        torch.nn.functional.conv2d(x, w, padding=1, stride=2)
        torch.cat([x, x])
        torch.ones(2, 3) @ torch.ones(3, 5)
    by = {e.name: e for e in prof.events()}
    assert by["aten::conv2d"].input_shapes[:2] == [[2, 3, 8, 8], [4, 3, 3, 3]]
    assert by["aten::cat"].input_shapes[0] == [[2, 3, 8, 8], [2, 3, 8, 8]]
    assert by["aten::cat"].concrete_inputs[1] == 0
    assert by["aten::mm"].flops == 2 * 2 * 3 * 5
    forward = by["aten::convolution"].flops
    assert forward == 2 * (2 * 4 * 4 * 4) * (3 * 3 * 3)
    w.requires_grad_()
    with P.profile(with_flops=True) as backward:
        torch.nn.functional.conv2d(x, w, padding=1, stride=2).sum().backward()
    flops = {e.name: e.flops for e in backward.events()}
    assert flops["aten::convolution_backward"] == forward  # of the weights alone
    grouped = prof.key_averages(group_by_input_shape=True)
    assert {str(e.input_shapes) for e in grouped if e.key == "aten::ones"} == {
        "[[], [], [], [], []]"
    }
    assert "FLOPs" in grouped.table() and "Input Shapes" in grouped.table()


def test_memory():
    with P.profile(profile_memory=True) as prof:
        x = torch.ones(1024)
        y = x + x
        del x
        z = y * 2
    by = {e.name: e for e in prof.events()}
    assert by["aten::ones"].cpu_memory_usage == 4096 == by["aten::add"].self_cpu_memory_usage
    assert by["[memory]"].cpu_memory_usage == -4096
    assert by["aten::mul"].cpu_memory_usage == 4096 and z.numel() == 1024
    assert "CPU Mem" in prof.key_averages().table()
    assert "KB" in prof.summary()


def test_lines_of_the_program():
    x = torch.ones(2, requires_grad=True)
    with P.profile(with_stack=True) as prof:
        x.exp().sum().backward()
    by = {e.name: e for e in prof.events()}
    here = "test_profiler.py"
    assert (
        here in by["aten::exp"].stack[0] and "test_lines_of_the_program" in by["aten::exp"].stack[0]
    )
    assert here in by["ExpBackward0"].stack[0]  # the line of its forward
    table = prof.key_averages(group_by_stack_n=1).table(max_src_column_width=200)
    assert "Source Location" in table and here in table


def test_export_stacks(tmp_path):
    with P.profile(with_stack=True) as prof:
        torch.ones(200, 200) @ torch.ones(200, 200)
    path = tmp_path / "stacks.txt"
    prof.export_stacks(str(path), "self_cpu_time_total")
    line = path.read_text().splitlines()[0]
    frames, amount = line.rsplit(" ", 1)
    assert int(amount) > 0 and "test_export_stacks" in frames.split(";")[-1]
    with pytest.raises(ValueError, match="metric"):
        prof.export_stacks(str(path), "count")
    with P.profile() as prof:
        pass
    with pytest.raises(AssertionError, match="with_stack"):
        prof.export_stacks(str(path))


def test_modules():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.ReLU()))
    with P.profile(with_modules=True) as prof:
        net(torch.ones(1, 2))
    by = {e.name: e for e in prof.events()}
    assert by["aten::linear"].module_hierarchy == "TOP(Sequential).0(Linear)"
    assert by["aten::relu"].module_hierarchy == "TOP(Sequential).1(Sequential).0(ReLU)"
    assert not any(e.name.startswith("nn.Module") for e in prof.events())
    with P.profile(with_modules=True) as backward:
        net(torch.ones(1, 2)).sum().backward()
    node = next(e for e in backward.events() if e.name == "AddmmBackward0")
    assert node.module_hierarchy == "TOP(Sequential).0(Linear)"
    assert all(part.module_hierarchy == node.module_hierarchy for part in node.cpu_children)
    assert "0(Linear)" in prof.summary()
    # The hooks are gone.
    assert not torch.nn.modules.module._global_forward_hooks


def test_schedule():
    plan = P.schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=2)
    A = P.ProfilerAction
    expected = [A.NONE, A.NONE, A.WARMUP, A.RECORD, A.RECORD_AND_SAVE]
    expected += [A.NONE, A.WARMUP, A.RECORD, A.RECORD_AND_SAVE, A.NONE]
    assert [plan(i) for i in range(10)] == expected
    assert P.schedule(wait=3, warmup=1, active=1, skip_first_wait=1)(0) == A.WARMUP
    with pytest.raises(AssertionError):
        P.schedule(wait=0, warmup=0, active=0)
    with pytest.warns(UserWarning, match="warmup"):
        P.schedule(wait=0, warmup=0, active=1)


def test_steps():
    rounds = []

    def ready(prof):
        sums = {e.key: e.count for e in prof.key_averages()}
        rounds.append((prof.step_num, sums["aten::add"], sorted(k for k in sums if "#" in k)))

    plan = P.schedule(wait=1, warmup=1, active=2, repeat=2)
    with P.profile(schedule=plan, on_trace_ready=ready) as prof:
        for _ in range(9):
            torch.ones(1) + 1
            prof.step()
    assert rounds == [
        (4, 2, ["ProfilerStep#2", "ProfilerStep#3"]),
        (8, 2, ["ProfilerStep#6", "ProfilerStep#7"]),
    ]
    assert {e.name for e in prof.events()} >= {"aten::add", "ProfilerStep#7"}


def test_a_round_that_is_cut_off_is_kept():
    seen = []
    plan = P.schedule(wait=0, warmup=1, active=5)
    with P.profile(schedule=plan, on_trace_ready=seen.append) as prof:
        for _ in range(3):
            torch.ones(1)
            prof.step()
    assert seen == [prof] and names(prof).count("aten::ones") == 2


def test_started_by_hand_and_accumulated():
    prof = P.profile(acc_events=True)
    for _ in range(2):
        prof.start()
        torch.ones(1)
        prof.stop()
    assert names(prof) == ["aten::ones", "aten::ones"]
    with pytest.raises(AssertionError, match="started first"):
        P.profile().key_averages()


def test_chrome_trace(tmp_path):
    path = tmp_path / "trace.json.gz"
    x = torch.ones(2, requires_grad=True)
    options = dict(record_shapes=True, profile_memory=True, with_stack=True, with_modules=True)
    with P.profile(**options) as prof:
        with P.record_function("mine"):
            torch.nn.Identity()(x).exp().sum().backward()
    prof.add_metadata("who", "me")
    prof.add_metadata_json("parts", "[1, 2]")
    prof.export_chrome_trace(str(path))
    trace = json.loads(gzip.open(path).read())
    assert trace["who"] == "me" and trace["parts"] == [1, 2] and trace["record_shapes"] == 1
    events = trace["traceEvents"]
    kinds = {e.get("cat") for e in events}
    assert {"cpu_op", "user_annotation", "python_function", "fwdbwd", "cpu_instant_event"} <= kinds
    exp = next(e for e in events if e["name"] == "aten::exp")
    assert exp["ph"] == "X" and exp["args"]["Input Dims"] == [[2]] and exp["dur"] > 0
    assert "test_chrome_trace" in exp["args"]["Call stack"]
    for begin in (e for e in events if e["ph"] == "s"):
        end = next(e for e in events if e["ph"] == "f" and e["id"] == begin["id"])
        assert end["ts"] > begin["ts"]
    prof.events().export_chrome_trace(str(tmp_path / "events.json"))
    assert json.loads((tmp_path / "events.json").read_text())["traceEvents"]


def test_tensorboard_trace_handler(tmp_path):
    for packed in (False, True):
        handler = P.tensorboard_trace_handler(tmp_path / "runs", "w", use_gzip=packed)
        with P.profile(on_trace_ready=handler):
            torch.ones(1)
    found = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert len(found) == 2 and found[0].startswith("w.")
    assert {name.endswith(".gz") for name in found} == {True, False}


def test_memory_timeline(tmp_path):
    with P.profile(profile_memory=True) as prof:
        x = torch.ones(1 << 16)
    prof.export_memory_timeline(str(tmp_path / "t.json"))
    times, sizes = json.loads((tmp_path / "t.json").read_text())
    assert len(times) == len(sizes) and max(s for (s,) in sizes) >= 4 * x.numel()
    with pytest.raises(NotImplementedError):
        prof.export_memory_timeline(str(tmp_path / "t.html"))
    with P.profile() as prof:
        pass
    with pytest.raises(ValueError, match="profile_memory"):
        prof.export_memory_timeline(str(tmp_path / "t.json"))


def test_threads():
    def work():
        with P.record_function("work"):
            torch.ones(3).exp()

    def run():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with P.profile() as prof:
        run()
    assert names(prof) == []
    config = P._ExperimentalConfig(profile_all_threads=True)
    with P.profile(experimental_config=config) as prof:
        torch.ones(1)
        run()
    by = {e.name: e for e in prof.events()}
    assert by["aten::exp"].cpu_parent is by["work"]
    assert by["work"].thread != prof.events()[0].thread == threading.get_native_id()
    assert "Other threads" in prof.summary()
    assert not _C._is_profiled()


def test_many_threads_with_lines_and_a_stop_in_the_middle():
    ended = threading.Event()

    def work():
        x = torch.ones(4, requires_grad=True)
        while not ended.is_set():
            with P.record_function("work"):
                x.exp().sum().backward()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    config = P._ExperimentalConfig(profile_all_threads=True)
    try:
        for _ in range(5):
            options = dict(experimental_config=config, with_stack=True, profile_memory=True)
            with P.profile(**options) as prof:
                time.sleep(0.02)
            seen = {e.thread for e in prof.events()}
            assert seen <= {t.native_id for t in threads} and seen
            for event in prof.events():
                assert event.time_range.end >= event.time_range.start
                parent = event.cpu_parent
                assert parent is None or parent.thread == event.thread
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_a_forked_process_notes_nothing():
    with P.profile() as prof:
        torch.ones(1)
        child = os.fork()
        if child == 0:
            with P.record_function("in the child"):
                torch.zeros(1)
            prof.__exit__(None, None, None)
            os._exit(0 if [e.name for e in prof.events()] == ["aten::ones"] else 1)
        assert os.waitpid(child, 0)[1] == 0
        torch.ones(1)
    assert names(prof) == ["aten::ones", "aten::ones"]


def test_profiles_nest():
    with P.profile() as outer:
        torch.ones(1)
        with torch.autograd.profiler.profile() as inner:
            torch.zeros(1)
    assert [e.name for e in inner.function_events] == ["aten::zeros"]
    assert names(outer) == ["aten::ones", "aten::zeros"]


def test_profiles_are_stopped_in_order():
    outer, inner = P.profile(), P.profile()
    outer.start()
    inner.start()
    with pytest.raises(RuntimeError, match="stopped first"):
        outer.stop()
    torch.ones(1)
    inner.stop()
    outer.stop()
    assert names(outer) == names(inner) == ["aten::ones"] and not _C._is_profiled()


def test_a_profile_beside_a_recording():
    from flambeau._recorder import record

    with P.profile() as prof:
        graph = record(lambda x: torch.nn.functional.linear(x, x), torch.ones(2, 2))
    assert [str(n.op) for n in graph.nodes] == ["aten.linear.default"]
    assert "aten::linear" in names(prof) and "aten::mm" in names(prof)


def test_loaders_and_optimisers_have_ranges():
    net = torch.nn.Linear(2, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(torch.ones(4, 2), 2)
    with P.profile() as prof:
        for x in loader:
            net(x).sum().backward()
            opt.step()
    sums = {e.key: e.count for e in prof.key_averages()}
    assert sums["Optimizer.step#SGD.step"] == 2
    assert sums["enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"] == 3


def test_summary_tells_what_to_look_at():
    class Slow(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            time.sleep(0.003)
            return torch.ones(2)

    with P.profile() as prof:
        for x in torch.utils.data.DataLoader(Slow(), 2):
            [float(v) for v in x.flatten()] * 1
            [x.sum().item() for _ in range(20)]
    text = prof.summary()
    assert "waiting for data" in text and "num_workers" in text and "item()" in text
    x = torch.ones(600, 600)
    with P.profile(record_shapes=True) as prof:
        for _ in range(5):
            x @ x
    text = prof.summary()
    assert "mm alone took" in text and "[600, 600]" in text
    shares = [
        float(line.split("%")[0])
        for line in text.splitlines()
        if line.startswith("  ") and "%" in line.split()[0]
    ]
    assert sum(shares) == pytest.approx(100, abs=0.3)


def test_summary_names_the_line_before_which_nothing_ran():
    x = torch.ones(2)
    with P.profile(with_stack=True) as prof:
        x.exp()
        time.sleep(0.01)
        torch.nn.functional.linear(x, torch.ones(2, 2))
    told = next(line for line in prof.summary().splitlines() if line.startswith("Of Python"))
    first = told.partition(": ")[2].split(", ")[0]
    assert first.startswith("test_profiler.py(") and float(first.split()[-1].strip("%.")) > 50


def test_the_older_interface():
    A = torch.autograd.profiler
    with A.profile(enabled=False) as prof:
        assert prof is None
    with A.profile(record_shapes=True) as prof:
        torch.ones(2) + 1
    assert prof.total_average().count == 2 and prof.total_average().key == "Total"
    assert prof.self_cpu_time_total > 0 and "aten::add" in prof.table(sort_by="cpu_time")
    assert "aten::add" in str(prof)
    with pytest.raises(RuntimeError, match="didn't finish"):
        A.profile().table()
    with pytest.raises(NotImplementedError, match="cuda"):
        A.profile(use_cuda=True)
    with pytest.raises(RuntimeError, match="emit_nvtx"):
        with A.emit_nvtx():
            pass
    with pytest.raises(AttributeError, match="sort"):
        prof.key_averages().table(sort_by="nonsense")


def test_tables():
    events = EventList(
        [FunctionEvent(0, "a", 1, 0.0, 3000.0), FunctionEvent(1, "b", 1, 3000.0, 4000.0)]
    )
    lines = events.table(sort_by="cpu_time_total").splitlines()
    assert lines[3].split() == ["a", "75.00%", "3.000ms", "75.00%", "3.000ms", "3.000ms", "1"]
    assert lines[-1] == "Self CPU time total: 4.000ms"
    assert len(events.table(row_limit=1).splitlines()) == len(lines) - 1
    assert "3000.000us" in events.table(time_unit="us")
    assert events.table(header="head").splitlines()[1] == "head"
    assert EventList().table() == ""


def test_ops_in_python_are_seen_with_their_parts():
    @torch.library.custom_op("looking::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x.sin() + x

    with P.profile() as prof:
        twice(torch.ones(2))
    op = next(e for e in prof.events() if e.name == "looking::twice")
    inner = [e.name for e in prof.events() if e.time_range.start > op.time_range.start]
    assert "aten::sin" in inner and "aten::add" in inner


def test_under_autocast_and_vmap():
    x = torch.ones(2, 2)
    with P.profile() as prof:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.functional.linear(x, x)
        torch.vmap(torch.sin)(x)
    assert names(prof).count("aten::linear") == 1 and "aten::sin" in names(prof)
