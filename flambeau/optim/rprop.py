"""Rprop: steps that look at the signs of gradients alone."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, descend, step_lists
from .optimizer import check_learning_rate, number

__all__ = ["Rprop", "rprop"]


class Rprop(Elementwise):
    """Resilient backpropagation (Riedmiller and Braun, 1993), for gradients of all the data: a step
    grows while its gradient keeps its sign, and shrinks where that turns.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of the first step.
        etas: by what a step shrinks and grows.
        step_sizes: the smallest and the largest step.
        capturable: whether counts are kept on the parameter's device; not on the CPU.
        foreach: ``False`` steps parameters one by one; any other setting all at once.
        maximize: step along the gradient instead.
        differentiable: record gradients through the step.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> rprop = flambeau.optim.Rprop([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> rprop.step()
        >>> rprop.step()
        >>> w.detach()
        tensor([0.7800])
    """

    _keys = ("prev", "step_size")
    _later = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params,
        lr=1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        state["prev"] = flambeau.zeros_like(param)
        rate = number(group["lr"])
        # Real and imaginary parts step by themselves.
        state["step_size"] = flambeau.full_like(
            grad, complex(rate, rate) if param.is_complex() else rate
        )

    def _update(self, group, has_complex, lists) -> None:
        etaminus, etaplus = group["etas"]
        smallest, largest = group["step_sizes"]
        rprop(
            lists["params"],
            lists["grads"],
            lists["prev"],
            lists["step_size"],
            lists["step"],
            step_size_min=smallest,
            step_size_max=largest,
            etaminus=etaminus,
            etaplus=etaplus,
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            capturable=group["capturable"],
            has_complex=has_complex,
        )


def rprop(
    params: list,
    grads: list,
    prevs: list,
    step_sizes: list,
    state_steps: list,
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: float,
    step_size_max: float,
    etaminus: float,
    etaplus: float,
) -> None:
    """A step of `Rprop`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g, step = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(())
        >>> rprop([w], [g], [flambeau.ones(1)], [flambeau.full((1,), 0.25)], [step],
        ...       step_size_min=0.0, step_size_max=50.0, etaminus=0.5, etaplus=2.0)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "rprop",
        flambeau._fused_rprop_,
        _step_one,
        params,
        grads,
        (prevs, step_sizes),
        (),
        state_steps,
        dict(
            step_size_min=step_size_min,
            step_size_max=step_size_max,
            etaminus=etaminus,
            etaplus=etaplus,
            maximize=maximize,
        ),
        foreach=foreach,
        differentiable=differentiable,
        capturable=capturable,
        reads_steps=False,
    )


def _step_one(
    param,
    grad,
    before,
    size,
    *,
    count,
    step_size_min,
    step_size_max,
    etaminus,
    etaplus,
    maximize,
) -> None:
    if maximize:
        grad = -grad
    turned = grad.mul(before.clone()).sign()
    factor = flambeau.where(turned > 0, etaplus, flambeau.where(turned < 0, etaminus, 1.0))
    size.mul_(factor.to(size.dtype)).clamp_(step_size_min, step_size_max)
    # Where the gradient has turned it is left out once.
    grad = grad.masked_fill(turned < 0, 0)
    descend(param, grad.sign() * size, 1)
    before.copy_(grad)
