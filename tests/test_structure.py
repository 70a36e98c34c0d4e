"""The shape of the code is checked, and the check sees what it should."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

from flambeau.ops.record import load

ROOT = pathlib.Path(__file__).parent.parent


def tool(name):
    """A tool as a module, over the package that is imported here."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    stand_in = type(sys)("bare")
    stand_in.ROOT = ROOT
    sys.modules["bare"] = stand_in
    sys.path.append(str(ROOT / "tools"))
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["bare"]
        sys.path.remove(str(ROOT / "tools"))
    return module


@pytest.fixture(scope="module")
def structure():
    return tool("structure")


@pytest.fixture(scope="module")
def includes():
    return tool("includes")


def test_the_code_has_the_shape_that_it_should():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/structure.py"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_long_lines_and_files_are_found(structure):
    files = {"a.cpp": "x" * 101, "b.py": "\n" * 800, "c.md": "| " + "x" * 200, "d.h": "x" * 100}
    assert [f.split(":")[0] for f in structure.size_findings(files)] == ["a.cpp", "b.py"]


def test_notes_to_oneself_are_found(structure):
    assert structure.size_findings({"a.py": "# TO" + "DO: later"})
    assert not structure.size_findings({"a.py": "# a tool to do it"})


def test_a_variable_of_the_environment_that_nobody_is_told_of_is_found(structure):
    files = {
        "docs/a.md": "`TOLD=1` is told.",
        "core/a.cpp": 'getenv("TOLD")\nif (!std::getenv("SECRET")) {}\ngetenv(name)',
        "flambeau/b.py": 'os.environ["TOLD"]\nos.environ.get("OTHER")\n',
        "tools/c.py": 'os.environ["SECRET"]',
    }
    assert [f.split(",")[0] for f in structure.environment_findings(files)] == [
        'core/a.cpp:2: reads "SECRET"',
        "core/a.cpp:3: reads name",
        'flambeau/b.py:2: reads "OTHER"',
    ]


def test_an_op_that_is_written_twice_is_found(structure):
    again = "namespace flambeau::inline v1::cpu {\nvoid lerp(const Tensor& a) {}\n}\n"
    counted = structure.op_places(load(), {"kernels/cpu/again.cpp": again})
    assert counted["lerp"] == ("pointwise", {"kernels/cpu/again"})
    assert any(f.startswith("lerp: 1 files") for f in structure.op_findings(counted))


def test_a_name_in_a_string_of_the_core_counts(structure):
    special = 'if (op.name == "aten::lerp") return fast(op);'
    counted = structure.op_places(load(), {"core/dispatch/special.cpp": special})
    assert counted["lerp"][1] == {"core/dispatch/special"}


def test_calls_sources_with_headers_and_leaves_do_not_count_again(structure):
    files = {
        "core/autograd/a.cpp": "  return entry::lerp(a, b);",
        "kernels/math/lerp.h": "T lerp(T a) { return a; }",
        "kernels/cpu/sum.h": "void amax(const Tensor& a);",
        "kernels/cpu/sum.cpp": "void amax(const Tensor& a) {}",
        "kernels/cpu/sum_isa.cpp": "void amax(const Tensor& a) {}",
    }
    counted = structure.op_places(load(), files)
    assert counted["lerp"][1] == set() and counted["amax"][1] == {"kernels/cpu/sum"}


def test_helpers_of_one_file_are_no_ops(structure):
    files = {
        "kernels/cpu/a.cpp": "namespace flambeau::inline v1::cpu {\nnamespace {\n"
        "void lerp(const Tensor& a) {}\n}  // namespace\n"
        "static void amax(const Tensor& a) {}\nvoid amin(const Tensor& a) {}\n",
        "flambeau/a.py": '__all__ = ["amin"]\ndef lerp(a):\ndef amin(a):\n',
        "flambeau/b.py": "def amax(a):\n",
    }
    counted = structure.op_places(load(), files)
    assert counted["lerp"][1] == set()
    assert counted["amax"][1] == {"flambeau/b.py"}
    assert counted["amin"][1] == {"kernels/cpu/a", "flambeau/a.py"}


