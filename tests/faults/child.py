"""Hostile programs run in a child process: what would end the tests ends the child."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap


def _limits(memory: int):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def run(program: str, seconds: float = 60, memory: int = 0) -> str:
    """What the program prints. It has to end by itself, in time and without a signal."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=lambda: _limits(memory),
    )
    assert done.returncode >= 0, f"ended by signal {-done.returncode}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()
