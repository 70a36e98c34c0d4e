"""Training in half precision: the scaling of losses."""

from .grad_scaler import GradScaler, OptState

__all__ = ["GradScaler", "OptState"]
