"""Layers over all ops: __torch_function__, __torch_dispatch__, the recorder, ops at run time."""

import gc
import threading

import pytest

import flambeau as torch
from flambeau import _C
from flambeau._recorder import record
from flambeau.overrides import TorchFunctionMode, handle_torch_function, has_torch_function
from flambeau.utils._python_dispatch import TorchDispatchMode
from flambeau.utils._pytree import tree_map

# ---- __torch_function__


class Logged(torch.Tensor):
    calls: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append((func, types, args, kwargs))
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.fixture
def logged():
    Logged.calls = []
    return torch.ones(2, 2).as_subclass(Logged)


def names():
    return [getattr(f, "__name__", str(f)) for f, *_ in Logged.calls]


def test_functions_methods_and_operators_are_seen(logged):
    Logged.calls.clear()
    results = [torch.add(logged, 1), logged.mul(2), logged + logged, 1 + logged, -logged]
    assert names() == ["add", "mul", "add", "add", "neg"]
    assert all(type(r) is Logged for r in results)


def test_public_functions_are_what_is_passed(logged):
    Logged.calls.clear()
    torch.sum(logged)
    logged.sum()
    logged == 1  # noqa: B015
    assert [c[0] for c in Logged.calls] == [torch.sum, torch.Tensor.sum, torch.Tensor.__eq__]
    assert Logged.calls[0][1] == (Logged,)


def test_subclasses_are_found_in_lists(logged):
    Logged.calls.clear()
    assert type(torch.cat([torch.ones(1, 2), logged])) is Logged
    assert names() == ["cat"]


def test_properties_and_protocols_are_seen(logged):
    Logged.calls.clear()
    logged.shape, logged[0], logged.size(), len(logged), logged.tolist()
    assert "__get__" in names() and "__getitem__" in names() and "tolist" in names()


def test_results_in_tuples_get_the_class(logged):
    values, indices = torch.max(logged, 0)
    assert type(values) is Logged and type(indices) is Logged
    assert all(type(part) is Logged for part in logged.unbind())


def test_gradients_keep_their_class(logged):
    logged.requires_grad_()
    logged.grad = torch.ones(2, 2)
    assert type(logged.grad) is torch.Tensor


def test_subclass_that_does_not_override():
    class Plain(torch.Tensor):
        __torch_function__ = _C._disabled_torch_function_impl

    assert type(torch.ones(2).as_subclass(Plain) + 1) is torch.Tensor


def test_duck_types():
    class Duck:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func, types

    duck = Duck()
    assert torch.add(duck, 1) == (torch.add, (Duck,))
    assert torch.add(torch.ones(1), duck) == (torch.add, (Duck,))
    assert torch.cat([duck]) == (torch.cat, (Duck,))
    assert torch.nn.functional.linear(torch.ones(1), duck)[1] == (Duck,)


def test_not_implemented_goes_on_to_the_next_and_fails_in_the_end():
    class No:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    class Yes(No):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "yes"

    assert torch.add(No(), Yes()) == "yes"
    with pytest.raises(TypeError, match="add.*NotImplemented"):
        torch.add(No(), No())


def test_subclasses_are_asked_before_their_bases():
    order = []

    class A:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            order.append(cls.__name__)
            return NotImplemented

    class B(A):
        pass

    with pytest.raises(TypeError):
        torch.stack([A(), B(), A()])
    assert order == ["B", "A"]


def test_modes_nest_and_see_factories():
    seen = []

    class Mode(TorchFunctionMode):
        def __init__(self, name):
            self.name = name

        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append((self.name, func))
            return func(*args, **(kwargs or {}))

    with Mode("outer"), Mode("inner"):
        torch.zeros(2)
    assert seen == [("inner", torch.zeros), ("outer", torch.zeros)]
    seen.clear()
    torch.zeros(2)
    assert seen == []


