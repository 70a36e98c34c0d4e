"""Forward mode: tensors that carry a tangent along.

A dual tensor holds a value, the primal, and how it changes, the tangent. What is computed from it
inside a dual level holds both too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flambeau.func._levels import DualLevel

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

_levels: list[DualLevel] = []
# What a program gives as `level=`; -1: there is none. PyTorch's has this name too.
_current_level = -1


class UnpackedDualTensor(NamedTuple):
    """What :func:`unpack_dual` gives; the tangent is None where there is none.

    Shape:
        - both have the shape of the dual tensor.

    Example::

        >>> import flambeau as torch
        >>> import flambeau.autograd.forward_ad as fwAD
        >>> fwAD.UnpackedDualTensor(torch.ones(1), None).tangent is None
        True
    """

    primal: Any
    tangent: Any


def enter_dual_level() -> int:
    """Begin a dual level, and give its number. Prefer :class:`dual_level`, which also ends it.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau.autograd.forward_ad as fwAD
        >>> level = fwAD.enter_dual_level()
        >>> fwAD.exit_dual_level(level=level)
    """
    global _current_level
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(DualLevel().enter())
    _current_level = 0
    return _current_level


def exit_dual_level(*, level: int | None = None) -> None:
    """End the dual level: the tensors made in it are their values from here on.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau.autograd.forward_ad as fwAD
        >>> _ = fwAD.enter_dual_level()
        >>> fwAD.exit_dual_level()
    """
    global _current_level
    if level is None:
        level = _current_level
    if level != _current_level:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This "
            "is not supported."
        )
    if not _levels:
        raise RuntimeError("exit_dual_level: no dual level has begun")
    _levels.pop().leave()
    _current_level = -1


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """A dual tensor of a value and its tangent.

    Args:
        tensor: the primal.
        tangent: how it changes: a tensor of the same shape.
        level: the dual level; the current one by default.

    Shape:
        - as the tensor.

    Example::

        >>> import flambeau as torch
        >>> import flambeau.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
        ...     fwAD.unpack_dual(x**2).tangent
        tensor(6.)
    """
    if (_current_level if level is None else level) < 0 or not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for t, what in ((tensor, "primal"), (tangent, "tangent")):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    return _levels[-1].dual(tensor.view_as(tensor), tangent)


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a dual tensor; the tangent is None where there is none.

    Args:
        tensor: any tensor.
        level: the dual level; the current one by default.

    Shape:
        - both have the shape of the tensor.

    Example::

        >>> import flambeau as torch
        >>> import flambeau.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     x = fwAD.make_dual(torch.tensor([1.0]), torch.tensor([2.0]))
        ...     fwAD.unpack_dual(x)
        UnpackedDualTensor(primal=tensor([1.]), tangent=tensor([2.]))
    """
    if (_current_level if level is None else level) < 0 or not _levels:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*_levels[-1].pair(tensor))


class dual_level:
    """The scope of a dual level. Levels do not nest; :func:`flambeau.func.jvp` does.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau as torch
        >>> import flambeau.autograd.forward_ad as fwAD
        >>> with fwAD.dual_level():
        ...     x = fwAD.make_dual(torch.zeros(2), torch.ones(2))
        ...     fwAD.unpack_dual(x.sin()).tangent
        tensor([1., 1.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc_info: Any) -> None:
        exit_dual_level()

    def __call__(self, func: Any) -> Any:
        import functools

        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with dual_level():
                return func(*args, **kwargs)

        return wrapper


def __dir__() -> list[str]:
    return sorted(__all__)
