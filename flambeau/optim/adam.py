"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, shrink, step_lists
from .optimizer import (
    check_betas,
    check_fused,
    check_learning_rate,
    check_mode,
    check_tensor_option,
)

__all__ = ["Adam", "adam"]


class Adam(Elementwise):
    """Adam (Kingma and Ba, 2014).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        betas: how much of the running means of the gradient and of its square is kept.
        eps: added to the root of the mean square.
        weight_decay: factor of the parameter that is added to its gradient.
        amsgrad: divide by the largest mean square so far.
        foreach, fused: ``foreach=False`` (without ``fused``) steps parameters one by one; any other
            setting all at once.
        maximize: step along the gradient instead.
        capturable: whether counts are kept on the parameter's device; not on the CPU.
        differentiable: record gradients through the step.
        decoupled_weight_decay: shrink the parameter directly, as `AdamW` does.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> adam = flambeau.optim.Adam([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> adam.step()
        >>> w.detach()
        tensor([0.9000])
    """

    _keys = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _optional = ("max_exp_avg_sq",)
    _later = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_learning_rate(lr, foreach and not capturable)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if isinstance(betas[0], flambeau.Tensor) != isinstance(betas[1], flambeau.Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            check_tensor_option(f"betas[{i}]", beta, foreach and not capturable)
        check_betas(betas)
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        check_mode(foreach, fused, differentiable)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                differentiable=differentiable,
                fused=fused,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
        )
        if fused:
            self._step_supports_amp_scaling = True

    def _present(self, group) -> tuple[str, ...]:
        return self._keys if group["amsgrad"] else self._keys[:2]

    def _fill_state(self, state, group, param, grad) -> None:
        check_fused(group, param)
        state["step"] = count_from(0, group, param)
        for key in self._present(group):
            state[key] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        beta1, beta2 = group["betas"]
        adam(
            lists["params"],
            lists["grads"],
            lists["exp_avg"],
            lists["exp_avg_sq"],
            lists["max_exp_avg_sq"],
            lists["step"],
            amsgrad=group["amsgrad"],
            has_complex=has_complex,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
            foreach=group["foreach"],
            capturable=group["capturable"],
            differentiable=group["differentiable"],
            fused=group["fused"],
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
            decoupled_weight_decay=group["decoupled_weight_decay"],
        )


def adam(
    params: list,
    grads: list,
    exp_avgs: list,
    exp_avg_sqs: list,
    max_exp_avg_sqs: list,
    state_steps: list,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale=None,
    found_inf=None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1,
    beta2,
    lr,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """A step of `Adam`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> adam([w], [g], [flambeau.zeros(1)], [flambeau.zeros(1)], [], [flambeau.zeros(())],
        ...      amsgrad=False, beta1=0.9, beta2=0.999, lr=0.5, weight_decay=0, eps=1e-8,
        ...      maximize=False)
        >>> w
        tensor([0.5000])
    """
    if foreach and not capturable and isinstance(lr, flambeau.Tensor):
        raise RuntimeError(
            "adam: lr as a Tensor is not supported for capturable=False and foreach=True"
        )
    step_lists(
        "adam",
        flambeau._fused_adamw_ if decoupled_weight_decay else flambeau._fused_adam_,
        _step_decoupled if decoupled_weight_decay else _step_one,
        params,
        grads,
        (exp_avgs, exp_avg_sqs, max_exp_avg_sqs if amsgrad else []),
        (),
        state_steps,
        dict(
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            weight_decay=weight_decay,
            eps=eps,
            amsgrad=amsgrad,
            maximize=maximize,
        ),
        foreach=foreach,
        fused=fused,
        differentiable=differentiable,
        capturable=capturable,
        grad_scale=grad_scale,
        found_inf=found_inf,
    )


def _step_decoupled(param, grad, *states, lr, weight_decay, **options) -> None:
    shrink(param, lr, weight_decay)
    _step_one(param, grad, *states, lr=lr, weight_decay=0, **options)


def _step_one(
    param,
    grad,
    average,
    square,
    largest,
    *,
    count,
    lr,
    beta1,
    beta2,
    weight_decay,
    eps,
    amsgrad,
    maximize,
) -> None:
    grad = decayed(param, grad, weight_decay, maximize)
    if isinstance(beta1, flambeau.Tensor):
        # Numbers that gradients are asked for.
        average.lerp_(grad, (1 - beta1).to(average.dtype))
        square.mul_(beta2).addcmul_(grad, grad * (1 - beta2))
    else:
        average.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    if amsgrad:
        square = largest.copy_(flambeau.maximum(largest, square))
    # The means start at 0; dividing by these makes up for it.
    correction1, correction2 = 1 - beta1**count, 1 - beta2**count
    denominator = (square.sqrt() / correction2**0.5).add_(eps)
    size = lr / correction1
    if isinstance(size, flambeau.Tensor):
        descend(param, average / denominator, size)
    else:
        param.addcdiv_(average, denominator, value=-size)
