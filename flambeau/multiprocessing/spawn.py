"""Start processes that run one function, and wait for them: the first failure ends all."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings

from flambeau import _C

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """One of several processes has failed: ``error_index`` says which, ``error_pid`` its number."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.error_pid = error_pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """The function of a process has raised; the message has its traceback."""


class ProcessExitedException(ProcessException):
    """A process was ended by a signal, or with an exit code."""

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self):
        fields = (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)
        return type(self), fields


def _run(fn, index: int, args, error_file: str) -> None:
    _C._end_with_parent(signal.SIGINT)
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent's affair
    except Exception:
        with open(error_file, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """The processes that `start_processes` has started.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau.multiprocessing as mp
        >>> context = mp.start_processes(print, nprocs=1, join=False, start_method="fork")
        >>> context.join() or context.join()
        True
    """

    def __init__(self, processes, error_files) -> None:
        self.processes = processes
        self.error_files = error_files
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until all have ended or one has failed. A failure ends the others, after
        ``grace_period`` seconds, and is raised.

        Args:
            timeout: how many seconds to wait at most.
            grace_period: how long the others may go on when one has failed, and how long they
                have between SIGTERM and SIGKILL (30 seconds when None).

        Returns:
            Whether all have ended.
        """
        if not self.sentinels:
            return True
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode != 0:
                self._end_others(grace_period)
                self._raise_failure(index)
        return not self.sentinels

    def _end_others(self, grace_period: float | None) -> None:
        if grace_period is not None:
            self._join_all(grace_period)
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        self._join_all(30 if grace_period is None else grace_period)
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()

    def _join_all(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        for process in self.processes:
            process.join(max(0, end - time.monotonic()))

    def _raise_failure(self, index: int):
        process = self.processes[index]
        try:
            with open(self.error_files[index], "rb") as file:
                trace = pickle.load(file)
        except FileNotFoundError:
            code = process.exitcode
            if code >= 0:
                raise ProcessExitedException(
                    f"process {index} terminated with exit code {code}", index, process.pid, code
                ) from None
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"<Unknown signal {-code}>"
            raise ProcessExitedException(
                f"process {index} terminated with signal {name}", index, process.pid, code, name
            ) from None
        os.unlink(self.error_files[index])
        raise ProcessRaisedException(
            f"\n\n-- Process {index} terminated with the following error:\n{trace}",
            index,
            process.pid,
        )


class SpawnContext(ProcessContext):
    """The old name of `ProcessContext`."""

    def __init__(self, processes, error_files) -> None:
        warnings.warn("SpawnContext is renamed to ProcessContext since 1.4 release.", stacklevel=2)
        super().__init__(processes, error_files)


def start_processes(
    fn, args=(), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method="spawn"
) -> ProcessContext | None:
    """Start processes that call ``fn(i, *args)``, i from 0 on.

    Args:
        fn: what each runs; it is pickled unless they are forked.
        args: what comes after the index.
        nprocs: how many.
        join: whether to wait for all; the first failure ends the others and is raised.
        daemon: whether they end with this process.
        start_method: ``"spawn"``, ``"fork"`` or ``"forkserver"``.

    Returns:
        None, or the `ProcessContext` where ``join`` is False.

    Shape:
        - tensors in ``args`` are shared.

    Example::

        >>> import flambeau
        >>> import flambeau.multiprocessing as mp
        >>> x = flambeau.zeros(2).share_memory_()
        >>> mp.start_processes(lambda i, x: x[i].fill_(i + 1), (x,), 2, start_method="fork")
        >>> x
        tensor([1., 2.])
    """
    context = multiprocessing.get_context(start_method)

    def start(index: int):
        # A name that is free: the file is there only when the function has raised.
        handle, name = tempfile.mkstemp(prefix="flambeau-error-", suffix=".pickle")
        os.close(handle)
        os.unlink(name)
        process = context.Process(target=_run, args=(fn, index, args, name), daemon=daemon)
        process.start()
        return process, name

    started = [start(index) for index in range(nprocs)]
    processes = ProcessContext([p for p, _ in started], [name for _, name in started])
    if not join:
        return processes
    while not processes.join():
        pass
    return None


def spawn(
    fn, args=(), nprocs: int = 1, join: bool = True, daemon: bool = False, start_method="spawn"
) -> ProcessContext | None:
    """`start_processes` with fresh interpreters, whatever ``start_method`` says.

    Args:
        fn: what each runs, ``fn(i, *args)``; defined at the top level of a module.
        args: what comes after the index.
        nprocs: how many.
        join: whether to wait for all; the first failure ends the others and is raised.
        daemon: whether they end with this process.
        start_method: ``"spawn"``; another one is a warning.

    Returns:
        None, or the `ProcessContext` where ``join`` is False.

    Shape:
        - tensors in ``args`` are shared.

    Example::

        >>> import flambeau.multiprocessing as mp
        >>> mp.spawn(abs, nprocs=0)
    """
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}).\n"
            "To use a different start_method use:\n\t\t"
            " torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
