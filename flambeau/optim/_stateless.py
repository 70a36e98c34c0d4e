"""An optimiser that steps other parameters for a while."""

from __future__ import annotations

import contextlib
from collections import defaultdict

import flambeau

__all__ = ["swap_in_optimizer_params_and_state"]

_NAME = "swap_in_optimizer_params_and_state"


@contextlib.contextmanager
def swap_in_optimizer_params_and_state(optimizer, swapin_parameters: dict, swapin_optim_state):
    """A context in which ``optimizer`` has the given parameters and state in place of its own.

    Args:
        optimizer: has stepped, so that it has state.
        swapin_parameters: name -> tensor, in the order of the optimiser's parameters.
        swapin_optim_state: as `Optimizer.state_dict` gives it. Its tensors are changed in place by
            steps; all else that happens to it is dropped.

    Shape:
        - swapin_parameters: as the optimiser's.

    Example::

        >>> import flambeau
        >>> w, other = flambeau.ones(1, requires_grad=True), flambeau.ones(1, requires_grad=True)
        >>> adam = flambeau.optim.Adam([w], lr=0.5)
        >>> w.grad = other.grad = flambeau.ones(1)
        >>> adam.step()
        >>> with flambeau.optim.swap_in_optimizer_params_and_state(
        ...     adam, {"w": other}, adam.state_dict()
        ... ):
        ...     adam.step()
        >>> w.detach(), other.detach()
        (tensor([0.5000]), tensor([0.5000]))
    """
    if not optimizer.state:
        raise RuntimeError(f"{_NAME} requires initialized optimizer state: step once before")
    state, groups = _checked(optimizer, swapin_optim_state)
    parameters = list(swapin_parameters.values())
    wanted = sum(len(group["params"]) for group in groups)
    if len(parameters) != wanted:
        raise RuntimeError(
            f"{_NAME} requires a parameter for each of the optimizer's {wanted}, in their order, "
            f"but got {len(parameters)}"
        )
    known = {number for group in groups for number in group["params"]}
    unknown = [key for key in state if isinstance(key, int) and key not in known]
    if unknown:
        raise RuntimeError(f"{_NAME}: the state has parameters {unknown}, which no group has")
    rest = iter(parameters)
    swapped_state: defaultdict = defaultdict(dict)
    swapped_state.update({k: v for k, v in state.items() if not isinstance(k, int)})
    swapped = []
    for group in groups:
        members = [next(rest) for _ in group["params"]]
        for number, param in zip(group["params"], members):
            if number in state:
                swapped_state[param] = dict(state[number])
        swapped.append({**group, "params": members})
    own_state = optimizer.state
    own_groups = [dict(group) for group in optimizer.param_groups]
    try:
        optimizer.state = swapped_state
        for group, replacement in zip(optimizer.param_groups, swapped):
            group.update(replacement)
        yield
    finally:
        optimizer.state = own_state
        for group, own in zip(optimizer.param_groups, own_groups):
            group.clear()
            group.update(own)


def _checked(optimizer, given) -> tuple[dict, list]:
    """State and groups, if they have the optimiser's form."""
    if not isinstance(given, dict):
        raise RuntimeError(f"{_NAME} requires the dict of optimizer.state_dict()")
    state, groups = given.get("state"), given.get("param_groups")
    if not isinstance(state, dict) or any(isinstance(k, flambeau.Tensor) for k in state):
        raise RuntimeError(f"{_NAME} requires a state that is keyed by numbers of parameters")
    if any(isinstance(k, int) and not isinstance(v, dict) for k, v in state.items()):
        raise RuntimeError(f"{_NAME} requires a dict as the state of each parameter")
    if not isinstance(groups, list) or len(groups) != len(optimizer.param_groups):
        raise RuntimeError(f"{_NAME} requires a list of {len(optimizer.param_groups)} groups")
    for i, (own, group) in enumerate(zip(optimizer.param_groups, groups)):
        if not isinstance(group, dict) or not isinstance(group.get("params"), list):
            raise RuntimeError(f"{_NAME} requires a dict with numbers of parameters as group {i}")
        if len(group["params"]) != len(own["params"]) or set(group) != set(own):
            raise RuntimeError(
                f"{_NAME}: group {i} has {len(group['params'])} parameters and the options "
                f"{sorted(group)}, not {len(own['params'])} and {sorted(own)}"
            )
    return state, groups
