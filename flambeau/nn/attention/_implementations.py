"""Implementations of attention that packages from outside bring."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

__all__ = [
    "activate_flash_attention_impl",
    "current_flash_attention_impl",
    "list_flash_attention_impls",
    "register_flash_attention_impl",
    "restore_flash_attention_impl",
]

_known: dict[str, Callable[[], Any]] = {}
_active: tuple[str, Any] | None = None


def register_flash_attention_impl(impl: str, *, register_fn: Callable[[], Any]) -> None:
    """Name an implementation, which is put in place when `activate_flash_attention_impl` is told.

    Args:
        impl: its name.
        register_fn: puts it in place, with ``library.impl`` for example, and returns an object
            whose ``remove()`` takes it away again, or None.

    Shape:
        - no tensors.

    Example::

        >>> register_flash_attention_impl("mine", register_fn=lambda: None)
        >>> list_flash_attention_impls()
        ['mine']
        >>> activate_flash_attention_impl("mine")
    """
    _known[impl] = register_fn


def activate_flash_attention_impl(impl: str) -> None:
    """Put an implementation in place, instead of the one that was before.

    Args:
        impl: its name.

    Shape:
        - no tensors.

    Example::

        >>> activate_flash_attention_impl("nobody's")
        Traceback (most recent call last):
        ValueError: activate_flash_attention_impl: Unknown flash attention impl "nobody's"...
    """
    global _active
    if _active is not None:
        restore_flash_attention_impl()
    if impl not in _known:
        raise ValueError(
            f"activate_flash_attention_impl: Unknown flash attention impl {impl!r}. Available "
            f"implementations: {list_flash_attention_impls()}"
        )
    handle = _known[impl]()
    if handle is not None:
        _active = impl, handle


def list_flash_attention_impls() -> list[str]:
    """The names of implementations that may be activated.

    Shape:
        - no tensors.

    Example::

        >>> isinstance(list_flash_attention_impls(), list)
        True
    """
    return sorted(_known)


def current_flash_attention_impl() -> str | None:
    """The name of the implementation that was activated, and gave a handle; or None.

    Shape:
        - no tensors.

    Example::

        >>> current_flash_attention_impl() is None
        True
    """
    return None if _active is None else _active[0]


def restore_flash_attention_impl() -> None:
    """Take away the implementation that was activated.

    Shape:
        - no tensors.

    Example::

        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     restore_flash_attention_impl()
    """
    global _active
    if _active is None:
        warnings.warn("restore_flash_attention_impl: no implementation was active", stacklevel=2)
        return
    _, handle = _active
    _active = None
    handle.remove()
