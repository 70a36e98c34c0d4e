"""Scaling of losses on CUDA, which is off without a device."""

from __future__ import annotations

import enum
import warnings
from typing import Any

import flambeau

from .autocast_mode import deprecated

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """What was done with the gradients of an optimiser in this step."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Would scale losses so that gradients in half precision do not vanish. Without a device it
    says so, hands losses through, and steps optimisers as they are.

    Args:
        init_scale, growth_factor, backoff_factor, growth_interval: of the scale that is not there.
        enabled: whether it was wanted; False asks for what happens anyway, without a warning.
    """

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        deprecated("GradScaler", "torch.amp.GradScaler('cuda', args...)")
        if enabled:
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2
            )
        self._enabled = False

    def scale(self, outputs: Any) -> Any:
        """The outputs as they are."""
        return outputs

    def unscale_(self, optimizer: flambeau.optim.Optimizer) -> None:
        """Does nothing: gradients are not scaled."""

    def step(self, optimizer: flambeau.optim.Optimizer, *args, **kwargs) -> float | None:
        """``optimizer.step(*args, **kwargs)``."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | flambeau.Tensor | None = None) -> None:
        """Does nothing: there is no scale."""

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty: there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing: there is no state."""

    # What follows has a value only once it was set, as in PyTorch.

    def get_growth_factor(self) -> float:
        """What `set_growth_factor` was given."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Keeps the factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What `set_backoff_factor` was given."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Keeps the factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """What `set_growth_interval` was given."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Keeps the interval."""
        self._growth_interval = new_interval
