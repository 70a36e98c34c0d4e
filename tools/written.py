"""Files that a tool writes and that are committed."""

import pathlib
import sys


def write_or_check(root: pathlib.Path, files: dict[str, str], tool: str) -> int:
    """Writes the files below ``root``; with ``--check`` only tells which are out of date."""
    stale = [n for n, text in files.items() if _read(root / n) != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is out of date: run python {tool}")
        return 1 if stale else 0
    for name in stale:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(files[name])
        print(f"wrote {name}")
    return 0


def _read(path: pathlib.Path) -> str | None:
    return path.read_text() if path.exists() else None
