"""Checks of ops that programs define: do they do what their schemas and rules claim?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau
from flambeau import _C
from flambeau.library import _registry
from flambeau.utils import _pytree as pytree
from flambeau.utils._python_dispatch import BaseTorchDispatchMode

_NAMES = (
    "test_schema",
    "test_autograd_registration",
    "test_faketensor",
    "test_aot_dispatch_dynamic",
)


class OpCheckError(Exception):
    """What ``opcheck`` found."""


def opcheck(
    op,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    *,
    test_utils: str | Sequence[str] = _NAMES,
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, str | Exception]:
    """Tries whether an op that a program defined does what it was registered to do.

    - ``test_schema``: it writes to the arguments that its schema says and to no others, and what
      it gives shares memory as the schema says;
    - ``test_autograd_registration``: its gradient, if any input needs one, is registered where
      autograd looks, and not recorded by its kernel;
    - ``test_faketensor``: on ``meta`` it gives the shapes, strides and dtypes that it gives on
      memory;
    - ``test_aot_dispatch_dynamic`` and ``test_aot_dispatch_static``: results and gradients are the
      same under a dispatch mode, and the gradient too runs on ``meta``.

    Gives what each found: ``"SUCCESS"``, or with ``raise_exception=False`` the exception.

    >>> @flambeau.library.custom_op("doc_check::f", mutates_args=())
    ... def f(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return x + 1
    >>> _ = f.register_fake(flambeau.empty_like)
    >>> flambeau.library.opcheck(f, (flambeau.ones(2),), test_utils="test_faketensor")
    {'test_faketensor': 'SUCCESS'}
    """
    if (rtol is None) != (atol is None):
        raise ValueError("opcheck(op, ...): if you specify one of rtol/atol, you must specify both")
    found = _one_overload(op)
    names = tuple(_TESTS) if test_utils == "ALL" else test_utils
    names = (names,) if isinstance(names, str) else names
    if not isinstance(names, (tuple, list)) or not set(names) <= set(_TESTS):
        raise ValueError(
            f"opcheck(op, ..., test_utils={test_utils}), expected test_utils to be subset of "
            f"{tuple(_TESTS)} but it was not"
        )
    results: dict[str, str | Exception] = {}
    for name in names:
        try:
            _TESTS[name](_Trial(found, args, kwargs or {}, rtol, atol))
            results[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(
                    f"opcheck(op, ...): {name} failed with {error} (scroll up for stack trace)"
                ) from error
            results[name] = error
    return results


def _one_overload(op) -> _C.OpOverload:
    op = getattr(op, "_opoverload", op)
    if isinstance(op, _C.OpOverloadPacket):
        overloads = op.overloads()
        if len(overloads) != 1:
            raise RuntimeError(
                f"opcheck can only test operators without overloads. Got the following overloads "
                f"for {op}: {overloads}"
            )
        op = getattr(op, overloads[0])
    if not isinstance(op, _C.OpOverload):
        raise ValueError(
            "opcheck(op, ...): op must be instance of torch._ops.OpOverload, e.g. "
            f"torch.ops.aten.sin.default, got {type(op)}"
        )
    return op


class _Trial:
    """Calls of an op with copies of its arguments."""

    def __init__(self, op, args, kwargs, rtol, atol):
        self.op, self.given = op, (tuple(args), kwargs)
        self.tolerances = {} if rtol is None else {"rtol": rtol, "atol": atol}

    def map(self, change: Callable) -> tuple[tuple, dict]:
        return pytree.tree_map_only(flambeau.Tensor, change, self.given)

    def copies(self) -> tuple[tuple, dict]:
        return self.map(lambda t: t.detach().clone().requires_grad_(t.requires_grad))

    def on_meta(self) -> tuple[tuple, dict]:
        def shaped(t):
            made = flambeau.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="meta")
            return made.requires_grad_(t.requires_grad)

        return self.map(shaped)

    @property
    def needs_gradient(self) -> bool:
        return any(t.requires_grad for t in _tensors(self.given))

    def named(self, args, kwargs):
        """Pairs of an argument of the schema and its value."""
        for i, argument in enumerate(self.op._schema.arguments):
            if i < len(args):
                yield argument, args[i]
            elif argument.name in kwargs:
                yield argument, kwargs[argument.name]


def _tensors(tree) -> list[flambeau.Tensor]:
    return [t for t in pytree.tree_leaves(tree) if isinstance(t, flambeau.Tensor)]


def _bits(t: flambeau.Tensor) -> flambeau.Tensor:
    plain = t.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return plain.clone().view(flambeau.uint8) if plain.numel() else plain


def _shape_of(t: flambeau.Tensor) -> tuple:
    return tuple(t.shape), t.stride(), t.storage_offset()


def _writes(argument) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _check_schema(trial: _Trial) -> None:
    args, kwargs = trial.copies()
    named = [(a, _tensors(value)) for a, value in trial.named(args, kwargs)]
    before = [[(_bits(t), _shape_of(t)) for t in tensors] for _, tensors in named]
    # Written to in place, a leaf that needs a gradient would be refused for another reason.
    with flambeau.no_grad():
        result = trial.op(*args, **kwargs)
    for (argument, tensors), kept in zip(named, before, strict=True):
        same = all(
            flambeau.equal(_bits(t), bits) and _shape_of(t) == shape
            for t, (bits, shape) in zip(tensors, kept, strict=True)
        )
        if not same and not _writes(argument):
            raise RuntimeError(
                f"{trial.op.name()}: Argument {argument.name} is not defined as mutable but was "
                "mutated"
            )
    returns = trial.op._schema.returns
    results = [result] if len(returns) == 1 else list(result or ())
    taken: dict[int, int] = {}  # memory -> the result that has it
    for i, (stated, value) in enumerate(zip(returns, results)):
        for t in _tensors(value):
            key = _C._storage_key(t)
            if not key:
                continue
            for argument, tensors in named:
                if key in map(_C._storage_key, tensors) and not _aliases(stated, argument):
                    raise RuntimeError(
                        f"{trial.op.name()}: Argument {argument.name} is not defined to alias "
                        "output but was aliasing"
                    )
            j = taken.setdefault(key, i)
            if j != i and not _aliases(stated, returns[j]):
                raise RuntimeError(f"{trial.op.name()}: Outputs {j} and {i} alias unexpectedly")


def _aliases(a, b) -> bool:
    sets = [x.alias_info.before_set if x.alias_info else frozenset() for x in (a, b)]
    return bool(sets[0] & sets[1]) or "*" in sets[0] | sets[1]


def _check_autograd(trial: _Trial) -> None:
    op = trial.op
    if not trial.needs_gradient or op.namespace == "aten" or _registry.is_custom(op):
        return
    devices = {t.device.type for t in _tensors(trial.given)}
    keys = ["Autograd", *(f"Autograd{_registry.key_of(d)}" for d in devices)]
    if _C._is_composite(op) or any(_C._registered(op, key) is not None for key in keys):
        return
    args, kwargs = trial.copies()
    kernels = [_C._registered(op, _registry.key_of(d)) for d in (*devices, None)]
    kernel = next((k for k in kernels if k is not None), None)
    if kernel is None:
        return  # of C++, which autograd does not look into
    given = set(map(id, _tensors((args, kwargs))))
    if any(t.requires_grad and id(t) not in given for t in _tensors(kernel(*args, **kwargs))):
        raise AssertionError(
            f"{op.name()}: at least one output of this operator has requires_grad=True but the "
            "operator does not have an autograd kernel defined at an autograd key (e.g. Autograd): "
            "what its kernel records is not what autograd uses. If it consists of regular "
            "operations, register it as CompositeImplicitAutograd; else use register_autograd"
        )


def _check_fake(trial: _Trial) -> None:
    args, kwargs = trial.copies()
    real = trial.op(*args, **kwargs)
    args, kwargs = trial.on_meta()
    _compare_shapes(trial.op.name(), "output", real, trial.op(*args, **kwargs))


def _compare_shapes(name: str, what: str, real, fake) -> None:
    real, fake = pytree.tree_leaves(real), pytree.tree_leaves(fake)
    if len(real) != len(fake):
        raise AssertionError(f"{name}: {len(real)} {what}s, and {len(fake)} on meta")
    for i, (r, f) in enumerate(zip(real, fake, strict=True)):
        if isinstance(r, flambeau.Tensor) != isinstance(f, flambeau.Tensor):
            raise AssertionError(f"{name}: {what} {i} is {type(r)}, and {type(f)} on meta")
        if not isinstance(r, flambeau.Tensor):
            continue
        for field in ("shape", "dtype", "layout", "requires_grad"):
            a, b = getattr(r, field), getattr(f, field)
            if a != b:
                raise AssertionError(
                    f"{name}: {what} {i} has {field} {a}, but its fake rule gives {b}"
                )
        # Strides of dimensions of one element say nothing.
        strides = [[t.stride(d) for d in range(r.dim()) if r.shape[d] > 1] for t in (r, f)]
        if strides[0] != strides[1] and r.numel():
            raise AssertionError(
                f"{name}: {what} {i} has strides {r.stride()}, but its fake rule gives {f.stride()}"
            )


def _with_gradients(trial: _Trial, args, kwargs) -> tuple[list, list]:
    """Results and gradients of a call, which may write to its arguments."""
    leaves = [t for t in _tensors((args, kwargs)) if t.requires_grad]
    # What is written to may not be a leaf.
    args, kwargs = pytree.tree_map_only(flambeau.Tensor, lambda t: t.clone(), (args, kwargs))
    results = _tensors(trial.op(*args, **kwargs))
    outs = [t for t in results if t.requires_grad]
    if not leaves or not outs or not _has_gradient(trial.op):
        return results, []
    grads = flambeau.autograd.grad(
        outs, leaves, [flambeau.ones_like(t) for t in outs], allow_unused=True
    )
    return results, [g for g in grads if g is not None]


def _has_gradient(op) -> bool:
    if op.namespace == "aten" or _C._is_composite(op):
        return True
    names = ("Autograd", "AutogradCPU", "AutogradCUDA", "AutogradXPU")
    return any(_C._registered(op, key) is not None for key in names)


def _check_dispatch(trial: _Trial) -> None:
    results, grads = _with_gradients(trial, *trial.copies())
    with BaseTorchDispatchMode():
        again, grads_again = _with_gradients(trial, *trial.copies())
    flambeau.testing.assert_close(again, results, **trial.tolerances)
    flambeau.testing.assert_close(grads_again, grads, **trial.tolerances)
    fake, fake_grads = _with_gradients(trial, *trial.on_meta())
    _compare_shapes(trial.op.name(), "output", results, fake)
    _compare_shapes(trial.op.name(), "gradient", grads, fake_grads)


_TESTS: dict[str, Callable[[_Trial], None]] = {
    "test_schema": _check_schema,
    "test_autograd_registration": _check_autograd,
    "test_faketensor": _check_fake,
    "test_aot_dispatch_static": _check_dispatch,
    "test_aot_dispatch_dynamic": _check_dispatch,
}
