"""What happens between a dataset and the batch that a loader gives."""

from . import collate, fetch, worker

__all__ = ["collate", "fetch", "worker"]
