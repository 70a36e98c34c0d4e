"""The loader's ends of the pipes to its worker processes: nothing here waits for a worker, so that
one that is stopped or killed cannot hold up the loader."""

from __future__ import annotations

import os
import select
import struct
import weakref
from collections import deque

_READ = 1 << 18
_open: weakref.WeakSet = weakref.WeakSet()


def _close_in_child() -> None:
    """A forked child must not hold the loader's ends open: workers see by the end of their pipe
    that the loader is gone."""
    for channel in list(_open):
        channel.close()


os.register_at_fork(after_in_child=_close_in_child)


class Channel:
    """One end of a pipe of ``multiprocessing``, with its framing, that never blocks.

    Args:
        connection: this end; the other one is used as it is, by a worker.
    """

    def __init__(self, connection) -> None:
        self._connection = connection
        self._received = bytearray()
        self._unsent = bytearray()
        self.messages: deque[bytes] = deque()
        self.ended = False
        os.set_blocking(connection.fileno(), False)
        _open.add(self)

    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def wanted(self) -> int:
        """The events of ``poll`` that it waits for."""
        return select.POLLIN | (select.POLLOUT if self._unsent else 0)

    def send(self, data) -> None:
        size = len(data)
        if size > 0x7FFFFFFF:
            self._unsent += struct.pack("!iQ", -1, size)
        else:
            self._unsent += struct.pack("!i", size)
        self._unsent += data
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self.fileno(), memoryview(self._unsent)[:_READ])]
        except BlockingIOError:
            pass
        except OSError:  # the worker is gone, which reading tells
            self._unsent.clear()

    def fill(self) -> None:
        """Take what has arrived. Sets ``ended`` where nothing more will come."""
        try:
            while data := os.read(self.fileno(), _READ):
                self._received += data
                if len(data) < 4096:
                    break
            else:
                self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        self._split()

    def _split(self) -> None:
        buffer, at = self._received, 0
        while len(buffer) - at >= 4:
            (size,) = struct.unpack_from("!i", buffer, at)
            begin = at + 4
            if size < 0:
                if len(buffer) - begin < 8:
                    break
                (size,) = struct.unpack_from("!Q", buffer, begin)
                begin += 8
            if len(buffer) - begin < size:
                break
            self.messages.append(bytes(memoryview(buffer)[begin : begin + size]))
            at = begin + size
        if at:
            del buffer[:at]

    def close(self) -> None:
        _open.discard(self)
        self._connection.close()
