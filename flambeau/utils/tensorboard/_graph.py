"""The graph of a module: what it calls, as nodes within the modules that call."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

import flambeau
from flambeau._recorder import recording
from flambeau.nn.modules import module as modules
from flambeau.utils import _pytree as pytree

__all__ = ["graph"]


def _node(name: str, op: str, inputs: list[str], shape: Any = None, text: str = "") -> NodeDef:
    attributes = {"attr": AttrValue(s=text.encode("utf-8", "replace"))}
    if shape is not None:
        sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in shape])
        attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[sizes]))
    return NodeDef(name=name, op=op, input=inputs, attr=attributes)


class _Tracer:
    def __init__(self, model: Any) -> None:
        self.nodes: list[NodeDef] = []
        self.made: dict[int, str] = {}  # of each tensor the node that gave it its value
        self.alive: list = []  # so that no id is used twice
        self.names: Counter = Counter()
        self.scopes: list[tuple[Any, str]] = []
        self.owned: dict[int, tuple[str, str]] = {}  # parameters and buffers: scope and name
        self._own(model, self._scope(None, "", model))

    def _scope(self, outer: str | None, name: str, module: Any) -> str:
        kind = type(module).__name__
        return kind if outer is None else f"{outer}/{kind}[{name}]"

    def _own(self, module: Any, scope: str) -> None:
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                self.owned.setdefault(id(tensor), (scope, name))
        for name, child in module._modules.items():
            if child is not None:
                self._own(child, self._scope(scope, name, child))

    # ---- modules

    def begin(self, module: Any, args: Any) -> None:
        if not self.scopes:
            self.scopes.append((module, self._scope(None, "", module)))
            return
        outer, scope = self.scopes[-1]
        found = (name for name, child in outer._modules.items() if child is module)
        self.scopes.append((module, self._scope(scope, next(found, ""), module)))

    def end(self, module: Any, args: Any, output: Any) -> None:
        if self.scopes and self.scopes[-1][0] is module:
            self.scopes.pop()

    # ---- tensors and ops

    def unique(self, name: str) -> str:
        self.names[name] += 1
        count = self.names[name]
        return name if count == 1 else f"{name}_{count}"

    def gave(self, tensor: flambeau.Tensor, node: str) -> None:
        self.made[id(tensor)] = node
        self.alive.append(tensor)

    def source(self, tensor: flambeau.Tensor) -> str:
        """The node that a tensor comes from; what no op made is one of its own."""
        if id(tensor) not in self.made:
            here = self.scopes[-1][1] if self.scopes else ""
            scope, name = self.owned.get(id(tensor), (here, "constant"))
            kind = "Parameter" if isinstance(tensor, flambeau.nn.Parameter) else "Constant"
            kind = "Buffer" if kind == "Constant" and id(tensor) in self.owned else kind
            self.add(f"{scope}/{name}" if scope else name, kind, [], [tensor])
        return self.made[id(tensor)]

    def add(self, name: str, op: str, inputs: list[str], outputs: list, text: str = "") -> None:
        name = self.unique(name)
        shape = tuple(outputs[0].shape) if outputs else None
        self.nodes.append(_node(name, op, inputs, shape, text))
        for tensor in outputs:
            self.gave(tensor, name)

    def __call__(self, op: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        given = [v for v in pytree.tree_leaves((args, kwargs)) if isinstance(v, flambeau.Tensor)]
        inputs = [self.source(tensor) for tensor in given]
        results = [v for v in pytree.tree_leaves(outputs) if isinstance(v, flambeau.Tensor)]
        rest = pytree.tree_map_only(flambeau.Tensor, lambda t: "%", (args, kwargs))
        text = ", ".join([*map(repr, rest[0]), *(f"{k}={v!r}" for k, v in rest[1].items())])
        packet = str(op).split(".")
        scope = self.scopes[-1][1] + "/" if self.scopes else ""
        self.add(scope + packet[1], f"{packet[0]}::{packet[1]}", inputs, results, text)


def graph(model: Any, args: Any) -> tuple[GraphDef, RunMetadata]:
    """The graph of ``model(*args)``, which runs once, without gradients and in evaluation mode."""
    arguments = args if isinstance(args, tuple) else () if args is None else (args,)
    tracer = _Tracer(model)
    for leaf in pytree.tree_leaves(arguments):
        if isinstance(leaf, flambeau.Tensor):
            tracer.add("input/input", "IO Node", [], [leaf])
    training = [(m, m.training) for m in model.modules()]
    state = flambeau.get_rng_state()
    handles = (
        modules.register_module_forward_pre_hook(tracer.begin),
        modules.register_module_forward_hook(tracer.end, always_call=True),
    )
    try:
        model.eval()
        with flambeau.no_grad(), recording(tracer):
            results = model(*arguments)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training:
            module.training = mode
        flambeau.set_rng_state(state)
    for leaf in pytree.tree_leaves(results):
        if isinstance(leaf, flambeau.Tensor):
            source = tracer.source(leaf)
            name = tracer.unique("output/output")
            tracer.nodes.append(_node(name, "IO Node", [source], tuple(leaf.shape)))
    device = DeviceStepStats(device="/device:CPU:0")
    run = RunMetadata(step_stats=StepStats(dev_stats=[device]))
    return GraphDef(node=tracer.nodes, versions=VersionDef(producer=22)), run
