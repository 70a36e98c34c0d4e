"""`save` and `load`: PyTorch's file format, written and read without PyTorch.

A file is a zip archive, nothing compressed, every entry aligned to 64 bytes so that it can be
mapped:

    NAME/data.pkl           the object; tensors name their storage by number
    NAME/byteorder          little or big
    NAME/data/0, 1, ...     the bytes of each storage, once however many tensors share it
    NAME/version            3

The pickle says ``torch`` wherever it names something of the library, so that either library reads
the other's files. It is never executed: see `_weights_only_unpickler`.
"""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import sys
import zipfile
import zlib
from collections import OrderedDict
from contextlib import contextmanager, nullcontext, suppress

import flambeau

from ._rebuild import (
    TYPED_STORAGES,
    Damaged,
    MetaStorage,
    StorageKind,
    TypedStorage,
    add_safe_globals,
    clear_safe_globals,
    find_global,
    get_safe_globals,
    name_in_files,
    safe_globals,
)
from ._weights_only_unpickler import Unpickler

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]

DEFAULT_PROTOCOL = 2
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_ALIGNMENT = 64

# ---- bytes of storages: the only places that look into one


def _view_of(storage) -> memoryview:
    """The bytes of ``storage``, writable, without a copy."""
    return memoryview(storage).cast("B")


def _storage_over(buffer, offset: int, nbytes: int):
    """A storage whose bytes are those of ``buffer``, without a copy; ``buffer`` stays alive."""
    import numpy

    array = numpy.frombuffer(buffer, dtype=numpy.uint8, count=nbytes, offset=offset)
    return flambeau.from_numpy(array).untyped_storage()


def _new_storage(nbytes: int):
    return flambeau.UntypedStorage(nbytes)


# ---- saving


def _dtype_name(dtype) -> str:
    return str(dtype).rpartition(".")[2]


