"""Gradients of ops that programs define."""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Sequence

import flambeau
from flambeau import _C
from flambeau._tags import Tag
from flambeau.library._registry import Library, find, has_keyword_tensors, register_for


def register_autograd(
    op, backward: Callable, /, *, setup_context: Callable | None = None, lib: Library | None = None
) -> None:
    """Registers the gradient of an op.

    ``setup_context(ctx, inputs, output)`` keeps what backward needs; ``backward(ctx, *grads)``
    gets a gradient for each result and gives one for each argument that is not keyword-only. That
    of a list of tensors is a list.
    """
    found = find(op, "register_autograd")
    schema = found._schema
    if Tag.out in found.tags:
        raise RuntimeError(
            f"Cannot register autograd formula for operator tagged with Tag.out: {found.name()}. "
            "Out variants do not support autograd."
        )
    if any(a.alias_info is not None for a in (*schema.arguments, *schema.returns)):
        raise RuntimeError(
            f"Cannot register autograd formula for non-functional operator {found.name()} with "
            f"schema {schema}. Please create a functional operator and register an autograd "
            "formula for that."
        )
    if has_keyword_tensors(found):
        raise NotImplementedError(
            "register_autograd: kwarg-only Tensor args are not supported. In the definition of the "
            f"op, please make your tensors not kwarg-only. Got: {schema}"
        )
    _implement_autograd(found, backward, setup_context, lib)


class _Lists:
    """Where lists of tensors were among values that are passed on one after the other."""

    def __init__(self, values: Sequence) -> None:
        self.lengths = [len(v) if self._is_list(v) else None for v in values]
        self.flat = [t for v in values for t in (v if self._is_list(v) else (v,))]

    @staticmethod
    def _is_list(value) -> bool:
        return isinstance(value, (list, tuple)) and any(
            isinstance(t, flambeau.Tensor) for t in value
        )

    def packed(self, flat: Iterable) -> tuple:
        rest = iter(flat)
        return tuple(
            next(rest) if n is None else list(itertools.islice(rest, n)) for n in self.lengths
        )

    def gradients(self, name: str, made) -> list:
        """What a backward gave, one after the other."""
        several = isinstance(made, tuple) or (isinstance(made, list) and not any(self.lengths))
        given = list(made) if several else [made]
        while len(given) > len(self.lengths) and given[-1] is None:
            given.pop()
        wanted = [1 if n is None else n for n in self.lengths]
        rows = [
            [None] * k if g is None else list(g) if n is not None else [g]
            for g, n, k in zip(given, self.lengths, wanted)
        ]
        if len(given) != len(wanted) or [len(row) for row in rows] != wanted:
            raise RuntimeError(
                f"{name}: expected the return from backward to be of the same structure as the "
                f"inputs: {len(wanted)} gradients, with a list for a list of tensors and None "
                f"where there is no gradient, but got {len(given)}"
            )
        return [g for row in rows for g in row]


def _implement_autograd(op, backward: Callable, setup_context: Callable | None, lib=None) -> None:
    arguments, name = op._schema.arguments, op.name()
    keyword_defaults = {a.name: a.default_value for a in arguments if a.kwarg_only}
    single = len(op._schema.returns) == 1

    class Differentiated(flambeau.autograd.Function):
        @staticmethod
        def forward(*leaves):
            with _C._AutoDispatchBelowAutograd():
                return Differentiated._further_out(*leaves)

        @staticmethod
        def _further_out(*leaves):
            """The op itself: what a level of a function transform passes on."""
            *leaves, call = leaves
            output = op(*call.inputs.packed(leaves), **call.keywords)
            call.outputs = None if output is None else _Lists((output,) if single else output)
            return None if output is None else tuple(call.outputs.flat)

        @staticmethod
        def setup_context(ctx, inputs, output):
            *leaves, call = inputs
            ctx.needs_input_grad = call.inputs.packed(ctx.needs_input_grad[:-1])
            ctx._lists = call.inputs, call.outputs
            if setup_context is not None:
                extra = {"keyword_only_inputs": call.keywords} if keyword_defaults else {}
                if output is not None:
                    output = call.outputs.packed(output)
                    output = output[0] if single else output
                args = call.inputs.packed(leaves)
                setup_context(ctx=ctx, inputs=args, output=output, **extra)

        @staticmethod
        def backward(ctx, *grads):
            inputs, outputs = ctx._lists
            return (*inputs.gradients(name, backward(ctx, *outputs.packed(grads))), None)

    Differentiated.__name__ = f"{op.namespace}_{op._opname}_{op._overloadname}"

    def apply(*args, **kwargs):
        # Arguments that were left out count among the inputs, with their defaults.
        left_out = [a.default_value for a in arguments[len(args) :] if not a.kwarg_only]
        inputs = _Lists([*args, *left_out])
        call = types.SimpleNamespace(inputs=inputs, keywords=keyword_defaults | kwargs)
        made = Differentiated.apply(*inputs.flat, call)
        if made is None:
            return None
        packed = call.outputs.packed(made)
        return packed[0] if single else packed

    return register_for(lib, op, "Autograd", apply)
