"""Pixels from channels and back."""

import flambeau

__all__ = ["pixel_shuffle", "pixel_unshuffle"]

pixel_shuffle = flambeau.pixel_shuffle
pixel_unshuffle = flambeau.pixel_unshuffle
