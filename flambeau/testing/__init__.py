"""Tools for tests: compare values within tolerances, make random tensors."""

from flambeau.testing._comparison import assert_close
from flambeau.testing._creation import make_tensor

__all__ = ["assert_close", "make_tensor"]
