"""Programs in processes of their own, in which the name torch is flambeau's."""

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def need(package):
    """Leave a file of tests out where a package is not installed: ``make test`` installs it. To
    import it here could import torch."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)


def python(*arguments, cwd, check=True, env=(), **options):
    """A Python process: what it printed, its errors and its exit code."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, **dict(env)},
        timeout=300,
        **options,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def flambeau_run(*arguments, **options):
    """As `python`, with the name torch."""
    return python("-m", "flambeau", "run", *arguments, **options)


def shown(program, cwd, **values):
    """What a program that says ``import torch`` shows: ``show(name, value)``, for numbers, lists
    and tensors, also in lists. ``values`` are given to it as JSON."""
    before = """
        import json, torch
        _shown = {}
        def _plain(value):
            if isinstance(value, torch.Tensor):
                return value.detach().tolist()
            return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
        def show(name, value):
            _shown[name] = _plain(value)
    """
    given = "".join(
        f"{name} = json.loads({json.dumps(value)!r})\n" for name, value in values.items()
    )
    after = "print('SHOWN' + json.dumps(_shown))\n"
    path = Path(cwd) / "program.py"
    path.write_text(textwrap.dedent(before) + given + textwrap.dedent(program) + "\n" + after)
    return json.loads(flambeau_run(path, cwd=cwd).stdout.rpartition("SHOWN")[2])
