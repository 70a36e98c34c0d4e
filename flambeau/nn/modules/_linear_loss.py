"""The cross entropy of a layer's own scores: part of ``loss``."""

from __future__ import annotations

import math

import flambeau

from .. import functional as F
from ._losses import _WeightedLoss
from .linear import Linear
from .linear_cross_entropy_options import LinearCrossEntropyOptions


class LinearCrossEntropyLoss(_WeightedLoss):
    """``CrossEntropyLoss`` of a linear layer, which it holds.

    Args:
        in_features: size of an item.
        num_classes: number of classes.
        out_features: further dimensions of what the layer gives, each with a target of its own.
        bias: whether the layer adds a bias.
        device, dtype: of the layer.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: a factor for each class.
        ignore_index: a class number that counts nothing.
        label_smoothing: how much of the target is spread evenly over the classes.
        options: a ``LinearCrossEntropyOptions``: keep the scores of a chunk at a time.

    Shape:
        - input: (N, in_features) or (in_features).
        - target: (N, *out_features) or () class numbers, or probabilities.
        - output: a scalar, or shaped like the class numbers for ``"none"``.

    Example::

        >>> import flambeau
        >>> loss = flambeau.nn.LinearCrossEntropyLoss(3, 4)
        >>> loss(flambeau.zeros(1, 3), flambeau.tensor([2])).detach()
        tensor(1.3863)
    """

    __constants__ = ["num_classes", "out_features", "reduction", "ignore_index", "label_smoothing"]
    num_classes: int
    out_features: tuple[int, ...]
    ignore_index: int | None
    label_smoothing: float
    options: LinearCrossEntropyOptions | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device=None,
        dtype=None,
        reduction: str = "mean",
        weight=None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"LinearCrossEntropyLoss: expected weight shape to be {(num_classes,)}, got "
                f"{tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                "LinearCrossEntropyLoss: expected label_smoothing to be in range [0, 1], got "
                f"{label_smoothing}"
            )
        super().__init__(weight, None, None, reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        rows = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        shape, bias = (self.num_classes, *self.out_features), self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape((*shape, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self._class_weight(),
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )
