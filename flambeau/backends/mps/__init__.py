"""Metal on Apple's systems: this build has none."""

from typing import NoReturn as _NoReturn

__all__ = [
    "get_core_count",
    "get_name",
    "is_available",
    "is_built",
    "is_macos13_or_newer",
    "is_macos_or_newer",
]


def is_built() -> bool:
    """False: this build was made without it."""
    return False


def is_available() -> bool:
    """False: this build was made without it."""
    return False


def _refuse(function: str, error: type[Exception]) -> _NoReturn:
    raise error(
        f"backends.mps.{function}: this build was made without MPS. Ask "
        "flambeau.backends.mps.is_available() first."
    )


def is_macos_or_newer(major: int, minor: int) -> bool:
    """Raises: there is no MPS that would know."""
    _refuse("is_macos_or_newer", RuntimeError)


def is_macos13_or_newer(minor: int = 0) -> bool:
    """Raises: there is no MPS that would know."""
    _refuse("is_macos13_or_newer", RuntimeError)


def get_name() -> str:
    """Raises: there is no device."""
    _refuse("get_name", AttributeError)


def get_core_count() -> int:
    """Raises: there is no device."""
    _refuse("get_core_count", AttributeError)
