"""The layers: a file for each family, as in ``flambeau.nn.functional``."""

# ruff: noqa: F403

from . import (
    activation,
    channelshuffle,
    container,
    conv,
    dropout,
    flatten,
    linear,
    loss,
    normalization,
    padding,
    pixelshuffle,
    pooling,
    sparse,
    upsampling,
)
from .activation import *
from .channelshuffle import *
from .container import *
from .conv import *
from .dropout import *
from .flatten import *
from .linear import *
from .loss import *
from .module import Module
from .normalization import *
from .padding import *
from .pixelshuffle import *
from .pooling import *
from .sparse import *
from .upsampling import *

__all__ = ["Module"]
__all__ += activation.__all__
__all__ += channelshuffle.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += dropout.__all__
__all__ += flatten.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += pixelshuffle.__all__
__all__ += pooling.__all__
__all__ += sparse.__all__
__all__ += upsampling.__all__
