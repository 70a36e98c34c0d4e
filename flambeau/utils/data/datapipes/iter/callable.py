"""Pipes that apply a function to each sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..._utils.collate import default_collate
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from ..utils.common import _check_unpickable_fn, length_of, validate_input_col

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]


@functional_datapipe("map")
class MapperIterDataPipe(IterDataPipe):
    """``fn`` of each sample, or of some of its columns.

    Args:
        datapipe: the source.
        fn: the function.
        input_col: the index or key of the column that it is given, or a list of them; the whole
            sample when None.
        output_col: where the result goes: to the (first) input column when None, which replaces
            all of them; behind the last one when -1.

    Shape:
        - whatever ``fn`` gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([(1, 2), (3, 4)]).map(max, input_col=[0, 1], output_col=-1))
        [(1, 2, 2), (3, 4, 4)]
    """

    def __init__(
        self, datapipe: IterDataPipe, fn: Callable, input_col=None, output_col=None
    ) -> None:
        super().__init__()
        _check_unpickable_fn(fn)
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            (output_col,) = output_col
        validate_input_col(fn, input_col)
        self.datapipe = datapipe
        self.fn = fn
        self.input_col = input_col
        self.output_col = output_col

    def _apply_fn(self, data):
        columns = self.input_col
        if columns is None:
            return self.fn(data)
        several = isinstance(columns, (list, tuple))
        result = self.fn(*(data[c] for c in columns)) if several else self.fn(data[columns])
        row = list(data) if isinstance(data, tuple) else data
        if self.output_col is None:
            first, *rest = columns if several else [columns]
            row[first] = result
            for column in sorted(rest, reverse=True):
                del row[column]
        elif self.output_col == -1:
            row.append(result)
        else:
            row[self.output_col] = result
        return tuple(row) if isinstance(data, tuple) else row

    def __iter__(self) -> Iterator:
        for data in self.datapipe:
            yield self._apply_fn(data)

    def __len__(self) -> int:
        return length_of(self, self.datapipe)


@functional_datapipe("collate")
class CollatorIterDataPipe(MapperIterDataPipe):
    """A batch as tensors, by `default_collate` or another function.

    Args:
        datapipe: the source, whose samples are batches.
        conversion: the function.
        collate_fn: the function, where given.

    Shape:
        - tensors of the samples get a first dimension.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(IterableWrapper([1, 2, 3]).batch(2).collate())
        [tensor([1, 2]), tensor([3])]
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        conversion: Callable | None = default_collate,
        collate_fn: Callable | None = None,
    ) -> None:
        function = collate_fn if collate_fn is not None else conversion
        if isinstance(function, dict):
            raise NotImplementedError(
                "collate: a dictionary of functions for the columns of data frames is not supported"
            )
        super().__init__(datapipe, function)
