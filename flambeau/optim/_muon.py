"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math

import flambeau

from .optimizer import Optimizer, check_fits, evaluate, number

__all__ = ["Muon", "muon"]

_COEFFICIENTS = (3.4445, -4.775, 2.0315)


class Muon(Optimizer):
    """Muon (Jordan et al., 2024), for the matrices inside a network: each step is near the
    orthogonal matrix that is nearest to the momentum.

    Args:
        params: matrices, ``(name, matrix)`` pairs, or dictionaries of groups.
        lr: size of a step.
        weight_decay: what fraction of a parameter, times ``lr``, each step takes off.
        momentum: how much of the running mean of gradients is kept.
        nesterov: look one momentum step ahead.
        ns_coefficients: of the polynomial that brings singular values to one.
        eps: the smallest norm to divide by.
        ns_steps: how often the polynomial is applied, less than 100.
        adjust_lr_fn: how ``lr`` depends on the shape: ``"original"`` (the default) or
            ``"match_rms_adamw"``.

    Shape:
        - params: matrices.

    Example::

        >>> import flambeau
        >>> w = flambeau.eye(2).requires_grad_()
        >>> muon = flambeau.optim.Muon([w], lr=0.1, weight_decay=0.0)
        >>> w.sum().backward()
        >>> muon.step()
        >>> bool((w.detach() < flambeau.eye(2)).all())
        True
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = _COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, flambeau.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{param.size()}"
                    )

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        for group in self.param_groups:
            params = [param for param in group["params"] if param.grad is not None]
            for param in params:
                if param.is_complex():
                    raise RuntimeError("Muon does not support complex parameters")
                if param.grad.is_sparse:
                    raise RuntimeError("Muon does not support sparse gradients")
                if "momentum_buffer" not in self.state[param]:
                    self.state[param]["momentum_buffer"] = flambeau.zeros_like(param.grad)
            options = {
                key: value
                for key, value in group.items()
                if key in self.defaults and key != "params"
            }
            with flambeau.no_grad():
                muon(
                    params,
                    [param.grad for param in params],
                    [self.state[param]["momentum_buffer"] for param in params],
                    has_complex=False,
                    **options,
                )
        return loss


def muon(
    params: list,
    grads: list,
    muon_momentum_bufs: list,
    *,
    foreach: bool | None = None,
    lr,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    adjust_lr_fn: str | None,
    has_complex: bool,
) -> None:
    """A step of `Muon`, over lists.

    Shape:
        - params, and the lists beside it: matrices.

    Example::

        >>> muon([], [], [], lr=0.1, weight_decay=0, momentum=0.9, nesterov=True,
        ...      ns_coefficients=(2.0, -1.5, 0.5), ns_steps=5, eps=1e-7, adjust_lr_fn=None,
        ...      has_complex=False)
    """
    if foreach:
        raise RuntimeError("Foreach is not supported for Muon yet")
    if has_complex:
        raise ValueError("Complex parameters are not supported")
    lr = number(lr)
    for grad in grads:
        if grad.dim() != 2:
            raise ValueError(f"Param gradient must be a 2D matrix, got shape {tuple(grad.shape)}")
    check_fits("Muon", params, grads, muon_momentum_bufs)
    for param, grad, mean in zip(params, grads, muon_momentum_bufs):
        mean.lerp_(grad, 1 - momentum)
        update = _orthogonal(
            grad.lerp(mean, momentum) if nesterov else mean, ns_coefficients, ns_steps, eps
        )
        rows, columns = param.shape
        if adjust_lr_fn == "match_rms_adamw":
            size = 0.2 * math.sqrt(max(rows, columns))
        else:
            size = math.sqrt(max(1, rows / columns))
        param.mul_(1 - lr * weight_decay)
        param.add_(update, alpha=-lr * size)


def _orthogonal(matrix, coefficients, steps: int, eps: float):
    """Near the orthogonal matrix nearest to ``matrix``, by Newton-Schulz steps in bfloat16."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.size(0) > matrix.size(1)
    if tall:
        x = x.mT
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = flambeau.addmm(x, flambeau.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
