"""What layers compute, as functions of tensors alone: a file for each family, as in
``flambeau.nn.modules``.

Where an operator of the core already has PyTorch's name and arguments it is used as it is; the
functions beside it add what PyTorch's add: checks, deprecated arguments, in-place variants.
"""

# ruff: noqa: F403

from typing import TYPE_CHECKING

from . import (
    _activation,
    _attention,
    _channelshuffle,
    _conv,
    _distance,
    _dropout,
    _fold,
    _grouped,
    _linear,
    _linear_losses,
    _loss_margins,
    _losses,
    _normalization,
    _padding,
    _pixelshuffle,
    _pooling,
    _sparse,
    _unpooling,
    _upsampling,
)
from ._activation import *
from ._attention import *
from ._attention import _canonical_mask, _mha_shape_check, _none_or_dtype  # noqa: F401
from ._channelshuffle import *
from ._conv import *
from ._distance import *
from ._dropout import *
from ._fold import *
from ._grouped import *
from ._linear import *
from ._linear_losses import *
from ._loss_margins import *
from ._losses import *
from ._normalization import *
from ._padding import *
from ._pixelshuffle import *
from ._pooling import *
from ._sparse import *
from ._unpooling import *
from ._upsampling import *

__all__: list[str] = []
__all__ += _activation.__all__
__all__ += _attention.__all__
__all__ += _channelshuffle.__all__
__all__ += _conv.__all__
__all__ += _distance.__all__
__all__ += _dropout.__all__
__all__ += _fold.__all__
__all__ += _grouped.__all__
__all__ += _linear.__all__
__all__ += _linear_losses.__all__
__all__ += _losses.__all__
__all__ += _loss_margins.__all__
__all__ += _normalization.__all__
__all__ += _padding.__all__
__all__ += _pixelshuffle.__all__
__all__ += _pooling.__all__
__all__ += _sparse.__all__
__all__ += _unpooling.__all__
__all__ += _upsampling.__all__

# A family is where a function is written, not what programs and pickles call it by.
for _name in __all__:
    _function = globals()[_name]
    if _function.__module__.startswith(f"{__name__}."):
        _function.__module__ = __name__


if not TYPE_CHECKING:  # to checkers a module with this function has every name

    def __getattr__(name: str):
        """Names that programs take from here beside functions; they are not listed."""
        import importlib

        _names = importlib.import_module(f"{__name__}._names")
        if name in _names.__all__:
            return getattr(_names, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
