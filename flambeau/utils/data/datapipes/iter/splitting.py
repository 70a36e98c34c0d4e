"""Pipes that make several of one: what one of them has not read yet waits in a buffer."""

from __future__ import annotations

import copy as copying
import warnings
from collections import deque
from collections.abc import Callable, Iterator

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from ..utils.common import StreamWrapper, _check_unpickable_fn, length_of

__all__ = ["DemultiplexerIterDataPipe", "ForkerIterDataPipe"]

_DONE = object()


class _Source(IterDataPipe):
    """What several children read from. Each has a queue of what it has still to give; a child
    with an empty queue has the next sample of ``main_datapipe`` dealt out."""

    kind: str

    def __init__(self, datapipe: IterDataPipe, num_instances: int, buffer_size: int) -> None:
        if buffer_size < 0:
            warnings.warn(
                f"Unlimited buffer size is set for `{self.kind}`, please be aware of OOM at "
                "random places",
                UserWarning,
                stacklevel=4,
            )
        self.main_datapipe = datapipe
        self.num_instances = num_instances
        self.buffer_size = buffer_size
        self.reset()

    def reset(self) -> None:
        self._samples: Iterator | None = None
        self._exhausted = False
        self._queues: list[deque] = [deque() for _ in range(self.num_instances)]
        self._ended = [False] * self.num_instances

    def deal(self, sample) -> None:
        raise NotImplementedError(f"{type(self).__name__}.deal: a subclass must define it.")

    def samples_of(self, child: int) -> Iterator:
        queue = self._queues[child]
        try:
            while True:
                while not queue and not self._exhausted:
                    if self._samples is None:
                        self._samples = iter(self.main_datapipe)
                    sample = next(self._samples, _DONE)
                    if sample is _DONE:
                        self._exhausted = True
                    else:
                        self.deal(sample)
                if not queue:
                    return
                yield queue.popleft()
        finally:
            # What nobody will read does not wait.
            self._ended[child] = True
            for sample in queue:
                StreamWrapper.close_streams(sample)
            queue.clear()

    def is_every_instance_exhausted(self) -> bool:
        return self._exhausted and all(self._ended)

    def length_of_child(self, child: int) -> int:
        return length_of(child, self.main_datapipe)

    def __getstate__(self):
        state = {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_samples", "_queues", "_ended", "_exhausted")
        }
        return self._hooked_state(state)

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)
        self.reset()


class _ChildDataPipe(IterDataPipe):
    """One of the pipes that read from a `_Source`. A second pass over one of them begins all
    again."""

    _is_child_datapipe = True

    def __init__(self, main_datapipe: _Source, instance_id: int) -> None:
        self.main_datapipe = main_datapipe
        self.instance_id = instance_id

    def __iter__(self) -> Iterator:
        yield from self.main_datapipe.samples_of(self.instance_id)

    def __len__(self) -> int:
        return self.main_datapipe.length_of_child(self.instance_id)

    def _set_main_datapipe_valid_iterator_id(self) -> int:
        main = self.main_datapipe
        if main._valid_iterator_id is None:
            main._valid_iterator_id = 0
        elif main._valid_iterator_id == self._valid_iterator_id:
            main._valid_iterator_id += 1
            if not main.is_every_instance_exhausted():
                warnings.warn(
                    "Some child DataPipes are not exhausted when __iter__ is called. We are "
                    "resetting the buffer and each child DataPipe will read from the start again.",
                    UserWarning,
                    stacklevel=4,
                )
            main.reset()
        self._valid_iterator_id = main._valid_iterator_id
        return self._valid_iterator_id

    def _check_valid_iterator_id(self, iterator_id: int) -> bool:
        return iterator_id == self._valid_iterator_id == self.main_datapipe._valid_iterator_id


