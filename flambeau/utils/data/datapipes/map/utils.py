"""The beginning of a pipeline."""

from __future__ import annotations

import copy
import warnings

from ..datapipe import MapDataPipe

__all__ = ["SequenceWrapperMapDataPipe"]


class SequenceWrapperMapDataPipe(MapDataPipe):
    """The items of a sequence or a mapping.

    Args:
        sequence: what has the items.
        deepcopy: whether to keep a copy, so that stages may change samples in place.

    Shape:
        - whatever the sequence gives.

    Example::

        >>> SequenceWrapperMapDataPipe({"a": 1})["a"]
        1
    """

    def __init__(self, sequence, deepcopy: bool = True) -> None:
        self.sequence = sequence
        if deepcopy:
            try:
                self.sequence = copy.deepcopy(sequence)
            except TypeError:
                warnings.warn(
                    "The input sequence can not be deepcopied, please be aware of in-place "
                    "modification would affect source data",
                    stacklevel=2,
                )

    def __getitem__(self, index):
        return self.sequence[index]

    def __len__(self) -> int:
        return len(self.sequence)
