"""Writes docs/api.md from the records: ``python tools/reference.py [--check]``."""

import sys

import bare  # first: it stands in for the package
from written import write_or_check

from flambeau.ops.generator.reference import page
from flambeau.ops.record import load

if __name__ == "__main__":
    sys.exit(write_or_check(bare.ROOT, {"docs/api.md": page(load())}, "tools/reference.py"))
