"""What runs in a forked child."""

import os

__all__ = ["register_after_fork"]


def register_after_fork(func) -> None:
    """Call ``func`` in every child that is forked from now on."""
    os.register_at_fork(after_in_child=func)
