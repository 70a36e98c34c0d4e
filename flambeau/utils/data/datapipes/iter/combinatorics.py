"""Pipes that change the order of samples."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ...sampler import SequentialSampler, draw_seed
from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe
from ..utils.common import length_of

__all__ = ["SamplerIterDataPipe", "ShufflerIterDataPipe"]


class SamplerIterDataPipe(IterDataPipe):
    """The indices that a sampler gives for a pipe.

    Args:
        datapipe: the source; it has a length.
        sampler: a class of samplers.
        sampler_args: its arguments besides the source.
        sampler_kwargs: its keyword arguments.

    Shape:
        - no tensors.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> list(SamplerIterDataPipe(IterableWrapper("abc")))
        [0, 1, 2]
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        sampler=SequentialSampler,
        sampler_args: tuple | None = None,
        sampler_kwargs: dict | None = None,
    ) -> None:
        if not hasattr(type(datapipe), "__len__"):
            raise AssertionError("Sampler class requires input datapipe implemented `__len__`")
        super().__init__()
        self.datapipe = datapipe
        self.sampler_args = sampler_args or ()
        self.sampler_kwargs = {**(sampler_kwargs or {}), "data_source": datapipe}
        self.sampler = sampler(*self.sampler_args, **self.sampler_kwargs)

    def __iter__(self) -> Iterator:
        return iter(self.sampler)

    def __len__(self) -> int:
        return length_of(self, self.sampler)


@functional_datapipe("shuffle")
class ShufflerIterDataPipe(IterDataPipe):
    """The samples in random order: each is drawn from those that wait in a buffer. In a loader it
    follows the loader's ``shuffle`` and seed.

    Args:
        datapipe: the source.
        buffer_size: how many samples wait; as many as there are for a whole shuffle.
        unbatch_level: how many levels of batches to open before.

    Shape:
        - whatever the source gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> sorted(IterableWrapper(range(4)).shuffle().set_seed(0))
        [0, 1, 2, 3]
    """

    def __init__(
        self, datapipe: IterDataPipe, *, buffer_size: int = 10000, unbatch_level: int = 0
    ) -> None:
        super().__init__()
        if buffer_size <= 0:
            raise AssertionError("buffer_size should be larger than 0")
        self.datapipe = datapipe.unbatch(unbatch_level=unbatch_level) if unbatch_level else datapipe
        self.buffer_size = buffer_size
        self._buffer: list = []
        self._enabled = True
        self._seed: int | None = None
        self._rng = random.Random()

    def set_shuffle(self, shuffle: bool = True) -> ShufflerIterDataPipe:
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> ShufflerIterDataPipe:
        self._seed = seed
        return self

    def __iter__(self) -> Iterator:
        if not self._enabled:
            yield from self.datapipe
            return
        waiting, draw = self._buffer, self._rng.randint
        for sample in self.datapipe:
            if len(waiting) < self.buffer_size:
                waiting.append(sample)
                continue
            i = draw(0, len(waiting) - 1)
            given, waiting[i] = waiting[i], sample
            yield given
        while waiting:
            yield waiting.pop(draw(0, len(waiting) - 1))

    def __len__(self) -> int:
        return length_of(self, self.datapipe)

    def reset(self) -> None:
        self._buffer = []
        if self._enabled:
            self._rng.seed(draw_seed() if self._seed is None else self._seed)
            self._seed = None
