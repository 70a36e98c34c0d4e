"""Networks: `Module`, layers, losses, and what they compute as functions."""

from . import attention, functional, init, modules
from .modules import *  # noqa: F403
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [*modules.__all__, "Buffer", "Parameter", "UninitializedBuffer"]
__all__ += ["UninitializedParameter", "attention", "functional", "init"]
