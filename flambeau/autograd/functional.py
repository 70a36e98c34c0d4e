"""Jacobians, Hessians and their products with vectors, of functions of tensors.

Each works on one tensor or a tuple of tensors, for inputs and outputs alike, and gives its result
in the same structure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(value: Any, name: str, where: str) -> tuple[bool, tuple]:
    """Whether it was a tuple, and the tuple; every item must be a tensor."""
    is_tuple = isinstance(value, tuple)
    items = value if is_tuple else (value,)
    for i, item in enumerate(items):
        if not isinstance(item, flambeau.Tensor):
            what = f"the {name}" if not is_tuple else f"element {i} of the {name}"
            raise TypeError(f"{where}: {what} must be a Tensor, not {type(item).__name__}")
    return is_tuple, items


def _untuple(items: tuple, is_tuple: bool) -> Any:
    return items if is_tuple else items[0]


def _own(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs that this computation may differentiate with respect to."""
    if create_graph:
        return tuple(
            x.view_as(x) if x.requires_grad else x.clone().requires_grad_() for x in inputs
        )
    return tuple(x.detach().requires_grad_() for x in inputs)


def _evaluate(func: Callable, inputs: Any, create_graph: bool, where: str):
    """(inputs were a tuple, own inputs, outputs were a tuple, outputs)."""
    many_in, given = _tuple(inputs, f"inputs given to {where}", where)
    with flambeau.enable_grad():
        own = _own(given, create_graph)
        many_out, outputs = _tuple(func(*own), "outputs of the function", where)
    return many_in, own, many_out, outputs


def _check_strict(strict: bool, outputs: tuple, where: str) -> None:
    for i, out in enumerate(outputs):
        if strict and not out.requires_grad:
            raise RuntimeError(
                f"{where}: output {i} of the function does not depend on the inputs, which "
                "strict=True forbids"
            )


def _grad(outputs, inputs, grads, create_graph, strict=False, where="", retain_graph=None) -> tuple:
    """Gradients with zeros where there is no dependence; `grads` of None are zeros."""
    pairs = [(o, g) for o, g in zip(outputs, grads) if o.requires_grad and g is not None]
    found: tuple = (None,) * len(inputs)
    if pairs:
        found = flambeau.autograd.grad(
            [o for o, _ in pairs],
            inputs,
            [g for _, g in pairs],
            allow_unused=True,
            create_graph=create_graph,
            retain_graph=retain_graph,
        )
    if strict and any(g is None for g in found):
        at = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(
            f"{where}: the output of the function does not depend on input {at}, which "
            "strict=True forbids"
        )
    return tuple(flambeau.zeros_like(x) if g is None else g for g, x in zip(found, inputs))


