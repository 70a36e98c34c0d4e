"""Losses."""

from __future__ import annotations

import flambeau

from .. import functional as F
from ._linear_loss import LinearCrossEntropyLoss
from ._loss_margins import (
    CosineEmbeddingLoss,
    CTCLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from ._losses import _Loss, _WeightedLoss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


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


class NLLLoss2d(NLLLoss):
    """``NLLLoss``, as it was called for images.

    Args:
        weight: a factor for each class.
        size_average, reduce: what ``reduction`` was before it had one name.
        ignore_index: a class number that counts nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: (N, C, H, W); target: (N, H, W).
        - output: a scalar, or shaped like the target for ``"none"``.

    Example::

        >>> import flambeau
        >>> loss = flambeau.nn.NLLLoss2d()
        >>> loss(flambeau.full((1, 2, 1, 1), -0.5), flambeau.tensor([[[1]]]))
        tensor(0.5000)
    """


class L1Loss(_Loss):
    """The mean absolute difference of input and target.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.L1Loss()(flambeau.tensor([1.0, 2.0]), flambeau.tensor([1.0, 4.0]))
        tensor(1.)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """The absolute difference less ``beta / 2``; below ``beta`` a parabola.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: where the parabola ends.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.SmoothL1Loss()(flambeau.tensor([0.5, 3.0]), flambeau.zeros(2))
        tensor(1.3125)
    """

    __constants__ = ["reduction"]
    beta: float

    def __init__(
        self, size_average=None, reduce=None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(_Loss):
    """Half the squared difference up to ``delta``, and a line from there on.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: where the line begins.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.HuberLoss()(flambeau.tensor([0.5, 3.0]), flambeau.zeros(2))
        tensor(1.3125)
    """

    __constants__ = ["reduction", "delta"]
    delta: float

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(None, None, reduction)
        self.delta = delta

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target * input))`` for targets 1 and -1.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.SoftMarginLoss()(flambeau.zeros(2), flambeau.tensor([1.0, -1.0]))
        tensor(0.6931)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """``-(t log(p) + (1 - t) log(1 - p))`` for probabilities p and targets t.

    Args:
        weight: a factor for each element.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.BCELoss()(flambeau.full((2,), 0.5), flambeau.ones(2))
        tensor(0.6931)
    """

    __constants__ = ["reduction"]

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.binary_cross_entropy(
            input, target, weight=self._class_weight(), reduction=self.reduction
        )


class BCEWithLogitsLoss(_Loss):
    """``BCELoss`` of the sigmoid of the input, accurate for scores of any size.

    Args:
        weight: a factor for each element, which may be broadcast.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: a factor for what the target says is there, which may be broadcast.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.BCEWithLogitsLoss()(flambeau.zeros(2), flambeau.ones(2))
        tensor(0.6931)
    """

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction: str = "mean", pos_weight=None
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """The divergence of Kullback and Leibler, of log-probabilities from the target.

    Args:
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"batchmean"``, ``"mean"``, ``"sum"`` or ``"none"``.
        log_target: whether targets are log-probabilities too.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> loss = flambeau.nn.KLDivLoss(reduction="batchmean")
        >>> loss(flambeau.zeros(1, 2), flambeau.ones(1, 2))
        tensor(0.)
    """

    __constants__ = ["reduction"]
    log_target: bool

    def __init__(
        self, size_average=None, reduce=None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """The negative log-likelihood of counts under Poisson distributions.

    Args:
        log_input: whether the input is the logarithm of the rate.
        full: whether to add Stirling's approximation of what does not depend on the input.
        eps: keeps the logarithm of a rate of 0 finite.
        size_average, reduce: what ``reduction`` was before it had one name.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input, target: any, the same.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.PoissonNLLLoss()(flambeau.zeros(2), flambeau.ones(2))
        tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]
    log_input: bool
    full: bool
    eps: float

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average=None,
        eps: float = 1e-8,
        reduce=None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: flambeau.Tensor, target: flambeau.Tensor) -> flambeau.Tensor:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """The negative log-likelihood of the target under normal distributions.

    Args:
        full: whether to add what does not depend on the input.
        eps: the least variance.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Shape:
        - input: any; target: the same, or broadcast to it.
        - var: as input, as input but for its last dimension, or a number.
        - output: a scalar, or shaped like the input for ``"none"``.

    Example::

        >>> import flambeau
        >>> flambeau.nn.GaussianNLLLoss()(flambeau.zeros(2), flambeau.ones(2), flambeau.ones(2))
        tensor(0.5000)
    """

    __constants__ = ["full", "eps", "reduction"]
    full: bool
    eps: float

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(
        self, input: flambeau.Tensor, target: flambeau.Tensor, var: flambeau.Tensor
    ) -> flambeau.Tensor:
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


# Where a class is written is not what pickles call it by.
for _kind in (
    LinearCrossEntropyLoss,
    CTCLoss,
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
):
    _kind.__module__ = __name__
