"""The name torch: `flambeau run`, `compat.install()`, and the children of such a process."""

import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from under_the_name import ENVIRONMENT, ROOT, flambeau_run, python


@pytest.fixture
def program(tmp_path):
    """Runs a program under the name and gives what it printed."""

    def run(code, *arguments, **options):
        (tmp_path / "program.py").write_text(textwrap.dedent(code))
        return flambeau_run("program.py", *arguments, cwd=tmp_path, **options).stdout

    return run


# ---- one module, two names


def test_modules_are_the_same_objects_however_they_are_imported(program):
    program("""
        import torch.nn.functional as F
        from torch.utils.data import DataLoader
        import torch, torch.nn as nn, torch.optim.lr_scheduler
        from torch._C import Size
        import flambeau, sys
        assert torch is flambeau and nn is flambeau.nn and F is flambeau.nn.functional
        assert DataLoader is flambeau.utils.data.DataLoader and Size is torch.Size
        assert sys.modules["torch.optim.lr_scheduler"] is flambeau.optim.lr_scheduler
        assert sys.modules["torch._C"] is flambeau._C
        # Nothing was loaded a second time, and what a module says of itself is as it was.
        assert nn.__spec__.name == nn.__name__ == "flambeau.nn"
        files = [m.__file__ for n, m in sys.modules.items() if n.startswith("flambeau.")
                 and getattr(m, "__file__", None)]
        assert len(files) == len(set(files))
        assert torch.__name__ == "torch"
    """)


def test_a_module_that_was_imported_by_one_name_is_not_loaded_by_the_other(program):
    program("""
        import flambeau.nn.utils.rnn as ours
        import torch.nn.utils.rnn as theirs
        assert ours is theirs
    """)


def test_versions(program):
    out = program("""
        import importlib.metadata, torch
        print(torch.__version__, torch.version.__version__, importlib.metadata.version("torch"))
        print(torch.__version__ >= (2, 13), torch.__version__ < "2.14")
        print("torch" in importlib.metadata.packages_distributions())
    """)
    assert out.splitlines() == ["2.13.0+flambeau " * 2 + "2.13.0+flambeau", "True True", "True"]


def test_metadata_is_there_before_the_module(program):
    out = program("""
        import importlib.metadata, importlib.util, sys
        print(importlib.metadata.version("torch"), importlib.util.find_spec("torch").name)
        print("flambeau" in sys.modules)
    """)
    assert out.split() == ["2.13.0+flambeau", "torch", "False"]


def test_find_spec_says_what_there_is_and_imports_nothing_more(program):
    program("""
        import importlib.util, sys
        spec = importlib.util.find_spec("torch.nn.utils.fusion")
        assert spec.name == "torch.nn.utils.fusion" and spec.origin.endswith("fusion.py")
        assert "flambeau.nn.utils.rnn_of_no_kind" not in sys.modules
        assert importlib.util.find_spec("torch.nn").submodule_search_locations
        assert importlib.util.find_spec("torch.no_such_module") is None
        assert importlib.util.find_spec("torch.nn.no_such_module") is None
        assert importlib.util.find_spec("torchlike") is None
    """)


@pytest.mark.parametrize(
    "statement, words",
    [
        ("import torch.fx", "No module named 'torch.fx'.*no flambeau.fx: graphs"),
        ("import torch.distributed.fsdp.wrap", "'torch.distributed.fsdp'.*many processes"),
        ("from torch.ao.quantization import QConfig", "'torch.ao'.*quantised"),
        ("import torch.no_such_module", "no flambeau.no_such_module$"),
        ("from torch import fx", "cannot import name 'fx' from 'torch'"),
        ("from torch.nn import NoSuchLayer", "cannot import name 'NoSuchLayer'"),
    ],
)
def test_what_is_missing_is_an_import_error_that_says_so(program, statement, words):
    program(f"""
        import re
        try:
            {statement}
        except ImportError as error:
            assert re.search({words!r}, str(error)), error
        else:
            raise SystemExit("it was imported")
        import torch
        assert not hasattr(torch, "fx")
    """)


