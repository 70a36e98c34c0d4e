"""Discrete Fourier transforms, of lengths of every kind, along one dimension or several."""

from __future__ import annotations

from flambeau import _C

# Names of operators, behind "fft_".
__all__ = (
    "fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn"
    " irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
).split()
globals().update({name: getattr(_C._functional, f"fft_{name}") for name in __all__})
