"""Ready for breadth: one check for each sentence of what was asked (``make acceptance``).

The checks of speed and of build time read machines that are never quiet; they stand here and not
in the test suite for that reason.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from acceptance_tools import ROOT, figure, passes, python, raises, run, texts

COST = "docs/cost.md"


# ---- 1. the cost of one more op


def test_a_new_pointwise_record_compiles_8_objects_and_15_cpu_seconds():
    assert figure(COST, "new pointwise record: objects") <= 8
    assert figure(COST, "new pointwise record: CPU-s") <= 15


def test_an_edited_shape_rule_recompiles_its_users_alone():
    passes("tests/test_drills.py", 1, "-k", "rule")


def test_declarations_stand_by_op_or_family():
    for name, text in texts("*.cpp").items():
        if name.startswith(("core/", "kernels/")):
            assert '"flambeau/ops.h"' not in text and '"flambeau/kernels.h"' not in text, name


def test_precompiled_headers_hold_no_generated_text():
    text = (ROOT / "CMakeLists.txt").read_text()
    listed = " ".join(re.findall(r"standard_headers([^)]*)\)", text))
    assert listed and "flambeau/" not in listed and ".h" not in listed.replace("Python.h", "")


def test_the_states_of_reductions_are_compiled_apart():
    assert not (ROOT / "kernels/cpu/reduce_isa.cpp").exists()
    assert len(list((ROOT / "kernels/cpu/reduce").glob("*_isa.cpp"))) >= 3


def test_the_drill_counts_objects():
    text = (ROOT / "tests/test_drills.py").read_text()
    assert "objects" in text
    passes("tests/test_drills.py", 10)


@pytest.mark.parametrize("kind", ["pointwise", "structured", "composite"])
@pytest.mark.parametrize("what", ["CPU-s", "KB", "lines"])
def test_a_table_says_what_a_record_costs(kind, what):
    assert figure(COST, f"{kind} record: {what}") >= 0


@pytest.mark.parametrize(
    "what, limit",
    [
        ("1,300 records: clean build, minutes of wall on 2 cores", 9),
        ("1,300 records: library, MB", 25),
        ("1,300 records: import, ms", 15),
        ("1,300 records: first docstring, s", 0.1),
    ],
)
def test_1300_records_stay_cheap(what, limit):
    assert figure(COST, what) <= limit


def test_nothing_is_edited_by_everybody():
    names = set(run("git", "ls-files").split())
    for name in ("docs/api.md", "flambeau/nn/functional.py", "kernels/cpu/all.h"):
        assert name not in names
    assert "kernels/shape/all.h" not in names
    assert not any("ALL_KEYS" in t for t in texts("flambeau/*.py").values())
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert not re.search(r"RANGE \d+", cmake), "shard counts stand in CMakeLists.txt too"


def test_folders_of_kernels_mirror_the_records():
    families = "pointwise reduce scan index rearrange order norm pool conv matmul loss optim random"
    for name in families.split():
        assert (ROOT / "kernels/cpu" / name).is_dir(), name
    loose = [p.name for p in (ROOT / "kernels/cpu").glob("*.cpp")]
    assert len(loose) <= 3, loose


def test_serialization_is_a_package_without_a_circle():
    folder = ROOT / "flambeau/serialization"
    for name in ("reader", "writer", "unpickler", "rebuild"):
        assert (folder / f"{name}.py").exists(), name
    text = (ROOT / "flambeau/nn/parameter.py").read_text()
    assert "serialization" not in text and "_rebuild" not in text


def test_the_generator_has_no_circle():
    graph = {}
    for name, text in texts("flambeau/ops/generator/*.py").items():
        module = pathlib.Path(name).stem
        found = re.findall(r"flambeau\.ops\.generator(?:\.(\w+))? import ([\w, ()\n]+)", text)
        graph[module] = {m for a, b in found for m in ([a] if a else re.findall(r"\w+", b))}
    while True:
        leaves = [m for m, uses in graph.items() if not uses & graph.keys()]
        if not leaves:
            break
        for m in leaves:
            del graph[m]
    assert not graph, f"a circle among {sorted(graph)}"


TIMED = """
import time
def us(f, n=3000):
    f()
    best = 9
    for _ in range(5):
        t = time.perf_counter()
        for _ in range(n): f()
        best = min(best, (time.perf_counter() - t) / n)
    return best * 1e6
