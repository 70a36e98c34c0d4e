"""The recorded graph: its nodes, hooks on saved tensors, hooks on several gradients at once."""

from __future__ import annotations

import abc
import contextlib
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import flambeau
from flambeau import _C

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class Node(abc.ABC):
    """What every ``grad_fn`` is an instance of: an operation of the graph.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> y = torch.ones(1, requires_grad=True) * 2
        >>> isinstance(y.grad_fn, torch.autograd.graph.Node), y.grad_fn.name()
        (True, 'MulBackward0')
    """

    @abc.abstractmethod
    def name(self) -> str:
        """The name of the operation."""

    @property
    @abc.abstractmethod
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """Where the gradients go: the node, and which of its inputs."""

    @abc.abstractmethod
    def metadata(self) -> dict:
        """A dict for whatever belongs to the node."""

    @abc.abstractmethod
    def register_hook(self, fn: Callable[..., Any]) -> Any:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node has run."""

    @abc.abstractmethod
    def register_prehook(self, fn: Callable[..., Any]) -> Any:
        """Call ``fn(grad_outputs)`` before the node runs."""

    @classmethod
    def __subclasshook__(cls, subclass: type) -> Any:
        if cls is not Node:
            return NotImplemented
        if issubclass(subclass, (_C._NodeBase, _C._FunctionBase)):
            return True
        return NotImplemented


class GradientEdge(NamedTuple):
    """An edge of the graph: the gradient that flows into an output of a node.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> y = torch.ones(1, requires_grad=True) * 2
        >>> torch.autograd.graph.get_gradient_edge(y).output_nr
        0
    """

    node: Node
    output_nr: int
    # Keeps the node of a custom Function alive.
    ownership_token: Any = None


def _node_of(t: Any) -> Any:
    """The grad_fn of a tensor, or the node that accumulates a leaf's gradient."""
    if isinstance(t, GradientEdge):
        return t.node
    if t.requires_grad and t.grad_fn is None:
        with flambeau.enable_grad():
            return t.view_as(t).grad_fn.next_functions[0][0]
    return t.grad_fn


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge that the gradient of ``tensor`` flows along.

    ``autograd.grad`` and ``backward`` take it in place of the tensor, which need not stay alive.

    Shape:
        - tensor, any.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> edge = torch.autograd.graph.get_gradient_edge(x)
        >>> torch.autograd.grad((x * 3).sum(), edge)
        (tensor([3., 3.]),)
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(_node_of(tensor), tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Tell autograd that the memory of a tensor was modified behind its back.

    Shape:
        - tensor, any, or several.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(1)
        >>> torch.autograd.graph.increment_version(x)
        >>> x._version
        1
    """
    _C._increment_version((tensor,) if isinstance(tensor, flambeau.Tensor) else tuple(tensor))


class saved_tensors_hooks:
    """Transform what operations save for backward: ``pack`` when saving, ``unpack`` when using.

    Shape:
        - pack_hook takes a tensor; unpack_hook returns one of the same shape and dtype.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
        ...     y = (x.detach() * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_tensors_default_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *args: object) -> None:
        _C._pop_saved_tensors_default_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keep what operations save for backward in the memory of the CPU.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> with torch.autograd.graph.save_on_cpu():
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        if pin_memory:
            raise NotImplementedError(
                "save_on_cpu: pin_memory=True needs a device other than the CPU, which this build "
                "does not have"
            )

        def pack(tensor):
            return tensor.device, tensor.cpu()

        def unpack(packed):
            device, tensor = packed
            return tensor.to(device)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str):
    """Make the use of :class:`saved_tensors_hooks` an error inside of the block.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        ...     with torch.autograd.graph.save_on_cpu():
        ...         pass
        Traceback (most recent call last):
        RuntimeError: not here
    """
    before = _C._saved_tensors_hooks_get_disabled_error_message()
    _C._saved_tensors_hooks_disable(error_message)
    try:
        yield
    finally:
        if before is None:
            _C._saved_tensors_hooks_enable()
        else:
            _C._saved_tensors_hooks_disable(before)


