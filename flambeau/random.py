"""The generator that ops draw from when they are given none: its seed and its state."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator

import flambeau
from flambeau._C import (
    default_generator as default_generator,
)
from flambeau._C import (
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

__all__ = [
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


_fork_rng_warned_already = False


@contextlib.contextmanager
def fork_rng(
    devices=None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """A scope after which generators go on where they were before it.

    Args:
        devices: indices of devices whose generators are kept besides the CPU's; all when None.
        enabled: False makes it a scope without effect.
        device_type: whose devices; the accelerator's when None.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> _ = flambeau.manual_seed(0)
        >>> with fork_rng():
        ...     a = flambeau.rand(2)
        >>> bool((a == flambeau.rand(2)).all())
        True
    """
    if device_type == "meta" or not enabled:
        yield
        return
    if device_type is None:
        accelerator = flambeau.accelerator.current_accelerator()
        device_type = "cuda" if accelerator is None else accelerator.type
    module = flambeau.get_device_module(device_type)
    if devices is None:
        devices = range(module.device_count())
        _warn_of_many(len(devices), device_type, _caller, _devices_kw)
    devices = list(devices)
    state = get_rng_state()
    states = [module.get_rng_state(device) for device in devices]
    try:
        yield
    finally:
        set_rng_state(state)
        for device, its_state in zip(devices, states):
            module.set_rng_state(its_state, device)


def _warn_of_many(count: int, kind: str, caller: str, keyword: str) -> None:
    global _fork_rng_warned_already
    if count > 1 and not _fork_rng_warned_already:
        warnings.warn(
            f"{kind.upper()} reports that you have {count} available devices, and you have used "
            f"{caller} without explicitly specifying which devices are being used. The states of "
            f"all are kept, which takes time; name those that you use by '{keyword}', or all by "
            f"`range(torch.{kind}.device_count())`.",
            stacklevel=4,
        )
        _fork_rng_warned_already = True


def thread_safe_generator() -> flambeau.Generator | None:
    """The generator of a loader's worker that is a thread; None elsewhere, for which functions
    take the default one.

    Shape:
        - no tensors.

    Example::

        >>> thread_safe_generator() is None
        True
    """
    worker = sys.modules.get("flambeau.utils.data._utils.worker")
    info = worker.get_worker_info() if worker is not None else None
    return info.rng.torch_generator if info is not None and info.rng is not None else None
