"""`DataLoader`: batches from a dataset."""

from __future__ import annotations

import itertools
import math
import os
import random
import sys
import warnings
from collections.abc import Sequence

import flambeau
from flambeau.utils._generic import Generic, T_co

from ._iterators import (
    _BaseDataLoaderIter,
    _DatasetKind,
    _MultiProcessingDataLoaderIter,
    _SingleProcessDataLoaderIter,
    _ThreadingDataLoaderIter,
    is_pipeline,
)
from ._utils.collate import default_collate, default_convert
from ._utils.worker import _tuples, get_worker_info
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


class _InfiniteConstantSampler(Sampler):
    """None for ever: an iterable dataset gives its samples unasked."""

    def __iter__(self):
        return itertools.repeat(None)


# What a loader derives other settings from, so that a change would leave it inconsistent.
_FIXED = frozenset(
    ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"]
)


class DataLoader(Generic[T_co]):
    """Batches of a dataset's samples, in the order that a sampler gives.

    Args:
        dataset: a `Dataset`, or anything with ``__getitem__`` and ``__len__``; or an
            `IterableDataset`.
        batch_size: samples in a batch; None gives single samples.
        shuffle: whether to draw a new random order for each pass.
        sampler: gives the indices, instead of ``shuffle``.
        batch_sampler: gives lists of indices, instead of ``batch_size``, ``shuffle``, ``sampler``
            and ``drop_last``.
        num_workers: how many workers fetch samples ahead; 0: this process fetches them when they
            are asked for.
        collate_fn: makes a batch of a list of samples, `default_collate` when None.
        pin_memory: for accelerators; warns where there is none.
        drop_last: whether to leave out a last batch that is smaller.
        timeout: how many seconds to wait for a batch of the workers; 0: for ever.
        worker_init_fn: called with its number in each worker before it begins.
        multiprocessing_context: how worker processes start: ``"fork"`` (unless
            `multiprocessing.set_start_method` says otherwise), ``"spawn"``, ``"forkserver"`` or a
            context.
        generator: where shuffling, and the seeds of workers, come from.
        prefetch_factor: batches that each worker makes ahead; 2 when None.
        persistent_workers: whether workers stay for the next pass.
        pin_memory_device: deprecated.
        in_order: whether batches come in the sampler's order, or as they are ready.
        worker_type: ``"process"``, or ``"thread"``: workers that share the dataset with this
            process, for datasets that wait or compute without holding Python's lock. Random
            numbers of flambeau's are as in processes; ``random`` and ``numpy.random`` belong to
            all threads, ``get_worker_info().rng`` has generators of the worker's own.

    `state_dict` says how far the pass has come, `load_state_dict` has the next pass go on from
    there with the very next sample, and workers with their random numbers.

    Shape:
        - tensors of the samples get a first dimension of ``batch_size``.

    Example::

        >>> import flambeau
        >>> from flambeau.utils.data import DataLoader, TensorDataset
        >>> data = TensorDataset(flambeau.arange(6.0).view(3, 2), flambeau.arange(3))
        >>> [tuple(x.shape) for x, y in DataLoader(data, batch_size=2)]
        [(2, 2), (1, 2)]
    """

    __initialized = False
    _iterator: _BaseDataLoaderIter | None = None

    def __init__(
        self,
        dataset: Dataset[T_co] | Sequence[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler=None,
        batch_sampler=None,
        num_workers: int = 0,
        collate_fn=None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_type: str = "process",
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, worker_type)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        if is_pipeline(dataset):
            from .datapipes.datapipe import wrap_for_workers

            self.dataset = wrap_for_workers(dataset)
        else:
            self.dataset = dataset
        self.worker_type = worker_type
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        iterable = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if iterable else _DatasetKind.Map
        if is_pipeline(dataset, ("IterDataPipe",)) and shuffle is not None:
            from .graph_settings import apply_shuffle_settings

            dataset = apply_shuffle_settings(dataset, shuffle=shuffle)
            shuffle = None
        _check_order(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
            drop_last = False
        if sampler is None:
            if iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._IterableDataset_len_called: int | None = None
        self._position = None
        self._starting: dict | None = None
        self._resumption: dict | None = None
        self.__initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self):
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context) -> None:
        self.__multiprocessing_context = _checked_context(
            context, self.num_workers, self.worker_type
        )

    def __iter__(self) -> _BaseDataLoaderIter:
        state, before = self._resumption, None
        if state is not None:
            # The pass draws again what it drew when it began. What the program drew since is the
            # program's to restore, so its generator stays as it is.
            before = self._generators() if self.generator is None else None
            self._set_generators(state["start"])
        try:
            self._starting = self._generators()
            if not (self.persistent_workers and self.num_workers > 0):
                return self._get_iterator()
            if self._iterator is None:
                self._iterator = self._get_iterator()
            else:
                self._iterator._reset(self)
            return self._iterator
        finally:
            self._resumption = None
            if before is not None:
                self._set_generators(before)

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        if self.worker_type == "thread":
            return _ThreadingDataLoaderIter(self)
        return _MultiProcessingDataLoaderIter(self)

    # ---- where a pass stands

    def _generators(self) -> dict:
        """The states of all generators that the order of samples may come from."""
        generator = self.generator or flambeau.default_generator
        states = {"torch": generator.get_state()}
        if type(self.sampler) not in _OWN_SAMPLERS:
            states["python"] = random.getstate()
            if (numpy := sys.modules.get("numpy")) is not None:
                name, keys, *rest = numpy.random.get_state()
                states["numpy"] = (name, keys.tolist(), *rest)
        return states

    def _set_generators(self, states: dict) -> None:
        (self.generator or flambeau.default_generator).set_state(states["torch"])
        if "python" in states:
            random.setstate(_tuples(states["python"]))
        if "numpy" in states:
            import numpy

            name, keys, *rest = states["numpy"]
            numpy.random.set_state((name, numpy.array(keys, dtype=numpy.uint32), *rest))

    def _take_resumption(self) -> dict | None:
        state, self._resumption = self._resumption, None
        return state

    def state_dict(self) -> dict:
        """How far the newest pass has come, in plain values and tensors.

        Shape:
            - no tensors.

        Example::

            >>> import flambeau
            >>> loader = DataLoader(range(4))
            >>> batches = iter(loader)
            >>> next(batches)
            tensor([0])
            >>> other = DataLoader(range(4))
            >>> other.load_state_dict(loader.state_dict())
            >>> next(iter(other))
            tensor([1])
        """
        if self._resumption is not None:
            return self._resumption
        position = self._position
        state: dict = {"version": 1, "num_workers": self.num_workers, "in_progress": False}
        if position is None or position.over:
            if self.generator is not None:
                state["generator"] = self.generator.get_state()
            return state
        state.update(
            in_progress=True,
            start=position.start,
            first=position.first,
            taken=position.taken,
            late=sorted(position.late),
            given=list(position.given),
            next_worker=position.next_worker,
            random_states=[_as_tensors(states) for states in position.random_states],
        )
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Have the next pass go on where the state was taken: the batches that were given before
        do not come again. A dataset of indices is not asked for them; an iterable one is
        iterated over up to there, in each worker.

        Args:
            state_dict: what `state_dict` of a loader with the same settings gave.

        Shape:
            - no tensors.

        Example::

            >>> loader = DataLoader(range(2))
            >>> loader.load_state_dict(loader.state_dict())
            >>> len(list(loader))
            2
        """
        if state_dict.get("version") != 1 or "in_progress" not in state_dict:
            raise ValueError(
                "DataLoader.load_state_dict: this is no state of a loader: "
                f"it has the keys {sorted(map(str, state_dict))}"
            )
        workers = state_dict["num_workers"]
        if workers != self.num_workers and state_dict["in_progress"]:
            raise ValueError(
                f"DataLoader.load_state_dict: the state is of a loader with num_workers={workers}, "
                f"this one has {self.num_workers}; make it with num_workers={workers} to go on "
                "within the pass"
            )
        iterator = self._iterator
        if iterator is not None:
            self._iterator = None
            iterator._shutdown_workers()
        self._position = None
        if state_dict["in_progress"]:
            self._resumption = {
                **state_dict,
                "random_states": [_as_bytes(states) for states in state_dict["random_states"]],
            }
        else:
            self._resumption = None
            if "generator" in state_dict and self.generator is not None:
                self.generator.set_state(state_dict["generator"])

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        """What gives the key of one fetch: an index, or a list of them."""
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        # Kept, to warn when the dataset turns out to be longer than it said.
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn of more workers than there are processors for them.

        Shape:
            - no tensors.

        Example::

            >>> DataLoader(range(2)).check_worker_number_rationality()
        """
        if not self.num_workers or self.worker_type == "thread":
            return
        most = len(os.sched_getaffinity(0))
        if self.num_workers > most:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {most}, which is smaller "
                "than what this DataLoader is going to create. Please be aware that excessive "
                "worker creation might get DataLoader running slow or even freeze, lower the "
                "worker number to avoid potential slowness/freeze if necessary.",
                stacklevel=3,
            )


