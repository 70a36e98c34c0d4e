"""Learning rates that change from epoch to epoch (or step to step).

A schedule steps after its optimiser. Where it can, it scales the rate that the group has now, so
that schedules can be combined and a user's own change is not undone.
"""

from __future__ import annotations

import bisect
import collections
import functools
import math
import types
import warnings
import weakref

import flambeau

from .optimizer import Optimizer, number

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


def _values(optimizer: Optimizer, key: str) -> list:
    """The option ``key`` of each group; tensors are copied, so that nobody changes the group's."""
    values = (group[key] for group in optimizer.param_groups)
    return [v.clone() if isinstance(v, flambeau.Tensor) else v for v in values]


def _watch_step(optimizer: Optimizer) -> None:
    """Have ``optimizer`` note that it stepped, for the warning about the order of the two."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    step = optimizer.step.__func__  # type: ignore[attr-defined]
    # An optimiser that held its own step would be a cycle.
    reference = weakref.ref(optimizer)

    @functools.wraps(step)
    def watched(*args, **kwargs):
        watched_optimizer = reference()
        watched_optimizer._opt_called = True
        return step(watched_optimizer, *args, **kwargs)

    watched._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = watched  # type: ignore[method-assign]


class LRScheduler:
    """Base class of the schedules. A subclass defines ``get_lr``, the rates at ``last_epoch``.

    Args:
        optimizer: whose rates to change.
        last_epoch: how many epochs have passed less one; -1 starts from the groups' rates, any
            other number needs groups that have ``"initial_lr"``.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> from flambeau.optim import SGD
        >>> class Halving(LRScheduler):
        ...     def get_lr(self):
        ...         return [rate * 0.5**self.last_epoch for rate in self.base_lrs]
        >>> sgd = SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = Halving(sgd)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                rate = group["lr"]
                if isinstance(rate, flambeau.Tensor):
                    rate = rate.clone()
                group.setdefault("initial_lr", rate)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    "scheduler with last_epoch >= 0; load the optimizer's state first, or start "
                    "with last_epoch=-1"
                )
        self.base_lrs = _values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch_step(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict:
        """All attributes but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list:
        """The rates that the last step set, one for each group."""
        return self._last_lr

    def get_lr(self) -> list:
        """The rates at ``last_epoch``; only `step` may ask, `get_last_lr` is for everybody."""
        raise NotImplementedError(f"{type(self).__name__}.get_lr: a subclass must define it.")

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch. To give its number instead is deprecated."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate "
                    "scheduler initialization. Please, make sure to call `optimizer.step()` "
                    "before `lr_scheduler.step()`.",
                    stacklevel=2,
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them "
                    "in the opposite order, or the first value of the schedule is skipped.",
                    stacklevel=2,
                )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(
                "The epoch parameter in `scheduler.step()` was not necessary and is being "
                "deprecated where possible. Please use `scheduler.step()` to step the scheduler.",
                stacklevel=2,
            )
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            if epoch is not None and hasattr(self, "_get_closed_form_lr"):
                rates = self._get_closed_form_lr()
            else:
                rates = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: {len(rates)} learning rates for {len(groups)} groups"
            )
        for group, rate in zip(groups, rates):
            if isinstance(group["lr"], flambeau.Tensor):
                group["lr"].fill_(number(rate))
            else:
                group["lr"] = rate
        self._last_lr = _values(self.optimizer, "lr")

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                stacklevel=3,
            )


class _LRScheduler(LRScheduler):
    """The name that older programs derive from."""


class _OfFunctions(LRScheduler):
    """Of a function of the epoch for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda, last_epoch: int = -1) -> None:
        groups = len(optimizer.param_groups)
        if not isinstance(lr_lambda, (list, tuple)):
            lr_lambda = [lr_lambda] * groups
        if len(lr_lambda) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
        self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict:
        """All attributes but the optimiser; of the functions, only objects have a state."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(f, types.FunctionType) else f.__dict__.copy()
            for f in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if state is not None:
                function.__dict__.update(state)


class LambdaLR(_OfFunctions):
    """The initial rate times a function of the epoch.

    Args:
        optimizer: whose rates to change.
        lr_lambda: the function, or one for each group.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = LambdaLR(sgd, lambda epoch: 1 / (1 + epoch))
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def get_lr(self) -> list:
        self._warn_outside_step()
        return [
            rate * function(self.last_epoch)
            for function, rate in zip(self.lr_lambdas, self.base_lrs)
        ]


