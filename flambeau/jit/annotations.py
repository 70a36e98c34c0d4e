"""Names of types as annotations of programs that PyTorch would compile use them."""

from typing import Any, List, Optional, Tuple, Union  # noqa: UP035

from flambeau import _jit_internal
from flambeau._jit_internal import *  # noqa: F403

__all__ = ["Any", "List", "Optional", "Tuple", "Union", *_jit_internal.__all__]
