"""Collections of samples."""

from __future__ import annotations

import bisect
import collections.abc
import itertools
import math
import warnings

import flambeau
from flambeau.utils._generic import Generic, T_co

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]


class Dataset(Generic[T_co]):
    """Samples by index. A subclass defines ``__getitem__``, and ``__len__`` for most samplers; it
    may define ``__getitems__``, which gives the samples of a whole list of indices.

    Shape:
        - whatever ``__getitem__`` gives.

    Example::

        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 3
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> (Squares() + Squares())[5]
        4
    """

    def __getitem__(self, index) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], collections.abc.Iterable[T_co]):
    """Samples in the order in which they come. A subclass defines ``__iter__``.

    Shape:
        - whatever ``__iter__`` gives.

    Example::

        >>> class Countdown(IterableDataset):
        ...     def __iter__(self):
        ...         return iter([2, 1, 0])
        >>> list(Countdown() + Countdown())
        [2, 1, 0, 2, 1, 0]
    """

    def __add__(self, other: Dataset[T_co]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[flambeau.Tensor, ...]]):
    """Samples are tuples of rows, one of each tensor.

    Args:
        tensors: of the same size in their first dimension.

    Shape:
        - tensors: (N, ...); a sample has the shapes without N.

    Example::

        >>> import flambeau
        >>> TensorDataset(flambeau.arange(4), flambeau.arange(4) * 10)[2]
        (tensor(2), tensor(20))
    """

    def __init__(self, *tensors: flambeau.Tensor) -> None:
        if any(tensors[0].size(0) != tensor.size(0) for tensor in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index) -> tuple[flambeau.Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Samples are tuples (or dictionaries) of samples, one of each dataset.

    Args:
        args: datasets of the same length, for tuples,
        kwargs: or for dictionaries.

    Shape:
        - whatever the datasets give.

    Example::

        >>> StackDataset(letter=["a", "b"], number=[1, 2])[1]
        {'letter': 'b', 'number': 2}
    """

    def __init__(self, *args, **kwargs) -> None:
        if args and kwargs:
            raise ValueError(
                "StackDataset: give datasets either by position, for tuples, or by name, for "
                "dictionaries, not both."
            )
        if not args and not kwargs:
            raise ValueError("StackDataset: at least one dataset should be passed")
        self.datasets: tuple | dict = args or kwargs
        lengths = {len(dataset) for dataset in (args or kwargs.values())}
        if len(lengths) > 1:
            raise ValueError(f"StackDataset: size mismatch between datasets: {sorted(lengths)}")
        self._length = lengths.pop()

    def __getitem__(self, index: int):
        if isinstance(self.datasets, dict):
            return {key: dataset[index] for key, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        named = self.datasets if isinstance(self.datasets, dict) else None
        datasets = self.datasets if named is None else named.values()
        samples = list(zip(*(_samples_of(dataset, indices) for dataset in datasets)))
        return samples if named is None else [dict(zip(named, sample)) for sample in samples]

    def __len__(self) -> int:
        return self._length


def _samples_of(dataset, indices: list) -> list:
    """The samples at ``indices``, fetched together where ``dataset`` can."""
    fetch = getattr(dataset, "__getitems__", None)
    if not callable(fetch):
        return [dataset[index] for index in indices]
    samples = fetch(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__: expected {len(indices)} samples, got "
            f"{len(samples)}"
        )
    return samples


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other.

    Args:
        datasets: with a length each.

    Shape:
        - whatever the datasets give.

    Example::

        >>> ConcatDataset(["ab", "cd"])[-1]
        'd'
    """

    @staticmethod
    def cumsum(sequence) -> list[int]:
        """Where each dataset ends."""
        return list(itertools.accumulate(len(dataset) for dataset in sequence))

    def __init__(self, datasets: collections.abc.Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T_co:
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        number = bisect.bisect_right(self.cumulative_sizes, idx)
        start = self.cumulative_sizes[number - 1] if number > 0 else 0
        return self.datasets[number][idx - start]


class ChainDataset(IterableDataset):
    """Iterable datasets one after the other.

    Args:
        datasets: `IterableDataset`s.

    Shape:
        - whatever the datasets give.

    Example::

        >>> class Countdown(IterableDataset):
        ...     def __iter__(self):
        ...         return iter([1, 0])
        >>> list(ChainDataset([Countdown(), Countdown()]))
        [1, 0, 1, 0]
    """

    def __init__(self, datasets) -> None:
        self.datasets = datasets

    def __iter__(self) -> collections.abc.Iterator:
        for dataset in self.datasets:
            self._check(dataset)
            yield from dataset

    def __len__(self) -> int:
        total = 0
        for dataset in self.datasets:
            self._check(dataset)
            total += len(dataset)
        return total

    @staticmethod
    def _check(dataset) -> None:
        if not isinstance(dataset, IterableDataset):
            raise AssertionError("ChainDataset only supports IterableDataset")


class Subset(Dataset[T_co]):
    """Some of a dataset's samples.

    Args:
        dataset: the whole.
        indices: which samples, in which order.

    Shape:
        - whatever the dataset gives.

    Example::

        >>> Subset("abcd", [3, 0])[0]
        'd'
    """

    def __init__(self, dataset: Dataset[T_co], indices) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx) -> T_co:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list) -> list:
        indices = [self.indices[idx] for idx in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch(indices) if callable(fetch) else [self.dataset[idx] for idx in indices]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Dataset[T_co], lengths, generator=None) -> list[Subset[T_co]]:
    """Split at random into parts that do not overlap.

    Args:
        dataset: what to split.
        lengths: sizes of the parts, or fractions that add up to 1; what rounding leaves is dealt
            out from the first part on.
        generator: where the order comes from; the default generator when None.

    Shape:
        - whatever the dataset gives.

    Example::

        >>> [len(part) for part in random_split(range(10), [0.7, 0.3])]
        [7, 3]
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(len(dataset), lengths)
    if sum(lengths) != len(dataset):
        raise ValueError(
            f"random_split: the lengths add up to {sum(lengths)}, but the dataset has "
            f"{len(dataset)} samples"
        )
    order = flambeau.randperm(sum(lengths), generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - length : end]) for end, length in zip(ends, lengths)]


def _lengths_of_fractions(total: int, fractions) -> list[int]:
    for i, fraction in enumerate(fractions):
        if fraction < 0 or fraction > 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return lengths
