"""Prints what an extra in pyproject.toml needs, and what the package itself needs:
``python tools/requirements.py test``.
"""

import pathlib
import re

TEXT = (pathlib.Path(__file__).resolve().parent.parent / "pyproject.toml").read_text()


def packages(extra: str) -> list[str]:
    """The extra's packages, those of the project's own extras that it names included."""
    found = re.search(rf"^{extra} = \[(.*?)\]\s*$", TEXT, re.S | re.M)
    if not found:
        raise SystemExit(f"pyproject.toml has no list called {extra}")
    out = []
    for item in re.findall(r'"([^"]+(?:\[[^"]*\])?)"', found[1]):
        own = re.fullmatch(r"flambeau\[(\w+)\]", item)
        out += packages(own[1]) if own else [item]
    return out


if __name__ == "__main__":
    import usage

    (extra,) = usage.read(__doc__, names=(1, 1))
    print(" ".join(packages("dependencies") + packages(extra)))
