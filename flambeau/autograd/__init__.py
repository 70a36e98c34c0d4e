"""Automatic differentiation: gradients of what was recorded, and how recording is steered."""

from __future__ import annotations

import warnings
from typing import Any

import flambeau
from flambeau import _C
from flambeau.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from flambeau.autograd.function import Function, NestedIOFunction
from flambeau.autograd.grad_mode import (
    _force_original_view_tracking as _force_original_view_tracking,
)
from flambeau.autograd.grad_mode import (
    _unsafe_preserve_version_counter as _unsafe_preserve_version_counter,
)
from flambeau.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

__all__ = [
    "Function",
    "NestedIOFunction",
    "SavedTensor",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]

SavedTensor = _C._SavedTensor
_overridden_in = _C._has_torch_function
is_multithreading_enabled = _C._is_multithreading_enabled
is_view_replay_enabled = _C._is_view_replay_enabled

_LAZY = ("forward_ad", "functional", "graph", "profiler", "profiler_legacy", "profiler_util")


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        return importlib.import_module(f"flambeau.autograd.{name}")
    raise AttributeError(f"module 'flambeau.autograd' has no attribute {name!r}")


def _items(value: Any) -> tuple:
    """A tensor or a gradient edge stands for a tuple of itself."""
    if value is None:
        return ()
    if isinstance(value, flambeau.Tensor):
        return (value,)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return (value,)
    return flambeau._C._fixed_tuple(value)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``grad`` of the graph's leaves, or of ``inputs``.

    Args:
        tensors: what to differentiate: tensors or gradient edges.
        grad_tensors: the gradient that arrives at each of them; may be left out for scalars.
        retain_graph: keep the graph for another backward; by default the value of create_graph.
        create_graph: record the computation of the gradients, for higher derivatives.
        grad_variables: deprecated name of ``grad_tensors``.
        inputs: the tensors whose ``grad`` is to be added to; all others stay as they are.

    Shape:
        - each gradient has the shape of its tensor.

    Example::

        >>> import flambeau as torch
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> torch.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    wanted = _items(inputs)
    if inputs is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if retain_graph is None:
        retain_graph = create_graph
    _C._run_backward(
        _items(tensors), _items(grad_tensors), retain_graph, create_graph, wanted, True, True
    )


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The sum of the gradients of ``outputs`` with respect to each of ``inputs``.

    Args:
        outputs: what to differentiate: tensors or gradient edges.
        inputs: with respect to what: tensors or gradient edges.
        grad_outputs: the gradient that arrives at each output; may be left out for scalars.
        retain_graph: keep the graph for another backward; by default the value of create_graph.
        create_graph: record the computation of the gradients, for higher derivatives.
        only_inputs: deprecated, True.
        allow_unused: give None, instead of an error, for inputs that the outputs do not depend on.
        is_grads_batched: the first dimension of each of ``grad_outputs`` is a batch: gives the
            gradients for all its items, by one backward.
        materialize_grads: give zeros for inputs that the outputs do not depend on.

    Shape:
        - each gradient has the shape of its input.

    Example::

        >>> import flambeau as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (g,) = torch.autograd.grad(x**2, x, create_graph=True)
        >>> torch.autograd.grad(g, x)
        (tensor(2.),)
    """
    roots, wanted = _items(outputs), _items(inputs)
    if _overridden_in((*roots, *wanted)):
        return flambeau.overrides.handle_torch_function(
            grad,
            (*roots, *wanted),
            roots,
            wanted,
            grad_outputs=grad_outputs,
            retain_graph=retain_graph,
            create_graph=create_graph,
            only_inputs=only_inputs,
            allow_unused=allow_unused,
            is_grads_batched=is_grads_batched,
            materialize_grads=materialize_grads,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use backward.",
            FutureWarning,
            stacklevel=2,
        )
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if retain_graph is None:
        retain_graph = create_graph

    def run(*gradients: Any) -> tuple:
        level = _C._transform_level()
        if level is not None and level.kind == 1 and any(map(level.parts, (*roots, *wanted))):
            from flambeau.func._dual_backward import grad_of_duals

            return grad_of_duals(
                level, roots, wanted, gradients, retain_graph, create_graph, allow_unused
            )
        return _C._run_backward(
            roots, gradients, retain_graph, create_graph, wanted, allow_unused, False
        )

    if is_grads_batched:
        result = _run_batched(run, _items(grad_outputs))
    else:
        result = run(*_items(grad_outputs))
    if not materialize_grads:
        return result
    if not all(isinstance(i, flambeau.Tensor) for i in wanted):
        raise RuntimeError(
            "materialize_grads cannot be used when the given input is a GradientEdge"
        )
    return tuple(
        flambeau.zeros_like(i, requires_grad=create_graph) if g is None else g
        for g, i in zip(result, wanted)
    )


def _run_batched(run: Any, gradients: tuple) -> tuple:
    """One backward for all items of the first dimension of the gradients that arrive."""
    missing: list = []

    def one(*items: Any) -> tuple:
        made = run(*items)
        missing[:] = [g is None for g in made]
        return tuple(g for g in made if g is not None)

    found = iter(flambeau.vmap(one, randomness="error")(*gradients))
    return tuple(None if absent else next(found) for absent in missing)


def variable(*args: Any, **kwargs: Any) -> Any:
    """Gone, as in PyTorch: use ``flambeau.tensor(...)``."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")


class _Engine:
    """What PyTorch's programs find at ``Variable._execution_engine``."""

    run_backward = staticmethod(_C._run_backward)
    queue_callback = staticmethod(_C._queue_callback)


class _VariableMeta(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, flambeau.Tensor)


class Variable(metaclass=_VariableMeta):
    """The former name of a tensor that can require grad: every tensor is one.

    Shape:
        - as the tensor that is given.

    Example::

        >>> import flambeau as torch
        >>> isinstance(torch.ones(1), torch.autograd.Variable)
        True
    """

    _execution_engine = _Engine()

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False):
        tensor = flambeau.empty(0) if data is None else data.detach()
        return tensor.requires_grad_(requires_grad)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LAZY})


# Now, and not when first touched: importing a submodule puts the module in the place of the
# function that it is named after, once.
from flambeau.autograd.gradcheck import gradcheck, gradgradcheck  # noqa: E402
