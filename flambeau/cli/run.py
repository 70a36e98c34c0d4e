"""Run a program that says `import torch` on flambeau, with all the packages that it imports.

What follows is handed to Python as it stands, so a script, -m MODULE, -c CODE, a folder or an
archive with a __main__.py, - for standard input, and Python's own options (-X dev, -W error) all
work. Python processes that the program starts find the name `torch` too, through PYTHONPATH.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from flambeau import compat

USAGE = "flambeau run [-h] [PYTHON OPTIONS] [SCRIPT | -m MODULE | -c CODE | -] [ARGUMENTS ...]"

# Options of Python's that take a value, in the same word or in the next one.
WITH_VALUE = "cmWX"


def ignores_environment(arguments: Sequence[str]) -> str | None:
    """Which of Python's options among ``arguments`` would make it not look at PYTHONPATH."""
    words = iter(arguments)
    for word in words:
        if word == "--check-hash-based-pycs":
            next(words, None)
            continue
        if word in ("-", "--") or not word.startswith("-"):
            return None  # the rest is the program's
        if word.startswith("--"):
            continue
        for index, letter in enumerate(word[1:], 1):
            if letter in "IE":
                return f"-{letter}"
            if letter in "cm":
                return None
            if letter in WITH_VALUE:
                if index == len(word) - 1:
                    next(words, None)
                break
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(
        prog="flambeau run",
        usage=USAGE,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if arguments[:1] in (["-h"], ["--help"]):
        parser.parse_args(arguments[:1])
    own = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    if option := ignores_environment([*own, *arguments]):
        parser.error(
            f"Python's option {option} makes it ignore PYTHONPATH, through which the name torch "
            "is found. Leave it out, or call flambeau.compat.install() in the program."
        )
    sys.stdout.flush()
    sys.stderr.flush()
    # A fresh interpreter: the program is __main__ in every respect, and nothing of a PyTorch that
    # is installed too has been imported by whatever runs at the start of this one.
    os.environ["PYTHONPATH"] = compat.python_path()
    os.execv(sys.executable, [sys.executable, *own, *arguments])