def test_a_mode_stays_when_its_handler_fails():
    class Bad(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            raise ValueError("bad")

    with Bad():
        for _ in range(2):
            with pytest.raises(ValueError, match="bad"):
                torch.zeros(2)
    assert torch.zeros(2).shape == (2,)


def test_disabling(logged):
    with _C.DisableTorchFunctionSubclass():
        assert not _C._is_torch_function_enabled()
        assert type(logged + 1) is torch.Tensor
    assert type(logged + 1) is Logged


def test_gradients_are_given_to_the_class(logged):
    x = logged.detach().requires_grad_()
    Logged.calls = []
    (g,) = torch.autograd.grad((x * 2).sum(), x)
    assert type(g) is Logged and torch.autograd.grad in [c[0] for c in Logged.calls]
    (first,) = torch.autograd.grad((x * x).sum(), x, create_graph=True)
    (second, unused) = torch.autograd.grad(
        first.sum(), (x, torch.ones(1).requires_grad_()), allow_unused=True
    )
    assert type(first) is type(second) is Logged and unused is None
    leaf = torch.ones(2).requires_grad_()
    (through,) = torch.autograd.grad((leaf.as_subclass(Logged) * 2).sum(), leaf)
    assert type(through) is Logged
    (x * 2).sum().backward()
    assert type(torch.Tensor.grad.__get__(x)) is torch.Tensor


def test_python_functions_join_in(logged):
    def double(x):
        if has_torch_function((x,)):
            return handle_torch_function(double, (x,), x)
        return x * 2

    assert type(double(logged)) is Logged and double in [c[0] for c in Logged.calls]
    assert type(double(torch.ones(1))) is torch.Tensor


# ---- __torch_dispatch__


class Wrapper(torch.Tensor):
    ops: list = []

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            dtype=inner.dtype,
            device=inner.device,
            requires_grad=inner.requires_grad,
        )

    def __init__(self, inner):
        self.inner = inner.detach() if inner.requires_grad else inner

    __torch_function__ = _C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        cls.ops.append(str(func))
        unwrap = lambda x: x.inner if isinstance(x, cls) else x  # noqa: E731
        wrap = lambda x: cls(x) if isinstance(x, torch.Tensor) else x  # noqa: E731
        return tree_map(wrap, func(*tree_map(unwrap, args), **tree_map(unwrap, kwargs or {})))


@pytest.fixture
def ops():
    Wrapper.ops = []
    return Wrapper.ops


def test_wrapper_sees_ops_by_their_names(ops):
    t = Wrapper(torch.arange(4.0).view(2, 2))
    results = [t + 1, torch.add(t, 1, alpha=2), t.transpose(0, 1), t.sum(0, True), t[0]]
    assert ops == ["aten.add.Tensor", "aten.add.Tensor", "aten.transpose.int",
                   "aten.sum.dim_IntList", "aten.select.int"]  # fmt: skip
    assert all(type(r) is Wrapper for r in results)
    assert results[1].inner.tolist() == [[2, 3], [4, 5]]


def test_wrapper_sees_compositions_taken_apart(ops):
    t = Wrapper(torch.ones(2, 2))
    torch.nn.functional.linear(t, t)
    assert ops == ["aten.t.default", "aten.mm.default"]


def test_wrapper_inherits_autograd(ops):
    t = Wrapper(torch.ones(2, requires_grad=True))
    out = (t * 2).sum()
    assert out.requires_grad and ops == ["aten.mul.Tensor", "aten.sum.default"]
    assert type(out.grad_fn).__name__ == "SumBackward0"
    out.backward()
    assert t.grad.inner.tolist() == [2, 2]


def test_wrapper_without_unwrapping_never_reaches_memory():
    t = Wrapper(torch.ones(2))
    with pytest.raises(NotImplementedError, match="without memory"):
        torch.Tensor.__torch_dispatch__(torch.ops.aten.add.Tensor, (), (t, t))
    with pytest.raises(RuntimeError):
        t.data_ptr()


def test_wrapper_in_place_and_out_return_the_written_tensor():
    t = Wrapper(torch.ones(2))
    assert t.add_(1) is t


