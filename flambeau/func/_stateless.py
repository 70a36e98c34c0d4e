"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import flambeau

_ABSENT = object()


def functional_call(
    module: flambeau.nn.Module,
    parameter_and_buffer_dicts: dict | Sequence[dict],
    args: Any = None,
    kwargs: dict | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the place of its parameters and buffers.

    The module is as before afterwards. Names that are not given keep their own tensors.

    Args:
        module: the module to call.
        parameter_and_buffer_dicts: names, as in ``named_parameters()``, with tensors; one dict or
            several, which must not name the same.
        args: the arguments: a tuple, or a single one.
        kwargs: arguments by name.
        tie_weights: put a tensor also where the module has the same one by another name.
        strict: whether each parameter and buffer must be given, and no other name.

    Shape:
        - as the module's forward.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import functional_call, grad
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> functional_call(layer, {"weight": torch.tensor([[1.0, 2.0]])}, torch.ones(2))
        tensor([3.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        given = {}
        for some in parameter_and_buffer_dicts:
            if not isinstance(some, dict):
                raise ValueError(
                    "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
                )
            for name, tensor in some.items():
                if name in given:
                    raise ValueError(
                        f"{name} appears in multiple dictionaries; behavior is ambiguous"
                    )
                given[name] = tensor
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _exchanged(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _named(module: flambeau.nn.Module) -> dict[str, Any]:
    names = dict(module.named_parameters(remove_duplicate=False))
    names.update(module.named_buffers(remove_duplicate=False))
    return names


def _with_tied(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Adds the other names of the tensors whose place is taken."""
    names: dict[int, list[str]] = {}
    for name, tensor in own.items():
        names.setdefault(id(tensor), []).append(name)
    every = dict(given)
    for tied in names.values():
        values = {id(given[n]): given[n] for n in tied if n in given}
        if len(values) > 1:
            both = sorted(n for n in tied if n in given)
            raise ValueError(
                f"functional_call got multiple values for keys {both}, which are tied. Consider "
                "using tie_weights=False"
            )
        for n in tied:
            for value in values.values():
                every.setdefault(n, value)
    return every


@contextmanager
def _exchanged(
    module: flambeau.nn.Module, given: dict[str, Any], tie_weights: bool, strict: bool
) -> Iterator[None]:
    own = _named(module)
    unexpected = [n for n in given if n not in own]
    missing = [n for n in own if n not in given] if strict else []
    if strict and (unexpected or missing):
        lines = []
        if unexpected:
            lines.append(f"Unexpected key(s): {', '.join(unexpected)}.")
        if missing:
            lines.append(f"Missing key(s): {', '.join(missing)}.")
        raise RuntimeError(
            f"Error in reparametrizing submodules of {module._get_name()}:\n\t" + "\n\t".join(lines)
        )
    if tie_weights:
        given = _with_tied(own, given)
    places = []
    for name, tensor in given.items():
        if not isinstance(tensor, flambeau.Tensor):
            raise TypeError(f"{name}: {tensor} is not an instance of torch.Tensor")
        path, _, last = name.rpartition(".")
        holder = module.get_submodule(path)
        tables = (holder._parameters, holder._buffers)
        # A name that the module does not have is an attribute for the time of the call.
        table = next((t for t in tables if last in t), holder.__dict__)
        places.append((table, last, tensor))
    before = [table.get(last, _ABSENT) for table, last, _ in places]
    try:
        for table, last, tensor in places:
            table[last] = tensor
        yield
    finally:
        for (table, last, _), tensor in zip(places, before):
            if tensor is _ABSENT:
                del table[last]
            else:
                table[last] = tensor


def stack_module_state(models: Sequence) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one kind, stacked by name.

    With :func:`functional_call` and :func:`vmap` all of them run at once.

    Args:
        models: modules of the same class, in the same mode.

    Shape:
        - each tensor has one dimension more, the models', which is the first.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import functional_call, stack_module_state
        >>> models = [torch.nn.Linear(2, 3) for _ in range(4)]
        >>> params, buffers = stack_module_state(models)
        >>> run = lambda p, b, x: functional_call(models[0], (p, b), x)
        >>> torch.vmap(run, (0, 0, None))(params, buffers, torch.ones(2)).shape
        torch.Size([4, 3])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {
        name: _stacked(name, [dict(m.named_parameters())[name] for m in models])
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: _stacked(name, [dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return params, buffers


def _stacked(name: str, tensors: list) -> Any:
    if len({t.requires_grad for t in tensors}) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    if not tensors[0].requires_grad:
        return flambeau.stack(tensors)
    if not all(t.is_leaf for t in tensors):
        return flambeau.stack(tensors)
    return flambeau.stack(tensors).detach().requires_grad_()
