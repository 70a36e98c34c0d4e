"""L-BFGS: steps by an estimate of the inverse Hessian from the last gradients."""

from __future__ import annotations

import flambeau

from .optimizer import Optimizer, evaluate, number

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS (Nocedal and Wright, chapter 7), for functions of all the data.

    Args:
        params: parameters, in one group.
        lr: size of a step.
        max_iter: iterations for each call of `step`.
        max_eval: evaluations for each call; ``max_iter * 5 / 4`` where it is None.
        tolerance_grad: largest element of a gradient at which it stops.
        tolerance_change: change of loss or parameters at which it stops.
        history_size: how many gradients are kept.
        line_search_fn: None, or ``"strong_wolfe"``.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> w = flambeau.tensor([3.0], requires_grad=True)
        >>> lbfgs = flambeau.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     lbfgs.zero_grad()
        ...     loss = ((w - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> float(lbfgs.step(closure))
        4.0
        >>> w.detach()
        tensor([1.])
    """

    def __init__(
        self,
        params,
        lr=1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, flambeau.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
            ),
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    # ---- parameters as one vector

    def _gather_flat_grad(self):
        parts = []
        for param in self._params:
            if param.grad is None:
                part = flambeau.zeros(param.numel(), dtype=param.dtype, device=param.device)
            elif param.grad.is_sparse:
                part = param.grad.to_dense().view(-1)
            else:
                part = param.grad.reshape(-1)
            parts.append(flambeau.view_as_real(part).view(-1) if part.is_complex() else part)
        return flambeau.cat(parts)

    def _add_grad(self, step_size, update) -> None:
        offset = 0
        for param in self._params:
            real = flambeau.view_as_real(param) if param.is_complex() else param
            count = real.numel()
            real.add_(update[offset : offset + count].view_as(real), alpha=number(step_size))
            offset += count

    def _clone_param(self) -> list:
        return [param.clone(memory_format=flambeau.contiguous_format) for param in self._params]

    def _set_param(self, values: list) -> None:
        for param, value in zip(self._params, values):
            param.copy_(value)

    def _directional_evaluate(self, closure, x: list, t, d) -> tuple:
        """Loss and gradient at ``x + t * d``."""
        self._add_grad(t, d)
        loss = float(closure())
        gradient = self._gather_flat_grad()
        self._set_param(x)
        return loss, gradient

    def step(self, closure):  # type: ignore[override]
        """Iterate until a tolerance or a limit is met.

        Args:
            closure: computes the loss, and its gradients, anew; the first result is returned.
        """
        with flambeau.no_grad():
            return self._minimise(lambda: evaluate(closure))

    def _minimise(self, closure):
        group = self.param_groups[0]
        lr = number(group["lr"])
        # State of all parameters together, kept as that of the first, so that it is saved.
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gather_flat_grad()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first_loss

        d, t = state.get("d"), state.get("t")
        before, loss_before = state.get("prev_flat_grad"), state.get("prev_loss")
        iteration = 0
        while iteration < group["max_iter"]:
            iteration += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d = gradient.neg()
                state["old_dirs"], state["old_stps"], state["ro"] = [], [], []
                state["H_diag"] = 1
            else:
                _remember(state, gradient.sub(before), d.mul(t), group["history_size"])
                d = _direction(state, gradient, group["history_size"])
            if before is None:
                before = gradient.clone(memory_format=flambeau.contiguous_format)
            else:
                before.copy_(gradient)
            loss_before = loss

            t = min(1.0, 1.0 / gradient.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            slope = gradient.dot(d)
            if slope > -group["tolerance_change"]:
                break
            done = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                x = self._clone_param()
                loss, gradient, t, done = _strong_wolfe(
                    lambda x, t, d: self._directional_evaluate(closure, x, t, d),
                    x,
                    t,
                    d,
                    loss,
                    gradient,
                    slope,
                )
                self._add_grad(t, d)
                optimal = bool(gradient.abs().max() <= group["tolerance_grad"])
            else:
                self._add_grad(t, d)
                optimal = False
                if iteration != group["max_iter"]:
                    # The loss after the last step is the next call's to compute.
                    loss = float(closure())
                    gradient = self._gather_flat_grad()
                    optimal = bool(gradient.abs().max() <= group["tolerance_grad"])
                    done = 1
            evaluations += done
            state["func_evals"] += done
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or optimal
                or bool(d.mul(t).abs().max() <= group["tolerance_change"])
                or abs(loss - loss_before) < group["tolerance_change"]
            ):
                break
        state["d"], state["t"] = d, t
        # Under these names and in this order PyTorch's files have them.
        for key in ("old_dirs", "old_stps", "ro", "H_diag"):
            state[key] = state.pop(key)
        state["prev_flat_grad"], state["prev_loss"] = before, loss_before
        return first_loss


def _remember(state: dict, y, s, size: int) -> None:
    """Keep a change of gradient and the step that made it."""
    curvature = y.dot(s)
    if curvature <= 1e-10:
        return
    if len(state["old_dirs"]) == size:
        for key in ("old_dirs", "old_stps", "ro"):
            state[key].pop(0)
    state["old_dirs"].append(y)
    state["old_stps"].append(s)
    state["ro"].append(1.0 / curvature)
    state["H_diag"] = curvature / y.dot(y)


def _direction(state: dict, gradient, size: int):
    """Minus the estimate of the inverse Hessian times the gradient, by two loops over the past."""
    changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
    factors = state.setdefault("al", [None] * size)
    q = gradient.neg()
    for i in range(len(changes) - 1, -1, -1):
        factors[i] = steps[i].dot(q) * inverse[i]
        q.add_(changes[i], alpha=-factors[i].item())
    r = q.mul(state["H_diag"])
    for i in range(len(changes)):
        rest = changes[i].dot(r) * inverse[i]
        r.add_(steps[i], alpha=(factors[i] - rest).item())
    return r


# ---- the line search


def _cubic_minimum(x1, f1, g1, x2, f2, g2, bounds=None):
    """Where the cubic through two points with their slopes is smallest, within bounds."""
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    a = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    under = a**2 - g1 * g2
    if under < 0:
        return (low + high) / 2.0
    root = under.sqrt() if isinstance(under, flambeau.Tensor) else under**0.5
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + root - a) / (g2 - g1 + 2 * root))
    else:
        best = x1 - (x1 - x2) * ((g1 + root - a) / (g1 - g2 + 2 * root))
    return min(max(best, low), high)


def _strong_wolfe(
    evaluate_at, x, t, d, f, g, gtd, c1=1e-4, c2=0.9, tolerance_change=1e-9, max_ls=25
):
    """A step that meets the strong Wolfe conditions: loss, gradient, its size and the number of
    evaluations. First an interval that holds one, then smaller ones."""
    largest = d.abs().max()
    g = g.clone(memory_format=flambeau.contiguous_format)
    f_new, g_new = evaluate_at(x, t, d)
    evaluations, slope = 1, g_new.dot(d)
    t_old, f_old, g_old, slope_old = 0, f, g, gtd
    found, iteration = False, 0
    # Ends of the interval: step, loss, gradient, slope.
    ends: list = []
    while iteration < max_ls:
        point = (t, f_new, g_new.clone(memory_format=flambeau.contiguous_format), slope)
        last = (t_old, f_old, g_old, slope_old)
        if f_new > f + c1 * t * gtd or (iteration > 1 and f_new >= f_old):
            ends = [last, point]
            break
        if abs(slope) <= -c2 * gtd:
            ends, found = [point], True
            break
        if slope >= 0:
            ends = [last, point]
            break
        low, high = t + 0.01 * (t - t_old), t * 10
        following = _cubic_minimum(t_old, f_old, slope_old, t, f_new, slope, (low, high))
        t_old, f_old, g_old, slope_old = point
        t = following
        f_new, g_new = evaluate_at(x, t, d)
        evaluations += 1
        slope = g_new.dot(d)
        iteration += 1
    if iteration == max_ls:
        ends = [(0, f, g, gtd), (t, f_new, g_new, slope)]

    stuck = False
    best, worst = (0, 1) if ends[0][1] <= ends[-1][1] else (1, 0)
    while not found and iteration < max_ls:
        steps = [end[0] for end in ends]
        if abs(steps[1] - steps[0]) * largest < tolerance_change:
            break
        t = _cubic_minimum(*_curve(ends[0]), *_curve(ends[1]))
        # Near an end it makes little way: once it may, then it is moved inwards.
        width = max(steps) - min(steps)
        margin = 0.1 * width
        if min(max(steps) - t, t - min(steps)) < margin:
            if stuck or t >= max(steps) or t <= min(steps):
                nearer_top = abs(t - max(steps)) < abs(t - min(steps))
                t = max(steps) - margin if nearer_top else min(steps) + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        f_new, g_new = evaluate_at(x, t, d)
        evaluations += 1
        slope = g_new.dot(d)
        iteration += 1
        point = (t, f_new, g_new.clone(memory_format=flambeau.contiguous_format), slope)
        if f_new > f + c1 * t * gtd or f_new >= ends[best][1]:
            ends[worst] = point
            best, worst = (0, 1) if ends[0][1] <= ends[1][1] else (1, 0)
        else:
            if abs(slope) <= -c2 * gtd:
                found = True
            elif slope * (ends[worst][0] - ends[best][0]) >= 0:
                ends[worst] = ends[best]
            ends[best] = point
    t, f_new, g_new, _ = ends[best if len(ends) > 1 else 0]
    return f_new, g_new, t, evaluations


def _curve(end: tuple) -> tuple:
    step, loss, _, slope = end
    return step, loss, slope
