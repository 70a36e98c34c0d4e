"""The sessions of docs/debugging.md, typed into the debugger."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/debugging.md").read_text()
PROMPT = "(Pdb) "
SESSIONS = list(
    zip(*(re.findall(rf"^```{k}\n(.*?)^```", PAGE, re.S | re.M) for k in ("py", "text")))
)


def test_each_program_has_a_session():
    assert len(SESSIONS) == 3 == len(re.findall(r"^```py\n", PAGE, re.M))
    assert all("breakpoint()" in program for program, _ in SESSIONS)


@pytest.mark.parametrize("at", range(len(SESSIONS)))
def test_sessions(at, tmp_path):
    program, session = SESSIONS[at]
    name = re.search(r"^> (\w+\.py)", session)[1]
    (tmp_path / name).write_text(program)
    typed = re.findall(rf"^{re.escape(PROMPT)}(.*)$", session, re.M)
    if sys.version_info >= (3, 13):  # stops at the call of breakpoint(), a line earlier
        typed.insert(0, "n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / name)],
        input="\n".join(typed) + "\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONBREAKPOINT": ""},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.replace(f"{tmp_path}/", "")
    if sys.version_info >= (3, 13):
        shown = shown.partition(PROMPT)[2]
    shown = re.sub(r"0x[0-9a-f]+", "0x...", shown)
    # What was typed is not echoed: each answer follows its prompt.
    expected = re.sub(rf"^{re.escape(PROMPT)}.*\n", PROMPT, session, flags=re.M)
    assert shown == expected
