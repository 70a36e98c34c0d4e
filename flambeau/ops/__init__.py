"""The records of all ops, by family. A plain ``import flambeau`` does not load them."""


def doc(name: str) -> str:
    """The docstring of the op with this Python name, as the build printed it."""
    import json
    import pathlib

    with (pathlib.Path(__file__).parent.parent / "_docstrings").open("rb") as book:
        places = json.loads(book.readline())
        if name not in places:
            return ""
        at, length = places[name]
        book.seek(at, 1)
        return book.read(length).decode()


def __getattr__(name: str):
    """``flambeau.ops.aten`` and other namespaces of ops, next to the families of records."""
    import importlib.util

    if name.startswith("__"):
        raise AttributeError(name)
    if importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    from flambeau._ops import namespace

    globals()[name] = found = namespace(name)
    return found
