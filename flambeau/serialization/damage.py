"""Which tensors a damaged file loses, by the names that they have in its object."""

from __future__ import annotations

from .errors import DamagedTensorsError
from .rebuild import Lost, TypedStorage
from .storages import is_path

_TOLD = 5  # how many of the damaged tensors an error names
_DEEP = 100  # how deep tuples are made again to take a damaged tensor out


class Losses:
    """What turned out to be damaged while a file was read."""

    def __init__(self, f) -> None:
        self.file = f
        self.storages: dict[str, str] = {}  # what is wrong, by the key of the storage
        self.table: str | None = None  # what is wrong with the table at the end of an archive

    def check(self, result) -> None:
        """Raises if anything is lost."""
        if not self.storages and self.table is None:
            return
        tensors = {name: self.storages[lost.key] for name, lost in _lost_in(result)}
        name = self.file if is_path(self.file) else getattr(self.file, "name", "the file")
        what = [f"tensor {tensor} is damaged: {why}" for tensor, why in tensors.items()]
        if len(what) > _TOLD:
            what = [*what[:_TOLD], f"and {len(what) - _TOLD} more"]
        if self.table is not None:
            what.insert(0, f"its table of contents: {self.table}")
        if not tensors:
            what += [f"storage {key} is damaged: {why}" for key, why in self.storages.items()]
        raise DamagedTensorsError(
            f"load: {name} is truncated or corrupt: {'; '.join(what)}. "
            "flambeau.serialization.salvage(file) reads the others.",
            tensors,
        )

    def removed_from(self, result) -> tuple:
        """``result`` with None for what is lost, and what that was, by name."""
        tensors = {name: self.storages[lost.key] for name, lost in _lost_in(result)}
        return _without_lost(result), tensors


def _lost_in(result) -> list[tuple[str, Lost]]:
    """The lost tensors of an object, with their names, in order."""
    found, seen = [], set()
    todo = [("", result)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, TypedStorage):
            value = value.untyped
        if isinstance(value, Lost):
            found.append((name or "(the file itself)", value))
            continue
        parts = _parts_of(value)
        if parts and id(value) not in seen:
            seen.add(id(value))
            front = f"{name}." if name else ""
            todo.extend((f"{front}{key}", part) for key, part in reversed(parts))
    return found


def _parts_of(value) -> list[tuple]:
    if isinstance(value, dict):
        parts = [(k, v) for k, v in dict.items(value) if _may_have_parts(v)]
    elif isinstance(value, (list, tuple)):
        items = (list if isinstance(value, list) else tuple).__iter__(value)
        parts = [(i, v) for i, v in enumerate(items) if _may_have_parts(v)]
    else:
        parts = []
    own = getattr(type(value), "__dictoffset__", 0) and getattr(value, "__dict__", None)
    if type(own) is dict:
        # The tensors of a module are named as in its state_dict().
        for key, part in own.items():
            if key in ("_parameters", "_buffers", "_modules") and isinstance(part, dict):
                parts += [(k, v) for k, v in dict.items(part) if _may_have_parts(v)]
            elif _may_have_parts(part):
                parts.append((key, part))
    return parts


def _may_have_parts(value) -> bool:
    return not isinstance(value, (str, int, float, bytes, type(None), type))


def _without_lost(result):
    """The object itself, changed; tuples are made again."""
    seen: set[int] = set()
    todo: list = []

    def whole(value, deep: int = 0):
        if isinstance(value, Lost) or (
            isinstance(value, TypedStorage) and isinstance(value.untyped, Lost)
        ):
            return None
        if isinstance(value, tuple) and deep < _DEEP:
            parts = [whole(part, deep + 1) for part in tuple.__iter__(value)]
            if any(a is not b for a, b in zip(parts, tuple.__iter__(value))):
                return tuple.__new__(type(value), parts)
            return value
        if id(value) not in seen and _may_have_parts(value):
            seen.add(id(value))
            todo.append(value)
        return value

    result = whole(result)
    while todo:
        value = todo.pop()
        own = getattr(type(value), "__dictoffset__", 0) and getattr(value, "__dict__", None)
        for items in (value, own):
            if isinstance(items, dict):
                for key, part in list(dict.items(items)):
                    if (kept := whole(part)) is not part:
                        dict.__setitem__(items, key, kept)
        if isinstance(value, list):
            for i, part in enumerate(list.__iter__(value)):
                if (kept := whole(part)) is not part:
                    list.__setitem__(value, i, kept)
    return result
