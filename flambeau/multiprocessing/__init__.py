"""Python's ``multiprocessing`` with tensors that processes share: what goes through a queue or a
pipe, or is an argument of a process that is spawned, keeps one memory in all of them.

    >>> import flambeau
    >>> import flambeau.multiprocessing as mp
    >>> reader, writer = mp.Pipe()
    >>> x = flambeau.zeros(2)
    >>> writer.send(x)
    >>> y = reader.recv()
    >>> y.fill_(7)
    tensor([7., 7.])
    >>> x
    tensor([7., 7.])
"""

import multiprocessing
from multiprocessing import *  # noqa: F403

from . import reductions
from .reductions import init_reductions
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__,
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "reductions",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

_sharing_strategy = "file_descriptor"
_all_sharing_strategies = frozenset(("file_descriptor", "file_system"))


def set_sharing_strategy(new_strategy: str) -> None:
    """Name a strategy of PyTorch's. Tensors are shared in one way under every name: in segments
    that have no name in the file system and hold many tensors each.

    Shape:
        - no tensors.

    Example::

        >>> set_sharing_strategy("file_system")
        >>> get_sharing_strategy()
        'file_system'
    """
    global _sharing_strategy
    if new_strategy not in _all_sharing_strategies:
        raise AssertionError(
            f"set_sharing_strategy: invalid sharing strategy {new_strategy!r}, expected one of "
            f"{sorted(_all_sharing_strategies)}"
        )
    _sharing_strategy = new_strategy


def get_sharing_strategy() -> str:
    """The name that was set last.

    Shape:
        - no tensors.

    Example::

        >>> get_sharing_strategy() in get_all_sharing_strategies()
        True
    """
    return _sharing_strategy


def get_all_sharing_strategies() -> set[str]:
    """The names of strategies.

    Shape:
        - no tensors.

    Example::

        >>> sorted(get_all_sharing_strategies())
        ['file_descriptor', 'file_system']
    """
    return set(_all_sharing_strategies)


init_reductions()
