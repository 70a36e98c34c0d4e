"""The bytes of storages: only here is one looked into."""

from __future__ import annotations

import os

import flambeau


def view_of(storage) -> memoryview:
    """The bytes of ``storage``, writable, without a copy."""
    return memoryview(storage).cast("B")


def storage_over(buffer, offset: int, nbytes: int):
    """A storage whose bytes are those of ``buffer``, without a copy; ``buffer`` stays alive."""
    import numpy

    array = numpy.frombuffer(buffer, dtype=numpy.uint8, count=nbytes, offset=offset)
    return flambeau.from_numpy(array).untyped_storage()


def new_storage(nbytes: int):
    return flambeau.UntypedStorage(nbytes)


def is_path(f) -> bool:
    return isinstance(f, (str, bytes, os.PathLike))


def swapped(storage, dtype):
    """A copy of ``storage`` in the other order of bytes."""
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    source = bytes(view_of(storage))
    result = new_storage(len(source))
    view = view_of(result)
    for i in range(width):
        view[i::width] = source[width - 1 - i :: width]
    return result
