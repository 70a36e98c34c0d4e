"""Averaged stochastic gradient descent."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, step_lists
from .optimizer import check_learning_rate, number

__all__ = ["ASGD", "asgd"]


class ASGD(Elementwise):
    """Gradient descent that keeps the mean of its parameters beside them, as ``"ax"`` in the state
    (Polyak and Juditsky, 1992).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of the first step.
        lambd: how fast steps shrink, and parameters with them.
        alpha: power of the number of steps that sizes shrink by.
        t0: the step at which averaging starts.
        weight_decay: factor of the parameter that is added to its gradient.
        foreach: ``False`` steps parameters one by one; any other setting all at once.
        maximize: step along the gradient instead.
        differentiable: record gradients through the step.
        capturable: whether counts are kept on the parameter's device; not on the CPU.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> asgd = flambeau.optim.ASGD([w], lr=0.1, lambd=0.0)
        >>> (w * 2).sum().backward()
        >>> asgd.step()
        >>> w.detach()
        tensor([0.8000])
    """

    _keys = ("ax",)
    _numbers = ("mu", "eta")
    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params,
        lr=1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["eta"] = count_from(number(group["lr"]), group, param)
        state["mu"] = count_from(1, group, param)
        state["ax"] = flambeau.zeros_like(param)

    def _init_group(self, group, params, grads, mus, axs, etas, steps) -> bool:
        return super()._init_group(group, params, grads, axs, mus, etas, steps)

    def _update(self, group, has_complex, lists) -> None:
        asgd(
            lists["params"],
            lists["grads"],
            lists["ax"],
            lists["mu"],
            lists["eta"],
            lists["step"],
            lambd=group["lambd"],
            lr=group["lr"],
            t0=group["t0"],
            alpha=group["alpha"],
            weight_decay=group["weight_decay"],
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            capturable=group["capturable"],
            has_complex=has_complex,
        )


def asgd(
    params: list,
    grads: list,
    axs: list,
    mus: list,
    etas: list,
    state_steps: list,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: float,
    lr,
    t0: float,
    alpha: float,
    weight_decay: float,
) -> None:
    """A step of `ASGD`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter; `mus`, `etas` and
          `state_steps`: one element each.

    Example::

        >>> import flambeau
        >>> w, g, mean = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1)
        >>> numbers = [flambeau.ones(())], [flambeau.full((), 0.5)], [flambeau.zeros(())]
        >>> asgd([w], [g], [mean], *numbers, lambd=0.0, lr=0.5, t0=1e6, alpha=0.75, weight_decay=0)
        >>> w, mean
        (tensor([0.5000]), tensor([0.5000]))
    """
    step_lists(
        "asgd",
        flambeau._fused_asgd_,
        _step_one,
        params,
        grads,
        (axs,),
        (mus, etas),
        state_steps,
        dict(
            lambd=lambd,
            lr=lr,
            t0=t0,
            alpha=alpha,
            weight_decay=weight_decay,
            maximize=maximize,
        ),
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
    )


def _step_one(
    param, grad, mean, mu, eta, *, count, lambd, lr, t0, alpha, weight_decay, maximize
) -> None:
    grad = decayed(param, grad, weight_decay, maximize)
    size, weight = eta.item(), mu.item()
    param.mul_(1 - lambd * size)
    descend(param, grad, size)
    if weight == 1:
        mean.copy_(param)
    else:
        mean.add_((param - mean) * weight)
    with flambeau.no_grad():
        eta.fill_(number(lr / (1 + lambd * lr * count) ** alpha))
        mu.fill_(1 / max(1, count - t0))
