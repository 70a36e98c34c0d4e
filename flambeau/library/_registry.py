"""The table of ops that programs define, and what they register for ops at dispatch keys."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterable, Sequence

import flambeau
from flambeau import _C, _tags
from flambeau.ops import schema as schemas

# tag:: in core/dispatch/op.h
_INPLACE, _OUT = 4, 8


def _letters(s: schemas.Schema) -> dict[str, str]:
    """A letter for each alias set of a schema, as the core tells them apart."""
    names = dict.fromkeys(a.alias for a in (*s.args, *s.returns) if a.alias)
    if all(len(name) == 1 for name in names):
        return {name: name for name in names}
    return {name: name if name == "*" else chr(ord("0") + i) for i, name in enumerate(names)}


def _argument_row(a: schemas.Argument, letters: dict[str, str]) -> tuple:
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
        letters.get(a.alias, ""),
        has_default,
        default_value(a.default) if has_default else None,
    )


def register(namespace: str, text: str, tags=()) -> _C.OpOverload:
    """Defines an op from its schema."""
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
    tags = _tags.normalised(tags)
    try:
        s = schemas.parse(text)
    except schemas.SchemaError as error:
        raise RuntimeError(f"define: {error}") from None
    letters = _letters(s)
    op = _C._register_op(
        namespace,
        s.name,
        s.overload,
        f"{namespace}::{s.text()}",
        [_argument_row(a, letters) for a in s.args],
        [
            (r.type, r.list, r.mutated, letters.get(r.alias, ""), r.name, r.optional)
            for r in s.returns
        ],
        (_INPLACE if s.inplace else 0) | (_OUT if s.outs else 0),
    )
    _tags._given[op.name()] = tags
    return op


def parts_of(qualified: str) -> tuple[str, str]:
    """Namespace and name of ``"namespace::name"``."""
    if not isinstance(qualified, str):
        raise ValueError(f"expected 'namespace::name' as a str, got {qualified!r}")
    namespace, colons, rest = qualified.partition("::")
    if not colons or not namespace or not rest or "::" in rest:
        raise ValueError(f"expected 'namespace::name', got {qualified!r}")
    return namespace, rest


def find(op, function: str = "") -> _C.OpOverload:
    """The op that a name, an op or a custom op stands for."""
    op = getattr(op, "_opoverload", op)
    if isinstance(op, _C.OpOverload):
        return op
    if not isinstance(op, str):
        raise ValueError(f"{function}({op!r}): got unexpected type for op: {type(op)}")
    found = _C._find_op(op)
    if found is None:
        raise RuntimeError(f"there is no operator {op!r}: define it first")
    return found


_DEFAULT_BODY = "CompositeExplicitAutograd"


def key_of(device_type: str | None) -> str:
    """The dispatch key of a device type's kernels; other names are keys already."""
    if device_type in ("", "default", None):
        return _DEFAULT_BODY
    names = {"cpu": "CPU", "cuda": "CUDA", "xpu": "XPU", "mps": "MPS", "meta": "Meta"}
    return names.get(device_type, device_type)


def register_for(lib: Library | None, op, key: str, function: Callable):
    """Registers for as long as ``lib`` lives, or for ever."""
    handle = _C._register(op, key, function)
    if lib is not None:
        lib._handles.append(handle)
    return handle


def is_custom(op) -> bool:
    """Whether ``custom_op`` has made it."""
    from flambeau.library._custom import definition_of

    return definition_of(op) is not None


def has_keyword_tensors(op) -> bool:
    return any(a.kwarg_only and a.type.startswith("Tensor") for a in op._schema.arguments)


