"""The layers from outside: a program that registers, observes, captures and reads.

Each test uses one seam as a library on top would, and leaves nothing behind.
"""

import contextlib
import copy
import gc
import math
import sys
import threading
import timeit
import warnings
import weakref

import numpy as np
import pytest

import flambeau as torch
from flambeau import _C
from flambeau._recorder import record
from flambeau.utils._python_dispatch import TorchDispatchMode

F = torch.nn.functional


@contextlib.contextmanager
def registered(op, key, function, ns="aten"):
    library = torch.library.Library(ns, "IMPL")
    library.impl(op, function, key)
    try:
        yield library
    finally:
        library._destroy()


def constant(seen, value=42.0):
    """An implementation that notes that it ran."""

    def implementation(*args, **kwargs):
        seen.append(torch.is_grad_enabled())
        return torch.full((2,), value)

    return implementation


def vector(**options):
    return torch.tensor([1.0, 2.0], **options)


# ---- registrations for built-in ops, at every key


def test_a_kernel_is_replaced_for_functions_operators_and_methods():
    x, y = vector(), vector()
    with registered("add.Tensor", "CPU", lambda a, b, alpha=1: torch.mul(a, b)):
        for out in (torch.add(x, y), x + y, x.add(y), torch.ops.aten.add.Tensor(x, y)):
            assert out.tolist() == [1, 4]
        assert x.add_(y).tolist() == [2, 4]  # an op of its own
    assert (vector() + y).tolist() == [2, 4]


def test_a_replaced_kernel_stands_below_autograd():
    x = vector(requires_grad=True)
    with registered("mul.Tensor", "CPU", constant([])):
        y = x * vector()
        assert y.tolist() == [42, 42] and y.grad_fn.name() == "MulBackward0"
        y.sum().backward()
    assert x.grad.tolist() == [42, 42]  # backward multiplies, too


def test_a_replaced_kernel_is_met_inside_of_other_ops():
    seen = []

    def addmm(bias, a, b, beta=1, alpha=1):
        seen.append("addmm")
        return torch.full((a.shape[0], b.shape[1]), 7.0)

    with registered("addmm", "CPU", addmm):
        out = F.linear(torch.ones(2, 3), torch.ones(4, 3), torch.ones(4))
    assert seen == ["addmm"] and out.tolist() == [[7.0] * 4] * 2


@pytest.mark.parametrize("key", ["Autograd", "AutogradCPU"])
def test_a_gradient_layer_is_replaced(key):
    seen = []
    with registered("add.Tensor", key, constant(seen)):
        assert torch.add(vector(), vector()).tolist() == [42, 42]
        assert torch.add(vector(requires_grad=True), 1).tolist() == [42, 42]
        with torch.no_grad():
            assert torch.add(vector(requires_grad=True), 1).tolist() == [42, 42]
        with torch.inference_mode():
            assert torch.add(vector(), 1).tolist() == [2, 3]
    assert len(seen) == 3
    assert torch.add(vector(), 1).tolist() == [2, 3]


def test_a_gradient_layer_goes_on_below_itself():
    def add(a, b, alpha=1):
        with _C._AutoDispatchBelowAutograd():
            return torch.ops.aten.add.Tensor(a, b, alpha=alpha) * 10

    with registered("add.Tensor", "Autograd", add):
        assert torch.add(vector(), vector()).tolist() == [20, 40]


def test_a_rule_for_meta_tensors_is_replaced():
    with registered("add.Tensor", "Meta", lambda a, b, alpha=1: torch.empty(7, device="meta")):
        assert (vector(device="meta") + vector(device="meta")).shape == (7,)
        assert (vector() + 1).tolist() == [2, 3]
    assert (vector(device="meta") + 1).shape == (2,)


def test_a_rule_for_autocast_runs_while_autocast_is_on():
    seen = []
    with registered("add.Tensor", "AutocastCPU", constant(seen)):
        assert (vector() + 1).tolist() == [2, 3]
        torch.set_autocast_enabled("cpu", True)
        try:
            assert (vector() + 1).tolist() == [42, 42]
            assert (vector(device="meta") + 1).shape == (2,)  # of another device
        finally:
            torch.set_autocast_enabled("cpu", False)
        assert (vector() + 1).tolist() == [2, 3]
    assert len(seen) == 1


