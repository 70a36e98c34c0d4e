"""`load`: files to objects. Nothing in a file is executed."""

from __future__ import annotations

import struct
import sys
import zipfile
from contextlib import contextmanager, nullcontext

import flambeau
from flambeau._C import _crc32

from .errors import CheckpointError, Damaged, EmptyFileError, Passed, short
from .limits import DEFLATE
from .names import find_global
from .rebuild import MetaStorage, StorageKind, TypedStorage
from .storages import is_path, new_storage, storage_over, view_of
from .unpickler import Unpickler

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_PIECE = 512 << 10  # bytes that are read at a time, and summed up while a cache has them


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
):
    """Read what `save`, or PyTorch's ``torch.save``, wrote. Nothing in the file is executed.

    A file that is damaged, or names what no file may name, raises one kind of exception, a
    RuntimeError that is also a ``pickle.UnpicklingError`` and tells what is wrong where. Sizes and
    counts in a file are held against its length before anything is allocated, and nested and
    repeated structures are bounded; ``flambeau/serialization/limits.py`` states the limits.

    Args:
        f: a path, or an object with ``read`` and ``seek``.
        map_location: where to put storages: a device, a dictionary of locations, or a function of
            storage and location that gives a storage, or None for the location's own.
        pickle_module: must be None: no pickle is executed.
        weights_only: makes no difference: objects that the tables do not allow are refused in
            either case; `add_safe_globals` allows more classes.
        mmap: map the file into memory and read storages only when they are touched; changes stay
            in memory. Needs a path.
        pickle_load_args: only ``encoding``, of strings that Python 2 wrote.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save(flambeau.arange(3), buffer)
        >>> _ = buffer.seek(0)
        >>> load(buffer)
        tensor([0, 1, 2])
    """
    if pickle_module is not None:
        raise RuntimeError(
            "load: pickle_module must be None: a file's pickle is never executed, by no module."
        )
    encoding = pickle_load_args.pop("encoding", "utf-8")
    if pickle_load_args:
        raise TypeError(
            f"load() got an unexpected keyword argument {next(iter(pickle_load_args))!r}"
        )
    if mmap and not is_path(f):
        raise ValueError("load: mmap=True needs a path, since a file object cannot be mapped")
    if is_path(f):
        with open(f, "rb") as file:
            return _load(file, map_location, bool(mmap), encoding)
    if not hasattr(f, "read") or not hasattr(f, "seek"):
        raise AttributeError(
            f"load: '{type(f).__name__}' object has no 'read' or no 'seek'; read its data into an "
            "io.BytesIO and load from that"
        )
    return _load(f, map_location, False, encoding)


def _load(file, map_location, mmap: bool, encoding: str):
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    if not head:
        raise EmptyFileError("load: the file is empty")
    if head == b"PK\x03\x04":
        with _reported(getattr(file, "name", "the file")):
            reader = _Reader(file, mmap)
            result = _load_archive(reader, map_location, encoding)
            file.seek(reader.size)  # where the next save begins, if there is one
            return result
    if mmap:
        raise RuntimeError(
            "load: mmap=True needs a zip file, as save() writes it since PyTorch 1.6"
        )
    with _reported(getattr(file, "name", "the file")):
        return _load_legacy(file, map_location, encoding)


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


class _Head:
    """The first bytes of a file, as a file."""

    def __init__(self, file, size: int) -> None:
        self.file, self.size = file, size
        self.tell = file.tell

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            return self.file.seek(self.size + offset)
        return self.file.seek(offset, whence)

    def read(self, count: int = -1) -> bytes:
        left = max(self.size - self.tell(), 0)
        return self.file.read(left if count < 0 else min(count, left))


