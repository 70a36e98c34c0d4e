"""The API reference of the ops, as one Markdown page."""

from __future__ import annotations

import textwrap

from flambeau.ops.generator import tables
from flambeau.ops.generator.docs import docstring
from flambeau.ops.record import Record

_PREFACE = """# API reference of the ops

Printed from the records by `python tools/reference.py`; `help(flambeau.add)` shows the same text.
Layers, optimisers and the other parts that are Python have their docstrings in place.
"""


def page(records: list[Record]) -> str:
    """The API reference: one entry per public name, by module."""
    modules: dict[str, set[str]] = {}
    for n in tables.python_names(records):
        if n.name.startswith("_") or n.module.startswith("_"):
            continue
        kind = "Tensor" if n.where != "function" else f"flambeau.{n.module}".rstrip(".")
        modules.setdefault(kind, set()).add(n.name)
    functions = modules.get("flambeau", set())
    code = [_PREFACE]
    for module in sorted(modules, key=lambda m: (m != "flambeau", m == "Tensor", m)):
        listed = modules[module] - (functions if module == "Tensor" else set())
        code.append(f"## {module}\n")
        if module == "Tensor":
            both = sorted(modules[module] & functions)
            code.append("Methods that are functions too: " + ", ".join(f"`{n}`" for n in both))
            code[-1] = textwrap.fill(code[-1], 99) + "\n"
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
