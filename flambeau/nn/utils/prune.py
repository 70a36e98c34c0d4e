"""Weights that are held at zero by masks.

A pruned parameter is there as ``name_orig``, with its mask as the buffer ``name_mask``; ``name`` is
their product, which a hook recomputes before each forward call.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable

import flambeau

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


def _check_amount(amount) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if amount < 0 or (not whole and amount > 1):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _count(amount, size: int) -> int:
    """How many of ``size`` units ``amount`` is."""
    if not isinstance(amount, numbers.Integral):
        return round(amount * size)
    if amount > size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to prune={size}"
        )
    return int(amount)


def _channels(t, dim: int) -> int:
    """How many channels lie along ``dim``."""
    if t.dim() <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.dim()} dims"
        )
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")
    return t.shape[dim]


def _along(t, dim: int, index) -> tuple:
    where: list = [slice(None)] * t.dim()
    where[dim] = index
    return tuple(where)


class BasePruningMethod(ABC):
    """Base class of what makes masks. A subclass defines `compute_mask` and ``PRUNING_TYPE``:
    ``"unstructured"`` (elements), ``"structured"`` (channels along ``dim``) or ``"global"``.
    """

    _tensor_name: str
    PRUNING_TYPE = ""

    def __call__(self, module, inputs) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask for ``t``, on top of ``default_mask``."""

    def apply_mask(self, module):
        """The product of the original parameter and its mask."""
        name = getattr(self, "_tensor_name", None)
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, name + "_orig")
        return getattr(module, name + "_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune a parameter of ``module``; one that is pruned already, further."""
        keys = [
            key
            for key, hook in module._forward_pre_hooks.items()
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
        ]
        if len(keys) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module "
                f"{module}. Use a PruningContainer."
            )
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        before = module._forward_pre_hooks.pop(keys[0]) if keys else None
        if before is not None:
            container = before if isinstance(before, PruningContainer) else PruningContainer(before)
            container.add_pruning_method(method)
            method = container
        current = getattr(module, name)
        if importance_scores is None:
            importance_scores = current
        elif importance_scores.shape != current.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {importance_scores.shape} vs {current.shape}"
            )
        if before is None:
            module.register_parameter(name + "_orig", current)
            del module._parameters[name]
            mask = flambeau.ones_like(current)
        else:
            mask = getattr(module, name + "_mask").detach().clone()
        try:
            module.register_buffer(
                name + "_mask", method.compute_mask(importance_scores, default_mask=mask)
            )
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if before is None:
                module.register_parameter(name, module._parameters.pop(name + "_orig"))
            raise
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """``t`` times the mask for it."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, got "
                f"{importance_scores.shape} vs {t.shape}"
            )
        if default_mask is None:
            default_mask = flambeau.ones_like(t)
        return t * self.compute_mask(importance_scores, default_mask=default_mask)

    def remove(self, module) -> None:
        """Make the pruned tensor the parameter."""
        name = getattr(self, "_tensor_name", None)
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(name + "_orig")
        original.data = weight.data
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other: each prunes what those before have left.

    Args:
        args: the methods.
    """

    def __init__(self, *args) -> None:
        self._pruning_methods: tuple = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method) -> None:
        """One method more."""
        if method is not None:
            if not isinstance(method, BasePruningMethod):
                raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
            if self._tensor_name != method._tensor_name:
                raise ValueError(
                    f"Can only add pruning methods acting on the parameter named "
                    f"'{self._tensor_name}' to PruningContainer {self}. Found "
                    f"'{method._tensor_name}'"
                )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, idx):
        return self._pruning_methods[idx]

    def compute_mask(self, t, default_mask):
        method = self._pruning_methods[-1]
        kind = method.PRUNING_TYPE
        if kind == "unstructured":
            part = default_mask == 1
        elif kind == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` '
                    "defined."
                )
            dim = method.dim + t.dim() if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {t.dim()}")
            others = [d for d in range(t.dim()) if d != dim]
            part = _along(t, dim, default_mask.sum(dim=others) != 0)
        elif kind == "global":
            part = _along(t, 0, slice(None))
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
        mask = default_mask.to(t.dtype)
        with flambeau.no_grad():
            new = method.compute_mask(t[part], default_mask=default_mask[part])
            mask[part] = new.to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """A mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask

    @classmethod
    def apply(cls, module, name):  # type: ignore[override]
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Random elements.

    Args:
        amount: how many: a number, or a part from 0 to 1.
    """

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return _without_first(
            self.amount, t, default_mask, lambda: flambeau.rand_like(t).view(-1), largest=True
        )

    @classmethod
    def apply(cls, module, name, amount):  # type: ignore[override]
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """The elements nearest to zero.

    Args:
        amount: how many: a number, or a part from 0 to 1.
    """

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount) -> None:
        _check_amount(amount)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        return _without_first(
            self.amount, t, default_mask, lambda: t.detach().abs().reshape(-1), largest=False
        )

    @classmethod
    def apply(cls, module, name, amount, importance_scores=None):  # type: ignore[override]
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


def _without_first(amount, t, mask, scores, largest: bool):
    """``mask`` without the elements that come first by their score."""
    count = _count(amount, t.numel())
    mask = mask.clone(memory_format=flambeau.contiguous_format)
    if count:
        mask.view(-1)[flambeau.topk(scores(), k=count, largest=largest).indices] = 0
    return mask


class RandomStructured(BasePruningMethod):
    """Random channels.

    Args:
        amount: how many: a number, or a part from 0 to 1.
        dim: the dimension along which channels lie.
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.dim = dim

    def compute_mask(self, t, default_mask):
        size = _channels(t, self.dim)
        count = _count(self.amount, size)
        if count == 0:
            return default_mask
        chances = flambeau.rand(size)
        kept = chances > chances.sort().values[count - 1]
        mask = flambeau.zeros_like(t)
        with flambeau.no_grad():
            mask[_along(t, self.dim, kept)] = 1
        return mask.mul_(default_mask.to(mask.dtype))

    @classmethod
    def apply(cls, module, name, amount, dim: int = -1):  # type: ignore[override]
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """The channels of the smallest norm.

    Args:
        amount: how many: a number, or a part from 0 to 1.
        n: order of the norm.
        dim: the dimension along which channels lie.
    """

    PRUNING_TYPE = "structured"

    def __init__(self, amount, n, dim: int = -1) -> None:
        _check_amount(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def compute_mask(self, t, default_mask):
        size = _channels(t, self.dim)
        count = _count(self.amount, size)
        if count == 0:
            return default_mask
        others = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        norms = flambeau.norm(t.detach(), p=self.n, dim=others)
        kept = flambeau.topk(norms, k=size - count, largest=True).indices
        mask = flambeau.zeros_like(t)
        with flambeau.no_grad():
            mask[_along(t, self.dim, kept)] = 1
        return mask.mul_(default_mask.to(mask.dtype))

    @classmethod
    def apply(  # type: ignore[override]
        cls, module, name, amount, n, dim, importance_scores=None
    ):
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """A mask of the caller's.

    Args:
        mask: the mask.
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask) -> None:
        self.mask = mask

    def compute_mask(self, t, default_mask):
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)

    @classmethod
    def apply(cls, module, name, mask):  # type: ignore[override]
        return super().apply(module, name, mask=mask)


def identity(module, name: str):
    """Put the form of a pruned parameter in place, with a mask of ones.

    Args:
        module: the layer.
        name: which of its parameters.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = identity(flambeau.nn.Linear(2, 3), "bias")
        >>> layer.bias_mask
        tensor([1., 1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module, name: str, amount):
    """Hold random elements of a parameter at zero.

    Args:
        module: the layer.
        name: which of its parameters.
        amount: how many: a number, or a part from 0 to 1.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = random_unstructured(flambeau.nn.Linear(2, 3), "weight", amount=2)
        >>> int((layer.weight == 0).sum())
        2
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name: str, amount, importance_scores=None):
    """Hold the elements of a parameter that are nearest to zero there.

    Args:
        module: the layer.
        name: which of its parameters.
        amount: how many: a number, or a part from 0 to 1.
        importance_scores: a tensor to look at in place of the parameter.

    Shape:
        - importance_scores: as the parameter.

    Example::

        >>> import flambeau
        >>> layer = l1_unstructured(flambeau.nn.Linear(2, 3), "weight", amount=0.5)
        >>> int((layer.weight == 0).sum())
        3
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module, name: str, amount, dim: int):
    """Hold random channels of a parameter at zero.

    Args:
        module: the layer.
        name: which of its parameters.
        amount: how many: a number, or a part from 0 to 1.
        dim: the dimension along which channels lie.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = random_structured(flambeau.nn.Linear(2, 3), "weight", amount=1, dim=0)
        >>> int((layer.weight == 0).all(1).sum())
        1
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name: str, amount, n, dim: int, importance_scores=None):
    """Hold the channels of a parameter of the smallest norm at zero.

    Args:
        module: the layer.
        name: which of its parameters.
        amount: how many: a number, or a part from 0 to 1.
        n: order of the norm.
        dim: the dimension along which channels lie.
        importance_scores: a tensor to look at in place of the parameter.

    Shape:
        - importance_scores: as the parameter.

    Example::

        >>> import flambeau
        >>> layer = ln_structured(flambeau.nn.Linear(2, 3), "weight", amount=1, n=2, dim=0)
        >>> int((layer.weight == 0).all(1).sum())
        1
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs) -> None:
    """Prune elements of several parameters as if they were one.

    Args:
        parameters: pairs of a layer and a name.
        pruning_method: a class of unstructured pruning.
        importance_scores: tensors to look at in place of parameters, by such pairs.
        kwargs: arguments of the class.

    Shape:
        - importance_scores: as the parameters.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.Linear(2, 3)
        >>> global_unstructured([(layer, "weight"), (layer, "bias")], L1Unstructured, amount=4)
        >>> int((layer.weight == 0).sum() + (layer.bias == 0).sum())
        4
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = [tuple(pair) for pair in parameters]
    values = flambeau.cat([scores.get(pair, getattr(*pair)).detach().reshape(-1) for pair in pairs])
    masks = [
        getattr(module, name + "_mask", flambeau.ones_like(getattr(module, name)))
        for module, name in pairs
    ]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    container.add_pruning_method(method)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    whole = container.compute_mask(
        values, flambeau.cat([mask.reshape(-1) for mask in masks]).to(values.dtype)
    )
    for pair, mask, part in zip(pairs, masks, whole.split([mask.numel() for mask in masks])):
        custom_from_mask(*pair, mask=part.view_as(mask))


def custom_from_mask(module, name: str, mask):
    """Hold the elements of a parameter at zero where a mask is 0.

    Args:
        module: the layer.
        name: which of its parameters.
        mask: ones and zeros.

    Shape:
        - mask: as the parameter.

    Example::

        >>> import flambeau
        >>> layer = custom_from_mask(flambeau.nn.Linear(5, 3), "bias", flambeau.tensor([0, 1, 0]))
        >>> layer.bias_mask
        tensor([0., 1., 0.])
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module, name: str):
    """Make a pruned parameter a plain one, with its zeros.

    Args:
        module: the layer.
        name: which of its parameters.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> layer = remove(l1_unstructured(flambeau.nn.Linear(2, 3), "weight", 2), "weight")
        >>> sorted(layer.state_dict())
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module) -> bool:
    """Whether any parameter inside ``module`` is pruned.

    Args:
        module: a layer or network.

    Shape:
        - no tensors.

    Example::

        >>> import flambeau
        >>> is_pruned(flambeau.nn.Linear(2, 3))
        False
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for layer in module.modules()
        for hook in layer._forward_pre_hooks.values()
    )
