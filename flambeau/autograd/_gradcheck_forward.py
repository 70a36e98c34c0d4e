"""What gradcheck does besides backward passes: forward mode, and passes over batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau


def _moving(func: Callable, inputs: tuple, sources: list) -> Callable:
    """The function's inexact outputs, of the inputs that require a gradient alone."""
    places = [i for i, value in enumerate(inputs) if any(value is s for s in sources)]

    def function(*moved: Any) -> tuple:
        given = list(inputs)
        for i, t in zip(places, moved, strict=True):
            given[i] = t
        outputs = func(*given)
        outputs = tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        return tuple(
            o
            for o in outputs
            if isinstance(o, flambeau.Tensor) and (o.is_floating_point() or o.is_complex())
        )

    return function


def _directions(sources: list, fast: bool) -> list[tuple]:
    """Random ones, or for each element (and its imaginary part) the one that moves it alone."""
    if fast:
        return [tuple(flambeau.randn_like(s) for s in sources)]
    made = []
    for place, source in enumerate(sources):
        for element in range(source.numel()):
            for unit in (1, 1j) if source.is_complex() else (1,):
                direction = [flambeau.zeros_like(s) for s in sources]
                direction[place].view(-1)[element] = unit
                made.append(tuple(direction))
    return made


def _differences(function: Callable, primals: tuple, direction: tuple, eps: float) -> list:
    def at(step: float) -> tuple:
        moved = [(p.detach() + step * d).requires_grad_() for p, d in zip(primals, direction)]
        return tuple(o.detach() for o in function(*moved))

    return [(a - b) / (2 * eps) for a, b in zip(at(eps), at(-eps), strict=True)]


def check_forward(
    func: Callable,
    inputs: tuple,
    sources: list,
    *,
    eps: float,
    atol: float,
    rtol: float,
    fast: bool,
    batched: bool,
) -> str:
    """What is wrong with the tangents, or an empty text."""
    function = _moving(func, inputs, sources)
    # They require grad as before, so that the function may be one that runs backward.
    primals = tuple(s.detach().clone().requires_grad_() for s in sources)
    directions = _directions(sources, fast)

    def push(*tangents: Any) -> tuple:
        return tuple(t.detach() for t in flambeau.func.jvp(function, primals, tangents)[1])

    pushed = [push(*d) for d in directions]
    for direction, tangents in zip(directions, pushed):
        expected = _differences(function, primals, direction, eps)
        for k, (got, want) in enumerate(zip(tangents, expected, strict=True)):
            if not flambeau.allclose(got, want.to(got.dtype), rtol, atol):
                return (
                    f"Jacobian computed with forward mode mismatch for output {k}: the tangent "
                    f"is\n{got}\nand the difference\n{want}"
                )
    if not (batched and directions):
        return ""
    stacked = [flambeau.stack(list(d)) for d in zip(*directions)]
    for k, (got, *want) in enumerate(zip(flambeau.vmap(push)(*stacked), *pushed, strict=True)):
        if not flambeau.allclose(got, flambeau.stack(want), rtol, atol):
            return f"vmap over forward mode gives other tangents than a loop, for output {k}"
    return ""


def check_batched_backward(outputs: tuple, sources: list, *, atol: float, rtol: float) -> str:
    """Whether one backward of two gradients at once gives what two give."""
    for k, output in enumerate(outputs):
        rows = flambeau.stack([flambeau.randn_like(output.detach()) for _ in range(2)])

        def pull(*g: Any, output: Any = output) -> tuple:
            return flambeau.autograd.grad(
                output, sources, g, retain_graph=True, allow_unused=True, materialize_grads=True
            )

        got = flambeau.vmap(pull)(rows)
        want = [pull(row) for row in rows]
        for i, g in enumerate(got):
            if not flambeau.allclose(g, flambeau.stack([w[i] for w in want]), rtol, atol):
                return (
                    "gradcheck failed while testing batched gradient computation: output "
                    f"{k}, input {i}: vmap over backward gives\n{g}\nand a loop\n"
                    f"{[w[i] for w in want]}"
                )
    return ""
