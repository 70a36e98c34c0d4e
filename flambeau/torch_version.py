"""Versions that compare as versions do, and are text for those who want text."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from typing import Any

from flambeau._version import __version__ as _own

__all__ = ["TorchVersion"]

_PATTERN = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<bare_post>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_PHASES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FIRST, _LAST = (-1,), (3,)


def _key(version: str) -> tuple[Any, ...]:
    """What orders versions, as PEP 440 says."""
    found = _PATTERN.fullmatch(version.strip())
    if found is None:
        raise ValueError(f"TorchVersion: invalid version: {version!r}, expected such as '2.13.0'")
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = found["bare_post"] or (found["post_number"] or "0" if found["post"] else None)
    dev = int(found["dev_number"] or 0) if found["dev"] else None
    if found["pre"]:
        pre: tuple[int, ...] = (_PHASES[found["pre"].lower()], int(found["pre_number"] or 0))
    else:
        pre = _FIRST if dev is not None and post is None else _LAST
    local = [
        (1, int(part), "") if part.isdigit() else (0, 0, part.lower())
        for part in re.split(r"[-_.]", found["local"] or "")
        if part
    ]
    return (
        int(found["epoch"] or 0),
        release,
        pre,
        -1 if post is None else int(post),
        float("inf") if dev is None else dev,
        local,
    )


class TorchVersion(str):
    """A version as text that compares with texts and tuples of numbers as versions do.

    >>> TorchVersion("1.10.0a") > "1.9"
    True
    >>> TorchVersion("2.13.0") >= (2, 4)
    True
    >>> TorchVersion("2.13.0+cpu").split("+")
    ['2.13.0', 'cpu']
    """

    def _compared(self, other: Any, comparison: str) -> Any:
        if isinstance(other, Iterable) and not isinstance(other, str):
            other = ".".join(map(str, other))
        if not isinstance(other, str):
            return NotImplemented
        try:
            return getattr(operator, comparison)(_key(self), _key(other))
        except ValueError:  # one is no version: as texts
            return getattr(str, f"__{comparison}__")(self, other)

    def __lt__(self, other: Any) -> bool:
        return self._compared(other, "lt")

    def __le__(self, other: Any) -> bool:
        return self._compared(other, "le")

    def __gt__(self, other: Any) -> bool:
        return self._compared(other, "gt")

    def __ge__(self, other: Any) -> bool:
        return self._compared(other, "ge")

    def __eq__(self, other: object) -> bool:
        return self._compared(other, "eq")

    def __ne__(self, other: object) -> bool:
        return self._compared(other, "ne")

    __hash__ = str.__hash__


__version__ = TorchVersion(_own)
