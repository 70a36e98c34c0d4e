"""Writes the type stubs from the records: ``python tools/stubs.py FOLDER``; the build runs it.

What is no op stands in the templates, ``tools/stubs/``.
"""

import pathlib
import re

import bare  # first: it stands in for the package

from flambeau.ops.generator.stubs import Stubs, fill
from flambeau.ops.record import load

TEMPLATES = bare.ROOT / "tools/stubs"
PYTHON_FUNCTIONS = r"from flambeau\.functional import \w+ as (\w+)"


def stubs() -> dict[str, str]:
    """File name -> text."""
    templates = {p.name: p.read_text() for p in TEMPLATES.glob("*.pyi")}
    tensor = re.search(r"^class Tensor:\n(.*?)^\S", templates["_C.pyi"], re.S | re.M)[1]
    functions = set(re.findall(PYTHON_FUNCTIONS, templates["__init__.pyi"]))
    made = Stubs(load(), tensor, functions)
    sections = {
        "functions": made.functions(),
        "methods": made.methods(),
        "modules": made.modules(),
        "results": made.results(),
    }
    return {name: fill(text, sections) for name, text in templates.items()}


def write(folder: pathlib.Path) -> None:
    for name, text in stubs().items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)


if __name__ == "__main__":
    import usage

    (folder,) = usage.read(__doc__, names=(1, 1))
    write(pathlib.Path(folder))
