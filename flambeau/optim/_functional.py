"""The functional forms of the optimisers, in one place."""

from __future__ import annotations

import math

from .adadelta import adadelta
from .adagrad import adagrad
from .adam import adam
from .adamax import adamax
from .adamw import adamw
from .asgd import asgd
from .nadam import nadam
from .radam import radam
from .rmsprop import rmsprop
from .rprop import rprop
from .sgd import sgd

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sparse_adam",
]


def sparse_adam(
    params: list,
    grads: list,
    exp_avgs: list,
    exp_avg_sqs: list,
    state_steps: list,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr,
    maximize: bool,
) -> None:
    """A step of `SparseAdam`, over lists: rows without a gradient stay as they are, and so do their
    means.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> sparse_adam([], [], [], [], [], eps=1e-8, beta1=0.9, beta2=0.999, lr=0.1,
        ...             maximize=False)
    """
    for param, grad, average, square, step in zip(
        params, grads, exp_avgs, exp_avg_sqs, state_steps
    ):
        grad = (-grad if maximize else grad).coalesce()
        places, values = tuple(grad.indices()), grad.values()
        if values.numel() == 0:
            continue
        mean = average[places]
        mean = mean + (values - mean) * (1 - beta1)
        spread = square[places]
        spread = spread + (values * values - spread) * (1 - beta2)
        average.index_put_(places, mean)
        square.index_put_(places, spread)
        size = lr * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        param.index_put_(places, -size * mean / (spread.sqrt() + eps), accumulate=True)