x = torch.ones(4, 4)
"""


def test_packets_are_cached():
    python(TIMED + "assert us(lambda: torch.ops.aten.relu.default(x)) < us(x.relu) + 1\n")


def test_composites_cost_a_microsecond_over_their_parts():
    python(
        TIMED + "parts = us(lambda: (x[0:2], x[2:4]))\n"
        "assert us(lambda: x.split(2)) < parts + 1\n"
        "parts = us(lambda: torch.mm(x, x.t()))\n"
        "assert us(lambda: torch.einsum('ij,kj->ik', x, x)) < parts + 1\n"
    )


# ---- 2. seams


def test_a_table_of_functions_per_device():
    text = (ROOT / "core/tensor/device_table.h").read_text()
    for word in ("allocate", "free", "copy", "fill", "stream", "event", "generator"):
        assert word in text, word


def test_bodies_name_no_device():
    for name, text in texts("kernels/native/*.cpp").items():
        assert "is_cpu" not in text and "DeviceType::" not in text, name


def test_an_outside_backend_runs_the_records():
    passes("tests/drills/test_backend.py", 10)


def test_every_op_but_a_composite_has_a_rule_and_a_kernel():
    python("""
        from flambeau.ops.record import load
        bare = [r.schema.full_name for r in load() if r.kind != "composite" and not r.has_rule]
        assert not bare, bare
    """)
    python("""
        missing = [s for s in torch._C._ops_without_rule()]
        dynamic = torch._C._ops_of_dynamic_shape()
        assert not set(missing) - set(dynamic), missing
    """)


def test_meta_runs_the_rule_alone():
    passes("tests/drills/test_rules.py", 300)


def test_ops_of_dynamic_sizes_stand_in_a_generated_list():
    assert "nonzero" in run(sys.executable, "-m", "flambeau.ops", "list", "--dynamic")


def test_symint_stays_in_schemas_and_values_hold_one():
    python("""
        assert "SymInt" in str(torch.ops.aten.view.default._schema)
        assert "SymInt[] size" in str(torch.ops.aten.expand.default._schema)
    """)
    passes("tests/drills/test_rules.py", 1, "-k", "symbolic")


def test_rules_are_python_functions():
    folder = ROOT / "kernels/shape"
    left = sum(len(p.read_text().splitlines()) for p in folder.rglob("*.h"))
    assert left < 500, f"{left} lines of rules in C++"


def test_unknown_sizes_are_at_least_2():
    passes("tests/drills/test_rules.py", 1, "-k", "unknown")


def test_the_suite_passes_deferred():
    env = {**os.environ, "FLAMBEAU_DEFER": "1"}
    run(sys.executable, "-m", "pytest", "-q", "tests", limit=1200, env=env)


def test_composites_are_bodies_in_python():
    python("""
        from flambeau.ops.record import load
        left = [r.schema.full_name for r in load() if r.kind == "composite" and r.cxx]
        assert not left, left
    """)


def test_structured_gradients_are_bodies_in_python():
    left = sum(len(p.read_text().splitlines()) for p in (ROOT / "core/autograd").glob("formula_*"))
    assert left < 150, f"{left} lines of gradients in C++"


def test_anything_outside_the_subset_is_a_build_error_with_its_line():
    passes("tests/ops/test_source.py", 10)


def test_bodies_run_both_ways_alike():
    passes("tests/drills/test_bodies.py", 60)


def test_slots_and_their_defaults():
    python("""
        import dataclasses
        from flambeau.ops.record import Record
        fields = {f.name for f in dataclasses.fields(Record)}
        want = {"jvp", "batching", "decomposition", "sharding", "autocast", "benchmark"}
        assert want <= fields, want - fields
    """)


def test_slots_are_loaded_at_first_use():
    python("""
        import sys
        assert not [m for m in sys.modules if m.startswith("flambeau.ops.")]
    """)


def test_a_list_of_ops_without_a_slot_may_only_shrink():
    run(sys.executable, "tools/slots.py", "--check")


def test_transforms_agree_with_loops_and_differences():
    passes("tests/drills/test_transforms.py", 100)


def test_nested_levels_overrides_and_reads():
    passes("tests/drills/test_layers.py", 15)


def test_a_recorded_read_is_seen():
    passes("tests/drills/test_layers.py", 1, "-k", "item")


def test_values_and_results_of_any_kind():
    passes("tests/core/test_values.py", 8)


def test_a_backward_45_deep_under_a_mode():
    passes("tests/core/test_thread_state.py", 3)


def test_fused_steps_are_ops():
    python("""
        names = ("_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_adagrad_")
        assert all(hasattr(torch.ops.aten, n) for n in names)
        assert not [n for n in dir(torch._C) if n.startswith("_fused")]
    """)
    passes("tests/optim/test_fused_ops.py", 8)


def test_cpp_namespace_and_inline_surface():
    for name, text in texts("*.h").items():
        if name.startswith(("core/", "kernels/")) and not name.startswith("core/python/"):
            assert "namespace flambeau" not in text.replace("namespace flambeau::inline v1", ""), (
                name
            )
    passes("tests/test_cpp.py", 2)


def test_free_threaded_python(tmp_path):
    """A build for that interpreter in a copy: what it builds stands beside the package."""
    found = shutil.which("python3.13t") or shutil.which("python3.14t")
    assert found, "no free-threaded interpreter here"
    clone, environment, own = tmp_path / "clone", tmp_path / "venv", tmp_path / "venv/bin/python"
    run("git", "clone", "-q", ROOT, clone)
    run(found, "-m", "venv", environment)
    run(own, "-m", "pip", "install", "-q", "pytest")
    options = ["-G", "Ninja", f"-DPython_EXECUTABLE={own}", "-DFLAMBEAU_IN_PLACE=ON"]
    run("cmake", "-S", clone, "-B", clone / "build/free", *options)
    run("cmake", "--build", clone / "build/free", limit=3600)
    env = {**os.environ, "PYTHONPATH": str(clone)}
    test = clone / "tests/core/test_free_threaded.py"
    output = run(own, "-P", "-m", "pytest", "--rootdir", clone, test, env=env)
    assert re.search(r"\d+ passed", output) and "skipped" not in output, output


# ---- 3. nothing crashes, hangs, corrupts or half-changes


@pytest.mark.parametrize(
    "kind, count",
    [
        ("storage", 15),
        ("sequences", 20),
        ("wrappers", 8),
        ("dtypes", 50),
        ("depth", 6),
        ("overflow", 10),
        ("checkpoints", 20),
        ("half_changes", 20),
        ("interchange", 6),
    ],
)
def test_faults_of_a_kind(kind, count):
    passes(f"tests/faults/test_{kind}.py", count)


def test_a_storage_resized_while_another_thread_computes():
    passes("tests/core/test_storage_threads.py", 1)


def test_mixed_devices_are_an_error_everywhere():
    passes("tests/faults/test_devices.py", 50)


def test_exceptions_to_all_or_nothing_may_only_shrink():
    passes("tests/faults/test_half_changes.py", 1, "-k", "no_exceptions")


def test_save_leaves_nothing_behind():
    passes("tests/faults/test_checkpoints.py", 1, "-k", "temporary or noise")


def test_numpy_copies_when_asked():
    python("""
        import numpy as np
        p = torch.nn.Parameter(torch.zeros(3))
        with torch.no_grad():
            a = np.array(p)
        a[0] = 1
        assert p[0] == 0
    """)


def test_fill_with_a_meta_number_is_refused():
    raises(
        "torch.zeros(2).fill_(torch.ones((), device='meta'))", "(RuntimeError, NotImplementedError)"
    )


def test_the_fuzzer():
    assert "fuzz" in (ROOT / "Makefile").read_text()
    assert "fuzz" in (ROOT / ".ci/run").read_text() or list((ROOT / "tests/fuzz").glob("test_*.py"))
    run("make", "fuzz", limit=600)


# ---- 4. tried as a new user would


def test_invert_of_a_mask():
    python("assert (~torch.tensor([True, False])).tolist() == [False, True]")


@pytest.mark.parametrize("op", ["a // z", "a % z", "torch.fmod(a, z)", "a.floor_divide_(z)"])
def test_integers_divided_by_zero(op):
    raises(f"a = torch.tensor([1]); z = torch.tensor([0]); {op}", "RuntimeError", "ZeroDivision")


def test_tensors_with_arrays():
    python("""
        import numpy as np
        y = torch.ones(2, 3) * np.full((2, 3), 2.0)
        assert isinstance(y, torch.Tensor) and (y == 2).all()
    """)


def test_complex_logarithms():
    python("""
        import mpmath  # NumPy's own lose digits near 0
        mpmath.mp.prec = 200
        log = lambda base: lambda z: mpmath.log(z) / mpmath.log(base)
        exact = {
            "log2": log(2), "log10": log(10), "log1p": lambda z: mpmath.log(1 + z),
            "expm1": mpmath.expm1,
        }
        x = torch.tensor([1e-9 + 2e-9j, 3 - 4j, -0.5 + 1e-7j], dtype=torch.complex128)
        for name, f in exact.items():
            for z, got in zip(x.tolist(), getattr(torch, name)(x).tolist()):
                want = complex(f(mpmath.mpc(z)))
                assert abs(got.real - want.real) <= 1e-12 * abs(want.real), (name, z)
                assert abs(got.imag - want.imag) <= 1e-12 * abs(want.imag), (name, z)
    """)


def test_cuda_is_asked_for():
    python("assert torch.cuda.is_available() is False")


def test_an_unbuilt_checkout_says_what_to_do(tmp_path):
    shutil.copytree(ROOT / "flambeau", tmp_path / "flambeau", ignore=shutil.ignore_patterns("*.so"))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "flambeau"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode and "make" in done.stderr and "circular" not in done.stderr


def test_typed_programs():
    passes("tests/test_stubs.py", 4)
    passes("tests/typing/test_programs.py", 2)


def test_make_clean_leaves_nothing():
    text = (ROOT / "Makefile").read_text()
    clean = text.split("\nclean:")[1]
    for word in ("*.so", "__pycache__", "include", "share"):
        assert word in clean, word


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m flambeau.ops list | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


def test_make_demo_is_quiet():
    output = run("make", "demo", limit=900)
    assert len(output.splitlines()) < 80
    assert not re.search(r"^\[\d+/\d+\] ", output, re.M)


def test_check_sees_new_ops_and_untracked_files():
    text = (ROOT / "tools/check.py").read_text()
    assert "test_records" in text and "--others" in text


def test_the_readme_says_what_it_takes_and_what_is_missing():
    text = (ROOT / "README.md").read_text()
    assert re.search(r"\bminutes?\b", text) and re.search(r"\bMB\b", text)
    assert re.search(r"not (there|yet)|missing", text, re.I)


@pytest.mark.parametrize(
    "kind", ["pointwise", "structured", "native", "view", "composite", "random", "inplace"]
)
def test_a_page_for_each_kind_of_op(kind):
    assert (ROOT / f"docs/ops/{kind}.md").exists()
    passes("tests/test_op_pages.py", 7, "-k", kind)


def test_node_names_of_max():
    python("""
        x = torch.ones(2, 2, requires_grad=True)
        assert type(x.max(0)[0].grad_fn).__name__ == "MaxBackward0"
        assert type(x.max().grad_fn).__name__ == "MaxBackward1"
    """)


def test_detach_of_an_inference_tensor():
    python("""
        with torch.inference_mode():
            x = torch.ones(2)
        assert x.detach().is_inference()
    """)


def test_a_leaf_reshaped_in_place():
    python("""
        x = torch.ones(2, 3, requires_grad=True)
        with torch.no_grad():
            x.t_()
        (x * torch.arange(6.).reshape(3, 2)).sum().backward()
        assert x.grad.shape == (3, 2)
    """)


@pytest.mark.parametrize(
    "program, error",
    [
        ("torch.ones(2).requires_grad_('x')", "TypeError"),
        ("torch.ones(2)['a']", "TypeError"),  # as PyTorch has it
        ("torch.ones(2)[0.5]", "IndexError"),
        ("torch.manual_seed('a')", "(TypeError, ValueError, RuntimeError)"),
    ],
)
def test_error_types(program, error):
    raises(program, error)


def test_docstrings_name_the_function():
    assert "gelu_" not in python("print(torch.nn.functional.gelu.__doc__)")


def test_an_error_names_the_op_that_was_called():
    raises("torch.zeros(2, device='meta').to_sparse().permute(1)", "Exception", "")
    passes("tests/core/test_call.py", 5)


# What the sentence on values names -> where it is tested: file, least number of tests, which.
VALUES = {
    "numbers beyond the dtype": [("pointwise/test_number_ranges", 30, "integers or floats")],
    "comparisons": [("pointwise/test_number_ranges", 30, "comparisons")],
    "remainders": [("pointwise/test_number_ranges", 30, "remainder")],
    "norms": [("reduce/test_range", 20, "norms"), ("norm/test_layer_norm_range", 5, "")],
    "deviations": [("reduce/test_range", 3, "deviations or large_mean or std")],
    "sums and means": [("reduce/test_range", 2, "sums_and_means")],
    "products": [("reduce/test_range", 8, "products")],
    "tails of gelu": [("pointwise/test_activation_tails", 4, "")],
    "linspace": [("factories/test_sequences", 20, "")],
    "isclose": [("pointwise/test_number_ranges", 1, "isclose")],
    "expanded targets": [("random/test_fill_targets", 8, "share")],
    "negative deviations": [("random/test_fill_targets", 1, "negative_deviations")],
    "exponential": [("random/test_fill_targets", 4, "exponential")],
    "multinomial": [("random/test_fill_targets", 1, "multinomial")],
    "clamp": [("pointwise/test_number_ranges", 1, "clamp_takes_a_number_and_a_tensor")],
    "round": [("pointwise/test_number_ranges", 3, "decimals")],
    "deepcopy": [("../autograd/test_small_differences", 1, "deepcopy")]
    + [("../nn/test_parameter", 3, "copies or deepcopy")],
    "assign": [("../autograd/test_small_differences", 2, "tied")],
}


@pytest.mark.parametrize("family", VALUES)
def test_right_values(family):
    for name, count, chosen in VALUES[family]:
        passes(f"tests/ops/{name}.py", count, *(["-k", chosen] if chosen else []))


def test_docs_are_true():
    found = run(sys.executable, "tools/structure.py")
    assert not found.strip()
    upward = re.compile(r'#include "core/(autograd|dispatch|python)/|#include "kernels/')
    for name, text in texts("core/tensor/*").items():
        assert not upward.search(text), f"{name} includes what stands above it"


# ---- 5. small and ready


@pytest.mark.parametrize(
    "name",
    "cuda backends mps xpu mtia cpu accelerator distributed version".split(),
)
def test_modules_that_programs_ask_first(name):
    python(f"import importlib; m = importlib.import_module('flambeau.{name}'); assert dir(m)")


def test_answers_are_those_of_a_build_without_them():
    passes("tests/test_backends.py", 10)


def ratios(script: str, only: str) -> dict[str, float]:
    output = run(sys.executable, f"benchmarks/{script}.py", "--only", only, limit=1500)
    found = re.findall(r"^(\S+) .*ratio +([\d.]+)", output, re.M)
    assert found, output
    return {name: float(r) for name, r in found}


def test_no_everyday_call_is_slower():
    from math import exp, log

    found = ratios("everyday", "")
    assert not {n: r for n, r in found.items() if r > 1.05}
    # The mean is of the calls that were asked for; the others came because they were slow.
    asked = [r for n, r in found.items() if not n.startswith("found/")]
    assert len(asked) >= 150
    assert exp(sum(map(log, asked)) / len(asked)) <= 0.42


def test_no_convolution_is_slower():
    found = ratios("conv", "")
    assert not {n: r for n, r in found.items() if r > 1.05}


def test_small_calls_cost_a_tenth():
    from math import exp, log

    found = ratios("ops", "^small")
    assert exp(sum(map(log, found.values())) / len(found)) <= 0.105


def test_calls_cost_no_more_instructions():
    run(sys.executable, "benchmarks/call_cost.py", "--check", limit=600)
    before = {"a + b": 1485, "a[0]": 968, "linear": 4391, "(w * b).sum().backward()": 11988}
    table = (ROOT / "benchmarks/call_cost.md").read_text()
    for name, count in before.items():
        row = re.search(rf"^\| `{re.escape(name)}` \| (\d+)", table, re.M)
        assert row and int(row[1]) <= 1.02 * count, (name, row and row[1])


def test_the_budget_holds_countable_things():
    budget = json.loads((ROOT / "tools/budget.json").read_text())
    words = "instructions objects KB modules lines skips NotImplementedErrors".split()
    for word in words:
        assert any(word.lower() in key.lower() for key in budget), word
    assert not any("seconds" in key or "time" in key.lower().split("_") for key in budget)
    assert "budget" in (ROOT / "tools/check.py").read_text()


@pytest.mark.parametrize("mode", ["eager", "meta", "deferred", "dispatch", "backend", "rule"])
def test_every_record_runs_in_every_mode(mode):
    passes("tests/ops/test_modes.py", 300, "-k", mode)


def test_demo_and_tests_from_a_clean_clone(tmp_path):
    run("git", "clone", "-q", ROOT, tmp_path / "clone")
    for target in ("demo", "test"):
        done = subprocess.run(
            ["make", target], cwd=tmp_path / "clone", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-2000:]
