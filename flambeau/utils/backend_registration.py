"""A device that a package from outside brings: its name, methods, and what falls back.

The package registers memory and kernels in C++ (``docs/devices.md``), names the device here, and
may hand in a module, which becomes ``flambeau.<name>``.
"""

from __future__ import annotations

import flambeau
from flambeau import _C

__all__ = [
    "generate_methods_for_privateuse1_backend",
    "rename_privateuse1_backend",
    "set_backend_fallback",
]


def rename_privateuse1_backend(backend_name: str) -> None:
    """Give the device type ``privateuseone`` a name of its own, once per process.

    ``flambeau.device("name:0")``, ``tensor.to("name")``, ``repr`` and checkpoints use it.
    """
    _C._rename_privateuse1_backend(backend_name)


def set_backend_fallback(device, how: str) -> None:
    """Say what an op does for which ``device`` has no kernel.

    Args:
        device: a device or its name.
        how: ``"warn"``: it runs on the CPU, on copies, with a warning once per op. ``"silent"``:
            the same without. ``"refuse"``: it raises ``NotImplementedError``.
    """
    _C._set_device_fallback(device, how)


def _wanted(name: str, device, function: str):
    """The device that an argument of ``tensor.<name>(device)`` means."""
    if device is None:
        return flambeau.device(name, _C._current_device(name))
    if isinstance(device, int):
        return flambeau.device(name, device)
    device = flambeau.device(device)
    if device.type != name:
        raise RuntimeError(f"{function}: Invalid device, must be {name} device, not {device}")
    return device


def _add(cls, name: str, value) -> None:
    if hasattr(cls, name):
        raise RuntimeError(
            f"Can not automatically generate {name} method or property for {cls.__name__}: "
            "there is one already"
        )
    setattr(cls, name, value)


def _property(name: str):
    return property(lambda self: self.device.type == name, doc=f"Whether it is on {name!r}.")


def generate_methods_for_privateuse1_backend(
    for_tensor: bool = True,
    for_module: bool = True,
    for_packed_sequence: bool = True,
    for_storage: bool = False,
    unsupported_dtype=None,
) -> None:
    """Give classes ``is_<name>`` and ``<name>()`` for the device that was named.

    Args:
        for_tensor: ``Tensor.is_<name>`` and ``Tensor.<name>(device=None, non_blocking=False)``.
        for_module: ``nn.Module.<name>(device=None)``.
        for_packed_sequence: the same for ``nn.utils.rnn.PackedSequence``, where that exists.
        for_storage: the same for untyped storages.
        unsupported_dtype: dtypes that the device has no storage of.
    """
    name = _C._get_privateuse1_backend_name()
    if name == "privateuseone":
        raise RuntimeError(
            "generate_methods_for_privateuse1_backend: name the device first, with "
            "rename_privateuse1_backend"
        )

    def tensor_to(self, device=None, non_blocking=False, **kwargs):
        if flambeau.overrides.has_torch_function_unary(self):
            return flambeau.overrides.handle_torch_function(
                tensor_to, (self,), self, device=device, non_blocking=non_blocking, **kwargs
            )
        where = _wanted(name, device, f"Tensor.{name}")
        return self.to(device=where, non_blocking=non_blocking, **kwargs)

    def module_to(self, device=None):
        return self._apply(lambda t: getattr(t, name)(device))

    def storage_to(self, device=None, non_blocking=False):
        return self.to(_wanted(name, device, f"UntypedStorage.{name}"), non_blocking)

    if unsupported_dtype and for_storage:
        raise NotImplementedError(
            "generate_methods_for_privateuse1_backend: unsupported_dtype is about typed storages, "
            "which do not exist here"
        )
    tensor_to.__name__ = module_to.__name__ = storage_to.__name__ = name
    if for_tensor:
        _add(flambeau.Tensor, f"is_{name}", _property(name))
        _add(flambeau.Tensor, name, tensor_to)
    if for_module:
        _add(flambeau.nn.Module, name, module_to)
    packed = getattr(getattr(flambeau.nn, "utils", None), "rnn", None)
    if for_packed_sequence and packed:
        _add(packed.PackedSequence, f"is_{name}", property(lambda p: p.data.device.type == name))
        _add(packed.PackedSequence, name, lambda p, device=None: p.to(_wanted(name, device, name)))
    if for_storage:
        _add(_C.UntypedStorage, f"is_{name}", _property(name))
        _add(_C.UntypedStorage, name, storage_to)
