"""Stochastic gradient descent."""

from __future__ import annotations

import flambeau

from .optimizer import (
    Optimizer,
    can_fuse,
    check_fits,
    check_learning_rate,
    check_mode,
    check_state,
    evaluate,
    number,
)

__all__ = ["SGD"]


class SGD(Optimizer):
    """Steps against the gradient, or against its running sum (``momentum``).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        momentum: how much of the sum of past gradients is kept.
        dampening: how much of a new gradient is left out of the sum.
        weight_decay: factor of the parameter that is added to its gradient.
        nesterov: look one momentum step ahead.
        maximize: step along the gradient instead.
        foreach, fused: ``foreach=False`` (without ``fused``) steps parameters one by one; any other
            setting all at once.
        differentiable: not supported.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> sgd = flambeau.optim.SGD([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> sgd.step()
        >>> w.detach()
        tensor([0.8000])
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_mode("SGD", foreach, fused, differentiable=differentiable)
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
                foreach=foreach,
                differentiable=differentiable,
                fused=fused,
            ),
        )

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def _check_loaded(self, param, state) -> None:
        if state.get("momentum_buffer") is not None:
            name = type(self).__name__
            check_state(name, param, "momentum_buffer", state["momentum_buffer"])

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        work = []
        for group in self.param_groups:
            # Without momentum there is no state: an SGD that only steps should keep none.
            if group["momentum"] == 0:
                params, grads = [], []
                for param in group["params"]:
                    grad = param.grad
                    if grad is not None:
                        params.append(param)
                        grads.append(grad)
                parts: tuple = ((params, grads, []),)
            else:
                parts = self._with_buffers(group)
            for part, first in zip(parts, (True, False)):
                if part[0]:
                    work.append((group, can_fuse(group, part[0]), *part, first))
        # All parts are looked at before the first one steps; the core looks at a single one.
        for _, fused, params, grads, buffers, _ in work:
            if len(work) > 1 or not fused:
                check_fits("SGD", params, grads, buffers)
        for group, fused, params, grads, buffers, first in work:
            _step(group, fused, params, grads, buffers, first)
            if first:
                for param, buffer in zip(params, buffers):
                    self.state[param]["momentum_buffer"] = buffer
        return loss

    def _with_buffers(self, group: dict) -> tuple[tuple, tuple]:
        """Parameters, gradients and buffers: of those that step for the first time, of the rest."""
        new: tuple[list, list, list] = [], [], []
        old: tuple[list, list, list] = [], [], []
        states = self.state
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            members = old
            buffer = states[param].get("momentum_buffer")
            if buffer is None:
                buffer, members = flambeau.empty_like(grad), new
            members[0].append(param)
            members[1].append(grad)
            members[2].append(buffer)
        return new, old


def _step(group: dict, fused: bool, params: list, grads: list, buffers: list, first: bool) -> None:
    """Step ``params``. ``buffers`` is empty without momentum; ``first`` says that it is filled by
    this step."""
    options = {
        "lr": number(group["lr"]),
        "momentum": group["momentum"],
        "dampening": group["dampening"],
        "weight_decay": number(group["weight_decay"]),
        "nesterov": group["nesterov"],
        "maximize": group["maximize"],
    }
    with flambeau.no_grad():
        if fused:
            flambeau._fused_sgd_(params, grads, buffers, is_first_step=first, **options)
            return
        for i, (param, grad) in enumerate(zip(params, grads)):
            _step_one(param, grad, buffers[i] if buffers else None, first=first, **options)


def _step_one(
    param, grad, buffer, lr, momentum, dampening, weight_decay, nesterov, maximize, first
) -> None:
    if maximize:
        grad = -grad
    if weight_decay != 0:
        grad = grad.add(param, alpha=weight_decay)
    if buffer is not None:
        if first:
            buffer.copy_(grad)
        else:
            buffer.mul_(momentum).add_(grad, alpha=1 - dampening)
        grad = grad.add(buffer, alpha=momentum) if nesterov else buffer
    param.add_(grad, alpha=-lr)
