"""The records of all ops, by family. A plain ``import flambeau`` does not load them."""


def doc(name: str) -> str:
    """The docstring of the op with this Python name."""
    from flambeau.ops.record import load

    for record in load():
        if name in (record.name, record.name + "_", *record.aliases, *record.slots):
            return record.doc
    return ""
