"""Checks that docs/coverage.md lists what raises NotImplementedError: ``python tools/coverage.py``.

A message begins with the function that raises it: the page has to name it in code. A message that
many functions share begins with a name that is known only when it is raised: the page has to quote
the words that follow. ``--all`` prints every message.
"""

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/coverage.md"
FOLDERS = {"flambeau": "*.py", "core": "*.[ch]*", "kernels": "*.[ch]*"}
# A class of the same name, and the way from C++ to Python.
NOT_A_PLACE = {"core/tensor/error.h", "core/python/exceptions.cpp"}
HOLE = "…"  # what is only known when it is raised
# What a base class says of a method that is for its subclasses.
OF_A_SUBCLASS = re.compile(
    r"must (define|override|implement)|should implement|missing the required|setup_context"
)


def python_messages(text: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        call = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "NotImplementedError":
            found.append("".join(map(words_of, call.args)) or HOLE)
    return found


def words_of(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(words_of, node.values))
    if isinstance(node, ast.BinOp):
        return words_of(node.left) + words_of(node.right)
    return HOLE


def cpp_messages(text: str) -> list[str]:
    text = re.sub(r"//.*", "", text)
    found = []
    starts = r"(raise|check)<NotImplementedError>\(|PyErr_(Format|SetString)\(PyExc_NotImpl\w+,"
    for match in re.finditer(starts, text):
        arguments = split_arguments(text, match.end())
        found.append("".join(literal_of(a) for a in arguments[match[1] == "check" :]) or HOLE)
    return found


def split_arguments(text: str, at: int) -> list[str]:
    """The arguments of the call whose bracket was opened before ``at``."""
    depth, start, arguments = 1, at, []
    for token in re.finditer(r'"(?:\\.|[^"\\])*"|[()\[\]{},]', text[at:]):
        mark, end = token[0], at + token.start()
        depth += (mark in "([{") - (mark in ")]}")
        if depth == 0 or (depth == 1 and mark == ","):
            arguments.append(text[start:end])
            start = end + 1
        if depth == 0:
            break
    return arguments


def literal_of(argument: str) -> str:
    literals = re.findall(r'"((?:\\.|[^"\\])*)"', argument)
    whole = not re.sub(r'"(?:\\.|[^"\\])*"|\s', "", argument)
    return re.sub(r"\\(.)", r"\1", "".join(literals)) if whole else HOLE


def messages() -> list[tuple[str, str]]:
    """(file, message) of every place that raises."""
    found = []
    for folder, pattern in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob(pattern)):
            name = str(path.relative_to(ROOT))
            if name in NOT_A_PLACE or name.startswith("flambeau/include/"):
                continue
            read = python_messages if name.endswith(".py") else cpp_messages
            found += [(name, " ".join(message.split())) for message in read(path.read_text())]
    return found


def is_listed(message: str, page: str) -> bool:
    """By the function that it begins with, or by words that always stand there."""
    name = re.match(r"([A-Za-z_][\w.]*)(\(\))?:", message)
    if name and re.search(rf"`(\w+\.)*{re.escape(name[1])}\b[^`]*`", page):
        return True
    parts = (part.strip(' .()"') for part in re.split(rf"{HOLE}|[:;,']", message))
    return any(part in page for part in parts if len(part) >= 10)


def findings(found: list[tuple[str, str]], page: str) -> list[str]:
    page = " ".join(page.split())
    return [
        f"{name}: {PAGE} does not list {message!r}"
        for name, message in found
        if not OF_A_SUBCLASS.search(message) and not is_listed(message, page)
    ]


def main() -> int:
    found = messages()
    if "--all" in sys.argv[1:]:
        print("\n".join(f"{name}: {message}" for name, message in found))
        return 0
    missing = findings(found, (ROOT / PAGE).read_text())
    print("\n".join(missing))
    return 1 if missing else 0


if __name__ == "__main__":
    import usage

    usage.read(__doc__, "--all")
    sys.exit(main())
