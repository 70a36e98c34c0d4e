"""Optimisers whose state is divided among processes: this build has none of them."""

from flambeau._absent import AbsentClass
from flambeau.optim import Optimizer

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(AbsentClass, Optimizer):
    """Stands for optimisers of many processes where types are told apart; none can be made."""
