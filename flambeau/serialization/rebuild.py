"""How tensors are put together again from what a file says of them."""

from __future__ import annotations

import sys

import flambeau
from flambeau._tensor import rebuild_meta_tensor, rebuild_tensor

from .errors import Damaged, short
from .limits import sizes
from .objects import class_attribute, write_state
from .unpickler import Callable, UserClass

# The storage classes by which files name these dtypes. Tensors of all others carry their dtype.
TYPED_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
}


class MetaStorage:
    """Stands for a storage on the meta device, which has a size and no bytes."""

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self.device = flambeau.device("meta")

    def nbytes(self) -> int:
        return self._nbytes


class Lost(MetaStorage):
    """Stands for a storage whose bytes are damaged, and for the tensors that see it."""

    def __init__(self, nbytes: int, key: str) -> None:
        super().__init__(nbytes)
        self.key = key


class TypedStorage:
    """A storage together with the dtype under which a file names it; None: untyped."""

    def __init__(self, untyped, dtype) -> None:
        self.untyped = untyped
        self.dtype = dtype


class StorageType:
    """A storage class, as a file names it: what ``dtype`` its elements have; None: bytes.

    Example::

        >>> StorageType("FloatStorage").dtype
        torch.float32
    """

    def __init__(self, name: str) -> None:
        if name not in _STORAGE_DTYPES:
            raise KeyError(f'pickle storage type "{name}" is not recognized')
        dtype = _STORAGE_DTYPES[name]
        self.dtype = None if dtype is None else getattr(flambeau, dtype)


_STORAGE_DTYPES: dict[str, str | None] = {
    "UntypedStorage": None,
    **{storage: dtype for dtype, storage in TYPED_STORAGES.items()},
}


def normalize_storage_type(storage_type):
    """The class of this name in ``flambeau``.

    Example::

        >>> normalize_storage_type(flambeau.UntypedStorage) is flambeau.UntypedStorage
        True
    """
    return getattr(flambeau, storage_type.__name__)


def storage_to_tensor_type(storage):
    """The class beside the storage's that is named for its tensors; AttributeError if there is
    none, as for storages of bytes.

    Example::

        >>> hasattr(flambeau, "UntypedTensor")
        False
    """
    kind = type(storage)
    return getattr(sys.modules[kind.__module__], kind.__name__.replace("Storage", "Tensor"))


def tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    """The tensor of ``dtype`` that sees ``storage`` so. Hooks are never in a file."""
    size, stride = sizes(size), sizes(stride)
    if not isinstance(dtype, flambeau.dtype) or type(storage_offset) is not int:
        raise Damaged(f"a tensor has dtype {short(dtype)}, offset {short(storage_offset)}")
    if len(size) != len(stride) or min((storage_offset, *size, *stride), default=0) < 0:
        raise Damaged(f"a tensor has size {size}, stride {stride}, offset {storage_offset}")
    if not isinstance(storage, (flambeau.UntypedStorage, MetaStorage)):
        raise Damaged("a tensor has no storage")
    last = storage_offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and (last + 1) * dtype.itemsize > storage.nbytes():
        raise Damaged(f"a tensor of size {size}, stride {stride} goes past its storage's end")
    bits = metadata or {}
    if not isinstance(bits, dict) or bits.keys() - {"conj", "neg"}:
        raise Damaged(f"a tensor has the unknown properties {short(bits)}")
    if isinstance(storage, Lost):
        return storage
    if storage.device.type == "meta":
        return rebuild_meta_tensor(dtype, size, stride, requires_grad)
    return rebuild_tensor(storage, storage_offset, size, stride, requires_grad, dtype, bits)


def tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None):
    if not isinstance(storage, TypedStorage):
        raise Damaged("a tensor has no storage")
    return tensor_v3(
        storage.untyped,
        storage_offset,
        size,
        stride,
        requires_grad,
        backward_hooks,
        storage.dtype,
        metadata,
    )


def tensor_v1(storage, storage_offset, size, stride):
    return tensor_v2(storage, storage_offset, size, stride, False, None)


def meta_tensor(dtype, size, stride, requires_grad):
    if not isinstance(dtype, flambeau.dtype):
        raise Damaged(f"a tensor has dtype {short(dtype)}")
    return rebuild_meta_tensor(dtype, sizes(size), sizes(stride), requires_grad)


def parameter(data=None, requires_grad=True):
    from flambeau.nn import Parameter

    if isinstance(data, Lost):
        return data
    if not isinstance(data, (flambeau.Tensor, type(None))) or type(requires_grad) is not bool:
        raise Damaged(f"a parameter of {short(data)}, requires_grad={short(requires_grad)}")
    with flambeau._C.DisableTorchFunctionSubclass():  # which is code of the program
        return Parameter(data, requires_grad)


def parameter_of(data, requires_grad, backward_hooks):
    return parameter(data, requires_grad)


def parameter_with_state(data, requires_grad, backward_hooks, state):
    made = parameter(data, requires_grad)
    if not isinstance(made, Lost):
        write_state(made, state)
    return made


def from_type_v2(machine, function, kind, args, state):
    """A tensor with attributes, or of a subclass."""
    if not isinstance(function, Callable):
        raise Damaged(f"it calls {short(function)} to make a tensor")
    if function.copies or function.asks or not isinstance(args, (tuple, list)):
        raise Damaged(f"it makes a tensor of {short(args)}")
    tensor = function.function(*args)
    if isinstance(tensor, Lost):
        return tensor
    if not isinstance(tensor, flambeau.Tensor):
        raise Damaged(f"it makes {short(tensor)} where a tensor should be")
    rule = machine.rule(kind)
    if isinstance(rule, UserClass) and issubclass(rule.cls, flambeau.Tensor):
        tensor = tensor.as_subclass(rule.cls)
        own = class_attribute(rule.cls, "__setstate__")
        if own is not getattr(flambeau.Tensor, "__setstate__", None):
            rule.set_state(machine, tensor, state)
            return tensor
    elif kind is not flambeau.Tensor:
        raise Damaged(f"{short(kind)} is no class of tensors")
    if state:
        write_state(tensor, state)
    return tensor