@pytest.mark.parametrize("key", ["CompositeImplicitAutograd", "CPU", "AutogradCPU", "Autograd"])
def test_a_composite_is_replaced(key):
    seen = []
    weight = torch.ones(2, 2)
    with registered("linear", key, constant(seen)):
        assert F.linear(vector(), weight).tolist() == [42, 42]
        assert torch.nn.Linear(2, 2)(vector()).tolist() == [42, 42]
    assert len(seen) == 2
    assert F.linear(vector(), weight).tolist() == [3, 3]


def test_a_composite_body_is_recorded_part_by_part():
    def matmul(a, b):
        return (a * b).sum()

    x = vector(requires_grad=True)
    with registered("matmul", "CompositeImplicitAutograd", matmul):
        torch.matmul(x, vector()).backward()
    assert x.grad.tolist() == [1, 2]


def test_a_body_does_not_replace_the_kernel_of_a_leaf():
    # As in PyTorch: the op has kernels of its own, which stand before any body.
    with registered("add.Tensor", "CompositeImplicitAutograd", constant([])):
        assert (vector() + 1).tolist() == [2, 3]


def test_factories_and_in_place_ops_are_replaced():
    with registered("ones", "CPU", constant([])):
        assert torch.ones(2).tolist() == [42, 42]
    x = vector()
    version = x._version
    with registered("add_.Tensor", "CPU", lambda a, b, alpha=1: a.mul_(b)):
        assert x.add_(torch.tensor([3.0, 4.0])) is x
    assert x.tolist() == [3, 8] and x._version > version


def test_register_autograd_on_a_built_in_op():
    library = torch.library.Library("aten", "IMPL")
    torch.library.register_autograd("aten::sin", lambda ctx, g: g * 100, lib=library)
    x = torch.zeros(1, requires_grad=True)
    torch.sin(x).sum().backward()
    assert x.grad.item() == 100
    library._destroy()
    x.grad = None
    torch.sin(x).sum().backward()
    assert x.grad.item() == 1


def test_register_fake_on_a_built_in_op():
    library = torch.library.Library("aten", "IMPL")
    torch.library.register_fake("aten::cos", lambda x: x.new_empty(9), lib=library)
    assert torch.cos(torch.empty(3, device="meta")).shape == (9,)
    library._destroy()
    assert torch.cos(torch.empty(3, device="meta")).shape == (3,)


def test_register_vmap_on_a_built_in_op():
    library = torch.library.Library("aten", "IMPL")
    torch.library.register_vmap(
        "aten::sin", lambda info, in_dims, x: (x * 0 + 5, in_dims[0]), lib=library
    )
    assert torch.func.vmap(torch.sin)(torch.ones(3)).tolist() == [5, 5, 5]
    library._destroy()
    assert torch.func.vmap(torch.sin)(torch.zeros(3)).tolist() == [0, 0, 0]


def test_the_latest_registration_counts_and_the_one_before_comes_back():
    with registered("neg", "CPU", constant([], 1.0)):
        with registered("neg", "CPU", constant([], 2.0)) as second:
            assert torch.neg(vector()).tolist() == [2, 2]
            with pytest.raises(RuntimeError, match="already a kernel registered"):
                second.impl("neg", constant([]), "CPU", allow_override=False)
        assert torch.neg(vector()).tolist() == [1, 1]
    assert torch.neg(vector()).tolist() == [-1, -2]


def test_registrations_end_with_their_library():
    library = torch.library.Library("aten", "IMPL")
    library.impl("neg", constant([]), "CPU")
    assert torch.neg(vector()).tolist() == [42, 42]
    del library
    assert torch.neg(vector()).tolist() == [-1, -2]


def test_what_cannot_be_registered_is_named():
    library = torch.library.Library("aten", "IMPL")
    with pytest.raises(RuntimeError, match="could not parse dispatch key: Nope"):
        library.impl("neg", constant([]), "Nope")
    with pytest.raises(TypeError, match="callable"):
        library.impl("neg", 3, "CPU")
    with pytest.raises(RuntimeError, match="namespace"):
        library.impl("other::neg", constant([]), "CPU")
    with pytest.raises(RuntimeError, match="meta kernel"):
        library.impl("linear", constant([]), "Meta")
    with pytest.raises(ValueError, match="Unsupported kind"):
        torch.library.Library("aten", "BAD")
    with pytest.raises(RuntimeError, match="Only a single"):
        torch.library.Library("aten", "DEF")
    library._destroy()
    with pytest.raises(AssertionError, match="destroyed"):
        library.impl("neg", constant([]), "CPU")


