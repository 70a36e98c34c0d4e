"""A loader's workers, as processes or as threads: they take messages, and answer."""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import threading
import time
import warnings

from flambeau import _C

from .channel import Channel
from .worker import Work, _process_loop, _thread_loop

_PATIENCE = 5.0  # seconds that workers have to end by themselves


class Threads:
    """Workers that are threads of this process."""

    def __init__(self, works: list[Work]) -> None:
        self.workers = []
        self._tasks: list = []
        self._results: queue.SimpleQueue = queue.SimpleQueue()
        for work in works:
            tasks: queue.SimpleQueue = queue.SimpleQueue()
            thread = threading.Thread(
                target=_thread_loop,
                args=(tasks, self._results, work),
                name=f"flambeau data worker {work.worker_id}",
                daemon=True,
            )
            thread.start()
            self._tasks.append(tasks)
            self.workers.append(thread)

    def send(self, worker: int, message) -> None:
        self._tasks[worker].put(message)

    def receive(self, timeout: float | None):
        """The number of a worker and what it answers; None when the time is over."""
        try:
            return self._results.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self) -> None:
        for tasks in self._tasks:
            tasks.put(None)
        end = time.monotonic() + _PATIENCE
        for thread in self.workers:
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))


class Processes:
    """Workers that are processes, each at the end of a pipe of its own."""

    def __init__(self, works: list[Work], context) -> None:
        self.workers: list = []
        self._channels: list[Channel] = []
        self._watched: list[int] = []  # descriptors that tell when a worker ends
        self._own: list[int] = []  # those of them that are to be closed
        self._poll = select.poll()
        self._places: dict[int, int] = {}
        # An interrupt waits until all have been started and are known: none is left behind.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            for work in works:
                self._start(work, context)
        except BaseException:
            self.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _start(self, work: Work, context) -> None:
        here, there = context.Pipe()
        channel = Channel(here)
        # A worker may die with the thread that made it only where that lives as long as all.
        with_parent = threading.current_thread() is threading.main_thread()
        process = context.Process(
            target=_process_loop, args=(there, work, with_parent), daemon=True
        )
        try:
            process.start()
        except (TypeError, AttributeError, pickle.PicklingError):
            channel.close()
            warnings.warn(
                "DataLoader: a worker process cannot be started, because what it needs cannot be "
                "pickled: the dataset, collate_fn and worker_init_fn have to be picklable with "
                "the start methods 'spawn' and 'forkserver'. With 'fork', or "
                "worker_type='thread', they need not be.",
                stacklevel=6,
            )
            raise
        finally:
            there.close()
        worker = len(self.workers)
        self.workers.append(process)
        self._channels.append(channel)
        try:
            watched = os.pidfd_open(process.pid)
            self._own.append(watched)
        except (AttributeError, OSError):
            watched = process.sentinel
        self._watched.append(watched)
        for descriptor in (channel.fileno(), watched):
            self._places[descriptor] = worker
            self._poll.register(descriptor, select.POLLIN)

    def send(self, worker: int, message) -> None:
        from multiprocessing.reduction import ForkingPickler

        channel = self._channels[worker]
        channel.send(ForkingPickler.dumps(message))
        if channel._unsent:
            self._poll.modify(channel.fileno(), channel.wanted)

    def receive(self, timeout: float | None):
        """The number of a worker and what it answers; None when the time is over. RuntimeError
        where a worker has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            for worker, channel in enumerate(self._channels):
                if channel.messages:
                    return worker, self._read(worker, channel.messages.popleft())
            left = None if end is None else max(0.0, end - time.monotonic()) * 1e3
            events = self._poll.poll(left)
            if not events:
                return None
            self._take(events)

    def _read(self, worker: int, message: bytes):
        try:
            return pickle.loads(message)
        except RuntimeError:
            # A worker that was killed takes with it what it had sent and nobody had opened.
            self.workers[worker].join(0.1)
            if self.workers[worker].exitcode is not None:
                self._raise_ended({worker})
            raise

    def _take(self, events) -> None:
        ended = set()
        for descriptor, event in events:
            worker = self._places[descriptor]
            channel = self._channels[worker]
            if descriptor == self._watched[worker]:
                ended.add(worker)
                channel.fill()
                continue
            if event & select.POLLOUT:
                channel.flush()
                self._poll.modify(descriptor, channel.wanted)
            if event & ~select.POLLOUT:
                channel.fill()
                if channel.ended:
                    ended.add(worker)
        if ended and not any(channel.messages for channel in self._channels):
            self._raise_ended(ended)

    def _raise_ended(self, ended) -> None:
        reasons = []
        for worker in sorted(ended):
            process = self.workers[worker]
            process.join(1)
            code = process.exitcode
            if code is not None and code < 0:
                how = f"is killed by signal: {signal.strsignal(-code) or -code}"
            else:
                how = f"exited unexpectedly with exit code {code}"
            reasons.append(f"DataLoader worker {worker} (pid {process.pid}) {how}.")
        raise RuntimeError(
            " ".join(reasons)
            + " What it last did, its dataset or collate_fn did; a worker that uses too much "
            "memory is killed by the system. num_workers=0 shows errors where they are."
        )

    def close(self) -> None:
        for channel in self._channels:
            channel.close()  # which each worker sees at its next message
        end = time.monotonic() + _PATIENCE
        try:
            for process in self.workers:
                process.join(max(0.0, end - time.monotonic()))
        finally:
            for process in self.workers:
                if process.is_alive():
                    process.terminate()
            for process in self.workers:
                process.join(0.5)
                if process.is_alive():
                    process.kill()
                    process.join()
            for descriptor in self._own:
                os.close(descriptor)
            self._own = []
            _C._trim_shared()
