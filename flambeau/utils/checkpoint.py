"""Activations that are computed again in backward instead of being kept."""

from __future__ import annotations

import contextlib
import itertools
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import flambeau
from flambeau import _C
from flambeau.autograd.graph import saved_tensors_hooks

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "DefaultDeviceType",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_early_stop",
    "set_device_states",
]


class CheckpointError(RuntimeError):
    """What was computed again is not what was computed first."""


class DefaultDeviceType:
    """The device type whose generators are kept where no tensor tells one.

    Shape:
        - no tensors.

    Example::

        >>> DefaultDeviceType.get_device_type()
        'cuda'
    """

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        return DefaultDeviceType._default_device_type


def detach_variable(inputs: tuple) -> tuple:
    """The inputs with each tensor detached, and requiring grad as it did.

    Shape:
        - inputs: tensors of any shape, and anything else.

    Example::

        >>> detach_variable((flambeau.ones(1, requires_grad=True), 3))
        (tensor([1.], requires_grad=True), 3)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: ",
            type(inputs).__name__,
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, flambeau.Tensor) else x
        for x in inputs
    )


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn where no tensor of the inputs requires grad."""
    if not any(x.requires_grad for x in inputs if isinstance(x, flambeau.Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=3
        )


# ---- random numbers


def _devices_of(args) -> tuple[str, list[int]]:
    """The type of the first device other than the CPU, and its indices among the arguments."""
    from flambeau.utils._pytree import tree_leaves

    found = [
        x.device
        for x in tree_leaves(list(args))
        if isinstance(x, flambeau.Tensor) and x.device.type not in ("cpu", "meta")
    ]
    if not found:
        return DefaultDeviceType.get_device_type(), []
    kind = found[0].type
    return kind, sorted({d.index or 0 for d in found if d.type == kind})


def get_device_states(*args) -> tuple[list[int], list]:
    """The devices of the arguments besides the CPU, and the states of their generators.

    Shape:
        - args: tensors of any shape, and anything else.

    Example::

        >>> get_device_states(flambeau.ones(1))
        ([], [])
    """
    kind, indices = _devices_of(args)
    module = flambeau.get_device_module(kind) if indices else None
    return indices, [module.get_rng_state(index) for index in indices]


def set_device_states(devices, states, *, device_type: str | None = None) -> None:
    """Give generators the states that `get_device_states` gave."""
    if not devices:
        return
    module = flambeau.get_device_module(device_type or DefaultDeviceType.get_device_type())
    for device, state in zip(devices, states):
        module.set_rng_state(state, device)


class _Surroundings:
    """The states of generators, and of autocast, at a moment, to compute in once more."""

    def __init__(self, preserve_rng_state: bool, args) -> None:
        self.preserve = preserve_rng_state
        self.kind, self.devices = _devices_of(args)
        if preserve_rng_state:
            self.state = flambeau.get_rng_state()
            self.states = get_device_states(*args)[1]
        self.autocast = [
            (kind, _C.get_autocast_dtype(kind), _C.is_autocast_cache_enabled())
            for kind in {"cpu", self.kind}
            if _C.is_autocast_enabled(kind)
        ]

    @contextlib.contextmanager
    def again(self):
        with contextlib.ExitStack() as stack:
            if self.preserve:
                stack.enter_context(
                    flambeau.random.fork_rng(self.devices, device_type=self._device_type())
                )
                flambeau.set_rng_state(self.state)
                set_device_states(self.devices, self.states, device_type=self.kind)
            if self.autocast:
                from flambeau import amp

                for kind, dtype, cache in self.autocast:
                    stack.enter_context(amp.autocast(kind, dtype, True, cache))
            yield

    def _device_type(self) -> str | None:
        return self.kind if self.devices else None


# ---- the form that runs backward within backward


class CheckpointFunction(flambeau.autograd.Function):
    """The reentrant form: forward without a graph; backward runs it once more with one."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state, args)
        ctx.inputs = [None if isinstance(x, flambeau.Tensor) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, flambeau.Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with flambeau.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if not _C._is_checkpoint_valid():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        inputs = list(ctx.inputs)
        for place, tensor in zip(ctx.places, ctx.saved_tensors):
            inputs[place] = tensor
        detached = detach_variable(tuple(inputs))
        with ctx.surroundings.again(), flambeau.enable_grad():
            outputs = ctx.run_function(*detached)
        if isinstance(outputs, flambeau.Tensor):
            outputs = (outputs,)
        wanted = [
            (out, grad)
            for out, grad in zip(outputs, grads)
            if isinstance(out, flambeau.Tensor) and out.requires_grad
        ]
        if not wanted:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        flambeau.autograd.backward([out for out, _ in wanted], [grad for _, grad in wanted])
        return (
            None,
            None,
            *(x.grad if isinstance(x, flambeau.Tensor) else None for x in detached),
        )


# ---- the form that computes again when a saved tensor is asked for

_early_stop: bool | None = None


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool):
    """A scope in which checkpoints do, or do not, stop computing again at the last tensor that
    backward needs, whatever their ``early_stop`` says.

    Shape:
        - no tensors.

    Example::

        >>> with set_checkpoint_early_stop(False):
        ...     x = flambeau.ones(1, requires_grad=True)
        ...     checkpoint(flambeau.exp, x, use_reentrant=False).backward()
    """
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


def noop_context_fn():
    """Two contexts without effect: for forward, and for computing again."""
    return contextlib.nullcontext(), contextlib.nullcontext()


class _Enough(Exception):
    """All that backward needs was computed again."""


def _default_meta_extractor(x) -> dict[str, Any]:
    return {"shape": x.shape, "dtype": x.dtype, "device": x.device}


_CHECKS: dict[str, Callable] = {"default": _default_meta_extractor, "none": lambda x: None}


class _SaveInputs(flambeau.autograd.Function):
    """Keeps a checkpoint's inputs as saved tensors, so that those of a checkpoint within another
    one are computed again too."""

    @staticmethod
    def forward(*tensors):
        return flambeau.empty(0)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(*(x for x in inputs[1:] if isinstance(x, flambeau.Tensor)))

    @staticmethod
    def backward(ctx, *grads):
        raise AssertionError("checkpoint: no gradient flows through what keeps the inputs")


class _Holder:
    """What a graph keeps in place of a tensor: its number in the order of saving."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number


class _Frame:
    """One checkpoint: what was saved in forward, and what each backward computed again."""

    def __init__(self, function, args, kwargs, surroundings, context, check, early_stop) -> None:
        self.function = function
        self.kwargs = kwargs
        self.surroundings = surroundings
        self.context = context
        self.extract = check
        self.early_stop = early_stop
        self.holders: list[weakref.ref[_Holder]] = []
        self.metadata: list = []
        self.again: dict[int, dict[int, Any]] = {}  # by backward: number -> tensor
        self.args = [None if isinstance(x, flambeau.Tensor) else x for x in args]
        self.places = [i for i, x in enumerate(args) if isinstance(x, flambeau.Tensor)]
        anchor = flambeau.empty(0, requires_grad=True)
        self.saver = _SaveInputs.apply(anchor, *args)

    def inputs(self) -> list:
        args = list(self.args)
        node = self.saver.grad_fn
        saved = node.saved_tensors if node is not None else ()
        for place, tensor in zip(self.places, saved):
            args[place] = tensor
        return args

    # ---- forward

    def pack(self, tensor) -> _Holder:
        holder = _Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.metadata.append(self.extract(tensor))
        return holder

    # ---- backward

    def unpack(self, holder: _Holder):
        task = _C._current_graph_task_id()
        if task == -1:  # asked for by the program: nothing of it is shared with another request
            return self._compute()[holder.number]
        found = self.again.get(task)
        if found is None or holder.number not in found:
            if found is not None:
                raise CheckpointError(
                    "torch.utils.checkpoint: Unpack is being triggered for a tensor that was "
                    "already unpacked once. If you are calling ctx.saved_tensors in backward, make "
                    "sure to do so only once."
                )
            found = self.again[task] = self._compute()
            _C._queue_callback(lambda: self.again.pop(task, None))
        return found.pop(holder.number)

    def _compute(self) -> dict[int, Any]:
        found: dict[int, Any] = {}
        counter = itertools.count()
        total = len(self.holders)

        def pack(tensor):
            number = next(counter)
            if number < total and self.holders[number]() is not None:
                found[number] = tensor.detach().requires_grad_(tensor.requires_grad)
            seen.append(self.extract(tensor))
            if self.early_stop and number + 1 == total:
                raise _Enough
            return tensor.detach()

        def unpack(tensor):
            return tensor

        seen: list = []
        args = self.inputs()
        hooks = saved_tensors_hooks(pack, unpack)
        with self.surroundings.again(), self.context, hooks, flambeau.enable_grad():
            with contextlib.suppress(_Enough):
                self.function(*args, **self.kwargs)
        self._compare(seen)
        return found

    def _compare(self, seen: list) -> None:
        if len(seen) != len(self.metadata):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.metadata)}\n"
                f"Number of tensors saved during recomputation: {len(seen)}."
            )
        wrong = [
            f"tensor at position {i}:\nsaved metadata: {before}\nrecomputed metadata: {after}"
            for i, (before, after) in enumerate(zip(self.metadata, seen))
            if before != after
        ]
        if wrong:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                "different metadata than during the forward pass.\n" + "\n".join(wrong)
            )


