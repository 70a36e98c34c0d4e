"""Methods of Tensor that are Python: protocols and conveniences that no inner loop uses.

The core attaches names that import this module on their first call; importing it puts the functions
below in their place.
"""

from __future__ import annotations

import copy
import copyreg
import warnings
from functools import wraps
from numbers import Number

import flambeau
from flambeau import _C
from flambeau.overrides import handle_torch_function, has_torch_function

Tensor = _C.TensorBase


def _overridable(method):
    """Lets a subclass with ``__torch_function__`` answer for the method."""

    @wraps(method)
    def wrapped(self, *args, **kwargs):
        if type(self) is not Tensor or _C._len_torch_function_stack():
            relevant = (self, *(a for a in args if isinstance(a, Tensor)))
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, self, *args, **kwargs)
        return method(self, *args, **kwargs)

    wrapped.__qualname__ = f"Tensor.{method.__name__}"
    return wrapped


# ---- text


def __repr__(self, *, tensor_contents=None):
    from flambeau._tensor_str import _str

    return _str(self, tensor_contents=tensor_contents)


def __format__(self, spec):
    if self.dim() == 0 and not self.is_meta and type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


def __dir__(self):
    # `volatile` and the like of other libraries do not exist here, so nothing is left out.
    return sorted({*dir(type(self)), *self.__dict__})


# ---- containers


def __contains__(self, element):
    """Whether any element equals ``element``."""
    if isinstance(element, (Tensor, Number)):
        return bool((element == self).any().item())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


def __reversed__(self):
    """The tensor flipped along its first dimension."""
    return self if self.dim() == 0 else self.flip(0)


# ---- operators that are compositions


def __pos__(self):
    if self.dtype is flambeau.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return self


def __rdiv__(self, other):
    return self.reciprocal() * other


# ---- copies


def whole_storage(tensor):
    """The storage of a tensor, which has to hold all of its elements: an error where it does not
    any more."""
    tensor.data_ptr()  # which tells that the tensor is read
    return _C._storage_of(tensor)


def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "deepcopy: only Tensors created explicitly by the user (graph leaves) support the "
            "deepcopy protocol at the moment; copy tensor.detach() instead"
        )
    with flambeau.no_grad():
        if self.layout is flambeau.strided:
            result = self._new_over(copy.deepcopy(whole_storage(self), memo))
        else:  # what it consists of is for its layout, or its class, to copy
            result = self.detach().clone()
        if self.grad is not None:
            result.grad = copy.deepcopy(self.grad, memo)
        if self.requires_grad:
            result.requires_grad_()
    if type(result) is not type(self):
        result = _as_type_of(self, result)
    memo[id(self)] = result
    set_attributes(result, copy.deepcopy(_state_of(self), memo))
    return result


def _as_type_of(tensor, plain):
    made = plain.as_subclass(type(tensor)) if not plain.requires_grad else None
    if made is None:
        made = Tensor._make_subclass(type(tensor), plain, plain.requires_grad)
        made.grad = plain.grad
    if type(made) is not type(tensor):
        raise RuntimeError(
            f"deepcopy: the copy of a {type(tensor).__name__} became a {type(made).__name__}"
        )
    return made


def _new_over(self, storage):
    """A tensor of this geometry over another storage."""
    with _C.DisableTorchFunctionSubclass():
        made = flambeau.empty(0, dtype=self.dtype, device=self.device)
        made.set_(storage, self.storage_offset(), self.size(), self.stride())
        if self.is_conj():
            made = made.conj()
        if self.is_neg():
            made = flambeau._neg_view(made)
        return made


def _state_of(tensor):
    """Attributes and slots of an instance, or None when it has none."""
    slots = {n: getattr(tensor, n) for n in copyreg._slotnames(type(tensor)) if hasattr(tensor, n)}
    return (dict(tensor.__dict__), slots) if slots else dict(tensor.__dict__) or None


def _set_state(tensor, state):
    if hasattr(type(tensor), "__setstate__") and type(tensor).__setstate__ is not __setstate__:
        return tensor.__setstate__(state)
    set_attributes(tensor, state)