def test_a_namespace_can_be_defined_again():
    for added in (1, 2):
        library = torch.library.Library("again", "DEF")
        library.define("f(Tensor x) -> Tensor")
        library.impl("f", lambda x, n=added: x + n, "CPU")
        assert torch.ops.again.f(torch.zeros(1)).item() == added
        library._destroy()
        with pytest.raises(AttributeError):
            torch.ops.again.f  # noqa: B018


def test_an_implementation_that_calls_itself_is_an_error():
    with (
        registered("add.Tensor", "CPU", lambda a, b, alpha=1: torch.add(a, b)),
        pytest.raises(RecursionError),
    ):
        vector() + 1
    assert (vector() + 1).tolist() == [2, 3]


@pytest.mark.parametrize("key", ["CPU", "AutogradCPU", "CompositeExplicitAutograd"])
def test_a_function_that_was_taken_away_is_freed(key):
    def ten(x):
        return x * 10

    gone = weakref.ref(ten)
    with registered("neg", key, ten):
        assert torch.neg(vector()) is not None
    del ten
    gc.collect()
    assert gone() is None
    assert torch.neg(vector()).tolist() == [-1, -2]


def test_a_call_that_found_what_is_just_taken_away_goes_on_without():
    # The arguments are made into Python's after the call has found the function: by then it can be
    # gone, since a finalizer or another thread destroys the library.
    stop, wrong = threading.Event(), []

    def work():
        while not stop.is_set():
            got = torch.neg(vector()).tolist()
            if got not in ([-1, -2], [42, 42]):
                wrong.append(got)

    threads = [threading.Thread(target=work) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            with registered("neg", "CPU", constant([])):
                torch.neg(vector())
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert wrong == []


def test_registrations_count_on_every_thread():
    outs = []
    thread_ready, go = threading.Event(), threading.Event()

    def work():
        outs.append(torch.neg(vector()).tolist())
        thread_ready.set()
        go.wait()
        outs.append(torch.neg(vector()).tolist())

    thread = threading.Thread(target=work)
    thread.start()
    thread_ready.wait()
    with registered("neg", "CPU", constant([])):
        go.set()
        thread.join()
    assert outs == [[-1, -2], [42, 42]]


def test_modes_see_what_stands_above_them():
    seen = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with registered("neg", "CPU", constant([])), Mode():
        assert torch.neg(vector()).tolist() == [42, 42]
    assert "aten.neg.default" in seen


# ---- observers and captures


def test_an_observer_sees_begin_and_end():
    events = []

    def begin(op, args, kwargs):
        events.append(("begin", str(op)))
        return len(events)

    def end(context, op, args, kwargs, outputs):
        events.append(("end", str(op), context, outputs is NotImplemented))

    _C._push_observer(begin, end)
    try:
        F.linear(torch.ones(1, 2), torch.ones(2, 2))
        with pytest.raises(RuntimeError):
            torch.ones(2) @ torch.ones(3)
    finally:
        _C._pop_observer()
    torch.ones(1)
    names = [e[1] for e in events]
    assert names[0:2] == ["aten.ones.default"] * 2
    assert ("begin", "aten.linear.default") in events and "aten.t.default" not in names
    assert events[-1] == ("end", "aten.matmul.default", len(events) - 1, True)


@pytest.mark.parametrize("fails", ["begin", "end", "op"])
def test_observers_are_told_of_the_end_of_all_that_they_saw_begin(fails):
    events = []

    def push(name):
        def begin(op, args, kwargs):
            events.append(f"{name} begins")
            if (name, fails) == ("lower", "begin"):
                raise ZeroDivisionError("an observer's")

        def end(context, op, args, kwargs, outputs):
            events.append(f"{name} ends{' in vain' if outputs is NotImplemented else ''}")
            if (name, fails) == ("lower", "end"):
                raise ZeroDivisionError("an observer's")

        _C._push_observer(begin, end)

    x, wrong = vector(), torch.ones(3, 4)
    push("lower"), push("upper")
    try:
        with pytest.raises(RuntimeError if fails == "op" else ZeroDivisionError):
            x + (wrong if fails == "op" else 1)
    finally:
        _C._pop_observer(), _C._pop_observer()
    both = ["upper begins", "lower begins"]
    assert (
        events
        == {
            "begin": [*both, "upper ends in vain"],
            "end": [*both, "lower ends", "upper ends in vain"],
            "op": [*both, "lower ends in vain", "upper ends in vain"],
        }[fails]
    )
    assert (x + 1).tolist() == [2, 3]


def test_captures_stack_and_stand_below_autograd_and_modes():
    order = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            order.append("mode")
            return func(*args, **(kwargs or {}))

    x = vector(requires_grad=True)
    _C._push_capture(lambda op, *call: order.append(f"lower {op}"))
    _C._push_capture(lambda op, *call: order.append(f"upper {op}"))
    try:
        with Mode():
            y = x * 2
    finally:
        _C._pop_capture()
        _C._pop_capture()
    assert order == ["mode", "lower aten.mul.Tensor", "upper aten.mul.Tensor"]
    assert y.grad_fn is not None
    x * 2
    assert len(order) == 3
    with pytest.raises(RuntimeError, match="no capture"):
        _C._pop_capture()


# ---- reads


def test_item_and_its_like_are_one_op():
    class Reading(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.seen = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen.append(str(func))
            return func(*args, **(kwargs or {}))

    one = torch.ones((), dtype=torch.int64)
    for read in (torch.Tensor.item, bool, int, float, complex, lambda t: [0, 5][t], range):
        with Reading() as mode:
            read(one)
        assert mode.seen == ["aten._local_scalar_dense.default"], read


def test_item_can_be_answered_by_a_registration():
    with registered("_local_scalar_dense", "CPU", lambda t: 77.0):
        x = torch.zeros(1)
        assert (x.item(), float(x), int(x), bool(x)) == (77.0, 77.0, 77, True)
    assert torch.zeros(1).item() == 0


ITEMS = {
    "tensor": lambda x: x * torch.tensor([1.0, x.sum().item()]),
    "as_tensor": lambda x: x + torch.as_tensor(x.sum().item()),
    "operand": lambda x: x * x.sum().item(),
    "reflected": lambda x: x.sum().item() - x,
    "scalar": lambda x: x.add(x, alpha=x.sum().item()),
    "one of two": lambda x: x.clamp(2.5, x.sum().item()),
    "twice": lambda x: x.clamp(x[0].item(), x[0].item()),
    "equal to a constant": lambda x: x.clamp(x.sum().item(), 3.0),
    "arithmetic": lambda x: x * (2 * x.sum().item() - x[0].item() / 4) ** 2,
    "in place": lambda x: x.clone().fill_(x.max().item()),
    "mask": lambda x: x.masked_fill(x > 1, x.sum().item()),
    "layer": lambda x: F.pad(x, (1, 1), value=x.sum().item()),
    "factory": lambda x: x + torch.full((2,), x.sum().item()),
    "size": lambda x: torch.zeros(2).new_zeros(x.numel()) + x.new_full((2,), x.sum().item()),
    "result": lambda x: [x, -x.sum().item()],
    "integer": lambda x: (x * 2).long() + (x * 2).long().sum().item(),
}


@pytest.mark.parametrize("name", ITEMS)
def test_a_recorded_item_is_a_number_of_the_graph(name):
    program = ITEMS[name]
    graph = record(program, vector())
    ops = [str(n.op) for n in graph.nodes]
    assert "aten._local_scalar_dense.default" in ops and "read.number" not in ops
    for x in (vector(), torch.tensor([5.0, 6.0])):
        torch.testing.assert_close(graph(x), program(x), rtol=0, atol=0)


PLAIN_ITEMS = {
    "if": lambda x, n: x + 1 if n > 2 else x - 1,
    "bool": lambda x, n: x + 1 if n else x,
    "size": lambda x, n: torch.zeros(int(n)),
    "index": lambda x, n: x[int(n) - 3],
    "text": lambda x, n: x * float(f"{n}"),
    "math": lambda x, n: x * math.sqrt(n),
    "elements": lambda x, n: x * len({n}),
    "attribute": lambda x, n: x * n.is_integer(),
}


@pytest.mark.parametrize("name", PLAIN_ITEMS)
def test_what_a_program_does_with_an_item_itself_is_compared_at_replay(name):
    def program(x):
        return PLAIN_ITEMS[name](x, x.sum().item())

    graph = record(program, vector())
    assert [str(n.op) for n in graph.nodes].count("read.number") == 1
    torch.testing.assert_close(graph(vector()), program(vector()))
    with pytest.raises(RuntimeError, match="record it again"):
        graph(torch.tensor([5.0, 6.0]))


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.tolist(),
        lambda x: x.numpy().sum(),
        lambda x: np.asarray(x).sum(),
        lambda x: memoryview(x.numpy()),
        lambda x: np.from_dlpack(x),
        lambda x: x.data_ptr(),
        lambda x: x.untyped_storage()[3],
        lambda x: x.untyped_storage().tolist(),
        lambda x: x.clone().untyped_storage().data_ptr(),
        lambda x: copy.deepcopy(x),
        lambda x: torch.equal(x, torch.tensor([1.0, 2.0])),
        lambda x: x[0] == 1 or None,
        lambda x: float(x[0]),
        lambda x: 1.0 in x,
    ],
    ids=(
        "tolist numpy asarray memoryview dlpack data_ptr storage_byte storage_tolist "
        "storage_data_ptr deepcopy equal bool item_of_a_view contains"
    ).split(),
)
def test_a_recorded_read_is_checked_at_replay(read):
    def program(x):
        read(x)
        return x + 1

    graph = record(program, vector())
    assert graph(vector()).tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="record it again"):
        graph(torch.tensor([3.0, 4.0]))


