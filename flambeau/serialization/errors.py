"""What is wrong with a file."""

from __future__ import annotations

import pickle
import reprlib


class CheckpointError(RuntimeError, pickle.UnpicklingError):
    """A file that cannot be read: damaged, or naming what no file may name. The text says what.

    It is both kinds of exception that PyTorch raises for such files.
    """


class EmptyFileError(CheckpointError, EOFError):
    """A file without a byte."""


class Damaged(Exception):
    """What is wrong with a file; `load` makes it a `CheckpointError` that names the file."""


class Passed(Exception):
    """An exception of the program's own functions (``map_location``), which is not the file's."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


_repr = reprlib.Repr()
_repr.maxlevel = 2


def short(value) -> str:
    """``value`` for a message: the whole of it may be of any depth and length."""
    return _repr.repr(value)
