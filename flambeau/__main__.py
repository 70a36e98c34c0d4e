"""``python -m flambeau``: the commands of ``flambeau.cli``."""

import sys

from flambeau.cli import main

sys.exit(main())
