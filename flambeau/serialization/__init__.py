"""`save` and `load`: PyTorch's file format, written and read without PyTorch.

A file is a zip archive, nothing compressed, every entry aligned to 64 bytes so that it can be
mapped:

    NAME/data.pkl           the object; tensors name their storage by number
    NAME/byteorder          little or big
    NAME/data/0, 1, ...     the bytes of each storage, once however many tensors share it
    NAME/version            3

The pickle says ``torch`` wherever it names something of the library, so that either library reads
the other's files. It is never executed: see `unpickler`.
"""

from .names import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .reader import default_restore_location, get_unsafe_globals_in_checkpoint, load
from .writer import save

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]

for _name in __all__:
    globals()[_name].__module__ = __name__
