"""List the tensors of a checkpoint: name, shape, dtype and size.

Nothing in the file is executed: a .safetensors file is described by its header alone, and the
pickle in a .pt file is read as a list of tensors and plain values, never run.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SAFETENSORS_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
}  # fmt: skip
LONGEST_HEADER = 100_000_000  # the format's own limit


class Entry(NamedTuple):
    """A tensor of the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int  # in bytes


class Contents(NamedTuple):
    entries: list[Entry]
    others: dict[str, Any]  # what is no tensor


def read(path: Path) -> Contents:
    """What ``path`` holds; ValueError where it is not what it should be."""
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)


def _read_safetensors(path: Path) -> Contents:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        data_size = os.fstat(file.fileno()).st_size - 8 - length
        if data_size < 0 or length > LONGEST_HEADER:
            raise ValueError(f"its header claims {length} bytes, more than there are")
        try:
            header = json.loads(file.read(length))
            others = header.pop("__metadata__", {})
            entries = [_safetensors_entry(name, info) for name, info in header.items()]
            end = max((info["data_offsets"][1] for info in header.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"its header is not that of a safetensors file ({error!r})") from None
    if end > data_size:
        raise ValueError(f"it is cut off: its tensors need {end} bytes, of {data_size} there")
    return Contents(entries, others)


def _safetensors_entry(name: str, info: dict[str, Any]) -> Entry:
    start, end = info["data_offsets"]
    dtype = SAFETENSORS_DTYPES.get(info["dtype"], info["dtype"])
    return Entry(name, tuple(info["shape"]), dtype, end - start)


def _read_checkpoint(path: Path) -> Contents:
    import flambeau
    from flambeau.utils._pytree import tree_leaves_with_path

    contents = Contents([], {})
    for keys, value in tree_leaves_with_path(flambeau.load(path, weights_only=True)):
        name = ".".join(map(_step, keys)) or "(the file itself)"
        if isinstance(value, flambeau.Tensor):
            dtype = str(value.dtype).removeprefix("torch.")
            size = value.numel() * value.element_size()
            contents.entries.append(Entry(name, tuple(value.shape), dtype, size))
        else:
            contents.others[name] = value
    return contents


def _step(key: Any) -> str:
    """A step of a key path as part of a dotted name, as in ``model.0.weight``."""
    return str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name)))


def _lines(contents: Contents) -> Iterator[str]:
    rows = [
        (entry.name, str(list(entry.shape)), entry.dtype, human_size(entry.size))
        for entry in contents.entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, shape, dtype, size = (
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        )
        yield f"{name}  {shape}  {dtype}  {size}".rstrip()
    for name, value in contents.others.items():
        text = repr(value)
        yield f"{name} = {text if len(text) <= 60 else text[:57] + '...'}"
    numbers = sum(math.prod(entry.shape) for entry in contents.entries)
    total = human_size(sum(entry.size for entry in contents.entries))
    yield f"{len(rows)} tensor{'s' * (len(rows) != 1)}, {numbers:,} numbers, {total}"


def human_size(size: int) -> str:
    amount, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="flambeau inspect", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a .pt or .safetensors file")
    path = parser.parse_args(arguments).file
    try:
        contents = read(path)
    except Exception as error:
        # Whatever a broken file makes a reader say is the answer to the question that was asked.
        print(f"flambeau inspect: cannot read {path}: {error}", file=sys.stderr)
        return 1
    print("\n".join(_lines(contents)))
    return 0
