"""Lists what the public headers show inline: ``python tools/inline_surface.py [--check]``.

A C++ program has these functions compiled into it, and counts on the size of these classes. So a
change of one is a change for programs that were built before: it needs the next version of the
namespace (``flambeau::inline v1`` in every file). The list is ``docs/cpp_inline.txt``. GCC makes
it: it keeps every inline function of the front door and says how classes are laid out.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "docs/cpp_inline.txt"
HEADERS = ROOT / "flambeau/include"
COMPILER = shutil.which("g++")
_VERSION = re.compile(r"\bflambeau::v\d+::")


def _without_templates(text: str) -> str:
    """``f<std::pair<A, B>>(C<D>)`` -> ``f<>(C<>)``."""
    out, depth = "", 0
    operators = re.compile(r"operator(<<|>>|<=>|<=|>=|<|>|->)")
    i = 0
    while i < len(text):
        if not depth and (m := operators.match(text, i)):
            out += m[0]
            i = m.end()
            continue
        c = text[i]
        depth -= c == ">"
        out += c if not depth else ""
        depth += c == "<"
        i += 1
    return out


def _own(function: str) -> str | None:
    """The function without template arguments, if it is flambeau's and no op's."""
    text = _without_templates(function)
    name = text.split("(")[0].split(" ")[-1]
    if not name.startswith("flambeau::") or name.startswith(("flambeau::ops::", "flambeau::entry")):
        return None
    return text[text.index(name) :].removeprefix("flambeau::")


def surface() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "all.cpp").write_text("#include <flambeau/flambeau.h>\n")
        options = "-std=c++20 -O0 -fkeep-inline-functions -fdump-lang-class=classes.txt".split()
        command = [COMPILER, *options, f"-I{HEADERS}", "-c", "all.cpp", "-o", "all.o"]
        subprocess.run(command, cwd=place, check=True)
        symbols = subprocess.run(
            ["nm", "-C", "--defined-only", "all.o"], cwd=place, check=True, capture_output=True
        ).stdout.decode()
        classes = (place / "classes.txt").read_text()
    symbols, classes = _VERSION.sub("flambeau::", symbols), _VERSION.sub("flambeau::", classes)
    found = {_own(line.split(" ", 2)[2]) for line in symbols.splitlines() if " W " in line}
    sizes = re.findall(r"^Class flambeau::(.+)\n\s+size=(\d+) align=(\d+)", classes, re.MULTILINE)
    plain = {(n, s, a) for n, s, a in sizes if "<" not in n and "lambda" not in n}
    lines = [
        "# Made by python tools/inline_surface.py: what a C++ program has compiled into it.",
        "# Beside these, `ops` has one inline function for each overload of an op, which calls it.",
        "",
        *(f"class {n}: {s} bytes, aligned to {a}" for n, s, a in sorted(plain)),
        "",
        *sorted(f for f in found if f),
    ]
    return [textwrap.fill(line, 99, subsequent_indent="    ") for line in lines]


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--check")
    text = "\n".join(surface()) + "\n"
    if "--check" not in sys.argv:
        LIST.write_text(text)
    elif not LIST.exists() or LIST.read_text() != text:
        sys.exit(f"{LIST.relative_to(ROOT)} is out of date: run python tools/inline_surface.py")