def test_a_wrapper_may_say_that_it_has_another_layout():
    seen = []

    class Sparse(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            seen.append((str(func), args[0].layout))
            return torch.ones(3)

    t = torch.Tensor._make_wrapper_subclass(Sparse, (2, 3), layout=torch.sparse_csr)
    assert t.layout is torch.sparse_csr and t.is_sparse_csr and t.shape == (2, 3)
    t + 1
    assert seen == [("aten.add.Tensor", torch.sparse_csr)]
    with pytest.raises(NotImplementedError, match="a tensor of layout torch.sparse_csr has no"):
        t.untyped_storage()
    with _C._DisableTorchDispatch(), pytest.raises(NotImplementedError, match="without memory"):
        t + 1


def test_wrapper_needs_the_method():
    class Forgot(torch.Tensor):
        pass

    with pytest.raises(RuntimeError, match="__torch_dispatch__"):
        torch.Tensor._make_wrapper_subclass(Forgot, (2,))


class Ops(TorchDispatchMode):
    def __init__(self):
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append((str(func), kwargs))
        return func(*args, **(kwargs or {}))


def test_dispatch_modes_see_plain_tensors_below_autograd():
    x = torch.ones(2, requires_grad=True)
    with Ops() as mode:
        y = (torch.zeros(2) + x).sum()
        y.backward()
    seen = [name for name, _ in mode.seen]
    assert seen[:3] == ["aten.zeros.default", "aten.add.Tensor", "aten.sum.default"]
    assert x.grad.tolist() == [1, 1] and len(seen) > 3


def test_defaults_are_left_out():
    with Ops() as mode:
        torch.add(torch.ones(1), 1)
        torch.add(torch.ones(1), 1, alpha=2)
    assert [k for n, k in mode.seen if n == "aten.add.Tensor"] == [{}, {"alpha": 2}]


def test_numbers_stay_numbers():
    taken = []

    class Args(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            taken.append(args[1:])
            return func(*args, **(kwargs or {}))

    t = torch.ones(1, dtype=torch.float16)
    with Args():
        results = [t + 1.5, t * True]
    assert taken == [(1.5,), (True,)] and type(taken[1][0]) is bool
    assert all(r.dtype is torch.float16 for r in results)
    graph = record(lambda x: x * 2.5, t)
    assert graph.nodes[0].args[1] == 2.5 and graph(torch.ones(1)).dtype is torch.float32


def test_dispatch_modes_nest_and_end():
    with Ops() as outer, Ops() as inner:
        torch.ones(2)
    assert outer.seen == inner.seen != []
    before = len(outer.seen)
    torch.ones(2)
    assert len(outer.seen) == before


def test_modes_belong_to_their_thread():
    result = []
    with Ops() as mode:
        thread = threading.Thread(target=lambda: result.append(torch.ones(2) + 1))
        thread.start()
        thread.join()
    assert mode.seen == [] and result[0].tolist() == [2, 2]


def test_dispatch_errors_come_through():
    class Bad(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise KeyError("bad")

    with Bad(), pytest.raises(KeyError, match="bad"):
        torch.ones(2)

    class Wrong(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return 3

    with Wrong(), pytest.raises(TypeError, match="expected a Tensor"):
        torch.ones(2)


# ---- op objects


def test_ops_by_name():
    op = torch.ops.aten.add.Tensor
    assert str(op) == "aten.add.Tensor" and op.name() == "aten::add.Tensor"
    assert repr(op) == "<OpOverload(op='aten.add', overload='Tensor')>"
    assert torch.ops.aten.sum.default.name() == "aten::sum"
    assert "Tensor" in torch.ops.aten.add.overloads() and op.overloadpacket is torch.ops.aten.add
    assert op is torch.ops.aten.add.Tensor
    assert op(torch.ones(2), torch.ones(2), alpha=3).tolist() == [4, 4]
    assert torch.ops.aten.add(torch.ones(2), 1).tolist() == [2, 2]
    assert op._schema.arguments[2].name == "alpha" and op._schema.arguments[2].kwarg_only
    assert str(op._schema).startswith("aten::add.Tensor(Tensor self, Tensor other")
    for missing in ("torch.ops.aten.nope", "torch.ops.aten.add.Nope"):
        with pytest.raises(AttributeError):
            eval(missing)
    with pytest.raises(RuntimeError, match="Declaration: aten::add.Tensor"):
        op(torch.ones(2))


def test_ops_survive_pickle():
    import pickle

    op = torch.ops.aten.mul.Tensor
    assert pickle.loads(pickle.dumps(op)) is op


# ---- recorder


def test_recording_and_replay():
    w = torch.tensor([2.0, 3.0])

    def f(x, y):
        z = x * w + y
        z.add_(1)
        return {"sum": z.sum(), "parts": z.unbind(0)}

    x, y = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0])
    graph = record(f, x, y)
    assert [str(n.op) for n in graph.nodes][:4] == [
        "aten.mul.Tensor", "aten.add.Tensor", "aten.add_.Tensor", "aten.sum.default"
    ]  # fmt: skip
    again = graph(torch.tensor([5.0, 6.0]), torch.tensor([1.0, 1.0]))
    direct = f(torch.tensor([5.0, 6.0]), torch.tensor([1.0, 1.0]))
    assert again["sum"].item() == direct["sum"].item()
    assert [p.item() for p in again["parts"]] == [p.item() for p in direct["parts"]]
    with pytest.raises(TypeError, match="takes 2 tensors"):
        graph(x)


def test_recording_stops():
    graph = record(lambda x: x + 1, torch.ones(1))
    torch.ones(1) + 1
    assert len(graph.nodes) == 1
    with pytest.raises(ZeroDivisionError):
        record(lambda x: 1 / 0, torch.ones(1))
    torch.ones(1) + 1


def test_replay_can_be_differentiated():
    graph = record(lambda x: (x * x).sum(), torch.ones(2))
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    graph(x).backward()
    assert x.grad.tolist() == [4, 6]


# ---- ops registered at run time


def test_custom_op_with_fake_and_gradient():
    @torch.library.custom_op("tests::scaled_square", mutates_args=())
    def scaled_square(x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return x * x * scale

    @scaled_square.register_fake
    def _(x, scale=2.0):
        return torch.empty_like(x)

    def setup(ctx, inputs, output):
        x, scale = inputs
        ctx.save_for_backward(x)
        ctx.scale = scale

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * ctx.scale * x * g, None

    scaled_square.register_autograd(backward, setup_context=setup)
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    y = scaled_square(x)
    assert y.tolist() == [2, 18]
    y.sum().backward()
    assert x.grad.tolist() == [4, 12]
    assert scaled_square(torch.ones(2, device="meta"), 3.0).is_meta
    assert torch.ops.tests.scaled_square(torch.ones(1), 5.0).tolist() == [5]
    one = torch.ones(1)
    with Ops() as mode:
        scaled_square(one)
    assert mode.seen[0][0] == "tests.scaled_square.default"
    graph = record(lambda t: scaled_square(t), torch.ones(1))
    assert [str(n.op) for n in graph.nodes] == ["tests.scaled_square.default"]


def test_custom_op_without_gradient_says_so():
    @torch.library.custom_op("tests::opaque", mutates_args=())
    def opaque(x: torch.Tensor) -> torch.Tensor:
        return x + 1

    out = opaque(torch.ones(1, requires_grad=True))
    with pytest.raises(RuntimeError, match="no autograd formula"):
        out.backward()


def test_custom_op_that_writes():
    @torch.library.custom_op("tests::fill_two", mutates_args={"x"})
    def fill_two(x: torch.Tensor) -> None:
        x.fill_(2)

    t = torch.zeros(2)
    before = t._version
    assert fill_two(t) is None and t.tolist() == [2, 2] and t._version > before


def test_library_object():
    lib = torch.library.Library("tests2", "DEF")
    lib.define("pair(Tensor x, int n=1, *, str mode='a') -> (Tensor, Tensor)")
    lib.impl("pair", lambda x, n=1, *, mode="a": (x + n, x * (2 if mode == "a" else 3)), "CPU")
    a, b = torch.ops.tests2.pair(torch.ones(1), 4, mode="b")
    assert a.item() == 5 and b.item() == 3
    with pytest.raises(NotImplementedError, match="no implementation for 'Meta'"):
        torch.ops.tests2.pair(torch.ones(1, device="meta"))
    with pytest.raises(RuntimeError, match="exists already"):
        lib.define("pair(Tensor x) -> Tensor")
    with pytest.raises(RuntimeError, match="could not parse dispatch key: Nope"):
        lib.impl("pair", lambda x: x, "Nope")


def test_schema_from_annotations():
    def f(x: torch.Tensor, xs: list[torch.Tensor], n: int | None, *, p: float = 0.5) -> None: ...

    assert torch.library.infer_schema(f, mutates_args={"x"}) == (
        "(Tensor(a0!) x, Tensor[] xs, SymInt? n, *, float p=0.5) -> ()"
    )
    with pytest.raises(ValueError, match="annotation"):
        torch.library.infer_schema(lambda x: x, mutates_args=())


def test_layers_leave_nothing_behind():
    gc.collect()
    assert _C._len_torch_dispatch_stack() == 0 and _C._len_torch_function_stack() == 0


def test_a_graph_holds_no_tensors_of_a_transform():
    func = torch.func

    def square(v):
        return v * v

    x = torch.tensor([1.0, 2.0, 3.0])
    for f in (
        lambda x: func.grad(lambda v: square(v).sum())(x),
        lambda x: func.vjp(square, x)[1](x)[0],
        lambda x: func.jvp(square, (x,), (x,))[1],
        func.vmap(square),
        func.jacrev(square),
        func.jacfwd(square),
    ):
        with pytest.raises(NotImplementedError, match="inside a function transform"):
            record(f, x)
    graph = record(square, x)
    assert func.grad(lambda v: graph(v).sum())(x).tolist() == [2, 4, 6]
    inside = func.grad(lambda v: record(square, v)(v * 3).sum())(x)
    assert inside.tolist() == [18, 36, 54]
