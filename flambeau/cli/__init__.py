"""The command line: ``flambeau COMMAND`` or ``python -m flambeau COMMAND``.

Each command is a module of this package with a function ``main(arguments) -> exit code``; only the
one that runs is imported.
"""

import argparse
import importlib
from collections.abc import Sequence

import flambeau
from flambeau._pipe import ends_with_its_reader

COMMANDS = {
    "demo": "train a network on handwritten digits and check all that it gives",
    "doctor": "show what flambeau found on this machine",
    "inspect": "list the tensors of a .pt or .safetensors file without running anything in it",
    "run": "run a program that says `import torch`, and what it imports, on flambeau",
    "summary": "show a model's layers: shapes, parameters, operations, memory",
}


@ends_with_its_reader
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` (by default the program's own) name."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="flambeau",
        usage="flambeau [-h] [--version] COMMAND ...",
        description="\n".join(
            ["commands:", *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())]
        ),
        epilog="flambeau COMMAND --help tells more about one of them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=flambeau.__version__)
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    return importlib.import_module(f"flambeau.cli.{chosen.command}").main(chosen.arguments)