# ---- ops of a program


@pytest.fixture
def defined():
    """A library with the op ``drills::double(Tensor x) -> Tensor``, without a body."""
    library = torch.library.Library("drills", "DEF")
    library.define("double(Tensor x) -> Tensor")
    yield library
    library._destroy()


def twice_exp(x):
    return x.exp() * 2


@pytest.mark.parametrize("key", ["CompositeImplicitAutograd", ""])
def test_an_op_that_is_the_sum_of_its_parts_is_seen_as_its_parts(defined, key):
    defined.impl("double", twice_exp, key)
    op = torch.ops.drills.double
    w = torch.zeros(2, requires_grad=True)
    out = op(w)
    assert out.grad_fn.name() == "MulBackward0"
    (out.sum() + w.sum()).backward()
    assert w.grad.tolist() == [3, 3]

    assert torch.func.grad(lambda x: op(x).sum())(torch.zeros(2)).tolist() == [2, 2]
    value, tangent = torch.func.jvp(op, (torch.zeros(2),), (torch.ones(2),))
    assert value.tolist() == tangent.tolist() == [2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its parts have rules for vmap
        assert torch.func.vmap(op)(torch.zeros(3, 2)).tolist() == [[2, 2]] * 3
    x = torch.zeros(2)
    with Names() as names:
        op(x)
    assert names.seen == ["aten.exp.default", "aten.mul.Tensor"]


class Names(TorchDispatchMode):
    def __init__(self):
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_sum_of_parts_counts_only_where_there_is_no_kernel(defined):
    defined.impl("double", twice_exp, "CompositeImplicitAutograd")
    op, w = torch.ops.drills.double, torch.zeros(2, requires_grad=True)
    with registered("double", "CPU", twice_exp, "drills"):
        assert op(w).grad_fn.name() == "NotImplemented"
        with Names() as names:
            op(torch.zeros(2))
        assert "drills.double.default" in names.seen
    assert op(w).grad_fn.name() == "MulBackward0"


def test_layers_of_an_op_stand_before_its_parts(defined):
    defined.impl("double", twice_exp, "CompositeImplicitAutograd")
    op, seen = torch.ops.drills.double, []

    def gradient(x):
        seen.append("autograd")
        with _C._AutoDispatchBelowAutograd():
            return op(x)

    with registered("double", "AutogradCPU", gradient, "drills"):
        assert op(torch.zeros(2)).tolist() == [2, 2] and seen == ["autograd"]

    def plus_batch(info, dims, x):
        return x + info.batch_size, 0

    library = torch.library.Library("drills", "FRAGMENT")
    torch.library.register_vmap("drills::double", plus_batch, lib=library)
    try:
        assert torch.func.vmap(op)(torch.zeros(3, 2)).tolist() == [[3, 3]] * 3
        assert torch.func.grad(lambda x: op(x).sum())(torch.zeros(2)).tolist() == [2, 2]
    finally:
        library._destroy()
    assert torch.func.vmap(op)(torch.zeros(3, 2)).tolist() == [[2, 2]] * 3


@pytest.mark.parametrize("key", ["CPU", "CompositeExplicitAutograd"])
def test_an_op_without_a_gradient_does_not_detach_in_silence(defined, key):
    defined.impl("double", lambda x: x * 2, key)
    op, w = torch.ops.drills.double, torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="through drills::double .*register_autograd"):
        (op(w).sum() + w.sum()).backward()
    with pytest.raises(RuntimeError, match="through drills::double"):
        torch.func.grad(lambda x: op(x).sum())(torch.ones(2))
    with pytest.raises(RuntimeError, match="through drills::double"):
        torch.func.jvp(op, (torch.ones(2),), (torch.ones(2),))
    assert not op(torch.ones(2)).requires_grad
    with torch.no_grad():
        assert not op(w).requires_grad


