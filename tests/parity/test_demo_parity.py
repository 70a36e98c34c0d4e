"""The demo is a PyTorch program: with its imports changed it trains alike on PyTorch."""

import types
from pathlib import Path

import pytest

import flambeau
from flambeau.cli import demo

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("tqdm")


def demo_on_torch():
    source = Path(demo.__file__).read_text()
    source = source.replace("import flambeau as torch", "import torch")
    source = source.replace("from flambeau", "from torch")
    module = types.ModuleType("demo_on_torch")
    exec(compile(source, "demo_on_torch.py", "exec"), module.__dict__)
    return module


def first_losses(program, library):
    training, held_out = program.load_digits()
    library.manual_seed(0)
    return program.train(program.build_model(), training, held_out, epochs=1)[0].losses[:20]


def test_the_loss_curve_follows_pytorch():
    theirs = first_losses(demo_on_torch(), torch)
    assert len(theirs) == 20
    assert first_losses(demo, flambeau) == pytest.approx(theirs, abs=1e-4)
