"""Names of ``torch._C`` that packages touch and that mean something without PyTorch's own core.

They are put in place with the name `torch`; flambeau itself has no use for them.
"""

from __future__ import annotations

import flambeau
from flambeau import _C
from flambeau._absent import AbsentClass

__all__ = ["put_in_place"]


def _log_api_usage_once(event: str) -> None:
    """Does nothing: nothing is counted."""


def _get_tracing_state() -> None:
    """None: no program is traced."""


def _get_accelerator(check: bool | None = None) -> flambeau.device:
    return flambeau.device("cpu")


def _get_default_device() -> str:
    return flambeau.empty(0).device.type


def _parse_to(*args, **kwargs):
    """``(device, dtype, non_blocking, memory_format)`` from the forms that ``to`` accepts."""
    from flambeau.nn.modules.module import _parse_to

    return _parse_to(*args, **kwargs)


def _switch(name: str):
    """A setting of a compiler that is not there: takes a value and gives the one before."""
    value = False

    def change(wanted: bool) -> bool:
        nonlocal value
        value, before = bool(wanted), value
        return before

    change.__name__ = change.__qualname__ = name
    return change


def put_in_place() -> None:
    """Add what ``_C`` does not have."""
    found = {
        function.__name__: function
        for function in (
            _log_api_usage_once,
            _get_tracing_state,
            _get_accelerator,
            _get_default_device,
            *map(_switch, ("_jit_set_profiling_executor", "_jit_set_profiling_mode")),
            *map(_switch, ("_jit_set_texpr_fuser_enabled", "_jit_override_can_fuse_on_cpu")),
            *map(_switch, ("_jit_override_can_fuse_on_gpu", "_jit_set_nvfuser_enabled")),
        )
    }
    # Classes that annotations and isinstance() name, and nothing is an instance of.
    for name in (
        "Graph",
        "Node",
        "PyTorchFileReader",
        "PyTorchFileWriter",
        "ScriptObject",
        "Value",
    ):
        found[name] = type(name, (AbsentClass,), {"__module__": "flambeau._C"})
    for name, value in found.items():
        if not hasattr(_C, name):
            setattr(_C, name, value)
        if name.startswith("PyTorchFile") and not hasattr(flambeau, name):
            setattr(flambeau, name, value)
    if not hasattr(_C._nn, "_parse_to"):
        _C._nn._parse_to = _parse_to
