"""Copies what C++ programs need: ``python tools/public_headers.py OUTPUT_FOLDER GENERATED_FOLDER``.

The headers of ``include/flambeau`` and those that they reach go to ``OUTPUT_FOLDER/flambeau``, so
that one include path serves and none of their names can meet a program's own. The other folders of
``include`` have the names that code written for PyTorch includes: they are copied beside it.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
_INCLUDE = re.compile(r'^#include "(?:include/)?(?:flambeau/)?(.+)"$', re.MULTILINE)


def printed() -> dict[str, str]:
    """Name below ``flambeau/`` -> text of what is printed from the records."""
    import torch_names

    hand_written = (ROOT / "include/flambeau/torch.h").read_text()
    inside = hand_written.partition("class Tensor :")[2].partition("\n};\n")[0]
    taken = set(re.findall(r"(\w+)\([^;{}]*\) (?:const )?{", inside))
    declared, defined = torch_names.methods(taken)
    return {
        "torch_methods.inc": declared,
        "torch_definitions.inc": defined,
        "torch_functions.inc": torch_names.functions({"from_blob", "tensor"}),
    }


def closure(generated: pathlib.Path) -> dict[str, str]:
    """Name below ``flambeau/`` -> text of each public header."""
    headers: dict[str, str] = printed()
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
    files = {f"flambeau/{name}": text for name, text in closure(generated).items()}
    for path in sorted((ROOT / "include").glob("*/**/*.h")):
        name = path.relative_to(ROOT / "include").as_posix()
        files.setdefault(name, path.read_text())
    for name, text in files.items():
        path = output / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    import usage

    output, generated = usage.read(__doc__, names=(2, 2))
    write(pathlib.Path(output), pathlib.Path(generated))
