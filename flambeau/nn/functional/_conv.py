"""Convolutions."""

import flambeau

__all__ = ["conv2d"]

conv2d = flambeau.conv2d
