"""`save`: objects to files."""

from __future__ import annotations

import io
import os
import pickle
import stat
import sys
from collections import OrderedDict
from contextlib import suppress

import flambeau
from flambeau._tensor import compressed_parts, whole_storage

from .archive import ALIGNMENT, Archive
from .names import is_dtype, name_in_files
from .rebuild import TYPED_STORAGES, TypedStorage
from .storages import is_path, view_of

DEFAULT_PROTOCOL = 2


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
    if tensor.layout == flambeau.sparse_coo:
        parts = (tensor._indices(), tensor._values(), tensor.size(), tensor.is_coalesced())
        return _utils("_rebuild_sparse_tensor"), (tensor.layout, parts)
    if tensor.layout in (flambeau.sparse_csr, flambeau.sparse_csc):
        parts = (*compressed_parts(tensor), tensor.size())
        return _utils("_rebuild_sparse_tensor"), (tensor.layout, parts)
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
        with Archive(file, name) as archive:
            archive.write("data.pkl", data.getvalue())
            archive.write(".format_version", b"1")
            archive.write(".storage_alignment", str(ALIGNMENT).encode())
            if not _disable_byteorder_record:
                archive.write("byteorder", sys.byteorder.encode())
            for key, storage in pickler.storages.items():
                archive.write(f"data/{key}", view_of(storage.cpu()))
            archive.write("version", b"3\n")

    if is_path(f):
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
