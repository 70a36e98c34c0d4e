"""Which modules are running, in forward and in backward, by their names."""

from __future__ import annotations

import weakref

import flambeau
from flambeau import _C
from flambeau.autograd.graph import register_multi_grad_hook
from flambeau.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from flambeau.utils._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Knows in ``parents`` the names of the modules that are running, and ``"Global"``.

    A module that is called first by itself is known by the name of its class, those in it by their
    paths from there. In backward a module runs from the moment that all gradients of its outputs
    are there until those of its inputs are; ``is_bw`` says that backward is running.

    >>> from flambeau.utils.module_tracker import ModuleTracker
    >>> class Net(flambeau.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.act = flambeau.nn.ReLU()
    ...     def forward(self, x):
    ...         print(sorted(tracker.parents))
    ...         return self.act(x)
    >>> with ModuleTracker() as tracker:
    ...     _ = Net()(flambeau.ones(1))
    ['Global', 'Net']
    """

    parents: set[str]

    def __init__(self) -> None:
        self.parents = {"Global"}
        self._names: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._walked: weakref.WeakSet = weakref.WeakSet()
        self._to_be_reset = False
        self._handles: list = []
        self._entered = False

    @property
    def is_bw(self) -> bool:
        return _C._current_graph_task_id() != -1

    def _name(self, module) -> str:
        name = self._names.setdefault(module, type(module).__name__)
        if module not in self._walked:
            self._walked.add(module)
            for child_name, child in module.named_children():
                self._names[child] = f"{name}.{child_name}"
                self._name(child)
        return name

    def _reset(self) -> None:
        self.parents = {"Global"}
        self._to_be_reset = False

    def _starts(self, name: str) -> None:
        if self.is_bw and not self._to_be_reset:
            # Inputs without gradients never say that a module is done.
            self._to_be_reset = True
            _C._queue_callback(self._reset)
        self.parents.add(name)

    def _ends(self, name: str) -> None:
        self.parents.discard(name)

    def _watch(self, values, then, name: str) -> None:
        tensors = [
            t for t in tree_leaves(values) if isinstance(t, flambeau.Tensor) and t.requires_grad
        ]
        if tensors:
            self._handles.append(register_multi_grad_hook(tensors, lambda *_: then(name)))

    def _before(self, module, inputs) -> None:
        name = self._name(module)
        self._starts(name)
        self._watch(inputs, self._ends, name)

    def _after(self, module, inputs, output) -> None:
        name = self._name(module)
        self._ends(name)
        self._watch(output, self._starts, name)

    def __enter__(self):
        if self._entered:
            raise RuntimeError("ModuleTracker: it is entered already: make another one")
        self._entered = True
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after),
        ]
        return self

    def __exit__(self, *exc_info) -> None:
        self._entered = False
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.parents = {"Global"}
