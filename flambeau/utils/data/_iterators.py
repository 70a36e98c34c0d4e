"""One pass over a `DataLoader`: in this process, or with workers."""

from __future__ import annotations

import sys
import warnings

import flambeau
from flambeau._utils import ExceptionWrapper

from ._utils import fetch
from .sampler import draw_seed


class _DatasetKind:
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind, dataset, auto_collation, collate_fn, drop_last):
        fetcher = (
            fetch._MapDatasetFetcher if kind == _DatasetKind.Map else fetch._IterableDatasetFetcher
        )
        return fetcher(dataset, auto_collation, collate_fn, drop_last)


def pipes():
    """The module of pipelines where one has been loaded: a dataset is one only then."""
    return sys.modules.get("flambeau.utils.data.datapipes.datapipe")


def is_pipeline(dataset, kinds=("IterDataPipe", "MapDataPipe")) -> bool:
    module = pipes()
    return module is not None and isinstance(dataset, tuple(getattr(module, k) for k in kinds))


class Position:
    """How far a pass has come, for `DataLoader.state_dict`. The loader keeps it when the iterator
    is gone."""

    def __init__(self, workers: int) -> None:
        self.start = None  # the states of generators before the pass
        self.first = True  # whether its workers began with it
        self.given = [0] * max(workers, 1)  # batches of each worker
        self.next_worker = 0
        self.late: set[int] = set()  # batches given before an earlier one
        self.taken = 0  # all batches before this one were given
        self.random_states: list[dict] = [{} for _ in range(workers)]
        self.over = False


class _BaseDataLoaderIter:
    """One pass over a loader."""

    def __init__(self, loader) -> None:
        _warn_of_pinning(loader)
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._auto_collation = loader._auto_collation
        self._drop_last = loader.drop_last
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._persistent_workers = loader.persistent_workers
        self._pin_memory = False
        self._generator = loader.generator
        self._shared_seed: int | None = None
        self._world_size, self._rank = _distributed()
        self._begin(loader)
        # Workers are seeded with it. Drawn without workers too: the stream of random numbers must
        # not depend on how many there are.
        self._base_seed = draw_seed(loader.generator)

    def _begin(self, loader) -> None:
        """What is new in each pass."""
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._num_yielded = 0
        self._position = loader._position = Position(self._num_workers)
        self._position.start = loader._starting
        if is_pipeline(self._dataset, ("IterDataPipe",)):
            from .graph_settings import apply_random_seed

            self._shared_seed = draw_seed(loader.generator)
            shared = flambeau.Generator().manual_seed(self._shared_seed)
            self._dataset = apply_random_seed(self._dataset, shared)
        self._sampler_iter = iter(self._index_sampler)

    def _reset(self, loader, first_iter: bool = False) -> None:
        self._begin(loader)

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def _next_index(self):
        return next(self._sampler_iter)

    def _next_data(self):
        raise NotImplementedError(f"{type(self).__name__}._next_data: a subclass must define it.")

    def __next__(self):
        try:
            data = self._next_profiled() if flambeau._C._is_profiled() else self._next_data()
        except StopIteration:
            self._position.over = True
            raise
        self._num_yielded += 1
        promised = self._IterableDataset_len_called
        if promised is not None and self._dataset_kind == _DatasetKind.Iterable:
            if self._num_yielded > promised:
                self._warn_of_length(promised)
        return data

    def _next_profiled(self):
        from flambeau.autograd.profiler import record_function

        with record_function(f"enumerate(DataLoader)#{type(self).__name__}.__next__"):
            return self._next_data()

    def _warn_of_length(self, promised: int) -> None:
        text = (
            f"Length of IterableDataset {self._dataset} was reported to be {promised} "
            f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched."
        )
        if self._num_workers > 0:
            text += (
                " With several workers, each iterates over its own copy: the dataset has to give "
                "each a part of the samples, by get_worker_info()."
            )
        warnings.warn(text, stacklevel=3)

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self):
        raise NotImplementedError(
            f"DataLoader: an iterator, {type(self).__name__}, cannot be pickled"
        )


def _warn_of_pinning(loader) -> None:
    if loader.pin_memory and loader.pin_memory_device:
        warnings.warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the device,"
            f"ignore pin_memory_device='{loader.pin_memory_device}'.",
            stacklevel=6,
        )
    if loader.pin_memory:
        warnings.warn(
            "'pin_memory' argument is set as true but no accelerator is found, then device "
            "pinned memory won't be used.",
            stacklevel=6,
        )


