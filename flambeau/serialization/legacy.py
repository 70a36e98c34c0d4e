"""Files of PyTorch before 1.6: several pickles and the bytes of each storage behind them; and those
of its first versions, a tar archive with a file of storages, one of tensors, and a pickle."""

from __future__ import annotations

import struct
import sys
import tarfile

import flambeau

from . import options
from .errors import CheckpointError, Damaged, Passed, short
from .limits import sizes
from .locations import restore
from .rebuild import Lost, MetaStorage, StorageType, TypedStorage, tensor_v1
from .storages import new_storage, storage_over, swapped, view_of
from .unpickler import Unpickler

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


def load(file, map_location, encoding: str, find, losses):
    start = file.tell()
    data = file.read()
    if data[257:262] == b"ustar":
        return _load_tar(data, map_location, encoding, find)
    result, end = _load_pickles(data, map_location, encoding, find, losses)
    file.seek(start + end)
    return result


def _itemsize(dtype) -> int:
    return 1 if dtype is None else dtype.itemsize


# ---- several pickles


def _load_pickles(data: bytes, map_location, encoding: str, find, losses):
    from .reader import checked_storage_id

    # What the bytes are read into, the dtype, and where the tensors shall have them.
    storages: dict[str, tuple] = {}
    views: dict[str, object] = {}
    left = len(data)

    def persistent_load(saved_id):
        nonlocal left
        if type(saved_id) is tuple and len(saved_id) == 4 and saved_id[0] == "module":
            return saved_id[1]  # a class, its file and its source as it was
        kind, dtype, key, location, count = checked_storage_id(saved_id, 6)
        if key not in storages:
            nbytes = count * _itemsize(dtype)
            if key in losses.storages:
                storages[key] = None, dtype, Lost(nbytes, key)
            else:
                left -= nbytes
                if left < 0:
                    raise Damaged(f"storage {key} is larger than the file")
                storage = new_storage(nbytes)
                storages[key] = storage, dtype, restore(storage, location, map_location)
        placed = storages[key][2]
        if saved_id[5] is not None:
            placed = _view(views, placed, dtype, saved_id[5])
        return placed if dtype is None else TypedStorage(placed, dtype)

    machine = Unpickler(data, find, persistent_load, encoding)
    try:
        magic = machine.load()
    except (Damaged, CheckpointError) as error:
        raise Damaged("it is neither a zip file nor a pickle") from error
    if magic != MAGIC_NUMBER:
        raise Damaged("it does not start like a file of torch.save")
    version, system = machine.load(), machine.load()
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"load: protocol version {version} is not supported")
    swap = system.get("little_endian") != (sys.byteorder == "little")
    result = machine.load()
    keys = machine.load()
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise Damaged("its list of storages is none")
    for place, key in enumerate(keys):
        if key not in storages:
            raise Damaged(f"nothing uses storage {key}")
        storage, dtype, _ = storages[key]
        if storage is None:
            continue
        if options.thread.skip_data:
            break
        view = view_of(storage)
        if machine.position + 8 + len(view) > len(data):
            # Once more, with these known to be lost before tensors are made of them.
            for lost in keys[place:]:
                losses.storages[lost] = "the file ends before its bytes do"
            return _load_pickles(data, map_location, encoding, find, losses)
        (count,) = struct.unpack("<q", machine.read(8))
        if count * _itemsize(dtype) != len(view):
            raise Damaged(f"storage {key} does not have {count} elements")
        view[:] = machine.read(len(view))
        if swap and _itemsize(dtype) > 1:
            view[:] = view_of(swapped(storage, dtype))
    return result, machine.position


def _view(views: dict, storage, dtype, metadata):
    """A storage inside of another one, as PyTorch wrote them before 0.4."""
    if type(metadata) is not tuple or len(metadata) != 3:
        raise Damaged(f"a storage views another by {short(metadata)}")
    key, offset, count = metadata
    if type(key) is not str or type(offset) is not int or type(count) is not int:
        raise Damaged(f"a storage views another by {short(metadata)}")
    if key not in views:
        views[key] = _part(storage, offset * _itemsize(dtype), count * _itemsize(dtype))
    return views[key]


def _part(storage, offset: int, nbytes: int):
    if min(offset, nbytes) < 0 or offset + nbytes > storage.nbytes():
        raise Damaged("a storage goes past the end of the one that it is in")
    if isinstance(storage, Lost):
        return storage
    if isinstance(storage, MetaStorage):
        return MetaStorage(nbytes)
    if storage.device.type != "cpu":
        raise Passed(
            RuntimeError(
                "load: the file has storages inside of others, as PyTorch wrote them before 0.4; "
                "give map_location='cpu', and move the tensors then"
            )
        )
    return storage_over(view_of(storage), offset, nbytes) if nbytes else new_storage(0)


