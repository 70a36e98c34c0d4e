"""Adagrad: gradients over the root of the sum of their squares."""

from __future__ import annotations

import flambeau

from ._elementwise import Elementwise, count_from, decayed, descend, step_lists
from .optimizer import check_fused, check_learning_rate, check_mode, number

__all__ = ["Adagrad", "adagrad"]


class Adagrad(Elementwise):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        lr_decay: how fast steps shrink.
        weight_decay: factor of the parameter that is added to its gradient.
        initial_accumulator_value: what sums of squares start from.
        eps: added to the root.
        foreach, fused: ``foreach=False`` (without ``fused``) steps parameters one by one; any other
            setting all at once.
        maximize: step along the gradient instead.
        differentiable: record gradients through the step.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> adagrad = flambeau.optim.Adagrad([w], lr=0.1)
        >>> (w * 2).sum().backward()
        >>> adagrad.step()
        >>> w.detach()
        tensor([0.9000])
    """

    _keys = ("sum",)
    _later = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_learning_rate(lr)
        if not 0.0 <= lr_decay:
            raise ValueError(f"Invalid lr_decay value: {lr_decay}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not 0.0 <= initial_accumulator_value:
            raise ValueError(
                f"Invalid initial_accumulator_value value: {initial_accumulator_value}"
            )
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        check_mode(foreach, fused, differentiable)
        if fused:
            self._step_supports_amp_scaling = True
        # The state is there before the first step, so that processes can share it.
        for group in self.param_groups:
            for param in group["params"]:
                self._fill_state(self.state[param], group, param, None)

    def share_memory(self) -> None:
        """Move the state into memory that processes share."""
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"].share_memory_()

    def _fill_state(self, state, group, param, grad) -> None:
        check_fused(group, param)
        state["step"] = count_from(0, group, param)
        start = group["initial_accumulator_value"]
        state["sum"] = flambeau.full_like(
            param, complex(start, start) if param.is_complex() else start
        )

    def _takes_sparse(self) -> bool:
        return True

    def _update(self, group, has_complex, lists) -> None:
        adagrad(
            lists["params"],
            lists["grads"],
            lists["sum"],
            lists["step"],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            lr_decay=group["lr_decay"],
            eps=group["eps"],
            has_sparse_grad=any(grad.is_sparse for grad in lists["grads"]),
            foreach=group["foreach"],
            maximize=group["maximize"],
            differentiable=group["differentiable"],
            has_complex=has_complex,
            fused=group["fused"],
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=getattr(self, "found_inf", None),
        )


def adagrad(
    params: list,
    grads: list,
    state_sums: list,
    state_steps: list,
    fused: bool | None = None,
    grad_scale=None,
    found_inf=None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """A step of `Adagrad`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> adagrad([w], [g], [flambeau.zeros(1)], [flambeau.zeros(())], lr=0.5, weight_decay=0,
        ...         lr_decay=0, eps=0.0, maximize=False)
        >>> w
        tensor([0.5000])
    """
    if fused and has_sparse_grad:
        raise RuntimeError("adagrad: `fused` does not support sparse gradients")
    step_lists(
        "adagrad",
        flambeau._fused_adagrad_,
        _step_one,
        params,
        grads,
        (state_sums,),
        (),
        state_steps,
        dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps, maximize=maximize),
        foreach=False if has_sparse_grad else foreach,
        fused=fused,
        differentiable=differentiable,
        grad_scale=grad_scale,
        found_inf=found_inf,
    )


def _step_one(param, grad, total, *, count, lr, lr_decay, weight_decay, eps, maximize) -> None:
    size = lr / (1 + (count - 1) * lr_decay)
    if grad.is_sparse:
        if number(weight_decay) != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        grad = (-grad if maximize else grad).coalesce()
        places, values = tuple(grad.indices()), grad.values()
        total.index_put_(places, total[places] + values * values)
        step = values / total[places].sqrt().add(eps)
        param.index_put_(places, param[places] - size * step)
        return
    grad = decayed(param, grad, weight_decay, maximize)
    total.addcmul_(grad, grad, value=1)
    descend(param, grad / total.sqrt().add(eps), size)
