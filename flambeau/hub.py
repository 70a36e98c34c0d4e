"""Files from the network, kept in a folder: weights of models, mostly."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from typing import Any
from urllib.parse import urlparse

import flambeau

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
"""Finds the start of the SHA-256 of a file in its name, ``resnet18-5c106cde.pth``."""

READ_AT_ONCE = 128 * 1024

_hub_dir: str | None = None


def _get_torch_home() -> str:
    home = os.getenv("TORCH_HOME")
    if home is None:
        home = os.path.join(os.getenv("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.expanduser(home)


def get_dir() -> str:
    """The folder that keeps files: what `set_dir` was given, else ``$TORCH_HOME/hub``, else
    ``$XDG_CACHE_HOME/torch/hub``, else ``~/.cache/torch/hub``."""
    return os.path.join(_get_torch_home(), "hub") if _hub_dir is None else _hub_dir


def set_dir(d: str | os.PathLike) -> None:
    """Keep files in the folder ``d``."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Fetch a file; one that is not whole never has the name ``dst``.

    Args:
        url: where it is.
        dst: what to call it.
        hash_prefix: how its SHA-256 begins; another one is an error.
        progress: whether to draw a bar, on a terminal where ``tqdm`` is installed.
    """
    from urllib.request import Request, urlopen

    dst = os.path.expanduser(dst)
    digest = hashlib.sha256()
    folder, name = os.path.split(os.path.abspath(dst))
    with urlopen(Request(url, headers={"User-Agent": "torch.hub"})) as source:
        size = source.headers.get("Content-Length")
        handle, partial = tempfile.mkstemp(prefix=f"{name}.", suffix=".partial", dir=folder)
        try:
            with os.fdopen(handle, "wb") as target, _bar(progress, size) as bar:
                while block := source.read(READ_AT_ONCE):
                    target.write(block)
                    digest.update(block)
                    bar(len(block))
            if hash_prefix and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(
                    f'hub.download_url_to_file: invalid hash value (expected "{hash_prefix}", got '
                    f'"{digest.hexdigest()}")'
                )
            # mkstemp lets nobody else read; a file has the rights that the user gives to new ones.
            os.umask(mask := os.umask(0))
            os.chmod(partial, 0o666 & ~mask)
            os.replace(partial, dst)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
            raise


@contextlib.contextmanager
def _bar(wanted: bool, size: str | None):
    if wanted and sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from tqdm import tqdm

            total = int(size) if size else None
            with tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024) as bar:
                yield bar.update
            return
    yield lambda count: None


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Load a file of tensors, fetching it where the folder does not have it yet.

    Args:
        url: where it is.
        model_dir: the folder, ``get_dir()`` with ``checkpoints`` when None.
        map_location, weights_only: as of `flambeau.load`.
        progress: as of `download_url_to_file`.
        check_hash: whether the name holds the start of the file's SHA-256, which is checked when
            it is fetched.
        file_name: what to call it, as it is called there when None.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress)
    return flambeau.load(path, map_location=map_location, weights_only=weights_only)
