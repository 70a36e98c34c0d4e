"""Gradients that are zeroed in place, for modules and optimisers."""

from collections.abc import Iterable

__all__ = ["zero_in_place"]


def zero_in_place(gradients: Iterable) -> None:
    """Zero gradients and cut them off from what they were computed from.

    Those that refuse come first, so that then none has changed.
    """
    for gradient in sorted(gradients, key=_is_written):
        if gradient.grad_fn is not None:
            gradient.detach_()
        else:
            gradient.requires_grad_(False)
        gradient.zero_()


def _is_written(gradient) -> bool:
    return not (gradient.is_inference() or (gradient.grad_fn is not None and gradient._is_view()))
