"""Helpers around training: data loading, hook handles, pytrees. Submodules load on first touch."""

import os as _os

# Where CMake's find_package(flambeau) looks: -DCMAKE_PREFIX_PATH=...
cmake_prefix_path = _os.path.join(_os.path.dirname(_os.path.dirname(__file__)), "share", "cmake")

_SUBMODULES = ("data", "hooks", "_pytree")


def __getattr__(name: str):
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
