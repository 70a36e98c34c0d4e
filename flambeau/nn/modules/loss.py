"""Losses."""

from __future__ import annotations

import flambeau

from .. import _reduction
from .. import functional as F
from .module import Module

__all__ = ["CrossEntropyLoss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    reduction: str

    def __init__(self, size_average=None, reduce=None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = _reduction.legacy_get_string(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

    def _class_weight(self):
        # See Note [Reading parameters].
        buffers = self._buffers
        return buffers["weight"] if "weight" in buffers else self.weight


class MSELoss(_Loss):
    """The mean squared difference of input and target.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MSELoss()(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
        tensor(2.)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """The negative log-likelihood of class numbers under log-probabilities.

    Args:
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (C), (N, C) or (N, C, ...); target: the same without C.
        - output: a scalar, or shaped like the target for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.NLLLoss()(flambeau.tensor([[-0.5, -2.0]]), flambeau.tensor([1]))
        tensor(2.)
    """

    __constants__ = ["ignore_index", "reduction"]
    ignore_index: int

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.nll_loss(
            input,
            target,
            weight=self._class_weight(),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_WeightedLoss):
    """The negative log-likelihood of the target under the softmax of the input.

    Args:
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        label_smoothing: how much of the target is spread evenly over the classes.

    Shape:
        - input: (C), (N, C) or (N, C, ...), scores that are not normalised.
        - target: class numbers, shaped like the input without C; or probabilities, shaped like it.
        - output: a scalar, or shaped like the class numbers for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.CrossEntropyLoss()(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(1.3863)
    """

    __constants__ = ["ignore_index", "reduction", "label_smoothing"]
    ignore_index: int
    label_smoothing: float

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index: int = -100,
        reduce=None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self._class_weight(),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