def test_a_package_goes_on_without_what_is_missing(program, tmp_path):
    package = tmp_path / "tiny"
    package.mkdir()
    (package / "__init__.py").write_text("from .layers import Scale, HAS_FX\n")
    (package / "layers.py").write_text(
        textwrap.dedent("""
        import torch
        from torch import nn, Tensor
        try:
            from torch.fx import Tracer
            HAS_FX = True
        except ImportError:
            HAS_FX = False
        if torch.__version__ >= "2.0":
            from torch.nn import functional as F

        class Scale(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = nn.Parameter(torch.tensor(2.0))
            def forward(self, x: Tensor) -> Tensor:
                return F.relu(x * self.factor)
        """)
    )
    out = program("""
        import tiny, torch
        print(tiny.HAS_FX, tiny.Scale()(torch.tensor([-1.0, 1.0])).tolist())
        assert isinstance(tiny.Scale(), torch.nn.Module)
    """)
    assert out == "False [0.0, 2.0]\n"


def test_pickles_by_reference_hold_in_both_names(program):
    program("""
        import pickle, torch
        from torch import nn
        theirs = b"ctorch.nn.modules.linear\\nLinear\\n."
        assert pickle.loads(theirs) is nn.Linear
        assert pickle.loads(pickle.dumps(nn.Linear)) is nn.Linear
        assert pickle.loads(b"ctorch\\nfloat32\\n.") is torch.float32
        layer = pickle.loads(pickle.dumps(nn.Linear(2, 3)))
        assert type(layer) is nn.Linear and layer.weight.shape == (3, 2)
    """)


@pytest.mark.parametrize("first", ["import flambeau.nn", "pass"])
def test_types_of_tensors_say_that_they_are_of_torch(program, first):
    program(f"""
        {first}
        import pickle, torch
        kinds = torch.Tensor, torch.nn.Parameter, torch.Size
        assert [k.__module__ for k in kinds] == ["torch", "torch.nn.parameter", "torch"]
        assert all(pickle.loads(pickle.dumps(k)) is k for k in kinds)
        weight = pickle.loads(pickle.dumps(torch.nn.Parameter(torch.ones(2))))
        assert type(weight) is torch.nn.Parameter
        torch.save({{"w": weight, "size": weight.shape}}, "x.pt")
        assert type(torch.load("x.pt")["w"]) is torch.nn.Parameter
    """)


def test_names_that_packages_take_from_private_modules(program):
    program("""
        import torch
        torch._C._log_api_usage_once("package.thing")
        assert torch._C._get_tracing_state() is None
        device, dtype, non_blocking, memory_format = torch._C._nn._parse_to("cpu", torch.float64)
        assert (device.type, dtype, non_blocking) == ("cpu", torch.float64, False)
        assert not isinstance(torch.ones(1), torch._C.Value)
        assert torch._C._jit_set_profiling_executor(True) is False
        assert torch._C._jit_set_profiling_executor(False) is True
    """)


# ---- a program is run as Python runs it

