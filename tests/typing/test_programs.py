"""Programs as users write them pass the strict type checker, and run."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAM = HERE / "training.py"

pytest.importorskip("mypy")


def mypy(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--cache-dir", ROOT / "build/mypy", *arguments]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_network_a_data_set_and_a_loop_pass():
    done = mypy(PROGRAM)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "line, wrong, error",
    [
        ("return index**2", 'return str(index), "x"', "return-value"),
        ("assert_type(name, str)", "assert_type(name, int)", "assert-type"),
        ("nn.Linear(2, width)", 'nn.Linear(2, "wide")', "arg-type"),
        ("optim.Adam(net.parameters(), lr=1e-3)", "optim.Adamant(net.parameters())", "attr-define"),
        ("net = Net(4).to(device)", "net: nn.Linear = Net(4).to(device)", "assignment"),
        ("F.silu(", "F.silly(", "attr-defined"),
    ],
)
def test_a_mistake_is_found(line, wrong, error, tmp_path):
    text = PROGRAM.read_text()
    text = re.sub(r"return torch.full.*", line, text) if line.startswith("return") else text
    assert line in text
    program = tmp_path / "program.py"
    program.write_text(text.replace(line, wrong))
    done = mypy(program)
    assert done.returncode and f"[{error}" in done.stdout, done.stdout


def test_the_program_runs(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import training; print(training.train())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0 and (tmp_path / "net.pt").exists()
