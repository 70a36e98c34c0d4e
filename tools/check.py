"""All that is quick to check, in under a minute: ``make check`` or ``tools/check``.

Formats, lint, types, structure, written files, the tests that tell most, and those of the records
that changed. Files that git does not know yet are looked at as well.
"""

import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
STUBS = [f"flambeau/{name}.pyi" for name in ("__init__", "_C", "return_types")]
QUICK_TESTS = [
    "tests/core/test_types.py",
    "tests/core/test_call.py",
    "tests/autograd/test_engine.py",
    "tests/optim",
    "tests/test_docs.py",
    "tests/test_ops_command.py",
    "tests/test_printing.py",
]
RECORD_TESTS = ["tests/ops/test_records.py", "tests/ops/test_modes.py"]


def git(*arguments: str) -> list[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()


def files(*patterns: str) -> list[str]:
    """All files of the project, those that are not added yet included."""
    found = git("ls-files", "--cached", "--others", "--exclude-standard", *patterns)
    return [name for name in found if (ROOT / name).is_file()]


def changed_ops() -> list[str]:
    """The ops of the record files that changed: since the branch left main, and since then."""
    start = (
        git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main") or ["HEAD"]
    )
    changed = {*git("diff", "--name-only", *start), *git("ls-files", "-o", "--exclude-standard")}
    records = changed & set(files("flambeau/ops/*.py"))
    texts = [(ROOT / name).read_text() for name in records]
    return sorted({name for text in texts for name in re.findall(r'@\w+\(\s*"(\w+)', text)})


def record_tests() -> dict[str, list[str]]:
    ops = changed_ops()
    if not ops:
        return {}
    chosen = ["-k", " or ".join(ops)]
    return {"changed records": module("pytest", "-x", "-q", *RECORD_TESTS, *chosen)}


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def tool(name: str, *arguments: str) -> list[str]:
    return [sys.executable, f"tools/{name}.py", *arguments]


def checks() -> dict[str, list[str]]:
    return {
        "python format": module("ruff", "format", "--check", "--quiet", "."),
        "python lint": module("ruff", "check", "--quiet", "."),
        "c++ format": [*clang_format(), "--dry-run", "-Werror", *files("*.cpp", "*.h")],
        "types": module("mypy", "--strict", "--follow-imports=silent", *STUBS),
        "structure": tool("structure"),
        "coverage": tool("coverage"),
        "slots": tool("slots", "--check"),
        "includes current": tool("includes", "--check"),
        "reference current": tool("reference", "--check"),
        "budget": tool("budget"),
        "quick tests": module("pytest", "-x", "-q", *QUICK_TESTS),
        **record_tests(),
    }


def clang_format() -> list[str]:
    return [str(pathlib.Path(sys.executable).with_name("clang-format"))]


def main() -> int:
    failed = []
    for name, command in checks().items():
        start = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        print(
            f"{name:20} {'ok' if done.returncode == 0 else 'FAILED':7}"
            f"{time.monotonic() - start:6.1f} s",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__)
    sys.exit(main())
