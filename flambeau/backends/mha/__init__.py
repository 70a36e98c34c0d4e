"""The shortcut of `nn.MultiheadAttention` in inference."""

__all__ = ["get_fastpath_enabled", "set_fastpath_enabled"]

_is_fastpath_enabled = True


def get_fastpath_enabled() -> bool:
    """Whether the shortcut may be taken.

    >>> flambeau.backends.mha.get_fastpath_enabled()
    True
    """
    return _is_fastpath_enabled


def set_fastpath_enabled(value: bool) -> None:
    """Sets whether the shortcut may be taken."""
    global _is_fastpath_enabled
    _is_fastpath_enabled = value