_OWN_SAMPLERS = (RandomSampler, SequentialSampler, _InfiniteConstantSampler)


def _as_tensors(states: dict) -> dict:
    """The states of a worker's generators without bytes, which not every file format holds."""

    def plain(value):
        if isinstance(value, bytes):
            return flambeau.frombuffer(bytearray(value), dtype=flambeau.uint8)
        return tuple(map(plain, value)) if isinstance(value, tuple) else value

    return {name: plain(state) for name, state in states.items()}


def _as_bytes(states: dict) -> dict:
    def packed(value):
        if isinstance(value, flambeau.Tensor):
            return bytes(value.tolist())
        return tuple(map(packed, value)) if isinstance(value, (tuple, list)) else value

    return {name: packed(state) for name, state in states.items()}


def _checked_context(context, num_workers: int, worker_type: str):
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}"
        )
    if worker_type == "thread":
        raise ValueError("multiprocessing_context has no meaning with worker_type='thread'")
    import multiprocessing

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers, worker_type) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if worker_type not in ("process", "thread"):
        raise ValueError(
            f"worker_type option should be 'process' or 'thread', but got {worker_type!r}"
        )


def _check_order(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if iterable:
        for name, value in (
            ("shuffle", shuffle or None),
            ("sampler", sampler),
            ("batch_sampler", batch_sampler),
        ):
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but "
                    f"got {name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                "and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
