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


class DamagedTensorsError(CheckpointError):
    """A file some tensors of which are damaged; the others are whole, and `salvage` reads them.

    Attributes:
        tensors: what is wrong, by the names of the damaged tensors, as in ``model.0.weight``.
    """

    def __init__(self, text: str, tensors: dict[str, str]) -> None:
        super().__init__(text)
        self.tensors = tensors

    def __reduce__(self):
        return DamagedTensorsError, (str(self), self.tensors)


class _Repr(reprlib.Repr):
    """Texts of plain values; of others only what they are, for asking them would run them."""

    def repr1(self, x, level):
        kind = type(x)
        if kind.__module__ == "builtins":
            return super().repr1(x, level)
        if isinstance(x, type):
            return f"{x.__module__}.{x.__qualname__}"
        return f"<{kind.__module__}.{kind.__qualname__}>"


_repr = _Repr()
_repr.maxlevel = 2


def short(value) -> str:
    """``value`` for a message: the whole of it may be of any depth and length."""
    return _repr.repr(value)
