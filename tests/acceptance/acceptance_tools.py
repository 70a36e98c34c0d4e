"""What the acceptance checks share: programs in child processes, test files, figures in pages."""

from __future__ import annotations

import json
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


def numbers(library: str, program: str, limit: int = 300) -> list:
    """What a program calls ``show`` with, on one library under the name torch, as plain lists."""
    code = f"import {library} as torch\n" + SHOW + textwrap.dedent(program) + "\nprint_shown()\n"
    output = run(sys.executable, "-c", code, limit=limit)
    return json.loads(re.search(r"^SHOWN (.*)$", output, re.M)[1])


def agrees(program: str, tolerance: float = 1e-5, limit: int = 300) -> None:
    """The program shows the same numbers, shapes, dtypes and words on flambeau as on PyTorch."""
    theirs = numbers("torch", program, limit)
    assert theirs, "the program shows nothing"
    ours = numbers("flambeau", program, limit)
    assert len(ours) == len(theirs)
    for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert same(a, b, tolerance), (
            f"shown value {place}: {str(a)[:300]}\nPyTorch: {str(b)[:300]}"
        )


def same(a, b, tolerance: float) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b) or abs(a - b) <= tolerance * (1 + abs(b))
    return a == b


# Numbers leave the child as text; the name of the library is no part of what is compared.
SHOW = """
import json
nn, F = torch.nn, torch.nn.functional
_shown = []
def _plain(v):
    if isinstance(v, torch.Tensor):
        d = v.detach()
        if d.layout != torch.strided: d = d.to_dense()
        if d.is_complex(): d = torch.view_as_real(d.resolve_conj())
        return [str(v.dtype).split('.')[-1], list(v.shape), d.contiguous().view(-1).tolist()]
    if isinstance(v, dict): return [[str(k), _plain(x)] for k, x in v.items()]
    if isinstance(v, (list, tuple)): return [_plain(x) for x in v]
    if v is None or isinstance(v, (bool, int, float, str)): return v
    return str(v).replace('flambeau', 'torch')
def show(*values): _shown.extend(_plain(v) for v in values)
def shown_with_gradients(out, *inputs):
    outs = [o for o in (out if isinstance(out, (list, tuple)) else [out]) if o.is_floating_point()]
    g = torch.autograd.grad(sum((o * o.detach().cos()).sum() for o in outs), inputs,
                            create_graph=True, allow_unused=True)
    show(out, g)
    return g
def print_shown(): print('SHOWN', json.dumps(_shown), flush=True)
"""
