"""The iterators of pipelines: each pipe has one that is valid, the newest."""

from __future__ import annotations

import functools
import inspect

__all__ = ["hook_iterator"]


def _described(pipe) -> str:
    names = [
        name
        for name in inspect.signature(type(pipe).__init__).parameters
        if name != "self" and name in vars(pipe)
    ]
    values = (vars(pipe)[name] for name in names)
    shown = (v.__name__ if inspect.isfunction(v) else repr(v) for v in values)
    return f"{type(pipe).__name__}({', '.join(f'{n}={v}' for n, v in zip(names, shown))})"


class _PipeIterator:
    """Gives the samples of one pass, until another pass over the same pipe begins."""

    def __init__(self, pipe, samples, number) -> None:
        self._pipe = pipe
        self._samples = samples
        self._number = number

    def __iter__(self) -> _PipeIterator:
        return self

    def __next__(self):
        pipe = self._pipe
        if getattr(pipe, "_is_child_datapipe", False):
            if not pipe._check_valid_iterator_id(self._number):
                raise RuntimeError(
                    "This iterator has been invalidated, because a new iterator has been created "
                    f"from one of the ChildDataPipes of {_described(pipe.main_datapipe)}."
                )
        elif pipe._valid_iterator_id != self._number:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created "
                f"from the same IterDataPipe: {_described(pipe)}\n"
                "This may be caused by multiple references to the same IterDataPipe. We recommend "
                "using `.fork()` if that is necessary."
            )
        try:
            sample = next(self._samples)
        except StopIteration:
            raise
        except Exception as error:
            _say_where(error, pipe)
            raise
        pipe._number_of_samples_yielded += 1
        return sample

    def __getattr__(self, name: str):
        return getattr(self._samples, name)


def _say_where(error: Exception, pipe) -> None:
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    mark = "thrown by __iter__ of"
    if mark not in text and "This iterator has been invalidated" not in text:
        rest = error.args[1:] if text else ()
        error.args = (f"{text}\nThis exception is {mark} {_described(pipe)}", *rest)


def _begin_pass(pipe):
    """The number of a new pass, before which the pipe is reset."""
    if getattr(pipe, "_is_child_datapipe", False):
        return pipe._set_main_datapipe_valid_iterator_id()
    number = pipe._valid_iterator_id
    pipe._valid_iterator_id = 0 if number is None else number + 1
    pipe._number_of_samples_yielded = 0
    pipe.reset()
    return pipe._valid_iterator_id


def hook_iterator(cls) -> None:
    """Has ``iter`` of the class's pipes count passes."""
    function = cls.__dict__["__iter__"]
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def begin(self):
            # As for any generator, nothing happens before the first sample is asked for.
            number = _begin_pass(self)
            yield from _PipeIterator(self, function(self), number)

    else:

        @functools.wraps(function)
        def begin(self):
            samples = function(self)
            return _PipeIterator(self, samples, _begin_pass(self))

    cls.__iter__ = begin
