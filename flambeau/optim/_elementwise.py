"""Optimisers whose step changes each element of a parameter by the elements at its place: of the
gradient, and of tensors in the state. The core steps all parameters of a group in one call; what it
cannot take (halves, other devices, steps that are differentiated) is stepped one by one.
"""

from __future__ import annotations

import flambeau

from .optimizer import (
    Optimizer,
    _get_capturable_supported_devices,
    check_counter,
    check_fits,
    check_state,
    counted,
    evaluate,
    number,
    scalar_dtype,
    steps_together,
)

__all__ = [
    "Elementwise",
    "as_real",
    "check_capturable",
    "count_from",
    "decayed",
    "descend",
    "shrink",
    "step_lists",
]


class Elementwise(Optimizer):
    """Base class of such optimisers. A subclass says what its state is, in the order of the lists
    that `_init_group` fills, and hands these lists to its functional form in `_update`."""

    # Tensors like the parameter in its state, and numbers there.
    _keys: tuple[str, ...] = ()
    _numbers: tuple[str, ...] = ()
    # Those that some options go without.
    _optional: tuple[str, ...] = ()
    # Options that files of older versions lack.
    _later: dict = {}

    def _present(self, group: dict) -> tuple[str, ...]:
        """The keys of the state under the options of ``group``."""
        return self._keys

    def _takes_sparse(self) -> bool:
        return False

    def _fill_state(self, state: dict, group: dict, param, grad) -> None:
        """The state of a parameter before its first step, in the order of PyTorch's files."""

    def _update(self, group: dict, has_complex: bool, lists: dict) -> None:
        """Step the parameters of one group."""

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key, value in self._later.items():
                group.setdefault(key, value)
            for param in group["params"]:
                kept = self.state.get(param)
                for key in ("step", *self._numbers) if kept else ():
                    # Files of older versions hold plain numbers.
                    if key in kept and not isinstance(kept[key], flambeau.Tensor):
                        kept[key] = flambeau.tensor(float(kept[key]), dtype=scalar_dtype())

    def _check_loaded(self, param, state) -> None:
        name = type(self).__name__
        if not state:
            return
        for key in ("step", *self._numbers):
            if key not in state:
                raise ValueError(f"{name}: the loaded state of a parameter has no {key!r}")
            if isinstance(state[key], flambeau.Tensor):
                check_counter(name, state[key], key)
            elif not isinstance(state[key], (int, float)):
                raise TypeError(
                    f"{name}: {key!r} in a loaded state must be a number, got "
                    f"{type(state[key]).__name__}"
                )
        for key in self._keys:
            if key in state:
                check_state(name, param, key, state[key])
            elif key not in self._optional:
                raise ValueError(f"{name}: the loaded state of a parameter has no {key!r}")

    def step(self, closure=None) -> float | None:
        """Change all parameters that have a gradient once.

        Args:
            closure: computes the loss, and its gradients, anew; its result is returned.
        """
        loss = None if closure is None else evaluate(closure)
        work = []
        for group in self.param_groups:
            lists: dict[str, list] = {"params": [], "grads": [], "step": []}
            lists.update((key, []) for key in (*self._keys, *self._numbers))
            has_complex = self._collect(group, lists)
            if lists["params"]:
                work.append((group, has_complex, lists))
        if len(work) > 1:
            # All groups are looked at before the first one steps; a single one where it steps.
            for _, _, lists in work:
                check_fits(
                    type(self).__name__,
                    lists["params"],
                    lists["grads"],
                    *(lists[key] for key in self._keys),
                )
                for key in ("step", *self._numbers):
                    for count in lists[key]:
                        check_counter(type(self).__name__, count, key)
        for group, has_complex, lists in work:
            with flambeau.set_grad_enabled(bool(self.defaults.get("differentiable"))):
                self._update(group, has_complex, lists)
        return loss

    def _init_group(self, group: dict, params: list, grads: list, *lists: list) -> bool:
        """Append what a step of the group's parameters takes: those that have a gradient, their
        gradients, and from the state what the class names, then the counts. Says whether any of
        them is complex."""
        keys = (*self._keys, *self._numbers, "step")
        return self._collect(
            group, {"params": params, "grads": grads, **dict(zip(keys, lists, strict=True))}
        )

    def _collect(self, group: dict, lists: dict) -> bool:
        params, grads, states = lists["params"], lists["grads"], self.state
        wanted = [(key, lists[key]) for key in (*self._present(group), *self._numbers, "step")]
        has_complex = False
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if grad.is_sparse and not self._takes_sparse():
                raise RuntimeError(
                    f"{type(self).__name__} does not support sparse gradients; make them dense "
                    "first"
                )
            state = states[param]
            if not state:
                self._fill_state(state, group, param, grad)
            params.append(param)
            grads.append(grad)
            for key, values in wanted:
                values.append(state[key])
            has_complex |= param.is_complex()
        return has_complex


