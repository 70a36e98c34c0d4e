"""Adadelta: steps as long as those before, relative to the gradients before."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, step_lists
from .optimizer import check_learning_rate

__all__ = ["Adadelta", "adadelta"]


class Adadelta(Elementwise):
    """Adadelta (Zeiler, 2012).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: factor of a step.
        rho: how much of the running means of squares is kept.
        eps: added under both roots.
        weight_decay: factor of the parameter that is added to its gradient.
        foreach: ``False`` steps parameters one by one; any other setting all at once.
        capturable: whether counts are kept on the parameter's device; not on the CPU.
        maximize: step along the gradient instead.
        differentiable: record gradients through the step.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> adadelta = flambeau.optim.Adadelta([w], lr=100.0)
        >>> (w * 2).sum().backward()
        >>> adadelta.step()
        >>> w.detach()
        tensor([0.6838])
    """

    _keys = ("square_avg", "acc_delta")
    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params,
        lr=1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["square_avg"] = flambeau.zeros_like(param)
        state["acc_delta"] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        adadelta(
            lists["params"],
            lists["grads"],
            lists["square_avg"],
            lists["acc_delta"],
            lists["step"],
            lr=group["lr"],
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            capturable=group["capturable"],
            has_complex=has_complex,
        )


def adadelta(
    params: list,
    grads: list,
    square_avgs: list,
    acc_deltas: list,
    state_steps: list,
    capturable: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """A step of `Adadelta`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> state = [flambeau.zeros(1)], [flambeau.ones(1)], [flambeau.zeros(())]
        >>> adadelta([w], [g], *state, lr=0.5, rho=0.0, eps=0.0, weight_decay=0, maximize=False)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "adadelta",
        flambeau._fused_adadelta_,
        _step_one,
        params,
        grads,
        (square_avgs, acc_deltas),
        (),
        state_steps,
        dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize),
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
        reads_steps=False,
    )


def _step_one(param, grad, square, moved, *, count, lr, rho, eps, weight_decay, maximize) -> None:
    grad = decayed(param, grad, weight_decay, maximize)
    square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
    delta = moved.add(eps).sqrt() / square.add(eps).sqrt() * grad
    moved.mul_(rho).addcmul_(delta, delta, value=1 - rho)
    descend(param, delta, lr)
