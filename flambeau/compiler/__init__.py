"""What programs say about themselves to a compiler of graphs. There is none yet: questions have an
answer, and marks leave what they mark as it is.

    >>> import flambeau
    >>> flambeau.compiler.is_compiling()
    False
"""

from __future__ import annotations

import flambeau

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
]


def compile(*args, **kwargs):
    """As `flambeau.compile`, which is not there yet."""
    return flambeau.compile(*args, **kwargs)


def is_compiling() -> bool:
    """False: nothing is compiled."""
    return False


def is_dynamo_compiling() -> bool:
    """False: nothing is compiled."""
    return False


def is_exporting() -> bool:
    """False: nothing is exported."""
    return False


def disable(fn=None, recursive=True, *, reason=None):
    """``fn`` itself, or without one a decorator that gives it: marks what should not be compiled.

    Args:
        fn: a function, class or module.
        recursive: whether what it calls should not be compiled either.
        reason: why not.
    """
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn):
    """``fn`` itself, or a list of functions: marks what a graph should hold as one call."""
    return fn


def assume_constant_result(fn):
    """``fn`` itself: marks a function whose result a graph may keep."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Does nothing: there are no recorded graphs whose memory could be used again."""


def reset() -> None:
    """Does nothing: there is nothing compiled to forget."""


def list_backends(exclude_tags=("debug", "experimental")) -> list[str]:
    """Empty: there are no compilers."""
    return []
