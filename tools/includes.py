"""Writes the includes of ops into hand-written C++: ``python tools/includes.py [--check]``.

A source says by its text which ops it calls (``entry::add_Tensor``, ``ops::add``) and which
functions of records it defines; their headers are printed from the records, one for each op.
"""

import re
import sys

import bare  # first: it stands in for the package
from structure import texts, tracked
from written import write_or_check

from flambeau.ops.generator import headers
from flambeau.ops.generator.main import forms
from flambeau.ops.record import load

PRINTED = re.compile(r'^#include "flambeau/(?:ops|kernels)[./].*\n', re.M)
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

    def written(self, code: str) -> str:
        wanted = headers.includes(self.wanted(code))
        if wanted == "".join(sorted(PRINTED.findall(code))):
            return code
        code = PRINTED.sub("", code)
        quoted = [m.end() for m in re.finditer(r'^#include ".*\n', code, re.M)]
        if len(quoted) > 1:
            at = quoted[-1]
        else:  # a block of its own
            at = re.search(r"^namespace ", code, re.M).start()
            wanted += "\n"
        return code[:at] + wanted + code[at:]


def main() -> int:
    made = Includes()
    names_ = [n for n in tracked() if n.startswith(FOLDERS) and n.endswith(".cpp")]
    return write_or_check(
        bare.ROOT, {n: made.written(t) for n, t in texts(names_).items()}, "tools/includes.py"
    )


if __name__ == "__main__":
    sys.exit(main())