def _distributed() -> tuple[int, int]:
    """The number of processes that train together, and which of them this is."""
    module = sys.modules.get("flambeau.distributed")
    if module is not None and module.is_available() and module.is_initialized():
        return module.get_world_size(), module.get_rank()
    return 1, 0


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader) -> None:
        super().__init__(loader)
        if self._timeout != 0:
            raise AssertionError("DataLoader: timeout is for workers; use 0 with num_workers=0")
        if is_pipeline(self._dataset):
            from .graph_settings import apply_sharding

            apply_sharding(self._dataset, self._world_size, self._rank)
        self._dataset_fetcher = _DatasetKind.create_fetcher(
            self._dataset_kind,
            self._dataset,
            self._auto_collation,
            self._collate_fn,
            self._drop_last,
        )
        if (resume := loader._take_resumption()) is not None:
            self._skip(resume)

    def _skip(self, state) -> None:
        index = None
        for _ in range(state["taken"]):
            index = self._next_index()
        if state["taken"] and self._dataset_kind == _DatasetKind.Iterable:
            self._dataset_fetcher.skip(state["taken"], len(index) if index else None)
        self._position.taken = state["taken"]

    def _next_data(self):
        data = self._dataset_fetcher.fetch(self._next_index())
        self._position.taken += 1
        return data


class _Task:
    __slots__ = ("answer", "random_states", "worker")

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.answer = None
        self.random_states = None


