"""The samples that a loader's indices stand for."""

from __future__ import annotations

import itertools

import flambeau

from ..dataset import Subset, TensorDataset
from .collate import default_collate


class _BaseDatasetFetcher:
    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last


class _IterableDatasetFetcher(_BaseDatasetFetcher):
    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool) -> None:
        super().__init__(dataset, auto_collation, collate_fn, drop_last)
        self.dataset_iter = iter(dataset)
        self.ended = False

    def skip(self, fetches: int, batch: int | None) -> None:
        """Go past what was fetched before, without making batches of it."""
        samples = fetches * (batch if self.auto_collation else 1)
        for _ in itertools.islice(self.dataset_iter, samples):
            pass

    def fetch(self, possibly_batched_index):
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        samples = []
        for _ in possibly_batched_index:
            try:
                samples.append(next(self.dataset_iter))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(possibly_batched_index)):
            raise StopIteration
        return self.collate_fn(samples)


class _MapDatasetFetcher(_BaseDatasetFetcher):
    _fetched = 0  # samples of the batch that is being fetched

    def at(self, index) -> str:
        """Where in the batch of these indices it is, in words."""
        if not self.auto_collation or getattr(self.dataset, "__getitems__", None):
            return f"index {index}"
        if self._fetched == len(index):
            return f"a batch of indices {index}"
        return f"index {index[self._fetched]} of a batch of indices {index}"

    def fetch(self, possibly_batched_index):
        dataset, index = self.dataset, possibly_batched_index
        if not self.auto_collation:
            return self.collate_fn(dataset[index])
        if self.collate_fn is default_collate:
            batch = _gathered(dataset, index)
            if batch is not None:
                return batch
        if getattr(dataset, "__getitems__", None):
            return self.collate_fn(dataset.__getitems__(index))
        samples = []
        for self._fetched, i in enumerate(index):
            samples.append(dataset[i])
        self._fetched = len(index)
        return self.collate_fn(samples)


def _gathered(dataset, indices) -> list | None:
    """What `default_collate` makes of a `TensorDataset`'s samples: not by stacking rows but by
    gathering each tensor's at once. None for other datasets."""
    while type(dataset) is Subset and isinstance(dataset.indices, (list, range)):
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not all(type(i) is int for i in indices):
        return None
    index = flambeau.tensor(indices, dtype=flambeau.int64)
    return [tensor[index] for tensor in dataset.tensors]
