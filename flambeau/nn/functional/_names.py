"""Names that PyTorch's module has beside its functions, and that programs take from there."""

from __future__ import annotations

from flambeau import Tensor
from flambeau._jit_internal import BroadcastingList1, BroadcastingList2, BroadcastingList3
from flambeau.overrides import (
    handle_torch_function,
    has_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
)

from ._upsampling import _INTERPOLATION as GRID_SAMPLE_INTERPOLATION_MODES
from ._upsampling import _PADDING as GRID_SAMPLE_PADDING_MODES

TYPE_CHECKING = False

__all__ = [
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "GRID_SAMPLE_INTERPOLATION_MODES",
    "GRID_SAMPLE_PADDING_MODES",
    "TYPE_CHECKING",
    "Tensor",
    "assert_int_or_pair",
    "boolean_dispatch",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "reproducibility_notes",
    "sparse_support_notes",
    "tf32_notes",
]

# Sentences for the documentation of functions that are built on these.
reproducibility_notes = {
    "forward_reproducibility_note": "The results are the same in every run.",
    "backward_reproducibility_note": "The gradients are the same in every run.",
    "cudnn_reproducibility_note": "The results are the same in every run.",
}
sparse_support_notes = {
    "sparse_beta_warning": "Sparse tensors are not taken everywhere that dense ones are.",
}
tf32_notes = {"tf32_note": "Products of ``float32`` are as exact as ``float32`` is."}


def boolean_dispatch(arg_name, arg_index, default, if_true, if_false, module_name, func_name):
    """A function that calls ``if_true`` or ``if_false`` by the value of one of its arguments.

    Args:
        arg_name, arg_index, default: the name, the place and the default of that argument.
        if_true, if_false: the functions; both get all arguments.
        module_name, func_name: what the function shall be called, or None.

    Shape:
        - as of the two functions.

    Example::

        >>> sign = boolean_dispatch("up", 1, True, lambda x, up: x, lambda x, up: -x, None, "sign")
        >>> sign(2, True), sign(2, up=False)
        (2, -2)
    """

    def function(*args, **kwargs):
        chosen = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if chosen else if_false)(*args, **kwargs)

    function.__doc__ = if_true.__doc__ or if_false.__doc__
    function.__module__ = module_name or function.__module__
    function.__name__ = func_name or function.__name__
    return function


def assert_int_or_pair(vals, name: str, message: str) -> None:
    """Raise AssertionError unless ``vals`` is a number or has two.

    Args:
        vals: what is checked.
        name: stands in ``message`` in place of ``{}``.
        message: of the error.

    Shape:
        - no tensors.

    Example::

        >>> assert_int_or_pair([3, 4], "size", "{} has to be a number or a pair")
    """
    if not isinstance(vals, int) and len(vals) != 2:
        raise AssertionError(message.format(name))
