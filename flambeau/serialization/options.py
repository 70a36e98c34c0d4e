"""What holds for all calls of `save` and `load` until it is changed."""

from __future__ import annotations

import enum
import mmap
import shutil
import tempfile
import threading
import warnings
from contextlib import contextmanager


class LoadEndianness(enum.Enum):
    """The order of bytes in files that do not say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


class SourceChangeWarning(Warning):
    """The source of a class differs from the one in an old file."""


class load:
    """Defaults of `load`."""

    mmap: bool = False
    mmap_flags: int = getattr(mmap, "MAP_PRIVATE", 2)
    endianness: LoadEndianness | None = None


class save:
    """Defaults of `save`."""

    compute_crc32: bool = True
    storage_alignment: int = 64


def get_crc32_options() -> bool:
    """Whether `save` writes checksums.

    Example::

        >>> get_crc32_options()
        True
    """
    return save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Set whether `save` writes checksums. Without them, damage goes unnoticed.

    Example::

        >>> set_crc32_options(True)
    """
    save.compute_crc32 = compute_crc32


def get_default_load_endianness() -> LoadEndianness | None:
    """The order of bytes in files that do not say theirs; None: little.

    Example::

        >>> get_default_load_endianness() is None
        True
    """
    return load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Set the order of bytes in files that do not say theirs.

    Example::

        >>> set_default_load_endianness(LoadEndianness.LITTLE)
        >>> set_default_load_endianness(None)
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError(
            "set_default_load_endianness: expected a LoadEndianness or None, got "
            f"{type(endianness).__name__}"
        )
    load.endianness = endianness


def get_default_mmap_options() -> int:
    """How ``load(mmap=True)`` maps: ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``.

    Example::

        >>> import mmap
        >>> get_default_mmap_options() == mmap.MAP_PRIVATE
        True
    """
    return load.mmap_flags


class set_default_mmap_options:
    """Set how ``load(mmap=True)`` maps, for a ``with`` block or from now on.

    ``mmap.MAP_PRIVATE``: changes of tensors stay in memory. ``mmap.MAP_SHARED``: they reach the
    file.

    Example::

        >>> import mmap
        >>> with set_default_mmap_options(mmap.MAP_SHARED):
        ...     get_default_mmap_options() == mmap.MAP_SHARED
        True
    """

    def __init__(self, flags: int) -> None:
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                "set_default_mmap_options: expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, got "
                f"{flags}"
            )
        self.prev = load.mmap_flags
        load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error) -> None:
        load.mmap_flags = self.prev


class _Thread(threading.local):
    skip_data = False


thread = _Thread()


class skip_data:
    """Leave the bytes of storages out: inside the ``with`` block, `save` writes zeros in their
    place, without reading them, and `load` gives tensors whose elements are not set.

    Args:
        materialize_fake_tensors: only False.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> with skip_data():
        ...     flambeau.save(flambeau.ones(3), buffer)
        >>> _ = buffer.seek(0)
        >>> flambeau.load(buffer)
        tensor([0., 0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        if materialize_fake_tensors:
            raise NotImplementedError(
                "skip_data: materialize_fake_tensors=True is not supported: there are no fake "
                "tensors"
            )
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before = thread.skip_data
        thread.skip_data = True

    def __exit__(self, *error) -> None:
        thread.skip_data = self._before


@contextmanager
def mkdtemp():
    """A temporary folder for a ``with`` block.

    Example::

        >>> import os
        >>> with mkdtemp() as folder:
        ...     os.path.isdir(folder)
        True
    """
    path = tempfile.mkdtemp()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def check_module_version_greater_or_equal(
    module, req_version_tuple: tuple, error_if_malformed: bool = True
) -> bool:
    """Whether ``module.__version__`` is at least ``req_version_tuple``.

    Example::

        >>> import types
        >>> check_module_version_greater_or_equal(types.SimpleNamespace(__version__="2.1"), (2, 0))
        True
    """
    try:
        parts = module.__version__.split(".")
        version = tuple(type(asked)(parts[i]) for i, asked in enumerate(req_version_tuple))
        return version >= req_version_tuple
    except Exception as error:
        name = getattr(module, "__name__", module)
        text = (
            f"check_module_version_greater_or_equal: the version of {name}, "
            f"{getattr(module, '__version__', None)!r}, cannot be compared with {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(text) from error
        warnings.warn(f"{text}; it is taken to be recent enough", stacklevel=2)
        return True
