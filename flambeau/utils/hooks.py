"""Handles of registered hooks, and the pair of graph nodes behind a module's backward hooks."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict

import flambeau

__all__ = ["BackwardHook", "RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


class RemovableHandle:
    """What ``register_*hook`` returns: ``remove()`` takes the hook out, and so does leaving a
    ``with`` block. It holds the hook dictionary weakly, so a handle keeps no module alive.

    Shape:
        - no tensors.

    Example::

        >>> from collections import OrderedDict
        >>> hooks = OrderedDict()
        >>> handle = RemovableHandle(hooks)
        >>> hooks[handle.id] = print
        >>> handle.remove()
        >>> len(hooks)
        0
    """

    next_id: int = 0

    def __init__(self, hooks_dict, *, extra_dict=None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = []
        elif not isinstance(extra_dict, list):
            extra_dict = [extra_dict]
        self.extra_dict_ref = tuple(weakref.ref(hooks) for hooks in extra_dict)

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id, tuple(ref() for ref in self.extra_dict_ref))

    def __setstate__(self, state) -> None:
        hooks = state[0]
        # A dictionary that was gone at pickling time leaves the handle with nothing to remove.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.id = state[1]
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)
        extra = state[2] if len(state) > 2 else ()
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if d is None else d) for d in extra)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc_info) -> None:
        self.remove()


def unserializable_hook(f):
    """Mark ``f`` so that pickling a tensor that carries it warns instead of losing it silently.

    Shape:
        - no tensors.

    Example::

        >>> unserializable_hook(lambda grad: None).__torch_unserializable__
        True
    """
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor) -> None:
    """Warn for each backward hook of ``tensor`` that pickling would drop.

    Shape:
        - tensor: any.

    Example::

        >>> warn_if_has_hooks(flambeau.zeros(2))
    """
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized. If this is expected, "
                "decorate the function with @flambeau.utils.hooks.unserializable_hook to "
                "suppress this warning",
                stacklevel=2,
            )


class BackwardHook:
    """Runs a module's full backward hooks and pre-hooks around its part of the backward pass.

    The tensors that enter the module pass one identity node, those that leave it another. Backward
    reaches the output node first: there the pre-hooks run and the gradient of the output is kept.
    It reaches the input node last: there the gradient of every input is known and the hooks run.
    When no input requires a gradient there is no input node, and the hooks run at the output.
    """

    def __init__(self, module, user_hooks, user_pre_hooks) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs = None
        self.n_outputs = -1
        self.output_tensors_index: list[int] | None = None
        self.n_inputs = -1
        self.input_tensors_index: list[int] | None = None

    def setup_input_hook(self, args: tuple) -> tuple:
        args, self.input_tensors_index = _through_identity(args, self._register_on_input)
        self.n_inputs = len(args)
        return args

    def setup_output_hook(self, result):
        outputs = result if isinstance(result, tuple) else (result,)
        outputs, self.output_tensors_index = _through_identity(outputs, self._register_on_output)
        self.n_outputs = len(outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _register_on_input(self, node) -> None:
        node.register_hook(lambda grad_input, grad_output: self._at_input(grad_input))

    def _register_on_output(self, node) -> None:
        node.register_prehook(self._at_output)

    def _at_input(self, grad_input):
        if self.grad_outputs is None:
            raise RuntimeError(
                "Module backward hook: the gradient reached the module's input without passing "
                "through its output. Compute the loss from the module's output, and make that "
                "output depend on the input."
            )
        grads = _spread(self.input_tensors_index, grad_input, self.n_inputs)
        for hook in self.user_hooks:
            replaced = hook(self.module, grads, self.grad_outputs)
            if replaced is not None:
                grads = _checked_length("hook", "grad_input", replaced, len(grads))
        self.grad_outputs = None
        return tuple(grads[i] for i in self.input_tensors_index)

    def _at_output(self, grad_output):
        grads = _spread(self.output_tensors_index, grad_output, self.n_outputs)
        for hook in self.user_pre_hooks:
            replaced = hook(self.module, grads)
            if replaced is not None:
                grads = _checked_length("pre-hook", "grad_output", replaced, len(grads))
        if self.input_tensors_index is None:
            self._run_hooks_without_input(grads)
        else:
            self.grad_outputs = grads
        return tuple(grads[i] for i in self.output_tensors_index)

    def _run_hooks_without_input(self, grad_outputs) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients.",
            stacklevel=5,
        )
        for hook in self.user_hooks:
            result = hook(self.module, (None,) * self.n_inputs, grad_outputs)
            if result is not None and not (
                isinstance(result, tuple) and all(grad is None for grad in result)
            ):
                raise RuntimeError(
                    "Module backward hook: no input of the module requires a gradient, so the "
                    "hook has none to replace; return None or a tuple of None."
                )


def _through_identity(args: tuple, register) -> tuple[tuple, list[int] | None]:
    """Send the tensors among ``args`` through one identity node and hand that node to
    ``register``; also give their positions, or None where no gradient will flow."""
    index = [i for i, arg in enumerate(args) if isinstance(arg, flambeau.Tensor)]
    if not flambeau.is_grad_enabled() or not any(args[i].requires_grad for i in index):
        return args, None
    from ..nn.modules._functions import BackwardHookFunction

    passed = BackwardHookFunction.apply(*(args[i] for i in index))
    register(next(t.grad_fn for t in passed if t.requires_grad))
    replaced = list(args)
    for i, tensor in zip(index, passed):
        replaced[i] = tensor
    # A named tuple keeps its type: its constructor takes the fields one by one.
    rebuild = type(args)._make if hasattr(args, "_make") else type(args)
    return rebuild(replaced), index


def _spread(index: list[int], values, size: int) -> tuple:
    """``values`` at the positions ``index`` of a tuple that is None elsewhere."""
    spread = [None] * size
    for i, value in zip(index, values):
        spread[i] = value
    return tuple(spread)


def _checked_length(kind: str, what: str, replaced, expected: int):
    if len(replaced) != expected:
        raise RuntimeError(
            f"Module backward {kind}: it returned {len(replaced)} values for {what}, "
            f"but the module has {expected}; return one (or None) for each."
        )
    return replaced
