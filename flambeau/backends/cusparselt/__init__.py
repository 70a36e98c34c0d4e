"""cuSPARSELt: this build has none."""

__all__ = ["get_max_alg_id", "is_available", "version"]


def is_available() -> bool:
    """False: this build does not have it."""
    return False


def version() -> int | None:
    """None: there is no library."""
    return None


def get_max_alg_id() -> int | None:
    """None: there is no library."""
    return None
