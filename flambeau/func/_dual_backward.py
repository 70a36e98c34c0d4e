"""Backward through tensors that carry tangents: the gradients carry tangents too.

What autograd has recorded are the values. A gradient is a function of the tensors that were given
tangents, so its own tangent is that function's derivative along them. It is found as for any op:
the gradient of the gradient is linear in what arrives, and its gradient brings tangents forward.
"""

from __future__ import annotations

from typing import Any

import flambeau


def grad_of_duals(
    level: Any,
    outputs: tuple,
    inputs: tuple,
    grad_outputs: tuple,
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool,
) -> tuple:
    """``autograd.grad`` where outputs or inputs are dual tensors of the innermost level."""
    return level.call_without(
        _grad, level, outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused
    )


def _grad(
    level: Any,
    outputs: tuple,
    inputs: tuple,
    grad_outputs: tuple,
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool,
) -> tuple:
    values = [level.unwrap(o) for o in outputs]
    wanted = [level.unwrap(i) for i in inputs]
    # Theirs are found too: each comes from a tensor that was given a tangent.
    cotangents = [None if g is None else level.unwrap(g) for g in grad_outputs] or None
    made = flambeau.autograd.grad(
        values, wanted, cotangents, retain_graph=True, create_graph=True, allow_unused=allow_unused
    )
    tangents = _along_sources(level, made)
    if not create_graph:
        made = [None if g is None else g.detach() for g in made]
        tangents = [None if t is None else t.detach() for t in tangents]
    return tuple(g if g is None or t is None else level.wrap(g, t) for g, t in zip(made, tangents))


def _along_sources(level: Any, gradients: tuple) -> list:
    """The derivatives of gradients along the tangents of the tensors that were made dual."""
    found: list = [None] * len(gradients)
    if not all(primal.requires_grad for primal, _ in level.sources):
        raise NotImplementedError(
            "autograd.grad of a dual tensor: each tensor that was given a tangent must require "
            "grad; use flambeau.func.jvp of flambeau.func.grad where one does not"
        )
    primals = [p for p, _ in level.sources]
    for k, g in enumerate(gradients):
        if g is None or not g.requires_grad or not primals:
            continue
        dummy = flambeau.zeros_like(g).detach().requires_grad_()
        back = flambeau.autograd.grad(
            g, primals, dummy, retain_graph=True, create_graph=True, allow_unused=True
        )
        pairs = [
            (b, t) for b, (_, t) in zip(back, level.sources) if b is not None and b.requires_grad
        ]
        if pairs:
            (found[k],) = flambeau.autograd.grad(
                [b for b, _ in pairs],
                dummy,
                [t for _, t in pairs],
                retain_graph=True,
                create_graph=True,
                allow_unused=True,
            )
    return found
