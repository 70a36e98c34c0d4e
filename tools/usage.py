"""The arguments that the tools here take; what a tool does stands in its first lines."""

import sys


def read(text: str, *flags: str, names: tuple[int, int] = (0, 0)) -> list[str]:
    """The names given, of which there are as many as `names` says. ``--help`` prints `text`."""
    given = sys.argv[1:]
    if "--help" in given or "-h" in given:
        print(text.strip())
        raise SystemExit(0)
    found = [a for a in given if not a.startswith("-")]
    unknown = [a for a in given if a.startswith("-") and a not in flags]
    if unknown or not names[0] <= len(found) <= names[1]:
        print(
            f"not understood: {' '.join(given) or 'no arguments'}\n\n{text.strip()}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    return found
