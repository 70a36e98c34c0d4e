"""``flambeau.ops.<namespace>``: ops by the names of their schemas."""

from __future__ import annotations

import types

from flambeau import _C

OpOverload = _C.OpOverload
OpOverloadPacket = _C.OpOverloadPacket


class _OpNamespace(types.ModuleType):
    """The ops of one namespace, as attributes."""

    def __init__(self, name: str):
        super().__init__(f"flambeau.ops.{name}")
        self.name = name

    def __getattr__(self, op: str):
        if op.startswith("__"):
            raise AttributeError(op)
        packet = _C._find_packet(self.name, op)
        if packet is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{op}'")
        setattr(self, op, packet)
        return packet

    def __dir__(self):
        return sorted(_C._op_names(self.name))


_namespaces: dict[str, _OpNamespace] = {}


def namespace(name: str) -> _OpNamespace:
    """The namespace of this name; ops may be added to it later."""
    if name not in _namespaces:
        _namespaces[name] = _OpNamespace(name)
    return _namespaces[name]
