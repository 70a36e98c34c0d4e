"""Tables of layers, from Python and from the command line."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flambeau as torch
from flambeau import cli
from flambeau.utils.summary import summary

ROOT = Path(__file__).parents[2]


def rows(found):
    return {layer.name: layer for layer in found.layers}


def test_shapes_parameters_and_operations():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 5),
    )
    net[3].bias.requires_grad_(False)
    found = summary(net, torch.randn(2, 3, 4, 4))
    conv, norm, flat, linear = (rows(found)[str(i)] for i in range(4))
    assert conv.outputs == [(2, 8, 2, 2)] and conv.parameters == 8 * 3 * 9 + 8
    assert conv.macs == 2 * 8 * 4 * 27 and norm.flops == 0
    assert norm.bytes == 4 * 32 + 8  # weight, bias, mean, variance; a counter
    assert flat.outputs == [(2, 32)] and linear.macs == 2 * 32 * 5
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert found.trainable == found.parameters - 5
    assert found.flops == conv.flops + linear.flops == found.layers[0].flops
    assert found.output_bytes == 4 * (64 + 64 + 64 + 10)
    text = str(found)
    assert "3 Linear" in text and f"{found.flops:,} operations" in text and "trained" in text
    assert net.training and net[1].num_batches_tracked == 0
    assert not torch.nn.modules.module._global_forward_hooks


def test_on_meta_nothing_is_computed():
    with torch.device("meta"):
        net = torch.nn.Linear(100_000, 100_000)
    found = summary(net, torch.empty(3, 100_000, device="meta"))
    assert found.parameters == 10**10 + 10**5 and found.layers[0].outputs == [(3, 100_000)]
    assert found.flops == 6 * 10**10 and "40.0 GB" in str(found)


def test_without_inputs_and_by_depth():
    net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2)))
    found = summary(net, depth=1)
    assert not found.ran and "Linear" not in str(found) and found.layers[2].kind == "Linear"
    assert "output" not in str(found).splitlines()[0]
    with pytest.raises(ValueError, match="depth"):
        summary(net, depth=-1)


class Twice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one = torch.nn.Linear(4, 4)
        self.same = self.one
        self.parts = torch.nn.ModuleList([torch.nn.Linear(4, 4, bias=False)])
        self.parts[0].weight = self.one.weight
        self.unused = torch.nn.ReLU()

    def forward(self, x, scale=1):
        return {"a": self.one(self.one(x)), "b": (self.parts[0](x) * scale,)}


def test_what_is_shared_counts_once():
    found = summary(Twice(), torch.ones(2, 4), kwargs={"scale": 2})
    layers = rows(found)
    assert found.parameters == 20 and layers["same"].shared and not layers["one"].shared
    assert layers["one"].calls == 2 and layers["one"].macs == 2 * 2 * 16
    assert layers["parts"].macs == 2 * 16 and found.layers[0].macs == 3 * 2 * 16
    assert found.layers[0].outputs == [(2, 4), (2, 4)]
    text = str(found)
    assert "(as above)" in text and layers["unused"].calls == 0


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "train.py"
    file.write_text(
        "import flambeau as torch\n"
        "from helper import WIDTH\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, width=WIDTH, *, deep=False):\n"
        "        super().__init__()\n"
        "        self.table = torch.nn.Embedding(9, width)\n"
        "        self.out = torch.nn.Linear(width, 2)\n"
        "    def forward(self, ids):\n"
        "        return self.out(self.table(ids).mean(1))\n"
        "class Reads(Net):\n"
        "    def forward(self, ids):\n"
        "        return self.out(self.table(ids)) if ids.sum() == 0 else None\n"
        "made = Net(3)\n"
        "def build(): return Net(5)\n"
        "number = 3\n"
        "if __name__ == '__main__': raise SystemExit('training')\n"
    )
    (tmp_path / "helper.py").write_text("WIDTH = 4\n")
    return file


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def run(*arguments):
        try:
            code = cli.main(["summary", *map(str, arguments)])
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return run


def test_classes_functions_and_modules_of_a_script(run, script):
    for name, width in (("Net", 4), ("made", 3), ("build", 5)):
        code, out, err = run(f"{script}:{name}", "--input", "2,7:int64")
        assert code == 0, err
        assert f"[2, 7, {width}]" in out and "[2, 2]" in out
    code, out, _ = run(f"{script}:Net", "--args", "10, deep=True")
    assert code == 0 and f"{9 * 10 + 22} parameters" in out


def test_what_reads_values_is_computed(run, script):
    code, out, err = run(f"{script}:Reads", "--input", "2,7:int64")
    assert code == 0 and "[2, 7, 2]" in out
    code, _, err = run(f"{script}:Reads", "--input", "2,7:int64", "--device", "meta")
    assert code == 1 and "meta" in err


def test_an_importable_module(run):
    code, out, _ = run("flambeau.nn:Linear", "--args", "3, 4", "--input", "3")
    assert code == 0 and "[4]" in out and "16 parameters" in out


def test_mistakes(run, script):
    for arguments, said in (
        ([f"{script}:Nothing"], "it has Net, Reads, made"),
        ([f"{script}:number"], "a model is expected"),
        (["nowhere.py:Net"], "no file"),
        (["flambeau.nowhere:Net"], "flambeau.nowhere"),
        ([f"{script}:Net", "--input", "a,b"], "no shape"),
        ([f"{script}:Net", "--args", "open('x')"], "literals"),
        ([f"{script}:Net", "--input", "2,7"], "raised"),
    ):
        code, out, err = run(*arguments)
        assert code == 1 and said in err and not out, (arguments, err)
    assert run("train.py")[0] == 2
    assert run(f"{script}:Net", "--depth", "-1")[0] == 2


def test_programs_that_say_torch(tmp_path):
    (tmp_path / "torch_program.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Sequential):\n"
        "    def __init__(self): super().__init__(torch.nn.Linear(3, 4))\n"
    )
    command = [
        sys.executable,
        "-m",
        "flambeau",
        "summary",
        "torch_program.py:Net",
        "--input",
        "2,3",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    if importlib.util.find_spec("flambeau.compat") is None:
        assert done.returncode == 1 and "torch" in done.stderr
    else:
        assert done.returncode == 0 and "[2, 4]" in done.stdout, done.stderr
