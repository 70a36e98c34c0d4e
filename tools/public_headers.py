"""Copies what C++ programs need: ``python tools/public_headers.py OUTPUT_FOLDER GENERATED_FOLDER``.

The headers of ``include/flambeau`` and those that they reach go to ``OUTPUT_FOLDER/flambeau``, so
that one include path serves and none of their names can meet a program's own.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
_INCLUDE = re.compile(r'^#include "(?:flambeau/)?(.+)"$', re.MULTILINE)


def closure(generated: pathlib.Path) -> dict[str, str]:
    """Name below ``flambeau/`` -> text of each public header."""
    headers: dict[str, str] = {}
    names = [p.name for p in (ROOT / "include/flambeau").glob("*.h")]
    while names:
        name = names.pop()
        if name in headers:
            continue
        places = (ROOT / "include/flambeau" / name, generated / "flambeau" / name, ROOT / name)
        text = next(p for p in places if p.exists()).read_text()
        names += _INCLUDE.findall(text)
        headers[name] = _INCLUDE.sub(r"#include <flambeau/\1>", text)
    return headers


def write(output: pathlib.Path, generated: pathlib.Path) -> None:
    for name, text in closure(generated).items():
        path = output / "flambeau" / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    import usage

    output, generated = usage.read(__doc__, names=(2, 2))
    write(pathlib.Path(output), pathlib.Path(generated))
