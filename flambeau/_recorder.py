"""Records the ops that a function runs, and replays them.

>>> graph = record(lambda x: (x * 2).sum(), flambeau.ones(3))
>>> [str(node.op) for node in graph.nodes]
['aten.mul.Tensor', 'aten.sum.default']
>>> graph(flambeau.tensor([1.0, 2.0, 3.0]))
tensor(12.)
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import flambeau
from flambeau import _C
from flambeau.utils import _pytree as pytree

__all__ = ["Graph", "Node", "Slot", "record", "recording"]


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor: the index of its place among all that the graph knows."""

    index: int

    def __repr__(self) -> str:
        return f"%{self.index}"


@dataclass
class Node:
    """One op with its arguments and outputs, tensors replaced by slots."""

    op: object
    args: tuple
    kwargs: dict
    outputs: object

    def check(self, out) -> None:
        """The graph holds what the program did with values that it read, and nothing else."""
        for old, new in zip(pytree.tree_leaves(self.outputs, is_leaf=_is_slot), out):
            if not _is_slot(old) and not _same(old, new):
                raise RuntimeError(
                    f"{self.op} gave {new!r} to the program, but {old!r} when it was recorded, and "
                    "the graph holds what was done with that: record it again for these inputs"
                )

    def __repr__(self) -> str:
        values = [repr(a) for a in self.args]
        values += [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.outputs!r} = {self.op}({', '.join(values)})"


@dataclass
class Graph:
    """Ops in the order they ran. Calling it with new inputs runs them again."""

    nodes: list[Node] = field(default_factory=list)
    inputs: list[Slot] = field(default_factory=list)
    constants: dict[int, flambeau.Tensor] = field(default_factory=dict)
    results: object = None

    def __str__(self) -> str:
        return "\n".join(map(repr, self.nodes))

    def __call__(self, *args):
        given = [a for a in pytree.tree_leaves(args) if isinstance(a, flambeau.Tensor)]
        if len(given) != len(self.inputs):
            raise TypeError(f"the graph takes {len(self.inputs)} tensors, not {len(given)}")
        values = dict(self.constants)
        values.update(zip((slot.index for slot in self.inputs), given))
        for node in self.nodes:
            out = node.op(*_fill(node.args, values), **_fill(node.kwargs, values))
            node.check(pytree.tree_leaves(out))
            _keep(node.outputs, out, values)
        return _fill(self.results, values)


def _is_slot(value) -> bool:
    return isinstance(value, Slot)


def _same(old, new) -> bool:
    return type(old) is type(new) and (old == new or (old != old and new != new))


class _Read:
    """Stands for an op that hands all elements of a tensor to the program."""

    def __init__(self, what: str):
        self.what = what

    def __repr__(self) -> str:
        return f"read.{self.what}"

    def __call__(self, tensor):
        return _elements(tensor)


def _elements(tensor) -> bytes:
    """What the elements are, to be compared."""
    return pickle.dumps((tuple(tensor.shape), str(tensor.dtype), tensor.detach().tolist()))


def _fill(tree, values):
    return pytree.tree_map_only(Slot, lambda slot: values[slot.index], tree, is_leaf=_is_slot)


def _keep(slots, out, values) -> None:
    for slot, value in zip(pytree.tree_leaves(slots, is_leaf=_is_slot), pytree.tree_leaves(out)):
        if _is_slot(slot):
            values[slot.index] = value


class _Recording:
    def __init__(self):
        self.graph = Graph()
        self.slots: dict[int, Slot] = {}
        self.alive: list = []  # so that no id is used twice

    def slot(self, tensor) -> Slot:
        key = id(tensor)
        if key not in self.slots:
            self.slots[key] = Slot(len(self.slots))
            self.alive.append(tensor)
        return self.slots[key]

    def input(self, tensor) -> None:
        self.graph.inputs.append(self.slot(tensor))

    def used(self, tensor) -> Slot:
        """A tensor that no recorded op made is part of the graph."""
        if id(tensor) not in self.slots:
            self.graph.constants[self.slot(tensor).index] = tensor
        return self.slot(tensor)

    def _map(self, function, tree):
        return pytree.tree_map_only(flambeau.Tensor, function, tree)

    def __call__(self, op, args, kwargs, outputs):
        taken = self._map(self.used, args), self._map(self.used, kwargs)
        self.graph.nodes.append(Node(op, *taken, self._map(self.slot, outputs)))

    def read(self, tensor, what: str) -> None:
        """The program looks at all elements: what they are is part of the graph."""
        self.graph.nodes.append(Node(_Read(what), (self.used(tensor),), {}, _elements(tensor)))


@contextmanager
def recording(recorder: Callable):
    """Calls ``recorder(op, args, kwargs, outputs)`` after every op that runs inside."""

    def end(context, op, args, kwargs, outputs):
        if outputs is not NotImplemented:
            recorder(op, args, kwargs, outputs)

    _C._push_observer(None, end, getattr(recorder, "read", None))
    try:
        yield recorder
    finally:
        _C._pop_observer()


def record(function: Callable, *args) -> Graph:
    """The graph of the ops that ``function(*args)`` runs on this thread."""
    recorder = _Recording()
    for tensor in pytree.tree_leaves(args):
        if isinstance(tensor, flambeau.Tensor):
            recorder.input(tensor)
    with recording(recorder):
        results = function(*args)
    recorder.graph.results = recorder._map(recorder.used, results)
    return recorder.graph
