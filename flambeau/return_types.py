"""The named tuples that ops with several results give, as ``flambeau.return_types.max``."""

from flambeau import _C


def __getattr__(name: str):
    found = _C._return_type(name)
    if found is None:
        raise AttributeError(f"module 'flambeau.return_types' has no attribute {name!r}")
    return found
