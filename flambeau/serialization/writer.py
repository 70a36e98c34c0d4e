"""`save`: objects to files."""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import sys
from collections import OrderedDict
from contextlib import suppress

import flambeau
from flambeau._tensor import whole_storage

from . import options
from .archive import Archive
from .legacy import MAGIC_NUMBER, PROTOCOL_VERSION
from .locations import location_tag
from .names import is_dtype, name_in_files
from .rebuild import TYPED_STORAGES, TypedStorage
from .storages import is_path, view_of

DEFAULT_PROTOCOL = 2
_PLAIN = (type(None), bool, int, float, str, bytes, tuple, list, dict)


def _dtype_name(dtype) -> str:
    return str(dtype).rpartition(".")[2]


def _check_loadable(dtype) -> None:
    if not is_dtype(_dtype_name(dtype)):
        raise TypeError(f"save: {dtype} cannot be loaded again: files have no name for it")


class _Pickler(pickle._Pickler):  # type: ignore[misc, name-defined]
    """Pickles with tensors taken apart into names that PyTorch knows. The bytes of storages are
    kept aside in ``storages``, by the key under which the pickle names them.

    The interpreter's own C pickler insists on importing what it names, and what is named here,
    ``torch``, need not exist; hence the one written in Python.
    """

    def __init__(self, file, protocol: int, legacy: bool = False) -> None:
        super().__init__(file, protocol)
        self._legacy = legacy
        self.storages: dict[str, object] = {}
        self._keys: dict[object, str] = {}
        self._dtypes: dict[str, object] = {}

    def save(self, obj, save_persistent_id=True):
        # A state has many more plain values than tensors; none of them is looked at below.
        kind = type(obj)
        if kind in _PLAIN or kind is _Name:
            self.framer.commit_frame()
            known = self.memo.get(id(obj))
            if known is not None:
                self.write(self.get(known[0]))
            elif kind is _Name:
                self.save_global(obj)
            else:
                self.dispatch[kind](self, obj)
        else:
            super().save(obj, save_persistent_id)

    def itemsize(self, key: str) -> int:
        dtype = self._dtypes[key]
        return 1 if dtype is None else dtype.itemsize

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
        location = sys.intern(location_tag(storage))
        reference = ("storage", kind, key, location, storage.nbytes() // itemsize)
        return (*reference, None) if self._legacy else reference

    def reducer_override(self, obj):
        if isinstance(obj, flambeau.Tensor):
            return _reduce_tensor(obj)
        if isinstance(obj, flambeau.dtype):
            _check_loadable(obj)
        if isinstance(obj, (flambeau.dtype, flambeau.memory_format)):
            return _dtype_name(obj)
        if isinstance(obj, flambeau.layout):
            return _Name("torch.serialization", "_get_layout"), (f"torch.{_dtype_name(obj)}",)
        if isinstance(obj, flambeau.Size):
            return _Name("torch", "Size"), (tuple(obj),)
        if isinstance(obj, flambeau.device):
            index = () if obj.index is None else (obj.index,)
            return _Name("torch", "device"), (obj.type, *index)
        if isinstance(obj, flambeau.Generator):
            raise TypeError(
                "save: a Generator cannot be loaded again; save its get_state(), and give that to "
                "set_state() of another one"
            )
        if isinstance(obj, tuple) and type(obj).__module__ == "flambeau.return_types":
            return _Name("torch.return_types", type(obj).__name__), (tuple(obj),)
        if type(obj) is type(flambeau.relu):
            return obj.__name__
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
            if module == "torch" and getattr(flambeau.nn.functional, name, None) is obj:
                module = "torch.nn.functional"
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
    from flambeau.nn.parameter import Parameter

    state = getattr(tensor, "__dict__", None)
    kind = type(tensor)
    if issubclass(kind, Parameter):
        args = (tensor.detach(), tensor.requires_grad, OrderedDict())
        if state:
            return _utils("_rebuild_parameter_with_state"), (*args, state)
        return _utils("_rebuild_parameter"), args
    if tensor._backward_hooks:
        from flambeau.utils.hooks import warn_if_has_hooks

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
    _check_loadable(tensor.dtype)
    typed = _dtype_name(tensor.dtype) in TYPED_STORAGES
    storage = TypedStorage(whole_storage(tensor), tensor.dtype if typed else None)
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
    file or the new one, and a crash, a kill or a full disk leaves the old one. The bytes of each
    tensor have a checksum, which `load` compares.

    Args:
        obj: tensors, parameters, and containers of them; other objects are written by reference
            to their class: ``load(weights_only=False)`` makes modules and objects of the program's
            own classes.
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
    legacy = not _use_new_zipfile_serialization
    data = io.BytesIO()
    pickler = _Pickler(data, pickle_protocol, legacy)
    pickler.dump(obj)

    def write(file, name: str) -> None:
        if legacy:
            _write_legacy(file, data, pickler)
        else:
            _write_archive(file, name, data, pickler, not _disable_byteorder_record)

    if is_path(f):
        path = os.fspath(f)
        name = os.path.splitext(os.path.basename(os.fsdecode(path)))[0] or "archive"
        replace_file(path, lambda file: write(file, name))
    elif hasattr(f, "write"):
        write(f, "archive")
    else:
        raise AttributeError(
            "save: expected 'f' to be string, path, or a file-like object with a 'write' "
            f"attribute, got {type(f).__name__}"
        )


def _write_archive(file, name: str, data, pickler, byteorder: bool) -> None:
    alignment = options.save.storage_alignment
    with Archive(file, name, alignment, options.save.compute_crc32) as archive:
        archive.write("data.pkl", data.getvalue())
        archive.write(".format_version", b"1")
        archive.write(".storage_alignment", str(alignment).encode())
        if byteorder:
            archive.write("byteorder", sys.byteorder.encode())
        for key, storage in pickler.storages.items():
            archive.write(f"data/{key}", _bytes_of(storage))
        archive.write("version", b"3\n")


def _bytes_of(storage):
    return bytes(storage.nbytes()) if options.thread.skip_data else view_of(storage.cpu())


def _write_legacy(file, data, pickler) -> None:
    """The format before PyTorch 1.6; see `legacy`."""
    protocol = pickler.proto
    system = {
        "protocol_version": PROTOCOL_VERSION,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    for value in (MAGIC_NUMBER, PROTOCOL_VERSION, system):
        file.write(pickle.dumps(value, protocol))
    file.write(data.getvalue())
    keys = sorted(pickler.storages)
    file.write(pickle.dumps(keys, protocol))
    for key in keys:
        count = pickler.storages[key].nbytes() // pickler.itemsize(key)
        file.write(struct.pack("<q", count))
        file.write(_bytes_of(pickler.storages[key]))
    if hasattr(file, "flush"):
        file.flush()


def replace_file(path, write) -> None:
    """Have ``write`` fill a new file next to ``path``, then put it in its place.

    Note [A file at once]: the new file has no name until it is whole and on the disk, where the
    system can do that (Linux): a process that is killed leaves nothing behind. Then it takes the
    place of the old one in one step, and the folder, which says so, goes to the disk too.
    """
    path = os.path.realpath(os.fsdecode(path))
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"save: parent directory {folder} does not exist.")
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        # A pipe or a device is written to, not replaced.
        with open(path, "wb") as file:
            write(file)
        return
    with _Folder(folder) as place:
        try:
            _fill_and_replace(path, write, place, nameless=True)
        except _NoNamelessFiles:
            _fill_and_replace(path, write, place, nameless=False)
        place.sync()


class _NoNamelessFiles(Exception):
    """This system or file system has no files without names, or cannot give them one."""


class _Folder:
    """A folder that is open, where folders can be opened and this one be read."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.handle: int | None = os.open(path, os.O_RDONLY)
        except OSError:
            self.handle = None

    def sync(self) -> None:
        """Have the disk know the names in it."""
        if self.handle is not None:
            with suppress(OSError):  # file systems that cannot; the file itself is there and whole
                os.fsync(self.handle)

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *error) -> None:
        if self.handle is not None:
            os.close(self.handle)


def _fill_and_replace(path: str, write, place: _Folder, nameless: bool) -> None:
    name = f".{os.path.basename(path)}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    temporary = os.path.join(place.path, name)
    opened = _open_nameless(place) if nameless else open(temporary, "xb")
    try:
        with opened as file:
            write(file)
            file.flush()
            with suppress(FileNotFoundError):
                os.chmod(file.fileno(), stat.S_IMODE(os.stat(path).st_mode))
            os.fsync(file.fileno())
            if nameless:
                _name(file, temporary, place)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _open_nameless(place: _Folder):
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or place.handle is None or not os.path.isdir("/proc/self/fd"):
        raise _NoNamelessFiles
    try:
        return open(os.open(place.path, flag | os.O_WRONLY | os.O_CLOEXEC, 0o666), "wb")
    except OSError as error:  # any other reason holds for a file with a name, too
        raise _NoNamelessFiles from error


def _name(file, path: str, place: _Folder) -> None:
    try:
        # The folder is named, though both paths are whole, so that the link in /proc is followed.
        source = f"/proc/self/fd/{file.fileno()}"
        os.link(source, path, src_dir_fd=place.handle, follow_symlinks=True)
    except OSError as error:
        raise _NoNamelessFiles from error
