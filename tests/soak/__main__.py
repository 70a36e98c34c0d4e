"""Runs the kinds of ``tests/soak`` in turns, for a time or a number of rounds."""

import argparse
import importlib
import pathlib
import random
import re
import tempfile
import time
import traceback


def kinds(only: str = "") -> list[str]:
    here = pathlib.Path(__file__).parent
    names = sorted(p.stem for p in here.glob("[a-z]*.py") if not p.stem.startswith("test_"))
    return [name for name in names if re.search(only, name)]


def run(kind: str, seed: int, number: int) -> None:
    module = importlib.import_module(f"tests.soak.{kind}")
    with tempfile.TemporaryDirectory() as folder:
        module.run(random.Random(f"{kind} {seed} {number}"), pathlib.Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, help="of each kind, in place of a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a regular expression of kinds")
    parser.add_argument("--show", type=int, help="the number of one round")
    o = parser.parse_args()
    chosen = kinds(o.only)
    if not chosen:
        parser.error(f"--only {o.only}: there are the kinds {', '.join(kinds())}")
    if o.show is not None:
        for kind in chosen:
            run(kind, o.seed, o.show)
        return 0
    end, number, failures = time.monotonic() + o.seconds, 0, 0
    while number < o.rounds if o.rounds is not None else time.monotonic() < end:
        for kind in chosen:
            try:
                run(kind, o.seed, number)
            except Exception:
                failures += 1
                traceback.print_exc()
                print(f"failed: --only {kind} --seed {o.seed} --show {number}", flush=True)
        number += 1
    print(f"{number} rounds of {', '.join(chosen)}: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
