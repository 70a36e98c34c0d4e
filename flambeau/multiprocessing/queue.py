"""PyTorch's names for queues; Python's own send tensors already."""

from multiprocessing.connection import Connection as ConnectionWrapper
from multiprocessing.queues import Queue, SimpleQueue

__all__ = ["ConnectionWrapper", "Queue", "SimpleQueue"]
