"""The entries of an archive, and storages made of them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import NamedTuple

from flambeau._C import _crc32

from . import options
from .errors import Damaged
from .limits import DEFLATE
from .storages import new_storage, storage_over, view_of

_PIECE = 512 << 10  # bytes that are read at a time, and summed up while a cache has them


class Entry(NamedTuple):
    """Where an entry is, and how long. ``size`` is -1 where only the entry's user knows it."""

    name: str
    header: int
    size: int
    stored: int  # its bytes in the file
    compression: int
    crc: int


class ArchiveReader:
    """Finds entries by the table at the end of an archive."""

    def __init__(self, file, mmap: bool) -> None:
        self.file = file
        self.at = file.tell()
        self.size = file.seek(0, 2)
        self.map = None
        self.entries: dict[str, Entry] = {}
        self._read_table()
        if mmap:
            self.map = mapping(file)
        first = next(iter(self.entries), "")
        self.name = first.partition("/")[0]

    def _read_table(self) -> None:
        table = zipfile.ZipFile(self.file)
        # The table that is found is that of the last archive in the file; each ends where the next
        # one begins.
        while (begin := _begin(table)) > self.at:
            self.size = begin
            table = zipfile.ZipFile(_Head(self.file, begin))
        if begin < self.at:
            raise Damaged(f"no archive begins at byte {self.at}")
        for info in table.infolist():
            self.entries[info.filename] = Entry(
                info.filename,
                info.header_offset,
                info.file_size,
                info.compress_size,
                info.compress_type,
                info.CRC,
            )
        if sum(info.compress_size for info in table.infolist()) > self.size:
            raise Damaged("its entries are larger than the file")

    def entry(self, name: str) -> Entry:
        entry = self.entries.get(f"{self.name}/{name}")
        if entry is None:
            raise Damaged(f"it has no entry {name}")
        plain = entry.compression == zipfile.ZIP_STORED
        if entry.size > entry.stored * (1 if plain else DEFLATE):
            raise Damaged(f"entry {entry.name} cannot have {entry.size} bytes")
        if entry.header + entry.stored > self.size:
            raise Damaged(f"entry {entry.name} goes past the end")
        return entry

    def __contains__(self, name: str) -> bool:
        return f"{self.name}/{name}" in self.entries

    def read(self, name: str) -> bytes:
        entry = self.entry(name)
        if entry.compression != zipfile.ZIP_STORED:
            return self._inflated(entry)
        data = bytearray(entry.size)
        self._read_into(entry, memoryview(data))
        return bytes(data)

    def storage(self, name: str, nbytes: int):
        entry = self.entry(name)
        if entry.size != nbytes:
            raise Damaged(f"entry {entry.name} has {entry.size} bytes, not {nbytes}")
        if options.thread.skip_data:
            return new_storage(nbytes)
        plain = entry.compression == zipfile.ZIP_STORED
        if self.map is not None and plain and entry.size:
            start = self._start(entry)
            if start + entry.size > len(self.map):
                raise Damaged(f"entry {name} goes past the end")
            return storage_over(self.map, start, entry.size)
        storage = new_storage(entry.size)
        if entry.size:
            if plain:
                self._read_into(entry, view_of(storage))
            else:
                view_of(storage)[:] = self._inflated(entry)
        return storage

    def _start(self, entry: Entry) -> int:
        """Where the entry's bytes begin: behind its own header, whose padding may differ from
        what the table at the end says."""
        self.file.seek(entry.header)
        header = self.file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise Damaged(f"entry {entry.name} has no header")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        return entry.header + 30 + name_length + extra_length

    def _inflated(self, entry: Entry) -> bytes:
        if entry.compression != zipfile.ZIP_DEFLATED:
            raise Damaged(
                f"entry {entry.name} is compressed in the unknown way {entry.compression}"
            )
        self.file.seek(self._start(entry))
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = machine.decompress(self.file.read(entry.stored), entry.size + 1)
        except zlib.error as error:
            raise Damaged(f"the bytes of entry {entry.name} cannot be inflated: {error}") from error
        if len(data) != entry.size:
            raise Damaged(f"entry {entry.name} does not have {entry.size} bytes")
        self._check(entry, _crc32(data))
        return data

    def _read_into(self, entry: Entry, view: memoryview) -> None:
        self.file.seek(self._start(entry))
        done = checksum = 0
        while done < len(view):
            count = _read_some(self.file, view[done : done + _PIECE])
            if count == 0:
                raise Damaged(f"entry {entry.name} goes past the end")
            checksum = _crc32(view[done : done + count], checksum)
            done += count
        self._check(entry, checksum)

    def _check(self, entry: Entry, checksum: int) -> None:
        # PyTorch can be told to leave checksums out; it then writes 0.
        if entry.crc and checksum != entry.crc:
            raise Damaged(f"the bytes of entry {entry.name} do not match their checksum")


