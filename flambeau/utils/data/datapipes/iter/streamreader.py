"""A pipe of what files hold."""

from __future__ import annotations

from collections.abc import Iterator

from .._decorator import functional_datapipe
from ..datapipe import IterDataPipe

__all__ = ["StreamReaderIterDataPipe"]


@functional_datapipe("read_from_stream")
class StreamReaderIterDataPipe(IterDataPipe):
    """Tuples of a name and bytes that were read, until the file ends and is closed.

    Args:
        datapipe: tuples of a name and an open file.
        chunk: how much to read at a time; all of it when None.

    Shape:
        - no tensors.

    Example::

        >>> import io
        >>> from flambeau.utils.data.datapipes.iter import IterableWrapper
        >>> files = IterableWrapper([("f", io.BytesIO(b"abc"))])
        >>> list(files.read_from_stream(chunk=2))
        [('f', b'ab'), ('f', b'c')]
    """

    def __init__(self, datapipe: IterDataPipe, chunk: int | None = None) -> None:
        self.datapipe = datapipe
        self.chunk = chunk

    def __iter__(self) -> Iterator[tuple]:
        for name, stream in self.datapipe:
            while data := stream.read(self.chunk):
                yield name, data
            stream.close()
