"""Checks of functions, files by masks, and streams that close themselves."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterator

__all__ = [
    "StreamWrapper",
    "get_file_binaries_from_pathnames",
    "get_file_pathnames_from_root",
    "length_of",
    "match_masks",
    "validate_input_col",
]


def length_of(pipe, source) -> int:
    """The length of a source; TypeError of the pipe where it has none."""
    try:
        return len(source)
    except TypeError:
        raise TypeError(f"{type(pipe).__name__} instance doesn't have valid length") from None


def validate_input_col(fn: Callable, input_col) -> None:
    """ValueError where ``fn`` cannot be called with that many columns."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except ValueError:  # a built-in one, which says nothing of itself
        return
    wanted = len(input_col) if isinstance(input_col, (list, tuple)) else 1
    target = fn.func if isinstance(fn, functools.partial) else fn
    name = getattr(target, "__name__", repr(target))
    by_keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if by_keyword:
        raise ValueError(
            f"The function {name} takes {len(by_keyword)} non-default keyword-only parameters, "
            "which is not allowed."
        )
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in positional)
    any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if needed > wanted or (len(positional) < wanted and not any_number):
        raise ValueError(
            f"The function {name} takes {len(positional)} positional parameters, but {wanted} are "
            "required."
        )


def _check_unpickable_fn(fn: Callable) -> None:
    """TypeError for what is no function, and a warning of those that pickle does not take."""
    if not callable(fn):
        raise TypeError(f"A callable function is expected, but {type(fn)} is provided.")
    if isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__qualname__", None) or getattr(type(fn), "__qualname__", "")
    kind = "Lambda" if name.endswith("<lambda>") else "Local" if "<locals>" in name else None
    if kind:
        warnings.warn(
            f"{kind} function is not supported by pickle, please use regular python function or "
            "functools.partial instead.",
            stacklevel=3,
        )


def match_masks(name: str, masks: str | list[str]) -> bool:
    """Whether a file's name matches one of the masks; no masks match all."""
    if isinstance(masks, str):
        masks = [masks] if masks else []
    return not masks or any(fnmatch.fnmatch(name, mask) for mask in masks)


def get_file_pathnames_from_root(
    root: str,
    masks: str | list[str],
    recursive: bool = False,
    abspath: bool = False,
    non_deterministic: bool = False,
) -> Iterator[str]:
    """The files of a folder whose names match, sorted within it; or the file itself."""

    def fail(error: OSError):
        warnings.warn(f"{error.filename} : {error.strerror}", stacklevel=2)
        raise error

    if os.path.isfile(root):
        if match_masks(os.path.basename(root), masks):
            yield os.path.abspath(root) if abspath else root
        return
    for path, _, files in os.walk(root, onerror=fail):
        folder = os.path.abspath(path) if abspath else path
        for name in files if non_deterministic else sorted(files):
            if match_masks(name, masks):
                yield os.path.join(folder, name)
        if not recursive:
            break


def get_file_binaries_from_pathnames(pathnames, mode: str, encoding: str | None = None):
    """Each path with its file, opened."""
    if not isinstance(pathnames, (list, tuple)) and isinstance(pathnames, str):
        pathnames = [pathnames]
    if mode in ("b", "t"):
        mode = "r" + mode
    for pathname in pathnames:
        if not isinstance(pathname, str):
            raise TypeError(f"Expected string type for pathname, but got {type(pathname)}")
        yield pathname, StreamWrapper(open(pathname, mode, encoding=encoding))


class StreamWrapper:
    """A file that is closed when nobody has it any more, and with the last of those opened from
    it where `autoclose` was called.

    Args:
        file_obj: the file.
        parent_stream: the one that it was opened from.
        name: for its repr.

    Shape:
        - no tensors.

    Example::

        >>> import io
        >>> with_name = StreamWrapper(io.StringIO("ab"), name="letters")
        >>> with_name.read(), repr(with_name)[:21]
        ('ab', 'StreamWrapper<letters')
    """

    def __init__(self, file_obj, parent_stream: StreamWrapper | None = None, name=None) -> None:
        self.closed = False
        self.file_obj = file_obj
        self.child_counter = 0
        self.parent_stream = parent_stream
        self.close_on_last_child = False
        self.name = name
        if parent_stream is not None:
            if not isinstance(parent_stream, StreamWrapper):
                raise RuntimeError(
                    f"Parent stream should be StreamWrapper, {type(parent_stream)} was given"
                )
            parent_stream.child_counter += 1

    @classmethod
    def close_streams(cls, v, depth: int = 0) -> None:
        """Close all that a sample holds."""
        if depth > 10:
            return
        if isinstance(v, StreamWrapper):
            v.close()
        elif isinstance(v, (dict, list, tuple)):
            for item in v.values() if isinstance(v, dict) else v:
                cls.close_streams(item, depth + 1)

    def close(self, *args, **kwargs) -> None:
        if self.closed:
            return
        self.closed = True
        parent = self.parent_stream
        if parent is not None:
            parent.child_counter -= 1
            if parent.child_counter == 0 and parent.close_on_last_child:
                parent.close()
        if hasattr(self.file_obj, "close"):
            self.file_obj.close(*args, **kwargs)

    def autoclose(self) -> None:
        """Close it with the last stream that is opened from it."""
        self.close_on_last_child = True
        if self.child_counter == 0:
            self.close()

    def __getattr__(self, name: str):
        return getattr(self.__dict__["file_obj"], name)

    def __dir__(self):
        return sorted({*self.__dict__, *dir(type(self)), *dir(self.file_obj)})

    def __del__(self) -> None:
        if not self.__dict__.get("closed", True):
            self.close()

    def __iter__(self):
        yield from self.file_obj

    def __next__(self):
        return next(self.file_obj)

    def __repr__(self) -> str:
        name = "" if self.name is None else f"{self.name},"
        return f"StreamWrapper<{name}{self.file_obj!r}>"

    def __getstate__(self):
        return self.file_obj

    def __setstate__(self, file_obj) -> None:
        self.__init__(file_obj)  # type: ignore[misc]
