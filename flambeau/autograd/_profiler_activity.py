"""What can be looked at."""

from __future__ import annotations

import enum

__all__ = ["ProfilerActivity", "supported_activities"]


class ProfilerActivity(enum.Enum):
    """A kind of device whose work a profile looks at.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> torch.profiler.ProfilerActivity.CPU in torch.profiler.supported_activities()
        True
    """

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


def supported_activities() -> set[ProfilerActivity]:
    """What this build can look at.

    >>> import flambeau as torch
    >>> torch.profiler.supported_activities()
    {<ProfilerActivity.CPU: 0>}
    """
    return {ProfilerActivity.CPU}
