"""All that is quick to check, in under a minute: ``make check`` or ``tools/check``.

Formats, lint, types, structure, written files and the tests that tell most.
"""

import pathlib
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


def cpp_files() -> list[str]:
    command = ["git", "ls-files", "*.cpp", "*.h"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]


def tool(name: str, *arguments: str) -> list[str]:
    return [sys.executable, f"tools/{name}.py", *arguments]


def checks() -> dict[str, list[str]]:
    return {
        "python format": module("ruff", "format", "--check", "--quiet", "."),
        "python lint": module("ruff", "check", "--quiet", "."),
        "c++ format": [*clang_format(), "--dry-run", "-Werror", *cpp_files()],
        "types": module("mypy", "--strict", "--follow-imports=silent", *STUBS),
        "structure": tool("structure"),
        "slots": tool("slots", "--check"),
        "includes current": tool("includes", "--check"),
        "reference current": tool("reference", "--check"),
        "quick tests": module("pytest", "-x", "-q", *QUICK_TESTS),
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
    sys.exit(main())
