"""Convolutions."""

import flambeau

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

conv1d = flambeau.conv1d
conv2d = flambeau.conv2d
conv3d = flambeau.conv3d
conv_tbc = flambeau.conv_tbc
conv_transpose1d = flambeau.conv_transpose1d
conv_transpose2d = flambeau.conv_transpose2d
conv_transpose3d = flambeau.conv_transpose3d