def test_a_kernel_that_gives_back_its_argument_leaves_it_a_leaf(defined):
    defined.impl("double", lambda x: x, "CPU")
    w = torch.ones(2, requires_grad=True)
    out = torch.ops.drills.double(w)
    assert out is not w and out.requires_grad
    assert w.is_leaf and w.grad_fn is None


def test_a_tensor_that_an_op_without_a_gradient_writes_to(defined):
    defined.define("put_(Tensor(a!) x, Tensor[] ys) -> ()")
    defined.impl("put_", lambda x, ys: x.copy_(ys[0]) and None, "CPU")
    put = torch.ops.drills.put_
    w, target = torch.full((1,), 3.0, requires_grad=True), torch.zeros(1)
    put(target, [w])
    put(made := torch.zeros(1, requires_grad=True) * 1, [w])
    for t in (target, made):
        assert t.item() == 3
        with pytest.raises(RuntimeError, match="through drills::put_"):
            t.sum().backward()
    put(leaf := torch.zeros(1, requires_grad=True), [w])  # it has a new value, as in PyTorch
    assert leaf.is_leaf and leaf.item() == 3


def test_kernels_count_the_versions_of_lists_that_they_write_to(defined):
    def add_one(xs):
        for x in xs:
            x.numpy()[:] += 1

    defined.define("bump_(Tensor(a!)[] xs) -> ()")
    defined.impl("bump_", add_one, "CPU")
    w, q = torch.ones(2, requires_grad=True), torch.ones(2)
    out = (w * q).sum()
    torch.ops.drills.bump_([q])
    assert q._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_a_replaced_kernel_of_lists_counts_versions():
    p, g = torch.ones(2), torch.ones(2)
    settings = dict(weight_decay=0.0, momentum=0.0, lr=1.0, dampening=0.0, nesterov=False)
    with registered("_fused_sgd_", "CPU", lambda *args, **kwargs: None):
        torch.ops.aten._fused_sgd_([p], [g], [], maximize=False, is_first_step=True, **settings)
    assert p._version == 1