# ---- a tar archive


def _load_tar(data: bytes, map_location, encoding: str, find):
    parts = _members(data)
    made = _tar_storages(parts["storages"], map_location, encoding, find)
    _tar_tensors(parts["tensors"], made, encoding, find)

    def persistent_load(saved_id):
        if type(saved_id) is tuple and len(saved_id) == 3:
            return saved_id[0]  # a class, its file and its source as it was
        return _known(made, int(saved_id) if type(saved_id) is str else saved_id)

    return Unpickler(parts["pickle"], find, persistent_load, encoding).load()


def _members(data: bytes) -> dict[str, bytes]:
    import io

    parts: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                if member.isreg() and member.name in ("storages", "tensors", "pickle"):
                    if member.size > len(data):
                        raise Damaged(f"{member.name} goes past the end")
                    file = archive.extractfile(member)
                    parts[member.name] = file.read() if file else b""
    except tarfile.TarError as error:
        raise Damaged(f"it is no whole tar archive: {error}") from error
    missing = {"storages", "tensors", "pickle"} - parts.keys()
    if missing:
        raise Damaged(f"it is a tar archive without {sorted(missing)}")
    return parts


def _known(made: dict, key):
    if type(key) is not int or key not in made:
        raise Damaged(f"there is no tensor {short(key)}")
    return made[key]


def _tar_storages(data: bytes, map_location, encoding: str, find) -> dict:
    machine = Unpickler(data, find, None, encoding)
    made: dict = {}
    for _ in range(_count(machine)):
        key, location, kind = _record(machine, 3)
        if not isinstance(kind, StorageType) or type(location) is not str or type(key) is not int:
            raise Damaged(f"a storage is {short((key, location, kind))}")
        (count,) = struct.unpack("<q", machine.read(8))
        storage = new_storage(0)
        raw = machine.read(count * _itemsize(kind.dtype))
        if raw:
            storage = new_storage(len(raw))
            view_of(storage)[:] = raw
        made[key] = TypedStorage(restore(storage, location, map_location), kind.dtype)
    views = machine.load()
    if type(views) is not list:
        raise Damaged(f"its views are {short(views)}")
    for view in views:
        if type(view) is not tuple or len(view) != 4 or any(type(n) is not int for n in view):
            raise Damaged(f"a storage views another by {short(view)}")
        key, root, offset, count = view
        whole = _known(made, root)
        if not isinstance(whole, TypedStorage):
            raise Damaged(f"there is no storage {root}")
        size = _itemsize(whole.dtype)
        part = _part(whole.untyped, offset * size, count * size)
        made[key] = TypedStorage(part, whole.dtype)
    return made


def _tar_tensors(data: bytes, made: dict, encoding: str, find) -> None:
    def find_kind(module: str, name: str):
        if module in ("torch", "torch.cuda") and name.endswith("Tensor"):
            return flambeau.Tensor  # the type of its elements, which the storage has too
        return find(module, name)

    machine = Unpickler(data, find_kind, None, encoding)
    for _ in range(_count(machine)):
        key, storage, _ = _record(machine, 3)
        if type(key) is not int:
            raise Damaged(f"a tensor has the key {short(key)}")
        (dims,) = struct.unpack("<i", machine.read(4))
        machine.read(4)  # the number was written as one of 64 bits
        if not 0 <= dims <= 64:
            raise Damaged(f"a tensor has {dims} dimensions")
        size = struct.unpack(f"<{dims}q", machine.read(8 * dims))
        stride = struct.unpack(f"<{dims}q", machine.read(8 * dims))
        (offset,) = struct.unpack("<q", machine.read(8))
        # One without a storage has no elements.
        if storage is None:
            made[key] = flambeau.empty(0)
        else:
            made[key] = tensor_v1(_known(made, storage), offset, sizes(size), sizes(stride))


def _count(machine: Unpickler) -> int:
    count = machine.load()
    if type(count) is not int or not 0 <= count <= len(machine.data):
        raise Damaged(f"it claims {short(count)} entries")
    return count


def _record(machine: Unpickler, length: int) -> tuple:
    record = machine.load()
    if type(record) is not tuple or len(record) != length:
        raise Damaged(f"{short(record)} is no entry of {length}")
    return record
