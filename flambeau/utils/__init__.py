"""Helpers around training: data loading, hook handles, pytrees. Submodules load on first touch."""

import os as _os

# Where CMake's find_package(flambeau) looks: -DCMAKE_PREFIX_PATH=...
cmake_prefix_path = _os.path.join(_os.path.dirname(_os.path.dirname(__file__)), "share", "cmake")

_SUBMODULES = (
    "_pytree",
    "backend_registration",
    "benchmark",
    "checkpoint",
    "cpp_extension",
    "data",
    "dlpack",
    "flop_counter",
    "hooks",
    "model_zoo",
    "module_tracker",
    "summary",
    "tensorboard",
)
_BACKENDS = (
    "generate_methods_for_privateuse1_backend",
    "rename_privateuse1_backend",
    "set_backend_fallback",
)


def __getattr__(name: str):
    import importlib

    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _BACKENDS:
        return getattr(importlib.import_module(f"{__name__}.backend_registration"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_BACKENDS})