class _Forker(_Source):
    kind = "fork"

    def __init__(self, datapipe, num_instances: int, buffer_size: int, copy) -> None:
        ways = {None: None, "shallow": copying.copy, "deep": copying.deepcopy}
        if copy not in ways:
            raise ValueError(
                f"Unknown copy method `{copy}` requested, choose one of None, `shallow` or `deep`."
            )
        self.copy_fn = ways[copy]
        super().__init__(datapipe, num_instances, buffer_size)

    def deal(self, sample) -> None:
        for queue, ended in zip(self._queues, self._ended):
            if not ended:
                queue.append(sample if self.copy_fn is None else self.copy_fn(sample))
        if self.buffer_size >= 0 and max(map(len, self._queues)) > self.buffer_size:
            raise BufferError(
                f"ForkerIterDataPipe buffer overflow, buffer size {self.buffer_size} is "
                "insufficient."
            )


@functional_datapipe("fork")
class ForkerIterDataPipe(IterDataPipe):
    """Several pipes with the same samples.

    Args:
        datapipe: the source.
        num_instances: how many pipes.
        buffer_size: how far one may be ahead of another; any distance when negative.
        copy: whether each gets its own copy: None, ``"shallow"`` or ``"deep"``.

    Returns:
        A list of pipes; the source itself for one instance.

    Shape:
        - whatever the source gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> a, b = IterableWrapper(range(3)).fork(2)
        >>> list(a), list(b)
        ([0, 1, 2], [0, 1, 2])
    """

    def __new__(cls, datapipe, num_instances: int, buffer_size: int = 1000, copy=None):
        if num_instances < 1:
            raise ValueError(
                f"Expected `num_instances` larger than 0, but {num_instances} is found"
            )
        if num_instances == 1:
            return datapipe
        source = _Forker(datapipe, num_instances, buffer_size, copy)
        return [_ChildDataPipe(source, i) for i in range(num_instances)]


class _Demultiplexer(_Source):
    kind = "demux"

    def __init__(
        self, datapipe, num_instances: int, classifier_fn: Callable, drop_none: bool, buffer_size
    ) -> None:
        self.classifier_fn = classifier_fn
        self.drop_none = drop_none
        super().__init__(datapipe, num_instances, buffer_size)

    def deal(self, sample) -> None:
        place = self.classifier_fn(sample)
        if place is None and self.drop_none:
            StreamWrapper.close_streams(sample)
            return
        if place is None or not 0 <= place < self.num_instances:
            raise ValueError(
                f"Output of the classification fn should be between 0 and "
                f"{self.num_instances - 1}. {place} is returned."
            )
        self._queues[place].append(sample)
        # One of them is about to be read.
        if self.buffer_size >= 0 and sum(map(len, self._queues)) > self.buffer_size + 1:
            raise BufferError(
                f"DemultiplexerIterDataPipe buffer overflow, buffer size {self.buffer_size} is "
                "insufficient."
            )

    def length_of_child(self, child: int) -> int:
        raise TypeError("_ChildDataPipe instance doesn't have valid length")


@functional_datapipe("demux")
class DemultiplexerIterDataPipe(IterDataPipe):
    """Several pipes, each with the samples that a function assigns to it.

    Args:
        datapipe: the source.
        num_instances: how many pipes.
        classifier_fn: gives the index of the pipe for a sample.
        drop_none: whether samples with None in place of an index are left out, or an error.
        buffer_size: how many samples may wait; any number when negative.

    Returns:
        A list of pipes.

    Shape:
        - whatever the source gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> even, odd = IterableWrapper(range(5)).demux(2, int(2).__rmod__)
        >>> list(odd), list(even)
        ([1, 3], [0, 2, 4])
    """

    def __new__(
        cls,
        datapipe,
        num_instances: int,
        classifier_fn: Callable,
        drop_none: bool = False,
        buffer_size: int = 1000,
    ):
        if num_instances < 1:
            raise ValueError(
                f"Expected `num_instances` larger than 0, but {num_instances} is found"
            )
        _check_unpickable_fn(classifier_fn)
        source = _Demultiplexer(datapipe, num_instances, classifier_fn, drop_none, buffer_size)
        return [_ChildDataPipe(source, i) for i in range(num_instances)]
