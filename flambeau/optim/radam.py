"""RAdam: Adam that trusts its mean square once it has seen enough."""

from __future__ import annotations

import math

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, shrink, step_lists
from .optimizer import check_betas, check_learning_rate

__all__ = ["RAdam", "radam"]


class RAdam(Elementwise):
    """Rectified Adam (Liu et al., 2019).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        betas: how much of the running means of the gradient and of its square is kept.
        eps: added to the root of the mean square.
        weight_decay: factor of the parameter that is added to its gradient.
        decoupled_weight_decay: shrink the parameter directly, as `AdamW` does.
        foreach: ``False`` steps parameters one by one; any other setting all at once.
        maximize: step along the gradient instead.
        capturable: whether counts are kept on the parameter's device; not on the CPU.
        differentiable: record gradients through the step.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> radam = flambeau.optim.RAdam([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> radam.step()
        >>> w.detach()
        tensor([0.8000])
    """

    _keys = ("exp_avg", "exp_avg_sq")
    _later = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params,
        lr=1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["exp_avg"] = flambeau.zeros_like(param)
        state["exp_avg_sq"] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        beta1, beta2 = group["betas"]
        radam(
            lists["params"],
            lists["grads"],
            lists["exp_avg"],
            lists["exp_avg_sq"],
            lists["step"],
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
            foreach=group["foreach"],
            capturable=group["capturable"],
            differentiable=group["differentiable"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            has_complex=has_complex,
        )


def radam(
    params: list,
    grads: list,
    exp_avgs: list,
    exp_avg_sqs: list,
    state_steps: list,
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr,
    weight_decay: float,
    eps: float,
) -> None:
    """A step of `RAdam`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> state = [flambeau.zeros(1)], [flambeau.zeros(1)], [flambeau.zeros(())]
        >>> radam([w], [g], *state, beta1=0.9, beta2=0.999, lr=0.5, weight_decay=0, eps=1e-8)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "radam",
        flambeau._fused_radam_,
        _step_one,
        params,
        grads,
        (exp_avgs, exp_avg_sqs),
        (),
        state_steps,
        dict(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            eps=eps,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        ),
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
    )


def _step_one(
    param,
    grad,
    average,
    square,
    *,
    count,
    lr,
    beta1,
    beta2,
    weight_decay,
    eps,
    decoupled_weight_decay,
    maximize,
) -> None:
    if decoupled_weight_decay:
        shrink(param, lr, weight_decay)
    grad = decayed(param, grad, 0 if decoupled_weight_decay else weight_decay, maximize)
    average.lerp_(grad, 1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    correction1, correction2 = 1 - beta1**count, 1 - beta2**count
    # How many independent squares the mean is worth, in the end and now.
    most = 2 / (1 - beta2) - 1
    worth = most - 2 * count * beta2**count / correction2
    step = average / correction1
    if worth > 5:
        rectified = math.sqrt((worth - 4) * (worth - 2) * most / ((most - 4) * (most - 2) * worth))
        step = step * (math.sqrt(correction2) * rectified / square.sqrt().add(eps))
    descend(param, step, lr)
