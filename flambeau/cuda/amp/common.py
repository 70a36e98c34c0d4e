"""Whether mixed precision on CUDA can be had."""

__all__ = ["amp_definitely_not_available"]


def amp_definitely_not_available() -> bool:
    """True: there is no device that it would be for."""
    return True
