"""The records of all ops, by family. A plain ``import flambeau`` does not load them."""


def doc(name: str) -> str:
    """The docstring of the op with this Python name."""
    from flambeau.ops.generator.docs import docstring
    from flambeau.ops.record import load

    return docstring(name, load())


def __getattr__(name: str):
    """``flambeau.ops.aten`` and other namespaces of ops, next to the families of records."""
    import importlib.util

    if name.startswith("__"):
        raise AttributeError(name)
    if importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    from flambeau._ops import namespace

    return namespace(name)
