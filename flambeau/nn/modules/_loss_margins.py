"""Losses of margins and of alignments: part of ``loss``."""

from __future__ import annotations

import flambeau

from .. import functional as F
from ._losses import _Loss, _WeightedLoss
from .distance import PairwiseDistance


class MarginRankingLoss(_Loss):
    """``max(0, margin - target * (input1 - input2))``.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - inputs and target: any, the same.
        - output: a scalar, or shaped like the inputs for ``"none"``.

    Example::

        >>> import flambeau
        >>> one = flambeau.ones(1)
        >>> flambeau.nn.MarginRankingLoss()(one, 2 * one, one)
        tensor(1.)
    """

    __constants__ = ["margin", "reduction"]
    margin: float

    def __init__(
        self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(
        self, input1: flambeau.Tensor, input2: flambeau.Tensor, target: flambeau.Tensor
    ) -> flambeau.Tensor:
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class HingeEmbeddingLoss(_Loss):
    """The input where the target is 1, ``max(0, margin - input)`` where it is -1.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> loss = flambeau.nn.HingeEmbeddingLoss()
        >>> loss(flambeau.tensor([0.25, 0.25]), flambeau.tensor([1.0, -1.0]))
        tensor(0.5000)
    """

    __constants__ = ["margin", "reduction"]
    margin: float

    def __init__(
        self, margin: float = 1.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Args:
        margin: how far is far enough.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input1, input2: (N, D) or (D); target: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> one = flambeau.ones(1, 2)
        >>> flambeau.nn.CosineEmbeddingLoss()(one, one, flambeau.tensor([-1.0]))
        tensor(1.)
    """

    __constants__ = ["margin", "reduction"]
    margin: float

    def __init__(
        self, margin: float = 0.0, size_average=None, reduce=None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(
        self, input1: flambeau.Tensor, input2: flambeau.Tensor, target: flambeau.Tensor
    ) -> flambeau.Tensor:
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """How much less than 1 the scores of an item's classes are above those of all others.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: (N, C) or (C); targets are classes, followed by -1.
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> loss = flambeau.nn.MultiLabelMarginLoss()
        >>> loss(flambeau.zeros(4), flambeau.tensor([2, -1, 0, 0]))
        tensor(0.7500)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of ``BCEWithLogitsLoss``.

    Args:
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: (N, C), or any; classes are the last dimension.
        - output: a scalar, or the input without classes for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MultiLabelSoftMarginLoss()(flambeau.zeros(1, 2), flambeau.ones(1, 2))
        tensor(0.6931)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.multilabel_soft_margin_loss(
            input, target, weight=self._class_weight(), reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """How much less than ``margin`` the score of the target's class is above the others, to the
    power ``p``.

    Args:
        p: 1 or 2.
        margin: how far is far enough.
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (N, C) or (C); target: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.MultiMarginLoss()(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(0.7500)
    """

    __constants__ = ["p", "margin", "reduction"]
    margin: float
    p: int

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight=None,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: only p == 1 and p == 2 supported, got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: weight must be None or one-dimensional, got {weight.dim()}"
            )
        self.p = p
        self.margin = margin

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self._class_weight(),
            reduction=self.reduction,
        )


class TripletMarginLoss(_Loss):
    """How much less than ``margin`` closer the anchor is to ``positive`` than to ``negative``.

    Args:
        margin: how far is far enough.
        p: the norm that measures distances.
        eps: added to differences.
        swap: whether the distance of ``positive`` and ``negative`` counts where it is less.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - anchor, positive, negative: (N, D) or (D).
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> a = flambeau.zeros(1, 1)
        >>> flambeau.nn.TripletMarginLoss()(a, a + 1, a)
        tensor(2.0000)
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]
    margin: float
    p: float
    eps: float
    swap: bool

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average=None,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: margin must be greater than 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor, positive, negative) -> flambeau.Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """``TripletMarginLoss`` with a distance of the caller's.

    Args:
        distance_function: gives distances of two tensors; ``PairwiseDistance()`` by default.
        margin: how far is far enough.
        swap: whether the distance of ``positive`` and ``negative`` counts where it is less.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - anchor, positive, negative: what the distance takes, of one number of dimensions.
        - output: a scalar, or what the distance gives for ``"none"``.

    Example::

        >>> import flambeau
        >>> a = flambeau.zeros(1, 1)
        >>> flambeau.nn.TripletMarginWithDistanceLoss()(a, a + 1, a)
        tensor(2.0000)
    """

    __constants__ = ["margin", "swap", "reduction"]
    margin: float
    swap: bool

    def __init__(
        self,
        *,
        distance_function=None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(None, None, reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: margin must be greater than 0, got {margin}"
            )
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin = margin
        self.swap = swap

    def forward(self, anchor, positive, negative) -> flambeau.Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(_Loss):
    """The negative log-likelihood of all ways to align targets to a sequence.

    Args:
        blank: the class that stands between others.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        zero_infinity: whether what cannot be aligned counts as 0.

    Shape:
        - log_probs: (T, N, C) or (T, C); targets: (N, S) or the sum of all lengths.
        - input_lengths, target_lengths: (N) or ().
        - output: a scalar, or (N) for ``"none"``.

    Example::

        >>> import flambeau
        >>> x = flambeau.full((2, 1, 2), 0.5).log()
        >>> flambeau.nn.CTCLoss()(x, flambeau.tensor([[1]]), (2,), (1,))
        tensor(0.2877)
    """

    __constants__ = ["blank", "reduction"]
    blank: int
    zero_infinity: bool

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(None, None, reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths) -> flambeau.Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
