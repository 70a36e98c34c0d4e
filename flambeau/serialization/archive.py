"""Zip archives as `save` writes them: entries as they are, at multiples of 64 bytes by default."""

from __future__ import annotations

import struct

from flambeau._C import _crc32

ALIGNMENT = 64
# What is in a field of its own, of 64 bits, leaves all bits set in its place.
_LIMIT = _ELSEWHERE = 0xFFFFFFFF
_MANY = 0xFFFF
_PLAIN, _ZIP64 = 20, 45  # the versions that a reader needs
_UTF8 = 0x800
_DATE = 1 << 5 | 1  # the first day of 1980: files of equal objects are equal
_UNIX = 3
_MODE = 0o600 << 16


class Archive:
    """Writes one entry after the other, and on a regular exit the table of all."""

    def __init__(self, file, name: str, alignment: int = ALIGNMENT, checksums: bool = True) -> None:
        self._file, self._name = file, name
        self._alignment, self._checksums = alignment, checksums
        try:
            self._at = file.tell()
        except (AttributeError, OSError):  # a pipe
            self._at = 0
        self._table: list[bytes] = []

    def _put(self, data) -> None:
        self._file.write(data)
        self._at += memoryview(data).nbytes

    def write(self, name: str, data) -> None:
        path = f"{self._name}/{name}".encode()
        nbytes, start = memoryview(data).nbytes, self._at
        large = nbytes >= _LIMIT
        size = _ELSEWHERE if large else nbytes
        # Sizes of 64 bits, then what moves the data to where they shall begin.
        extra = struct.pack("<HHQQ", 1, 16, nbytes, nbytes) if large else b""
        padding = -(start + 30 + len(path) + len(extra) + 4) % self._alignment
        extra += struct.pack("<2sH", b"FB", padding) + b"Z" * padding
        flags = 0 if path.isascii() else _UTF8
        common = (flags, 0, 0, _DATE, _crc32(data) if self._checksums else 0, size, size, len(path))
        header = struct.pack(
            "<4sHHHHHIIIHH",
            b"PK\x03\x04",
            _ZIP64 if large else _PLAIN,
            *common,
            len(extra),
        )
        self._put(header + path + extra)
        self._put(data)
        wide = [nbytes, nbytes] if large else []
        if start >= _LIMIT:
            wide.append(start)
        own = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        version = _ZIP64 if wide else _PLAIN
        entry = struct.pack(
            "<4sBBHHHHHIIIHHHHHII",
            b"PK\x01\x02",
            version,
            _UNIX,
            version,
            *common,
            len(own),
            0,
            0,
            0,
            _MODE,
            _ELSEWHERE if start >= _LIMIT else start,
        )
        self._table.append(entry + path + own)

    def _finish(self) -> None:
        start, count = self._at, len(self._table)
        table = b"".join(self._table)
        self._put(table)
        large = start >= _LIMIT or count >= _MANY or len(table) >= _LIMIT
        if large:
            end = self._at
            whole = (44, _ZIP64, _ZIP64, 0, 0, count, count, len(table), start)
            self._put(struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", *whole))
            self._put(struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1))
        last = (
            (_MANY, _MANY, _ELSEWHERE, _ELSEWHERE) if large else (count, count, len(table), start)
        )
        self._put(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, *last, 0))
        if hasattr(self._file, "flush"):
            self._file.flush()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self._finish()
