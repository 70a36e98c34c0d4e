"""A network that reads handwritten digits: `python examples/digits.py --help`.

The program is `flambeau/cli/demo.py`, which `flambeau demo` runs as well. It is meant to be read:
from `load_digits` over `build_model` and `train` to `main`, it is a PyTorch program in which only
`import flambeau as torch` is new.
"""

import sys

from flambeau.cli.demo import Net, main

__all__ = ["Net", "main"]

if __name__ == "__main__":
    sys.exit(main())