def _checkpoint_saved(function, preserve, context_fn, determinism_check, early_stop, args, kwargs):
    if determinism_check not in _CHECKS:
        raise ValueError(
            f"determinism_check should be one of {list(_CHECKS)}, but got {determinism_check}"
        )
    forward_context, again_context = context_fn()
    if not flambeau.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    frame = _Frame(
        function,
        args,
        kwargs,
        _Surroundings(preserve, (args, kwargs)),
        again_context,
        _CHECKS[determinism_check],
        early_stop if _early_stop is None else _early_stop,
    )
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def _chosen(use_reentrant: bool | None, name: str) -> bool:
    if use_reentrant is None:
        warnings.warn(
            f"{name}: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True.",
            stacklevel=3,
        )
        return True
    return use_reentrant


def checkpoint(
    function,
    *args,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs,
):
    """``function(*args, **kwargs)``, whose intermediate results are not kept: backward computes
    them again, with the same random numbers.

    Args:
        function: what to call; it has to do the same both times.
        args: its arguments.
        use_reentrant: True: forward makes no graph, and backward runs a backward of its own (no
            keyword arguments, no ``autograd.grad``). False: the graph is made, and what it saves
            is computed again when it is asked for.
        context_fn: gives two contexts, for forward and for computing again.
        determinism_check: ``"default"``: shapes, dtypes and devices have to be the same both
            times; ``"none"``.
        debug: only False is supported.
        early_stop: whether to stop computing again at the last tensor that is needed.
        preserve_rng_state: whether to compute again with the same random numbers; True.
        kwargs: keyword arguments of the function.

    Returns:
        What the function gives.

    Shape:
        - as of the function.

    Example::

        >>> x = flambeau.ones(2, requires_grad=True)
        >>> checkpoint(lambda x: x.exp().sin(), x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([-2.4783, -2.4783])
    """
    use_reentrant = _chosen(use_reentrant, "torch.utils.checkpoint")
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        if debug:
            raise NotImplementedError("checkpoint: debug=True is not supported")
        return _checkpoint_saved(
            function, preserve, context_fn, determinism_check, early_stop, args, kwargs
        )
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(functions, segments: int, input, use_reentrant=None, **kwargs):
    """A `Sequential`, or a list of functions, in segments of which all but the last are
    checkpointed.

    Args:
        functions: what to call one after the other.
        segments: how many parts.
        input: of the first one.
        use_reentrant: as of `checkpoint`.
        preserve_rng_state: as of `checkpoint`.

    Returns:
        What the last function gives.

    Shape:
        - as of the functions.

    Example::

        >>> net = flambeau.nn.Sequential(flambeau.nn.ReLU(), flambeau.nn.Tanh())
        >>> checkpoint_sequential(net, 2, flambeau.ones(1, requires_grad=True), use_reentrant=False)
        tensor([0.7616], grad_fn=<TanhBackward0>)
    """
    use_reentrant = _chosen(use_reentrant, "torch.utils.checkpoint.checkpoint_sequential")
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if isinstance(functions, flambeau.nn.Sequential):
        functions = list(functions.children())

    def run(begin: int, end: int):
        def segment(x):
            for function in functions[begin:end]:
                x = function(x)
            return x

        return segment

    size, begin = len(functions) // segments, 0
    for _ in range(segments - 1 if size else 0):
        input = checkpoint(
            run(begin, begin + size),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
        begin += size
    return run(begin, len(functions))(input)