def set_attributes(tensor, state):
    """What `_state_of` gave, set on another tensor."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    for name, value in {**(attributes or {}), **(slots or {})}.items():
        setattr(tensor, name, value)


def __reduce_ex__(self, protocol):
    state = self.__getstate__() if _defines_getstate(type(self)) else _state_of(self)
    rebuild, args = _reduce_plain(self)
    if type(self) is Tensor and not state:
        return rebuild, args
    return _rebuild_subclass, (rebuild, type(self), args, state)


def _defines_getstate(kind):
    return getattr(kind, "__getstate__", None) is not getattr(object, "__getstate__", None)


def _reduce_plain(self):
    with _C.DisableTorchFunctionSubclass():
        if self.is_meta:
            args = (self.dtype, tuple(self.size()), self.stride(), self.requires_grad)
            return rebuild_meta_tensor, args
        bits = {name: True for name in ("conj", "neg") if getattr(self, f"is_{name}")()}
        return rebuild_tensor, (
            whole_storage(self),
            self.storage_offset(),
            tuple(self.size()),
            self.stride(),
            self.requires_grad,
            self.dtype,
            bits,
        )


def rebuild_tensor(storage, offset, size, stride, requires_grad, dtype, bits):
    """The tensor of ``dtype`` that sees ``storage`` so, and has the lazy ``bits``."""
    made = flambeau.empty(0, dtype=dtype, device=storage.device)
    made.set_(storage, offset, size, stride)
    if bits.get("conj"):
        made = made.conj()
    if bits.get("neg"):
        made = flambeau._neg_view(made)
    return made.requires_grad_(requires_grad)


def rebuild_storage(data, device):
    return flambeau.UntypedStorage.from_buffer(data).to(device)


def rebuild_meta_tensor(dtype, size, stride, requires_grad):
    made = flambeau.empty_strided(size, stride, dtype=dtype, device="meta")
    return made.requires_grad_(requires_grad)


def _rebuild_subclass(rebuild, kind, args, state):
    made = rebuild(*args)
    if type(made) is not kind:
        made = Tensor._make_subclass(kind, made.detach(), made.requires_grad)
    if state:
        _set_state(made, state)
    return made


def __setstate__(self, state):
    _set_state(self, state)


# ---- types by their old names


def type_(self, dtype=None, non_blocking=False):
    """The name of the old tensor type, or the tensor as another one.

    >>> flambeau.zeros(2).type()
    'torch.FloatTensor'
    >>> flambeau.zeros(2).type(flambeau.int64).dtype
    torch.int64
    """
    if dtype is None:
        return f"torch.{_C._legacy_type_name(self.dtype)}"
    return self.to(dtype_of_type(dtype, "type"))


def dtype_of_type(kind, asking):
    """The dtype that a dtype, an old type of tensors or the name of one means."""
    if isinstance(kind, flambeau.dtype):
        return kind
    name = kind.__name__ if isinstance(kind, type) else kind
    if not isinstance(name, str):
        raise TypeError(f"{asking}: dtype must be a type, str, or dtype object, not {kind!r}")
    short = name.removeprefix("torch.").removeprefix("flambeau.")
    for dtype in vars(_C).values():
        if isinstance(dtype, flambeau.dtype) and _C._legacy_type_name(dtype) == short:
            return dtype
    raise ValueError(f"{asking}: invalid type: '{name}' (as 'torch.FloatTensor')")


# ---- methods of functions that are Python


def _documented_as(name):
    """Gives a method the text of the function of that name."""

    def decorate(method):
        method.__doc__ = getattr(flambeau.functional, name).__doc__
        return method

    return decorate


@_documented_as("nonzero")
def nonzero(self, *, as_tuple=False):
    return flambeau.nonzero(self, as_tuple=as_tuple)


@_documented_as("unique")
def unique(self, sorted=True, return_inverse=False, return_counts=False, dim=None):
    return flambeau.unique(self, sorted, return_inverse, return_counts, dim)


@_documented_as("unique_consecutive")
def unique_consecutive(self, return_inverse=False, return_counts=False, dim=None):
    return flambeau.unique_consecutive(self, return_inverse, return_counts, dim)


@_documented_as("split")
def split(self, split_size, dim=0):
    return flambeau.split(self, split_size, dim)


@_documented_as("norm")
def norm(self, p="fro", dim=None, keepdim=False, dtype=None):
    return flambeau.norm(self, p, dim, keepdim, dtype=dtype)


# ---- NumPy's arrays as operands

_UFUNCS = {
    "nb_add": "add",
    "nb_subtract": "subtract",
    "nb_multiply": "multiply",
    "nb_remainder": "remainder",
    "nb_lshift": "left_shift",
    "nb_rshift": "right_shift",
    "nb_and": "bitwise_and",
    "nb_xor": "bitwise_xor",
    "nb_or": "bitwise_or",
    "nb_floor_divide": "floor_divide",
    "nb_matrix_multiply": "matmul",
    "nb_power": "power",
}


def __array_wrap__(self, array, context=None, return_scalar=False):
    """What NumPy computed of a tensor, as a tensor; truth values become uint8.

    >>> import numpy as np
    >>> flambeau.ones(2) * np.array([1., 2.])
    tensor([1., 2.], dtype=torch.float64)
    """
    if array.dtype == bool:
        array = array.astype("uint8")
    return flambeau.from_numpy(array)


def array_operator(slot, left, right):
    """The operator of ``slot`` where NumPy's own leaves it to the tensor: with the array first,
    and for comparisons."""
    if slot.startswith("__"):
        return getattr(left, slot)(flambeau.as_tensor(right))
    if slot == "nb_true_divide":
        return right.reciprocal() * left
    import numpy

    return getattr(numpy, _UFUNCS[slot])(left, right)


# ---- others


def module_load(self, other, assign=False):
    """What ``Module.load_state_dict`` makes of ``self`` when it loads ``other`` into it."""
    if assign:
        return other.detach()
    return self.copy_(other).detach()


def storage(self):
    """The storage; PyTorch's typed storages are deprecated, so this is ``untyped_storage()``."""
    warnings.warn(
        "Tensor.storage() gives the untyped storage: sizes and indices count bytes",
        UserWarning,
        stacklevel=2,
    )
    return self.untyped_storage()


_METHODS = {
    f.__name__.rstrip("_") if f is type_ else f.__name__: f
    for f in (
        __repr__,
        __format__,
        __dir__,
        __contains__,
        __reversed__,
        __pos__,
        __array_wrap__,
        __deepcopy__,
        __reduce_ex__,
        type_,
        nonzero,
        unique,
        unique_consecutive,
        split,
        norm,
        storage,
        module_load,
    )
}
for _name, _function in _METHODS.items():
    _function.__name__ = _name
    setattr(Tensor, _name, _overridable(_function))
Tensor.__setstate__ = __setstate__
Tensor._new_over = _new_over
Tensor.__rdiv__ = _overridable(__rdiv__)
_C._set_reflection("nb_true_divide", Tensor.__rdiv__)