class _WorkersIter(_BaseDataLoaderIter):
    """A pass whose batches workers make. Each gets its tasks in turn, a few ahead."""

    _crew = None

    def __init__(self, loader) -> None:
        super().__init__(loader)
        if loader.prefetch_factor <= 0:
            raise AssertionError("DataLoader: prefetch_factor must be positive with workers")
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        init_fn = loader.worker_init_fn
        if is_pipeline(self._dataset):
            init_fn = _Sharding(init_fn, self._world_size, self._rank)
        from ._utils.worker import Work

        works = [
            Work(
                self._dataset_kind,
                self._dataset,
                self._auto_collation,
                self._collate_fn,
                self._drop_last,
                self._base_seed,
                init_fn,
                worker,
                self._num_workers,
            )
            for worker in range(self._num_workers)
        ]
        self._number = -1
        self._crew = self._start(loader, works)
        self._workers = self._crew.workers
        # As PyTorch: a pass begins again once its workers are there, so samplers are asked twice.
        seed = self._shared_seed
        self._begin(loader)
        self._shared_seed = seed
        resume = loader._take_resumption()
        if resume is not None and not resume["first"]:
            # A later pass of workers that stay drew nothing for them.
            loader._set_generators(resume["start"])
            self._sampler_iter = iter(self._index_sampler)
            self._position.first = False
        self._begin_tasks(resume)

    def _start(self, loader, works):
        raise NotImplementedError(f"{type(self).__name__}._start: a subclass must define it.")

    def _reset(self, loader, first_iter: bool = False) -> None:
        before = self._position
        self._check_open()
        super()._reset(loader, first_iter)
        # Workers go on from where their generators are.
        self._position.random_states = before.random_states
        self._position.first = False
        self._begin_tasks(loader._take_resumption())

    def _begin_tasks(self, resume=None) -> None:
        from ._utils.worker import _Pass

        self._number += 1
        self._send_idx = self._rcvd_idx = 0
        self._tasks: dict[int, _Task] = {}
        self._active = [True] * self._num_workers
        self._load = [0] * self._num_workers  # tasks that each has not answered
        self._next_worker = 0
        self._late: set[int] = set()
        starts = [_Pass(self._number, self._shared_seed) for _ in range(self._num_workers)]
        if resume is not None:
            self._resume(resume, starts)
        for worker, start in enumerate(starts):
            self._crew.send(worker, start)
        for _ in range(self._prefetch_factor * self._num_workers):
            self._put_task()

    def _resume(self, state, starts) -> None:
        """Go to where the state was taken."""
        position, index = self._position, None
        if self._dataset_kind == _DatasetKind.Iterable:
            for _ in range(min(1, sum(state["given"]))):
                index = self._next_index()  # they are all alike
            for start, given in zip(starts, state["given"]):
                start.skip, start.batch = given, len(index) if index else None
        else:
            for _ in range(state["taken"]):
                self._next_index()
            self._send_idx = self._rcvd_idx = state["taken"]
        for start, states in zip(starts, state["random_states"]):
            start.random_states = states
        position.given = list(state["given"])
        position.random_states = [dict(states) for states in state["random_states"]]
        position.taken = state["taken"]
        position.next_worker = self._next_worker = state["next_worker"]
        position.late = set(state["late"])
        self._late = set(state["late"])

    def _put_task(self) -> None:
        """Give the next task to a worker, unless there is none."""
        try:
            index = self._next_index()
            while self._send_idx in self._late:  # it was given before its turn
                self._send_idx += 1
                index = self._next_index()
        except StopIteration:
            return
        most = self._prefetch_factor * self._num_workers
        for _ in range(self._num_workers):
            worker = self._next_worker
            self._next_worker = (worker + 1) % self._num_workers
            if self._active[worker] and (
                self._in_order or self._load[worker] < most // sum(self._active)
            ):
                break
        else:
            return
        self._crew.send(worker, (self._number, self._send_idx, index))
        self._tasks[self._send_idx] = _Task(worker)
        self._load[worker] += 1
        self._send_idx += 1

    def _receive(self):
        timeout = self._timeout if self._timeout > 0 else None
        try:
            received = self._crew.receive(timeout)
        except RuntimeError:
            self._shutdown_workers()
            raise
        if received is None:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")
        return received

    def _check_open(self) -> None:
        if self._crew is None:
            raise RuntimeError("DataLoader: the workers of this iterator have ended")

    def _next_data(self):
        from ._utils.worker import _IterableDatasetStopIteration

        while True:
            # What workers without further samples were to give will not come.
            while self._rcvd_idx < self._send_idx:
                task = self._tasks.get(self._rcvd_idx)
                if task is not None and (task.answer is not None or self._active[task.worker]):
                    break
                self._tasks.pop(self._rcvd_idx, None)
                self._rcvd_idx += 1
            else:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if task.answer is not None:
                del self._tasks[self._rcvd_idx]
                self._rcvd_idx += 1
                return self._give(task, self._rcvd_idx - 1)
            self._check_open()
            worker, (number, idx, data, random_states) = self._receive()
            if number != self._number:  # of a pass that was left early
                self._position.random_states[worker].update(random_states or {})
                continue
            self._load[worker] -= 1
            if isinstance(data, _IterableDatasetStopIteration):
                self._tasks.pop(idx, None)
                if self._active[worker]:
                    self._active[worker] = False
                    self._put_task()
                continue
            task = self._tasks[idx]
            task.answer = (data,)
            task.random_states = random_states
            if not self._in_order and idx != self._rcvd_idx:
                del self._tasks[idx]
                return self._give(task, idx)

    def _give(self, task: _Task, idx: int):
        position = self._position
        position.given[task.worker] += 1
        position.next_worker = (task.worker + 1) % self._num_workers
        position.random_states[task.worker].update(task.random_states or {})
        position.late.add(idx)
        while position.taken in position.late:
            position.late.remove(position.taken)
            position.taken += 1
        self._put_task()
        (data,) = task.answer
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    def _shutdown_workers(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._shutdown_workers()


class _MultiProcessingDataLoaderIter(_WorkersIter):
    """A pass with workers that are processes."""

    def _start(self, loader, works):
        import multiprocessing

        from ._utils.crew import Processes

        context = loader.multiprocessing_context
        if context is None:
            # What set_start_method chose; else fork, which needs no new imports.
            chosen = multiprocessing.get_start_method(allow_none=True)
            context = multiprocessing.get_context(chosen or "fork")
        return Processes(works, context)


class _ThreadingDataLoaderIter(_WorkersIter):
    """A pass with workers that are threads."""

    def _start(self, loader, works):
        from ._utils.crew import Threads

        return Threads(works)


class _Sharding:
    """Gives each worker its part of a pipeline before the program's own function runs."""

    def __init__(self, init_fn, world_size: int, rank: int) -> None:
        self.init_fn = init_fn
        self.world_size = world_size
        self.rank = rank

    def __call__(self, worker_id: int) -> None:
        from ._utils.worker import get_worker_info
        from .graph_settings import apply_sharding

        info = get_worker_info()
        part = worker_id * self.world_size + self.rank
        apply_sharding(info.dataset, info.num_workers * self.world_size, part)
        if self.init_fn is not None:
            self.init_fn(worker_id)
