"""Saves on a disk that fails, or in a process that is killed, at a chosen call of the system."""

import ctypes
import os
import pathlib
import subprocess
import sys

import flambeau as torch

COUNT, KILL_BEFORE, KILL_HALFWAY, FULL, FAILING = range(5)
SOURCE = pathlib.Path(__file__).with_name("failing_disk.c")
ROOT = SOURCE.parents[2]


def built(folder: pathlib.Path) -> pathlib.Path:
    library = folder / "failing_disk.so"
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def run(folder: pathlib.Path, *arguments) -> str:
    """This module as a program, behind the library."""
    library = built(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.serialization.failing_disk", library, folder, *arguments],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def state(value: int) -> dict:
    """Whole if and only if all of it has one value."""
    return {
        "large": torch.full((50_000,), float(value)),
        "small": torch.full((3,), float(value)),
        "number": torch.tensor(value),
    }


def save_in(form: str, value: int, path) -> None:
    if form == "safetensors":
        torch.save_safetensors(state(value), path)
    else:
        torch.save(state(value), path, _use_new_zipfile_serialization=form == "zip")


def value_of(path) -> int:
    loaded = torch.load(path)
    values = {v for tensor in loaded.values() for v in tensor.double().unique().tolist()}
    assert len(values) == 1, values
    return int(values.pop())


def attempt(library, form: str, value: int, path, at: int, mode: int) -> str:
    """What became of a process that saves so."""
    child = os.fork()
    if child == 0:
        try:
            library.disk_arm(at, mode)
            save_in(form, value, path)
            os._exit(0)
        except OSError:
            os._exit(3)
        finally:
            os._exit(4)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed"
    return {0: "saved", 3: "refused"}[os.WEXITSTATUS(status)]


def calls(library, form: str, folder: pathlib.Path) -> int:
    """How many calls a save makes."""
    library.disk_arm(0, COUNT)
    save_in(form, 0, folder / "counted")
    (folder / "counted").unlink()
    return library.disk_disarm()


def check(library, form: str, folder: pathlib.Path, at: int, mode: int) -> str:
    """One save that fails, over a file that is there; the outcome."""
    path = folder / "state"
    save_in(form, 1, path)
    outcome = attempt(library, form, 2, path, at, mode)
    found = value_of(path)
    assert found == 2 if outcome == "saved" else found in (1, 2), (form, at, mode, outcome, found)
    others = [p for p in folder.iterdir() if p not in (path, folder / "failing_disk.so")]
    if outcome == "killed":
        # Killed between the two names that the new file has; it is whole then.
        assert len(others) <= 1, others
        for other in others:
            assert value_of(other) == 2
            other.unlink()
    assert outcome == "killed" or not others, (form, at, mode, others)
    return outcome


def main(library: str, folder: str, *modes: str) -> None:
    disk = ctypes.CDLL(library)
    for form in ("zip", "legacy", "safetensors"):
        count = calls(disk, form, pathlib.Path(folder))
        assert count >= 5
        outcomes = [
            check(disk, form, pathlib.Path(folder), at, int(mode))
            for mode in modes
            for at in range(1, count + 1)
        ]
        print(form, count, *sorted(set(outcomes)))


if __name__ == "__main__":
    main(*sys.argv[1:])
