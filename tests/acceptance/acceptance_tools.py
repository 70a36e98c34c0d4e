"""What the acceptance checks share: programs in child processes, test files, figures in pages."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command: str, limit: int = 300, env: dict | None = None) -> str:
    """The output of a command in the checkout; it has to succeed."""
    done = subprocess.run(
        [str(c) for c in command], cwd=ROOT, capture_output=True, text=True, timeout=limit, env=env
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{output[-2000:]}"
    return output


def python(program: str, limit: int = 60) -> str:
    """Runs a program with ``flambeau as torch`` imported; its assertions are the check."""
    code = "import flambeau as torch\n" + textwrap.dedent(program)
    return run(sys.executable, "-c", code, limit=limit)


def passes(path: str, at_least: int = 1, *arguments: str, limit: int = 900) -> None:
    """A test file of the suite exists, passes, and leaves nothing out."""
    assert (ROOT / path).exists(), f"there is no {path}"
    output = run(sys.executable, "-m", "pytest", path, *arguments, limit=limit)
    count = re.search(r"(\d+) passed", output)
    assert count and int(count[1]) >= at_least, output[-500:]
    assert "skipped" not in output and "xfailed" not in output, output[-500:]


def raises(program: str, error: str, words: str = "") -> None:
    """The program ends with an error of this type whose text matches."""
    body = textwrap.indent(textwrap.dedent(program).strip(), "    ")
    python(
        f"import re\ntry:\n{body}\nexcept {error} as e:\n"
        f"    assert re.search({words!r}, str(e)), str(e)\n"
        f"else:\n    raise SystemExit('nothing was raised')\n"
    )


def figure(page: str, name: str) -> float:
    """A number of a table row ``| name | number ... |`` in a page that a tool wrote."""
    text = (ROOT / page).read_text()
    row = re.search(rf"^\| *{re.escape(name)} *\| *([\d.]+)", text, re.M)
    assert row, f"{page} has no row {name!r}"
    return float(row[1])


def texts(pattern: str) -> dict[str, str]:
    found = run("git", "ls-files", pattern).split()
    return {name: (ROOT / name).read_text() for name in found}
