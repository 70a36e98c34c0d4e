"""Instance normalisation."""

from __future__ import annotations

import warnings

import flambeau

from .. import functional as F
from .batchnorm import _check_dims, _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _get_no_batch_dim(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define _get_no_batch_dim")

    def _check_input_dim(self, input) -> None:
        dims = self._get_no_batch_dim()
        _check_dims(input, dims, dims + 1)

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
        # Before version 2 these layers kept statistics that they did not use.
        if local_metadata.get("version", None) is None and not self.track_running_stats:
            kept = [
                key
                for key in (prefix + "running_mean", prefix + "running_var")
                if key in state_dict
            ]
            if kept:
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {' and '.join(map(repr, kept))} for "
                    f"{type(self).__name__} with track_running_stats=False. If state_dict is a "
                    "checkpoint saved before 0.4.0, this may be expected because "
                    f"{type(self).__name__} does not track running stats by default since 0.4.0: "
                    "remove these keys from it, or use track_running_stats=True."
                )
                for key in kept:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def forward(self, input: flambeau.Tensor) -> flambeau.Tensor:
        self._check_input_dim(input)
        dims = self._get_no_batch_dim()
        channels = input.size(input.dim() - dims)
        if channels != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={input.dim() - dims} to match num_features "
                    f"({self.num_features}), but got: {channels}."
                )
            warnings.warn(
                f"input's size at dim={input.dim() - dims} does not match num_features. You can "
                "silence this warning by not passing in num_features, which is not used because "
                "affine=False",
                stacklevel=2,
            )
        single = input.dim() == dims
        out = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Centres and scales each channel of each sample by itself, then applies weight and bias.

    Args:
        num_features: how many channels there are.
        eps: added to the variance.
        momentum: how far the running statistics move at each batch.
        affine: whether there is a weight, and a bias.
        track_running_stats: whether there are running statistics, for evaluation.
        device, dtype: of parameters and statistics.
        bias: whether there is a bias besides the weight.

    Shape:
        - input, output: (N, num_features, L) or (num_features, L).
        - weight: (num_features), starts as 1; bias: (num_features), starts as 0.

    Example::

        >>> import flambeau
        >>> flambeau.nn.InstanceNorm1d(1)(flambeau.tensor([[[1.0, 3.0]]]))
        tensor([[[-1.0000,  1.0000]]])
    """

    def _get_no_batch_dim(self) -> int:
        return 2


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """`InstanceNorm1d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `InstanceNorm1d`,
            but that both are True.

    Shape:
        - as of `InstanceNorm1d`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LazyInstanceNorm1d()(flambeau.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    cls_to_become = InstanceNorm1d

    def _get_no_batch_dim(self) -> int:
        return 2


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images.

    Args:
        num_features: how many channels there are.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `InstanceNorm1d`.

    Shape:
        - input, output: (N, num_features, H, W) or (num_features, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.InstanceNorm2d(3)(flambeau.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 3, 4, 5])
    """

    def _get_no_batch_dim(self) -> int:
        return 3


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """`InstanceNorm2d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of
            `LazyInstanceNorm1d`.

    Shape:
        - as of `InstanceNorm2d`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LazyInstanceNorm2d()(flambeau.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 3, 4, 5])
    """

    cls_to_become = InstanceNorm2d

    def _get_no_batch_dim(self) -> int:
        return 3


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes.

    Args:
        num_features: how many channels there are.
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of `InstanceNorm1d`.

    Shape:
        - input, output: (N, num_features, D, H, W) or (num_features, D, H, W).

    Example::

        >>> import flambeau
        >>> flambeau.nn.InstanceNorm3d(3)(flambeau.zeros(2, 3, 4, 5, 6)).shape
        torch.Size([2, 3, 4, 5, 6])
    """

    def _get_no_batch_dim(self) -> int:
        return 4


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """`InstanceNorm3d` that takes ``num_features`` from its first input.

    Args:
        eps, momentum, affine, track_running_stats, device, dtype, bias: as of
            `LazyInstanceNorm1d`.

    Shape:
        - as of `InstanceNorm3d`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.LazyInstanceNorm3d()(flambeau.zeros(2, 3, 4, 5, 6)).shape
        torch.Size([2, 3, 4, 5, 6])
    """

    cls_to_become = InstanceNorm3d

    def _get_no_batch_dim(self) -> int:
        return 4
