"""Names of types as annotations of programs that PyTorch would compile use them."""

from typing import Any, List, Optional, Tuple, Union  # noqa: UP035

__all__ = ["Any", "List", "Optional", "Tuple", "Union"]


class _BroadcastingList:
    """``BroadcastingList2[int]``: a number, or as many of them."""

    def __getitem__(self, types) -> None:
        return None


for _count in range(1, 7):
    globals()[f"BroadcastingList{_count}"] = _BroadcastingList()
    __all__.append(f"BroadcastingList{_count}")
