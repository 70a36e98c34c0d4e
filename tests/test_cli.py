"""The command line: choosing a command, the demo, inspecting files."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import flambeau
from flambeau import cli
from flambeau.cli import demo, doctor, inspect

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tqdm():
    return pytest.importorskip("tqdm")


@pytest.fixture
def run(capsys):
    """Runs a command here; gives its exit code, output and error output."""

    def run(*arguments):
        try:
            code = cli.main(list(map(str, arguments)))
        except SystemExit as stop:
            code = stop.code
        return (code, *capsys.readouterr())

    return run


# --- Choosing a command ---------------------------------------------------------------------------


def test_help_lists_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(re.search(rf"^  {name} +\w", out, re.MULTILINE) for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0 and out.startswith(f"usage: flambeau {name}")


def test_version(run):
    assert run("--version") == (0, f"{flambeau.__version__}\n", "")


@pytest.mark.parametrize("command", ["flambeau.ops list", "flambeau doctor"])
def test_a_reader_that_goes_away_ends_it_in_silence(command):
    # The pipe is closed before anything is written.
    code = (
        f"import runpy, sys, time; sys.argv = {['x', *command.split()[1:]]!r};"
        f" sys.stdin.read(); runpy.run_module({command.split()[0]!r}, run_name='__main__')"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    program.stdout.close()
    program.stdin.close()
    assert program.stderr.read() == b""
    assert program.wait() == 141


def test_an_unbuilt_checkout_says_what_to_do(tmp_path):
    folder = tmp_path / "flambeau"
    shutil.copytree(ROOT / "flambeau", folder, ignore=shutil.ignore_patterns("*.so", "include"))
    done = subprocess.run(
        [sys.executable, "-S", "-m", "flambeau"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "make build" in done.stderr
    assert "circular" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["fly"], ["demo", "--fly"], ["demo", "--epochs", "0"]])
def test_bad_arguments(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2 and not out and "usage: flambeau" in err


def test_python_dash_m():
    command = [sys.executable, "-m", "flambeau", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == flambeau.__version__


# --- demo -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return demo.load_digits()


def test_the_split_is_fixed_and_disjoint(digits):
    training, held_out = digits
    assert len(training.labels) == 1438 and len(held_out.labels) == 359
    flambeau.manual_seed(99)
    assert (demo.load_digits()[1].images == held_out.images).all()
    seen = {bytes(image) for image in (training.images * 16).byte().flatten(1).tolist()}
    kept = {bytes(image) for image in (held_out.images * 16).byte().flatten(1).tolist()}
    assert not seen & kept


def test_shifts_keep_the_ink_that_stays_inside(digits):
    image = flambeau.zeros(200, 1, 8, 8)
    image[:, 0, 3, 4] = 1
    moved = demo.shifted(image)
    assert moved.shape == image.shape and (moved.sum((1, 2, 3)) == 1).all()
    rows, columns = (set(index.tolist()) for index in moved.nonzero().unbind(1)[2:])
    assert rows == {2, 3, 4} and columns == {3, 4, 5}
    corner = flambeau.zeros(50, 1, 8, 8)
    corner[:, 0, 0, 0] = 1
    assert set(demo.shifted(corner).sum((1, 2, 3)).tolist()) == {0.0, 1.0}


def test_learning_rate_rises_and_falls():
    rates = [demo.learning_rate(step / 100) for step in range(101)]
    peak = rates.index(max(rates))
    assert peak == 10 and rates[peak] == demo.PEAK_LEARNING_RATE
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:])[::-1]
    assert rates[0] == 0 and rates[-1] == pytest.approx(0)


def test_table():
    scores = flambeau.eye(10)[[0, 1, 1, 1, 3, 3]]
    lines = demo.table(scores, flambeau.tensor([0, 0, 1, 1, 3, 3])).splitlines()
    assert lines[1].split() == ["0", "2", "1.000", "0.500", "0.667"]
    assert lines[2].split() == ["1", "2", "0.667", "1.000", "0.800"]
    assert lines[3].split() == ["2", "0", "0.000", "0.000", "0.000"]
    assert lines[-1].split() == ["all", "6", "accuracy", "83.33%"]


@pytest.mark.usefixtures("tqdm")
def test_quick_demo(run, digits, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = run("demo", "--quick", "--out", tmp_path, "--seed", 1)
    assert code == 0 and "FAILED" not in out and out.count("ok ") == 3
    lines = re.findall(r"^epoch (\d) of 3: loss \d\.\d+, held out [\d.]+%$", out, re.M)
    assert lines == ["1", "2", "3"] and "\r" not in out and err == ""
    for name in ("learning_curve.png", "predictions.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG") and name in out
    state = flambeau.load(tmp_path / "digits.pt")
    model = demo.build_model()
    model.load_state_dict(state)
    accuracy = demo.accuracy_of(demo.predict(model, digits[1].images), digits[1].labels)
    assert f"accuracy {accuracy:.2%}" in out


@pytest.mark.usefixtures("tqdm")
def test_a_terminal_sees_a_bar(digits, tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = "-m flambeau demo --quick --epochs 1 --no-plots --out".split()
    with subprocess.Popen(
        [sys.executable, *command, tmp_path], cwd=ROOT, stdout=theirs, stderr=theirs
    ) as program:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the other end has gone
            pass
    os.close(ours)
    assert program.returncode == 1 and b"training: 100%" in shown and b"epoch 1 of" not in shown


@pytest.mark.usefixtures("tqdm")
def test_seeds_repeat(digits):
    def losses(seed):
        flambeau.manual_seed(seed)
        few = demo.Digits(*(values[:200] for values in digits[0]))
        return demo.train(demo.build_model(), few, digits[1], epochs=1)[0].losses

    assert losses(3) == losses(3) != losses(4)


@pytest.mark.usefixtures("tqdm")
def test_the_demo_fails_where_it_should(run, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "QUICK_ACCURACY", 1.1)
    monkeypatch.setattr(demo, "TIME_LIMIT", 0.0)
    monkeypatch.setattr(demo, "reload_agrees", lambda *_: False)
    code, out, _ = run("demo", "--quick", "--epochs", 1, "--no-plots", "--out", tmp_path)
    assert code == 1 and out.count("FAILED") == 3
    assert not list(tmp_path.glob("*.png"))


def test_missing_packages_are_named(run, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, out, _ = run("demo", "--out", tmp_path)
    assert code == 2 and "scikit-learn, tqdm, matplotlib: pip install 'flambeau[demo]'" in out


def test_the_example_is_the_demo():
    example = ROOT / "examples" / "digits.py"
    command = [sys.executable, str(example), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: flambeau demo")


# --- inspect --------------------------------------------------------------------------------------


def safetensors_file(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_inspect_a_checkpoint(run, tmp_path):
    path = tmp_path / "model.pt"
    checkpoint = {
        "model": {"0.weight": flambeau.zeros(16, 1, 3, 3)},
        "optimizer": [flambeau.ones(300, dtype=flambeau.float64)],
        "epoch": 3,
    }
    flambeau.save(checkpoint, path)
    assert run("inspect", path) == (
        0,
        "model.0.weight  [16, 1, 3, 3]  float32  576 B\n"
        "optimizer.0     [300]          float64  2.3 KiB\n"
        "epoch = 3\n"
        "2 tensors, 444 numbers, 2.9 KiB\n",
        "",
    )


def test_inspect_a_single_tensor(run, tmp_path):
    flambeau.save(flambeau.ones((), dtype=flambeau.int64), tmp_path / "one.pt")
    code, out, _ = run("inspect", tmp_path / "one.pt")
    assert code == 0
    assert out == "(the file itself)  []  int64  8 B\n1 tensor, 1 numbers, 8 B\n"


def test_inspect_safetensors(run, tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]},
        "b": {"dtype": "F4", "shape": [2], "data_offsets": [12, 13]},
    }
    path = safetensors_file(tmp_path / "model.safetensors", header, bytes(13))
    assert run("inspect", path)[:2] == (
        0,
        "a.weight  [2, 3]  bfloat16  12 B\n"
        "b         [2]     F4        1 B\n"
        "format = 'pt'\n"
        "2 tensors, 8 numbers, 13 B\n",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"short", "No such|more than there are|not that of a safetensors"),
        (b"\xff" * 8, "more than there are"),
        (b"\x02" + bytes(7) + b"[]", "not that of a safetensors file"),
        (b"\x07" + bytes(7) + b'{"a":1}', "not that of a safetensors file"),
        (b"\x04" + bytes(7) + b"junk", "not that of a safetensors file"),
    ],
)
def test_inspect_broken_safetensors(run, tmp_path, content, message):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    code, out, err = run("inspect", path)
    assert code == 1 and not out and re.search(message, err)


def test_inspect_a_safetensors_file_that_is_cut_off(run, tmp_path):
    header = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    path = safetensors_file(tmp_path / "cut.safetensors", header, bytes(15))
    code, _, err = run("inspect", path)
    assert code == 1 and "its tensors need 16 bytes, of 15 there" in err


def test_inspect_names_what_is_damaged(run, tmp_path):
    path = tmp_path / "state.pt"
    tensors = {"good": flambeau.ones(3), "bad": flambeau.arange(5.0)}
    flambeau.save({"net": tensors, "epoch": 3}, path)
    data = bytearray(path.read_bytes())
    data[data.index(tensors["bad"].numpy().tobytes()) + 1] ^= 4
    path.write_bytes(data)
    code, out, _ = run("inspect", path)
    assert code == 1 and out.splitlines() == [
        "net.good  [3]  float32  12 B",
        "epoch = 3",
        "net.bad  damaged: the bytes of entry state/data/1 do not match their checksum",
        "1 tensor, 3 numbers, 12 B",
    ]


def test_inspect_runs_nothing(run, tmp_path):
    marker = tmp_path / "executed"
    attack = f"cos\nsystem\n(S'touch {marker}'\ntR."
    path = tmp_path / "attack.pt"
    path.write_bytes(attack.encode())
    code, _, err = run("inspect", path)
    assert code == 1 and "cannot read" in err and not marker.exists()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**52, "4096.0 TiB"),
    ],
)
def test_human_size(size, text):
    assert inspect.human_size(size) == text


# --- doctor ---------------------------------------------------------------------------------------


def test_doctor(run):
    code, out, _ = run("doctor")
    assert code == 0 and "FAILED" not in out
    for section in doctor.facts():
        assert f"{section}\n" in out
    assert flambeau.__version__ in out and sys.executable in out
    assert re.search(rf"threads +{flambeau.get_num_threads()}\n", out)
    assert re.search(r"gradient of a matrix product +right\n", out)


def test_doctor_goes_on_after_a_failure(run, monkeypatch):
    def broken():
        raise RuntimeError("no threads")

    monkeypatch.setattr(flambeau, "get_num_threads", broken)
    code, out, _ = run("doctor")
    assert code == 1 and "FAILED: RuntimeError: no threads" in out
    assert "gradient of a matrix product" in out


def test_doctor_names_missing_packages(monkeypatch):
    monkeypatch.setitem(doctor.OPTIONAL_PACKAGES, "no-such-package", "nothing")
    found = {name: find() for name, find in doctor.facts()["optional packages"]}
    assert found["no-such-package"] == "not found (for nothing)"
    assert re.fullmatch(r"\d+\..*", found["numpy"])


@pytest.mark.parametrize(
    ("flags", "sets"),
    [
        ("", ["baseline"]),
        ("sse4_2 ssse3 popcnt cx16", ["baseline"]),
        ("sse4_2 ssse3 popcnt cx16 avx2 bmi1 bmi2 f16c fma movbe abm", ["baseline", "avx2"]),
        ("avx2 bmi1 bmi2 f16c fma movbe abm", ["baseline"]),
    ],
)
def test_instruction_sets_build_on_each_other(monkeypatch, flags, sets):
    monkeypatch.setattr(doctor, "cpu_info", lambda: {"flags": flags})
    assert doctor.available_sets() == sets
