"""Where storages are: the names that files have for devices, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import flambeau

from .errors import CheckpointError, Passed
from .rebuild import MetaStorage, TypedStorage

Tagger = Callable[[object], "str | None"]
Deserializer = Callable[[object, str], object]
_packages: list[tuple[int, Tagger, Deserializer]] = []


def register_package(priority: int, tagger: Tagger, deserializer: Deserializer) -> None:
    """Have functions say where a storage is, and put it there again.

    Args:
        priority: the lowest is asked first; the CPU's is 10, that of ``meta`` 22, and that of all
            other devices comes last.
        tagger: gives the location of a storage, as text, or None if it is not for this one to say.
        deserializer: gives the storage, moved to a location, or None.

    Example::

        >>> register_package(
        ...     15, lambda storage: None, lambda storage, at: storage if at == "attic" else None
        ... )
        >>> default_restore_location(flambeau.UntypedStorage(8), "attic").nbytes()
        8
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def _kind(storage) -> str:
    return storage.device.type


def _of_cpu(storage, location: str):
    return storage if location.partition(":")[0] == "cpu" else None


def _of_meta(storage, location: str):
    return MetaStorage(storage.nbytes()) if location.partition(":")[0] == "meta" else None


register_package(10, lambda s: "cpu" if _kind(s) == "cpu" else None, _of_cpu)
register_package(22, lambda s: "meta" if _kind(s) == "meta" else None, _of_meta)


def location_tag(storage) -> str:
    """The name that a file has for the place of ``storage``.

    Example::

        >>> location_tag(flambeau.UntypedStorage(8))
        'cpu'
    """
    if isinstance(storage, TypedStorage):
        storage = storage.untyped
    for _, tagger, _ in _packages:
        location = tagger(storage)
        if location:
            return location
    return str(storage.device)


def default_restore_location(storage, location: str):
    """``storage`` on the device that ``location`` names.

    Example::

        >>> default_restore_location(flambeau.UntypedStorage(8), "cpu").nbytes()
        8
    """
    for _, _, deserializer in _packages:
        moved = deserializer(storage, location)
        if moved is not None:
            return moved
    try:
        return storage.to(location)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(
            f"load: the file holds a tensor of device {location!r}, which is not available here; "
            "use map_location='cpu' to load it to the CPU."
        ) from error


def restore(storage, location: str, map_location):
    """``storage`` where the file or the program wants it."""
    if map_location is None:
        return default_restore_location(storage, location)
    if isinstance(map_location, dict):
        if location not in map_location:
            return default_restore_location(storage, location)
        return _asked_for(storage, str(map_location[location]))
    if isinstance(map_location, (str, flambeau.device)):
        return _asked_for(storage, str(map_location))
    try:
        moved = map_location(storage, location)
    except Exception as error:
        raise Passed(error) from error
    return default_restore_location(storage, location) if moved is None else moved


def _asked_for(storage, location: str):
    """``storage`` on a device that the program names, not the file."""
    try:
        return default_restore_location(storage, location)
    except CheckpointError as error:
        raise Passed(
            RuntimeError(
                f"load: map_location asks for device {location!r}, which is not available here; "
                "use map_location='cpu' to load to the CPU."
            )
        ) from error


def wants_meta(map_location) -> bool:
    """Whether the bytes need not be read at all."""
    return isinstance(map_location, (str, flambeau.device)) and str(map_location) == "meta"


def _device_index(location: str, kind: str) -> int:
    device = flambeau.device(location)
    module = getattr(flambeau, kind, None)
    if device.type != kind or module is None or not module.is_available():
        raise RuntimeError(
            f"load: a storage is to come to device {location!r}, and {kind} is not available here; "
            "use map_location='cpu' to load to the CPU."
        )
    index = 0 if device.index is None else device.index
    if index >= module.device_count():
        raise RuntimeError(
            f"load: a storage is to come to device {location!r}, and there are "
            f"{module.device_count()} devices; use map_location to choose another."
        )
    return index


def validate_cuda_device(location: str) -> int:
    """The index of the CUDA device that ``location`` names; RuntimeError if it is not there.

    Example::

        >>> try:
        ...     _ = validate_cuda_device("cuda:1000")
        ... except RuntimeError:
        ...     print("not there")
        not there
    """
    return _device_index(location, "cuda")


def validate_hpu_device(location: str) -> int:
    """The index of the HPU device that ``location`` names; RuntimeError if it is not there.

    Example::

        >>> try:
        ...     _ = validate_hpu_device("hpu:1000")
        ... except RuntimeError:
        ...     print("not there")
        not there
    """
    return _device_index(location, "hpu")