SHOW = """
import sys
print(__name__, sys.argv, sys.path[0], globals().get("__file__"), __spec__ and __spec__.name)
print(sys.modules["__main__"].__dict__ is globals(), sys.flags.optimize, sys.flags.dev_mode)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("show.py", "--lr", "3", "-h", "--"),
        ("folder/show.py",),
        ("-m", "package", "-m", "x"),
        ("-m", "package.part"),
        ("-c", SHOW, "-c", "y"),
        ("-", "z"),
        ("folder",),
        ("archive.zip", "a"),
        ("-O", "-X", "dev", "show.py"),
        ("-Wignore", "show.py", "-I"),
        ("-X", "importtime=", "show.py", "-E"),
    ],
)
def test_programs_see_what_they_see_without_the_name(tmp_path, arguments):
    for path in ("show.py", "folder/show.py", "folder/__main__.py", "package/__init__.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(SHOW)
    for path in ("package/__main__.py", "package/part.py"):
        (tmp_path / path).write_text(SHOW)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    plain = python(*arguments, cwd=tmp_path, input=SHOW)
    named = flambeau_run(*arguments, cwd=tmp_path, input=SHOW)
    assert plain.stdout and named.stdout == plain.stdout


def test_options_of_the_interpreter_that_runs_it_hold(tmp_path):
    (tmp_path / "show.py").write_text("import sys; print(sys.flags.optimize, sys.warnoptions)")
    done = python("-O", "-W", "error", "-m", "flambeau", "run", "show.py", cwd=tmp_path)
    assert done.stdout == "1 ['error']\n"


@pytest.mark.parametrize(
    "code",
    ["import sys; sys.exit(3)", "1 / 0", "raise SystemExit('words')", "import os; os._exit(4)"],
)
def test_exit_codes_and_tracebacks_are_pythons(tmp_path, code):
    (tmp_path / "ends.py").write_text(f"def f():\n    {code}\nf()\n")
    plain = python("ends.py", cwd=tmp_path, check=False)
    named = flambeau_run("ends.py", cwd=tmp_path, check=False)
    assert (named.returncode, named.stderr) == (plain.returncode, plain.stderr)
    assert plain.returncode != 0


def test_a_signal_reaches_the_program_itself(tmp_path):
    (tmp_path / "waits.py").write_text("print(1, flush=True)\nimport time\ntime.sleep(60)\n")
    child = subprocess.Popen(
        [sys.executable, "-m", "flambeau", "run", "waits.py"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"1\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT and b"KeyboardInterrupt" in errors


@pytest.mark.parametrize("option", ["-I", "-E", "-BI"])
def test_options_that_would_hide_the_name_are_refused(tmp_path, option):
    (tmp_path / "show.py").write_text("import torch")
    done = flambeau_run(option, "show.py", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "ignore PYTHONPATH" in done.stderr
    # After the script they are its own.
    assert flambeau_run("show.py", option, cwd=tmp_path).returncode == 0


def test_a_module_under_the_name_runs_as_a_program(tmp_path):
    flambeau_run("-m", "torch.version", cwd=tmp_path)


# ---- children

CHILD = """
import torch
assert torch.__version__ == "2.13.0+flambeau", torch
print(torch.nn.Linear.__module__)
"""


def test_children_find_the_name(program, tmp_path):
    (tmp_path / "child.py").write_text(CHILD)
    out = program("""
        import os, subprocess, sys
        import torch
        subprocess.run([sys.executable, "child.py"], check=True)
        subprocess.run([sys.executable, "-m", "child"], check=True)
        subprocess.run(f"cd / && {sys.executable} {os.path.abspath('child.py')}", shell=True,
                       check=True)
        # Grandchildren too.
        again = "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)"
        subprocess.run([sys.executable, "-c", again], check=True)
    """)
    assert out == "flambeau.nn.modules.linear\n" * 4


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_find_the_name(program, start):
    out = program(f"""
        import multiprocessing
        import torch

        class Net(torch.nn.Module):
            def forward(self, x):
                return 2 * x

        def work(queue, net):
            import torch as again
            assert again is torch
            queue.put(net(torch.ones(2)).tolist())

        if __name__ == "__main__":
            for space in (multiprocessing, torch.multiprocessing):
                context = space.get_context({start!r})
                queue = context.Queue()
                child = context.Process(target=work, args=(queue, Net()))
                child.start()
                print(queue.get(timeout=60))
                child.join()
                assert child.exitcode == 0
    """)
    assert out == "[2.0, 2.0]\n" * 2


def test_workers_of_a_loader_find_the_name(program):
    out = program("""
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Squares(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, i):
                return torch.tensor(i * i)

        if __name__ == "__main__":
            for start in ("fork", "spawn"):
                loader = DataLoader(Squares(), 2, num_workers=1, multiprocessing_context=start)
                print([batch.tolist() for batch in loader])
    """)
    assert out == "[[0, 1], [4, 9]]\n" * 2


# ---- another torch beside


@pytest.fixture
def other_torch(tmp_path):
    """A folder with another package called torch, which notes that it was imported."""
    folder = tmp_path / "site"
    (folder / "torch/fx").mkdir(parents=True)
    note = "import pathlib; pathlib.Path(__file__).with_name('imported').touch()\n"
    (folder / "torch/__init__.py").write_text(note + "__version__ = '9.9'\n")
    (folder / "torch/fx/__init__.py").write_text(note)
    information = folder / "torch-9.9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    return folder


def test_a_torch_that_is_installed_too_stays_out(program, other_torch):
    program(
        """
        import importlib.metadata, torch
        assert torch.__version__ == importlib.metadata.version("torch") == "2.13.0+flambeau"
        for name in ("fx", "no_such"):
            try:
                importlib.import_module("torch." + name)
            except ImportError:
                pass
            else:
                raise SystemExit(f"{name} was imported")
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "import torch; torch.nn.Linear"], check=True)
        """,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), str(other_torch)])},
    )
    assert not list(other_torch.rglob("imported"))


def test_install_refuses_when_another_torch_was_imported(tmp_path, other_torch):
    code = """
