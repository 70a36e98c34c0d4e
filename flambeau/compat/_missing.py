"""What is said where a module of PyTorch's is imported that flambeau does not have."""

from __future__ import annotations

__all__ = ["why_missing"]

_GRAPHS = "graphs of programs (compile, export, jit, fx, onnx) are not there yet"
_QUANTISED = "quantised tensors are not there yet"
_MANY = "training on many processes is not there yet"

# The longest name that a module begins with counts.
_WHY = {
    "torch._dynamo": _GRAPHS,
    "torch._export": _GRAPHS,
    "torch._functorch": _GRAPHS,
    "torch._inductor": _GRAPHS,
    "torch._subclasses": _GRAPHS,
    "torch.ao": _QUANTISED,
    "torch.compiler": _GRAPHS,
    "torch.distributed": _MANY,
    "torch.export": _GRAPHS,
    "torch.fx": _GRAPHS,
    "torch.jit": _GRAPHS,
    "torch.masked": "masked tensors are not there yet",
    "torch.nested": "nested tensors are not there yet",
    "torch.nn.parallel": _MANY,
    "torch.onnx": _GRAPHS,
    "torch.package": "archives of programs would run code from files; save state dicts",
    "torch.quantization": _QUANTISED,
    "torch.sparse": "sparse tensors are not whole yet",
}


def why_missing(module: str) -> str:
    """The message of the error for ``module``, a dotted name that begins with ``torch``."""
    ours = "flambeau" + module[len("torch") :]
    text = f"No module named {module!r}: `torch` is flambeau here, which has no {ours}"
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        if reason := _WHY.get(".".join(parts[:length])):
            return f"{text}: {reason}"
    return text
