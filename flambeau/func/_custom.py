"""``autograd.Function`` under transforms: its own rules in place of those of the ops in it."""

from __future__ import annotations

from typing import Any

import flambeau
from flambeau.autograd.function import Function, FunctionCtx
from flambeau.func._levels import DualLevel, GradLevel, JvpLevel, VmapLevel
from flambeau.utils._pytree import tree_flatten, tree_map, tree_unflatten

_base_setup_context, _base_vmap = Function.setup_context, Function.vmap


def apply_at(level: Any, cls: type[Function], args: tuple) -> Any:
    """``cls.apply(*args)`` where ``level`` is the innermost one."""
    own = cls.setup_context is not _base_setup_context
    if not own and not isinstance(level, DualLevel):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
            "jacrev, ...), it must override the setup_context staticmethod. For more details, "
            "please see https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if isinstance(level, GradLevel):
        return _grad(level, cls, args)
    if isinstance(level, JvpLevel):
        return _jvp(level, cls, args, own)
    return _vmap(level, cls, args)


class Context(FunctionCtx):
    """A ctx without a node: what one of the rules keeps for another."""

    to_save: tuple = ()
    saved_for_forward: tuple = ()
    dirty_tensors: tuple = ()
    non_differentiable: tuple = ()
    materialize_grads = True
    needs_input_grad: tuple = ()

    @property
    def saved_tensors(self) -> tuple:
        return self.to_save or self.saved_for_forward


# ---- grad


def _grad(level: GradLevel, cls: type[Function], args: tuple) -> Any:
    """The function at this level; what is inside of it is the function one level further out."""

    class At(Function):
        @staticmethod
        def forward(*given: Any) -> Any:
            bare = tree_map(level.unwrap, given)
            output = level.call_without(getattr(cls, "_further_out", cls.apply), *bare)
            return tree_map(lambda t: level.wrap(t) if _is_tensor(t) else t, output)

        setup_context = staticmethod(cls.setup_context)
        backward = staticmethod(cls.backward if cls.vjp is Function.vjp else cls.vjp)

    At.__name__ = At.__qualname__ = cls.__name__
    return At._apply(True, *args)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, flambeau.Tensor)


# ---- jvp


def _jvp(level: JvpLevel, cls: type[Function], args: tuple, own: bool) -> Any:
    pairs = [level.pair(a) if _is_tensor(a) else (a, None) for a in args]
    values = [v for v, _ in pairs]
    tangents = [t for _, t in pairs]
    if all(t is None for t in tangents):
        output = level.call_without(cls.apply, *values)
        return tree_map(lambda t: level.constant(t) if _is_tensor(t) else t, output)
    return level.call_without(_with_tangents, level, cls, values, tangents, own)


def _with_tangents(
    level: JvpLevel, cls: type[Function], values: list, tangents: list, own: bool
) -> Any:
    ctx = Context()
    ctx.needs_input_grad = tuple(t is not None for t in tangents)
    output = cls.apply(*values)
    if own:
        cls.setup_context(ctx, tuple(values), output)
    else:
        # What forward leaves on its ctx, which belongs to the call above where that was recorded.
        with flambeau.no_grad():
            cls.forward(ctx, *values)
    pushed = cls.jvp(ctx, *tangents)
    outputs, spec = tree_flatten(output)
    moved = [pushed] if not isinstance(pushed, (tuple, list)) else list(pushed)
    if len(moved) != len(outputs):
        raise RuntimeError(
            f"{cls.__name__}.jvp gave {len(moved)} tangents, and forward {len(outputs)} outputs"
        )
    return tree_unflatten(
        [level.wrap(o, t) if _is_tensor(o) else o for o, t in zip(outputs, moved)], spec
    )


# ---- vmap


class _Info:
    """What the first argument of a ``vmap`` staticmethod holds."""

    def __init__(self, batch_size: int, randomness: str) -> None:
        self.batch_size, self.randomness = batch_size, randomness


