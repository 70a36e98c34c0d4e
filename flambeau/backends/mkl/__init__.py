"""Intel's MKL: this build has products of its own."""

__all__ = ["VERBOSE_OFF", "VERBOSE_ON", "is_available", "verbose"]

VERBOSE_OFF = 0
VERBOSE_ON = 1


def is_available() -> bool:
    """False: this build does not have it."""
    return False


class verbose:
    """Would have the library tell of its calls inside a ``with`` block: entered, it raises, since
    there is no library."""

    def __init__(self, enable) -> None:
        self.enable = enable

    def __enter__(self):
        if self.enable == VERBOSE_OFF:
            return self
        raise RuntimeError(
            "mkl.verbose: Failed to set MKL into verbose mode: this build has no MKL."
        )

    def __exit__(self, exc_type, exc_val, exc_tb) -> bool:
        return False
