"""Transforms in reverse mode, and what is made of them: grad, vjp, jvp, Jacobians, Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.func._forms import differentiable, like
from flambeau.func._levels import GradLevel, JvpLevel
from flambeau.func._vmap import vmap
from flambeau.utils._pytree import tree_flatten, tree_map, tree_unflatten

Argnums = int | tuple[int, ...]


# ---- helpers


def _chosen(argnums: Argnums, args: tuple) -> list[int]:
    if not isinstance(argnums, (int, tuple)) or isinstance(argnums, bool):
        raise RuntimeError(f"argnum must be int or Tuple[int], got: {type(argnums)}")
    wanted = [argnums] if isinstance(argnums, int) else list(argnums)
    if not wanted:
        raise RuntimeError("argnums must be non-empty")
    for n in wanted:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    positive = [n % len(args) for n in wanted]
    if len(set(positive)) < len(positive):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return positive


def _differentiable(level: GradLevel, tree: Any) -> Any:
    def one(value: Any) -> Any:
        if not isinstance(value, flambeau.Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(value)}")
        return level.wrap(value, True)

    return tree_map(one, tree)


def _held(level: Any, tree: Any) -> Any:
    """The tensors of a tree without this level."""
    return tree_map(level.unwrap, tree)


def _gradients(outputs: list, inputs: list, cotangents: list | None, create_graph: bool) -> list:
    """Zeros where an input has no part in the outputs."""
    reached = [i for i, o in enumerate(outputs) if o.requires_grad]
    if not reached:
        return [flambeau.zeros_like(i) for i in inputs]
    found = flambeau.autograd.grad(
        [outputs[i] for i in reached],
        inputs,
        None if cotangents is None else [cotangents[i] for i in reached],
        retain_graph=True,
        create_graph=create_graph,
        allow_unused=True,
    )
    return [flambeau.zeros_like(i) if g is None else g for g, i in zip(found, inputs)]


def _tensors(where: str, tree: Any) -> tuple[list, Any]:
    leaves, spec = tree_flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, flambeau.Tensor):
            raise RuntimeError(f"{where} to return only tensors, got unsupported type {type(leaf)}")
    return leaves, spec


# ---- reverse mode


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """Like :func:`grad`, and the function also gives the value: ``(gradient, value)``.

    Args:
        func: a function of tensors that gives one number, as a tensor of no dimensions.
        argnums: with respect to which arguments: an int, or a tuple of them.
        has_aux: whether ``func`` gives a pair, whose second part is handed on:
            ``(gradient, (value, aux))``.

    Shape:
        - the gradient has the shape of the argument.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import grad_and_value
        >>> grad_and_value(lambda x: (x**2).sum())(torch.tensor([1.0, 2.0]))
        (tensor([2., 4.]), tensor(5.))
    """

    @like(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        level = GradLevel()
        with level, flambeau.enable_grad():
            inner = list(args)
            for n in chosen:
                inner[n] = _differentiable(level, args[n])
            output = func(*inner, **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError(
                        "grad_and_value(f)(*args): output of function f should be a tuple: "
                        "(output, aux) if has_aux is True"
                    )
                output, aux = output
            if not isinstance(output, flambeau.Tensor):
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got "
                    f"{type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got "
                    f"tensor with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev "
                    "APIs instead?"
                )
            wanted = (
                inner[chosen[0]] if isinstance(argnums, int) else tuple(inner[n] for n in chosen)
            )
            leaves, spec = tree_flatten(wanted)
            # Recorded, because what is not would be no part of any level further out either.
            made = _gradients([output], leaves, None, create_graph=True)
            gradient = tree_unflatten(_held(level, made), spec)
            value, aux = level.unwrap(output), _held(level, aux)
        return (gradient, (value, aux)) if has_aux else (gradient, value)

    return wrapper


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of ``func``, which gives one number.

    It can be transformed again: ``grad(grad(f))`` is the second derivative, ``vmap(grad(f))`` gives
    a gradient for each item of a batch.

    Args:
        func: a function of tensors that gives a tensor of no dimensions.
        argnums: with respect to which arguments: an int, or a tuple of them.
        has_aux: whether ``func`` gives a pair, whose second part is handed on:
            ``(gradient, aux)``.

    Shape:
        - the gradient has the shape of the argument.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import grad
        >>> grad(lambda x: x**3)(torch.tensor(2.0))
        tensor(12.)
        >>> grad(grad(lambda x: x**3))(torch.tensor(2.0))
        tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @like(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        made = both(*args, **kwargs)
        return (made[0], made[1][1]) if has_aux else made[0]

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """``func(*primals)``, and a function that brings gradients of the results back.

    Args:
        func: a function that gives tensors, in any nesting.
        primals: its arguments, tensors in any nesting.
        has_aux: whether ``func`` gives a pair, whose second part is handed on as a third result.

    Shape:
        - the function takes a gradient for each result, nested as they are, and gives a tuple with
          one for each argument.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import vjp
        >>> y, pull = vjp(lambda x: x.sin(), torch.tensor([0.0, 1.0]))
        >>> pull(torch.ones(2))
        (tensor([1.0000, 0.5403]),)
    """
    level = GradLevel()
    aux = None
    with level, flambeau.enable_grad():
        inner = _differentiable(level, primals)
        flat_inputs, input_spec = tree_flatten(inner)
        outputs = func(*inner)
        if has_aux:
            if not (isinstance(outputs, tuple) and len(outputs) == 2):
                raise RuntimeError(
                    "vjp(f, *primals): output of function f should be a tuple: (output, aux) if "
                    "has_aux is True"
                )
            outputs, aux = outputs
            aux = _held(level, aux)
        flat_outputs, output_spec = _tensors("vjp(f, *primals): expected f(*primals)", outputs)
        for output in flat_outputs:
            if not differentiable(output):
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                    f"Tensor with dtype {output.dtype}"
                )
        results = _held(level, outputs)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        flat, spec = tree_flatten(cotangents)
        if spec != output_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {spec}, primal output: {output_spec}"
            )
        for i, (c, o) in enumerate(zip(flat, flat_outputs)):
            if not isinstance(c, flambeau.Tensor):
                raise RuntimeError(
                    f"vjp(f, *primals): expected cotangents to be tensors, got {type(c)}"
                )
            if c.shape != o.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of torch.Size("
                    f"{list(c.shape)}) and output[{i}] has a shape of torch.Size({list(o.shape)})."
                )
        if create_graph is None:
            create_graph = flambeau.is_grad_enabled()
        made = _gradients(flat_outputs, flat_inputs, flat, create_graph)
        return tree_unflatten([_without_ended(g) for g in made], input_spec)

    return (results, pull, aux) if has_aux else (results, pull)


def _without_ended(t: Any) -> Any:
    """A gradient that is a wrapper of a level that has ended, as the tensor that it wraps."""
    from flambeau import _C

    parts = _C._transform_parts(t)
    return _without_ended(parts[2]) if parts is not None and parts[1] is None else t


# ---- forward mode


def jvp(
    func: Callable,
    primals: tuple,
    tangents: tuple,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple:
    """``func(*primals)``, and how it changes when its arguments change along ``tangents``.

    Args:
        func: a function of tensors that gives tensors, in any nesting.
        primals: the tuple of its arguments.
        tangents: the direction, nested as the arguments are.
        strict: not supported.
        has_aux: whether ``func`` gives a pair, whose second part is handed on as a third result.

    Shape:
        - each tangent has the shape of its argument or result.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import jvp
        >>> jvp(lambda x: x**2, (torch.tensor(3.0),), (torch.tensor(1.0),))
        (tensor(9.), tensor(6.))
    """
    if strict:
        raise NotImplementedError("jvp: strict=True is not supported")
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to "
            "call f(*primals)."
        )
    flat_primals, primal_spec = tree_flatten(primals)
    flat_tangents, tangent_spec = tree_flatten(tangents)
    if primal_spec != tangent_spec:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same python "
            "structure. For example, if primals is a tuple of 3 tensors, tangents also must be. "
            f"Got primals with structure {primal_spec} and tangents with structure {tangent_spec}"
        )
    for what, flat in (("primals", flat_primals), ("tangents", flat_tangents)):
        for t in flat:
            if not isinstance(t, flambeau.Tensor):
                raise RuntimeError(
                    f"jvp(f, primals, tangents): Expected {what} to only contain Tensors, got "
                    f"{type(t)}"
                )
    level = JvpLevel()
    aux = None
    with level:
        duals = [level.dual(p, t) for p, t in zip(flat_primals, flat_tangents)]
        outputs = func(*tree_unflatten(duals, primal_spec))
        if has_aux:
            if not (isinstance(outputs, tuple) and len(outputs) == 2):
                raise RuntimeError(
                    "jvp(f, primals, tangents): output of function f should be a tuple: (output, "
                    "aux) if has_aux is True"
                )
            outputs, aux = outputs
            aux = _held(level, aux)
        flat, spec = _tensors("jvp(f, primals, tangents): expected f(*primals)", outputs)
        pairs = [level.pair(t) for t in flat]
    values = tree_unflatten([v for v, _ in pairs], spec)
    moved = tree_unflatten([flambeau.zeros_like(v) if t is None else t for v, t in pairs], spec)
    return (values, moved, aux) if has_aux else (values, moved)


def linearize(func: Callable, *primals: Any) -> tuple:
    """``func(*primals)``, and the linear function that is its derivative there.

    The function can be called for many directions; ``func`` itself runs once.

    Args:
        func: a function of tensors that gives tensors, in any nesting.
        primals: its arguments.

    Shape:
        - the function takes a tangent for each argument and gives one for each result.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import linearize
        >>> y, push = linearize(lambda x: x**2, torch.tensor([1.0, 3.0]))
        >>> push(torch.tensor([1.0, 0.0]))
        tensor([2., 0.])
    """
    output, pull = vjp(func, *primals)
    _, push = vjp(pull, tree_map(flambeau.zeros_like, output))
    spec = tree_flatten(primals)[1]

    def linear(*tangents: Any) -> Any:
        if tree_flatten(tangents)[1] != spec:
            raise RuntimeError(
                "linearize: expected tangents with the structure of the primals, "
                f"{spec}, got {tree_flatten(tangents)[1]}"
            )
        return push(tuple(tangents))[0]

    return output, linear


# ---- Jacobians


def _basis(leaves: list) -> list:
    """For each tensor a row per element of all of them: one where the element is its own."""
    total = sum(t.numel() for t in leaves)
    made, start = [], 0
    for t in leaves:
        rows = flambeau.zeros(total, t.numel(), dtype=t.dtype, device=t.device)
        rows.diagonal(-start).fill_(1)
        made.append(rows.view([total, *t.shape]))
        start += t.numel()
    return made


def jacrev(
    func: Callable,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """A function that gives the Jacobian of ``func``, by reverse mode: a pass per result element.

    Args:
        func: a function of tensors that gives tensors, in any nesting.
        argnums: with respect to which arguments: an int, or a tuple of them.
        has_aux: whether ``func`` gives a pair, whose second part is handed on:
            ``(jacobian, aux)``.
        chunk_size: how many passes run at a time; all by default. Fewer take less memory.

    Shape:
        - the sizes of the result, then those of the argument.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import jacrev
        >>> jacrev(lambda x: x**2)(torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")
    if _preallocate_and_copy:
        raise NotImplementedError("jacrev: _preallocate_and_copy=True is not supported")

    @like(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)

        def partial(*some: Any) -> Any:
            every = list(args)
            for n, value in zip(chosen, some):
                every[n] = value
            return func(*every, **kwargs)

        made = vjp(partial, *(args[n] for n in chosen), has_aux=has_aux)
        output, pull = made[0], made[1]
        leaves, output_spec = tree_flatten(output)
        flat_inputs, input_spec = tree_flatten(tuple(args[n] for n in chosen))
        basis = _basis(leaves)
        rows = vmap(
            lambda *g: tuple(tree_flatten(pull(tree_unflatten(g, output_spec)))[0]),
            chunk_size=chunk_size,
        )(*basis)
        sizes = [t.numel() for t in leaves]
        # By input, then by output, as the rows come; turned inside out.
        split = [
            [part.reshape([*out.shape, *x.shape]) for part, out in zip(r.split(sizes, 0), leaves)]
            for r, x in zip(rows, flat_inputs)
        ]
        jacobian = tree_unflatten(
            [
                _as_given(
                    tree_unflatten([split[j][i] for j in range(len(flat_inputs))], input_spec),
                    argnums,
                )
                for i in range(len(leaves))
            ],
            output_spec,
        )
        return (jacobian, made[2]) if has_aux else jacobian

    return wrapper


def _as_given(of_inputs: tuple, argnums: Argnums) -> Any:
    return of_inputs[0] if isinstance(argnums, int) else of_inputs


def jacfwd(
    func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """A function that gives the Jacobian of ``func``, by forward mode: a pass per argument element.

    Args:
        func: a function of tensors that gives tensors, in any nesting.
        argnums: with respect to which arguments: an int, or a tuple of them.
        has_aux: whether ``func`` gives a pair, whose second part is handed on:
            ``(jacobian, aux)``.
        randomness: what random functions in ``func`` do, as in :func:`vmap`.

    Shape:
        - the sizes of the result, then those of the argument.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import jacfwd
        >>> jacfwd(lambda x: x**2)(torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """

    @like(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        primals = tuple(args[n] for n in chosen)
        flat_inputs, input_spec = tree_flatten(primals)
        for t in flat_inputs:
            if not isinstance(t, flambeau.Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(t)}")

        def partial(*some: Any) -> Any:
            every = list(args)
            for n, value in zip(chosen, some):
                every[n] = value
            return func(*every, **kwargs)

        def push(*direction: Any) -> Any:
            made = jvp(partial, primals, tree_unflatten(direction, input_spec), has_aux=has_aux)
            return (made[1], made[2]) if has_aux else made[1]

        columns = vmap(push, randomness=randomness)(*_basis(flat_inputs))
        aux = None
        if has_aux:
            columns, aux = columns
            aux = tree_map(lambda t: t[0], aux)
        leaves, output_spec = tree_flatten(columns)
        sizes = [t.numel() for t in flat_inputs]
        jacobian = tree_unflatten(
            [
                _as_given(
                    tree_unflatten(
                        [
                            part.movedim(0, -1).reshape([*column.shape[1:], *x.shape])
                            for part, x in zip(column.split(sizes, 0), flat_inputs)
                        ],
                        input_spec,
                    ),
                    argnums,
                )
                for column in leaves
            ],
            output_spec,
        )
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """A function that gives the second derivatives of ``func``: ``jacfwd(jacrev(func))``.

    Args:
        func: a function of tensors.
        argnums: with respect to which arguments: an int, or a tuple of them.

    Shape:
        - the sizes of the result, then those of the argument twice.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.func import hessian
        >>> hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
