"""Ops that a program registers: a schema, implementations in Python, a shape-only rule, a gradient.

>>> @flambeau.library.custom_op("mylib::twice", mutates_args=())
... def twice(x: flambeau.Tensor) -> flambeau.Tensor:
...     return x * 2
>>> @twice.register_fake
... def _(x):
...     return flambeau.empty_like(x)
>>> twice(flambeau.ones(2))
tensor([2., 2.])
"""

from __future__ import annotations

import functools
import inspect
import itertools
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence

import flambeau
from flambeau import _C
from flambeau.ops import schema as schemas

__all__ = [
    "CustomOpDef",
    "Library",
    "custom_op",
    "define",
    "get_ctx",
    "impl",
    "infer_schema",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_vmap",
]

# tag:: in core/dispatch/op.h
_INPLACE, _OUT = 4, 8


# ---- schemas


def _argument_row(a: schemas.Argument) -> tuple:
    from flambeau._schema import default_value

    has_default = a.default is not None
    return (
        a.name,
        a.type,
        a.optional,
        a.optional_items,
        a.list,
        a.list_size,
        a.keyword_only,
        a.out,
        a.mutated,
        a.alias,
        has_default,
        default_value(a.default) if has_default else None,
    )


def _register(namespace: str, text: str):
    if not isinstance(text, str):
        raise TypeError(f"define: a schema is a str, not {type(text).__name__}")
    given, colons, line = text.partition("::")
    if colons and given.isidentifier():  # the namespace may be there, if it is this one
        if given != namespace:
            raise RuntimeError(
                f"define: the namespace {given!r} of the schema {text!r} is not {namespace!r}, in "
                "which it is defined"
            )
        text = line
    try:
        s = schemas.parse(text)
    except schemas.SchemaError as error:
        raise RuntimeError(f"define: {error}") from None
    tags = (_INPLACE if s.inplace else 0) | (_OUT if s.outs else 0)
    return _C._register_op(
        namespace,
        s.name,
        s.overload,
        f"{namespace}::{s.text()}",
        [_argument_row(a) for a in s.args],
        [(r.type, r.list, r.mutated, r.alias, r.name, r.optional) for r in s.returns],
        tags,
    )


def _split(qualified: str) -> tuple[str, str]:
    if not isinstance(qualified, str):
        raise ValueError(f"expected 'namespace::name' as a str, got {qualified!r}")
    namespace, colons, rest = qualified.partition("::")
    if not colons or not namespace or not rest:
        raise ValueError(f"expected 'namespace::name', got {qualified!r}")
    return namespace, rest


def _find(op):
    if isinstance(op, CustomOpDef):
        return op._op
    if isinstance(op, _C.OpOverload):
        return op
    found = _C._find_op(op)
    if found is None:
        raise RuntimeError(f"there is no operator {op!r}: define it first")
    return found


_SCHEMA_TYPES = {
    int: "int",
    float: "float",
    bool: "bool",
    str: "str",
    int | float | bool: "Scalar",
}


