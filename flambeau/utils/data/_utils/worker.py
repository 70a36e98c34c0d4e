"""What runs in a loader's workers."""

from __future__ import annotations

import random
import signal
import sys
import threading

import flambeau
from flambeau import _C
from flambeau._utils import ExceptionWrapper

__all__ = ["WorkerInfo", "get_worker_info"]


class WorkerInfo:
    """What a worker is told about itself.

    Attributes:
        id: 0 for the first.
        num_workers: how many there are.
        seed: what its generators were seeded with: the loader's seed for the pass plus ``id``.
        dataset: the dataset as this worker has it.
        rng: generators of a worker's own, where it is a thread: ``random_generator``,
            ``torch_generator`` and ``numpy_generator`` (None unless NumPy was loaded).
        worker_method: ``"multiprocessing"`` or ``"thread"``.

    Shape:
        - no tensors.

    Example::

        >>> WorkerInfo(id=0, num_workers=2, seed=5, dataset="abc").seed
        5
    """

    __slots__ = ("dataset", "id", "num_workers", "rng", "seed", "worker_method")

    def __init__(
        self, id, num_workers, seed, dataset, rng=None, worker_method="multiprocessing"
    ) -> None:
        for name, value in (
            ("id", id),
            ("num_workers", num_workers),
            ("seed", seed),
            ("dataset", dataset),
            ("rng", rng),
            ("worker_method", worker_method),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def __repr__(self) -> str:
        return f"WorkerInfo({', '.join(f'{n}={getattr(self, n)!r}' for n in _FIELDS)})"


_FIELDS = ("id", "num_workers", "seed", "dataset", "rng", "worker_method")


class _RNG:
    """The generators of a worker that is a thread."""

    def __init__(self, seed: int, base_seed: int, worker_id: int) -> None:
        self.random_generator = random.Random(seed)
        self.torch_generator = flambeau.Generator().manual_seed(seed)
        numpy = sys.modules.get("numpy")
        self.numpy_generator = (
            numpy.random.default_rng(_generate_state(base_seed, worker_id)) if numpy else None
        )


_worker_info: WorkerInfo | None = None  # of a process
_thread = threading.local()  # of a thread


def get_worker_info() -> WorkerInfo | None:
    """What a worker is told about itself; None outside workers.

    Shape:
        - no tensors.

    Example::

        >>> get_worker_info() is None
        True
    """
    return getattr(_thread, "info", None) or _worker_info


# ---- random numbers


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """The seed of NumPy's generator, four words: NumPy's `SeedSequence` of the worker and the
    loader's seed, so that it is not the seed of ``random``."""
    from numpy.random import SeedSequence

    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return SeedSequence(entropy).generate_state(4).tolist()


class _SeedsNumpy:
    """Seeds NumPy once a worker imports it: to import it for that alone takes a tenth of a
    second."""

    def __init__(self, base_seed: int, worker_id: int) -> None:
        self.seeds = base_seed, worker_id

    def find_spec(self, name, path=None, target=None):
        if name != "numpy.random":
            return None
        from importlib.machinery import PathFinder

        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                _seed_numpy_now(module, *self.seeds)

            spec.loader.exec_module = exec_module
        return spec


def _seed_numpy_now(numpy_random, base_seed: int, worker_id: int) -> None:
    numpy_random.seed(_generate_state(base_seed, worker_id))


def _seed_all(base_seed: int, worker_id: int) -> None:
    seed = base_seed + worker_id
    random.seed(seed)
    flambeau.manual_seed(seed)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        _seed_numpy_now(numpy_random, base_seed, worker_id)
    else:
        sys.meta_path.insert(0, _SeedsNumpy(base_seed, worker_id))


class _Randomness:
    """The states of a worker's generators, and which of them have changed."""

    def __init__(self, rng: _RNG | None = None) -> None:
        self._torch = rng.torch_generator if rng else flambeau.default_generator
        self._python = rng.random_generator if rng else random
        self._of_process = rng is None
        self._last: dict = {}

    def _now(self) -> dict:
        states = {
            "torch": bytes(self._torch.get_state().untyped_storage()),
            "python": self._python.getstate(),
        }
        numpy_random = sys.modules.get("numpy.random") if self._of_process else None
        if numpy_random is not None:
            name, keys, *rest = numpy_random.get_state()
            states["numpy"] = (name, keys.tobytes(), *rest)
        return states

    def changed(self) -> dict | None:
        now = self._now()
        changed = {name: state for name, state in now.items() if self._last.get(name) != state}
        self._last = now
        return changed or None

    def restore(self, states: dict) -> None:
        if "torch" in states:
            data = bytearray(states["torch"])
            self._torch.set_state(flambeau.frombuffer(data, dtype=flambeau.uint8))
        if "python" in states:
            self._python.setstate(_tuples(states["python"]))
        if "numpy" in states and self._of_process:
            import numpy

            name, keys, *rest = states["numpy"]
            numpy.random.set_state((name, numpy.frombuffer(keys, dtype=numpy.uint32), *rest))


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


# ---- messages


class _IterableDatasetStopIteration:
    """A worker's iterable dataset has no more samples."""

    def __init__(self, worker_id: int) -> None:
        self.worker_id = worker_id


class _Pass:
    """The beginning of a pass over the dataset: its number, the seed that pipelines share, how
    many fetches of which size were given before, and the states of generators."""

    def __init__(self, number, seed=None, skip=0, batch=None, random_states=None) -> None:
        self.number = number
        self.seed = seed
        self.skip = skip
        self.batch = batch
        self.random_states = random_states


class Work:
    """All that a worker needs to know; it is sent once."""

    def __init__(
        self,
        kind,
        dataset,
        auto_collation,
        collate_fn,
        drop_last,
        base_seed,
        init_fn,
        worker_id,
        num_workers,
    ) -> None:
        self.kind = kind
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.base_seed = base_seed
        self.init_fn = init_fn
        self.worker_id = worker_id
        self.num_workers = num_workers


class _Worker:
    """Answers the loader's messages, one at a time."""

    def __init__(self, work: Work, place: str, rng: _RNG | None = None) -> None:
        self.work = work
        self.where = f"in DataLoader worker {place} {work.worker_id}"
        self.randomness = _Randomness(rng)
        self.fetcher = None
        self.ended = False
        self.number = -1
        self.failure = None
        try:
            if work.init_fn is not None:
                work.init_fn(work.worker_id)
        except Exception:
            self.failure = ExceptionWrapper(where=self.where)

    def answer(self, message):
        """What is sent back, or None."""
        if isinstance(message, _Pass):
            self._begin(message)
            return None
        number, idx, index = message
        data = self._fetch(index)
        return number, idx, data, self.randomness.changed()

    def _begin(self, start: _Pass) -> None:
        from .. import _DatasetKind

        work = self.work
        self.ended = False
        try:
            if start.seed is not None:
                from ..graph_settings import apply_random_seed

                shared = flambeau.Generator().manual_seed(start.seed)
                work.dataset = apply_random_seed(work.dataset, shared)
            self.fetcher = _DatasetKind.create_fetcher(
                work.kind, work.dataset, work.auto_collation, work.collate_fn, work.drop_last
            )
            if start.skip:
                self.fetcher.skip(start.skip, start.batch)
        except Exception:
            self.failure = self.failure or ExceptionWrapper(where=self.where)
        if start.random_states:
            self.randomness.restore(start.random_states)

    def _fetch(self, index):
        from .. import _DatasetKind

        if self.failure is not None:
            failure, self.failure = self.failure, None
            return failure
        iterable = self.work.kind == _DatasetKind.Iterable
        if self.ended or self.fetcher is None:
            return _IterableDatasetStopIteration(self.work.worker_id)
        try:
            return self.fetcher.fetch(index)
        except Exception as error:
            if iterable and isinstance(error, StopIteration):
                self.ended = True
                return _IterableDatasetStopIteration(self.work.worker_id)
            failure = ExceptionWrapper(where=self.where)
            if not iterable:
                failure.exc_msg += f"The worker was fetching {self.fetcher.at(index)}.\n"
            return failure


def _process_loop(connection, work: Work, with_parent: bool) -> None:
    """The worker as a process: until its pipe ends or None comes."""
    # Ctrl-C is for the loader to deal with: it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    if with_parent:
        _C._end_with_parent(signal.SIGKILL)
    from multiprocessing.reduction import ForkingPickler

    import flambeau.multiprocessing  # how tensors are sent

    flambeau.set_num_threads(1)
    _seed_all(work.base_seed, work.worker_id)
    global _worker_info
    _worker_info = WorkerInfo(
        work.worker_id, work.num_workers, work.base_seed + work.worker_id, work.dataset
    )
    worker = _Worker(work, "process")
    try:
        while (message := connection.recv()) is not None:
            reply = worker.answer(message)
            del message
            if reply is None:
                continue
            try:
                data = ForkingPickler.dumps(reply)
            except Exception:
                data = ForkingPickler.dumps((*reply[:2], _unsent(worker.where), reply[3]))
            connection.send_bytes(data)
            del reply, data  # the memory of the batch is the loader's now
    except (EOFError, ConnectionError):
        pass  # the loader is gone


def _unsent(where: str) -> ExceptionWrapper:
    """What is sent in place of a batch that cannot be."""
    failure = ExceptionWrapper(where=f"{where}, when its batch was to be sent")
    if failure.exc_type.__module__ not in ("builtins", "_pickle", "pickle"):
        failure.exc_type = RuntimeError
    return failure


def _thread_loop(tasks, results, work: Work) -> None:
    """The worker as a thread, with random numbers of its own."""
    rng = _RNG(work.base_seed + work.worker_id, work.base_seed, work.worker_id)
    scope = _C._use_generator(rng.torch_generator)
    _thread.info = WorkerInfo(
        work.worker_id,
        work.num_workers,
        work.base_seed + work.worker_id,
        work.dataset,
        rng,
        "thread",
    )
    worker = _Worker(work, "thread", rng)
    while (message := tasks.get()) is not None:
        reply = worker.answer(message)
        if reply is not None:
            results.put((work.worker_id, reply))
        del message, reply
    del scope
