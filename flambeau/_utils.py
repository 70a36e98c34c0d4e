"""What several packages need: exceptions that travel from where they were raised."""

from __future__ import annotations

import sys
import traceback

__all__ = ["ExceptionWrapper", "KeyErrorMessage"]


class KeyErrorMessage(str):
    """A text that a KeyError shows as it is: KeyError prints the repr of its argument."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """An exception with its traceback as text, to be raised again by `reraise` in another thread
    or process.

    Args:
        exc_info: as of ``sys.exc_info()``, the exception being handled when None.
        where: what the text says of the place.

    Shape:
        - no tensors.

    Example::

        >>> try:
        ...     {}["a"]
        ... except KeyError:
        ...     wrapped = ExceptionWrapper(where="in a worker")
        >>> wrapped.exc_type, wrapped.where
        (<class 'KeyError'>, 'in a worker')
    """

    def __init__(self, exc_info=None, where: str = "in background") -> None:
        if exc_info is None:
            exc_info = sys.exc_info()
        # The traceback itself would keep all its frames alive.
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self):
        """Raise it here, with the original traceback in its text."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = KeyErrorMessage(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            exception = self.exc_type(text)
        except Exception:
            # A class whose exceptions are made of something else than a text.
            raise RuntimeError(text) from None
        raise exception
