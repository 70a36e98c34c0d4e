"""The CPU's instruction sets."""

from flambeau import _C

__all__ = ["get_cpu_capability"]

_NAMES = {"baseline": "DEFAULT", "avx2": "AVX2", "avx512": "AVX512"}


def get_cpu_capability() -> str:
    """The instruction set that kernels use: ``"DEFAULT"``, ``"AVX2"`` or ``"AVX512"``.

    The environment variable ``FLAMBEAU_ISA`` (``baseline``, ``avx2``, ``avx512``) lowers it.

    >>> flambeau.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    True
    """
    return _NAMES[_C._instruction_set()]
