"""The safetensors format: a header of JSON that says where each tensor is, then their bytes.

    8 bytes                  the length of the header, little endian
    {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {...}}
    bytes                    of all tensors, one after the other, little endian

A header is believed only as a whole: offsets that overlap, leave a hole or end elsewhere than the
file, sizes that are not those of dtype and shape, names that occur twice, and anything that is not
of this form are refused before a tensor is made.
"""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import nullcontext
from typing import NamedTuple

import flambeau

from .archive_reader import mapping, open_to_map, read_fully
from .errors import CheckpointError, Damaged, EmptyFileError, Passed, short
from .locations import restore, wants_meta
from .rebuild import MetaStorage, tensor_v3
from .storages import is_path, new_storage, storage_over, swapped, view_of

LONGEST_HEADER = 100_000_000  # the format's own limit
METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_MOST_DIMENSIONS = 64

# The names of dtypes in files: ours, and how many bits an element has.
DTYPES: dict[str, tuple[str | None, int]] = {
    "BOOL": ("bool", 8),
    "F4": ("float4_e2m1fn_x2", 4),
    "F6_E2M3": (None, 6),
    "F6_E3M2": (None, 6),
    "U8": ("uint8", 8),
    "I8": ("int8", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "I16": ("int16", 16),
    "U16": ("uint16", 16),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "I32": ("int32", 32),
    "U32": ("uint32", 32),
    "F32": ("float32", 32),
    "C64": ("complex64", 64),
    "F64": ("float64", 64),
    "I64": ("int64", 64),
    "U64": ("uint64", 64),
}
_NAMES = {ours: name for name, (ours, _) in DTYPES.items() if ours is not None}


class TensorInfo(NamedTuple):
    """What the header of a safetensors file says of a tensor."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def nbytes(self) -> int:
        """How many bytes its elements have."""
        return self.end - self.start


class SafetensorsHeader(NamedTuple):
    """The header of a safetensors file."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    begin: int
    """Where in the file the bytes of the tensors begin."""


# ---- the header


def starts_like_one(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be in this format."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= LONGEST_HEADER and head[8:9] == b"{"


def _pairs(pairs: list) -> dict:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Damaged("a name occurs twice in its header")
    if made.keys() == _FIELDS:
        return made
    kinds = set(map(type, made.values()))
    if not (kinds <= {str} or kinds <= {dict}):
        raise Damaged(f"its header is not that of a safetensors file: {short(made)} is no tensor")
    return made


def _no_number(text: str):
    raise Damaged(f"its header has the number {short(text)}, which is no size")


def _parsed(data: bytes) -> dict:
    try:
        header = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_pairs,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError) as error:
        raise Damaged(
            f"its header is not that of a safetensors file: {str(error)[:200]}"
        ) from error
    if type(header) is not dict:
        raise Damaged("its header is not that of a safetensors file: it is no dictionary")
    return header


def _info(name: str, entry) -> TensorInfo:
    what = f"tensor {short(name)} in its header"
    if type(entry) is not dict or entry.keys() != _FIELDS:
        raise Damaged(f"{what} is {short(entry)}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if type(dtype) is not str or dtype not in DTYPES:
        raise Damaged(f"{what} has the unknown dtype {short(dtype)}")
    for numbers in (shape, offsets):
        whole = type(numbers) is list and len(numbers) <= _MOST_DIMENSIONS
        if not whole or not all(type(n) is int and 0 <= n < 1 << 63 for n in numbers):
            raise Damaged(f"{what} has shape {short(shape)}, offsets {short(offsets)}")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise Damaged(f"{what} has the offsets {short(offsets)}")
    if math.prod(shape) * DTYPES[dtype][1] != 8 * (offsets[1] - offsets[0]):
        raise Damaged(
            f"{what} has {offsets[1] - offsets[0]} bytes, which are not those of {dtype} of shape "
            f"{short(shape)}"
        )
    return TensorInfo(dtype, tuple(shape), *offsets)


def _header(file) -> SafetensorsHeader:
    start = file.tell()
    size = file.seek(0, 2) - start
    file.seek(start)
    if size == 0:
        raise EmptyFileError("load_safetensors: the file is empty")
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > size - 8:
        raise Damaged(f"its header claims {length} bytes, more than there are")
    if length > LONGEST_HEADER:
        raise Damaged(f"its header claims {length} bytes, more than {LONGEST_HEADER}")
    header = _parsed(file.read(length))
    metadata = header.pop(METADATA, {})
    if type(metadata) is not dict or not all(type(v) is str for v in metadata.values()):
        raise Damaged("the metadata in its header are no texts")
    tensors = {name: _info(name, entry) for name, entry in header.items()}
    end = 0
    for name, info in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if info.start != end:
            wrong = "overlaps another one" if info.start < end else "comes after a hole"
            raise Damaged(f"tensor {short(name)} in its header {wrong}")
        end = info.end
    if end != size - 8 - length:
        raise Damaged(f"its tensors need {end} bytes, of {size - 8 - length} there")
    return SafetensorsHeader(tensors, metadata, start + 8 + length)


class _reported:
    """Damage as one kind of error that names the file."""

    def __init__(self, f, function: str) -> None:
        self.name = f if is_path(f) else getattr(f, "name", "the file")
        self.function = function

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, _) -> None:
        if isinstance(error, Passed):
            raise error.error from None
        if isinstance(error, Damaged):
            raise CheckpointError(
                f"{self.function}: {self.name} is no whole safetensors file: {str(error)[:2000]}"
            ) from error


def _opened(f, function: str, mmap: bool = False):
    if is_path(f):
        return open_to_map(f) if mmap else open(f, "rb")
    if not hasattr(f, "read") or not hasattr(f, "seek"):
        raise TypeError(
            f"{function}: expected a path or a file with read and seek, got {type(f).__name__}"
        )
    return nullcontext(f)


# ---- reading


def safetensors_header(f) -> SafetensorsHeader:
    """What a safetensors file holds: its header, and none of its tensors.

    Args:
        f: a path, or an object with ``read`` and ``seek``.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save_safetensors({"a": flambeau.ones(2, 3)}, buffer, {"made by": "me"})
        >>> _ = buffer.seek(0)
        >>> header = safetensors_header(buffer)
        >>> header.tensors["a"].shape, header.tensors["a"].dtype, header.metadata
        ((2, 3), 'F32', {'made by': 'me'})
    """
    with _opened(f, "safetensors_header") as file, _reported(f, "safetensors_header"):
        return _header(file)


def load_safetensors(f, *, map_location=None, mmap: bool = False, names=None) -> dict:
    """The tensors of a safetensors file, by name. `load` reads such files, too.

    Args:
        f: a path, or an object with ``read`` and ``seek``.
        map_location: as in `load`.
        mmap: map the file into memory and read tensors only when they are touched; changes stay in
            memory. Needs a path. Tensors that are not aligned in the file are read at once.
        names: only these tensors; None: all.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save_safetensors({"a": flambeau.arange(3)}, buffer)
        >>> _ = buffer.seek(0)
        >>> load_safetensors(buffer)
        {'a': tensor([0, 1, 2])}
    """
    if mmap and not is_path(f):
        raise ValueError("load_safetensors: mmap=True needs a path")
    with _opened(f, "load_safetensors", mmap) as file, _reported(f, "load_safetensors"):
        return read(file, map_location, mmap, names)


def read(file, map_location=None, mmap: bool = False, names=None) -> dict:
    """`load_safetensors` of an open file; `Damaged` tells what is wrong with it."""
    header = _header(file)
    chosen = header.tensors if names is None else _chosen(header, names)
    view = mapping(file) if mmap else None
    return {name: _tensor(file, header, name, map_location, view) for name in chosen}


def _chosen(header: SafetensorsHeader, names) -> list[str]:
    chosen = [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in header.tensors:
            raise Passed(KeyError(f"load_safetensors: the file has no tensor {name!r}"))
    return chosen


def _tensor(file, header: SafetensorsHeader, name: str, map_location, view):
    info = header.tensors[name]
    ours = DTYPES[info.dtype][0]
    dtype = getattr(flambeau, ours, None) if ours is not None else None
    if dtype is None:
        raise NotImplementedError(
            f"load_safetensors: tensor {name!r} has dtype {info.dtype}, and there are no tensors "
            "of it; names= reads the others"
        )
    shape = list(info.shape)
    if info.dtype == "F4":
        if not shape or shape[-1] % 2:
            raise Damaged(f"tensor {short(name)} has an odd number of halves of bytes in a row")
        shape[-1] //= 2
    if wants_meta(map_location):
        storage = MetaStorage(info.nbytes)
    else:
        at = header.begin + info.start
        if view is not None and info.nbytes and at % dtype.itemsize == 0:
            storage = storage_over(view, at, info.nbytes)
        else:
            storage = new_storage(info.nbytes)
            file.seek(at)
            if info.nbytes and read_fully(file, view_of(storage)) < info.nbytes:
                raise Damaged(f"the file ends within tensor {short(name)}")
        if sys.byteorder == "big" and dtype.itemsize > 1:
            storage = swapped(storage, dtype)
        storage = restore(storage, "cpu", map_location)
    strides = [math.prod(max(n, 1) for n in shape[i + 1 :]) for i in range(len(shape))]
    return tensor_v3(storage, 0, shape, strides, False, None, dtype)


# ---- writing


def save_safetensors(tensors: dict, f, metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a safetensors file, which many programs read.

    A path is replaced as by `save`, only once the file is complete and on the disk. The format has
    names, shapes and elements: strides, shared memory, ``requires_grad`` and devices are not kept.

    Args:
        tensors: tensors by name, as in ``model.state_dict()``.
        f: a path, or an object with ``write``.
        metadata: texts by name.

    Example::

        >>> import io
        >>> buffer = io.BytesIO()
        >>> save_safetensors({"weight": flambeau.ones(2)}, buffer, {"epoch": "3"})
        >>> len(buffer.getvalue())
        120
    """
    from .writer import replace_file

    _check_metadata(metadata)
    # The widest first, so that each is aligned to its elements.
    order = sorted(_checked(tensors).items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: dict[str, dict] = {} if metadata is None else {METADATA: dict(metadata)}
    end = 0
    for name, tensor in order:
        start, end = end, end + tensor.numel() * tensor.element_size()
        dtype = _NAMES[str(tensor.dtype).rpartition(".")[2]]
        shape = list(tensor.shape)
        if dtype == "F4":
            shape[-1] *= 2
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    data = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-len(data) % 8)
    if len(data) > LONGEST_HEADER:
        raise ValueError(
            f"save_safetensors: the names, shapes and metadata have {len(data)} bytes, more than "
            f"the format's {LONGEST_HEADER}"
        )

    def write(file) -> None:
        file.write(len(data).to_bytes(8, "little") + data)
        for _, tensor in order:
            if tensor.numel():
                file.write(_elements(tensor))
        if hasattr(file, "flush"):
            file.flush()

    if is_path(f):
        replace_file(os.fspath(f), write)
    elif hasattr(f, "write"):
        write(f)
    else:
        raise TypeError(
            f"save_safetensors: expected a path or a file with write, got {type(f).__name__}"
        )


def _check_metadata(metadata) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for pair in metadata.items() for text in pair
    ):
        raise TypeError("save_safetensors: metadata are texts by name, dict[str, str]")


def _checked(tensors) -> dict:
    if not isinstance(tensors, dict):
        raise TypeError(
            f"save_safetensors: expected a dictionary of tensors, got {type(tensors).__name__}"
        )
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == METADATA:
            raise TypeError(f"save_safetensors: {name!r} cannot be the name of a tensor")
        if not isinstance(tensor, flambeau.Tensor):
            raise TypeError(
                f"save_safetensors: {name!r} is a {type(tensor).__name__}, and the format has only "
                "tensors; save() writes other values"
            )
        if tensor.layout != flambeau.strided or tensor.is_meta:
            raise TypeError(
                f"save_safetensors: {name!r} is a tensor of layout {tensor.layout} on "
                f"{tensor.device}, which the format has no place for"
            )
        dtype = str(tensor.dtype).rpartition(".")[2]
        if dtype not in _NAMES or (dtype == "float4_e2m1fn_x2" and tensor.dim() == 0):
            raise TypeError(
                f"save_safetensors: {name!r} is a tensor of {tensor.dtype}, for which the format "
                "has no name; convert it to another dtype"
            )
    return tensors


def _elements(tensor) -> memoryview:
    """The bytes of a tensor's elements, one after the other."""
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    storage = plain.untyped_storage()
    if sys.byteorder == "big" and plain.dtype.itemsize > 1:
        storage = swapped(storage, plain.dtype)
    start = plain.storage_offset() * plain.element_size()
    return view_of(storage)[start : start + plain.numel() * plain.element_size()]
