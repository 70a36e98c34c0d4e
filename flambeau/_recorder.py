"""Records the ops that a function runs, and replays them.

>>> graph = record(lambda x: (x * 2).sum(), flambeau.ones(3))
>>> [str(node.op) for node in graph.nodes]
['aten.mul.Tensor', 'aten.sum.default']
>>> graph(flambeau.tensor([1.0, 2.0, 3.0]))
tensor(12.)

What the program reads by `item()` is a number of the graph, which later nodes refer to:

>>> graph = record(lambda x: x * (x.sum().item() + 1), flambeau.ones(3))
>>> graph(flambeau.tensor([1.0, 2.0, 3.0]))
tensor([ 7., 14., 21.])
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import flambeau
from flambeau import _C
from flambeau._recorded_number import Number, numbers_in, value_of
from flambeau.overrides import TorchFunctionMode
from flambeau.utils import _pytree as pytree

__all__ = ["Graph", "Node", "Slot", "record", "recording"]


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor, or a number that was read: the index of its place among all that the
    graph knows."""

    index: int

    def __repr__(self) -> str:
        return f"%{self.index}"


@dataclass
class Node:
    """One op with its arguments and outputs, tensors replaced by slots. Numbers are computed by
    functions of `operator`, and what is no single op is recorded as the function that it is."""

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


class _Given:
    """Stands for a read of a number by the program itself, which is compared."""

    def __repr__(self) -> str:
        return "read.number"

    def __call__(self, number):
        return number


class _Recording:
    def __init__(self):
        self.graph = Graph()
        self.slots: dict[int, Slot] = {}
        self.alive: list = []  # so that no id is used twice
        self.compared: set[Slot] = set()
        self.ended = False
        level = _C._transform_level()
        self.depth = 0 if level is None else level.depth

    def slot(self, value) -> Slot:
        """Of a tensor or a Number."""
        key = id(value)
        if key not in self.slots:
            self.slots[key] = Slot(len(self.slots))
            self.alive.append(value)
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

    def _check(self, op, tree) -> None:
        """A tensor of a transform that began while recording is none of the graph's: other inputs
        would make others."""
        for tensor in pytree.tree_leaves(tree):
            parts = _C._transform_parts(tensor)
            if parts is not None and (parts[1] is None or parts[1] > self.depth):
                raise NotImplementedError(
                    f"record: {op} runs inside a function transform ({parts[0]}), whose tensors a "
                    "graph cannot hold: record the function that is transformed, and transform "
                    "the graph"
                )

    def __call__(self, op, args, kwargs, outputs):
        self._check(op, (args, kwargs, outputs))
        taken = self._map(self.used, args), self._map(self.used, kwargs)
        self.graph.nodes.append(Node(op, *taken, self._map(self.slot, outputs)))

    # ---- numbers

    def number(self, value) -> Number:
        made = Number(self, None, value)
        made._slot = self.slot(made)
        return made

    def item(self, function, tensor):
        """`item()`: the node's result is a number of the graph."""
        before = len(self.graph.nodes)
        value = function(tensor)
        if len(self.graph.nodes) != before + 1:
            return value
        made = self.number(value)
        self.graph.nodes[before].outputs = made._slot
        return made

    def compute(self, function, operands):
        """A number from others."""
        value = function(*(value_of(v) if isinstance(v, Number) else v for v in operands))
        if self.ended:
            return value
        made = self.number(value)
        self.graph.nodes.append(Node(function, self._numbered(operands), {}, made._slot))
        return made

    def plain(self, number: Number):
        """The program gets the number itself: the graph compares it, once."""
        if not self.ended and number._slot not in self.compared:
            self.compared.add(number._slot)
            self.graph.nodes.append(Node(_Given(), (number._slot,), {}, value_of(number)))
        return value_of(number)

    def _numbered(self, tree):
        return pytree.tree_map_only(Number, lambda n: n._slot, tree)

    def call(self, function, args, kwargs):
        """An op, or a function of ops, that is given numbers."""
        values = pytree.tree_map_only(Number, value_of, (args, kwargs))
        before = len(self.graph.nodes)
        out = function(*values[0], **values[1])
        if self.ended:
            return out
        new = self.graph.nodes[before:]
        if len(new) != 1 or not self._refer(new[0], args, kwargs):
            taken = self._map(self.used, self._numbered((args, kwargs)))
            made = Node(function, *taken, self._map(self.slot, out))
            self.graph.nodes[before:] = [made]
        return out

    def _refer(self, node: Node, args, kwargs) -> bool:
        """Puts numbers into an op that ran with their values; False where it is not plain which of
        its arguments they are."""

        def key(value):
            return type(value), value

        def is_plain(value):
            return isinstance(value, (bool, int, float, complex))

        numbers = {key(value_of(n)): n._slot for n in numbers_in((args, kwargs))}
        wanted = Counter(key(value_of(n)) for n in numbers_in((args, kwargs)))
        different = {n._slot for n in numbers_in((args, kwargs))}
        leaves = pytree.tree_leaves((node.args, node.kwargs), is_leaf=_is_slot)
        found = Counter(key(v) for v in leaves if is_plain(v) and key(v) in numbers)
        if found != wanted or len(different) != len(numbers):
            return False

        def refer(value):
            return numbers.get(key(value), value) if is_plain(value) else value

        node.args, node.kwargs = pytree.tree_map(refer, (node.args, node.kwargs), is_leaf=_is_slot)
        return True

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


class _Numbers(TorchFunctionMode):
    """Gives a recorded program numbers that are recorded too."""

    def __init__(self, recorder: _Recording):
        self.recorder = recorder

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is flambeau.Tensor.item:
            return self.recorder.item(func, *args)
        if numbers_in((args, kwargs or {})):
            return self.recorder.call(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def record(function: Callable, *args) -> Graph:
    """The graph of the ops that ``function(*args)`` runs on this thread."""
    recorder = _Recording()
    for tensor in pytree.tree_leaves(args):
        if isinstance(tensor, flambeau.Tensor):
            recorder.input(tensor)
    with recording(recorder), _Numbers(recorder):
        results = function(*args)
    recorder.graph.results = recorder._map(recorder.used, recorder._numbered(results))
    recorder.ended = True
    return recorder.graph
