"""The old types of tensors, one for each dtype: ``FloatTensor``, ``LongTensor`` and so on."""

from __future__ import annotations

import operator

import flambeau
from flambeau._absent import typed_tensors

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
]


class TypedTensor(type):
    """Makes tensors of a dtype; a tensor on the CPU of that dtype is an instance.

    >>> flambeau.LongTensor([1, 2])
    tensor([1, 2])
    >>> flambeau.FloatTensor(2, 3).shape
    torch.Size([2, 3])
    >>> isinstance(flambeau.zeros(1), flambeau.FloatTensor)
    True
    """

    dtype: flambeau.dtype

    def __call__(cls, *args, device=None):
        if device is not None and flambeau.device(device).type != "cpu":
            raise RuntimeError(
                f"{cls.__name__}: legacy constructor expects device type: cpu but device type: "
                f"{flambeau.device(device).type} was passed. Use flambeau.tensor(..., device=...)"
            )
        only = args[0] if len(args) == 1 else None
        if isinstance(only, flambeau.Size):
            return flambeau.empty(only, dtype=cls.dtype)
        if isinstance(only, flambeau.Tensor):
            if only.dtype is not cls.dtype:
                raise TypeError(
                    f"{cls.__name__}: expected a tensor of {cls.dtype}, got one of {only.dtype}: "
                    "convert it with .to()"
                )
            return only.detach()
        if only is not None and not hasattr(only, "__index__"):
            return flambeau.tensor(only, dtype=cls.dtype)
        try:
            sizes = [operator.index(a) for a in args] or [0]
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: expected sizes or one sequence: {error}") from None
        return flambeau.empty(sizes, dtype=cls.dtype)

    def __instancecheck__(cls, instance) -> bool:
        return (
            isinstance(instance, flambeau.Tensor)
            and instance.dtype is cls.dtype
            and instance.device.type == "cpu"
        )


def _typed(absent) -> TypedTensor:
    return TypedTensor(absent.__name__, (), {"__module__": "flambeau", "dtype": absent.dtype})


_types = {name: _typed(absent) for name, absent in typed_tensors("flambeau").items()}
BFloat16Tensor = _types["BFloat16Tensor"]
BoolTensor = _types["BoolTensor"]
ByteTensor = _types["ByteTensor"]
CharTensor = _types["CharTensor"]
DoubleTensor = _types["DoubleTensor"]
FloatTensor = _types["FloatTensor"]
HalfTensor = _types["HalfTensor"]
IntTensor = _types["IntTensor"]
LongTensor = _types["LongTensor"]
ShortTensor = _types["ShortTensor"]
