"""Results that come later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")
S = TypeVar("S")


class Future(Generic[T]):
    """What some call will give, once `set_result` or `set_exception` has been called.

    >>> import flambeau
    >>> future = flambeau.futures.Future()
    >>> later = future.then(lambda done: done.value() + 1)
    >>> future.set_result(1)
    >>> later.wait()
    2

    Args:
        devices: those of tensors in the result; on the CPU there is nothing to wait for.
    """

    def __init__(self, *, devices=None) -> None:
        for device in devices or ():
            import flambeau

            if flambeau.device(device).type != "cpu":
                raise ValueError(f"Future: expected devices of type cpu, but got {device}")
        self._changes = threading.Condition()
        self._callbacks: list[Callable[[Future[T]], Any]] = []
        self._done = False
        self._result: Any = None
        self._exception: BaseException | None = None

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._done

    def wait(self) -> T:
        """The result, once it is there; or raise the exception that is there instead."""
        with self._changes:
            self._changes.wait_for(self.done)
        if self._exception is not None:
            raise self._exception
        return self._result

    def value(self) -> T:
        """The result, which has to be there; or raise the exception that is there instead."""
        if not self._done:
            raise RuntimeError("Future.value: the future is not completed yet; call wait()")
        return self.wait()

    def then(self, callback: Callable[[Future[T]], S]) -> Future[S]:
        """A future of what ``callback`` gives, which is called with this one when it is done."""
        following: Future[S] = Future()

        def go_on(done: Future[T]) -> None:
            try:
                following.set_result(callback(done))
            except Exception as error:
                following.set_exception(error)

        self.add_done_callback(go_on)
        return following

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Call ``callback`` with this future when it is done, in the thread that completes it; at
        once where it is done already."""
        with self._changes:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)

    def set_result(self, result: T) -> None:
        """Complete the future."""
        self._complete(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Complete the future with what `wait` shall raise."""
        if not isinstance(result, Exception):
            raise AssertionError(
                f"Future.set_exception: {result} is of type {type(result)}, not an Exception."
            )
        self._complete(None, result)

    def _complete(self, result: Any, exception: BaseException | None) -> None:
        with self._changes:
            if self._done:
                raise RuntimeError("Future.set_result: the future is already completed")
            self._result, self._exception, self._done = result, exception, True
            callbacks, self._callbacks = self._callbacks, []
            self._changes.notify_all()
        for callback in callbacks:
            callback(self)


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future of the list of futures, done when all of them are.

    >>> import flambeau
    >>> both = [flambeau.futures.Future(), flambeau.futures.Future()]
    >>> all_of_them = flambeau.futures.collect_all(both)
    >>> for future in both:
    ...     future.set_result(3)
    >>> [future.value() for future in all_of_them.wait()]
    [3, 3]
    """
    together: Future[list[Future]] = Future()
    left, lock = len(futures), threading.Lock()

    def one_is_done(_: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            together.set_result(futures)

    if not futures:
        together.set_result(futures)
    for future in futures:
        future.add_done_callback(one_is_done)
    return together


def wait_all(futures: list[Future]) -> list:
    """The results of all futures, once they are there."""
    return [future.wait() for future in collect_all(futures).wait()]