def count_from(value: float, group: dict, param):
    """A number in the state of a parameter. It is on the CPU wherever the parameter is, since
    reading it must not wait for a device, unless a graph of the device's is to count."""
    device = param.device if group.get("capturable") else None
    return flambeau.tensor(float(value), dtype=scalar_dtype(), device=device)


def step_lists(
    name: str,
    op,
    one,
    params: list,
    grads: list,
    states: tuple[list, ...],
    numbers: tuple[list, ...],
    steps: list,
    options: dict,
    *,
    foreach: bool | None = None,
    fused: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    grad_scale=None,
    found_inf=None,
    reads_steps: bool = True,
) -> None:
    """One step of ``params``: by ``op``, which takes lists, or parameter by parameter by ``one``.
    Lists of states may be empty."""
    if not all(isinstance(step, flambeau.Tensor) for step in steps):
        raise RuntimeError(
            f"{name}: `state_steps` must be a list of tensors of one element: the API has changed"
        )
    if not params:
        return
    if capturable:
        check_capturable(params, steps)
    if differentiable:
        if foreach or fused:
            raise AssertionError(f"{name}: _foreach and fused ops don't support autograd")
    else:
        options = {
            key: number(value) if isinstance(value, flambeau.Tensor) else value
            for key, value in options.items()
        }
        if steps_together(params, foreach, fused):
            if grad_scale is not None or found_inf is not None:
                options |= {"grad_scale": grad_scale, "found_inf": found_inf}
            _step_together(op, params, grads, states, numbers, steps, options, reads_steps)
            return
    if any(param.is_complex() for param in params):
        # Real and imaginary parts are parameters of their own.
        params, grads = as_real(params), as_real(grads)
        states = tuple(as_real(state) for state in states)
        if not differentiable and steps_together(params, foreach, fused):
            _step_together(op, params, grads, states, numbers, steps, options, reads_steps)
            return
    check_fits(name, params, grads, *states)
    for step in steps:
        check_counter(name, step)
    if found_inf is not None and number(found_inf) == 1:
        return
    for i, param in enumerate(params):
        grad = grads[i] if grad_scale is None else grads[i].div_(grad_scale)
        kept = [values[i] if values else None for values in (*states, *numbers)]
        # What a gradient needs of this step must not be changed by the next.
        used = [t.clone() if t is not None and differentiable else t for t in kept]
        with counted(param, steps[i : i + 1]):
            one(param, grad, *used, count=steps[i].item(), **options)
        for old, new in zip(kept, used) if differentiable else ():
            if old is not None:
                old.copy_(new)


def _step_together(op, params, grads, states, numbers, steps, options, reads_steps) -> None:
    found = options.get("found_inf")
    if found is not None and number(found) == 1:
        return
    with counted(params[0], steps):
        op(params, grads, *states, *numbers, *([steps] if reads_steps else []), **options)


def as_real(tensors: list) -> list:
    return [flambeau.view_as_real(t) if t.is_complex() else t for t in tensors]


def check_capturable(params: list, steps: list) -> None:
    supported = _get_capturable_supported_devices()
    for param, step in zip(params, steps):
        if param.device.type != step.device.type or param.device.type not in supported:
            raise AssertionError(
                "If capturable=True, params and state_steps must be on supported devices: "
                f"{supported}, but they are on {param.device} and {step.device}."
            )


def decayed(param, grad, weight_decay, maximize: bool):
    """The gradient to step against, with the weights' decay."""
    if maximize:
        grad = -grad
    if isinstance(weight_decay, flambeau.Tensor):
        return grad.addcmul(param, weight_decay.to(param.dtype))
    return grad.add(param, alpha=weight_decay) if weight_decay != 0 else grad


def descend(param, direction, size) -> None:
    """``param -= size * direction``, in place."""
    if isinstance(size, flambeau.Tensor):
        param.addcmul_(direction, size.to(param.dtype), value=-1)
    else:
        param.add_(direction, alpha=-size)


def shrink(param, lr, weight_decay) -> None:
    """Decay that stays out of the gradient."""
    if weight_decay != 0:
        param.mul_(1 - lr * weight_decay)
