"""OpenMP: threads are flambeau's own."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False: this build does not have it."""
    return False
