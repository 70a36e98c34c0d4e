"""Marks for a compiler of programs that stand below `flambeau.jit`."""

from __future__ import annotations

__all__ = [f"BroadcastingList{count}" for count in range(1, 7)]


class _BroadcastingList:
    """``BroadcastingList2[int]`` annotates a number, or as many of them."""

    def __getitem__(self, types) -> None:
        return None


BroadcastingList1 = _BroadcastingList()
BroadcastingList2 = _BroadcastingList()
BroadcastingList3 = _BroadcastingList()
BroadcastingList4 = _BroadcastingList()
BroadcastingList5 = _BroadcastingList()
BroadcastingList6 = _BroadcastingList()


def _copy_to_script_wrapper(fn):
    """``fn`` itself: marks what a compiled module should keep as Python."""
    return fn
