"""The records of all ops, by family. A plain ``import flambeau`` does not load them."""


def doc(name: str) -> str:
    """The docstring of the op with this Python name, as the build printed it."""
    import os

    with open(os.path.join(os.path.dirname(__file__), "..", "_docstrings"), "rb") as book:
        places = book.readline()
        found = places.find(f" {name}:".encode())
        if found < 0:
            return ""
        at, length = places[found + 1 :].split(b" ", 1)[0].split(b":")[1:]
        book.seek(int(at), 1)
        return book.read(int(length)).decode()


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


loaded_libraries: set[str] = set()


def load_library(path) -> None:
    """Loads a library whose ops, which ``TORCH_LIBRARY`` registers, are then in ``flambeau.ops``.

    One that is loaded already is not loaded again.
    """
    import ctypes
    import os

    path = os.path.realpath(path)
    if path in loaded_libraries:
        return
    try:
        ctypes.CDLL(path)
    except OSError as error:
        raise OSError(f"Could not load this library: {path}: {error}") from error
    loaded_libraries.add(path)
