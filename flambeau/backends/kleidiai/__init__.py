"""KleidiAI, Arm's kernels: this build has none."""

__all__ = ["is_available"]


def is_available() -> bool:
    """False: this build does not have it."""
    return False
