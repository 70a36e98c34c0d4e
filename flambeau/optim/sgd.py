"""Stochastic gradient descent."""

from __future__ import annotations

import flambeau

from ._elementwise import as_real, decayed, descend
from .optimizer import (
    Optimizer,
    check_fits,
    check_fused,
    check_learning_rate,
    check_mode,
    check_state,
    evaluate,
    number,
    steps_together,
)

__all__ = ["SGD", "sgd"]


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
        differentiable: record gradients through the step.

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
        check_mode(foreach, fused, differentiable)
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

        if fused:
            self._step_supports_amp_scaling = True
            for group in self.param_groups:
                for param in group["params"]:
                    check_fused(group, param)

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
            params: list = []
            grads: list = []
            buffers: list = []
            sparse = self._init_group(group, params, grads, buffers)
            if params:
                work.append((group, params, grads, buffers, sparse))
        if len(work) > 1:
            # All groups are looked at before the first one steps; a single one where it steps.
            for _, params, grads, buffers, _ in work:
                _check_fits(params, grads, buffers)
        for group, params, grads, buffers, sparse in work:
            differentiable = group["differentiable"]
            with flambeau.set_grad_enabled(bool(differentiable)):
                sgd(
                    params,
                    grads,
                    buffers,
                    weight_decay=group["weight_decay"],
                    momentum=group["momentum"],
                    lr=group["lr"],
                    dampening=group["dampening"],
                    nesterov=group["nesterov"],
                    maximize=group["maximize"],
                    has_sparse_grad=sparse,
                    foreach=False if differentiable else group["foreach"],
                    fused=group["fused"],
                    grad_scale=getattr(self, "grad_scale", None),
                    found_inf=getattr(self, "found_inf", None),
                )
            # Without momentum there is no state: an SGD that only steps should keep none.
            for param, buffer in zip(params, buffers):
                self.state[param]["momentum_buffer"] = buffer
        return loss

    def _init_group(self, group: dict, params: list, grads: list, momentum_buffers: list) -> bool:
        """Append the group's parameters that have a gradient, and their momentum if there is any
        (None before the first step). Says whether a gradient is sparse."""
        keeps, states, sparse = group["momentum"] != 0, self.state, False
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            params.append(param)
            grads.append(grad)
            sparse |= grad.is_sparse
            if keeps:
                momentum_buffers.append(states[param].get("momentum_buffer"))
        return sparse


def _check_fits(params: list, grads: list, buffers: list) -> None:
    check_fits("SGD", params, grads)
    for param, buffer in zip(params, buffers):
        if buffer is not None:
            check_state("SGD", param, "momentum_buffer", buffer)


def sgd(
    params: list,
    d_p_list: list,
    momentum_buffer_list: list,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    grad_scale=None,
    found_inf=None,
    *,
    weight_decay: float,
    momentum: float,
    lr,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """A step of `SGD`, over lists. A buffer of momentum that is None is replaced, in its list, by
    one that this step fills.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> sgd([w], [g], [None], weight_decay=0, momentum=0, lr=0.5, dampening=0, nesterov=False,
        ...     maximize=False)
        >>> w
        tensor([0.5000])
    """
    if not params:
        return
    if fused and has_sparse_grad:
        raise RuntimeError("sgd: `fused` does not support sparse gradients")
    buffers = momentum_buffer_list if momentum != 0 else []
    options = dict(
        momentum=momentum, dampening=dampening, nesterov=nesterov, maximize=maximize, lr=lr,
        weight_decay=weight_decay,
    )  # fmt: skip
    if not has_sparse_grad and steps_together(params, foreach, fused):
        options |= {"lr": number(lr), "weight_decay": number(weight_decay)}
        if grad_scale is not None or found_inf is not None:
            options |= {"grad_scale": grad_scale, "found_inf": found_inf}
        new = [i for i, buffer in enumerate(buffers) if buffer is None]
        if not new:
            flambeau._fused_sgd_(params, d_p_list, buffers, is_first_step=False, **options)
            return
        if len(new) < len(buffers):
            # Both parts are looked at before the first one steps.
            _check_fits(params, d_p_list, buffers)
        if found_inf is not None and number(found_inf) == 1:
            return
        fresh = set(new)
        for first, chosen in ((True, new), (False, [*(set(range(len(params))) - fresh)])):
            if not chosen:
                continue
            part = [flambeau.empty_like(d_p_list[i]) if first else buffers[i] for i in chosen]
            flambeau._fused_sgd_(
                [params[i] for i in chosen],
                [d_p_list[i] for i in chosen],
                part,
                is_first_step=first,
                **options,
            )
            for i, buffer in zip(chosen, part):
                momentum_buffer_list[i] = buffer
        return
    if not has_sparse_grad:
        _check_fits(params, d_p_list, buffers)
    if found_inf is not None and number(found_inf) == 1:
        return
    if not flambeau.is_grad_enabled():
        options |= {"lr": number(lr), "weight_decay": number(weight_decay)}
    for i, param in enumerate(params):
        grad = d_p_list[i] if grad_scale is None else d_p_list[i].div_(grad_scale)
        buffer = _step_one(param, grad, buffers[i] if buffers else None, **options)
        if buffers:
            momentum_buffer_list[i] = buffer


def _step_one(param, grad, buffer, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
    grad = decayed(param, grad, weight_decay, maximize)
    if momentum != 0:
        if buffer is None:
            buffer = grad.clone().detach()
        else:
            buffer.mul_(momentum).add_(grad, alpha=1 - dampening)
        grad = grad.add(buffer, alpha=momentum) if nesterov else buffer
    if param.is_complex() and isinstance(lr, flambeau.Tensor):
        (param,), (grad,) = as_real([param]), as_real([grad])
    descend(param, grad, lr)
    return buffer
