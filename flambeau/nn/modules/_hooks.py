"""Hooks of modules: where they are kept, how they are registered, how a call runs them.

Note [When a call may skip the hooks]
Almost no module ever carries a hook, yet each call would have to look into four dictionaries of its
module and four global ones. Every hook dictionary is therefore a `HookDict`, which notes the first
hook that the process ever puts into one of them in `ever_used`. While that is False a call goes
straight to `forward`; afterwards each call looks at its module's dictionaries.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections import OrderedDict

import flambeau

from ...utils.hooks import BackwardHook, RemovableHandle

ever_used = False


def note_hook() -> None:
    """From now on, look for hooks at each call."""
    global ever_used
    ever_used = True


class HookDict(OrderedDict):
    """The hooks of one kind by handle id. See Note [When a call may skip the hooks]."""

    def __setitem__(self, key, hook) -> None:
        note_hook()
        super().__setitem__(key, hook)


# The dictionaries that decide whether a call has anything to do besides `forward`.
CALL_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_global_buffer_registration_hooks: OrderedDict = OrderedDict()
_global_module_registration_hooks: OrderedDict = OrderedDict()
_global_parameter_registration_hooks: OrderedDict = OrderedDict()
_global_backward_pre_hooks: HookDict = HookDict()
_global_backward_hooks: HookDict = HookDict()
_global_is_full_backward_hook: bool | None = None
_global_forward_pre_hooks: HookDict = HookDict()
_global_forward_hooks: HookDict = HookDict()
_global_forward_hooks_always_called: OrderedDict = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict = OrderedDict()


def _register(hooks: OrderedDict, hook, extra=(), prepend: bool = False) -> RemovableHandle:
    """Put ``hook`` into ``hooks`` and its id into each of the flag dictionaries ``extra``."""
    handle = RemovableHandle(hooks, extra_dict=list(extra))
    hooks[handle.id] = hook
    for flags in extra:
        flags[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """Call ``hook(module, name, buffer)`` when any module registers a buffer; a result that is not
    None takes the buffer's place."""
    return _register(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """Call ``hook(module, name, submodule)`` when any module registers a child; a result that is
    not None takes the child's place."""
    return _register(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """Call ``hook(module, name, param)`` when any module registers a parameter; a result that is
    not None takes the parameter's place."""
    return _register(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of every module, ahead of its own hooks."""
    return _register(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of every module, ahead of its own
    hooks. ``with_kwargs`` and ``always_call`` mean what they mean for one module."""
    extra = []
    if with_kwargs:
        extra.append(_global_forward_hooks_with_kwargs)
    if always_call:
        extra.append(_global_forward_hooks_always_called)
    return _register(_global_forward_hooks, hook, extra)


def register_module_backward_hook(hook) -> RemovableHandle:
    """The older form of `register_module_full_backward_hook`: it sees only the last operation of a
    forward that has several."""
    _claim_global_backward_hooks(full=False)
    return _register(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of every module."""
    return _register(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` after the backward of every module."""
    _claim_global_backward_hooks(full=True)
    return _register(_global_backward_hooks, hook)


def _claim_global_backward_hooks(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "register_module_backward_hook: full and non-full backward hooks cannot both be "
            "global; remove the others first, or register all as full backward hooks."
        )
    _global_is_full_backward_hook = full


def _has_any_global_hook() -> bool:
    return bool(
        _global_backward_pre_hooks
        or _global_backward_hooks
        or _global_forward_pre_hooks
        or _global_forward_hooks
    )


class _WrappedHook:
    """A hook that is given its module as first argument, and holds it weakly."""

    def __init__(self, hook, module=None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        if module is not None:
            self.module = weakref.ref(module)

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("module hook: its module no longer exists; remove the hook.")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self):
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("module hook: it was pickled after its module had gone.")
            self.module = weakref.ref(state["module"])


class HookedCall:
    """The part of `Module` that registers hooks and runs a call through them."""

    _backward_pre_hooks: HookDict
    _backward_hooks: HookDict
    _is_full_backward_hook: bool | None
    _forward_hooks: HookDict
    _forward_hooks_with_kwargs: OrderedDict
    _forward_hooks_always_called: OrderedDict
    _forward_pre_hooks: HookDict
    _forward_pre_hooks_with_kwargs: OrderedDict

    def register_forward_pre_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`, or ``hook(module, args, kwargs)`` when
        ``with_kwargs``. A result replaces the arguments: a value or tuple for ``args``, the pair
        ``(args, kwargs)`` when ``with_kwargs``. ``prepend`` puts it before the present hooks."""
        extra = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return _register(self._forward_pre_hooks, hook, extra, prepend)

    def register_forward_hook(
        self,
        hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after `forward`, or ``hook(module, args, kwargs,
        output)`` when ``with_kwargs``. A result replaces the output. With ``always_call`` the hook
        also runs when `forward` raises."""
        extra = []
        if with_kwargs:
            extra.append(self._forward_hooks_with_kwargs)
        if always_call:
            extra.append(self._forward_hooks_always_called)
        return _register(self._forward_hooks, hook, extra, prepend)

    def register_backward_hook(self, hook) -> RemovableHandle:
        """The older form of `register_full_backward_hook`: it sees only the last operation of a
        forward that has several."""
        self._claim_backward_hooks(full=False)
        return _register(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the gradients of the module's inputs
        are known; a result replaces ``grad_input``."""
        self._claim_backward_hooks(full=True)
        return _register(self._backward_hooks, hook, prepend=prepend)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before backward enters the module; a result replaces
        ``grad_output``."""
        return _register(self._backward_pre_hooks, hook, prepend=prepend)

    def _claim_backward_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "register_backward_hook: one module cannot have both full and non-full backward "
                "hooks; remove the others first, or register all as full backward hooks."
            )
        self._is_full_backward_hook = full

    def _get_backward_hooks(self) -> tuple[list, list]:
        """The backward hooks that apply to this module: full ones, and others."""
        full: list = []
        non_full: list = []
        (full if _global_is_full_backward_hook else non_full).extend(
            _global_backward_hooks.values()
        )
        (full if self._is_full_backward_hook else non_full).extend(self._backward_hooks.values())
        return full, non_full

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_impl(self, *args, **kwargs):
        members = self.__dict__
        if (
            members["_forward_hooks"]
            or members["_forward_pre_hooks"]
            or members["_backward_hooks"]
            or members["_backward_pre_hooks"]
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
        ):
            return _HookedRun(self, args, kwargs).run()
        return self.forward(*args, **kwargs)

    def _wrapped_call_impl(self, *args, **kwargs):
        return self._call_impl(*args, **kwargs)

    def _slow_forward(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


class _HookedRun:
    """One call of a module that has hooks."""

    def __init__(self, module, args: tuple, kwargs: dict) -> None:
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result: object = None
        self.hooks_done: set[int] = set()

    def run(self):
        try:
            self._run()
        except Exception:
            self._run_always_called()
            raise
        return self.result

    def _run(self) -> None:
        module = self.module
        pre_hooks = module._get_backward_pre_hooks()
        full, non_full = module._get_backward_hooks()
        self._run_pre_hooks()
        backward = BackwardHook(module, full, pre_hooks) if full or pre_hooks else None
        if backward:
            self.args = backward.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        for hook_id, hook in self._forward_hooks():
            self.hooks_done.add(hook_id)
            self._run_forward_hook(hook_id, hook)
        if backward:
            if not isinstance(self.result, (flambeau.Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple "
                    f"of Tensors but received {type(self.result)}",
                    stacklevel=5,
                )
            self.result = backward.setup_output_hook(self.result)
        if non_full:
            self._put_on_last_node(non_full)

    def _run_pre_hooks(self) -> None:
        module = self.module
        with_kwargs = module._forward_pre_hooks_with_kwargs
        for hook_id, hook in (
            *_global_forward_pre_hooks.items(),
            *module._forward_pre_hooks.items(),
        ):
            if hook_id in with_kwargs:
                replaced = hook(module, self.args, self.kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        "forward pre-hook: with_kwargs=True, so it must return None or a tuple of "
                        f"(new_args, new_kwargs), but it returned {replaced}."
                    )
                self.args, self.kwargs = replaced
            else:
                replaced = hook(module, self.args)
                if replaced is not None:
                    self.args = replaced if isinstance(replaced, tuple) else (replaced,)

    def _forward_hooks(self):
        return (*_global_forward_hooks.items(), *self.module._forward_hooks.items())

    def _run_forward_hook(self, hook_id: int, hook) -> None:
        module = self.module
        if (
            hook_id in module._forward_hooks_with_kwargs
            or hook_id in _global_forward_hooks_with_kwargs
        ):
            replaced = hook(module, self.args, self.kwargs, self.result)
        else:
            replaced = hook(module, self.args, self.result)
        if replaced is not None:
            self.result = replaced

    def _run_always_called(self) -> None:
        """After an error, the hooks that asked to be called all the same and have not been."""
        always = {
            **_global_forward_hooks_always_called,
            **self.module._forward_hooks_always_called,
        }
        for hook_id, hook in self._forward_hooks():
            if hook_id not in always or hook_id in self.hooks_done:
                continue
            try:
                self._run_forward_hook(hook_id, hook)
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}",
                    stacklevel=5,
                )

    def _put_on_last_node(self, hooks: list) -> None:
        """Non-full hooks sit on the node that made the first tensor of the output."""
        tensor = self.result
        while not isinstance(tensor, flambeau.Tensor):
            if isinstance(tensor, dict):
                tensor = next(v for v in tensor.values() if isinstance(v, flambeau.Tensor))
            else:
                tensor = tensor[0]  # type: ignore[index]
        node = tensor.grad_fn
        if node is None:
            return
        for hook in hooks:
            node.register_hook(_WrappedHook(hook, self.module))
        self.module._maybe_warn_non_full_backward_hook(self.args, self.result, node)


def warn_non_full_backward_hook(inputs, result, grad_fn) -> None:
    """Say so where a non-full backward hook will not see all of its module's gradients."""
    advice = (
        " The hook's grad_input will be missing some grad. Please use register_full_backward_hook "
        "to get the documented behavior."
    )
    outputs = (result,) if isinstance(result, flambeau.Tensor) else result
    if not isinstance(outputs, tuple) or not all(isinstance(t, flambeau.Tensor) for t in outputs):
        _warn_deprecated("does not take as input a single Tensor or a tuple of Tensors.", advice)
        return
    inputs = (inputs,) if isinstance(inputs, flambeau.Tensor) else inputs
    if not isinstance(inputs, tuple) or not all(isinstance(t, flambeau.Tensor) for t in inputs):
        _warn_deprecated("does not take as input a single Tensor or a tuple of Tensors.", advice)
        return
    out_nodes = {t.grad_fn for t in outputs if t.grad_fn is not None}
    if len(out_nodes) > 1:
        _warn_deprecated("outputs are generated by different autograd Nodes.", advice)
        return
    in_nodes = {t.grad_fn for t in inputs if t.grad_fn is not None}
    if in_nodes != {node for node, _ in grad_fn.next_functions if node is not None}:
        _warn_deprecated("forward contains multiple autograd Nodes.", advice)


def _warn_deprecated(why: str, advice: str) -> None:
    warnings.warn(
        "Using a non-full backward hook on a Module that " + why + advice,
        FutureWarning,
        stacklevel=6,
    )