def test_an_op_that_the_generator_names_is_found(structure):
    files = {"flambeau/ops/generator/x.py": 'if record.name == "embedding":'}
    assert structure.generator_findings(files, load()) == [
        "flambeau/ops/generator/x.py: names the op 'embedding'"
    ]


def test_an_include_of_a_higher_layer_is_found(structure):
    def findings(name, included):
        own = {n: f'#include "core/{i}.h"' for n, i in zip(structure.UPWARD, ["python/x"] * 9)}
        return structure.layer_findings({**own, name: f'#include "{included}"\n'})

    assert not findings("core/tensor/a.cpp", "core/memory/small.h")
    assert not findings("core/autograd/a.cpp", "core/dispatch/op.h")
    for name, included in [
        ("core/tensor/a.cpp", "core/autograd/node.h"),
        ("core/tensor/a.h", "core/dispatch/thread_state.h"),
        ("core/tensor/a.h", "kernels/cpu/copy.h"),
        ("kernels/cpu/a.h", "core/dispatch/op.h"),
        ("kernels/math/a.h", "core/tensor/dtype.h"),
        ("core/dispatch/a.h", "core/python/binding.h"),
    ]:
        assert findings(name, included) == [f"{name}: includes {included}, which stands above it"]
    assert findings("core/tensor/a.h", "other/a.h") == [
        "core/tensor/a.h: other/a.h belongs to no layer"
    ]


def test_files_that_include_what_is_above_them_stand_in_the_page(structure):
    page = (ROOT / "docs/layout.md").read_text()
    assert [name for name in structure.UPWARD if f"`{name}`" not in page] == []


def test_includes_are_written_in_the_order_of_the_formatter(includes):
    code = (
        '// Words.\n\n#include "kernels/cpu/a.h"\n\n#include <cmath>\n\n'
        '#include "core/x.h"\n#include "flambeau/ops/zz.h"\n#include "kernels/b.h"\n\n'
        "#if SOME\n#include <immintrin.h>\n#endif\n\nnamespace flambeau {\n"
    )
    wanted = {"flambeau/ops/add.h", "flambeau/kernels/views.h"}
    assert includes.placed("kernels/cpu/a.cpp", code, wanted) == (
        '// Words.\n\n#include "kernels/cpu/a.h"\n\n#include <cmath>\n\n'
        '#include "core/x.h"\n#include "flambeau/kernels/views.h"\n'
        '#include "flambeau/ops/add.h"\n#include "kernels/b.h"\n\n'
        "#if SOME\n#include <immintrin.h>\n#endif\n\nnamespace flambeau {\n"
    )
    own = (
        '#include "flambeau/kernels/a.h"\n\n#include "flambeau/ops/add.h"\n\nnamespace flambeau {\n'
    )
    wanted = {"flambeau/ops/add.h", "flambeau/kernels/a.h"}
    assert includes.placed("kernels/cpu/a.cpp", "namespace flambeau {\n", wanted) == own
    assert includes.placed("kernels/cpu/a.cpp", own, set()) == "namespace flambeau {\n"


def test_sources_get_back_the_includes_that_they_lost(includes):
    """The sources stand as the formatter left them."""
    made, tried = includes.Includes(), 0
    for path in sorted([*ROOT.glob("core/**/*.cpp"), *ROOT.glob("kernels/**/*.cpp")]):
        name, code = path.relative_to(ROOT).as_posix(), path.read_text()
        own = f"/{path.stem}.h"
        kept = "".join(
            line
            for line in code.splitlines(keepends=True)
            if not (line.startswith('#include "flambeau/') and own not in line)
        )
        kept = re.sub("\n{3,}", "\n\n", kept)
        tried += kept != code
        assert made.written(name, kept) == code
    assert tried > 10
