"""NAdam: Adam that looks one momentum step ahead."""

from __future__ import annotations

import math

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, shrink, step_lists
from .optimizer import check_betas, check_learning_rate

__all__ = ["NAdam", "nadam"]


class NAdam(Elementwise):
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        betas: how much of the running means of the gradient and of its square is kept.
        eps: added to the root of the mean square.
        weight_decay: factor of the parameter that is added to its gradient.
        momentum_decay: how fast the momentum grows to ``betas[0]``.
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
        >>> nadam = flambeau.optim.NAdam([w], lr=0.1, betas=(0.0, 0.999))
        >>> (w * 2).sum().backward()
        >>> nadam.step()
        >>> w.detach()
        tensor([0.9000])
    """

    _keys = ("exp_avg", "exp_avg_sq")
    _numbers = ("mu_product",)
    _later = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params,
        lr=2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        if not 0.0 <= momentum_decay:
            raise ValueError(f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                momentum_decay=momentum_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["mu_product"] = count_from(1, group, param)
        state["exp_avg"] = flambeau.zeros_like(param)
        state["exp_avg_sq"] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        beta1, beta2 = group["betas"]
        nadam(
            lists["params"],
            lists["grads"],
            lists["exp_avg"],
            lists["exp_avg_sq"],
            lists["mu_product"],
            lists["step"],
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum_decay=group["momentum_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
            foreach=group["foreach"],
            capturable=group["capturable"],
            differentiable=group["differentiable"],
            has_complex=has_complex,
        )


def nadam(
    params: list,
    grads: list,
    exp_avgs: list,
    exp_avg_sqs: list,
    mu_products: list,
    state_steps: list,
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    """A step of `NAdam`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter; `mu_products` and
          `state_steps`: one element each.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> state = [flambeau.zeros(1)], [flambeau.zeros(1)], [flambeau.ones(())]
        >>> nadam([w], [g], *state, [flambeau.zeros(())], beta1=0.0, beta2=0.9, lr=0.5,
        ...       weight_decay=0, momentum_decay=0, eps=0.0)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "nadam",
        flambeau._fused_nadam_,
        _step_one,
        params,
        grads,
        (exp_avgs, exp_avg_sqs),
        (mu_products,),
        state_steps,
        dict(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
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
    mu_product,
    *,
    count,
    lr,
    beta1,
    beta2,
    weight_decay,
    momentum_decay,
    eps,
    decoupled_weight_decay,
    maximize,
) -> None:
    if decoupled_weight_decay:
        shrink(param, lr, weight_decay)
    grad = decayed(param, grad, 0 if decoupled_weight_decay else weight_decay, maximize)
    now = beta1 * (1 - 0.5 * math.pow(0.96, count * momentum_decay))
    after = beta1 * (1 - 0.5 * math.pow(0.96, (count + 1) * momentum_decay))
    with flambeau.no_grad():
        mu_product.mul_(now)
    product = mu_product.item()
    average.lerp_(grad, 1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    divisor = square.div(1 - beta2**count).sqrt().add(eps)
    descend(param, grad / divisor, lr * (1 - now) / (1 - product))
    descend(param, average / divisor, lr * after / (1 - product * after))
