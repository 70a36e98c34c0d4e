"""The optimisers with ``foreach=True``, under the names of older programs."""

from functools import partial

from flambeau import optim

__all__ = [
    "ASGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
]

globals().update({name: partial(getattr(optim, name), foreach=True) for name in __all__})
