"""Scaling of losses, so that small gradients in half precision do not become zero."""

from __future__ import annotations

import enum
import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import flambeau

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """What was done with the gradients of an optimiser since the last `GradScaler.update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class _Seen:
    """One optimiser since the last update: its stage, and for each device whether a gradient was
    infinite or NaN."""

    def __init__(self) -> None:
        self.stage = OptState.READY
        self.found: dict[flambeau.device, flambeau.Tensor] = {}


class GradScaler:
    """Multiplies losses by a scale before backward and divides gradients by it before the step,
    which is left out where a gradient is infinite or NaN. The scale shrinks then, and grows after
    a number of steps without.

    Args:
        device: where the scale is kept.
        init_scale: the scale to begin with.
        growth_factor: by what it grows.
        backoff_factor: by what it shrinks.
        growth_interval: steps without infinite gradients after which it grows.
        enabled: False hands losses through and steps optimisers as they are.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> w = flambeau.ones(1, requires_grad=True)
        >>> optimizer = flambeau.optim.SGD([w], lr=0.5)
        >>> scaler = GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale(w.sum()).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> w.grad, w
        (tensor([1.]), tensor([0.5000], requires_grad=True))
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if device == "cuda" and enabled and not flambeau.cuda.is_available():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if backoff_factor >= 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
            self._init_scale = init_scale
            self._growth_factor = growth_factor
            self._backoff_factor = backoff_factor
            self._growth_interval = growth_interval
            self._init_growth_tracker = 0
        self._scale: flambeau.Tensor | None = None
        self._growth_tracker: flambeau.Tensor | None = None
        self._seen: dict[int, _Seen] = defaultdict(_Seen)

    def _state(self, function: str) -> tuple[flambeau.Tensor, flambeau.Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {function} but _scale is None.  This may indicate your script did not "
                "use scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    def _scale_on(self, device) -> flambeau.Tensor:
        if self._scale is None:
            self._scale = flambeau.full((), self._init_scale, device=device)
            self._growth_tracker = flambeau.full(
                (), self._init_growth_tracker, dtype=flambeau.int32, device=device
            )
        return self._scale.to(device)

    def scale(self, outputs):
        """Tensors times the scale.

        Args:
            outputs: a tensor, or an iterable of them at any depth.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, flambeau.Tensor):
            return outputs * self._scale_on(outputs.device)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(map(self.scale, outputs))
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _unscale(self, optimizer, inverse: flambeau.Tensor, allow_fp16: bool) -> dict:
        found: dict = {}
        with flambeau.no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    grad = parameter.grad
                    if grad is None:
                        continue
                    if grad.dtype == flambeau.float16 and not allow_fp16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    if grad.layout is not flambeau.strided:
                        if grad.dtype == flambeau.float16:  # sums may be infinite
                            grad = parameter.grad = grad.coalesce()
                        grad = grad._values()
                    device = grad.device
                    if device not in found:
                        found[device] = flambeau.zeros((), device=device)
                    found[device].logical_or_(flambeau.isfinite(grad).all().logical_not())
                    if inverse is not None:
                        grad.mul_(inverse.to(device))
        return found

    def unscale_(self, optimizer) -> None:
        """Divide an optimiser's gradients by the scale, to look at them or clip them before
        `step`.

        Args:
            optimizer: whose gradients; once between two updates.
        """
        if not self._enabled:
            return
        scale, _ = self._state("unscale_")
        seen = self._seen[id(optimizer)]
        if seen.stage is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if seen.stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        seen.found = self._unscale(optimizer, scale.double().reciprocal().float(), False)
        seen.stage = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """The optimiser's step, unless a gradient is infinite or NaN. Divides gradients by the
        scale where that was not done.

        Args:
            optimizer: the optimiser; args and kwargs go to its ``step``.

        Returns:
            What ``step`` gives.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        scale, _ = self._state("step")
        seen = self._seen[id(optimizer)]
        if seen.stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            return self._step_of_its_own(optimizer, seen, scale, args, kwargs)
        if seen.stage is OptState.READY:
            self.unscale_(optimizer)
        if not seen.found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not any(found.item() for found in seen.found.values()):
            result = optimizer.step(*args, **kwargs)
        seen.stage = OptState.STEPPED
        return result

    def _step_of_its_own(self, optimizer, seen: _Seen, scale, args, kwargs):
        """Of an optimiser that divides gradients, and looks for infinite ones, by itself."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            result = optimizer.step(*args, grad_scaler=self, **kwargs)
            seen.stage = OptState.STEPPED
            return result
        if seen.stage is OptState.READY:
            seen.found = self._unscale(optimizer, None, True)
            optimizer.grad_scale = scale * getattr(optimizer, "grad_scale", 1)
        else:
            optimizer.grad_scale = getattr(optimizer, "grad_scale", None)
        optimizer.found_inf = sum(found.to(scale.device) for found in seen.found.values())
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            seen.stage = OptState.STEPPED
            del optimizer.grad_scale, optimizer.found_inf

    def update(self, new_scale: float | flambeau.Tensor | None = None) -> None:
        """The scale for the next step, after the steps of all optimisers.

        Args:
            new_scale: the scale to go on with; what was seen decides when None.
        """
        if not self._enabled:
            return
        scale, tracker = self._state("update")
        if new_scale is not None:
            self._set_scale(scale, new_scale)
        else:
            found = [f for seen in self._seen.values() for f in seen.found.values()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(f.item() for f in found):
                scale.mul_(self._backoff_factor)
                tracker.zero_()
            elif tracker.item() + 1 == self._growth_interval:
                grown = scale * self._growth_factor
                if flambeau.isfinite(grown):
                    scale.copy_(grown)
                tracker.zero_()
            else:
                tracker.add_(1)
        self._seen = defaultdict(_Seen)

    def _set_scale(self, scale, new_scale) -> None:
        if isinstance(new_scale, float):
            scale.fill_(new_scale)
            return
        if (
            not isinstance(new_scale, flambeau.Tensor)
            or new_scale.device.type != self._device
            or new_scale.numel() != 1
            or new_scale.requires_grad
        ):
            raise AssertionError(
                "new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
                "torch.FloatTensor with requires_grad=False."
            )
        scale.copy_(new_scale)

    def get_scale(self) -> float:
        """The scale; 1.0 where scaling is off."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker.item())

    def is_enabled(self) -> bool:
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale, its settings, and how many steps were without infinite gradients; empty
        where scaling is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a state that `state_dict` gave.

        Args:
            state_dict: the state.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._seen:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, "
                    "or at the end after scaler.update()."
                )
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
