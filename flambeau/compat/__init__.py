"""The name ``torch`` for flambeau: programs and packages that say ``import torch`` run as they are.

``python -m flambeau run SCRIPT`` is the usual way in; :func:`install` does the same from inside.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from types import CodeType, ModuleType
from typing import Any

import flambeau
from flambeau.compat._missing import why_missing
from flambeau.compat._private import put_in_place
from flambeau.torch_version import TorchVersion

__all__ = ["FOLDER", "VERSION", "install", "python_path"]

VERSION = "2.13.0+flambeau"
"""What ``torch.__version__`` is under the name, and the version of the package as others see it."""

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "path")
"""Holds a small package ``torch`` that calls :func:`install`, and its metadata."""


def install(*, children: bool = False) -> ModuleType:
    """Let ``torch`` name flambeau in this process, and return flambeau.

    The modules are the same objects under both names, so classes, ``isinstance`` and pickles by
    reference hold. Given again it changes nothing.

    Args:
        children: whether Python processes that this one starts shall find the name too, whatever
            they run: it goes on ``PYTHONPATH``. Those of ``multiprocessing`` find it anyway.

    Raises:
        ImportError: another ``torch`` has been imported already.

    Example::

        import flambeau.compat
        torch = flambeau.compat.install()
        import torch.nn.functional as F
        F is torch.nn.functional is flambeau.nn.functional    # True
    """
    there = sys.modules.get("torch")
    if there is not None and there is not flambeau and not _is_ours(there):
        raise ImportError(
            "compat.install: another torch has been imported already "
            f"({getattr(there, '__file__', None) or there!r}), and the two cannot be mixed in one "
            "process. Call flambeau.compat.install() before anything imports torch, or start the "
            "program with `python -m flambeau run`.",
            name="torch",
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # First of all, as the finder of files would load each file a second time.
        sys.meta_path.insert(0, _Finder())
        put_in_place()
        # Packages compare the names and the version of the module, of which there is one, and tell
        # tensors from arrays by the module of their type.
        flambeau.__name__ = "torch"
        flambeau.Tensor.__module__ = flambeau.Size.__module__ = "torch"
        if parameter := sys.modules.get("flambeau.nn.parameter"):
            parameter.name_as_torch()
        flambeau.__version__ = flambeau.version.__version__ = TorchVersion(VERSION)
    sys.modules["torch"] = flambeau
    if FOLDER not in sys.path:
        # For the metadata, and for processes that are started with this one's path.
        sys.path.insert(1, FOLDER)
    if children:
        os.environ["PYTHONPATH"] = python_path()
    return flambeau


def python_path() -> str:
    """``PYTHONPATH`` for processes that shall find the name: this process's own, behind the folder
    with the package ``torch``."""
    import site

    home = os.path.dirname(os.path.dirname(FOLDER.removesuffix(os.sep + "path")))
    wanted = [FOLDER, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if home not in (*site.getsitepackages(), site.getusersitepackages()):
        wanted.append(home)  # flambeau was found in a checkout
    return os.pathsep.join(dict.fromkeys(wanted))


def _is_ours(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.dirname(os.path.dirname(os.path.abspath(file))) == FOLDER


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``torch.x`` where there is a ``flambeau.x``."""

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        real = "flambeau" + fullname[len("torch") :]
        if real in sys.modules:
            found = getattr(sys.modules[real], "__spec__", None)
        else:
            found = importlib.util.find_spec(real)
        if found is None and real not in sys.modules:
            # Whoever asks whether there is such a module gets None; an import says what is missing.
            # importlib asks both questions with one call, from different functions.
            asking = sys._getframe(2).f_code.co_name
            if asking == "_find_and_load_unlocked":
                raise ModuleNotFoundError(why_missing(fullname), name=fullname)
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname,
            _Loader(real),
            origin=found.origin if found else None,
            is_package=found is not None and found.submodule_search_locations is not None,
        )
        if found is not None:
            spec.has_location = found.has_location
            spec.cached = found.cached
            spec.submodule_search_locations = found.submodule_search_locations
        return spec


class _Loader(importlib.abc.InspectLoader):
    """Gives ``torch.x`` the module ``flambeau.x``, which it imports where that has not happened."""

    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import has written torch's specification over the module's own.
        module.__spec__ = self.spec

    # What `python -m torch.x` needs, which runs the file once more as __main__.

    def _theirs(self) -> Any:
        found = importlib.util.find_spec(self.real)
        return found.loader if found else None

    def is_package(self, fullname: str) -> bool:
        return self._theirs().is_package(self.real)

    def get_code(self, fullname: str) -> CodeType | None:
        return self._theirs().get_code(self.real)

    def get_source(self, fullname: str) -> str | None:
        return self._theirs().get_source(self.real)
