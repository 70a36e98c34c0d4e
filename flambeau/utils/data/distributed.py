"""A sampler for training on many processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import flambeau

from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler):
    """The part of the indices that one of several processes trains on. `set_epoch` before each
    pass gives it another order.

    Args:
        dataset: what to sample from.
        num_replicas: how many processes there are; as `distributed` says when None.
        rank: which of them this is; as `distributed` says when None.
        shuffle: whether the order is random, the same in all processes.
        seed: of the order.
        drop_last: whether to leave out samples so that all have equally many, or to give some
            again.

    Shape:
        - no tensors.

    Example::

        >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
        [1, 3, 0]
    """

    def __init__(
        self,
        dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            distributed = flambeau.distributed
            if not distributed.is_available():
                raise RuntimeError(
                    "DistributedSampler: Requires distributed package to be available; or give "
                    "num_replicas and rank"
                )
            num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
            rank = distributed.get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        length = len(dataset)
        self.num_samples = length // num_replicas if drop_last else math.ceil(length / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        length = len(self.dataset)
        indices = list(range(length))
        if self.shuffle:
            generator = flambeau.Generator().manual_seed(self.seed + self.epoch)
            indices = flambeau.randperm(length, generator=generator).tolist()
        if self.total_size > length > 0:
            indices = indices * math.ceil(self.total_size / length)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Have the next pass in the order of this epoch."""
        self.epoch = epoch
