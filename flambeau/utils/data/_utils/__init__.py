"""What happens between a dataset and the batch that a loader gives."""

from . import collate, fetch

__all__ = ["collate", "fetch"]
