"""Custom ops: functions with annotations that graphs, modes and subclasses see as one step."""

from __future__ import annotations

import functools
import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from flambeau import _C
from flambeau._tags import Tag, normalised
from flambeau.library import _registry
from flambeau.library._gradients import register_autograd
from flambeau.library._registry import Library
from flambeau.library._schemas import infer_schema

_log = logging.getLogger(__name__)
_definitions: dict[str, CustomOpDef] = {}


def definition_of(op) -> CustomOpDef | None:
    """The custom op that an op belongs to."""
    return _definitions.get(op.name())


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags=None,
):
    """Makes a function an op, which graphs, modes and subclasses see as one step.

    The schema comes from the annotations, unless it is given. An op without ``register_autograd``
    runs, but its results cannot be differentiated; on ``meta`` it needs ``register_fake``. What it
    gives back shares no memory with its arguments, unless ``tags`` say so: with ``Tag.inplace`` it
    gives back its first argument, with ``Tag.out`` its mutable keyword-only ones. The same name
    may be defined again.

    >>> @flambeau.library.custom_op("doc_custom::add_one_", mutates_args={"x"},
    ...                             tags=flambeau.Tag.inplace)
    ... def add_one_(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     x.numpy()[...] += 1
    ...     return x
    >>> add_one_(flambeau.zeros(2))
    tensor([1., 1.])
    """
    given = normalised(tags)

    def decorate(f: Callable) -> CustomOpDef:
        namespace, op_name = _registry.parts_of(name)
        text = schema
        if text is None:
            text = infer_schema(f, mutates_args=mutates_args, tags=given)
        made = CustomOpDef(namespace, op_name, text, f, given)
        try:
            if schema is not None:
                made._check_mutated(mutates_args, schema)
            made.register_kernel(device_types, f)
        except Exception:
            made._forget()
            raise
        return made

    return decorate if fn is None else decorate(fn)


