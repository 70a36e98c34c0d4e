"""``python -m flambeau.ops list`` and ``python -m flambeau.ops show NAME``."""

import argparse
import difflib
import sys

from flambeau._pipe import ends_with_its_reader
from flambeau.ops.generator import explain
from flambeau.ops.record import load
from flambeau.ops.slots import SLOTS, batching_rule, jvp_rule, sharding_rule


def slots_of(name: str) -> str:
    """What the records of a name say under their slots, or what is derived."""
    lines = []
    for record in load():
        if name.rstrip("_") in (record.name, record.schema.full_name):
            said = {s: getattr(record, s) for s in (*SLOTS, "flops") if getattr(record, s)}
            said.setdefault("jvp", jvp_rule(record))
            said.setdefault("batching", batching_rule(record))
            if sharding := sharding_rule(record):
                said.setdefault("sharding", sharding)
            words = {s: "a function" if callable(v) else v for s, v in said.items()}
            shown = (f"{s} {word}" for s, word in words.items())
            lines.append(f"slots of {record.schema.full_name}: {'; '.join(shown)}")
    return "\n".join(lines)


@ends_with_its_reader
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m flambeau.ops", description="What the records of the ops say and give."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="one row per record")
    listing.add_argument(
        "--dynamic", action="store_true", help="only ops whose sizes or results depend on elements"
    )
    show = commands.add_parser("show", help="all that is derived from a record")
    show.add_argument("name", help="add, add_, __add__, or one overload: add.Tensor")
    chosen = parser.parse_args(arguments)
    if chosen.command == "list":
        print(explain.table(chosen.dynamic))
        return 0
    text = explain.show(chosen.name)
    if not text:
        near = difflib.get_close_matches(chosen.name, {r.name for r in load()})
        hint = f"; did you mean {' or '.join(near)}?" if near else "; `list` shows all"
        print(f"show: no op is called {chosen.name!r}{hint}", file=sys.stderr)
        return 1
    print(text)
    print(slots_of(chosen.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