def _schema_type(annotation) -> str:
    if annotation is flambeau.Tensor:
        return "Tensor"
    if annotation is flambeau.dtype:
        return "ScalarType"
    if annotation is flambeau.device:
        return "Device"
    if annotation in _SCHEMA_TYPES:
        return _SCHEMA_TYPES[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if type(None) in args and len(args) == 2:
        return _schema_type(next(a for a in args if a is not type(None))) + "?"
    if origin in (list, tuple, Sequence, typing.Sequence) and args:
        return _schema_type(args[0]) + "[]"
    raise ValueError(f"infer_schema: no schema type stands for the annotation {annotation!r}")


def _schema_default(name: str, value) -> str:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError(
            f"infer_schema: parameter {name!r} has a default of type {type(value).__name__}, for "
            "which a schema has no words: give numbers, strings or None, or a schema"
        )
    return f"'{value}'" if isinstance(value, str) else repr(value)


def infer_schema(function: Callable, *, mutates_args: Iterable[str], op_name: str = "") -> str:
    """The schema of a function with annotations.

    >>> def f(x: flambeau.Tensor, n: int = 2) -> flambeau.Tensor: ...
    >>> flambeau.library.infer_schema(f, mutates_args=())
    '(Tensor x, int n=2) -> Tensor'
    """
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    mutated = set(signature.parameters) if mutates_args == "unknown" else set(mutates_args)
    unknown = mutated - set(signature.parameters)
    if unknown:
        raise ValueError(f"infer_schema: mutates_args names {sorted(unknown)}, not parameters")
    parts, starred = [], False
    for i, (name, p) in enumerate(signature.parameters.items()):
        if name not in hints:
            raise ValueError(f"infer_schema: parameter {name!r} needs an annotation")
        kind = _schema_type(hints[name])
        if name in mutated and kind.startswith("Tensor"):
            kind = kind.replace("Tensor", f"Tensor({'abcdefghijklmnopqrstuvwxyz'[i]}!)", 1)
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        default = "" if p.default is p.empty else f"={_schema_default(name, p.default)}"
        parts.append(f"{kind} {name}{default}")
    return f"{op_name}({', '.join(parts)}) -> {_schema_return(hints.get('return', type(None)))}"


def _schema_return(annotation) -> str:
    if annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple:
        return f"({', '.join(_schema_type(a) for a in typing.get_args(annotation))})"
    return _schema_type(annotation)


# ---- custom ops


class CustomOpDef:
    """A custom op: callable, and where its further rules are registered."""

    def __init__(self, op, function: Callable):
        self._op = op
        self._init_fn = function
        self.__name__ = op._opname
        self.__doc__ = function.__doc__
        self._fake: Callable | None = None

    def __call__(self, *args, **kwargs):
        return self._op(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._op.name()})>"

    @property
    def _qualname(self) -> str:
        return self._op.name()

    @property
    def _opoverload(self):
        return self._op

    def register_kernel(self, device_types, function: Callable | None = None):
        """Registers an implementation for a device type, as ``library.register_kernel``."""
        return register_kernel(self._op, device_types, function)

    def register_fake(self, function: Callable) -> Callable:
        """Registers the rule that gives outputs of the right shape and dtype without values."""
        return register_fake(self._op, function)

    def register_vmap(self, func: Callable | None = None):
        """Registers the rule for ``func.vmap``, as ``library.register_vmap``."""
        return register_vmap(self._op, func)

    def register_autograd(self, backward: Callable, *, setup_context: Callable | None = None):
        """Registers the gradient, as in ``library.register_autograd``."""
        register_autograd(self._op, backward, setup_context=setup_context)


def custom_op(
    name: str,
    function: Callable | None = None,
    *,
    mutates_args,
    device_types=None,
    schema: str | None = None,
):
    """Makes a function an op, which graphs, modes and subclasses see as one step.

    The schema comes from the annotations, unless it is given. An op without ``register_autograd``
    runs, but its results cannot be differentiated; on ``meta`` it needs ``register_fake``. What it
    gives back shares no memory with its arguments.
    """

    def decorate(f: Callable) -> CustomOpDef:
        namespace, op_name = _split(name)
        text = schema if schema is not None else infer_schema(f, mutates_args=mutates_args)
        op = _register(namespace, op_name + text)
        _custom.add(op.name())
        _register_for(None, op, "Meta", _no_fake(op))
        register_kernel(op, device_types or "default", f)
        return CustomOpDef(op, f)

    return decorate if function is None else decorate(function)


_custom: set[str] = set()  # names of ops that custom_op has made


def _no_fake(op) -> Callable:
    def fake(*args, **kwargs):
        if op._schema.returns:
            raise RuntimeError(
                f"{op.name()}: there was no fake impl registered, which says what the outputs are "
                "on device 'meta': use register_fake"
            )

    return fake