import torch
import flambeau.compat
try:
    flambeau.compat.install()
except ImportError as error:
    print(error)
print(torch.__version__)
"""
    path = os.pathsep.join([str(ROOT), str(other_torch)])
    out = python("-c", code, cwd=tmp_path, env={"PYTHONPATH": path}).stdout
    first, version = out.splitlines()
    assert version == "9.9"
    assert "another torch has been imported already" in first and "flambeau run" in first


def test_install_comes_before_an_installed_torch(tmp_path, other_torch):
    code = """
import flambeau.compat
flambeau.compat.install()
import importlib.metadata, torch, torch.nn
assert torch is flambeau and importlib.metadata.version("torch") == "2.13.0+flambeau"
"""
    path = os.pathsep.join([str(ROOT), str(other_torch)])
    python("-c", code, cwd=tmp_path, env={"PYTHONPATH": path})
    assert not list(other_torch.rglob("imported"))


# ---- install()


def test_install_names_this_process(tmp_path):
    code = """
import sys
import flambeau
assert "torch" not in sys.modules and "flambeau.compat" not in sys.modules
assert flambeau.__version__ == "0.1.0"
torch = flambeau.compat.install()
assert flambeau.compat.install() is torch is flambeau
assert sum(type(f).__module__ == "flambeau.compat" for f in sys.meta_path) == 1
import torch as t, torch.nn.functional as F
assert t is torch and F is torch.nn.functional and t.__version__ == "2.13.0+flambeau"
"""
    python("-c", code.replace("0.1.0", version_of_flambeau()), cwd=tmp_path)


def version_of_flambeau():
    scope = {}
    exec((ROOT / "flambeau/_version.py").read_text(), scope)
    return scope["__version__"]


@pytest.mark.parametrize("children", [True, False])
def test_install_names_children_where_it_is_told_to(tmp_path, children):
    code = f"""
import subprocess, sys
import flambeau.compat
flambeau.compat.install(children={children})
child = "import importlib.util; raise SystemExit(importlib.util.find_spec('torch').name != 'torch' "
child += "or 'compat' not in importlib.util.find_spec('torch').origin)"
print(subprocess.run([sys.executable, "-S", "-c", child], stderr=subprocess.DEVNULL).returncode)
"""
    assert python("-c", code, cwd=tmp_path).stdout == ("0\n" if children else "1\n")


def test_the_folder_on_the_path_says_the_same_version_as_the_module():
    from flambeau import compat

    (information,) = Path(compat.FOLDER).glob("*.dist-info")
    assert information.name == f"torch-{compat.VERSION}.dist-info"
    assert f"\nVersion: {compat.VERSION}\n" in (information / "METADATA").read_text()
