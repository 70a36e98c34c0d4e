"""The bases of pipelines, and their methods by name."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from ..dataset import Dataset, IterableDataset
from ._hook_iterator import hook_iterator
from ._typing import ANY, PipeType

__all__ = ["DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe"]


class DataChunk(list):
    """A batch within a pipeline: a list whose ``items`` are its samples.

    Shape:
        - no tensors.

    Example::

        >>> DataChunk(range(3)).as_str()
        '[0, 1, 2]'
    """

    def __init__(self, items) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        return indent + "[" + ", ".join(str(i) for i in self) + "]"

    def raw_iterator(self) -> Iterator:
        yield from self.items


class _Pipe:
    """What both kinds of pipes share: methods by registered names, and hooks of pickling, by
    which `traverse_dps` finds what a pipe is made of."""

    functions: ClassVar[dict[str, Callable]]
    reduce_ex_hook: ClassVar[Callable | None] = None
    getstate_hook: ClassVar[Callable | None] = None
    str_hook: ClassVar[Callable | None] = None
    repr_hook: ClassVar[Callable | None] = None
    type: ClassVar[PipeType] = ANY
    _base: ClassVar[Any]

    def __class_getitem__(cls, param):
        return type(cls)(cls.__name__, (cls,), {"type": PipeType(param)})

    def __getattr__(self, name: str):
        function = self._base.functions.get(name)
        if function is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return functools.partial(function, self)

    @classmethod
    def register_function(cls, function_name: str, function: Callable) -> None:
        """Make ``pipe.function_name(...)`` call ``function(pipe, ...)``."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register, enable_df_api_tracing: bool = False
    ) -> None:
        """Make ``pipe.function_name(...)`` a pipe of this class over ``pipe``."""
        if function_name in cls.functions:
            raise Exception(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )
        if enable_df_api_tracing:
            raise NotImplementedError(
                "register_datapipe_as_function: enable_df_api_tracing=True is not supported"
            )

        def make(source, *args, **kwargs):
            return cls_to_register(source, *args, **kwargs)

        make.__doc__ = cls_to_register.__doc__
        cls.functions[function_name] = make

    def _hooked_state(self, state):
        hook = self._base.getstate_hook
        return state if hook is None else hook(state)

    def __getstate__(self):
        return self._hooked_state(self.__dict__)

    def __reduce_ex__(self, *args, **kwargs):
        hook = self._base.reduce_ex_hook
        if hook is not None:
            try:
                return hook(self)
            except NotImplementedError:
                pass
        return super().__reduce_ex__(*args, **kwargs)

    @classmethod
    def set_getstate_hook(cls, hook_fn) -> None:
        if cls._base.getstate_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing getstate_hook")
        cls._base.getstate_hook = hook_fn

    @classmethod
    def set_reduce_ex_hook(cls, hook_fn) -> None:
        if cls._base.reduce_ex_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing reduce_ex_hook")
        cls._base.reduce_ex_hook = hook_fn

    def __repr__(self) -> str:
        return self.repr_hook(self) if self.repr_hook is not None else type(self).__qualname__

    def __str__(self) -> str:
        return self.str_hook(self) if self.str_hook is not None else type(self).__qualname__

    def __dir__(self):
        return [*super().__dir__(), *self._base.functions]


class IterDataPipe(_Pipe, IterableDataset):
    """A pipeline whose samples come in order. A subclass defines ``__iter__``, and may define
    ``reset``, which is called at the beginning of each pass. A pipe has one pass at a time: a new
    one ends that before.

    Shape:
        - whatever ``__iter__`` gives.

    Example::

        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> pipe = IterableWrapper(["a", "1", "b", "c"]).filter(str.isalpha).map(str.upper).batch(2)
        >>> list(pipe)
        [['A', 'B'], ['C']]
    """

    functions: ClassVar[dict[str, Callable]] = {}
    _valid_iterator_id: int | None = None
    _number_of_samples_yielded: int = 0

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "__iter__" in cls.__dict__:
            hook_iterator(cls)

    def __iter__(self) -> Iterator:
        return self

    def reset(self) -> None:
        """What a new pass begins with."""


class DFIterDataPipe(IterDataPipe):
    """A pipeline of data frames."""

    def _is_dfpipe(self) -> bool:
        return True


class MapDataPipe(_Pipe, Dataset):
    """A pipeline whose samples have indices. A subclass defines ``__getitem__`` and ``__len__``.

    Shape:
        - whatever ``__getitem__`` gives.

    Example::

        >>> from flambeau.utils.data.datapipes.map import SequenceWrapper
        >>> SequenceWrapper(range(4)).map(str)[2]
        '2'
    """

    functions: ClassVar[dict[str, Callable]] = {}


IterDataPipe._base = IterDataPipe
MapDataPipe._base = MapDataPipe


class _DataPipeSerializationWrapper:
    """A pipeline for a loader's workers: pickled by itself, without the hooks of who looks at
    it."""

    def __init__(self, datapipe) -> None:
        self._datapipe = datapipe

    def __getstate__(self):
        return pickle.dumps(self._datapipe)

    def __setstate__(self, state) -> None:
        self._datapipe = pickle.loads(state)

    def __len__(self) -> int:
        try:
            return len(self._datapipe)
        except Exception as error:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length") from error


class _IterDataPipeSerializationWrapper(_DataPipeSerializationWrapper, IterDataPipe):
    def __iter__(self) -> Iterator:
        yield from self._datapipe


class _MapDataPipeSerializationWrapper(_DataPipeSerializationWrapper, MapDataPipe):
    def __getitem__(self, idx):
        return self._datapipe[idx]


def wrap_for_workers(datapipe):
    """The pipeline as a loader keeps it."""
    if isinstance(datapipe, IterDataPipe):
        return _IterDataPipeSerializationWrapper(datapipe)
    return _MapDataPipeSerializationWrapper(datapipe)