class _MultiHandle:
    """Removes several hooks at once."""

    def __init__(self, handles: Iterable[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *args: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[..., None], *, mode: str = "all"
) -> _MultiHandle:
    """Call ``fn`` once in each backward: when all gradients are there, or at the first of them.

    Args:
        tensors: tensors that require grad.
        fn: ``mode="all"``: takes the sequence of gradients, None where there is none;
            ``mode="any"``: takes the first gradient.
        mode: ``"all"`` or ``"any"``.

    Shape:
        - the gradients have the shapes of their tensors.

    Example::

        >>> import flambeau as torch
        >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
        >>> handle = torch.autograd.graph.register_multi_grad_hook((a, b), print)
        >>> (a * b).sum().backward()
        [tensor([1.]), tensor([1.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    lock = threading.Lock()
    if mode == "any":
        first = _first_of_backward(fn, lock)
        return _MultiHandle(t.register_hook(first) for t in tensors)
    nodes = [_node_of(t) for t in tensors]
    arrived: dict[int, list] = defaultdict(lambda: [None] * len(tensors))
    counts: dict[int, int] = defaultdict(int)

    def hook_at(index: int) -> Callable[[Any], None]:
        def hook(grad):
            task = _C._current_graph_task_id()
            if task == -1:
                raise RuntimeError("expected this hook to be called inside a backward call")
            with lock:
                counts[task] += 1
                arrived[task][index] = grad
                # Nodes that this backward does not reach will not come.
                complete = counts[task] == sum(map(_C._will_engine_execute_node, nodes))
                grads = arrived.pop(task) if complete else None
                if complete:
                    del counts[task]
            if grads is not None:
                fn(grads)

        return hook

    return _MultiHandle(t.register_hook(hook_at(i)) for i, t in enumerate(tensors))


def _first_of_backward(fn: Callable[[Any], None], lock: Any) -> Callable[[Any], None]:
    seen: set[int] = set()

    def hook(grad):
        task = _C._current_graph_task_id()
        if task == -1:
            raise RuntimeError("expected this hook to be called inside a backward call")
        with lock:
            first = task not in seen
            if first:
                seen.add(task)
                _C._queue_callback(lambda: seen.discard(task))
        if first:
            fn(grad)

    return hook


# ---- mutation of saved tensors


class _Handle:
    """Stands for a saved tensor: the tensor as it was is found by version."""


def _memory_of(tensor) -> int:
    """Where the tensor's memory begins; what is there is not looked at."""
    return _C._storage_of(tensor).data_ptr()


class _Versions:
    """Copies of saved tensors that were about to be modified in place."""

    def __init__(self) -> None:
        self.clones: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self.originals: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self.handles: dict[tuple, weakref.ref] = {}

    @staticmethod
    def key(tensor) -> tuple:
        return _memory_of(tensor), tensor._version

    def pack(self, tensor):
        entry = self.handles.get((id(tensor), *self.key(tensor)))
        handle = entry() if entry is not None else None
        if handle is None:
            handle = _Handle()
            self.handles[(id(tensor), *self.key(tensor))] = weakref.ref(handle)
            self.originals[handle] = (tensor, tensor._version)
        return handle

    def unpack(self, handle):
        if handle in self.clones:
            return self.clones[handle]
        if handle not in self.originals:
            raise RuntimeError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in "
                "which the graph was originally recorded."
            )
        return self.originals[handle][0]

    def before_inplace(self, tensor) -> None:
        """Keep what is saved of this memory as it is now."""
        memory = _memory_of(tensor)
        for handle, (original, version) in list(self.originals.items()):
            if _memory_of(original) == memory and original._version == version:
                self.clones[handle] = original.detach().clone()
                del self.originals[handle]

    def clear(self) -> None:
        self.clones.clear()
        self.originals.clear()
        self.handles.clear()


@contextlib.contextmanager
def allow_mutation_on_saved_tensors():
    """Inside of the block, saved tensors may be modified in place: they are copied first.

    The backward must run inside of the block too.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
        ...     a = torch.ones(1, requires_grad=True)
        ...     b = a.clone()
        ...     out = (b**2).sum()
        ...     _ = b.sin_()
        ...     out.backward()
        >>> a.grad
        tensor([2.])
    """
    from flambeau.utils._python_dispatch import TorchDispatchMode

    versions = _Versions()

    class _CopyBeforeMutation(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            for i, arg in enumerate(func._schema.arguments):
                if arg.alias_info is None or not arg.alias_info.is_write:
                    continue
                mutated = kwargs.get(arg.name) if i >= len(args) else args[i]
                if isinstance(mutated, flambeau.Tensor):
                    versions.before_inplace(mutated)
            return func(*args, **kwargs)

    with saved_tensors_hooks(versions.pack, versions.unpack), _CopyBeforeMutation():
        try:
            yield versions
        finally:
            versions.clear()
