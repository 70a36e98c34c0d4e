"""`LazyModuleMixin`: layers that learn the shapes of their parameters from their first input."""

from __future__ import annotations

import itertools

import flambeau

from ..parameter import is_lazy

__all__: list[str] = []


class LazyModuleMixin:
    """Base class, before the layer's own, of layers whose parameters get their shapes from the
    first input.

    A subclass makes `UninitializedParameter`s and `UninitializedBuffer`s in ``__init__`` and
    defines ``initialize_parameters``, which is given the arguments of the first call and
    ``materialize``s them. After that call the layer is one of the class ``cls_to_become``. A state
    dictionary that is loaded before gives shapes as well; one that was saved before holds none.

    Shape:
        - as the layer that it becomes.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> class LazyScale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.weight = nn.UninitializedParameter()
        ...     def initialize_parameters(self, input):
        ...         if self.has_uninitialized_params():
        ...             self.weight.materialize(input.shape[-1:])
        ...             nn.init.ones_(self.weight)
        ...     def forward(self, input):
        ...         return input * self.weight
        >>> layer = LazyScale()
        >>> layer(flambeau.ones(2, 3)).shape, layer.weight.shape
        (torch.Size([2, 3]), torch.Size([3]))
    """

    # The class of the layer once it has its parameters; None: its own.
    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        # As other modules do, but that what has no shape cannot be detached.
        for name, tensor in itertools.chain(self._parameters.items(), self._persistent_buffers()):
            if tensor is not None:
                kept = keep_vars or is_lazy(tensor)
                destination[prefix + name] = tensor if kept else tensor.detach()

    def _lazy_load_hook(
        self,
        state_dict,
        prefix: str,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ) -> None:
        """Take shapes from the entries that are about to be loaded."""
        for name, tensor in itertools.chain(self._parameters.items(), self._buffers.items()):
            value = state_dict.get(prefix + name)
            if is_lazy(tensor) and value is not None and not is_lazy(value):
                with flambeau.no_grad():
                    tensor.materialize(value.shape)

    def initialize_parameters(self, *args, **kwargs) -> None:
        """Give the parameters their shapes and first values, from the arguments of a call."""
        raise NotImplementedError(f"{type(self).__name__} must define initialize_parameters")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this layer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _infer_parameters(self, module, args, kwargs=None) -> None:
        """The hook before the first forward; it takes itself away."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy "
            "forward pass to correctly initialize the modules"
        )
