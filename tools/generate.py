"""Prints from the records, without flambeau's core: ``tools/generate.py FOLDER [PACKAGE]``.

C++ goes to FOLDER; what Python and type checkers read goes to PACKAGE, where it is installed. With
``FLAMBEAU_RECORDS=1300`` renamed copies of records bring their number to that, and with
``FLAMBEAU_COPY=lerp.Tensor`` that record is there twice (tools/copies.py).
"""

import os
import pathlib
import shutil

import bare  # first: it stands in for the package

from flambeau.ops.generator.main import write

if __name__ == "__main__":
    import usage

    folders = usage.read(__doc__, names=(1, 2))
    folder = pathlib.Path(folders[0])
    wanted = os.environ.get("FLAMBEAU_RECORDS"), os.environ.get("FLAMBEAU_COPY")
    if any(wanted):
        import copies

        copies.add(int(wanted[0] or 0), wanted[1] or "")
    write(folder, bare.ROOT)
    if len(folders) > 1:
        import stubs

        package = pathlib.Path(folders[1])
        package.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "docstrings", package / "_docstrings")
        stubs.write(package)
