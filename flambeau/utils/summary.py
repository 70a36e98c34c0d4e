"""A table of a model's layers: shapes, parameters, operations, memory.

``flambeau summary SCRIPT:MODEL`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import flambeau
from flambeau.utils._pytree import tree_leaves

__all__ = ["Layer", "Summary", "summary"]


@dataclass
class Layer:
    """A row of the table: a module, at the place where the model keeps it."""

    name: str  # within its parent
    kind: str
    depth: int
    parameters: int = 0  # its own and those of what is inside, each once
    trainable: int = 0
    own: int = 0  # its own alone
    bytes: int = 0  # of parameters and buffers, inside too
    shared: bool = False  # it stands elsewhere too, and was counted there
    outputs: list[tuple[int, ...]] = field(default_factory=list)  # of its last call
    output_bytes: int = 0  # of all calls
    flops: int = 0  # of all calls
    calls: int = 0
    leaf: bool = True

    @property
    def macs(self) -> int:
        """Pairs of a multiplication and an addition."""
        return self.flops // 2


@dataclass
class Summary:
    """What :func:`summary` found; printing it shows the table."""

    layers: list[Layer]
    ran: bool  # the model was called, so that shapes and operations are known
    depth: int
    buffers: int = 0

    @property
    def parameters(self) -> int:
        """How many numbers are learned or could be."""
        return self.layers[0].parameters

    @property
    def trainable(self) -> int:
        """How many of them require a gradient."""
        return self.layers[0].trainable

    @property
    def flops(self) -> int:
        """Operations of products, convolutions, attention and recurrent layers of one call."""
        return self.layers[0].flops

    @property
    def bytes(self) -> int:
        """Of parameters and buffers."""
        return self.layers[0].bytes

    @property
    def output_bytes(self) -> int:
        """Of what the innermost modules give, which a training step mostly keeps."""
        return sum(layer.output_bytes for layer in self.layers if layer.leaf)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def summary(
    model: flambeau.nn.Module,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    depth: int = 3,
) -> Summary:
    """The layers of ``model``, and what they do with ``inputs``.

    The model is called once, without gradients and in evaluation mode. Where model and inputs are
    on the device ``meta`` nothing is computed and no memory is needed.

    Args:
        model: the module.
        inputs: its arguments; without any the model is not called.
        kwargs: its arguments by name.
        depth: how many levels of modules are shown.

    Shape:
        - inputs: as the model takes them.

    Example::

        >>> import flambeau as torch
        >>> from flambeau.utils.summary import summary
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU())
        >>> found = summary(net, torch.empty(2, 4))
        >>> found.parameters, found.flops, found.layers[1].outputs
        (40, 128, [(2, 8)])
        >>> print(found)
        layer       output  parameters  MACs
        Sequential  [2, 8]          40    64
          0 Linear  [2, 8]          40    64
          1 ReLU    [2, 8]           0     0
        40 parameters (160 B), 128 operations in a call, 128 B of outputs
    """
    if depth < 0:
        raise ValueError(f"summary: depth must not be negative, got {depth}")
    layers, places = _table_of(model)
    ran = bool(inputs or kwargs)
    if ran:
        _run(model, inputs, dict(kwargs or {}), places)
    buffers = sum(b.numel() for b in model.buffers())
    return Summary(layers, ran, depth, buffers)


def _table_of(model: Any) -> tuple[list[Layer], dict[int, Layer]]:
    """The rows in the order of the model, and of each module its first row."""
    layers: list[Layer] = []
    places: dict[int, Layer] = {}
    counted: set[int] = set()

    def add(module: Any, name: str, depth: int) -> Layer:
        layer = Layer(name, type(module).__name__, depth)
        layers.append(layer)
        if id(module) in places:
            layer.shared = True
            return layer
        places[id(module)] = layer
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is None or id(tensor) in counted:
                continue
            counted.add(id(tensor))
            if _is_lazy(tensor):
                continue
            layer.bytes += tensor.numel() * tensor.element_size()
            if isinstance(tensor, flambeau.nn.Parameter):
                layer.own += tensor.numel()
                layer.trainable += tensor.numel() * tensor.requires_grad
        layer.parameters = layer.own
        for key, child in module._modules.items():
            if child is None:
                continue
            inner = add(child, key, depth + 1)
            layer.leaf = False
            layer.parameters += inner.parameters
            layer.trainable += inner.trainable
            layer.bytes += inner.bytes
        return layer

    add(model, "", 0)
    return layers, places


def _is_lazy(tensor: Any) -> bool:
    return isinstance(tensor, getattr(flambeau.nn, "UninitializedTensorMixin", ())) or (
        type(tensor).__name__ in ("UninitializedParameter", "UninitializedBuffer")
    )


def _run(model: Any, inputs: tuple, kwargs: dict, places: dict[int, Layer]) -> None:
    from flambeau.nn.modules import module as modules

    open_layers: list[Layer] = []

    def begin(module: Any, args: Any) -> None:
        if id(module) in places:
            open_layers.append(places[id(module)])

    def end(module: Any, args: Any, output: Any) -> None:
        layer = places.get(id(module))
        if layer is None or not open_layers or open_layers[-1] is not layer:
            return
        open_layers.pop()
        given = [v for v in tree_leaves(output) if isinstance(v, flambeau.Tensor)]
        layer.calls += 1
        layer.outputs = [tuple(t.shape) for t in given]
        layer.output_bytes += sum(t.numel() * t.element_size() for t in given)

    def count(context: Any, op: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        cost = _flops(op, args, kwargs) if outputs is not NotImplemented else 0
        for layer in {id(layer): layer for layer in open_layers}.values():
            layer.flops += cost

    training = [(m, m.training) for m in model.modules()]
    handles = (
        modules.register_module_forward_pre_hook(begin),
        modules.register_module_forward_hook(end, always_call=True),
    )
    try:
        model.eval()
        with flambeau.no_grad(), _Counted(count):
            model(*inputs, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in training:
            module.training = mode
    _sum_up(model, places)


def _sum_up(module: Any, places: dict[int, Layer]) -> None:
    """What only holds modules, and is never called, costs what they do."""
    layer = places[id(module)]
    children = {id(c): c for c in module._modules.values() if c is not None}.values()
    for child in children:
        _sum_up(child, places)
    if layer.calls == 0:
        layer.flops = sum(places[id(child)].flops for child in children)


class _Counted:
    """Tells of each op below compositions, whose records say what they cost."""

    def __init__(self, count: Any) -> None:
        from flambeau.utils._python_dispatch import TorchDispatchMode

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                out = func(*args, **(kwargs or {}))
                count(None, func, args, kwargs or {}, out)
                return out

        self.mode = Mode()

    def __enter__(self) -> None:
        self.mode.__enter__()

    def __exit__(self, *exc_info: Any) -> None:
        self.mode.__exit__(*exc_info)


def _flops(op: Any, args: tuple, kwargs: dict) -> int:
    from flambeau.utils.flop_counter import flop_registry

    formula = flop_registry.get(op.overloadpacket)
    return formula(*args, **kwargs, out_val=None) if formula is not None else 0


# ---- the table


def human_bytes(n: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.1f} {unit}"
    return f"{n} B"


def _shape(layer: Layer) -> str:
    if layer.shared:
        return "(as above)"
    shown = [str(list(shape)) for shape in layer.outputs[:2]]
    return ", ".join(shown) + (", ..." if len(layer.outputs) > 2 else "") or "-"


def _rows(found: Summary) -> Iterator[list[str]]:
    for layer in found.layers:
        if layer.depth > found.depth:
            continue
        name = "  " * layer.depth + f"{layer.name} {layer.kind}".strip()
        row = [name]
        if found.ran:
            row.append(_shape(layer))
        row.append("shared" if layer.shared else f"{layer.parameters:,}")
        if found.ran:
            row.append("" if layer.shared else f"{layer.macs:,}")
        yield row


def _lines(found: Summary) -> Iterator[str]:
    head = ["layer", "output", "parameters", "MACs"] if found.ran else ["layer", "parameters"]
    rows = [head, *_rows(found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    left = (0, 1) if found.ran else (0,)
    for row in rows:
        cells = [
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()
    text = f"{found.parameters:,} parameters ({human_bytes(found.bytes)}"
    if found.buffers:
        text += f" with {found.buffers:,} numbers in buffers"
    text += ")"
    if found.trainable != found.parameters:
        text += f", {found.trainable:,} of them trained"
    if found.ran:
        text += f", {found.flops:,} operations in a call"
        text += f", {human_bytes(found.output_bytes)} of outputs"
    yield text
