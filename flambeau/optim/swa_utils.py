"""Averages of weights over a training: of equal parts, or exponentially weighted."""

from __future__ import annotations

import itertools
import math
from copy import deepcopy

import flambeau
from flambeau.nn.modules.module import Module

from ._lr_base import LRScheduler, for_each_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _can_lerp(tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def get_ema_multi_avg_fn(decay: float = 0.999):
    """A function that moves lists of averages towards lists of parameters by ``1 - decay``.

    Args:
        decay: what part of an average stays, from 0 to 1.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> means = [flambeau.zeros(1)]
        >>> get_ema_multi_avg_fn(0.75)(means, [flambeau.ones(1)], 3)
        >>> means
        [tensor([0.2500])]
    """
    _check_decay(decay)

    @flambeau.no_grad()
    def ema_update(ema_param_list, current_param_list, _) -> None:
        for mean, param in zip(ema_param_list, current_param_list, strict=True):
            if _can_lerp(mean):
                mean.lerp_(param, 1 - decay)
            else:
                mean.copy_(mean * decay + param * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn():
    """A function that takes lists of parameters into lists of means.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> means = [flambeau.zeros(1)]
        >>> get_swa_multi_avg_fn()(means, [flambeau.ones(1)], 3)
        >>> means
        [tensor([0.2500])]
    """

    @flambeau.no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged) -> None:
        weight = 1 / (float(num_averaged) + 1)
        for mean, param in zip(averaged_param_list, current_param_list, strict=True):
            if _can_lerp(mean):
                mean.lerp_(param, weight)
            else:
                mean.copy_(mean + (param - mean) * weight)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999):
    """A function that gives the average of a parameter, moved by ``1 - decay``.

    Args:
        decay: what part of an average stays, from 0 to 1.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> get_ema_avg_fn(0.75)(flambeau.zeros(1), flambeau.ones(1), 3)
        tensor([0.2500])
    """
    _check_decay(decay)

    @flambeau.no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """A function that gives the mean of a parameter, with one value more.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> get_swa_avg_fn()(flambeau.zeros(1), flambeau.ones(1), 3)
        tensor([0.2500])
    """

    @flambeau.no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's.

    Args:
        model: the model.
        device: where to keep the averages; where the model is, if None.
        avg_fn: a function of average, parameter and count that gives the new average. The mean, if
            neither function is given.
        multi_avg_fn: one of lists, which changes the averages in place.
        use_buffers: average buffers too; else they are copied.

    Shape:
        - as the model's.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.Linear(1, 1)
        >>> mean = AveragedModel(layer)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = flambeau.nn.init.constant_(layer.weight, value)
        ...     mean.update_parameters(layer)
        >>> mean.module.weight.item()
        3.0
    """

    n_averaged: flambeau.Tensor

    def __init__(
        self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers: bool = False
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", flambeau.tensor(0, dtype=flambeau.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model) -> None:
        """Take the parameters that ``model`` has now into the averages."""
        means, values = (
            [
                t.detach()
                for t in itertools.chain(m.parameters(), m.buffers() if self.use_buffers else ())
            ]
            for m in (self.module, model)
        )
        values = [value.to(mean.device) for mean, value in zip(means, values)]
        if int(self.n_averaged) == 0:
            for mean, value in zip(means, values):
                mean.copy_(value)
        elif self.avg_fn is not None:
            for mean, value in zip(means, values):
                mean.copy_(self.avg_fn(mean, value, self.n_averaged.to(mean.device)))
        else:
            update = self.multi_avg_fn or get_swa_multi_avg_fn()
            groups = Optimizer._group_tensors_by_device_and_dtype([means, values])
            for (device, _), (lists, _) in groups.items():
                update(*lists, self.n_averaged.to(device))
        if not self.use_buffers:
            for kept, given in zip(self.module.buffers(), model.buffers(), strict=True):
                kept.detach().copy_(given.detach().to(kept.device))
        self.n_averaged += 1


@flambeau.no_grad()
def update_bn(loader, model, device=None) -> None:
    """Compute the running statistics of batch normalisation anew, in one pass over data.

    Args:
        loader: gives batches, or tuples and lists that begin with them.
        model: the model.
        device: where to bring the batches.

    Shape:
        - batches: as the model takes them.

    Example::

        >>> import flambeau
        >>> model = flambeau.nn.Linear(2, 1)
        >>> update_bn([flambeau.ones(3, 2)], model)
    """
    momenta = {}
    for module in model.modules():
        # All layers of batch normalisation, whichever class they are of, keep statistics so.
        if hasattr(module, "reset_running_stats") and hasattr(module, "momentum"):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # a mean of all batches
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the rate now to ``swa_lr``, which then stays.

    Args:
        optimizer: whose rates to change.
        swa_lr: the last rate, or one for each group.
        anneal_epochs: epochs until then.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = SWALR(sgd, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = for_each_group("swa_lr", optimizer, swa_lr)
        for group, rate in zip(optimizer.param_groups, rates):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._set_anneal_func(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _set_anneal_func(self, anneal_strategy: str) -> None:
        self._anneal_strategy = anneal_strategy
        self.anneal_func = _half_cosine if anneal_strategy == "cos" else float

    def get_lr(self) -> list:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = (
            self.anneal_func(max(0, min(1, n / max(1, self.anneal_epochs))))
            for n in (step - 1, step)
        )
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            # Where it set out from, as the rate that is there now says.
            start = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + start * (1 - now))
        return rates

    def state_dict(self) -> dict:
        """All attributes but the optimiser and the function."""
        return {k: v for k, v in super().state_dict().items() if k != "anneal_func"}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self._set_anneal_func(self._anneal_strategy)


def _half_cosine(t: float) -> float:
    return (1 - math.cos(math.pi * t)) / 2
