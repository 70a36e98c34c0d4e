"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, step_lists
from .optimizer import check_betas, check_learning_rate

__all__ = ["Adamax", "adamax"]


class Adamax(Elementwise):
    """Adamax (Kingma and Ba, 2014).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        betas: how much of the running mean of gradients and of their largest size is kept.
        eps: added to the size of a gradient.
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
        >>> adamax = flambeau.optim.Adamax([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> adamax.step()
        >>> w.detach()
        tensor([0.9000])
    """

    _keys = ("exp_avg", "exp_inf")
    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params,
        lr=2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["exp_avg"] = flambeau.zeros_like(param)
        state["exp_inf"] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        beta1, beta2 = group["betas"]
        adamax(
            lists["params"],
            lists["grads"],
            lists["exp_avg"],
            lists["exp_inf"],
            lists["step"],
            eps=group["eps"],
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            capturable=group["capturable"],
            has_complex=has_complex,
        )


def adamax(
    params: list,
    grads: list,
    exp_avgs: list,
    exp_infs: list,
    state_steps: list,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr,
    weight_decay: float,
) -> None:
    """A step of `Adamax`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> state = [flambeau.zeros(1)], [flambeau.zeros(1)], [flambeau.zeros(())]
        >>> adamax([w], [g], *state, eps=0.0, beta1=0.9, beta2=0.9, lr=0.5, weight_decay=0)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "adamax",
        flambeau._fused_adamax_,
        _step_one,
        params,
        grads,
        (exp_avgs, exp_infs),
        (),
        state_steps,
        dict(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            eps=eps,
            maximize=maximize,
        ),
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
    )


def _step_one(
    param, grad, average, largest, *, count, lr, beta1, beta2, weight_decay, eps, maximize
) -> None:
    grad = decayed(param, grad, weight_decay, maximize)
    average.lerp_(grad, 1 - beta1)
    largest.copy_(flambeau.maximum(largest.mul(beta2), grad.abs().add(eps)))
    descend(param, average / largest, lr / (1 - beta1**count))
