"""`Module`: a function with parameters, buffers and child modules.

Note [Reading parameters]
``self.weight`` fails as an ordinary attribute first, and only then finds the parameter: several
times the cost of a look into ``self._parameters``. Layers are called in tight loops and look there,
falling back on the attribute where something has moved the parameter (a parametrisation, say).
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict

import flambeau

from ...utils._zeroing import zero_in_place
from ..parameter import Buffer, Parameter
from . import _hooks
from ._hooks import (  # noqa: F401 - this module is where programs look for them
    CALL_HOOKS,
    HookDict,
    HookedCall,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_hooks_always_called,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    _has_any_global_hook,
    _WrappedHook,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._state_dict import (  # noqa: F401 - likewise
    _EXTRA_STATE_KEY_SUFFIX,
    Stateful,
    _IncompatibleKeys,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from typing_extensions import Self

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


def _addindent(text: str, spaces: int) -> str:
    """Indent all lines of ``text`` but the first."""
    return text.replace("\n", "\n" + " " * spaces)


def _typename(value) -> str:
    if isinstance(value, flambeau.Tensor):
        return value.type()
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _forward_unimplemented(self, *input) -> None:
    """What the module computes; every subclass defines it."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class Module(HookedCall, Stateful):
    """Base class of all networks and layers.

    A subclass assigns its `Parameter`s, `Buffer`s and child modules as attributes in ``__init__``
    (after ``super().__init__()``) and computes in ``forward``; calling the module runs its hooks
    and ``forward``.

    Shape:
        - whatever ``forward`` takes and gives.

    Example::

        >>> import flambeau
        >>> from flambeau import nn
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = nn.Linear(4, 8)
        ...         self.out = nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.out(self.hidden(x).relu())
        >>> Net()(flambeau.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    dump_patches: bool = False
    training: bool
    # Set by a subclass that has further base classes whose __init__ wants the arguments.
    call_super_init: bool = False

    def __init__(self, *args, **kwargs) -> None:
        if not self.call_super_init and (args or kwargs):
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'")
            raise TypeError(f"{name} takes 1 positional argument but {len(args) + 1} were given")
        # Straight into the instance dictionary: __setattr__ has nothing to find yet.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=HookDict(),
            _backward_hooks=HookDict(),
            _is_full_backward_hook=None,
            _forward_hooks=HookDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=HookDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # An attribute and no method: a subclass takes what arguments it wants.
    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args, **kwargs) -> Any:
        # See Note [When a call may skip the hooks].
        if _hooks.ever_used:
            return self._call_impl(*args, **kwargs)
        if kwargs:
            return self.forward(*args, **kwargs)
        return self.forward(*args)

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn) -> None:
        _hooks.warn_non_full_backward_hook(inputs, result, grad_fn)

    # ---- attributes

    def __getattr__(self, name: str):
        # Only reached when ordinary look-up fails, and then often: so no loop.
        members = self.__dict__
        if "_modules" in members:
            if name in members["_parameters"]:
                return members["_parameters"][name]
            if name in members["_modules"]:
                return members["_modules"][name]
            if name in members["_buffers"]:
                return members["_buffers"][name]
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self
        )

    def __setattr__(self, name: str, value) -> None:
        members = self.__dict__
        if isinstance(value, Module):
            self._set_module(name, value)
        elif isinstance(value, flambeau.Tensor):
            self._set_tensor(name, value)
        elif name in members.get("_parameters", ()):
            if value is not None:
                raise TypeError(self._cannot_assign(value, name, "parameter", "nn.Parameter"))
            self.register_parameter(name, None)
        elif name in members.get("_modules", ()):
            if value is not None:
                raise TypeError(self._cannot_assign(value, name, "child module", "nn.Module"))
            self._set_module(name, None)
        elif name in members.get("_buffers", ()):
            if value is not None:
                raise TypeError(
                    self._cannot_assign(value, name, "buffer", "nn.Buffer, flambeau.Tensor")
                )
            self._set_buffer(name, None)
        else:
            if name in CALL_HOOKS and not (isinstance(value, HookDict) and not value):
                _hooks.note_hook()
            super().__setattr__(name, value)

    def _cannot_assign(self, value, name: str, role: str, expected: str) -> str:
        return (
            f"cannot assign '{_typename(value)}' as {role} '{name}' "
            f"(flambeau.{expected} or None expected)"
        )

    def _set_module(self, name: str, module) -> None:
        members = self.__dict__
        if "_modules" not in members:
            raise AttributeError("cannot assign module before Module.__init__() call")
        if name in members["_parameters"] and module is not None:
            raise TypeError(self._cannot_assign(module, name, "parameter", "nn.Parameter"))
        if module is not None:
            self._forget(name, keep="_modules")
        for hook in _global_module_registration_hooks.values():
            replaced = hook(self, name, module)
            if replaced is not None:
                module = replaced
        members["_modules"][name] = module

    def _set_tensor(self, name: str, tensor) -> None:
        members = self.__dict__
        if isinstance(tensor, Parameter):
            if "_parameters" not in members:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, keep="_parameters")
            self.register_parameter(name, tensor)
        elif name in members.get("_parameters", ()):
            raise TypeError(self._cannot_assign(tensor, name, "parameter", "nn.Parameter"))
        elif name in members.get("_modules", ()):
            raise TypeError(self._cannot_assign(tensor, name, "child module", "nn.Module"))
        elif isinstance(tensor, Buffer) or name in members.get("_buffers", ()):
            self._set_buffer(name, tensor)
        else:
            super().__setattr__(name, tensor)

    def _set_buffer(self, name: str, tensor) -> None:
        """Assign to a buffer's name. A `Buffer` says itself whether it is persistent, anything
        else leaves that as it is."""
        members = self.__dict__
        if "_buffers" not in members:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        if name not in members["_buffers"]:
            self._forget(name, keep="_buffers")
        for hook in _global_buffer_registration_hooks.values():
            replaced = hook(self, name, tensor)
            if replaced is not None:
                tensor = replaced
        members["_buffers"][name] = tensor
        if isinstance(tensor, Buffer):
            self._set_persistent(name, tensor.persistent)

    def _set_persistent(self, name: str, persistent: bool) -> None:
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def _forget(self, name: str, keep: str) -> None:
        """Take ``name`` out of every place but ``keep``, before it is registered there."""
        members = self.__dict__
        members.pop(name, None)
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind != keep:
                members[kind].pop(name, None)
        if keep != "_buffers":
            self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        }
        # The numbered children of a container are no attributes that one could write.
        return sorted(name for name in names if not name[0].isdigit())

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        fresh = Module()
        for name, value in fresh.__dict__.items():
            if name not in self.__dict__ and name != "training":
                self.__dict__[name] = value
        for kind in CALL_HOOKS:
            if not isinstance(self.__dict__[kind], HookDict):
                self.__dict__[kind] = HookDict(self.__dict__[kind])

    # ---- registration

    def _check_new_name(self, function: str, name, registered: dict) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{function}: the name should be a string, got {_typename(name)}")
        if "." in name:
            raise KeyError(f'{function}: the name can\'t contain ".", got "{name}"')
        if name == "":
            raise KeyError(f'{function}: the name can\'t be the empty string ""')
        if hasattr(self, name) and name not in registered:
            raise KeyError(f"{function}: attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor, persistent: bool = True) -> None:
        """Add a buffer: a tensor that moves and is saved with the module but is not trained.

        ``persistent=False`` keeps it out of ``state_dict``. None reserves the name.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_new_name("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, flambeau.Tensor):
            raise TypeError(self._cannot_assign(tensor, name, "buffer", "Tensor"))
        for hook in _global_buffer_registration_hooks.values():
            replaced = hook(self, name, tensor)
            if replaced is not None:
                tensor = replaced
        self._buffers[name] = tensor
        self._set_persistent(name, persistent)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter. None reserves the name: no parameter, and none in ``state_dict``."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_new_name("register_parameter", name, self._parameters)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(self._cannot_assign(param, name, "parameter", "nn.Parameter"))
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
        for hook in _global_parameter_registration_hooks.values():
            replaced = hook(self, name, param)
            if replaced is not None:
                param = replaced
        self._parameters[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module. None reserves the name."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"add_module: {_typename(module)} is not a Module subclass")
        self._check_new_name("add_module", name, self._modules)
        for hook in _global_module_registration_hooks.values():
            replaced = hook(self, name, module)
            if replaced is not None:
                module = replaced
        self._modules[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Alias of `add_module`."""
        self.add_module(name, module)

    # ---- look-up by dotted name

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path ``target``; the module itself for ``""``."""
        module = self
        if target == "":
            return module
        for name in target.split("."):
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at the dotted path ``target``; with ``strict`` only over a module that is
        there already."""
        if target == "":
            raise ValueError("set_submodule: cannot set the module itself; name a child of it.")
        if not isinstance(module, Module):
            raise ValueError(f"set_submodule: {module!r} is not an nn.Module")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path ``target``."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        param = getattr(module, name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str):
        """The buffer at the dotted path ``target``."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(module, name)

    # ---- walking the tree

    def _named_members(
        self, get_members_fn, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ):
        """``(name, value)`` for what ``get_members_fn`` gives of each module of the tree."""
        seen: set = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for module_prefix, module in modules:
            for name, value in get_members_fn(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield (f"{module_prefix}.{name}" if module_prefix else name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once; this module's own only, unless ``recurse``."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """``(dotted name, parameter)`` pairs."""
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[flambeau.Tensor]:
        """All buffers, each once; this module's own only, unless ``recurse``."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, flambeau.Tensor]]:
        """``(dotted name, buffer)`` pairs."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def children(self) -> Iterator[Module]:
        """The direct child modules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """``(name, module)`` for the direct child modules, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """``(dotted name, module)`` for this module and all below it, parents first."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                inner = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, inner, remove_duplicate)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module of the tree, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below; Dropout and the like depend on it."""
        if not isinstance(mode, bool):
            raise ValueError("train: mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Turn gradients of all parameters on or off."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or zero them in place."""
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. "
                "The parameters are copied (in a differentiable manner) from the original module.",
                stacklevel=2,
            )
        held = [param for param in self.parameters() if param.grad is not None]
        if set_to_none:
            for param in held:
                param.grad = None
        else:
            zero_in_place(param.grad for param in held)

    # ---- conversion

    def _apply(self, fn, recurse: bool = True):
        """Replace every parameter, gradient and buffer by what ``fn`` makes of it: all of them, or
        none where ``fn`` raises."""
        outermost = not isinstance(fn, _Conversion)
        conversion = _Conversion(fn) if outermost else fn
        try:
            if recurse:
                for module in self.children():
                    module._apply(conversion)
            for name, param in self._parameters.items():
                if param is not None:
                    conversion.put(self._parameters, name, conversion.parameter(param))
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    conversion.put(self._buffers, name, conversion(buffer))
        except BaseException:
            if outermost:
                conversion.take_back()
            raise
        return self

    def to(self, *args, **kwargs) -> Self:
        """Move and cast parameters and buffers in place: ``to(device)``, ``to(dtype)``,
        ``to(device, dtype)``, ``to(tensor)``, each with ``non_blocking`` and ``memory_format``.

        Only floating-point and complex tensors change dtype.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors "
                "as parameters or buffers.",
                stacklevel=2,
            )

        def convert(tensor):
            options = {}
            if memory_format is not None and tensor.dim() in (4, 5):
                options["memory_format"] = memory_format
            castable = tensor.is_floating_point() or tensor.is_complex()
            target = dtype if castable and dtype is not None else tensor.dtype
            return tensor.to(device or tensor.device, target, non_blocking, **options)

        return self._apply(convert)

    def _cast_floating(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._cast_floating(flambeau.float32)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._cast_floating(flambeau.float64)

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._cast_floating(flambeau.float16)

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._cast_floating(flambeau.bfloat16)

    def type(self, dst_type) -> Self:
        """Cast all parameters and buffers, whatever they hold, to ``dst_type``."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None) -> Self:
        """Move parameters and buffers to a CUDA device."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device=None) -> Self:
        """Move parameters and buffers to an XPU device."""
        return self._apply(lambda t: t.xpu(device))

    def mtia(self, device=None) -> Self:
        """Move parameters and buffers to an MTIA device."""
        return self._apply(lambda t: t.mtia(device))

    def ipu(self, device=None) -> Self:
        """Move parameters and buffers to an IPU device."""
        return self._apply(lambda t: t.ipu(device))

    def to_empty(self, *, device, recurse: bool = True) -> Self:
        """Move to ``device`` without copying: memory is allocated and left as it comes."""
        return self._apply(lambda t: flambeau.empty_like(t, device=device), recurse=recurse)

    def share_memory(self) -> Self:
        """Move parameters and buffers to memory that forked processes share."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args, **kwargs) -> None:
        """Compile `forward`; there is no compiler yet."""
        raise NotImplementedError("Module.compile: flambeau has no compiler yet.")

    # ---- printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of ``repr``; layers list their settings here."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if not child_lines and len(extra_lines) <= 1:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(extra_lines + child_lines) + "\n)"


class _Conversion:
    """A function of tensors on its way through a module, with what it has replaced so far."""

    def __init__(self, fn) -> None:
        self.fn = fn
        self.undo: list = []

    def __call__(self, tensor):
        made = self.fn(tensor)
        if not isinstance(made, flambeau.Tensor):
            raise TypeError(
                "_apply: the function must return a Tensor for each Tensor, got "
                f"{type(made).__name__}"
            )
        return made

    def take_back(self) -> None:
        for undo in reversed(self.undo):
            undo()

    def put(self, place: dict, name: str, value) -> None:
        self.undo.append(functools.partial(place.__setitem__, name, place[name]))
        place[name] = value

    def assign(self, tensor, name: str, value) -> None:
        self.undo.append(functools.partial(setattr, tensor, name, getattr(tensor, name)))
        setattr(tensor, name, value)

    def parameter(self, param):
        """What becomes of a parameter. The object stays the same where it can, because optimisers
        hold it; its gradient follows."""
        grad = param.grad
        with flambeau.no_grad():
            converted = self(param)
            converted_grad = None if grad is None else self(grad)
        if _can_hold(param, converted):
            self.assign(param, "data", converted)
        else:
            param = Parameter(converted, param.requires_grad)
        if grad is not None:
            if _can_hold(grad, converted_grad):
                self.assign(grad, "data", converted_grad)
            else:
                grad = converted_grad.requires_grad_(grad.requires_grad)
            self.assign(param, "grad", grad)
        return param


def _can_hold(tensor, value) -> bool:
    """Whether ``tensor.data = value`` is possible: both have memory, or neither has."""
    return tensor.is_meta == value.is_meta and tensor.layout == value.layout


def _parse_to(*args, **kwargs):
    """``(device, dtype, non_blocking, memory_format)`` from the forms that ``to`` accepts."""
    allowed = ("device", "dtype", "non_blocking", "copy", "memory_format", "other", "tensor")
    for name in kwargs:
        if name not in allowed:
            raise TypeError(f"to: unexpected keyword argument '{name}'")
    if "copy" in kwargs:
        raise RuntimeError(".to() does not accept copy argument")
    device = kwargs.get("device")
    dtype = kwargs.get("dtype")
    rest = list(args)
    other = kwargs.get("tensor", kwargs.get("other"))
    if rest and isinstance(rest[0], flambeau.Tensor):
        other = rest.pop(0)
    if other is not None:
        device, dtype = other.device, other.dtype
    else:
        if rest and not isinstance(rest[0], (flambeau.dtype, bool)):
            device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], flambeau.dtype)):
            dtype = rest.pop(0)
    if len(rest) > 1 or (rest and not isinstance(rest[0], bool)):
        raise TypeError(
            f"to: unexpected arguments {args}; give a device, a dtype, both in this order, or a "
            "tensor, then optionally non_blocking."
        )
    non_blocking = rest[0] if rest else kwargs.get("non_blocking", False)
    if dtype is not None and not isinstance(dtype, flambeau.dtype):
        raise TypeError(f"to: dtype must be a flambeau.dtype, got {type(dtype).__name__}")
    if device is not None and not isinstance(device, flambeau.device):
        device = flambeau.device(device)
    return device, dtype, non_blocking, kwargs.get("memory_format")
