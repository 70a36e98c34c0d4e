"""The fuzzer itself, and a few hundred of its calls. `make fuzz` runs more of them."""

import subprocess
import sys

import flambeau
from tests.fuzz.calls import Fuzz


def run(*options):
    command = [sys.executable, "-m", "tests.fuzz", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_calls_end_in_results_or_in_exceptions():
    done = run("--seed", "1", "--calls", "2000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2000 calls" in done.stdout and "0 faults" in done.stdout


def test_a_call_is_a_function_of_seed_and_number():
    shown = [Fuzz(flambeau, 3).show(n) for n in (5, 5)]
    assert shown[0].splitlines()[0] == shown[1].splitlines()[0]
    assert Fuzz(flambeau, 3).build(7).target is not Fuzz(flambeau, 4).build(7).target


def test_every_form_of_every_record_is_a_target():
    from flambeau.ops.record import load

    forms = {s.full_name for r in load() for s in r.schemas()}
    reached = {t.schema.full_name for t in Fuzz(flambeau, 0).targets}
    assert forms - reached == {"_local_scalar_dense"}


def test_a_fault_is_named_with_the_number_of_the_call(tmp_path):
    """A child that dies: by a call that is no call of ours."""
    program = (
        "import sys, ctypes; from tests.fuzz import __main__ as m, calls\n"
        "run = calls.Fuzz.run\n"
        "die = lambda: ctypes.string_at(0)\n"
        "calls.Fuzz.run = lambda self, n, note: die() if n == 3 else run(self, n, note)\n"
        "m.main(sys.argv[1:])\n"
    )
    script = tmp_path / "dies.py"
    script.write_text(program)
    command = [sys.executable, "-c", _PARENT, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert "3 " in done.stdout and "ends by signal 11" in done.stdout, done.stdout + done.stderr
    assert "6 calls" in done.stdout and "1 faults" in done.stdout


_PARENT = """
import subprocess, sys
from tests.fuzz import __main__ as m
popen = subprocess.Popen
def other(command, **options):
    at = command.index("-m")
    return popen([command[0], sys.argv[1], *command[at + 2:]], **options)
m.subprocess.Popen = other
m.main(["--calls", "6", "--memory", "0"])
"""
