"""How this copy of flambeau was built, and what it runs with."""

from flambeau import _C
from flambeau._version import __version__

__all__ = ["parallel_info", "show"]


def show() -> str:
    """What flambeau was built with, and the instruction set that its kernels use here."""
    return (
        f"flambeau {__version__} built with:\n"
        f"  - {_C._compiler()}\n"
        f"  - kernels for the instruction sets baseline, avx2, avx512\n"
        f"  - CPU capability usage: {_C._instruction_set()}\n"
    )


def parallel_info() -> str:
    """How work is spread over threads."""
    return (
        "flambeau parallel info:\n"
        f"  threads of the pool: {_C.get_num_threads()}\n"
        "  results do not depend on the number of threads\n"
    )
