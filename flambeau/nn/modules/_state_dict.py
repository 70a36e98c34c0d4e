"""What a module saves and how it loads it again: ``state_dict`` and ``load_state_dict``."""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping

import flambeau

from ...utils.hooks import RemovableHandle
from ..parameter import Parameter, is_lazy
from ._hooks import _register, _WrappedHook

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(
    namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"]),
):
    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _Errors(list):
    """What is wrong with a state dictionary. Loading one that does not fit changes nothing: where
    nobody takes part, it is tried first without a write (``trial``); else each write is kept, to be
    taken back (``written``)."""

    trial = False
    written: list | None = None

    def take_back(self) -> None:
        for undo in reversed(self.written or []):
            undo()


def _takes_part(module) -> bool:
    """Whether code of the program's runs when ``module`` loads its entries."""
    own = type(module)._load_from_state_dict
    return bool(
        module._load_state_dict_pre_hooks
        or module._load_state_dict_post_hooks
        or _overrides(module, "set_extra_state")
        or not own.__module__.startswith("flambeau.nn.modules.")
    )


class Stateful:
    """The part of `Module` that writes and reads state dictionaries."""

    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict
    _state_dict_pre_hooks: OrderedDict
    _load_state_dict_pre_hooks: OrderedDict
    _load_state_dict_post_hooks: OrderedDict

    # Written next to a module's entries, so that a later class can tell an older layout.
    _version: int = 1

    def _register_state_dict_hook(self, hook) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` at the end of `state_dict`; a
        result replaces the dictionary."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "_register_state_dict_hook: this function is already registered by "
                "register_state_dict_post_hook, whose hooks may not return a value; register a "
                "different function."
            )
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` at the end of `state_dict`; it
        may change the dictionary in place and must return None."""
        hook._from_public_api = True
        return _register(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` collects anything."""
        return _register(self._state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module: bool = False):
        wrapped = _WrappedHook(hook, self if with_module else None)
        return _register(self._load_state_dict_pre_hooks, wrapped)

    def register_load_state_dict_pre_hook(self, hook) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)`` before this module loads its entries."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after this module and its children have loaded;
        it may edit the two lists and must return None."""
        return _register(self._load_state_dict_post_hooks, hook)

    def get_extra_state(self):
        """Override, with `set_extra_state`, to keep more than tensors in the state dictionary."""
        raise RuntimeError(
            "get_extra_state: not defined by this module; override both get_extra_state and "
            "set_extra_state."
        )

    def set_extra_state(self, state) -> None:
        """Take back what `get_extra_state` gave."""
        raise RuntimeError(
            "set_extra_state: not defined by this module; override both get_extra_state and "
            "set_extra_state."
        )

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False):
        """Parameters and persistent buffers of this module and its children, by dotted name.

        Args:
            destination: a dictionary to fill; a new one when None.
            prefix: put in front of each name.
            keep_vars: give the parameters themselves, not detached ones that share their memory.

        Example::

            >>> import flambeau
            >>> list(flambeau.nn.Linear(2, 3).state_dict())
            ['weight', 'bias']
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead: "
                "state_dict(destination=..., prefix=..., keep_vars=...)",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args))
            destination = destination if destination is not None else given["destination"]
            prefix = prefix or given.get("prefix", "")
            keep_vars = keep_vars or given.get("keep_vars", False)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local_metadata)
            if result is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict: a post-hook must return None.")
            destination = result
        return destination

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        """Put this module's own entries, not its children's, into ``destination``."""
        for name, tensor in itertools.chain(self._parameters.items(), self._persistent_buffers()):
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if _overrides(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def _persistent_buffers(self):
        return (
            item
            for item in self._buffers.items()
            if item[0] not in self._non_persistent_buffers_set
        )

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):
        """Copy the entries of ``state_dict`` into this module and its children. Where one does not
        fit, nothing is changed.

        Args:
            state_dict: names and tensors as `state_dict` gives them.
            strict: whether names that are missing or left over are an error.
            assign: take the tensors of ``state_dict`` themselves, with their dtype and device, in
                place of copying them.

        Returns:
            a named tuple of ``missing_keys`` and ``unexpected_keys``.

        Example::

            >>> import flambeau
            >>> a, b = flambeau.nn.Linear(2, 3), flambeau.nn.Linear(2, 3)
            >>> b.load_state_dict(a.state_dict())
            <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected a mapping of names to tensors, got {type(state_dict)}."
            )
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)
        if metadata is not None:
            state_dict._metadata = metadata
        errors = _Errors()
        if any(_takes_part(module) for module in self.modules()):  # type: ignore[attr-defined]
            errors.written = []
        else:
            errors.trial = True
            self._load_whole(OrderedDict(state_dict), metadata or {}, assign, strict, errors)
            errors = _Errors()
        try:
            return self._load_whole(state_dict, metadata or {}, assign, strict, errors)
        except BaseException:
            errors.take_back()
            raise

    def _load_whole(self, state_dict, metadata, assign: bool, strict: bool, errors: _Errors):
        keys = _IncompatibleKeys([], [])
        tied = _tied(self) if assign else []
        self._load_tree(state_dict, "", metadata, assign, keys, errors)
        for tensor, places in tied if not errors.trial else ():
            _tie_again(tensor, places)
        if strict:
            for what, names in (("Unexpected", keys[1]), ("Missing", keys.missing_keys)):
                if names:
                    listed = ", ".join(f'"{name}"' for name in names)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(errors)
            )
        return keys

    def _load_tree(self, state_dict, prefix, metadata, assign, keys, errors) -> None:
        """Load this module from the entries that start with ``prefix``, then its children."""
        local_metadata = metadata.get(prefix[:-1], {})
        if assign:
            local_metadata["assign_to_params_buffers"] = assign
        self._load_from_state_dict(
            state_dict, prefix, local_metadata, True, keys.missing_keys, keys[1], errors
        )
        for name, child in self._modules.items():
            if child is not None:
                inner = f"{prefix}{name}."
                entries = {k: v for k, v in state_dict.items() if k.startswith(inner)}
                Stateful._load_tree(child, entries, inner, metadata, assign, keys, errors)
        for hook in self._load_state_dict_post_hooks.values():
            if hook(self, keys) is not None:
                raise AssertionError(
                    "load_state_dict: a post-hook must return None; edit the lists in place."
                )

    def _load_from_state_dict(
        self,
        state_dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own entries. Problems are added to the three lists, not raised."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = {
            name: tensor
            for name, tensor in itertools.chain(
                self._parameters.items(), self._persistent_buffers()
            )
            if tensor is not None
        }
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                error = _load_entry(self, name, tensor, key, state_dict[key], assign, error_msgs)
                if error is not None:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if _overrides(self, "set_extra_state"):
            if extra_key in state_dict:
                self.set_extra_state(state_dict[extra_key])
            elif strict:
                missing_keys.append(extra_key)
        elif strict and extra_key in state_dict:
            unexpected_keys.append(extra_key)

        if not strict:
            return
        for key in state_dict:
            if not key.startswith(prefix) or key == extra_key:
                continue
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (self._modules if dot else own):
                unexpected_keys.append(key)


def _tied(module) -> list:
    """Tensors that a module and its children hold under several names, with their places."""
    found: dict[int, tuple] = {}
    for each in module.modules():
        for held in (each._parameters, each._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    found.setdefault(id(tensor), (tensor, []))[1].append((held, name))
    return [entry for entry in found.values() if len(entry[1]) > 1]


def _tie_again(tensor, places) -> None:
    """Put the last of the tensors that took the place of ``tensor`` under all its names."""
    taken = [held[name] for held, name in places if held[name] is not tensor]
    if taken:
        for held, name in places:
            held[name] = taken[-1]


def _overrides(module, method: str) -> bool:
    return getattr(type(module), method) is not getattr(Stateful, method)


def _load_entry(
    module, name: str, tensor, key: str, value, assign: bool, errors: list[str]
) -> str | None:
    """Load ``value`` into ``module.<name>``, which is ``tensor``; say what is wrong if it is."""
    if not isinstance(value, flambeau.Tensor):
        return (
            f'While copying the parameter named "{key}", expected flambeau.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
    if is_lazy(value):
        if is_lazy(tensor):
            return None  # neither has a shape yet
        return (
            f'While copying the parameter named "{key}": the checkpoint holds an uninitialized '
            f"one, and the module's has shape {tensor.shape}. Call the lazy module once before "
            "its state dictionary is saved."
        )
    if tensor.dim() == 0 and value.dim() == 1:
        value = value[0]  # files of PyTorch 0.3 and older hold scalars as one-element vectors
    if value.shape != tensor.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {tensor.shape}."
        )
    if getattr(errors, "trial", False):
        try:
            _try_entry(value, tensor, assign)
        except Exception as error:
            return _failed(key, tensor, value, error)
        if assign or not tensor.is_inference() or flambeau.is_inference_mode_enabled():
            return None
        return f"{key} was made in inference mode and cannot be changed outside of it."
    written = getattr(errors, "written", None)
    if written is not None:
        written.append(_undo(module, name, tensor, assign))
    if tensor.is_meta and not value.is_meta and not assign:
        warnings.warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter "
            "in the current model, which is a no-op. (Did you mean to pass `assign=True` to "
            "assign items in the state dictionary to their corresponding key in the module "
            "instead of copying them in place?)",
            stacklevel=6,
        )
    try:
        if assign:
            setattr(module, name, _as_entry(value, tensor))
        else:
            with flambeau.no_grad():
                tensor.copy_(value)
    except Exception as error:
        return _failed(key, tensor, value, error)
    return None


def _failed(key: str, tensor, value, error: Exception) -> str:
    return (
        f'While copying the parameter named "{key}", whose dimensions in the model are '
        f"{tensor.size()} and whose dimensions in the checkpoint are {value.size()}, an "
        f"exception occurred : {error.args}."
    )


_PLAIN = (flambeau.Tensor, Parameter)


def _try_entry(value, tensor, assign: bool) -> None:
    """Raise what loading ``value`` into ``tensor`` would, without writing: one element tells what
    there is to say of dtypes, devices and memory that is gone."""
    if assign:
        if isinstance(tensor, Parameter) and tensor.requires_grad:
            flambeau.empty(0, dtype=value.dtype).requires_grad_()
        return
    if tensor.is_meta or type(value) not in _PLAIN or type(tensor) not in _PLAIN:
        return
    if any(n > 1 and step == 0 for n, step in zip(tensor.shape, tensor.stride())):
        raise RuntimeError("elements of the tensor share memory: it is expanded; clone() it first")
    with flambeau.no_grad():
        kept = _last_element(tensor).clone()
        kept.copy_(_last_element(value))


def _last_element(tensor):
    """A view of the one farthest in memory, or of none."""
    plain = tensor.detach()
    return plain[tuple(slice(-1, None) for _ in plain.shape)] if plain.dim() else plain


def _undo(module, name: str, tensor, assign: bool):
    """What takes a write back."""
    if assign:
        return lambda: setattr(module, name, tensor)
    before = tensor.detach().clone()

    def copy_back() -> None:
        with flambeau.no_grad():
            tensor.copy_(before)

    return copy_back


def _as_entry(value, tensor):
    """``value`` in the role of ``tensor``: a parameter takes the place of a parameter."""
    if not isinstance(tensor, Parameter):
        return value
    if isinstance(value, Parameter):
        return value.requires_grad_(tensor.requires_grad)
    return Parameter(value, requires_grad=tensor.requires_grad)