def _vmap(level: VmapLevel, cls: type[Function], args: tuple) -> Any:
    own = cls.vmap is not _base_vmap
    if cls.generate_vmap_rule and own:
        raise RuntimeError(
            "You tried to vmap over "
            f"{cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap "
            "staticmethod to avoid ambiguity. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if not cls.generate_vmap_rule and not own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. For "
            "more details, please see https://pytorch.org/docs/main/notes/extending.func.html"
        )
    flat, spec = tree_flatten(args)
    parts = [level.parts(a) for a in flat]
    values = [a if p is None else p[0] for a, p in zip(flat, parts)]
    dims = [None if p is None else p[1] for p in parts]
    if all(d is None for d in dims):
        return level.call_without(cls.apply, *args)
    if own:
        info = _Info(level.batch_size, level.randomness)
        made = level.call_without(
            cls.vmap, info, tree_unflatten(dims, spec), *tree_unflatten(values, spec)
        )
        if not (isinstance(made, tuple) and len(made) == 2):
            raise RuntimeError(
                "Expected the vmap staticmethod to have two returns, an output and out_dims with "
                "pytree structure compatible with the output."
            )
        output, out_dims = made
        outputs, out_spec = tree_flatten(output)
        from flambeau.utils._pytree import _broadcast_to_and_flatten

        placed = _broadcast_to_and_flatten(out_dims, out_spec)
        if placed is None:
            raise RuntimeError(
                f"The vmap staticmethod of {cls.__name__} gave out_dims {out_dims}, which do not "
                "fit the structure of its output"
            )
    else:
        outputs, placed, out_spec = level.call_without(_generated, level, cls, values, dims, spec)
    return tree_unflatten(
        [o if d is None else level.wrap(o, d) for o, d in zip(outputs, placed)], out_spec
    )


def _generated(level: VmapLevel, cls: type[Function], values: list, dims: list, spec: Any) -> tuple:
    """The function on batches: forward, setup_context and backward are each mapped."""
    placed: list = []
    out_specs: list = []

    def mapped() -> VmapLevel:
        return VmapLevel(level.batch_size, level.randomness)

    def split(inner: VmapLevel, tree: Any) -> tuple:
        leaves, tree_spec = tree_flatten(tree)
        parts = [inner.parts(t) for t in leaves]
        bare = [t if p is None else p[0] for t, p in zip(leaves, parts)]
        return bare, [None if p is None else p[1] for p in parts], tree_spec

    def join(inner: VmapLevel, bare: Any, where: Any) -> list:
        return [t if d is None else inner.wrap(t, d) for t, d in zip(bare, where)]

    class Mapped(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*batches: Any) -> Any:
            inner = mapped()
            with inner:
                output = cls.forward(*tree_unflatten(join(inner, batches, dims), spec))
                bare, where, out_spec = split(inner, output)
            placed[:], out_specs[:] = where, [out_spec]
            return tuple(bare)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
            inner, own = mapped(), Context()
            own.needs_input_grad = ctx.needs_input_grad
            with inner:
                given = tree_unflatten(join(inner, inputs, dims), spec)
                whole = tree_unflatten(join(inner, output, placed), out_specs[0])
                cls.setup_context(own, given, whole)
                saved, where, _ = split(inner, list(own.to_save))
            ctx.save_for_backward(*saved)
            ctx.own, ctx.where = own, where
            ctx.set_materialize_grads(own.materialize_grads)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            inner = mapped()
            with inner:
                own = ctx.own
                own.to_save = tuple(join(inner, ctx.saved_tensors, ctx.where))
                given = [
                    g if g is None or d is None else inner.wrap(g, d) for g, d in zip(grads, placed)
                ]
                made = cls.backward(own, *given)
                made = made if isinstance(made, tuple) else (made,)
                bare, where, _ = split(inner, list(made))
            out = []
            for g, d, wanted in zip(bare, where, dims):
                if g is None:
                    out.append(None)
                elif wanted is None:
                    out.append(g if d is None else g.sum(d))
                elif d is None:
                    out.append(g.unsqueeze(wanted).expand_as(values[len(out)]))
                else:
                    out.append(g if d == wanted else g.movedim(d, wanted))
            return tuple(out)

    Mapped.__name__ = Mapped.__qualname__ = cls.__name__
    outputs = Mapped.apply(*values)
    return list(outputs), placed, out_specs[0]
