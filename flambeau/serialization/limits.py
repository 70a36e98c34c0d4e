"""How much a file may ask for. All of it follows from the bytes that it has.

- An entry ends within the file, and all entries together are no larger than it; one that is
  compressed is at most 1,032 times as large when it is read, which is what deflate can do. The
  bytes of a storage are made only when entry and pickle agree on their number.
- What copies (``set(list)``, ``OrderedDict(list)``, ``bytearray(bytes)``) copies no more elements
  than the pickle has bytes.
- Keys of dictionaries and elements of sets are plain values that hash and compare without any
  code of the program, numbers have 64 bits, and tuples have at most 1,000 items that nest at most
  16 deep: hashing anything costs what it holds, and a tuple that names another twice, that names
  another twice, ... holds 2**n.
- Slices and ranges are made of whole numbers, and there are at most 10,000 defaultdicts and
  namespaces, because Python frees these by recursion.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, OrderedDict, defaultdict

import flambeau

from .errors import Damaged, short

DEFLATE = 1032
KEY_ITEMS, KEY_DEPTH = 1000, 16
FREED_BY_RECURSION = 10_000


_COPIED = (
    *(list, tuple, set, frozenset, dict, bytes, bytearray, str),
    *(OrderedDict, Counter, defaultdict, flambeau.Size),
)


class Budget:
    """Counts what one pickle asks for."""

    def __init__(self, nbytes: int) -> None:
        self.copies = nbytes
        self.freed_by_recursion = FREED_BY_RECURSION

    def copy(self, value) -> None:
        """``value`` is about to be copied."""
        if type(value) not in _COPIED:
            raise Damaged(f"elements are taken from {short(value)}")
        self.copies -= len(value)
        if self.copies < 0:
            raise Damaged("its pickle copies more elements than it has bytes")

    def nested(self) -> None:
        """One more of what Python frees by recursion."""
        self.freed_by_recursion -= 1
        if self.freed_by_recursion < 0:
            raise Damaged(f"its pickle has more than {FREED_BY_RECURSION} defaultdicts")


def check_key(key) -> None:
    """Whether ``key`` may be hashed, and compared with others: neither runs code of the program."""
    if type(key) is str:
        return
    left, todo = KEY_ITEMS, [(key, 0)]
    while todo:
        item, depth = todo.pop()
        left -= 1
        if left < 0 or depth > KEY_DEPTH:
            raise Damaged(f"a key has more than {KEY_ITEMS} items, or nests too deep")
        if isinstance(item, (tuple, frozenset)):
            items = (tuple if isinstance(item, tuple) else frozenset).__iter__(item)
            todo.extend((i, depth + 1) for i in itertools.islice(items, KEY_ITEMS + 1))
        elif isinstance(item, int):
            if not -(1 << 63) <= item < 1 << 64:
                raise Damaged("a key is a number beyond 64 bits")
        elif isinstance(item, (complex, slice, range)):
            raise Damaged(f"a key is {short(item)}")
        if getattr(type(item), "__hash__", None) not in _plain_hashes():
            raise Damaged(
                f"a key is {short(item)}, which is no plain value; a class of the program may "
                "compare as it likes, so its objects are no keys"
            )


@functools.cache
def _plain_hashes() -> frozenset:
    """How plain values hash. A class that defines ``__eq__`` has to define ``__hash__`` too."""
    import datetime
    import enum
    import pathlib
    import uuid

    kinds = (
        *(object, int, float, str, bytes, tuple, frozenset, type),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
        *(enum.Enum, pathlib.PurePath, uuid.UUID),
        *(flambeau.Tensor, flambeau.dtype, flambeau.device, flambeau.layout, flambeau.Size),
    )
    return frozenset(kind.__hash__ for kind in kinds)


def whole_numbers(*values) -> None:
    """The arguments of a slice or range."""
    for value in values:
        if value is not None and type(value) is not int:
            raise Damaged(f"a slice or range of {short(value)}")


def sizes(value) -> tuple:
    """The sizes or strides of a tensor."""
    if not isinstance(value, (tuple, list)) or len(value) > 64:
        raise Damaged(f"a tensor has the sizes {short(value)}")
    for n in value:
        if type(n) is not int:
            raise Damaged(f"a tensor has the sizes {short(value)}")
    return tuple(value)