def tensors_of(value) -> Iterable[flambeau.Tensor]:
    """The tensors of a value, those in lists included."""
    if isinstance(value, flambeau.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_of(item)


def fallthrough_kernel():
    """Given to ``Library.impl`` it makes calls pass that key as if nothing stood there."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


def _passing(op, key: str) -> Callable:
    """What stands for ``fallthrough_kernel`` at a layer."""
    if key.startswith("Autograd"):

        def passed(*args, **kwargs):
            with _C._AutoDispatchBelowAutograd():
                return op(*args, **kwargs)

        return passed
    if key.startswith("Autocast"):
        device = key.removeprefix("Autocast").lower() or "cpu"

        def passed(*args, **kwargs):
            with flambeau.autocast(device, enabled=False):
                return op(*args, **kwargs)

        return passed
    raise NotImplementedError(
        f"impl: fallthrough_kernel passes the layers Autograd and Autocast, not {key}"
    )


# ---- libraries


_RESERVED = ("prim",)
_defining: set[str] = set()  # namespaces with a library of kind "DEF"


def _take_back(handles: list, defined: list, namespace: str | None) -> None:
    """What a library did, undone."""
    while handles:
        _C._unregister(handles.pop())
    while defined:
        op = defined.pop()
        _tags._given.pop(op.name(), None)
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
        """Defines an op from its schema; gives its name.

        ``tags`` are members of ``flambeau.Tag``. Aliases are those of the schema, which is all
        that ``alias_analysis`` may say: "" or "FROM_SCHEMA"; "CONSERVATIVE" is for graphs of
        scripts, which do not exist.
        """
        if alias_analysis not in ("", "FROM_SCHEMA", "CONSERVATIVE"):
            raise RuntimeError(f"Invalid alias_analysis type {alias_analysis}")
        if alias_analysis == "CONSERVATIVE":
            raise NotImplementedError("define: alias_analysis='CONSERVATIVE' is not supported")
        self._check_alive()
        if self.kind == "IMPL":
            raise RuntimeError("define: a library of kind 'IMPL' only adds implementations")
        op = register(self.ns, schema, tags)
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
        if not isinstance(op_name, (str, _C.OpOverload)):
            raise RuntimeError(
                "impl should be passed either a name or an OpOverload object as the first "
                f"argument, got {type(op_name)}"
            )
        if isinstance(op_name, str):
            if "::" in op_name and op_name.split("::")[0] != self.ns:
                raise RuntimeError(
                    f'impl("{op_name}", ...): the namespace of the operator does not match '
                    f"namespace {self.ns!r} of this library"
                )
            op_name = op_name if "::" in op_name else f"{self.ns}::{op_name}"
        op = find(op_name)
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
        register_for(self, op, key, _passing(op, key) if fn is fallthrough_kernel else fn)

    def fallback(self, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        """What runs at a key for all ops that have nothing there: of backends from outside alone.

        It is ``fallthrough_kernel``, with which ops without a kernel for ``"PrivateUse1"`` run on
        copies on the CPU; ``flambeau.utils.set_backend_fallback`` says more.
        """
        if self.ns != "_":
            raise RuntimeError(
                "Fallback can only be registered using library fragment on the global namespace "
                f'"_" but it is {self.ns}'
            )
        if not dispatch_key:
            raise AssertionError("dispatch_key must not be empty for fallback")
        self._check_alive()
        if fn is not fallthrough_kernel or with_keyset or dispatch_key != "PrivateUse1":
            raise NotImplementedError(
                f"fallback: only fallthrough_kernel for 'PrivateUse1' is supported, not {fn!r} "
                f"for {dispatch_key!r}"
            )
        _C._set_device_fallback(_C._get_privateuse1_backend_name(), "silent")

    def register_symm_mem_args(self, op_name, arg_names) -> None:
        """Which arguments are in symmetric memory of several GPUs, which does not exist here."""
        raise NotImplementedError("register_symm_mem_args: there is no symmetric memory")

    def _destroy(self) -> None:
        """Takes back all that this library registered."""
        self._alive = False
        self._finalizer()


_SIGNATURE = re.compile(r"\(.*\) -> .*", re.S)


def define(qualname, schema=None, alias_analysis="", *, lib: Library | None = None, tags=()):
    """Defines an op: ``define("ns::name", "(Tensor x) -> Tensor")``.

    With ``lib`` it lasts as long as the library. ``@define(lib, "name(Tensor x) -> Tensor")``
    above a function defines the op and makes the function its body.
    """
    if isinstance(qualname, Library):
        library, line = qualname, schema

        def decorate(function: Callable) -> Callable:
            name = library.define(line, alias_analysis, tags=tags)
            library.impl(name, function)
            return function

        return decorate
    namespace, name = parts_of(qualname)
    if not isinstance(schema, str):
        raise TypeError(f"define: a schema is a str, not {type(schema).__name__}")
    if not _SIGNATURE.fullmatch(schema) and not schema.startswith("("):
        raise ValueError(
            'define(qualname, schema, ...): expected schema to look like e.g. "(Tensor x) -> '
            f'Tensor" but got "{schema}"'
        )
    if lib is None:
        register(namespace, name + schema, tags)
    elif lib.ns != namespace:
        raise RuntimeError(f"define: {qualname} is not in the namespace {lib.ns!r} of the library")
    else:
        lib.define(name + schema, tags=tags)
    return None


def impl(qualname, types, func: Callable | None = None, *, lib: Library | None = None):
    """Registers an implementation for device types or dispatch keys.

    ``@impl(lib, "name", "CPU")`` above a function is the same as ``lib.impl``.
    """
    if isinstance(qualname, Library):
        library, name, key = qualname, types, func or ""

        def decorate(function: Callable) -> Callable:
            library.impl(name, function, key)
            return function

        return decorate
    return register_kernel(qualname, types, func, lib=lib)


def register_kernel(
    op,
    device_types: str | Sequence[str] | None,
    func: Callable | None = None,
    /,
    *,
    lib: Library | None = None,
):
    """Registers an implementation for a device type, or several; None stands for all."""
    from flambeau.library._custom import definition_of

    found = find(op, "register_kernel")

    def decorate(f: Callable) -> Callable:
        if not callable(f):
            raise TypeError(f"register_kernel: an implementation is callable, not {f!r}")
        definition = definition_of(found)
        if definition is not None and lib is None:
            return definition.register_kernel(device_types, f)
        kinds = [device_types] if isinstance(device_types, str) else device_types
        for kind in kinds if kinds is not None else [None]:
            register_for(lib, found, key_of(kind), f)
        return f

    return decorate if func is None else decorate(func)


def register_fake(
    op,
    func: Callable | None = None,
    /,
    *,
    lib: Library | None = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
):
    """Registers the shape-only rule of an op: it runs for tensors on ``meta``."""

    def decorate(f: Callable) -> Callable:
        from flambeau.library._custom import definition_of

        found = find(op, "register_fake")
        definition = definition_of(found)
        if definition is not None and lib is None:
            return definition.register_fake(f)
        if not allow_override and _C._registered(found, "Meta") is not None:
            raise RuntimeError(
                f"register_fake(...): the operator {found.name()} already has a fake impl: pass "
                "allow_override=True"
            )
        register_for(lib, found, "Meta", f)
        return f

    return decorate if func is None else decorate(func)


def impl_abstract(qualname, func: Callable | None = None, *, lib=None, _stacklevel: int = 1):
    """The name that ``register_fake`` had before."""
    return register_fake(qualname, func, lib=lib)


def register_vmap(op, func: Callable | None = None, /, *, lib: Library | None = None):
    """Registers how ``func.vmap`` runs an op on all items of a batch at once.

    ``func(info, in_dims, *args, **kwargs)`` gets the arguments with their batch dimensions in
    place, ``in_dims`` says which these are (None for what has none), and ``info`` has the fields
    ``batch_size`` and ``randomness``. It gives the output and where its batch dimension is.
    """
    found = find(op, "register_vmap")
    if has_keyword_tensors(found):
        raise NotImplementedError(
            "register_vmap: kwarg-only Tensor args are not supported. In the definition of the op, "
            f"please make your tensors not kwarg-only. Got: {found._schema}"
        )

    def decorate(f: Callable) -> Callable:
        register_for(lib, found, "FuncTorchBatched", f)
        return f

    return decorate if func is None else decorate(func)


_dispatch_rules: dict = {}  # (op, class) -> function; core/python/torch_dispatch.cpp looks here


def register_torch_dispatch(
    op, torch_dispatch_class, func: Callable | None = None, /, *, lib: Library | None = None
):
    """Registers what answers for an op in place of ``__torch_dispatch__`` of a class.

    The class is a subclass of Tensor or of ``TorchDispatchMode``; ``func(cls_or_mode, op, types,
    args, kwargs)`` gets what the method would.

    >>> from flambeau.utils._python_dispatch import TorchDispatchMode
    >>> class Mode(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         return func(*args, **(kwargs or {}))
    >>> flambeau.library.define("doc_rules::f", "(Tensor x) -> Tensor")
    >>> flambeau.library.impl("doc_rules::f", "cpu", lambda x: x + 1)  # doctest: +ELLIPSIS
    <function ...>
    >>> @flambeau.library.register_torch_dispatch("doc_rules::f", Mode)
    ... def _(mode, func, types, args, kwargs):
    ...     return func(*args, **kwargs) * 10
    >>> with Mode():
    ...     flambeau.ops.doc_rules.f(flambeau.zeros(1))
    tensor([10.])
    """
    found = find(op, "register_torch_dispatch")
    if not isinstance(torch_dispatch_class, type):
        raise ValueError(f"register_torch_dispatch: expected a class, got {torch_dispatch_class!r}")

    def decorate(f: Callable) -> Callable:
        _dispatch_rules[found, torch_dispatch_class] = f
        _C._set_torch_dispatch_rules(_dispatch_rules)
        if lib is not None:
            weakref.finalize(lib, _dispatch_rules.pop, (found, torch_dispatch_class), None)
        return f

    return decorate if func is None else decorate(func)


def register_autocast(op, device_type: str, cast_inputs, /, *, lib: Library | None = None):
    """Registers the dtype that autocast of a device type gives an op its floating tensors in.

    Those of float64 stay as they are; within the op autocast is off.

    >>> flambeau.library.define("doc_cast::f", "(Tensor x) -> Tensor")
    >>> flambeau.library.impl("doc_cast::f", "cpu", lambda x: x + 1)  # doctest: +ELLIPSIS
    <function ...>
    >>> flambeau.library.register_autocast("doc_cast::f", "cpu", flambeau.float16)
    >>> with flambeau.autocast("cpu"):
    ...     flambeau.ops.doc_cast.f(flambeau.ones(1)).dtype
    torch.float16
    """
    found = find(op, "register_autocast")
    if not isinstance(device_type, str):
        raise ValueError(f"register_autocast: device_type is a str, got {device_type!r}")
    if device_type not in ("cpu", "cuda", "xpu"):
        raise ValueError(f"Unknown device type: {device_type}: 'cpu', 'cuda' or 'xpu'")
    if not isinstance(cast_inputs, flambeau.dtype):
        raise TypeError(f"register_autocast: cast_inputs is a dtype, got {cast_inputs!r}")

    def cast(value):
        if isinstance(value, flambeau.Tensor):
            wanted = value.is_floating_point() and value.dtype is not flambeau.float64
            return value.to(cast_inputs) if wanted and value.device.type == device_type else value
        if isinstance(value, (list, tuple)):
            return type(value)(map(cast, value))
        return value

    def lowered(*args, **kwargs):
        with flambeau.autocast(device_type, enabled=False):
            return found(*map(cast, args), **{k: cast(v) for k, v in kwargs.items()})

    register_for(lib, found, f"Autocast{key_of(device_type)}", lowered)


class _Kernel:
    """What an op had at a dispatch key when it was asked for."""

    def __init__(self, op, key: str, function: Callable):
        self._op, self._key, self._function = op, key, function

    def call_boxed(self, keyset, *args, **kwargs):
        """Calls it; which keys are left is not asked of functions of Python: ``keyset`` is None."""
        if keyset is not None:
            raise NotImplementedError("call_boxed: keyset is None: sets of keys do not exist")
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<kernel of {self._op.name()} at {self._key}>"


def get_kernel(op, dispatch_key: str) -> _Kernel:
    """What an op has at a dispatch key now, whatever is registered there later.

    >>> flambeau.library.get_kernel("aten::relu", "CPU").call_boxed(None, flambeau.ones(1))
    tensor([1.])
    """
    found = find(op, "get_kernel")
    if not isinstance(dispatch_key, str):
        raise ValueError(f"Invalid dispatch key: {dispatch_key}")
    try:
        function = _C._registered(found, dispatch_key)
    except RuntimeError:
        raise ValueError(f"Invalid dispatch key: {dispatch_key}") from None
    if function is None and dispatch_key in ("CPU", "Meta") and found.namespace == "aten":

        def function(*args, **kwargs):
            with _C._AutoDispatchBelowAutograd():
                return found(*args, **kwargs)

    if function is None:
        raise RuntimeError(
            f"get_kernel: {found.name()} has no kernel at the dispatch key {dispatch_key}"
        )
    return _Kernel(found, dispatch_key, function)


def get_ctx():
    """In a fake rule, for sizes that depend on data; without symbolic sizes there are none."""
    raise NotImplementedError("get_ctx: outputs whose size depends on data have no fake rule")
