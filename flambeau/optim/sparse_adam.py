"""Adam for gradients of which most rows are zero."""

from __future__ import annotations

import flambeau

from ._functional import sparse_adam
from .optimizer import Optimizer, check_betas, evaluate, number

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam that steps the rows which a sparse gradient names, and no others.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr: size of a step.
        betas: how much of the running means of the gradient and of its square is kept.
        eps: added to the root of the mean square.
        maximize: step along the gradient instead.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> table = flambeau.zeros(4, 2, requires_grad=True)
        >>> flambeau.optim.SparseAdam([table]).defaults["lr"]
        0.001
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, flambeau.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 < lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        for what, found, wanted in (
            ("Sparse", lambda p: p.is_sparse, "requires dense parameter tensors"),
            ("Complex", lambda p: p.is_complex(), "does not support complex parameters"),
        ):
            places = [
                [g, i]
                for g, group in enumerate(self.param_groups)
                for i, param in enumerate(group["params"])
                if found(param)
            ]
            if places:
                raise ValueError(f"{what} params at indices {places}: SparseAdam {wanted}")

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                if not param.grad.is_sparse:
                    raise RuntimeError(
                        "SparseAdam does not support dense gradients, please consider Adam instead"
                    )
            for param in params:
                state = self.state[param]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = flambeau.zeros_like(param)
                    state["exp_avg_sq"] = flambeau.zeros_like(param)
                state["step"] += 1
            states = [self.state[param] for param in params]
            beta1, beta2 = group["betas"]
            with flambeau.no_grad():
                sparse_adam(
                    params,
                    [param.grad for param in params],
                    [state["exp_avg"] for state in states],
                    [state["exp_avg_sq"] for state in states],
                    [state["step"] for state in states],
                    eps=group["eps"],
                    beta1=beta1,
                    beta2=beta2,
                    lr=number(group["lr"]),
                    maximize=group["maximize"],
                )
        return loss
