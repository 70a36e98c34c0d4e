"""Finding the operation whose backward fails or makes NaN."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

from flambeau import _C

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class detect_anomaly:
    """Errors in backward name the traceback of the forward, and NaN in a gradient is an error.

    Every recorded operation keeps its traceback, which is slow: for debugging only.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.zeros(1, requires_grad=True)
        >>> with torch.autograd.detect_anomaly():  # doctest: +SKIP
        ...     (x / x).sum().backward()
        Traceback (most recent call last):
        RuntimeError: Function 'DivBackward0' returned nan values in its 0th output. Its forward is
          File "train.py", line 12, in <module>
            (x / x).sum().backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.prev = _C.is_anomaly_enabled()
        self.check_nan = check_nan
        self.prev_check_nan = _C.is_anomaly_check_nan_enabled()
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        _C.set_anomaly_enabled(True, self.check_nan)

    def __exit__(self, *exc_info: Any) -> None:
        _C.set_anomaly_enabled(self.prev, self.prev_check_nan)


class set_detect_anomaly:
    """Turns anomaly detection on or off, at once or for a block. See :class:`detect_anomaly`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.set_detect_anomaly(True):
        ...     torch.is_anomaly_enabled()
        True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.prev = _C.is_anomaly_enabled()
        self.prev_check_nan = _C.is_anomaly_check_nan_enabled()
        _C.set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: Any) -> None:
        _C.set_anomaly_enabled(self.prev, self.prev_check_nan)


def _forward_place(stack: Sequence[str]) -> str:
    """The end of a message: the innermost line of the program, past those of this package.

    ``stack`` is as :func:`traceback.format_stack` gives it.
    """
    package = f'File "{os.path.dirname(os.path.dirname(__file__))}{os.sep}'
    own = [frame for frame in stack if package not in frame]
    frame = (own or list(stack) or [""])[-1]
    return f" Its forward is\n{frame.rstrip()}" if frame else ""
