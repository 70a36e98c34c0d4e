"""The layers: a file for each family, as in ``flambeau.nn.functional``."""

# ruff: noqa: F403

from . import (
    activation,
    adaptive,
    container,
    conv,
    distance,
    dropout,
    flatten,
    linear,
    linear_cross_entropy_options,
    loss,
    normalization,
    pooling,
    sparse,
)
from .activation import *
from .adaptive import *
from .container import *
from .conv import *
from .distance import *
from .dropout import *
from .flatten import *
from .linear import *
from .linear_cross_entropy_options import *
from .loss import *
from .module import Module
from .normalization import *
from .pooling import *
from .sparse import *

__all__ = ["Module"]
__all__ += activation.__all__
__all__ += adaptive.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += distance.__all__
__all__ += dropout.__all__
__all__ += flatten.__all__
__all__ += linear.__all__
__all__ += linear_cross_entropy_options.__all__
__all__ += loss.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += sparse.__all__
