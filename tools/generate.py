"""Prints from the records, without flambeau's core: ``tools/generate.py FOLDER [PACKAGE]``.

C++ goes to FOLDER; what Python and type checkers read goes to PACKAGE, where it is installed.
"""

import pathlib
import shutil
import sys

import bare  # first: it stands in for the package

from flambeau.ops.generator.main import write

if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    write(folder, bare.ROOT)
    if len(sys.argv) > 2:
        import stubs

        package = pathlib.Path(sys.argv[2])
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "docstrings", package / "_docstrings")
        stubs.write(package)
