"""What all learning-rate schedules share."""

from __future__ import annotations

import functools
import warnings
import weakref

import flambeau

from .optimizer import Optimizer, number

__all__ = ["LRScheduler", "for_each_group", "group_values", "set_value"]


def group_values(optimizer: Optimizer, key: str) -> list:
    """The option ``key`` of each group; tensors are copied, so that nobody changes the group's."""
    values = (group[key] for group in optimizer.param_groups)
    return [v.clone() if isinstance(v, flambeau.Tensor) else v for v in values]


def set_value(group: dict, key: str, value) -> None:
    """Change an option; a tensor in place, since others may hold it."""
    if isinstance(group[key], flambeau.Tensor):
        group[key].fill_(number(value))
    else:
        group[key] = value


def for_each_group(name: str, optimizer: Optimizer, value) -> list:
    """An option of a schedule: one value for each group, or one for all."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * groups
    if len(values) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(values)} values, param_groups has {groups}."
        )
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
        self.base_lrs = group_values(optimizer, "initial_lr")
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
            set_value(group, "lr", rate)
        self._last_lr = group_values(self.optimizer, "lr")

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                stacklevel=3,
            )


class _LRScheduler(LRScheduler):
    """The name that older programs derive from."""
