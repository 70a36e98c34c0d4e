"""The API reference of the ops, one Markdown page for each family."""

from __future__ import annotations

import textwrap

from flambeau.ops.generator import names, tables
from flambeau.ops.generator.docs import docstring, found
from flambeau.ops.record import Record

_PREFACE = """# Ops: {}

Printed from the records by `python tools/reference.py`; `help(flambeau.add)` shows the same text.
"""
_INDEX = """# API reference of the ops

A page for each family, printed from the records by `python tools/reference.py`. Layers, optimisers
and the other parts that are Python have their docstrings in place.

"""


def pages(records: list[Record]) -> dict[str, str]:
    """File name -> the entries of a family's public names, by module."""
    families: dict[str, dict[str, set[str]]] = {}
    for n in tables.python_names(records):
        if n.name.startswith("_") or n.module.startswith("_"):
            continue
        family = names.family(found(n.name, records)[0])
        kind = "Tensor" if n.where != "function" else f"flambeau.{n.module}".rstrip(".")
        families.setdefault(family, {}).setdefault(kind, set()).add(n.name)
    files = {f"{f}.md": _page(f, modules, records) for f, modules in families.items()}
    index = "".join(f"- [{f}]({f}.md)\n" for f in sorted(families))
    return files | {"README.md": _INDEX + index}


def _page(family: str, modules: dict[str, set[str]], records: list[Record]) -> str:
    functions = modules.get("flambeau", set())
    code = [_PREFACE.format(family)]
    for module in sorted(modules, key=lambda m: (m != "flambeau", m == "Tensor", m)):
        listed = modules[module] - (functions if module == "Tensor" else set())
        code.append(f"## {module}\n")
        both = sorted(modules[module] & functions) if module == "Tensor" else []
        if both:
            told = "Methods that are functions too: " + ", ".join(f"`{n}`" for n in both)
            code.append(textwrap.fill(told, 99) + "\n")
        code += [_entry(module, name, records) for name in sorted(listed)]
    return "\n".join(code)


def _entry(module: str, name: str, records: list[Record]) -> str:
    text = docstring(name, records)
    signature, _, rest = text.partition("\n\n")
    words, mark, example = rest.partition(">>> ")
    code = f"### {module}.{name}\n\n```text\n{signature}\n```\n\n{words.strip()}\n"
    code = code.replace("\nShapes: ", "\n- Shapes: ").replace("\nErrors: ", "\n- Errors: ")
    for fact in ("Dtypes", "Gradient", "In place"):
        code = code.replace(f"\n{fact}", f"\n- {fact}")
    return code + (f"\n```python\n{mark}{example.strip()}\n```\n" if mark else "")