class MultiplicativeLR(_OfFunctions):
    """Times a function of the epoch, every epoch.

    Args:
        optimizer: whose rates to change.
        lr_lambda: the function, or one for each group.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = MultiplicativeLR(sgd, lambda epoch: 0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def get_lr(self) -> list:
        self._warn_outside_step()
        if self._is_initial:
            return _values(self.optimizer, "lr")
        return [
            group["lr"] * function(self.last_epoch)
            for function, group in zip(self.lr_lambdas, self.optimizer.param_groups)
        ]


class StepLR(LRScheduler):
    """Times ``gamma`` every ``step_size`` epochs.

    Args:
        optimizer: whose rates to change.
        step_size: epochs between two changes.
        gamma: factor of a change.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = StepLR(sgd, step_size=1, gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return _values(self.optimizer, "lr")
        return [group["lr"] * self.gamma for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list:
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [rate * factor for rate in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Times ``gamma`` at each of the milestones.

    Args:
        optimizer: whose rates to change.
        milestones: the epochs; one that stands there twice counts twice.
        gamma: factor of a change.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = MultiStepLR(sgd, milestones=[1, 3], gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, milestones, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = collections.Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        if self._is_initial or self.last_epoch not in self.milestones:
            return _values(self.optimizer, "lr")
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list:
        passed = bisect.bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [rate * self.gamma**passed for rate in self.base_lrs]


class ConstantLR(LRScheduler):
    """Times ``factor`` for the first ``total_iters`` epochs.

    Args:
        optimizer: whose rates to change.
        factor: from 0 to 1.
        total_iters: epochs until the rate is whole.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = ConstantLR(sgd, factor=0.5, total_iters=1)
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError(
                f"Constant multiplicative factor expected to be between 0 and 1, got {factor}"
            )
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        groups = self.optimizer.param_groups
        if self.last_epoch == 0:
            return [group["lr"] * self.factor for group in groups]
        if self._is_initial or self.last_epoch != self.total_iters:
            return _values(self.optimizer, "lr")
        return [group["lr"] * (1.0 / self.factor) for group in groups]

    def _get_closed_form_lr(self) -> list:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [rate * factor for rate in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Times ``gamma``, every epoch.

    Args:
        optimizer: whose rates to change.
        gamma: factor of a change.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = ExponentialLR(sgd, gamma=0.5)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        if self._is_initial or self.last_epoch == 0:
            return _values(self.optimizer, "lr")
        return [group["lr"] * self.gamma for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list:
        return [rate * self.gamma**self.last_epoch for rate in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Times ``(1 - epoch / total_iters) ** power``: to 0 in ``total_iters`` epochs.

    Args:
        optimizer: whose rates to change.
        total_iters: epochs until the rate is 0.
        power: of the polynomial.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = PolynomialLR(sgd, total_iters=4)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        if self._is_initial or not 0 < self.last_epoch <= self.total_iters:
            return _values(self.optimizer, "lr")
        left = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        factor = (left / before) ** self.power
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [rate * left**self.power for rate in self.base_lrs]


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` of the initial rate, along a line.

    Args:
        optimizer: whose rates to change.
        start_factor: factor at the first epoch, above 0 and at most 1.
        end_factor: factor at the end, from 0 to 1.
        total_iters: epochs until the end.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = LinearLR(sgd, start_factor=0.5, total_iters=2)
        >>> sgd.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                f"Starting multiplicative factor must be above 0 and at most 1, got {start_factor}"
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError(f"Ending multiplicative factor must be from 0 to 1, got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list:
        self._warn_outside_step()
        groups = self.optimizer.param_groups
        if self.last_epoch == 0:
            return [group["lr"] * self.start_factor for group in groups]
        if self._is_initial or self.last_epoch > self.total_iters:
            return _values(self.optimizer, "lr")
        slope = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * slope
        return [group["lr"] * (1.0 + slope / before) for group in groups]

    def _get_closed_form_lr(self) -> list:
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return [rate * factor for rate in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """From the initial rate to ``eta_min`` in ``T_max`` epochs, along half a cosine; then back.

    Args:
        optimizer: whose rates to change.
        T_max: epochs until the lowest rate.
        eta_min: the lowest rate.
        last_epoch: as for `LRScheduler`.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> sgd = flambeau.optim.SGD([flambeau.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = CosineAnnealingLR(sgd, T_max=2)
        >>> sgd.step()
        >>> schedule.step()
        >>> [round(rate, 6) for rate in schedule.get_last_lr()]
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def get_lr(self) -> list:
        self._warn_outside_step()
        groups = self.optimizer.param_groups
        if self._is_initial:
            return _values(self.optimizer, "lr")
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # Just past the lowest rate, where the height to scale from is 0.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [
                group["lr"] + (rate - self.eta_min) * rise
                for rate, group in zip(self.base_lrs, groups)
            ]
        factor = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [factor * (group["lr"] - self.eta_min) + self.eta_min for group in groups]

    def _get_closed_form_lr(self) -> list:
        height = self._height(self.last_epoch) / 2
        return [self.eta_min + (rate - self.eta_min) * height for rate in self.base_lrs]