def _vectors(v: Any, like: tuple, name: str, where: str) -> tuple:
    """The vectors of a product, of the shapes of `like`; None stands for 1 of a scalar."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"{where}: the vector v can only be None where there is one {name} with a single "
                "element"
            )
        return (flambeau.ones_like(like[0]),)
    _, items = _tuple(v, "vector v", where)
    if len(items) != len(like):
        raise RuntimeError(
            f"{where}: v has {len(items)} tensors, but there are {len(like)} {name}s"
        )
    for i, (item, t) in enumerate(zip(items, like)):
        if item.shape != t.shape:
            raise RuntimeError(
                f"{where}: v[{i}] has the shape {tuple(item.shape)}, but the {name} has "
                f"{tuple(t.shape)}"
            )
    return items


def _result(value: tuple, create_graph: bool) -> tuple:
    return value if create_graph else tuple(t.detach() for t in value)


def _scalar(outputs: tuple, where: str) -> None:
    if len(outputs) != 1 or outputs[0].numel() != 1:
        raise RuntimeError(f"{where}: the function must return one Tensor with a single element")


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph=False, strict=False) -> tuple:
    """The function's value and the product of ``v`` with its Jacobian.

    Shape:
        - v, the shapes of the outputs; the product, the shapes of the inputs.

    Example::

        >>> import flambeau as torch
        >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    many_in, own, many_out, outputs = _evaluate(func, inputs, create_graph, "vjp")
    _check_strict(strict, outputs, "vjp")
    vectors = _vectors(v, outputs, "output", "vjp")
    with flambeau.set_grad_enabled(create_graph or flambeau.is_grad_enabled()):
        product = _grad(outputs, own, vectors, create_graph, strict, "vjp")
    return (
        _untuple(_result(outputs, create_graph), many_out),
        _untuple(_result(product, create_graph), many_in),
    )


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph=False, strict=False) -> tuple:
    """The function's value and the product of its Jacobian with ``v``.

    The product is linear in ``v``, so it is the gradient, with respect to ``u``, of the product of
    ``u`` with the Jacobian, applied to ``v``: two backward passes.

    Shape:
        - v, the shapes of the inputs; the product, the shapes of the outputs.

    Example::

        >>> import flambeau as torch
        >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    _, own, many_out, outputs = _evaluate(func, inputs, create_graph, "jvp")
    _check_strict(strict, outputs, "jvp")
    vectors = _vectors(v, own, "input", "jvp")
    with flambeau.enable_grad():
        dummies = tuple(flambeau.zeros_like(o).requires_grad_() for o in outputs)
        back = _grad(outputs, own, dummies, True, strict, "jvp")
        product = _grad(back, dummies, vectors, create_graph)
    return (
        _untuple(_result(outputs, create_graph), many_out),
        _untuple(_result(product, create_graph), many_out),
    )


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for each output and input a tensor of the output's shape and the input's.

    Args:
        func: takes tensors, returns one or a tuple.
        inputs: a tensor or a tuple.
        create_graph: make the result differentiable.
        strict: an output that does not depend on an input is an error.
        vectorize: run all passes at once, by ``vmap``.
        strategy: ``"reverse-mode"``, a pass per element of the outputs, or ``"forward-mode"``, a
            pass per element of the inputs, with ``vectorize`` alone.

    Shape:
        - (outputs..., inputs...) for each pair.

    Example::

        >>> import flambeau as torch
        >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    _check_strategy(strategy, vectorize, create_graph, strict, "jacobian")
    if strategy == "forward-mode":
        return _forward_jacobian(func, inputs)
    many_in, own, many_out, outputs = _evaluate(func, inputs, create_graph, "jacobian")
    _check_strict(strict, outputs, "jacobian")
    if vectorize:
        rows = tuple(
            _untuple(_batched_jacobian_of(out, own, create_graph), many_in) for out in outputs
        )
    else:
        rows = tuple(
            _untuple(_jacobian_of(out, own, create_graph, strict), many_in) for out in outputs
        )
    return _untuple(rows, many_out)


def _check_strategy(
    strategy: str, vectorize: bool, create_graph: bool, strict: bool, name: str
) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ValueError(
            f'{name}: expected strategy to be either "forward-mode" or "reverse-mode", got '
            f"{strategy!r}"
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                f"torch.autograd.functional.{name}: `create_graph=True` and "
                '`strategy="forward-mode"` are not supported together: use '
                "`torch.func.jacfwd`, whose results are always differentiable"
            )
        if strict:
            raise RuntimeError(
                f'torch.autograd.functional.{name}: `strict=True` and `strategy="forward-mode"` '
                'are not supported together. Please either set `strict=False` or `strategy="'
                'reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
                "implemented for `vectorize=True`."
            )
    if vectorize and strict:
        raise RuntimeError(
            f"torch.autograd.functional.{name}: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )


def _forward_jacobian(func: Callable, inputs: Any) -> Any:
    many_in, given = _tuple(inputs, "inputs given to jacobian", "jacobian")
    many_out = False

    def outputs_of(*own: Any) -> tuple:
        nonlocal many_out
        many_out, outputs = _tuple(func(*own), "outputs of the function", "jacobian")
        return outputs

    plain = tuple(x.detach() for x in given)
    rows = flambeau.func.jacfwd(outputs_of, tuple(range(len(plain))))(*plain)
    return _untuple(tuple(_untuple(row, many_in) for row in rows), many_out)


def _batched_jacobian_of(out: Any, inputs: tuple, create_graph: bool) -> tuple:
    """One backward pass for all elements of the output."""
    n = out.numel()
    if not out.requires_grad:
        return tuple(out.new_zeros(tuple(out.shape) + tuple(x.shape)) for x in inputs)
    with flambeau.enable_grad():
        rows = flambeau.eye(n, dtype=out.dtype, device=out.device).reshape(n, *out.shape)
        grads = flambeau.autograd.grad(
            out,
            inputs,
            rows,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
            is_grads_batched=True,
        )
        return tuple(
            out.new_zeros(tuple(out.shape) + tuple(x.shape))
            if g is None
            else g.reshape(tuple(out.shape) + tuple(x.shape))
            for g, x in zip(grads, inputs)
        )


def _jacobian_of(out: Any, inputs: tuple, create_graph: bool, strict: bool) -> tuple:
    """One backward pass for each element of the output."""
    columns: list[list] = [[] for _ in inputs]
    with flambeau.enable_grad():
        elements = out.reshape(-1)
        for i in range(out.numel()):
            one = (elements[i],)
            grads = _grad(
                one, inputs, (flambeau.ones_like(one[0]),), create_graph, strict, "jacobian", True
            )
            for column, g in zip(columns, grads):
                column.append(g if create_graph else g.detach())
        return tuple(
            flambeau.stack(column).reshape(tuple(out.shape) + tuple(x.shape))
            if column
            else out.new_zeros(tuple(out.shape) + tuple(x.shape))
            for column, x in zip(columns, inputs)
        )


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one element: for each pair of inputs a tensor.

    Args:
        func: takes tensors, returns one with a single element.
        inputs: a tensor or a tuple.
        create_graph: make the result differentiable.
        strict: a gradient that does not depend on an input is an error.
        vectorize: run all passes at once, by ``vmap``.
        outer_jacobian_strategy: how the gradient is differentiated, as in :func:`jacobian`.

    Shape:
        - (inputs..., inputs...) for each pair.

    Example::

        >>> import flambeau as torch
        >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    many_in, given = _tuple(inputs, "inputs given to hessian", "hessian")
    if outer_jacobian_strategy == "forward-mode":
        _check_strategy(outer_jacobian_strategy, vectorize, create_graph, strict, "hessian")

        def value(*own):
            _, outputs = _tuple(func(*own), "outputs of the function", "hessian")
            _scalar(outputs, "hessian")
            return outputs[0].reshape(())

        slope = flambeau.func.grad(value, tuple(range(len(given))))
        found = _forward_jacobian(slope, given)
        return found if many_in else found[0][0]

    def gradient(*own):
        _, outputs = _tuple(func(*own), "outputs of the function", "hessian")
        _scalar(outputs, "hessian")
        _check_strict(strict, outputs, "hessian")
        ones = (flambeau.ones_like(outputs[0]),)
        return _grad(outputs, own, ones, True, strict, "hessian")

    rows = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return rows if many_in else rows[0]


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph=False, strict=False) -> tuple:
    """The function's value and the product of ``v`` with its Hessian.

    Shape:
        - v and the product, the shapes of the inputs.

    Example::

        >>> import flambeau as torch
        >>> f = lambda x: (x**3).sum()
        >>> torch.autograd.functional.vhp(f, torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    many_in, own, many_out, outputs = _evaluate(func, inputs, create_graph, "vhp")
    _scalar(outputs, "vhp")
    _check_strict(strict, outputs, "vhp")
    vectors = _vectors(v, own, "input", "vhp")
    with flambeau.enable_grad():
        ones = (flambeau.ones_like(outputs[0]),)
        gradient = _grad(outputs, own, ones, True, strict, "vhp")
        product = _grad(gradient, own, vectors, create_graph, strict, "vhp")
    return (
        _untuple(_result(outputs, create_graph), many_out),
        _untuple(_result(product, create_graph), many_in),
    )


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph=False, strict=False) -> tuple:
    """The function's value and the product of its Hessian with ``v``.

    The Hessian is symmetric, so this is :func:`vhp`, which needs one backward pass less than the
    definition.

    Shape:
        - v and the product, the shapes of the inputs.

    Example::

        >>> import flambeau as torch
        >>> f = lambda x: (x**3).sum()
        >>> torch.autograd.functional.hvp(f, torch.tensor([1.0, 2.0]), torch.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)
