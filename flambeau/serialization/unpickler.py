"""Reads pickles without running them.

A pickle is a program for a small stack machine, and the machine of the standard library lets it
call anything that can be imported. This one knows the same instructions, but a name in the file
stands for something only if a table of the caller says so, and only what the table gives for
calling is ever called. Files may come from anywhere; reading one must not run anything.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict, defaultdict, deque

from .errors import CheckpointError, Damaged, Passed, short
from .limits import Budget, check_key

# More of these than any real file nests; a hostile one could otherwise fill the memory with marks.
_MAX_LONG_BYTES = 1 << 16
_PLAIN_DICTS = (dict, OrderedDict, Counter, defaultdict)


class Callable:
    """What a name in a file may stand for when the file calls it: ``function(*args)``.

    One that ``copies`` its argument is given the machine's `Budget` first, one that ``asks`` the
    machine itself. ``value`` is what the name stands for elsewhere, a class mostly.
    """

    __slots__ = ("asks", "copies", "function", "value")

    def __init__(self, function, copies: bool = False, value=None, asks: bool = False) -> None:
        self.function = function
        self.copies = copies
        self.asks = asks
        self.value = value


class UserClass:
    """A class that the user allowed by `add_safe_globals`, to make instances as pickle does.

    Other rules for making instances derive from this one.
    """

    __slots__ = ("cls",)

    def __init__(self, cls) -> None:
        self.cls = cls

    def call(self, machine: Unpickler, args: tuple):
        return self.cls(*args)

    def make(self, machine: Unpickler, args: tuple, kwargs: dict):
        return self.cls.__new__(self.cls, *args, **kwargs)

    def set_state(self, machine: Unpickler, target, state) -> None:
        if hasattr(target, "__setstate__"):
            target.__setstate__(state)
            return
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state:
            target.__dict__.update(state)
        for name, value in (slots or {}).items():
            setattr(target, name, value)


class _Mark:
    __slots__ = ()


_MARK = _Mark()


class Unpickler:
    """The stack machine.

    Args:
        data: the pickle, or several one after the other.
        find_global: gives what ``module`` and ``name`` stand for: a `Callable`, a `UserClass`, or
            a plain value; raises `CheckpointError` for anything else. Objects that it gives must
            live as long as the machine.
        persistent_load: gives the object that stands outside of the pickle under an id.
        encoding: of strings that Python 2 wrote.
    """

    def __init__(self, data, find_global, persistent_load, encoding: str = "utf-8") -> None:
        self.data = bytes(data)
        self.position = 0
        self.find_global = find_global
        self.persistent_load = persistent_load
        self.encoding = encoding

    def load(self):
        """The object of the next pickle; `Damaged` tells what is wrong with it."""
        self.stack: list = []
        self.memo: dict[int, object] = {}
        self.rules: dict[int, Callable | UserClass] = {}
        self.budget = Budget(len(self.data))
        try:
            while True:
                opcode = self.read(1)[0]
                if opcode == _STOP:
                    return self.pop()
                handler = _HANDLERS.get(opcode)
                if handler is None:
                    raise Damaged(f"instruction {bytes([opcode])!r} is not supported")
                handler(self)
        except (CheckpointError, NotImplementedError, OSError, Passed):
            raise
        except Damaged as error:
            raise Damaged(f"its pickle is wrong at byte {self.position}: {error}") from error
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as error:
            raise self.wrong(error) from error
        except (ValueError, struct.error) as error:
            raise self.wrong(error) from error

    def wrong(self, error: Exception) -> Damaged:
        return Damaged(
            f"its pickle is wrong at byte {self.position}: {type(error).__name__}: "
            f"{str(error)[:1000]}"
        )

    # ---- the input

    def read(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise Damaged("it is truncated")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def read_line(self) -> bytes:
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise Damaged("it is truncated")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def number(self, form: str) -> int:
        return struct.unpack(form, self.read(struct.calcsize(form)))[0]

    # ---- the stack

    def push(self, value) -> None:
        self.stack.append(value)

    def pop(self):
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def pop_to_mark(self) -> list:
        values: list = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        values.reverse()
        return values

    # ---- building

    def find(self, module: str, name: str):
        """What a name stands for; what may be done with it is known by what it stands for."""
        found = self.find_global(module, name)
        if isinstance(found, UserClass):
            self.rules[id(found.cls)] = found
            return found.cls
        if isinstance(found, Callable) and found.value is not None:
            self.rules[id(found.value)] = found
            return found.value
        return found

    def rule(self, target):
        """The `Callable` or `UserClass` for ``target``, or None."""
        if isinstance(target, Callable):
            return target
        return self.rules.get(id(target))

    def call(self, target, args):
        if type(args) is not tuple:
            raise TypeError("the arguments of a call must be a tuple")
        rule = self.rule(target)
        if isinstance(rule, Callable):
            if rule.copies:
                return rule.function(self.budget, *args)
            return rule.function(self, *args) if rule.asks else rule.function(*args)
        if rule is not None:
            return rule.call(self, args)
        raise Damaged(f"it calls {short(target)}, which is not for calling")

    def make_instance(self, target, args, kwargs):
        rule = self.rule(target)
        if isinstance(rule, Callable):
            if kwargs:
                raise Damaged(f"it gives {short(target)} arguments by name")
            return self.call(target, args)
        if rule is None:
            raise Damaged(f"it makes an instance of {short(target)}, which is no class")
        if type(args) is not tuple or type(kwargs) is not dict:
            raise TypeError("the arguments of a call must be a tuple, and a dictionary of names")
        return rule.make(self, args, kwargs)

    def is_made(self, target, kind) -> bool:
        """Whether ``target`` is a ``kind``, or of a class derived from it and allowed."""
        if type(target) is kind:
            return True
        return isinstance(target, kind) and isinstance(self.rule(type(target)), UserClass)

    def set_items(self, target, items: list) -> None:
        if type(target) not in _PLAIN_DICTS and not self.is_made(target, dict):
            raise Damaged(f"it sets items of a {type(target).__name__}")
        if len(items) % 2:
            raise ValueError("a key without a value")
        # Not what a class of the program may have in its place.
        put = (OrderedDict if isinstance(target, OrderedDict) else dict).__setitem__
        for i in range(0, len(items), 2):
            check_key(items[i])
            put(target, items[i], items[i + 1])

    def extend_list(self, target, values: list) -> None:
        for kind in (list, deque):
            if self.is_made(target, kind):
                kind.extend(target, values)
                return
        raise Damaged(f"it appends to a {type(target).__name__}")

    def set_state(self, target, state) -> None:
        kind = type(target)
        rule = self.rule(kind)
        if isinstance(rule, UserClass):
            rule.set_state(self, target, state)
        elif kind is OrderedDict and isinstance(state, dict):
            # Where a state dictionary keeps its metadata.
            target.__dict__.update(attributes(state))
        else:
            raise Damaged(f"it sets the state of a {kind.__name__}")


def attributes(state) -> dict:
    """``state`` if it is a dictionary of attributes."""
    if type(state) is not dict or not all(type(name) is str for name in state):
        raise Damaged(f"it sets the attributes {short(state)}")
    return state


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _decode_python2(machine: Unpickler, raw: bytes):
    return raw if machine.encoding == "bytes" else raw.decode(machine.encoding)


def _parse_int(line: bytes):
    if line in (b"00", b"01"):
        return line == b"01"  # how protocol 0 writes False and True
    if len(line) > 4096:
        raise ValueError("an integer is too long")
    return int(line)


def _long(machine: Unpickler, size: int) -> int:
    if size > _MAX_LONG_BYTES:
        raise ValueError("an integer is too long")
    return int.from_bytes(machine.read(size), "little", signed=True)


def _quoted(line: bytes) -> bytes:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b'"', b"'"):
        raise ValueError("a string without its quotes")
    import codecs

    return codecs.escape_decode(line[1:-1])[0]


def _tuple(count: int):
    def handler(m: Unpickler) -> None:
        values = [m.pop() for _ in range(count)]
        m.push(tuple(reversed(values)))

    return handler


def _put(read_key):
    def handler(m: Unpickler) -> None:
        if m.stack[-1] is _MARK:
            raise ValueError("a mark where a value should be")
        m.memo[read_key(m)] = m.stack[-1]

    return handler


def _memoize(m: Unpickler) -> None:
    m.memo[len(m.memo)] = m.stack[-1]


def _appends(m: Unpickler) -> None:
    values = m.pop_to_mark()
    m.extend_list(m.stack[-1], values)


def _append(m: Unpickler) -> None:
    value = m.pop()
    m.extend_list(m.stack[-1], [value])


def _set_item(m: Unpickler) -> None:
    value, key = m.pop(), m.pop()
    m.set_items(m.stack[-1], [key, value])


def _set_items(m: Unpickler) -> None:
    items = m.pop_to_mark()
    m.set_items(m.stack[-1], items)


def _dict(m: Unpickler) -> None:
    items = m.pop_to_mark()
    result: dict = {}
    m.set_items(result, items)
    m.push(result)


def _add_items(m: Unpickler) -> None:
    values = m.pop_to_mark()
    if type(m.stack[-1]) is not set:
        raise Damaged(f"it adds to a {type(m.stack[-1]).__name__}")
    for value in values:
        check_key(value)
    m.stack[-1].update(values)


def _frozenset(m: Unpickler) -> None:
    values = m.pop_to_mark()
    for value in values:
        check_key(value)
    m.push(frozenset(values))


def _pop(m: Unpickler) -> None:
    m.stack.pop()


def _global(m: Unpickler) -> None:
    module, name = _text(m.read_line()), _text(m.read_line())
    m.push(m.find(module, name))


def _stack_global(m: Unpickler) -> None:
    name, module = m.pop(), m.pop()
    if type(name) is not str or type(module) is not str:
        raise TypeError("the name of a global must be a string")
    m.push(m.find(module, name))


def _reduce(m: Unpickler) -> None:
    args, target = m.pop(), m.pop()
    m.push(m.call(target, args))


def _new_object(m: Unpickler) -> None:
    args, target = m.pop(), m.pop()
    m.push(m.make_instance(target, args, {}))


def _new_object_ex(m: Unpickler) -> None:
    kwargs, args, target = m.pop(), m.pop(), m.pop()
    m.push(m.make_instance(target, args, kwargs))


def _build(m: Unpickler) -> None:
    state = m.pop()
    m.set_state(m.stack[-1], state)


def _protocol(m: Unpickler) -> None:
    version = m.read(1)[0]
    if version > pickle.HIGHEST_PROTOCOL:
        raise Damaged(f"pickle protocol {version} is not supported")


_STOP = pickle.STOP[0]

_BY_NAME = {
    "PROTO": _protocol,
    "FRAME": lambda m: m.read(8),
    "MARK": lambda m: m.push(_MARK),
    "POP": _pop,
    "POP_MARK": lambda m: m.pop_to_mark(),
    "DUP": lambda m: m.push(m.stack[-1]),
    "NONE": lambda m: m.push(None),
    "NEWTRUE": lambda m: m.push(True),
    "NEWFALSE": lambda m: m.push(False),
    "INT": lambda m: m.push(_parse_int(m.read_line())),
    "BININT": lambda m: m.push(m.number("<i")),
    "BININT1": lambda m: m.push(m.number("<B")),
    "BININT2": lambda m: m.push(m.number("<H")),
    "LONG": lambda m: m.push(_parse_int(m.read_line().rstrip(b"L"))),
    "LONG1": lambda m: m.push(_long(m, m.number("<B"))),
    "LONG4": lambda m: m.push(_long(m, m.number("<i"))),
    "FLOAT": lambda m: m.push(float(m.read_line())),
    "BINFLOAT": lambda m: m.push(m.number(">d")),
    "STRING": lambda m: m.push(_decode_python2(m, _quoted(m.read_line()))),
    "BINSTRING": lambda m: m.push(_decode_python2(m, m.read(m.number("<i")))),
    "SHORT_BINSTRING": lambda m: m.push(_decode_python2(m, m.read(m.number("<B")))),
    "UNICODE": lambda m: m.push(m.read_line().decode("raw-unicode-escape")),
    "BINUNICODE": lambda m: m.push(_text(m.read(m.number("<I")))),
    "SHORT_BINUNICODE": lambda m: m.push(_text(m.read(m.number("<B")))),
    "BINUNICODE8": lambda m: m.push(_text(m.read(m.number("<Q")))),
    "BINBYTES": lambda m: m.push(m.read(m.number("<I"))),
    "SHORT_BINBYTES": lambda m: m.push(m.read(m.number("<B"))),
    "BINBYTES8": lambda m: m.push(m.read(m.number("<Q"))),
    "BYTEARRAY8": lambda m: m.push(bytearray(m.read(m.number("<Q")))),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda m: m.push(tuple(m.pop_to_mark())),
    "EMPTY_LIST": lambda m: m.push([]),
    "LIST": lambda m: m.push(m.pop_to_mark()),
    "APPEND": _append,
    "APPENDS": _appends,
    "EMPTY_DICT": lambda m: m.push({}),
    "DICT": _dict,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "EMPTY_SET": lambda m: m.push(set()),
    "ADDITEMS": _add_items,
    "FROZENSET": _frozenset,
    "GET": lambda m: m.push(m.memo[int(m.read_line())]),
    "BINGET": lambda m: m.push(m.memo[m.number("<B")]),
    "LONG_BINGET": lambda m: m.push(m.memo[m.number("<I")]),
    "PUT": _put(lambda m: int(m.read_line())),
    "BINPUT": _put(lambda m: m.number("<B")),
    "LONG_BINPUT": _put(lambda m: m.number("<I")),
    "MEMOIZE": _memoize,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "NEWOBJ_EX": _new_object_ex,
    "BUILD": _build,
    "PERSID": lambda m: m.push(m.persistent_load(_text(m.read_line()))),
    "BINPERSID": lambda m: m.push(m.persistent_load(m.pop())),
}
_HANDLERS = {getattr(pickle, name)[0]: handler for name, handler in _BY_NAME.items()}