class _Reader:
    """The entries of an archive, and storages made of them."""

    def __init__(self, file, mmap: bool) -> None:
        self.file = file
        start = file.tell()
        self.size = file.seek(0, 2)
        self.zip = zipfile.ZipFile(file)
        # The table that is found is that of the last archive in the file; each ends where the next
        # one begins.
        while (begin := self._begin()) > start:
            self.size = begin
            self.zip = zipfile.ZipFile(_Head(file, begin))
        if begin < start:
            raise Damaged(f"no archive begins at byte {start}")
        self.map = None
        if mmap:
            import mmap as mapping

            self.map = mapping.mmap(file.fileno(), 0, access=mapping.ACCESS_COPY)
        first = next(iter(self.zip.namelist()), "")
        self.name = first.partition("/")[0]
        self.entries = {info.filename: info for info in self.zip.infolist()}
        if sum(info.compress_size for info in self.zip.infolist()) > self.size:
            raise Damaged("its entries are larger than the file")

    def _begin(self) -> int:
        return min((info.header_offset for info in self.zip.infolist()), default=-1)

    def entry(self, name: str) -> zipfile.ZipInfo:
        info = self.entries.get(f"{self.name}/{name}")
        if info is None:
            raise Damaged(f"it has no entry {name}")
        stored = info.compress_type == zipfile.ZIP_STORED
        if info.file_size > info.compress_size * (1 if stored else DEFLATE):
            raise Damaged(f"entry {info.filename} cannot have {info.file_size} bytes")
        if info.header_offset + info.compress_size > self.size:
            raise Damaged(f"entry {info.filename} goes past the end")
        return info

    def __contains__(self, name: str) -> bool:
        return f"{self.name}/{name}" in self.entries

    def read(self, name: str) -> bytes:
        info = self.entry(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return self.zip.read(info)
        data = bytearray(info.file_size)
        self._read_into(info, memoryview(data))
        return bytes(data)

    def storage(self, name: str, nbytes: int):
        info = self.entry(name)
        if info.file_size != nbytes:
            raise Damaged(f"entry {info.filename} has {info.file_size} bytes, not {nbytes}")
        if self.map is not None and info.compress_type == zipfile.ZIP_STORED and info.file_size:
            start = self._start(info)
            if start + info.file_size > len(self.map):
                raise Damaged(f"entry {name} goes past the end")
            return storage_over(self.map, start, info.file_size)
        storage = new_storage(info.file_size)
        if info.file_size:
            if info.compress_type == zipfile.ZIP_STORED:
                self._read_into(info, view_of(storage))
            else:
                view_of(storage)[:] = self.zip.read(info)
        return storage

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the entry's bytes begin: behind its own header, whose padding may differ from
        what the table at the end says."""
        self.file.seek(info.header_offset)
        header = self.file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise Damaged(f"entry {info.filename} has no header")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        return info.header_offset + 30 + name_length + extra_length

    def _read_into(self, info: zipfile.ZipInfo, view: memoryview) -> None:
        self.file.seek(self._start(info))
        done = checksum = 0
        while done < len(view):
            count = _read_some(self.file, view[done : done + _PIECE])
            if count == 0:
                raise Damaged(f"entry {info.filename} goes past the end")
            checksum = _crc32(view[done : done + count], checksum)
            done += count
        # PyTorch can be told to leave checksums out; it then writes 0.
        if info.CRC and checksum != info.CRC:
            raise Damaged(f"the bytes of entry {info.filename} do not match their checksum")


def _read_some(file, view: memoryview) -> int:
    if hasattr(file, "readinto"):
        return file.readinto(view) or 0
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)


def _load_archive(reader: _Reader, map_location, encoding: str):
    if "constants.pkl" in reader:
        raise RuntimeError(
            "load: this is a TorchScript archive (torch.jit.save), which holds a program and not "
            "only tensors; save the module's state_dict() instead."
        )
    order = reader.read("byteorder") if "byteorder" in reader else b"little"
    if order not in (b"little", b"big"):
        raise Damaged(f"its byteorder is {short(order)}")
    swap = order.decode() != sys.byteorder
    storages: dict[str, object] = {}

    def persistent_load(saved_id):
        kind, dtype, key, location, count = _checked_storage_id(saved_id, 5)
        if key not in storages:
            itemsize = 1 if dtype is None else dtype.itemsize
            if _wants_meta(map_location):
                storage = MetaStorage(count * itemsize)
            else:
                storage = reader.storage(f"data/{key}", count * itemsize)
                if swap and itemsize > 1:
                    storage = _swapped(storage, dtype)
                storage = _restore(storage, location, map_location)
            storages[key] = storage
        return storages[key] if dtype is None else TypedStorage(storages[key], dtype)

    return Unpickler(reader.read("data.pkl"), find_global, persistent_load, encoding).load()


def _checked_storage_id(saved_id, length: int):
    if not isinstance(saved_id, tuple) or len(saved_id) != length or saved_id[0] != "storage":
        raise Damaged(f"{short(saved_id)} is no reference to a storage")
    kind, storage, key, location, count = saved_id[:5]
    if not isinstance(storage, StorageKind):
        raise Damaged(f"{short(storage)} is not a kind of storage")
    if not isinstance(key, str) or not isinstance(location, str) or type(count) is not int:
        raise Damaged(f"{short(saved_id)} is no reference to a storage")
    if not 0 <= count < 1 << 62:
        raise Damaged(f"storage {key} has {count} elements")
    return kind, storage.dtype, key, location, count


def _swapped(storage, dtype):
    """A copy of ``storage`` in the other order of bytes."""
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    source = bytes(view_of(storage))
    result = new_storage(len(source))
    view = view_of(result)
    for i in range(width):
        view[i::width] = source[width - 1 - i :: width]
    return result


def default_restore_location(storage, location: str):
    """``storage`` on the device that ``location`` names.

    Example::

        >>> default_restore_location(flambeau.UntypedStorage(8), "cpu").nbytes()
        8
    """
    kind = location.partition(":")[0]
    if kind == "cpu":
        return storage
    if kind == "meta":
        return MetaStorage(storage.nbytes())
    try:
        return storage.to(location)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f"load: the file holds a tensor of device {location!r}, which is not available here; "
            "use map_location='cpu' to load it to the CPU."
        ) from error


def _restore(storage, location: str, map_location):
    if map_location is None:
        return default_restore_location(storage, location)
    if isinstance(map_location, dict):
        if location not in map_location:
            return default_restore_location(storage, location)
        return _asked_for(storage, str(map_location[location]))
    if isinstance(map_location, (str, flambeau.device)):
        return _asked_for(storage, str(map_location))
    try:
        moved = map_location(storage, location)
    except Exception as error:
        raise Passed(error) from error
    return default_restore_location(storage, location) if moved is None else moved


def _asked_for(storage, location: str):
    """``storage`` on a device that the program names, not the file."""
    try:
        return default_restore_location(storage, location)
    except CheckpointError as error:
        raise Passed(
            RuntimeError(
                f"load: map_location asks for device {location!r}, which is not available here; "
                "use map_location='cpu' to load to the CPU."
            )
        ) from error


def _wants_meta(map_location) -> bool:
    """Whether the bytes need not be read at all."""
    return isinstance(map_location, (str, flambeau.device)) and str(map_location) == "meta"


def _load_legacy(file, map_location, encoding: str):
    """The format before PyTorch 1.6: several pickles, then the bytes of each storage."""
    start = file.tell()
    data = file.read()
    # What the bytes are read into, the dtype, and where the tensors shall have them.
    storages: dict[str, tuple] = {}
    left = len(data)

    def persistent_load(saved_id):
        nonlocal left
        kind, dtype, key, location, count = _checked_storage_id(saved_id, 6)
        if saved_id[5] is not None:
            raise NotImplementedError(
                "load: storages that view each other, as PyTorch wrote them before 0.4, are not "
                "supported"
            )
        if key not in storages:
            itemsize = 1 if dtype is None else dtype.itemsize
            left -= count * itemsize
            if left < 0:
                raise Damaged(f"storage {key} is larger than the file")
            storage = new_storage(count * itemsize)
            storages[key] = storage, dtype, _restore(storage, location, map_location)
        placed = storages[key][2]
        return placed if dtype is None else TypedStorage(placed, dtype)

    machine = Unpickler(data, find_global, persistent_load, encoding)
    try:
        magic = machine.load()
    except (Damaged, CheckpointError) as error:
        raise Damaged("it is neither a zip file nor a pickle") from error
    if magic != MAGIC_NUMBER:
        raise Damaged("it does not start like a file of torch.save")
    version, system = machine.load(), machine.load()
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"load: protocol version {version} is not supported")
    if system.get("little_endian") != (sys.byteorder == "little"):
        raise NotImplementedError("load: an old file of a machine with the other order of bytes")
    result = machine.load()
    for key in machine.load():
        if key not in storages:
            raise Damaged(f"nothing uses storage {key}")
        storage, dtype, _ = storages[key]
        (count,) = struct.unpack("<q", machine.read(8))
        view = view_of(storage)
        if count * (1 if dtype is None else dtype.itemsize) != len(view):
            raise Damaged(f"storage {key} does not have {count} elements")
        view[:] = machine.read(len(view))
    file.seek(start + machine.position)
    return result


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The names in a file that `load` would refuse.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save({"weight": flambeau.ones(2)}, buffer)
        >>> get_unsafe_globals_in_checkpoint(buffer)
        []
    """
    name = f if is_path(f) else "the file"
    with open(f, "rb") if is_path(f) else nullcontext(f) as file, _reported(name):
        machine = _NameCollector(_Reader(file, mmap=False).read("data.pkl"))
        machine.load()
    return machine.refused


class _NameCollector(Unpickler):
    """Reads a pickle for its names alone, and makes nothing."""

    def __init__(self, data) -> None:
        super().__init__(data, self._find, lambda saved_id: None)
        self.refused: list[str] = []

    def _find(self, module: str, name: str):
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