class HeaderReader(ArchiveReader):
    """Finds entries by the headers before each: for files whose end is cut off or damaged."""

    def _read_table(self) -> None:
        at, table = self.at, {}
        while (entry := self._entry_at(at)) is not None:
            table[entry.name] = entry
            at = self._start(entry) + entry.stored
            # What follows: the next header, after the sizes of this entry once more, perhaps.
            self.file.seek(at)
            follows = self.file.read(28)
            if follows[:4] == b"PK\x07\x08":
                at += 16 if follows[16:20] in (b"PK\x03\x04", b"PK\x01\x02") else 24
        self.entries = table
        if not table:
            raise Damaged("it has no whole entry")

    def _entry_at(self, at: int) -> Entry | None:
        self.file.seek(at)
        header = self.file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            return None
        flags, compression = struct.unpack_from("<HH", header, 6)
        crc, stored, size, name_length, extra_length = struct.unpack_from("<IIIHH", header, 14)
        name = self.file.read(name_length).decode("utf-8", "replace")
        extra = self.file.read(extra_length)
        if size == 0xFFFFFFFF and extra[:4] == b"\x01\x00\x10\x00" and len(extra) >= 20:
            size, stored = struct.unpack_from("<QQ", extra, 4)
        entry = Entry(name, at, size, stored, compression, crc)
        return self._with_sizes_behind(entry) if flags & 8 else entry

    def _with_sizes_behind(self, entry: Entry) -> Entry | None:
        """The entry, whose sizes and checksum stand behind its bytes."""
        start = at = self._start(entry)
        seen = b""
        while True:
            self.file.seek(at + len(seen))
            piece = self.file.read(_PIECE)
            if not piece:
                return None
            seen += piece
            found = seen.find(b"PK\x07\x08")
            while 0 <= found <= len(seen) - 16:
                crc, stored, size = struct.unpack_from("<III", seen, found + 4)
                if stored == at + found - start:
                    return entry._replace(size=size, stored=stored, crc=crc)
                if found <= len(seen) - 24:
                    stored, size = struct.unpack_from("<QQ", seen, found + 8)
                    if stored == at + found - start:
                        return entry._replace(size=size, stored=stored, crc=crc)
                found = seen.find(b"PK\x07\x08", found + 1)
            at, seen = at + max(len(seen) - 24, 0), seen[-24:]


def _begin(table: zipfile.ZipFile) -> int:
    return min((info.header_offset for info in table.infolist()), default=-1)


def mapping(file):
    """The whole file in memory, as the options say."""
    import mmap

    shared = options.load.mmap_flags == getattr(mmap, "MAP_SHARED", None)
    access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
    return mmap.mmap(file.fileno(), 0, access=access)


def open_to_map(f):
    """The file, opened so that it can be mapped as the options say."""
    import mmap

    shared = options.load.mmap_flags == getattr(mmap, "MAP_SHARED", None)
    return open(f, "r+b" if shared else "rb")


class _Head:
    """The first bytes of a file, as a file."""

    def __init__(self, file, size: int) -> None:
        self.file, self.size = file, size
        self.tell = file.tell

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            return self.file.seek(self.size + offset)
        return self.file.seek(offset, whence)

    def read(self, count: int = -1) -> bytes:
        left = max(self.size - self.tell(), 0)
        return self.file.read(left if count < 0 else min(count, left))


def read_fully(file, view: memoryview) -> int:
    """How many bytes of ``view`` the file filled: all, unless it ends."""
    done = 0
    while done < len(view) and (count := _read_some(file, view[done:])):
        done += count
    return done


def _read_some(file, view: memoryview) -> int:
    if hasattr(file, "readinto"):
        return file.readinto(view) or 0
    data = file.read(len(view))
    view[: len(data)] = data
    return len(data)
