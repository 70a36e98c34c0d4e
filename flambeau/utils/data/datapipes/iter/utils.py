"""The beginning of a pipeline."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator

from ..datapipe import IterDataPipe
from ..utils.common import length_of

__all__ = ["IterableWrapperIterDataPipe"]


class IterableWrapperIterDataPipe(IterDataPipe):
    """The items of any iterable.

    Args:
        iterable: what to iterate over.
        deepcopy: whether each pass is over a copy, so that stages may change samples in place.

    Shape:
        - whatever the iterable gives.

    Example::

        >>> list(IterableWrapperIterDataPipe(range(3)))
        [0, 1, 2]
    """

    def __init__(self, iterable: Iterable, deepcopy: bool = True) -> None:
        self.iterable = iterable
        self.deepcopy = deepcopy

    def __iter__(self) -> Iterator:
        items = self.iterable
        if self.deepcopy:
            try:
                items = copy.deepcopy(items)
            except TypeError:
                warnings.warn(
                    "The input iterable can not be deepcopied, please be aware of in-place "
                    "modification would affect source data.",
                    stacklevel=2,
                )
        yield from items

    def __len__(self) -> int:
        return length_of(self, self.iterable)
