"""Every printed gradient both ways: as the node that C++ has, and as it stands in Python."""

import inspect

import pytest
from drills import trials
from ops.record_calls import is_sparse

import flambeau
from flambeau import _C
from flambeau.ops import language
from flambeau.ops.generator import names
from flambeau.ops.record import load

NODES = names.node_names(load())


def is_printed(record):
    return (
        id(record) in NODES
        and not record.has_gradient_loops
        and "random" not in record.tags  # what is drawn is not drawn again
    )


PRINTED = [r for r in load() if is_printed(r) and not is_sparse(r)]


def leaves_of(record, found):
    """The tensors whose gradients are wanted, in the order of the schema's arguments."""
    out = []
    for a in record.schema.args:
        if a.type == "Tensor":
            value = found.get(a.name)
            out += value if isinstance(value, list) else [value]
    return out


def wants(t):
    return isinstance(t, flambeau.Tensor) and (t.is_floating_point() or t.is_complex())


def spread(record, made, found):
    """One gradient for each tensor: a list stands for a list's."""
    made = list(made) if isinstance(made, tuple) else [made]
    out = []
    tensors = [a for a in record.schema.args if a.type == "Tensor"]
    for i, a in enumerate(tensors):
        g = made[i] if i < len(made) else None
        if a.list:
            n = len(found[a.name])
            out += [None] * n if g is None else list(g)
        else:
            out.append(g)
    return out


@pytest.mark.parametrize("record", PRINTED, ids=lambda r: r.schema.full_name)
def test_a_gradient_gives_the_same_in_python_and_in_cxx(record):
    op = _C._find_op(f"aten::{record.schema.full_name}")
    for sample in record.cases():
        found = trials.arguments(record, sample)
        leaves = [t for t in leaves_of(record, found) if wants(t)]
        for t in leaves:
            t.requires_grad_()
        call = dict(found)
        if record.inplace_only:  # a leaf is not written
            first = record.schema.args[0].name
            call[first] = found[first].clone()
        made = op(**call)
        outs = list(made) if isinstance(made, (list, tuple)) else [made]
        kept = [(i, o) for i, o in enumerate(outs) if o.grad_fn is not None]
        grads = [None] * len(outs)
        for i, o in kept:
            grads[i] = flambeau.arange(o.numel(), dtype=o.dtype).reshape(o.shape) * 0.25 + 0.5
        cxx = trials.outcome(
            lambda kept=kept, leaves=leaves, grads=grads: flambeau.autograd.grad(
                [o for _, o in kept], leaves, [grads[i] for i, _ in kept], allow_unused=True
            )
        )
        given = dict(found) | {"ops": language.ops, "grads": grads}
        lists = len(record.schema.returns) == 1 and record.schema.returns[0].list
        given["g"] = grads if lists else grads[0]
        if record.differentiable is not None:  # of the others there is none to give
            given["grads"] = [grads[i] for i in record.differentiable]
            given["g"] = given["grads"][0]
        given["needs"] = [wants(t) for t in leaves_of(record, found)]
        for name, o in zip(names.results(record), outs, strict=False):
            given[name] = outs if lists else o
        wanted = inspect.signature(record.gradient).parameters
        mine = {n: given.get(n) for n in wanted}
        with flambeau.no_grad():
            made = trials.outcome(lambda mine=mine: record.gradient(**mine))
        if isinstance(cxx[0], type):  # a gradient that refuses
            assert cxx == made
            continue
        python = [
            g for t, g in zip(leaves_of(record, found), spread(record, made, found)) if wants(t)
        ]
        for c, p, t in zip(cxx, python, leaves, strict=True):
            if c is None:
                assert p is None or not p.abs().sum().item()
            else:
                p = flambeau.zeros_like(t) if p is None else p
                assert c.shape == p.shape and flambeau.allclose(c, p.to(c.dtype), equal_nan=True)
