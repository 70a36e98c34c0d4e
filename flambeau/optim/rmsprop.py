"""RMSprop: gradients over the root of their mean square."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, step_lists
from .optimizer import check_learning_rate

__all__ = ["RMSprop", "rmsprop"]


class RMSprop(Elementwise):
    """RMSprop (Hinton, 2012; centred: Graves, 2013).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        alpha: how much of the running mean of squares is kept.
        eps: added to the root.
        weight_decay: factor of the parameter that is added to its gradient.
        momentum: how much of the sum of past steps is kept.
        centered: divide by the standard deviation of the gradient.
        capturable: whether counts are kept on the parameter's device; not on the CPU.
        foreach: ``False`` steps parameters one by one; any other setting all at once.
        maximize: step along the gradient instead.
        differentiable: record gradients through the step.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> rmsprop = flambeau.optim.RMSprop([w], lr=0.1, alpha=0.75)
        >>> (w * 2).sum().backward()
        >>> rmsprop.step()
        >>> w.detach()
        tensor([0.8000])
    """

    _keys = ("square_avg", "momentum_buffer", "grad_avg")
    _optional = ("momentum_buffer", "grad_avg")
    _later = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if not 0.0 <= momentum:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not 0.0 <= alpha:
            raise ValueError(f"Invalid alpha value: {alpha}")
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                capturable=capturable,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
            ),
        )

    def _present(self, group) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _fill_state(self, state, group, param, grad) -> None:
        state["step"] = count_from(0, group, param)
        for key in self._present(group):
            state[key] = flambeau.zeros_like(param)

    def _update(self, group, has_complex, lists) -> None:
        rmsprop(
            lists["params"],
            lists["grads"],
            lists["square_avg"],
            lists["grad_avg"],
            lists["momentum_buffer"],
            lists["step"],
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            centered=group["centered"],
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            capturable=group["capturable"],
            has_complex=has_complex,
        )


def rmsprop(
    params: list,
    grads: list,
    square_avgs: list,
    grad_avgs: list,
    momentum_buffer_list: list,
    state_steps: list,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """A step of `RMSprop`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> rmsprop([w], [g], [flambeau.zeros(1)], [], [], [flambeau.zeros(())], lr=0.5, alpha=0.0,
        ...         eps=0.0, weight_decay=0, momentum=0, centered=False)
        >>> w
        tensor([0.5000])
    """
    step_lists(
        "rmsprop",
        flambeau._fused_rmsprop_,
        _step_one,
        params,
        grads,
        (square_avgs, grad_avgs, momentum_buffer_list),
        (),
        state_steps,
        dict(
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
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
    square,
    mean,
    buffer,
    *,
    count,
    lr,
    alpha,
    eps,
    weight_decay,
    momentum,
    centered,
    maximize,
) -> None:
    grad = decayed(param, grad, weight_decay, maximize)
    square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
    spread = square
    if centered:
        mean.lerp_(grad, 1 - alpha)
        spread = square.addcmul(mean, mean, value=-1)
    step = grad / spread.sqrt().add(eps)
    if momentum > 0:
        step = buffer.mul_(momentum).add_(step)
    descend(param, step, lr)
