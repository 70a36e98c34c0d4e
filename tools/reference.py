"""Writes docs/api/ from the records: ``python tools/reference.py [--check]``."""

import sys

import bare  # first: it stands in for the package
from written import write_or_check

from flambeau.ops.generator.reference import pages
from flambeau.ops.record import load

FOLDER = "docs/api"

if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--check")
    made = {f"{FOLDER}/{name}": text for name, text in pages(load()).items()}
    for path in (bare.ROOT / FOLDER).glob("*.md"):
        if f"{FOLDER}/{path.name}" not in made and "--check" not in sys.argv[1:]:
            path.unlink()  # of a family that is gone
    sys.exit(write_or_check(bare.ROOT, made, "tools/reference.py"))
