"""The layers: a file for each family, as in ``flambeau.nn.functional``."""

# ruff: noqa: F403

from . import (
    activation,
    attention,
    batchnorm,
    container,
    conv,
    dropout,
    flatten,
    fold,
    instancenorm,
    lazy_conv,
    linear,
    loss,
    normalization,
    pooling,
    sparse,
    transformer,
)
from .activation import *
from .attention import *
from .batchnorm import *
from .container import *
from .conv import *
from .dropout import *
from .flatten import *
from .fold import *
from .instancenorm import *
from .lazy_conv import *
from .linear import *
from .loss import *
from .module import Module
from .normalization import *
from .pooling import *
from .sparse import *
from .transformer import *

__all__ = ["Module"]
__all__ += activation.__all__
__all__ += attention.__all__
__all__ += batchnorm.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += dropout.__all__
__all__ += flatten.__all__
__all__ += fold.__all__
__all__ += instancenorm.__all__
__all__ += lazy_conv.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += sparse.__all__
__all__ += transformer.__all__

# Where PyTorch has them, and pickles look.
for _name in lazy_conv.__all__:
    setattr(conv, _name, getattr(lazy_conv, _name))
activation.MultiheadAttention = attention.MultiheadAttention  # type: ignore[attr-defined]
linear.NonDynamicallyQuantizableLinear = (  # type: ignore[attr-defined]
    attention.NonDynamicallyQuantizableLinear
)
