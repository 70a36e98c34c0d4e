"""A softmax over many classes, of which few are frequent."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence

import flambeau

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-softmax of classes that are sorted by how frequent they are (Grave et al., 2016).

    The first ones have a score each. Those behind are in clusters, which have a score each, and
    within them classes of ever fewer features.

    Args:
        in_features: size of an item.
        n_classes: number of classes.
        cutoffs: where the clusters begin, rising.
        div_value: how many times fewer features each cluster has than the one before.
        head_bias: whether the first layer adds a bias.
        device, dtype: of the weights.

    Shape:
        - input: (N, in_features) or (in_features); target: (N) or (), class numbers.
        - output: the log-probability of each target, shaped like the target; loss: a scalar.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
        >>> layer(flambeau.zeros(3, 8), flambeau.tensor([0, 5, 19])).output.shape
        torch.Size([3])
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of length larger than 0"
            )
        rising = cutoffs == sorted(set(cutoffs)) and all(int(c) == c for c in cutoffs)
        if not rising or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive "
                "integers sorted in an increasing order, where each value is between 1 and "
                f"n_classes-1, {n_classes - 1}; got {cutoffs}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i, (first, last) in enumerate(zip(self.cutoffs, self.cutoffs[1:], strict=False)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **made),
                    Linear(hidden, last - first, bias=False, **made),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster:
                layer.reset_parameters()

    def forward(self, input_, target_):
        op = "AdaptiveLogSoftmaxWithLoss"
        rank = target_.dim()
        if rank > 1:
            raise RuntimeError(
                f"{op}: 0D or 1D target tensor expected, multi-target not supported, got "
                f"{tuple(target_.shape)}"
            )
        if rank == 1 and input_.size(0) != target_.size(0):
            raise RuntimeError(
                f"{op}: Input and target should have the same size in the batch dimension, got "
                f"{tuple(input_.shape)} and {tuple(target_.shape)}."
            )
        if input_.dim() != rank + 1:
            raise RuntimeError(
                f"{op}: {rank}D target tensor expects {rank + 1}D input tensors, but found inputs "
                f"with size {tuple(input_.shape)}"
            )
        input = input_ if rank else input_.unsqueeze(0)
        target = target_ if rank else target_.unsqueeze(0)
        if target.numel() and not ((target >= 0) & (target < self.n_classes)).all():
            raise RuntimeError(
                f"{op}: Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found."
            )
        output = input.new_zeros(target.size(0))
        chosen = target.clone()
        for i, cluster in enumerate(self.tail):
            first, last = self.cutoffs[i], self.cutoffs[i + 1]
            there = (target >= first) & (target < last)
            rows = there.nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            scores = F.log_softmax(cluster(input.index_select(0, rows)), dim=1)
            own = scores.gather(1, (target[rows] - first).unsqueeze(1)).squeeze(1)
            output = output.index_put((rows,), own.to(output.dtype))
            chosen = chosen.masked_fill(there, self.shortlist_size + i)
        head = F.log_softmax(self.head(input), dim=1)
        output = output + head.gather(1, chosen.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if rank else output.squeeze(0), loss)

    def _get_full_log_prob(self, input, head_output):
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            own = F.log_softmax(cluster(input), dim=1)
            parts.append(own + head[:, self.shortlist_size + i].unsqueeze(1))
        return flambeau.cat(parts, 1)

    def log_prob(self, input: flambeau.Tensor) -> flambeau.Tensor:
        """The log-probabilities of all classes, (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: flambeau.Tensor) -> flambeau.Tensor:
        """The most probable class of each item: what is in no cluster needs the head alone."""
        head = self.head(input)
        output = head.argmax(dim=1)
        clustered = output >= self.shortlist_size
        if clustered.any():
            rows = clustered.nonzero().squeeze(1)
            full = self._get_full_log_prob(input[rows], head[rows])
            output[rows] = full.argmax(dim=1)
        return output
