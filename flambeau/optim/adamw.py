"""Adam with decoupled weight decay."""

from __future__ import annotations

from .adam import Adam

__all__ = ["AdamW"]


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
