"""``python tools/ops.py show NAME``: as ``python -m flambeau.ops``, without a built core."""

import sys

import bare  # noqa: F401 (first: it stands in for the package)

from flambeau.ops.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
