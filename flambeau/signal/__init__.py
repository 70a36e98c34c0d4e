"""Processing of signals: `flambeau.signal.windows`."""

from . import windows

__all__ = ["windows"]
