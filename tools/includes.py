"""Writes the includes of ops into hand-written C++: ``python tools/includes.py [--check]``.

A source says by its text which ops it calls (``entry::add_Tensor``, ``ops::add``) and which
functions of records it defines; their headers are printed from the records, one for each op.
"""

import pathlib
import re
import sys

import bare  # first: it stands in for the package
from structure import texts, tracked
from written import write_or_check

from flambeau.ops.generator import headers
from flambeau.ops.generator.main import forms
from flambeau.ops.record import load

PRINTED = ("flambeau/ops/", "flambeau/ops.h", "flambeau/kernels/")
QUOTED = re.compile(r'^#include "([^"]+)".*\n', re.M)
CONDITIONAL = re.compile(r"^#if.*?^#endif", re.M | re.S)
FOLDERS = ("core/", "kernels/")


class Includes:
    def __init__(self) -> None:
        self.known = headers.Headers(bare.ROOT, forms(load()))
        self.families = self.known.families

    def wanted(self, code: str) -> set[str]:
        found = {n for n in self.known.needed(code) if n.startswith("flambeau/ops/")}
        mine = set(headers.declared(code))
        if any(namespace == "native" for namespace, _ in mine):  # where they call each other
            mine |= {("native", called) for called in re.findall(r"\b(\w+)\(", code)}
        return found | {self.families[name] for name in mine if name in self.families}

    def written(self, name: str, code: str) -> str:
        return placed(name, code, self.wanted(code))


def placed(name: str, code: str, wanted: set[str]) -> str:
    """The source with these printed headers and no others, in the order of clang-format.

    The header that is called like the source stands first, by itself; the others that are quoted
    are the last block of includes, sorted. What stands under an #if stays there.
    """
    plain = CONDITIONAL.sub(lambda m: "/" * len(m[0]), code)
    present = QUOTED.findall(plain)
    if wanted == {n for n in present if n.startswith(PRINTED)}:
        return code
    names_ = sorted(wanted.union(n for n in present if not n.startswith(PRINTED)))
    stem = pathlib.PurePath(name).stem
    known = [n for n in present if n in names_] + names_  # the first that is there stays first
    own = [n for n in known if pathlib.PurePath(n).stem == stem][:1]
    block = [n for n in names_ if n not in own]
    found = [m.span() for m in re.finditer(r"^#include .*\n", plain, re.M)]
    if found:
        start, end = found[0][0], found[-1][1]
    else:
        start = end = re.search(r"^namespace ", plain, re.M).start()
    others, at = "", start
    for m in QUOTED.finditer(plain, start, end):
        others += code[at : m.start()]
        at = m.end()
    others = (others + code[at:end]).strip("\n")
    parts = [headers.includes(own), others and others + "\n", headers.includes(block)]
    text = "\n".join(part for part in parts if part)
    if found and text:
        return code[:start] + text + code[end:]
    return code[:start] + (text + "\n" if text else "") + code[end:].lstrip("\n")


def main() -> int:
    made = Includes()
    names_ = [n for n in tracked() if n.startswith(FOLDERS) and n.endswith(".cpp")]
    return write_or_check(
        bare.ROOT, {n: made.written(n, t) for n, t in texts(names_).items()}, "tools/includes.py"
    )


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--check")
    sys.exit(main())
