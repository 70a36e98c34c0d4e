"""The memory of tensors, and storages whose bytes are those of a file."""

from __future__ import annotations

import os

import flambeau
from flambeau import UntypedStorage

__all__ = ["UntypedStorage"]


def from_file(filename, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
    """A storage whose bytes are those of a file, which are read when they are touched.

    Args:
        filename: the file.
        shared: whether what is written into the storage changes the file, for all that share it;
            a file that is not there, or not long enough, is made so. Otherwise changes stay here.
        nbytes: how many bytes; 0 for all of them.
    """
    import mmap

    flags = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
    descriptor = os.open(filename, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if nbytes < 0:
            raise ValueError(f"from_file: nbytes cannot be negative, but is {nbytes}")
        if nbytes > size:
            if not shared:
                raise RuntimeError(
                    f"from_file: file <{os.fspath(filename)}> has {size} bytes, of which "
                    f"{nbytes} cannot be mapped; shared=True would make it longer"
                )
            os.ftruncate(descriptor, nbytes)
        count = nbytes or size
        if count == 0:
            return UntypedStorage(0)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        # The storage keeps the mapping, which outlives the descriptor.
        mapping = mmap.mmap(descriptor, count, access=access)
        return flambeau.frombuffer(mapping, dtype=flambeau.uint8).untyped_storage()
    finally:
        os.close(descriptor)


def over_storage(storage: UntypedStorage, dtype: flambeau.dtype) -> flambeau.Tensor:
    """A tensor of one dimension that has the storage for its memory."""
    return flambeau.empty(0, dtype=dtype, device=storage.device).set_(storage)