def test_functions_of_destroyed_libraries_are_let_go():
    class Double:
        def __call__(self, x):
            return x + x

    function = Double()
    gone = weakref.ref(function)
    with registered("neg", "CPU", function):
        assert torch.neg(torch.ones(1)).item() == 2
    del function
    gc.collect()
    assert gone() is None
    assert torch.neg(torch.ones(1)).item() == -1


def test_letting_a_function_go_may_run_code_that_registers():
    class Double:
        def __call__(self, x):
            return x + x

        def __del__(self):
            with registered("abs", "CPU", lambda x: x):
                answers.append(torch.abs(torch.full((1,), -2.0)).item())

    answers = []
    with registered("neg", "CPU", Double()):
        pass
    gc.collect()
    assert answers == [-2]


def test_names_of_many_ops_are_found_at_once():
    library = torch.library.Library("many", "DEF")

    def cost(name):
        return min(timeit.repeat(lambda: _C._find_op(name), number=100, repeat=5))

    try:
        library.define("op0(Tensor x) -> Tensor")
        alone = cost("many::op0")
        for i in range(1, 2000):
            library.define(f"op{i}(Tensor x) -> Tensor")
        assert _C._find_op("many::op1999").name() == "many::op1999"
        assert cost("many::op1999") < 20 * alone
    finally:
        library._destroy()
    assert _C._find_op("many::op7") is None