class CustomOpDef:
    """A custom op: callable, and where its further rules are registered."""

    def __init__(self, namespace: str, name: str, schema: str, fn: Callable, tags=None):
        self._namespace, self._name, self._schema = namespace, name, schema
        self._tags = normalised(tags)
        self._init_fn = fn
        self._backend_fns: dict[str | None, Callable] = {}
        self._disabled_kernel: set[str] = set()
        before = _definitions.pop(f"{namespace}::{name}", None)
        if before is not None:
            before._forget()
        self._lib = Library(namespace, "FRAGMENT")
        self._lib.define(name + schema, tags=(Tag.pt2_compliant_tag, *self._tags))
        self._opoverload = _C._find_op(f"{namespace}::{name}")
        self.__name__, self.__doc__ = name, fn.__doc__
        self._mutated = {
            a.name
            for a in self._opoverload._schema.arguments
            if a.alias_info is not None and a.alias_info.is_write
        }
        self._returned = [
            a.name for a in self._opoverload._schema.arguments if a.name in self._mutated
        ]
        if _registry.has_keyword_tensors(self._opoverload) and Tag.out not in self._tags:
            text = f"{self._opoverload._schema}"
            self._lib._destroy()
            raise NotImplementedError(
                "custom_op: kwarg-only Tensor args are not supported: make them not kwarg-only. "
                f"Got: {text}"
            )
        self._fake: Callable | None = None
        self._lib.impl(name, self._shaped, "Meta")
        _definitions[self._qualname] = self

    def _forget(self) -> None:
        _definitions.pop(self._qualname, None)
        self._lib._destroy()

    def _check_mutated(self, mutates_args, schema: str) -> None:
        if set(mutates_args) != self._mutated:
            raise ValueError(
                f"Attempted to create a custom op with `mutates_args={mutates_args}` and "
                f"`schema={schema}`. The schema suggests that the op mutates {self._mutated}, "
                "which is different from what was provided to us in `mutates_args`. Make them "
                "consistent."
            )

    @property
    def _op(self):
        return self._opoverload

    @property
    def _qualname(self) -> str:
        return f"{self._namespace}::{self._name}"

    def __call__(self, *args, **kwargs):
        return self._opoverload(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    @property
    def _gives_arguments(self) -> bool:
        return bool({Tag.inplace, Tag.out} & {*self._tags})

    def _shaped(self, *args, **kwargs):
        """What runs on ``meta``."""
        if self._fake is not None:
            return self._fake(*args, **kwargs)
        if Tag.inplace in self._tags:
            return args[0]
        if Tag.out in self._tags:
            outs = tuple(kwargs[name] for name in self._returned)
            return outs[0] if len(outs) == 1 else outs
        if self._opoverload._schema.returns:
            raise RuntimeError(
                f"{self._qualname}: there was no fake impl registered, which says what the outputs "
                "are on device 'meta': use register_fake"
            )
        return None

    def register_kernel(self, device_types, fn: Callable | None = None, /):
        """Registers an implementation for a device type, as ``library.register_kernel``."""

        def decorate(f: Callable) -> Callable:
            if not callable(f):
                raise TypeError(f"register_kernel: an implementation is callable, not {f!r}")
            kinds = [device_types] if isinstance(device_types, str) else device_types
            for kind in kinds if kinds is not None else [None]:
                kind = None if kind == "default" else kind
                if kind not in self._backend_fns:
                    self._lib.impl(self._name, self._checked(kind), _registry.key_of(kind))
                self._backend_fns[kind] = f
            return f

        schema = self._opoverload._schema
        takes = {a.type for a in schema.arguments}
        if device_types is not None and device_types != "default":
            if "Device" not in takes and not any(t.startswith("Tensor") for t in takes):
                raise ValueError(
                    "Functions without tensor inputs are required to have a `device: torch.device` "
                    "argument"
                )
        return decorate if fn is None else decorate(fn)

    def _checked(self, kind: str | None) -> Callable:
        """Runs the implementation for a device, and looks at what it gives back."""

        @functools.wraps(self._init_fn)
        def run(*args, **kwargs):
            f = self._init_fn if kind in self._disabled_kernel else self._backend_fns[kind]
            result = f(*args, **kwargs)
            if self._gives_arguments:
                self._check_given_back(f, result, args, kwargs)
            else:
                self._check_separate(result, args, kwargs)
            return result

        return run

    def _check_given_back(self, f: Callable, result, args, kwargs) -> None:
        where = f"{self._name} (with implementation in {inspect.getmodule(f)})"
        if Tag.inplace in self._tags:
            if result is not args[0]:
                raise RuntimeError(
                    f"{where}: An operator tagged with torch.Tag.inplace must return its first "
                    "argument."
                )
            return
        several = result if isinstance(result, tuple) else (result,)
        if [*map(id, several)] != [id(kwargs[name]) for name in self._returned]:
            raise RuntimeError(
                f"{where}: An operator tagged with torch.Tag.out must return its mutable "
                "keyword-only arguments."
            )

    def _check_separate(self, result, args, kwargs) -> None:
        given = _registry.tensors_of((args, tuple(kwargs.values())))
        taken = set(map(_C._storage_key, given))
        for t in _registry.tensors_of(result):
            key = _C._storage_key(t)
            if key and key in taken:
                raise RuntimeError(
                    f"{self._qualname}: a result is an argument of the op, or shares memory with "
                    "one or with another result: give back a clone()"
                )
            taken.add(key)

    @contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """Within it the implementation for a device is off, or on again; the first one runs."""
        off = device_type in self._disabled_kernel
        action = "enable" if enabled else "disable"
        if device_type not in self._backend_fns:
            _log.warning(
                "Attempted to %s kernel for %s but no kernel was registered for this device type.",
                action,
                device_type,
            )
        if off is not enabled:
            _log.warning(
                "Attempted to %s kernel for %s but it was already %sd.", action, device_type, action
            )
        (self._disabled_kernel.discard if enabled else self._disabled_kernel.add)(device_type)
        try:
            yield
        finally:
            (self._disabled_kernel.add if off else self._disabled_kernel.discard)(device_type)

    def register_fake(self, fn: Callable, /) -> Callable:
        """Registers the rule that gives outputs of the right shape and dtype without values."""
        if self._gives_arguments:
            warnings.warn(
                f"The fake registration for {self} is unnecessary: an op that gives back its "
                "arguments has one already. What was given is used instead.",
                stacklevel=2,
            )
        self._fake = fn
        return fn

    def register_vmap(self, func: Callable | None = None):
        """Registers the rule for ``func.vmap``, as ``library.register_vmap``."""
        return _registry.register_vmap(self._opoverload, func, lib=self._lib)

    def register_autograd(
        self, backward: Callable, /, *, setup_context: Callable | None = None
    ) -> None:
        """Registers the gradient, as in ``library.register_autograd``."""
        register_autograd(self._opoverload, backward, setup_context=setup_context, lib=self._lib)

    def register_torch_dispatch(self, torch_dispatch_class, fn: Callable | None = None, /):
        """Registers what answers in place of a class, as ``library.register_torch_dispatch``."""
        return _registry.register_torch_dispatch(
            self._opoverload, torch_dispatch_class, fn, lib=self._lib
        )

    def register_autocast(self, device_type: str, cast_inputs):
        """Registers the dtype under autocast, as ``library.register_autocast``."""
        _registry.register_autocast(self._opoverload, device_type, cast_inputs, lib=self._lib)

    def register_effect(self, effect) -> None:
        """Which effects an op has that its schema does not say is asked by graphs alone."""
        if effect is not None:
            raise NotImplementedError(f"register_effect: effect={effect!r} is not supported")


def triton_op(name: str, fn: Callable | None = None, /, *, mutates_args, schema=None):
    """An op of Triton kernels, which run on GPUs; there is ``custom_op`` for all others."""
    raise NotImplementedError(
        f"triton_op({name!r}): kernels of Triton are not supported: use custom_op"
    )


def wrap_triton(triton_kernel, /):
    """A kernel of Triton that graphs may see."""
    raise NotImplementedError(
        "wrap_triton: kernels of Triton are not supported: call them in a custom_op"
    )
