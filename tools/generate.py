"""Prints C++ from the records, without flambeau's core: ``python tools/generate.py FOLDER``."""

import pathlib
import sys

import bare  # first: it stands in for the package

from flambeau.ops.generator.main import write

if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), bare.ROOT)
