"""The levels of transforms: what a call does when one of them is on top of the stack."""

from __future__ import annotations

from typing import Any, NamedTuple

from flambeau import _C
from flambeau.func import _batching, _forward
from flambeau.func._forms import differentiable, form_of

_GRAD, _JVP, _VMAP = range(3)


class Level(_C._TransformLevel):
    """A transform that is running, as a context."""

    kind: int

    def __new__(cls, *args: Any) -> Level:
        return super().__new__(cls, cls.kind)

    def __enter__(self) -> Level:
        return self.enter()

    def __exit__(self, *exc_info: Any) -> None:
        self.leave()

    def unwrap(self, value: Any) -> Any:
        """What a wrapper of this level holds; anything else as it is."""
        parts = self.parts(value)
        return value if parts is None else parts[0]


class GradLevel(Level):
    """Reverse mode: autograd records the calls on tensors of this level."""

    kind = _GRAD


class JvpLevel(Level):
    """Forward mode: a tensor of this level is a value with its tangent."""

    kind = _JVP
    # Whether results without a tangent belong to the level too, so that they can be given one.
    wraps_constants = True

    def __init__(self) -> None:
        # The tensors that were given tangents, with these.
        self.sources: list[tuple] = []
        # Those whose tangents have been replaced by ones of more batches, by id.
        self.widened: dict[int, Any] = {}

    def dual(self, primal: Any, tangent: Any) -> Any:
        if primal.shape != tangent.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the "
                "original Tensor, this is not supported. Tensor is of size "
                f"{list(primal.shape)} while the given forward gradient is of size "
                f"{list(tangent.shape)}."
            )
        for what, t in (("primal", primal), ("tangent", tangent)):
            if not differentiable(t):
                raise ValueError(
                    f"Expected {what} to be floating point or complex, but got: {t.dtype}"
                )
        self.sources.append((primal, tangent))
        return self.wrap(primal, tangent)

    def constant(self, value: Any) -> Any:
        """A result without a tangent."""
        return self.wrap(value) if self.wraps_constants else value

    def pair(self, t: Any) -> tuple:
        """A tensor's value and tangent, which may be None."""
        parts = self.parts(t)
        if parts is None:
            return t, None
        if _C._transform_level() is self:
            # What a late view's tangent is made of belongs to the levels outside of this one.
            return parts[0], self.call_without(_forward.tangent_of, self, t)
        return parts[0], _forward.tangent_of(self, t)

    def process(self, op: Any, args: tuple, kwargs: dict) -> Any:
        form = form_of(op)
        return _forward.apply(self, form, form.bind(args, kwargs))


class VmapInfo(NamedTuple):
    """What a rule of ``register_vmap`` is told."""

    batch_size: int
    randomness: str


class DualLevel(JvpLevel):
    """The level of ``autograd.forward_ad``: what has no tangent is a tensor like any other."""

    wraps_constants = False


class VmapLevel(Level):
    """A tensor of this level is one item that stands for all of a batch."""

    kind = _VMAP

    def __init__(self, batch_size: int, randomness: str) -> None:
        self.batch_size, self.randomness = batch_size, randomness

    def process(self, op: Any, args: tuple, kwargs: dict) -> Any:
        registered = _C._registered(op, "FuncTorchBatched")
        if registered is not None and any(map(self._holds, (*args, *kwargs.values()))):
            return self._ask(registered, args, kwargs)
        form = form_of(op)
        values = form.bind(args, kwargs)
        if form.elementwise:
            made = _batching.alike(self, form, values)
            if made is not None:
                return made
        rule = form.batching
        if rule != "random" and not any(self._holds(values[i]) for i in form.tensors):
            return op(*args, **kwargs)
        return _batching.apply(self, form, values, rule)

    def _ask(self, rule: Any, args: tuple, kwargs: dict) -> Any:
        """What ``flambeau.library.register_vmap`` registered answers."""

        def part(value: Any, which: int) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(part(v, which) for v in value)
            parts = self.parts(value)
            return (value, None)[which] if parts is None else parts[which]

        def wrapped(value: Any, dim: Any) -> Any:
            if isinstance(value, (list, tuple)):
                dims = dim if isinstance(dim, (list, tuple)) else [dim] * len(value)
                return type(value)(map(wrapped, value, dims))
            return value if dim is None else self.wrap(value, dim)

        in_dims = tuple(part(a, 1) for a in args)
        given = [part(a, 0) for a in args]
        keywords = {k: part(v, 0) for k, v in kwargs.items()}
        out = rule(VmapInfo(self.batch_size, self.randomness), in_dims, *given, **keywords)
        if not (isinstance(out, tuple) and len(out) == 2):
            raise RuntimeError("register_vmap: a rule gives the pair (output, out_dims)")
        return wrapped(*out)

    def _holds(self, value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return any(map(self._holds, value))
        return self.parts(value) is not None
