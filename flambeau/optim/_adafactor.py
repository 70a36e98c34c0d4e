"""Adafactor: the mean square of a matrix's gradient as that of its rows and columns."""

from __future__ import annotations

import math

import flambeau

from ._elementwise import Elementwise, count_from
from .optimizer import check_fits, check_state, counted, evaluate, number

__all__ = ["Adafactor", "adafactor"]


class Adafactor(Elementwise):
    """Adafactor (Shazeer and Stern, 2018).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: the largest size of a step, relative to the parameter's.
        beta2_decay: power of the step that the weight of a new square falls with.
        eps: smallest mean square (None: the dtype's), and smallest size of a parameter.
        d: root mean square above which a step is scaled down.
        weight_decay: what fraction of a parameter, times ``lr``, each step takes off.
        foreach: both settings give the same; parameters are stepped one by one.
        maximize: step along the gradient instead.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> adafactor = flambeau.optim.Adafactor([w], lr=0.5)
        >>> (w * 2).sum().backward()
        >>> adafactor.step()
        >>> w.detach()
        tensor([0.5000])
    """

    _keys = ("row_var", "col_var", "variance")
    _later = {"foreach": None}

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, flambeau.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def _check_loaded(self, param, state) -> None:
        if not state:
            return
        wanted = ("row_var", "col_var") if param.dim() > 1 else ("variance",)
        for key in ("step", *wanted):
            if key not in state:
                raise ValueError(f"Adafactor: the loaded state of a parameter has no {key!r}")

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            lists: tuple[list, ...] = ([], [], [], [], [], [])
            self._init_group(group, *lists)
            with flambeau.no_grad():
                adafactor(
                    *lists,
                    d=group["d"],
                    lr=group["lr"],
                    beta2_decay=group["beta2_decay"],
                    weight_decay=group["weight_decay"],
                    eps1=group["eps"][0],
                    eps2=group["eps"][1],
                    maximize=group["maximize"],
                    foreach=group["foreach"],
                )
        return loss

    def _init_group(self, group, params, grads, row_vars, col_vars, variances, steps) -> bool:
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if param.is_complex():
                raise RuntimeError("Adafactor does not support complex parameters")
            if grad.is_sparse:
                raise RuntimeError("Adafactor does not support sparse gradients")
            state = self.state[param]
            if not state:
                state["step"] = count_from(0, group, param)
                if grad.dim() > 1:
                    shape = list(grad.shape)
                    state["row_var"] = grad.new_zeros([*shape[:-1], 1])
                    state["col_var"] = grad.new_zeros([*shape[:-2], 1, shape[-1]])
                else:
                    state["variance"] = flambeau.zeros_like(grad)
            params.append(param)
            grads.append(grad)
            row_vars.append(state.get("row_var"))
            col_vars.append(state.get("col_var"))
            variances.append(state.get("variance"))
            steps.append(state["step"])
        return False


def adafactor(
    params: list,
    grads: list,
    row_vars: list,
    col_vars: list,
    variances: list,
    state_steps: list,
    foreach: bool | None = None,
    grad_scale=None,
    found_inf=None,
    has_complex: bool = False,
    *,
    d: float,
    lr,
    beta2_decay: float,
    weight_decay: float,
    eps1: float | None,
    eps2: float,
    maximize: bool,
) -> None:
    """A step of `Adafactor`, over lists.

    Shape:
        - params and grads: of one shape; variances: that of a vector, row_vars and col_vars: with 1
          in place of the last and of the last but one dimension.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> adafactor([w], [g], [None], [None], [flambeau.zeros(1)], [flambeau.zeros(())], d=1.0,
        ...           lr=0.5, beta2_decay=-0.8, weight_decay=0, eps1=None, eps2=1e-3,
        ...           maximize=False)
        >>> w
        tensor([0.5000])
    """
    if not all(isinstance(step, flambeau.Tensor) for step in state_steps):
        raise RuntimeError(
            "adafactor: `state_steps` must be a list of tensors of one element: the API has changed"
        )
    if grad_scale is not None or found_inf is not None:
        raise AssertionError("Grad scaling should occur outside of optimizer.step()")
    check_fits("Adafactor", params, grads)
    for param, variance in zip(params, variances):
        if variance is not None:
            check_state("Adafactor", param, "variance", variance)
    for i, param in enumerate(params):
        with counted(param, state_steps[i : i + 1]):
            _step_one(
                param, -grads[i] if maximize else grads[i], row_vars[i], col_vars[i], variances[i],
                state_steps[i].item(), d, number(lr), beta2_decay, weight_decay, eps1, eps2,
            )  # fmt: skip


def _step_one(
    param, grad, rows, columns, variance, count, d, lr, beta2_decay, weight_decay, eps1, eps2
) -> None:
    if eps1 is None:
        eps1 = flambeau.finfo(param.dtype).eps
    weight = count**beta2_decay  # of the new square in the mean
    size = max(eps2, param.norm(2).item() / math.sqrt(param.numel()))
    size *= min(lr, 1 / math.sqrt(count))
    if weight_decay != 0:
        param.mul_(1 - lr * weight_decay)
    if grad.dim() > 1:
        by_row = grad.norm(dim=-1, keepdim=True).square_().div_(grad.size(-1))
        rows.lerp_(by_row, weight)
        by_column = grad.norm(dim=-2, keepdim=True).square_().div_(grad.size(-2))
        columns.lerp_(by_column, weight)
        squares = rows @ columns
        squares.div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps1))
    else:
        variance.lerp_(grad.square(), weight)
        squares = variance.clone()
    update = squares.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
    excess = max(1.0, update.norm(2).item() / (math.sqrt(update.numel()) * d))
    param.add_(update, alpha=-size / excess)
