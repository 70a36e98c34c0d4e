"""Calls of a module with other parameters than its own."""

from __future__ import annotations

import warnings

import flambeau

__all__ = ["functional_call"]


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """The deprecated name of `flambeau.func.functional_call`.

    Args:
        module, parameters_and_buffers, args, kwargs, tie_weights, strict: as there.

    Shape:
        - as there.

    Example::

        >>> import flambeau, warnings
        >>> layer = flambeau.nn.Linear(2, 1, bias=False)
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     functional_call(layer, {"weight": flambeau.ones(1, 2)}, flambeau.ones(2))
        tensor([2.])
    """
    warnings.warn(
        "This API is deprecated as of PyTorch 2.0 and will be removed in a future version of "
        "PyTorch. Please use torch.func.functional_call instead which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return flambeau.func.functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
