"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

import math

import flambeau

from .optimizer import (
    Optimizer,
    can_fuse,
    check_counter,
    check_fits,
    check_learning_rate,
    check_mode,
    check_state,
    check_tensor_option,
    counted,
    evaluate,
    number,
    scalar_dtype,
)

__all__ = ["Adam"]


class Adam(Optimizer):
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
        capturable, differentiable: not supported.
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
        check_learning_rate(lr, foreach)
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if isinstance(betas[0], flambeau.Tensor) != isinstance(betas[1], flambeau.Tensor):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            check_tensor_option(f"betas[{i}]", beta, foreach)
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        check_mode(
            type(self).__name__,
            foreach,
            fused,
            differentiable=differentiable,
            capturable=capturable,
        )
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

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for param in group["params"]:
                param_state = self.state.get(param)
                if param_state and not isinstance(param_state["step"], flambeau.Tensor):
                    # Files of older versions hold a number.
                    param_state["step"] = flambeau.tensor(
                        float(param_state["step"]), dtype=scalar_dtype()
                    )

    def _check_loaded(self, param, state) -> None:
        name = type(self).__name__
        if not state:
            return
        for key in ("step", "exp_avg", "exp_avg_sq"):
            if key not in state:
                raise ValueError(f"{name}: the loaded state of a parameter has no {key!r}")
        if isinstance(state["step"], flambeau.Tensor):
            check_counter(name, state["step"])
        elif not isinstance(state["step"], (int, float)):
            raise TypeError(
                f"{name}: 'step' in a loaded state must be a number, got "
                f"{type(state['step']).__name__}"
            )
        for key in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            if key in state:
                check_state(name, param, key, state[key])

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        work = []
        for group in self.param_groups:
            lists: tuple[list, ...] = ([], [], [], [], [], [])
            self._init_group(group, *lists)
            if lists[0]:
                work.append((group, lists, can_fuse(group, lists[0])))
        # All groups are looked at before the first one steps; the core looks at a single one.
        for _, lists, fused in work:
            if len(work) > 1 or not fused:
                check_fits(type(self).__name__, *lists[:5])
                for count in lists[5]:
                    check_counter(type(self).__name__, count)
        for group, lists, fused in work:
            _step(group, fused, *lists)
        return loss

    def _init_group(
        self, group, params_with_grad, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps
    ) -> None:
        """Append the group's parameters that have a gradient, and their state, to the lists."""
        amsgrad, states = group["amsgrad"], self.state
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = states[param]
            if not state:
                if grad.is_sparse:
                    raise RuntimeError(
                        f"{type(self).__name__} does not support sparse gradients; "
                        "make them dense first"
                    )
                # On the CPU wherever the parameter is: reading it must not wait for a device.
                state["step"] = flambeau.tensor(0.0, dtype=scalar_dtype())
                state["exp_avg"] = flambeau.zeros_like(param)
                state["exp_avg_sq"] = flambeau.zeros_like(param)
                if amsgrad:
                    state["max_exp_avg_sq"] = flambeau.zeros_like(param)
            params_with_grad.append(param)
            grads.append(grad)
            exp_avgs.append(state["exp_avg"])
            exp_avg_sqs.append(state["exp_avg_sq"])
            if amsgrad:
                max_exp_avg_sqs.append(state["max_exp_avg_sq"])
            state_steps.append(state["step"])


def _step(group: dict, fused: bool, params, grads, averages, squares, largest, steps) -> None:
    lr, (beta1, beta2) = group["lr"], group["betas"]
    if not type(lr) is type(beta1) is type(beta2) is float:
        lr, beta1, beta2 = number(lr), number(beta1), number(beta2)
    options = {
        "lr": lr,
        "beta1": beta1,
        "beta2": beta2,
        "weight_decay": group["weight_decay"],
        "eps": group["eps"],
        "amsgrad": group["amsgrad"],
        "maximize": group["maximize"],
    }
    decoupled = group["decoupled_weight_decay"]
    with flambeau.no_grad():
        if fused:
            step = flambeau._fused_adamw_ if decoupled else flambeau._fused_adam_
            with counted(params[0], steps):
                step(params, grads, averages, squares, largest, steps, **options)
            return
        for i, param in enumerate(params):
            maximum = largest[i] if largest else None
            with counted(param, steps[i : i + 1]):
                _step_one(
                    param, grads[i], averages[i], squares[i], maximum, **options,
                    decoupled_weight_decay=decoupled, count=steps[i].item(),
                )  # fmt: skip


def _step_one(
    param,
    grad,
    average,
    square,
    largest,
    lr,
    beta1,
    beta2,
    weight_decay,
    eps,
    amsgrad,
    maximize,
    decoupled_weight_decay,
    count,
) -> None:
    if maximize:
        grad = -grad
    if weight_decay != 0:
        if decoupled_weight_decay:
            param.mul_(1 - lr * weight_decay)
        else:
            grad = grad.add(param, alpha=weight_decay)
    if param.is_complex():
        # Real and imaginary parts are parameters of their own.
        param, grad, average, square = map(flambeau.view_as_real, (param, grad, average, square))
        if amsgrad:
            largest = flambeau.view_as_real(largest)
    average.lerp_(grad, 1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    if amsgrad:
        square = flambeau.maximum(largest, square, out=largest)
    # The means start at 0; dividing by these makes up for it.
    correction1 = 1 - beta1**count
    correction2 = 1 - beta2**count
    denominator = (square.sqrt() / math.sqrt(correction2)).add_(eps)
    param.addcdiv_(average, denominator, value=-lr / correction1)