def _separate(op, function: Callable) -> Callable:
    """The function, as long as its results share no memory with arguments or each other."""

    @functools.wraps(function)
    def checked(*args, **kwargs):
        result = function(*args, **kwargs)
        taken = set(map(_C._storage_key, _tensors((args, tuple(kwargs.values())))))
        for t in _tensors(result):
            key = _C._storage_key(t)
            if key and key in taken:
                raise RuntimeError(
                    f"{op.name()}: a result is an argument of the op, or shares memory with one "
                    "or with another result: give back a clone()"
                )
            taken.add(key)
        return result

    return checked


def _tensors(value) -> Iterator[flambeau.Tensor]:
    if isinstance(value, flambeau.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def register_kernel(op, device_types, function: Callable | None = None):
    """Registers an implementation for a device type, or several."""

    def decorate(f: Callable) -> Callable:
        if not callable(f):
            raise TypeError(f"register_kernel: an implementation is callable, not {f!r}")
        kinds = [device_types] if isinstance(device_types, str) else device_types
        found = _find(op)
        body = _separate(found, f) if found.name() in _custom else f
        for kind in kinds if kinds is not None else ["default"]:
            _register_for(None, found, _key_of(kind), body)
        return f

    return decorate if function is None else decorate(function)


def register_fake(op, function: Callable | None = None, *, lib=None, _stacklevel=1):
    """Registers the shape-only rule of an op: it runs for tensors on ``meta``."""

    def decorate(f: Callable) -> Callable:
        _register_for(lib, _find(op), "Meta", f)
        return f

    return decorate if function is None else decorate(function)


def register_autograd(op, backward: Callable, /, *, setup_context=None, lib=None):
    """Registers the gradient of an op.

    ``setup_context(ctx, inputs, output)`` keeps what backward needs; ``backward(ctx, *grads)``
    gets a gradient for each result and gives one for each argument that is not keyword-only. That
    of a list of tensors is a list.
    """
    _implement_autograd(_find(op), backward, setup_context, lib)


def register_vmap(op, func: Callable | None = None, /, *, lib=None):
    """Registers how ``func.vmap`` runs an op on all items of a batch at once.

    ``func(info, in_dims, *args, **kwargs)`` gets the arguments with their batch dimensions in
    place, ``in_dims`` says which these are (None for what has none), and ``info`` has the fields
    ``batch_size`` and ``randomness``. It gives the output and where its batch dimension is.
    """

    def decorate(f: Callable) -> Callable:
        _register_for(lib, _find(op), "FuncTorchBatched", f)
        return f

    return decorate if func is None else decorate(func)


class _Lists:
    """Where lists of tensors were among values that are passed on one after the other."""

    def __init__(self, values: Sequence) -> None:
        self.lengths = [len(v) if self._is_list(v) else None for v in values]
        self.flat = [t for v in values for t in (v if self._is_list(v) else (v,))]

    @staticmethod
    def _is_list(value) -> bool:
        return isinstance(value, (list, tuple)) and any(
            isinstance(t, flambeau.Tensor) for t in value
        )

    def packed(self, flat: Iterable) -> tuple:
        rest = iter(flat)
        return tuple(
            next(rest) if n is None else list(itertools.islice(rest, n)) for n in self.lengths
        )

    def gradients(self, name: str, made) -> list:
        """What a backward gave, one after the other."""
        several = isinstance(made, tuple) or (isinstance(made, list) and not any(self.lengths))
        given = list(made) if several else [made]
        while len(given) > len(self.lengths) and given[-1] is None:
            given.pop()
        wanted = [1 if n is None else n for n in self.lengths]
        rows = [
            [None] * k if g is None else list(g) if n is not None else [g]
            for g, n, k in zip(given, self.lengths, wanted)
        ]
        if len(given) != len(wanted) or [len(row) for row in rows] != wanted:
            raise RuntimeError(
                f"{name}: expected the return from backward to be of the same structure as the "
                f"inputs: {len(wanted)} gradients, with a list for a list of tensors and None "
                f"where there is no gradient, but got {len(given)}"
            )
        return [g for row in rows for g in row]


def _implement_autograd(op, backward: Callable, setup_context: Callable | None, lib=None) -> None:
    arguments, name = op._schema.arguments, op.name()
    keyword_defaults = {a.name: a.default_value for a in arguments if a.kwarg_only}
    single = len(op._schema.returns) == 1

    class Differentiated(flambeau.autograd.Function):
        @staticmethod
        def forward(*leaves):
            with _C._AutoDispatchBelowAutograd():
                return Differentiated._further_out(*leaves)

        @staticmethod
        def _further_out(*leaves):
            """The op itself: what a level of a function transform passes on."""
            *leaves, call = leaves
            output = op(*call.inputs.packed(leaves), **call.keywords)
            call.outputs = None if output is None else _Lists((output,) if single else output)
            return None if output is None else tuple(call.outputs.flat)

        @staticmethod
        def setup_context(ctx, inputs, output):
            *leaves, call = inputs
            ctx.needs_input_grad = call.inputs.packed(ctx.needs_input_grad[:-1])
            ctx._lists = call.inputs, call.outputs
            if setup_context is not None:
                extra = {"keyword_only_inputs": call.keywords} if keyword_defaults else {}
                if output is not None:
                    output = call.outputs.packed(output)
                    output = output[0] if single else output
                args = call.inputs.packed(leaves)
                setup_context(ctx=ctx, inputs=args, output=output, **extra)

        @staticmethod
        def backward(ctx, *grads):
            inputs, outputs = ctx._lists
            return (*inputs.gradients(name, backward(ctx, *outputs.packed(grads))), None)

    Differentiated.__name__ = f"{op.namespace}_{op._opname}_{op._overloadname}"

    def apply(*args, **kwargs):
        # Arguments that were left out count among the inputs, with their defaults.
        left_out = [a.default_value for a in arguments[len(args) :] if not a.kwarg_only]
        inputs = _Lists([*args, *left_out])
        call = types.SimpleNamespace(inputs=inputs, keywords=keyword_defaults | kwargs)
        made = Differentiated.apply(*inputs.flat, call)
        if made is None:
            return None
        packed = call.outputs.packed(made)
        return packed[0] if single else packed

    return _register_for(lib, op, "Autograd", apply)


def get_ctx():
    """In a fake rule, for sizes that depend on data; without symbolic sizes there are none."""
    raise NotImplementedError("get_ctx: outputs whose size depends on data have no fake rule")


# ---- libraries


_DEFAULT_BODY = "CompositeExplicitAutograd"


def _key_of(device_type: str) -> str:
    """The dispatch key of a device type's kernels; other names are keys already."""
    if device_type in ("", "default"):
        return _DEFAULT_BODY
    names = {"cpu": "CPU", "cuda": "CUDA", "xpu": "XPU", "mps": "MPS", "meta": "Meta"}
    return names.get(device_type, device_type)


def _register_for(lib: Library | None, op, key: str, function: Callable):
    """Registers for as long as ``lib`` lives, or for ever."""
    handle = _C._register(op, key, function)
    if lib is not None:
        lib._handles.append(handle)
    return handle


_RESERVED = ("prim",)
_defining: set[str] = set()  # namespaces with a library of kind "DEF"


def _take_back(handles: list, defined: list, namespace: str | None) -> None:
    """What a library did, undone."""
    while handles:
        _C._unregister(handles.pop())
    while defined:
        op = defined.pop()
        _C._remove_op(op)
        vars(flambeau._ops.namespace(op.namespace)).pop(op._opname, None)
    _defining.discard(namespace)


class Library:
    """Ops of one namespace: ``DEF`` defines them, ``IMPL`` adds to those that exist.

    >>> lib = flambeau.library.Library("demo", "DEF")
    >>> lib.define("half(Tensor x) -> Tensor")
    'half'
    >>> lib.impl("half", lambda x: x / 2, "CPU")
    >>> flambeau.ops.demo.half(flambeau.ones(1))
    tensor([0.5000])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}: 'DEF', 'IMPL' or 'FRAGMENT'")
        if ns in _RESERVED and kind != "IMPL":
            raise ValueError(f"{ns} is a reserved namespace: choose another for ops of your own")
        if kind == "DEF" and (ns == "aten" or ns in _defining):
            raise RuntimeError(
                f"Only a single Library of kind 'DEF' can define the namespace {ns}: "
                "further ones are 'FRAGMENT'"
            )
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._alive = True
        self._handles: list = []  # of registrations
        self._defined: list = []
        if kind == "DEF":
            _defining.add(ns)
        owned = (self._handles, self._defined, ns if kind == "DEF" else None)
        self._finalizer = weakref.finalize(self, _take_back, *owned)
        self._finalizer.atexit = False

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def _check_alive(self) -> None:
        if not self._alive:
            raise AssertionError("Library object has been destroyed")

    def define(self, schema: str, alias_analysis: str = "", *, tags=()) -> str:
        """Defines an op from its schema; gives its name."""
        self._check_alive()
        if self.kind == "IMPL":
            raise RuntimeError("define: a library of kind 'IMPL' only adds implementations")
        op = _register(self.ns, schema)
        self._defined.append(op)
        return schema.split("(")[0].strip() if op._overloadname == "default" else op.__name__

    def impl(
        self,
        op_name,
        fn: Callable,
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = True,
    ):
        """Registers what runs for an op at a dispatch key, until this library is destroyed.

        The key says where: ``"CPU"`` or ``"Meta"`` in place of the kernel, ``"Autograd"`` or
        ``"AutocastCPU"`` in place of that layer, ``"CompositeImplicitAutograd"`` in place of the
        body of an op that is the sum of its parts.
        """
        if with_keyset:
            raise NotImplementedError("impl: with_keyset is not supported")
        if not callable(fn):
            raise TypeError(
                f"Input function is required to be a callable but found type {type(fn)}"
            )
        self._check_alive()
        if isinstance(op_name, str):
            if "::" in op_name and op_name.split("::")[0] != self.ns:
                raise RuntimeError(
                    f'impl("{op_name}", ...): the namespace of the operator does not match '
                    f"namespace {self.ns!r} of this library"
                )
            op_name = op_name if "::" in op_name else f"{self.ns}::{op_name}"
        op = _find(op_name)
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        if not allow_override and _C._registered(op, key) is not None:
            raise RuntimeError(
                "This is not allowed since there's already a kernel registered from python "
                f"overriding {op.name()}'s behavior for {key} dispatch key and {self.ns} "
                "namespace: pass allow_override=True, or destroy the library that did"
            )
        if key == "FuncTorchBatched":
            raise NotImplementedError(
                "impl: rules for vmap are registered with flambeau.library.register_vmap"
            )
        if key == "Meta" and _C._is_composite(op):
            raise RuntimeError(
                f"We should not register a meta kernel directly to the operator '{op.name()}', "
                "because it is the sum of other operators: register for those instead"
            )
        _register_for(self, op, key, fn)

    def _destroy(self) -> None:
        """Takes back all that this library registered."""
        self._alive = False
        self._finalizer()


def define(qualname, schema: str, *, lib: Library | None = None, tags=()) -> None:
    """Defines an op: ``define("ns::name", "(Tensor x) -> Tensor")``."""
    namespace, name = _split(qualname)
    if not isinstance(schema, str):
        raise TypeError(f"define: a schema is a str, not {type(schema).__name__}")
    _register(namespace, name + schema)


def impl(qualname: str, types, func: Callable | None = None, *, lib: Library | None = None):
    """Registers an implementation for device types or dispatch keys."""
    return register_kernel(qualname, types, func)
