"""How ``multiprocessing`` sends tensors: by a ticket for their memory instead of their bytes."""

from __future__ import annotations

from multiprocessing import reduction

import flambeau
from flambeau import _C

__all__ = ["init_reductions", "rebuild_storage", "reduce_storage", "reduce_tensor"]


def rebuild_storage(*ticket):
    """The storage that another process has sent, or an empty one where there is no ticket."""
    return _C._receive_storage(*ticket) if ticket else flambeau.UntypedStorage(0)


def reduce_storage(storage):
    """A storage as a message that can be read once: its memory moves to where other processes can
    share it. What NumPy or a buffer holds by its address is copied."""
    if storage.device.type != "cpu":
        return storage.__reduce__()
    return rebuild_storage, _C._send_storage(storage) if storage.nbytes() else ()


def reduce_tensor(tensor):
    """A tensor as a message; its storage follows by `reduce_storage`."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries. If you just want to transfer the data, "
            "call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    return tensor.__reduce_ex__(2)


def init_reductions() -> None:
    """Have ``multiprocessing`` send storages so, and refuse tensors inside a graph."""
    reduction.register(flambeau.Tensor, reduce_tensor)
    reduction.register(flambeau.UntypedStorage, reduce_storage)
