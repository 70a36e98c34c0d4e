"""List the tensors of a checkpoint: name, shape, dtype and size, or how each is damaged.

Nothing in the file is executed: a .safetensors file is described by its header alone, and the
pickle in a .pt file is read as a list of tensors and plain values, never run.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """A tensor of the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int  # in bytes


class Contents(NamedTuple):
    entries: list[Entry]
    others: dict[str, Any]  # what is no tensor
    damaged: dict[str, str]  # what is wrong, by the name of the tensor


def read(path: Path) -> Contents:
    """What ``path`` holds; ValueError where it is not what it should be."""
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)


def _read_safetensors(path: Path) -> Contents:
    import flambeau
    from flambeau.serialization import safetensors, safetensors_header

    header = safetensors_header(path)
    entries = []
    for name, info in header.tensors.items():
        ours = str(safetensors.DTYPES[info.dtype][0])
        dtype = ours if hasattr(flambeau, ours) else info.dtype
        entries.append(Entry(name, info.shape, dtype, info.nbytes))
    return Contents(entries, dict(header.metadata), {})


def _read_checkpoint(path: Path) -> Contents:
    import flambeau
    from flambeau.serialization import salvage
    from flambeau.utils._pytree import tree_leaves_with_path

    whole, damaged = salvage(path, weights_only=True)
    contents = Contents([], {}, damaged)
    for keys, value in tree_leaves_with_path(whole):
        name = ".".join(map(_step, keys)) or "(the file itself)"
        if name in damaged:
            continue
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
    for name, why in contents.damaged.items():
        yield f"{name}  damaged: {why}"
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
    return 1 if contents.damaged else 0
