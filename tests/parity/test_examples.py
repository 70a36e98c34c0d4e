"""The examples are PyTorch programs: with their imports changed, their first steps are the same."""

import importlib.util
import types
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(p.stem for p in EXAMPLES.glob("*.py") if "\ndef curve(" in p.read_text())


def on_flambeau(name: str):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_torch(name: str):
    source = (EXAMPLES / f"{name}.py").read_text()
    source = source.replace("import flambeau as torch", "import torch")
    source = source.replace("from flambeau", "from torch")
    module = types.ModuleType(f"example_{name}_on_torch")
    exec(compile(source, f"{name}_on_torch.py", "exec"), module.__dict__)
    return module


def test_there_are_examples_to_follow():
    assert len(NAMES) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_twenty_steps_follow_pytorch(name):
    theirs = on_torch(name).curve(20)
    assert len(theirs) == 20
    assert on_flambeau(name).curve(20) == pytest.approx(theirs, abs=1e-4)
