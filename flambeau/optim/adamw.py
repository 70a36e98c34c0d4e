"""Adam with decoupled weight decay."""

from __future__ import annotations

from .adam import Adam, adam

__all__ = ["AdamW", "adamw"]


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself and stays out of the running means
    (Loshchilov and Hutter, 2017).

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries of groups.
        lr, betas, eps, amsgrad, maximize, foreach, capturable, differentiable, fused: as for
            `Adam`.
        weight_decay: what fraction of a parameter, times ``lr``, each step takes off.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> adamw = flambeau.optim.AdamW([w], lr=0.1, weight_decay=0.5)
        >>> (w * 2).sum().backward()
        >>> adamw.step()
        >>> w.detach()
        tensor([0.8500])
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        # Files of older versions do not say so.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def adamw(
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
    *,
    amsgrad: bool,
    beta1,
    beta2,
    lr,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """A step of `AdamW`, over lists.

    Shape:
        - params, and the lists beside it: of one shape for each parameter.

    Example::

        >>> import flambeau
        >>> w, g = flambeau.ones(1), flambeau.ones(1)
        >>> adamw([w], [g], [flambeau.zeros(1)], [flambeau.zeros(1)], [], [flambeau.zeros(())],
        ...       amsgrad=False, beta1=0.9, beta2=0.999, lr=0.5, weight_decay=0.5, eps=1e-8,
        ...       maximize=False)
        >>> w
        tensor([0.2500])
    """
    adam(
        params,
        grads,
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        state_steps,
        foreach=foreach,
        capturable=capturable,
        differentiable=differentiable,
        fused=fused,
        grad_scale=grad_scale,
        found_inf=found_inf,
        has_complex=has_complex,
        amsgrad=amsgrad,
        beta1=beta1,
        beta2=beta2,
        lr=lr,
        weight_decay=weight_decay,
        eps=eps,
        maximize=maximize,
        decoupled_weight_decay=True,
    )
