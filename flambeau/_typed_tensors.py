"""The old types of tensors, ``torch.LongTensor`` and so on: a way to make tensors of a dtype on the
CPU, and to ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau
from flambeau import _C

__all__ = ["TensorType"]


class TensorType(type):
    """The type of these types. ``isinstance(x, LongTensor)`` goes by the dtype of a tensor."""

    dtype: flambeau.dtype
    layout = flambeau.strided
    is_cuda = False
    is_sparse = False

    def __instancecheck__(cls, instance: Any) -> bool:
        return (
            isinstance(instance, flambeau.Tensor)
            and instance.dtype == cls.dtype
            and instance.device.type == "cpu"
            and instance.layout == flambeau.strided
        )

    def __call__(cls, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        name = cls.__name__
        if device is not None and flambeau.device(device).type != "cpu":
            raise RuntimeError(
                f"{name}: legacy constructor expects device type: cpu but device type: "
                f"{flambeau.device(device).type} was passed"
            )
        if kwargs:
            if args or len(kwargs) > 1 or not kwargs.keys() & {"data", "size", "other"}:
                raise TypeError(
                    f"{name}: expected sizes, one sequence, or one of data=, size= and other=, "
                    f"but got {[*args, *kwargs]}"
                )
            ((word, value),) = kwargs.items()
            args = tuple(value) if word == "size" else (value,)
        if all(type(size) is int for size in args):
            for size in args or (0,):
                if size < 0:
                    raise RuntimeError(
                        f"{name}: Trying to create tensor with negative dimension {size}: "
                        f"{list(args)}"
                    )
            return flambeau.empty(args or (0,), dtype=cls.dtype)
        if len(args) > 1:
            raise TypeError(f"{name}: expected sizes, all of them ints, or one sequence: {args}")
        (data,) = args
        if isinstance(data, flambeau.Size):
            return flambeau.empty(data, dtype=cls.dtype)
        if isinstance(data, _C.UntypedStorage):
            return flambeau.empty(0, dtype=cls.dtype).set_(data)
        if isinstance(data, flambeau.Tensor):
            if not isinstance(data, cls):
                raise TypeError(
                    f"{name}: expected a tensor of dtype {cls.dtype} on the CPU, but got "
                    f"{data.dtype} on {data.device}; convert it with .to(...)"
                )
            return data.detach().view(data.shape)
        array = hasattr(data, "__array__") and getattr(data, "ndim", 0) > 0
        if not array and (isinstance(data, (str, bytes)) or not isinstance(data, Sequence)):
            raise TypeError(f"{name}: data must be a sequence (got {type(data).__name__})")
        return flambeau.tensor(data, dtype=cls.dtype)


_NAMES = {
    "BFloat16Tensor": flambeau.bfloat16,
    "BoolTensor": flambeau.bool,
    "ByteTensor": flambeau.uint8,
    "CharTensor": flambeau.int8,
    "DoubleTensor": flambeau.float64,
    "FloatTensor": flambeau.float32,
    "HalfTensor": flambeau.float16,
    "IntTensor": flambeau.int32,
    "LongTensor": flambeau.int64,
    "ShortTensor": flambeau.int16,
}


def __getattr__(name: str) -> TensorType:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    doc = f"Makes a tensor of {_NAMES[name]} from sizes or a sequence; see `flambeau.tensor`."
    content = {"__module__": "flambeau", "__doc__": doc, "dtype": _NAMES[name]}
    globals()[name] = made = TensorType(name, (), content)
    return made