class _Pickler(pickle._Pickler):  # type: ignore[misc, name-defined]
    """Pickles with tensors taken apart into names that PyTorch knows. The bytes of storages are
    kept aside in ``storages``, by the key under which the pickle names them.

    The interpreter's own C pickler insists on importing what it names, and what is named here,
    ``torch``, need not exist; hence the one written in Python.
    """

    def __init__(self, file, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[str, object] = {}
        self._keys: dict[object, str] = {}
        self._dtypes: dict[str, object] = {}

    def persistent_id(self, obj):
        if isinstance(obj, flambeau.UntypedStorage):
            obj = TypedStorage(obj, None)
        if not isinstance(obj, TypedStorage):
            return None
        storage, dtype = obj.untyped, obj.dtype
        # Storages without bytes share nothing, whatever their address says.
        identity = storage._cdata if storage.nbytes() else object()
        key = self._keys.setdefault(identity, str(len(self._keys)))
        if self._dtypes.setdefault(key, dtype) != dtype:
            raise RuntimeError(
                "save: cannot save tensors of different dtypes that share one storage; clone() "
                "one of them first."
            )
        self.storages[key] = storage
        itemsize = 1 if dtype is None else dtype.itemsize
        kind = _Name("torch.storage", "UntypedStorage")
        if dtype is not None:
            kind = _Name("torch", TYPED_STORAGES[_dtype_name(dtype)])
        location = sys.intern(str(storage.device))
        return ("storage", kind, key, location, storage.nbytes() // itemsize)

    def reducer_override(self, obj):
        if isinstance(obj, _Name):
            return obj.name
        if isinstance(obj, flambeau.Tensor):
            return _reduce_tensor(obj)
        if isinstance(obj, (flambeau.dtype, flambeau.memory_format)):
            return _dtype_name(obj)
        if isinstance(obj, flambeau.layout):
            return _Name("torch.serialization", "_get_layout"), (f"torch.{_dtype_name(obj)}",)
        if isinstance(obj, flambeau.Size):
            return _Name("torch", "Size"), (tuple(obj),)
        if isinstance(obj, flambeau.device):
            index = () if obj.index is None else (obj.index,)
            return _Name("torch", "device"), (obj.type, *index)
        if isinstance(obj, OrderedDict) and type(obj).__module__ == "flambeau.nn.modules._hooks":
            return OrderedDict, (), None, None, iter(obj.items())
        return NotImplemented

    def save_global(self, obj, name=None) -> None:
        if isinstance(obj, _Name):
            module, name = obj.module, obj.name
        elif isinstance(obj, (flambeau.dtype, flambeau.memory_format)):
            module = "torch"
        else:
            own = getattr(obj, "__module__", None) or ""
            module = name_in_files(own)
            if module == own:
                super().save_global(obj, name)  # type: ignore[misc]
                return
            name = name or obj.__qualname__
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())  # type: ignore
        self.memoize(obj)  # type: ignore


class _Name:
    """Something of PyTorch, by its name in the file. Equal names are one object, so that a pickle
    writes each once."""

    _known: dict[tuple[str, str], _Name] = {}
    module: str
    name: str

    def __new__(cls, module: str, name: str):
        known = cls._known.get((module, name))
        if known is None:
            known = cls._known[module, name] = super().__new__(cls)
            known.module, known.name = module, name
        return known

    def __call__(self, *args):
        raise TypeError(f"{self.module}.{self.name} is only a name")


def _utils(name: str) -> _Name:
    return _Name("torch._utils", name)


def _reduce_tensor(tensor):
    """How a file says to rebuild ``tensor``: a name, and its arguments."""
    from .nn.parameter import Parameter

    state = getattr(tensor, "__dict__", None)
    kind = type(tensor)
    if issubclass(kind, Parameter):
        args = (tensor.detach(), tensor.requires_grad, OrderedDict())
        if state:
            return _utils("_rebuild_parameter_with_state"), (*args, state)
        return _utils("_rebuild_parameter"), args
    if tensor._backward_hooks:
        from .utils.hooks import warn_if_has_hooks

        warn_if_has_hooks(tensor)
    function, args = _reduce_plain(tensor)
    if kind is flambeau.Tensor and not state:
        return function, args
    kind = _Name("torch", "Tensor") if kind is flambeau.Tensor else kind
    return _Name("torch._tensor", "_rebuild_from_type_v2"), (function, kind, args, state or {})


def _reduce_plain(tensor):
    size, stride = tuple(tensor.size()), tensor.stride()
    if tensor.layout != flambeau.strided:
        raise NotImplementedError(f"save: tensors of layout {tensor.layout} are not supported")
    if tensor.is_meta:
        args = (tensor.dtype, size, stride, tensor.requires_grad)
        return _utils("_rebuild_meta_tensor_no_storage"), args
    typed = _dtype_name(tensor.dtype) in TYPED_STORAGES
    storage = TypedStorage(tensor.untyped_storage(), tensor.dtype if typed else None)
    args = (storage, tensor.storage_offset(), size, stride, tensor.requires_grad, OrderedDict())
    if not typed:
        return _utils("_rebuild_tensor_v3"), (*args, tensor.dtype)
    # Lazy conjugation and negation are not in the bytes.
    bits = {}
    if tensor.is_conj():
        bits["conj"] = True
    if tensor.is_neg():
        bits["neg"] = True
    return _utils("_rebuild_tensor_v2"), ((*args, bits) if bits else args)


class _Archive:
    """Writes entries so that their bytes start at multiples of 64, as PyTorch's files have it."""

    def __init__(self, file, name: str) -> None:
        self.file = file
        self.name = name
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def write(self, name: str, data) -> None:
        info = zipfile.ZipInfo(f"{self.name}/{name}")
        nbytes = memoryview(data).nbytes
        large = nbytes >= zipfile.ZIP64_LIMIT
        # The header: 30 bytes, the name, the padding's own 4, and 20 for a size of 64 bits.
        start = self.zip.start_dir + 30 + len(info.filename.encode()) + 4 + (20 if large else 0)
        padding = -start % _ALIGNMENT
        info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
        with self.zip.open(info, "w", force_zip64=large) as entry:
            entry.write(data)

    def close(self) -> None:
        self.zip.close()


def save(
    obj,
    f,
    pickle_module=None,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write ``obj`` to a file that `load` and PyTorch's ``torch.load`` read.

    A path is replaced only once the file is complete and on the disk: whoever reads it sees the old
    file or the new one, and a crash leaves the old one.

    Args:
        obj: tensors, parameters, and containers of them; other objects are written by reference
            to their class, and only a program that allows the class can load them.
        f: a path, or an object with ``write``.
        pickle_module: only Python's ``pickle``.
        pickle_protocol: 2 to 5.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save({"weight": flambeau.ones(2)}, buffer)
        >>> _ = buffer.seek(0)
        >>> load(buffer)
        {'weight': tensor([1., 1.])}
    """
    if pickle_module not in (None, pickle):
        raise NotImplementedError("save: pickle_module can only be Python's own pickle")
    if not _use_new_zipfile_serialization:
        raise NotImplementedError(
            "save: _use_new_zipfile_serialization=False, the format before PyTorch 1.6, can be "
            "read but not written"
        )
    data = io.BytesIO()
    pickler = _Pickler(data, pickle_protocol)
    pickler.dump(obj)

    def write(file, name: str) -> None:
        archive = _Archive(file, name)
        archive.write("data.pkl", data.getvalue())
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", str(_ALIGNMENT).encode())
        if not _disable_byteorder_record:
            archive.write("byteorder", sys.byteorder.encode())
        for key, storage in pickler.storages.items():
            archive.write(f"data/{key}", _view_of(storage))
        archive.write("version", b"3\n")
        archive.close()

    if _is_path(f):
        path = os.fspath(f)
        name = os.path.splitext(os.path.basename(os.fsdecode(path)))[0] or "archive"
        _replace_file(path, lambda file: write(file, name))
    elif hasattr(f, "write"):
        write(f, "archive")
    else:
        raise AttributeError(
            "save: expected 'f' to be string, path, or a file-like object with a 'write' "
            f"attribute, got {type(f).__name__}"
        )


def _is_path(f) -> bool:
    return isinstance(f, (str, bytes, os.PathLike))


def _replace_file(path, write) -> None:
    """Have ``write`` fill a new file next to ``path``, then put it in its place."""
    path = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"save: parent directory {folder} does not exist.")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        # A pipe or a device is written to, not replaced.
        with open(path, "wb") as file:
            write(file)
        return
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


# ---- loading


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
    if mmap and not _is_path(f):
        raise ValueError("load: mmap=True needs a path, since a file object cannot be mapped")
    if _is_path(f):
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
        raise EOFError("load: the file is empty")
    if head == b"PK\x03\x04":
        with _reported(getattr(file, "name", "the file")):
            return _load_archive(_Reader(file, mmap), map_location, encoding)
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
    except (zipfile.BadZipFile, struct.error, EOFError, KeyError, Damaged) as error:
        raise RuntimeError(
            f"load: {name} is truncated or corrupt: {error}. Save it again, or fetch it again."
        ) from error


class _Reader:
    """The entries of an archive, and storages made of them."""

    def __init__(self, file, mmap: bool) -> None:
        self.file = file
        self.zip = zipfile.ZipFile(file)
        self.map = None
        if mmap:
            import mmap as mapping

            self.map = mapping.mmap(file.fileno(), 0, access=mapping.ACCESS_COPY)
        first = next(iter(self.zip.namelist()), "")
        self.name = first.partition("/")[0]
        self.entries = {info.filename: info for info in self.zip.infolist()}

    def entry(self, name: str) -> zipfile.ZipInfo:
        info = self.entries.get(f"{self.name}/{name}")
        if info is None:
            raise Damaged(f"it has no entry {name}")
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

    def storage(self, name: str):
        info = self.entry(name)
        if self.map is not None and info.compress_type == zipfile.ZIP_STORED and info.file_size:
            start = self._start(info)
            if start + info.file_size > len(self.map):
                raise Damaged(f"entry {name} goes past the end")
            return _storage_over(self.map, start, info.file_size)
        storage = _new_storage(info.file_size)
        if info.file_size:
            if info.compress_type == zipfile.ZIP_STORED:
                self._read_into(info, _view_of(storage))
            else:
                _view_of(storage)[:] = self.zip.read(info)
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
        done = 0
        while done < len(view):
            count = _read_some(self.file, view[done:])
            if count == 0:
                raise Damaged(f"entry {info.filename} goes past the end")
            done += count
        # PyTorch can be told to leave checksums out; it then writes 0.
        if info.CRC and zlib.crc32(view) != info.CRC:
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
    swap = order.decode() != sys.byteorder
    storages: dict[str, object] = {}

    def persistent_load(saved_id):
        kind, dtype, key, location, count = _checked_storage_id(saved_id, 5)
        if key not in storages:
            itemsize = 1 if dtype is None else dtype.itemsize
            if _wants_meta(map_location):
                storage = MetaStorage(count * itemsize)
            else:
                storage = reader.storage(f"data/{key}")
                if storage.nbytes() != count * itemsize:
                    raise Damaged(
                        f"storage {key} has {storage.nbytes()} bytes, not {count * itemsize}"
                    )
                if swap and itemsize > 1:
                    storage = _swapped(storage, dtype)
                storage = _restore(storage, location, map_location)
            storages[key] = storage
        return storages[key] if dtype is None else TypedStorage(storages[key], dtype)

    return Unpickler(reader.read("data.pkl"), find_global, persistent_load, encoding).load()


def _checked_storage_id(saved_id, length: int):
    if not isinstance(saved_id, tuple) or len(saved_id) != length or saved_id[0] != "storage":
        raise pickle.UnpicklingError(f"load: unknown reference {saved_id!r}")
    kind, storage, key, location, count = saved_id[:5]
    if not isinstance(storage, StorageKind):
        raise pickle.UnpicklingError(f"load: {storage!r} is not a kind of storage")
    if not isinstance(key, str) or not isinstance(location, str) or not isinstance(count, int):
        raise pickle.UnpicklingError(f"load: unknown reference {saved_id!r}")
    return kind, storage.dtype, key, location, count


def _swapped(storage, dtype):
    """A copy of ``storage`` in the other order of bytes."""
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    source = bytes(_view_of(storage))
    result = _new_storage(len(source))
    view = _view_of(result)
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
    raise RuntimeError(
        f"load: the file holds a tensor of device {location!r}, which is not available here; use "
        "map_location='cpu' to load it to the CPU."
    )


def _restore(storage, location: str, map_location):
    if map_location is None:
        return default_restore_location(storage, location)
    if isinstance(map_location, dict):
        return default_restore_location(storage, map_location.get(location, location))
    if isinstance(map_location, (str, flambeau.device)):
        return default_restore_location(storage, str(map_location))
    moved = map_location(storage, location)
    return default_restore_location(storage, location) if moved is None else moved


def _wants_meta(map_location) -> bool:
    """Whether the bytes need not be read at all."""
    return isinstance(map_location, (str, flambeau.device)) and str(map_location) == "meta"


def _load_legacy(file, map_location, encoding: str):
    """The format before PyTorch 1.6: several pickles, then the bytes of each storage."""
    data = file.read()
    # What the bytes are read into, the dtype, and where the tensors shall have them.
    storages: dict[str, tuple] = {}

    def persistent_load(saved_id):
        kind, dtype, key, location, count = _checked_storage_id(saved_id, 6)
        if saved_id[5] is not None:
            raise NotImplementedError(
                "load: storages that view each other, as PyTorch wrote them before 0.4, are not "
                "supported"
            )
        if key not in storages:
            itemsize = 1 if dtype is None else dtype.itemsize
            if not 0 <= count * itemsize <= len(data):
                raise Damaged(f"storage {key} is larger than the file")
            storage = _new_storage(count * itemsize)
            storages[key] = storage, dtype, _restore(storage, location, map_location)
        placed = storages[key][2]
        return placed if dtype is None else TypedStorage(placed, dtype)

    machine = Unpickler(data, find_global, persistent_load, encoding)
    try:
        magic = machine.load()
    except (RuntimeError, pickle.UnpicklingError) as error:
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
        view = _view_of(storage)
        if count * (1 if dtype is None else dtype.itemsize) != len(view):
            raise Damaged(f"storage {key} does not have {count} elements")
        view[:] = machine.read(len(view))
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
    with open(f, "rb") if _is_path(f) else nullcontext(f) as file, _reported(f):
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
        except pickle.UnpicklingError:
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
