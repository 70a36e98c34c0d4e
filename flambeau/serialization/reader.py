"""`load`: files to objects. Nothing in a file is executed."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from contextlib import contextmanager, nullcontext

import flambeau

from . import legacy, options, safetensors
from .archive_reader import ArchiveReader, HeaderReader, open_to_map
from .damage import Losses
from .errors import CheckpointError, Damaged, EmptyFileError, Passed, short
from .locations import restore, wants_meta
from .names import find_global, finder
from .rebuild import Lost, MetaStorage, StorageType, TypedStorage
from .storages import is_path, swapped
from .unpickler import Unpickler


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    safe_modules=(),
    **pickle_load_args,
):
    """Read what `save`, or PyTorch's ``torch.save``, wrote, or a safetensors file. Nothing in the
    file is executed.

    A file that is damaged, or names what no file may name, raises one kind of exception, a
    RuntimeError that is also a ``pickle.UnpicklingError`` and tells what is wrong where; if it is
    tensors, it names them, and `flambeau.serialization.salvage` reads the others. Sizes and counts
    in a file are held against its length before anything is allocated, and nested and repeated
    structures are bounded; ``flambeau/serialization/limits.py`` states the limits.

    Args:
        f: a path, or an object with ``read`` and ``seek``.
        map_location: where to put storages: a device, a dictionary of locations, or a function of
            storage and location that gives a storage, or None for the location's own.
        pickle_module: must be None: no pickle is executed. With ``weights_only=False`` it may be
            Python's ``pickle``.
        weights_only: True, the default: the file may hold tensors, plain containers, and what
            `add_safe_globals` allows. False: besides, it may hold modules, optimisers, NumPy
            values, dates and paths, and objects of classes of the program itself (of ``__main__``
            and of imported modules that are neither Python's nor installed). No function that the
            file names is called in either case; of classes, only ``__setstate__`` is.
        mmap: map the file into memory and read storages only when they are touched; changes stay
            in memory, and checksums are not looked at. Needs a path.
        safe_modules: with ``weights_only=False``: modules, or names of modules, whose classes the
            file may make objects of, as those of the program; modules inside of them included.
        pickle_load_args: only ``encoding``, of strings that Python 2 wrote.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save(flambeau.arange(3), buffer)
        >>> _ = buffer.seek(0)
        >>> load(buffer)
        tensor([0, 1, 2])
    """
    weights_only = _weights_only(weights_only)
    if pickle_module is not None and (weights_only or pickle_module is not pickle):
        raise RuntimeError(
            "load: pickle_module must be None: a file's pickle is never executed, by no module."
        )
    if weights_only and safe_modules:
        raise ValueError(
            "load: safe_modules= needs weights_only=False, which makes objects of their classes"
        )
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args:
        raise TypeError(
            f"load() got an unexpected keyword argument {next(iter(pickle_load_args))!r}"
        )
    if mmap and not is_path(f):
        raise ValueError("load: mmap=True needs a path, since a file object cannot be mapped")
    if mmap is None:
        mmap = options.load.mmap and is_path(f)
    losses = Losses(f)
    find = finder(weights_only, safe_modules)
    result = _opened(f, bool(mmap), map_location, encoding, find, losses)
    losses.check(result)
    return result


def salvage(
    f, map_location=None, *, weights_only: bool | None = None, safe_modules=(), encoding="utf-8"
):
    """What is whole in a damaged file: the object with None for each damaged tensor, and what is
    wrong with these, by name.

    It reads what `load` reads, also where the end of the file is cut off or its table is damaged.
    A file whose pickle is damaged, which says what its tensors are, raises as in `load`.

    Args:
        f: a path, or an object with ``read`` and ``seek``.
        map_location: as in `load`.
        weights_only: as in `load`.
        safe_modules: as in `load`.
        encoding: as in `load`.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save({"a": flambeau.ones(2), "b": flambeau.full((2,), 2.0)}, buffer)
        >>> data = bytearray(buffer.getvalue())
        >>> at = data.find(flambeau.full((2,), 2.0).numpy().tobytes())
        >>> data[at] ^= 1
        >>> state, damaged = salvage(io.BytesIO(data))
        >>> state
        {'a': tensor([1., 1.]), 'b': None}
        >>> list(damaged)
        ['b']
    """
    losses = Losses(f)
    find = finder(_weights_only(weights_only), safe_modules)
    result = _opened(f, False, map_location, encoding, find, losses)
    return losses.removed_from(result)


def _weights_only(asked: bool | None) -> bool:
    """What is asked for, by argument or environment."""
    on = ("1", "y", "yes", "true")
    forced = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0") in on
    freed = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") in on
    if forced and freed:
        raise RuntimeError(
            "load: only one of TORCH_FORCE_WEIGHTS_ONLY_LOAD and TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD "
            "can be set, and both are"
        )
    if asked is None:
        return not freed
    return bool(asked) or forced


def _opened(f, mmap: bool, map_location, encoding: str, find, losses):
    if is_path(f):
        with open_to_map(f) if mmap else open(f, "rb") as file:
            return _load(file, map_location, mmap, encoding, find, losses)
    if not hasattr(f, "read") or not hasattr(f, "seek"):
        raise AttributeError(
            f"load: '{type(f).__name__}' object has no 'read' or no 'seek'; read its data into an "
            "io.BytesIO and load from that"
        )
    return _load(f, map_location, mmap, encoding, find, losses)


def _load(file, map_location, mmap: bool, encoding: str, find, losses):
    start = file.tell()
    head = file.read(16)
    file.seek(start)
    if not head:
        raise EmptyFileError("load: the file is empty")
    with _reported(getattr(file, "name", "the file")):
        if head[:4] == b"PK\x03\x04":
            reader = _archive(file, mmap, losses)
            result = _load_archive(reader, map_location, encoding, find, losses)
            file.seek(reader.size)  # where the next save begins, if there is one
            return result
        if safetensors.starts_like_one(head):
            return safetensors.read(file, map_location, mmap)
        if mmap:
            raise RuntimeError(
                "load: mmap=True needs a zip file, as save() writes it since PyTorch 1.6, or a "
                "safetensors file"
            )
        return legacy.load(file, map_location, encoding, find, losses)


@contextmanager
def _reported(name):
    """Damage, however it shows, as one kind of error that names the file."""
    try:
        yield
    except (CheckpointError, NotImplementedError, OSError, flambeau.OutOfMemoryError):
        raise
    except Passed as passed:
        raise passed.error from None
    except Exception as error:
        what = str(error) if isinstance(error, Damaged) else f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"load: {name} is truncated or corrupt: {what[:2000]}. Save it again, or fetch it "
            "again."
        ) from error


def _archive(file, mmap: bool, losses) -> ArchiveReader:
    """The archive, found by its table, or if that is damaged by its entries."""
    start = file.tell()
    try:
        return ArchiveReader(file, mmap)
    except (Damaged, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        losses.table = str(error)
        file.seek(start)
        return HeaderReader(file, False)


def _load_archive(reader: ArchiveReader, map_location, encoding: str, find, losses):
    if "constants.pkl" in reader:
        raise RuntimeError(
            "load: this is a TorchScript archive (torch.jit.save), which holds a program and not "
            "only tensors; save the module's state_dict() instead."
        )
    swap = _order_of_bytes(reader) != sys.byteorder
    storages: dict[str, object] = {}

    def persistent_load(saved_id):
        kind, dtype, key, location, count = checked_storage_id(saved_id, 5)
        if key not in storages:
            itemsize = 1 if dtype is None else dtype.itemsize
            if wants_meta(map_location):
                storages[key] = MetaStorage(count * itemsize)
            else:
                try:
                    storage = reader.storage(f"data/{key}", count * itemsize)
                except Damaged as error:
                    losses.storages[key] = str(error)
                    storages[key] = Lost(count * itemsize, key)
                else:
                    if swap and itemsize > 1:
                        storage = swapped(storage, dtype)
                    storages[key] = restore(storage, location, map_location)
        return storages[key] if dtype is None else TypedStorage(storages[key], dtype)

    return Unpickler(reader.read("data.pkl"), find, persistent_load, encoding).load()


def _order_of_bytes(reader: ArchiveReader) -> str:
    if "byteorder" in reader:
        order = reader.read("byteorder")
        if order not in (b"little", b"big"):
            raise Damaged(f"its byteorder is {short(order)}")
        return order.decode()
    asked = options.load.endianness
    if asked is options.LoadEndianness.NATIVE:
        return sys.byteorder
    return "big" if asked is options.LoadEndianness.BIG else "little"


def checked_storage_id(saved_id, length: int):
    if type(saved_id) is not tuple or len(saved_id) != length or saved_id[0] != "storage":
        raise Damaged(f"{short(saved_id)} is no reference to a storage")
    kind, storage, key, location, count = saved_id[:5]
    if not isinstance(storage, StorageType):
        raise Damaged(f"{short(storage)} is not a kind of storage")
    if not isinstance(key, str) or not isinstance(location, str) or type(count) is not int:
        raise Damaged(f"{short(saved_id)} is no reference to a storage")
    if not 0 <= count < 1 << 62:
        raise Damaged(f"storage {key} has {count} elements")
    return kind, storage.dtype, key, location, count


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The names in a file that ``load(weights_only=True)`` would refuse.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save({"weight": flambeau.ones(2)}, buffer)
        >>> get_unsafe_globals_in_checkpoint(buffer)
        []
    """
    name = f if is_path(f) else "the file"
    with open(f, "rb") if is_path(f) else nullcontext(f) as file, _reported(name):
        machine = _NameCollector(ArchiveReader(file, mmap=False).read("data.pkl"))
        machine.load()
    return machine.refused


class _NameCollector(Unpickler):
    """Reads a pickle for its names alone, and makes nothing."""

    def __init__(self, data) -> None:
        super().__init__(data, find_global, lambda saved_id: None)
        self.refused: list[str] = []

    def find(self, module: str, name: str):
        try:
            find_global(module, name)
        except CheckpointError:
            full = f"{module}.{name}"
            if full not in self.refused:
                self.refused.append(full)

    def call(self, target, args):
        return None

    def make_instance(self, target, args, kwargs):
        return None

    def set_items(self, target, items: list) -> None:
        pass

    def extend_list(self, target, values: list) -> None:
        pass

    def set_state(self, target, state) -> None:
        pass
