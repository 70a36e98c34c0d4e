"""What all optimisers share: groups of parameters, their state, hooks, and the fused step."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

import flambeau

from ..utils._zeroing import zero_in_place
from ..utils.hooks import RemovableHandle

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

_global_optimizer_pre_hooks: OrderedDict = OrderedDict()
_global_optimizer_post_hooks: OrderedDict = OrderedDict()


class _RequiredParameter:
    """A default that stands for: each group must say it itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

ParamsT: TypeAlias = (
    Iterable[flambeau.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, flambeau.Tensor]]
)


def _register(hooks: OrderedDict, hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_optimizer_step_pre_hook(hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before each step of every optimiser; a pair that it
    returns replaces the arguments.

    Shape:
        - no tensors.

    Example::

        >>> register_optimizer_step_pre_hook(lambda *args: None).remove()
    """
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after each step of every optimiser.

    Shape:
        - no tensors.

    Example::

        >>> register_optimizer_step_post_hook(lambda *args: None).remove()
    """
    return _register(_global_optimizer_post_hooks, hook)


def _hooked(step):
    """``step`` with the hooks of its optimiser and the global ones around it."""

    @functools.wraps(step)
    def hooked_step(self, *args, **kwargs):
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
        ):
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in (
            *_global_optimizer_pre_hooks.values(),
            *self._optimizer_step_pre_hooks.values(),
        ):
            replaced = hook(self, args, kwargs)
            if replaced is None:
                continue
            if not (isinstance(replaced, tuple) and len(replaced) == 2):
                raise RuntimeError(
                    "Optimizer.step: a pre-hook must return None or a tuple of (new_args, "
                    f"new_kwargs), but it returned {replaced}."
                )
            args, kwargs = replaced
        result = step(*args, **kwargs)
        for hook in (
            *self._optimizer_step_post_hooks.values(),
            *_global_optimizer_post_hooks.values(),
        ):
            hook(self, args, kwargs)
        return result

    hooked_step.hooked = True
    return hooked_step


def _typename(value) -> str:
    if isinstance(value, flambeau.Tensor):
        return value.type()
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


class Optimizer:
    """Base class of the optimisers. A subclass defines ``step``.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or dictionaries (groups) with the key
            ``"params"`` and options of their own.
        defaults: the options of groups that do not give them.

    Shape:
        - params: any.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.Linear(2, 1)
        >>> sgd = flambeau.optim.SGD(
        ...     [{"params": [layer.weight]}, {"params": [layer.bias], "lr": 0.5}], lr=0.1
        ... )
        >>> [group["lr"] for group in sgd.param_groups]
        [0.1, 0.5]
    """

    _optimizer_step_pre_hooks: OrderedDict
    _optimizer_step_post_hooks: OrderedDict
    _optimizer_state_dict_pre_hooks: OrderedDict
    _optimizer_state_dict_post_hooks: OrderedDict
    _optimizer_load_state_dict_pre_hooks: OrderedDict
    _optimizer_load_state_dict_post_hooks: OrderedDict

    def __init__(self, params, defaults: dict) -> None:
        self.defaults = defaults
        for name in Optimizer.__annotations__:
            setattr(self, name, OrderedDict())
        self._patch_step_function()
        if isinstance(params, flambeau.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                "dicts, but got " + _typename(params)
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict] = []
        groups = list(flambeau._C._fixed_tuple(params))
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    OptimizerPreHook = Callable[..., Any]
    OptimizerPostHook = Callable[..., None]

    @staticmethod
    def _group_tensors_by_device_and_dtype(tensorlistlist: list, with_indices: bool = False):
        """Lists that stand side by side, split by device and dtype of the first one's tensors:
        ``{(device, dtype): (lists, indices)}``."""
        groups: dict = {}
        for i, first in enumerate(tensorlistlist[0]):
            lists, indices = groups.setdefault(
                (first.device, first.dtype), ([[] for _ in tensorlistlist], [])
            )
            for values, tensors in zip(lists, tensorlistlist):
                if tensors:
                    values.append(tensors[i])
            if with_indices:
                indices.append(i)
        return groups

    def _patch_step_function(self) -> None:
        """Put the hooks around the class's ``step``, once for each class that defines one."""
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = _hooked(cls.step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for name in Optimizer.__annotations__:
            if name not in self.__dict__:
                setattr(self, name, OrderedDict())
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ---- hooks

    def register_step_pre_hook(self, hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; a pair that it returns replaces
        the arguments."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before `state_dict` collects anything."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` at the end of `state_dict`; a result replaces it."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; a result replaces the state."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # ---- saving and loading

    def state_dict(self) -> dict:
        """State and options, with each parameter replaced by its number.

        Example::

            >>> import flambeau
            >>> sgd = flambeau.optim.SGD([flambeau.zeros(2, requires_grad=True)], lr=0.1)
            >>> sgd.state_dict()["param_groups"][0]["params"]
            [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            (numbers[id(key)] if isinstance(key, flambeau.Tensor) else key): value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over state and options that `state_dict` gave. State tensors are copied, and get the
        dtype and device of their parameter, except ``step``."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        groups = self.param_groups
        saved = deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, not {len(groups)}"
            )
        for i, (mine, theirs) in enumerate(zip(groups, saved)):
            if len(mine["params"]) != len(theirs["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: group {i} has {len(theirs['params'])} parameters, not "
                    f"{len(mine['params'])}"
                )
        params = dict(
            zip(
                chain.from_iterable(group["params"] for group in saved),
                chain.from_iterable(group["params"] for group in groups),
            )
        )
        state: defaultdict = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                param = params[key]
                if not isinstance(value, Mapping):
                    raise TypeError(
                        f"loaded state dict has no dict as the state of parameter {key}, but "
                        f"{type(value).__name__}"
                    )
                self._check_loaded(param, value)
                state[param] = self._cast_state(param, value, key, saved)
            else:
                state[key] = value
        for mine, theirs in zip(groups, saved):
            theirs["params"] = mine["params"]
            if "param_names" in mine and "param_names" not in theirs:
                theirs["param_names"] = mine["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _check_loaded(self, param, state: Mapping) -> None:
        """Refuse a state that `step` could not go on from. Subclasses know theirs."""

    def _cast_state(self, param, value, number: int, groups: list[dict], key: Hashable = None):
        """``value`` with its tensors, at whatever depth, fit for ``param``."""
        if isinstance(value, flambeau.Tensor):
            return Optimizer._process_value_according_to_param_policy(
                param, value, number, groups, key
            )
        if isinstance(value, dict):
            return {k: self._cast_state(param, v, number, groups, k) for k, v in value.items()}
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
            make = type(value)
            return make(self._cast_state(param, v, number, groups) for v in value)  # type: ignore
        return value

    @staticmethod
    def _process_value_according_to_param_policy(
        param, value, param_id: int, param_groups: list[dict], key: Hashable = None
    ):
        if key == "step":
            # A count: in a narrow dtype it would soon be wrong.
            group = next((g for g in param_groups if param_id in g["params"]), {})
            if group.get("fused") or group.get("capturable"):
                return value.to(dtype=flambeau.float32, device=param.device, copy=True)
            return value.clone()
        # Copies: a step changes them, and the dict's may be those of another optimiser.
        if param.is_floating_point():
            return value.to(dtype=param.dtype, device=param.device, copy=True)
        return value.to(device=param.device, copy=True)

    # ---- training

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or zero them in place."""
        if set_to_none:
            for group in self.param_groups:
                for param in group["params"]:
                    param.grad = None
        else:
            params = chain.from_iterable(group["params"] for group in self.param_groups)
            zero_in_place(p.grad for p in params if p.grad is not None)

    def step(self, closure=None) -> float | None:
        """Change all parameters once. ``closure`` computes the loss (and its gradients) anew."""
        raise NotImplementedError(f"{type(self).__name__}.step: a subclass must define it.")

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters, for example those of layers that were frozen so far."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _normalise_params(param_group)
        for param in param_group["params"]:
            if not isinstance(param, flambeau.Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    + _typename(param)
                )
            if not self.defaults.get("differentiable") and not (
                param.is_leaf or param.retains_grad
            ):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    + name
                )
            param_group.setdefault(name, default)
        params = param_group["params"]
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error",
                stacklevel=3,
            )
        if self.param_groups and ("param_names" in self.param_groups[0]) != (
            "param_names" in param_group
        ):
            raise ValueError(
                "all optimizer param groups should be with/without names; give names in all "
                "groups or in none"
            )
        present = {p for group in self.param_groups for p in group["params"]}
        if not present.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)


def _normalise_params(group: dict) -> None:
    """Make ``group["params"]`` a list of tensors, with the names, if given, beside it."""
    params = group["params"]
    if isinstance(params, flambeau.Tensor):
        group["params"] = [params]
        return
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    params = list(flambeau._C._fixed_tuple(params))
    named = [isinstance(param, tuple) for param in params]
    if any(named):
        if not all(named):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        group["params"] = [param for _, param in params]
        group["param_names"] = [name for name, _ in params]
    else:
        group["params"] = params


def _use_grad_for_differentiable(step):
    """``step`` with gradients recorded only if the optimiser was told to be differentiable."""

    @functools.wraps(step)
    def wrapped(self, *args, **kwargs):
        with flambeau.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return wrapped


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """Types of devices whose graphs can hold a step."""
    backend = flambeau._C._get_privateuse1_backend_name()
    return ["cuda", "xpu", "hpu", backend, *(["xla"] if supports_xla else [])]


def _default_to_fused_or_foreach(
    params: list, differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """What PyTorch chooses where a program says nothing, as ``(fused, foreach)``."""
    fused = (
        use_fused
        and not differentiable
        and all(p is None or (p.is_cpu and p.is_floating_point()) for p in params)
    )
    return fused, False


def _view_as_real(params: list, *state_and_grads: list) -> None:
    """Put pairs of real numbers in place of complex ones, in all lists."""
    for i, param in enumerate(params):
        if param.is_complex():
            for tensors in (params, *state_and_grads):
                tensors[i] = flambeau.view_as_real(tensors[i])


def _get_value(x):
    return x.item() if isinstance(x, flambeau.Tensor) else x


def _get_scalar_dtype(is_fused: bool | None = None):
    return flambeau.float32 if is_fused else scalar_dtype()


def _to_scalar(x):
    """A tensor of one element as one without dimensions; others as they are."""
    return x.squeeze() if isinstance(x, flambeau.Tensor) and x.dim() != 0 else x


def evaluate(closure):
    """The loss that ``closure`` gives with gradients recorded."""
    with flambeau.enable_grad():
        return closure()


def number(value) -> float:
    """An option that may be given as a tensor of one element."""
    return value.item() if isinstance(value, flambeau.Tensor) else value


def check_mode(foreach, fused, differentiable) -> None:
    """Refuse ways of stepping that exclude each other."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def check_fused(group: dict, param) -> None:
    """Whether ``fused=True`` can step the parameter."""
    if group.get("fused") and not (param.is_floating_point() and param.is_cpu):
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported "
            f"devices: ['cpu'], but got {param.dtype} on {param.device}"
        )


def check_betas(betas) -> None:
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_tensor_option(name: str, value, foreach) -> None:
    """An option that may be a tensor: of one element, and only for some ways of stepping."""
    if not isinstance(value, flambeau.Tensor):
        return
    if foreach:
        raise ValueError(
            f"{name} as a Tensor is not supported for capturable=False and foreach=True; give a "
            "float, or foreach=False"
        )
    if value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def check_learning_rate(lr, foreach=None) -> None:
    check_tensor_option("lr", lr, foreach)
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")


def scalar_dtype():
    """The dtype of step counts."""
    if flambeau.get_default_dtype() == flambeau.float64:
        return flambeau.float64
    return flambeau.float32


_COUNTERS = frozenset((flambeau.int64, flambeau.int32))
_FUSED_DTYPES = frozenset((flambeau.float32, flambeau.float64))


def steps_together(params: list, foreach, fused=None) -> bool:
    """Whether the core can step ``params`` all at once, or they have to be stepped one by one."""
    if foreach is False and not fused:
        return False
    for param in params:
        if param.dtype not in _FUSED_DTYPES or not param.is_cpu:
            return False
    # One that is there twice makes two steps, the second one from where the first led.
    return len(set(params)) == len(params)


def check_fits(name: str, params: list, grads: list, *states: list) -> None:
    """Look at all tensors before the first one is written to."""
    for param, grad in zip(params, grads):
        if grad.shape != param.shape:
            raise RuntimeError(
                f"{name}: a gradient of shape {tuple(grad.shape)} does not fit a parameter of "
                f"shape {tuple(param.shape)}"
            )
    for tensors in states:
        for param, tensor in zip(params, tensors):
            check_state(name, param, "state", tensor)


def check_state(name: str, param, what: str, tensor) -> None:
    """Whether ``tensor`` can stand beside ``param``, an element of its own for each element."""
    if not isinstance(tensor, flambeau.Tensor):
        raise TypeError(
            f"{name}: {what} of a parameter must be a tensor, got {type(tensor).__name__}"
        )
    if tensor.shape != param.shape:
        raise RuntimeError(
            f"{name}: {what} of shape {tuple(tensor.shape)} does not fit a parameter of shape "
            f"{tuple(param.shape)}"
        )
    if any(n > 1 and step == 0 for n, step in zip(tensor.shape, tensor.stride())):
        raise RuntimeError(
            f"{name}: elements of {what} share memory (it is expanded): give it its own, by clone()"
        )


def check_counter(name: str, step, what: str = "step") -> None:
    """Whether steps can be counted in ``step``."""
    if not isinstance(step, flambeau.Tensor):
        raise TypeError(
            f"{name}: {what!r} in the state of a parameter must be a tensor, got "
            f"{type(step).__name__}"
        )
    if step.numel() != 1 or not (step.is_floating_point() or step.dtype in _COUNTERS):
        raise RuntimeError(
            f"{name}: {what!r} in the state of a parameter must be one real number, got a "
            f"tensor of shape {tuple(step.shape)} and dtype {step.dtype}"
        )


class counted:
    """A context in which counters of steps are one further. Where it is left by an exception they
    go back, unless ``written``, one of the parameters, was stepped: a signal's handler may raise
    after that."""

    def __init__(self, written, steps: list) -> None:
        self.written = written
        self.before = _version(written)
        self.steps = steps
        self.done = 0

    def __enter__(self) -> None:
        try:
            for step in self.steps:
                step.add_(1)
                self.done += 1
        except BaseException:
            self.take_back()
            for step in self.steps:
                check_counter("step", step)
            raise

    def __exit__(self, kind, value, traceback) -> None:
        if kind is not None and _version(self.written) == self.before:
            self.take_back()

    def take_back(self) -> None:
        for step in self.steps[: self.done]:
            step.sub_(1)


def _version(tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
