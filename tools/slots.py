"""The ops that lack a slot: ``python tools/slots.py`` writes the list, which may only shrink.

``--check`` fails where a record lacks what is not listed, and where the list holds what no record
lacks any more.
"""

import pathlib
import sys
import textwrap

import bare  # noqa: F401 (first: it stands in for the package)

from flambeau.ops.record import load
from flambeau.ops.slots import SLOTS, missing

LIST = pathlib.Path(__file__).with_name("slots.txt")
REASONS = {
    "jvp": "found by differentiating the gradient, which costs two more passes",
    "batching": "vmap calls the op for each item",
    "decomposition": "a kernel of its own is all there is",
    "sharding": "gathered before the call",
    "autocast": "runs in the dtype it is given",
    "benchmark": "not timed",
}


def lacking() -> dict[str, list[str]]:
    records = load()
    return {slot: sorted(r.schema.full_name for r in records if missing(slot, r)) for slot in SLOTS}


def listed() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {slot: [] for slot in SLOTS}
    slot = ""
    for line in LIST.read_text().splitlines() if LIST.exists() else []:
        if line.startswith("["):
            slot = line.strip("[]")
        elif slot and not line.startswith("#"):
            found[slot] += line.split()
    return found


def text(names: dict[str, list[str]]) -> str:
    out = ["# Ops without a slot, by tools/slots.py. Names are only ever taken out."]
    for slot, lack in names.items():
        out += ["", f"[{slot}]", f"# {REASONS[slot]}", *textwrap.wrap(" ".join(lack), 98)]
    return "\n".join(out) + "\n"


def main() -> int:
    now, before = lacking(), listed()
    first = not LIST.exists()
    grown = [(s, n) for s in SLOTS for n in now[s] if n not in before[s]] if not first else []
    shrunk = [(s, n) for s in SLOTS for n in before[s] if n not in now[s]]
    for slot, name in grown:
        print(f"{name} lacks the slot '{slot}': state it in the record, see flambeau/ops/slots.py")
    if "--check" in sys.argv:
        for slot, name in shrunk:
            print(f"{name} has the slot '{slot}' now: run python tools/slots.py")
        return 1 if grown or shrunk else 0
    if not grown:
        LIST.write_text(text(now))
    return 1 if grown else 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--check")
    sys.exit(main())
