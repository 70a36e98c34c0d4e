"""How the printed text is cut into files.

A file holds part of one family. Which part a record's name decides, so that a new record changes
the text of one file; a part that has grown too long is halved, and the others stay as they are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """What is printed for one record (and the overloads that share its rules)."""

    family: str
    name: str
    text: str
    helpers: tuple[str, ...] = ()  # what the text calls; printed once in a file
    declarations: str = ""  # of what is written by hand, before all texts


def shards(pieces: list[Piece], limit: int) -> dict[str, list[Piece]]:
    """Suffix of a file name -> its pieces: at most ``limit`` characters, or a single piece."""
    families: dict[str, list[Piece]] = {}
    for piece in pieces:
        families.setdefault(piece.family, []).append(piece)
    out: dict[str, list[Piece]] = {}
    for family, members in sorted(families.items()):
        _cut(family, "", sorted(members, key=lambda p: p.name), limit, out)
    return out


def _cut(family: str, bits: str, pieces: list[Piece], limit: int, out: dict) -> None:
    if len(pieces) <= 1 or len(bits) == 32 or sum(len(p.text) for p in pieces) <= limit:
        if pieces:
            out[f"{family}_{bits}" if bits else family] = pieces
        return
    for bit in "01":
        half = [p for p in pieces if _bit(p.name, len(bits)) == bit]
        _cut(family, bits + bit, half, limit, out)


def _bit(name: str, index: int) -> str:
    return str(zlib.crc32(name.encode()) >> (31 - index) & 1)
