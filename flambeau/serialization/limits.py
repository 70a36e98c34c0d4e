"""How much a file may ask for. All of it follows from the bytes that it has.

- An entry ends within the file, and all entries together are no larger than it; one that is
  compressed is at most 1,032 times as large when it is read, which is what deflate can do. The
  bytes of a storage are made only when entry and pickle agree on their number.
- What copies (``set(list)``, ``OrderedDict(list)``, ``bytearray(bytes)``) copies no more elements
  than the pickle has bytes.
- Keys of dictionaries and elements of sets are numbers of 64 bits, text, bytes, and tuples of
  them with at most 1,000 items that nest at most 16 deep: hashing anything costs what it holds,
  and a tuple that names another twice, that names another twice, ... holds 2**n.
- Slices and ranges are made of whole numbers, and there are at most 10,000 defaultdicts, because
  Python frees these by recursion.
"""

from __future__ import annotations

from .errors import Damaged, short

DEFLATE = 1032
KEY_ITEMS, KEY_DEPTH = 1000, 16
DEFAULTDICTS = 10_000


class Budget:
    """Counts what one pickle asks for."""

    def __init__(self, nbytes: int) -> None:
        self.copies = nbytes
        self.defaultdicts = DEFAULTDICTS

    def copy(self, value) -> None:
        """``value`` is about to be copied."""
        if type(value) not in (list, tuple, set, frozenset, dict, bytes, bytearray, str):
            if not isinstance(value, (dict, tuple)):
                raise Damaged(f"elements are taken from {short(value)}")
        self.copies -= len(value)
        if self.copies < 0:
            raise Damaged("its pickle copies more elements than it has bytes")

    def defaultdict(self) -> None:
        self.defaultdicts -= 1
        if self.defaultdicts < 0:
            raise Damaged(f"its pickle has more than {DEFAULTDICTS} defaultdicts")


def check_key(key) -> None:
    """Whether ``key`` may be hashed."""
    if type(key) is str:
        return
    left, todo = KEY_ITEMS, [(key, 0)]
    while todo:
        item, depth = todo.pop()
        left -= 1
        if left < 0 or depth > KEY_DEPTH:
            raise Damaged(f"a key has more than {KEY_ITEMS} items, or nests too deep")
        if isinstance(item, tuple):
            todo.extend((i, depth + 1) for i in item[: KEY_ITEMS + 1])
        elif isinstance(item, int):
            if not -(1 << 63) <= item < 1 << 64:
                raise Damaged("a key is a number beyond 64 bits")
        elif isinstance(item, (complex, slice, range)):
            raise Damaged(f"a key is {short(item)}")


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
