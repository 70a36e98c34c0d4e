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

from collections.abc import Callable
from typing import Any

import flambeau

from .errors import CheckpointError, DamagedTensorsError
from .locations import (
    default_restore_location,
    location_tag,
    register_package,
    validate_cuda_device,
    validate_hpu_device,
)
from .names import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .options import (
    LoadEndianness,
    SourceChangeWarning,
    check_module_version_greater_or_equal,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    mkdtemp,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
)
from .reader import get_unsafe_globals_in_checkpoint, load, salvage
from .rebuild import StorageType, normalize_storage_type, storage_to_tensor_type
from .safetensors import load_safetensors, safetensors_header, save_safetensors
from .writer import DEFAULT_PROTOCOL as DEFAULT_PROTOCOL
from .writer import save

__all__ = [
    "CheckpointError",
    "DamagedTensorsError",
    "LoadEndianness",
    "SourceChangeWarning",
    "StorageType",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "load_safetensors",
    "location_tag",
    "mkdtemp",
    "normalize_storage_type",
    "register_package",
    "safe_globals",
    "safetensors_header",
    "salvage",
    "save",
    "save_safetensors",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
    "storage_to_tensor_type",
    "validate_cuda_device",
    "validate_hpu_device",
]

for _name in __all__:
    globals()[_name].__module__ = __name__

MAP_LOCATION = Callable[[Any, str], Any] | flambeau.device | str | dict[str, str] | None
"""What ``map_location`` may be: a device, text, a dictionary, a function, or None."""
