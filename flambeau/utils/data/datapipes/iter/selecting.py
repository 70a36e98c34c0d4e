"""Pipes that leave samples out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from ..utils.common import StreamWrapper, _check_unpickable_fn, validate_input_col

__all__ = ["FilterIterDataPipe"]


@functional_datapipe("filter")
class FilterIterDataPipe(IterDataPipe):
    """The samples of which a function is True.

    Args:
        datapipe: the source.
        filter_fn: the function; it gives a bool.
        input_col: the index or key of the column that it is given, or a list of them; the whole
            sample when None.

    Shape:
        - whatever the source gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper(["a", "1", "b"]).filter(str.isalpha))
        ['a', 'b']
    """

    def __init__(self, datapipe: IterDataPipe, filter_fn: Callable, input_col=None) -> None:
        super().__init__()
        _check_unpickable_fn(filter_fn)
        validate_input_col(filter_fn, input_col)
        self.datapipe = datapipe
        self.filter_fn = filter_fn
        self.input_col = input_col

    def _apply_filter_fn(self, data):
        columns = self.input_col
        if columns is None:
            return self.filter_fn(data)
        if isinstance(columns, (list, tuple)):
            return self.filter_fn(*(data[column] for column in columns))
        return self.filter_fn(data[columns])

    def __iter__(self) -> Iterator:
        for data in self.datapipe:
            keep = self._apply_filter_fn(data)
            if not isinstance(keep, bool):
                raise ValueError(
                    "Boolean output is required for `filter_fn` of FilterIterDataPipe, got",
                    type(keep),
                )
            if keep:
                yield data
            else:
                StreamWrapper.close_streams(data)
