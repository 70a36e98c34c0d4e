"""Batch normalisation."""

from __future__ import annotations

import flambeau

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedBuffer, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """What batch and instance normalisation share: parameters and running statistics."""

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        options = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(flambeau.empty(num_features, **options)) if wanted else None
            self.register_parameter(name, value)
        self._register_statistics(
            lambda: flambeau.zeros(num_features, **options),
            lambda: flambeau.ones(num_features, **options),
            device,
        )
        self.reset_parameters()

    def _register_statistics(self, mean, variance, device) -> None:
        tracked = self.track_running_stats
        self.register_buffer("running_mean", mean() if tracked else None)
        self.register_buffer("running_var", variance() if tracked else None)
        count = flambeau.tensor(0, dtype=flambeau.long, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the running statistics; set the weight to 1 and the bias to 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _check_input_dim")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ) -> None:
        version = local_metadata.get("version", None)
        key = prefix + "num_batches_tracked"
        # Files of before version 2 do not count batches.
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            known = count is not None and not count.is_meta
            state_dict[key] = count if known else flambeau.tensor(0, dtype=flambeau.long)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


class _BatchNorm(_NormBase):
    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        self._check_input_dim(input)
        # See Note [Reading parameters].
        params, buffers = self._parameters, self._buffers
        try:
            weight, bias = params["weight"], params["bias"]
            mean, variance = buffers["running_mean"], buffers["running_var"]
            count = buffers["num_batches_tracked"]
        except KeyError:
            weight, bias, mean, variance = (
                self.weight,
                self.bias,
                self.running_mean,
                self.running_var,
            )
            count = self.num_batches_tracked
        training, momentum = self.training, self.momentum
        if training and self.track_running_stats and count is not None:
            count.add_(1)
            if momentum is None:  # the average of all batches
                momentum = 1.0 / float(count)
        # Statistics that are not tracked are those of the batch, in evaluation too.
        by_batch = training or (mean is None and variance is None)
        if training and not self.track_running_stats:
            mean = variance = None
        return F.batch_norm(
            input,
            mean,
            variance,
            weight,
            bias,
            by_batch,
            0.0 if momentum is None else momentum,
            self.eps,
        )


class _LazyNormBase(LazyModuleMixin, _NormBase):
    weight: UninitializedParameter
    bias: UninitializedParameter

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        options = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**options)
            if bias:
                self.bias = UninitializedParameter(**options)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**options)
            self.running_var = UninitializedBuffer(**options)
            self.num_batches_tracked = flambeau.tensor(0, dtype=flambeau.long, device=device)

    def reset_parameters(self) -> None:
        """As of the layer that it becomes; nothing before."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input) -> None:  # type: ignore[override]
        """Take the number of channels from the input."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        if self.affine:
            self.weight.materialize((self.num_features,))
            if self.bias is not None:
                self.bias.materialize((self.num_features,))
        if self.track_running_stats:
            self.running_mean.materialize((self.num_features,))
            self.running_var.materialize((self.num_features,))
        self.reset_parameters()


def _check_dims(input, *dims: int) -> None:
    if input.dim() not in dims:
        wanted = " or ".join(f"{d}D" for d in dims)
        raise ValueError(f"expected {wanted} input (got {input.dim()}D input)")


class BatchNorm1d(_BatchNorm):
    """Centres and scales each feature over the batch, then applies weight and bias. In evaluation
    it uses averages of what it saw in training.

    Args:
        num_features: how many features, or channels, there are.
        eps: added to the variance.
        momentum: how far the running statistics move at each batch; None: they are the average of
            all batches.
        affine: whether there is a weight, and a bias.
        track_running_stats: whether there are running statistics; without, the batch's own are
            used in evaluation too.
        device, dtype: of parameters and statistics.
        bias: whether there is a bias besides the weight.

    Shape:
        - input, output: (N, num_features) or (N, num_features, L).
        - weight: (num_features), starts as 1; bias: (num_features), starts as 0.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.BatchNorm1d(1)
        >>> layer(flambeau.tensor([[1.0], [3.0]])).detach()
        tensor([[-1.0000],
                [ 1.0000]])
        >>> layer.running_mean
        tensor([0.2000])
    """

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 2, 3)


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """`BatchNorm1d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.

    Shape:
        - as of `BatchNorm1d`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.LazyBatchNorm1d()
        >>> _ = layer(flambeau.zeros(2, 3))
        >>> layer
        BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm1d

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images.

    Args:
        num_features: how many channels there are.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.

    Shape:
        - input, output: (N, num_features, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.BatchNorm2d(3)(flambeau.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 3, 4, 5])
    """

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 4)


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """`BatchNorm2d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.

    Shape:
        - as of `BatchNorm2d`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LazyBatchNorm2d()(flambeau.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 3, 4, 5])
    """

    cls_to_become = BatchNorm2d

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 4)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes.

    Args:
        num_features: how many channels there are.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.

    Shape:
        - input, output: (N, num_features, D, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.BatchNorm3d(3)(flambeau.zeros(2, 3, 4, 5, 6)).shape
        torch.Size([2, 3, 4, 5, 6])
    """

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 5)


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """`BatchNorm3d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.

    Shape:
        - as of `BatchNorm3d`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LazyBatchNorm3d()(flambeau.zeros(2, 3, 4, 5, 6)).shape
        torch.Size([2, 3, 4, 5, 6])
    """

    cls_to_become = BatchNorm3d

    def _check_input_dim(self, input) -> None:
        _check_dims(input, 5)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes. There is one process, so in evaluation
    it is `BatchNorm1d` for input of any dimensions; training needs an accelerator, as in PyTorch.

    Args:
        num_features: how many channels there are.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `BatchNorm1d`.
        process_group: the processes; None: all.

    Shape:
        - input, output: (N, num_features, *).

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> net = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm2d(3)))
        >>> net[0]
        SyncBatchNorm(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        >>> net.eval()(flambeau.zeros(1, 3, 2, 2)).shape
        torch.Size([1, 3, 2, 2])
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        self._check_input_dim(input)
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")
        tracked = self.running_mean is not None or self.running_var is not None
        if self.training or not tracked:
            raise ValueError(
                "SyncBatchNorm expected input tensor to be on GPU or XPU or privateuseone: to "
                "train on the CPU use BatchNorm1d, BatchNorm2d or BatchNorm3d"
            )
        return super().forward(input)

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """``module`` with a `SyncBatchNorm` of the same parameters in place of each batch
        normalisation.

        Args:
            module: the network.
            process_group: handed to each.
        """
        result = module
        if isinstance(module, _BatchNorm):
            result = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            if module.affine:
                with flambeau.no_grad():
                    result.weight = module.weight
                    result.bias = module.bias
            result.running_mean = module.running_mean
            result.running_var = module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
            if hasattr(module, "qconfig"):
                result.qconfig = module.qconfig
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result
