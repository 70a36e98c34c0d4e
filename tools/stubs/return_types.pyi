from typing import NamedTuple

from flambeau import Tensor

# ops: results
