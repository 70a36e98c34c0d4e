"""``flambeau.library``: schemas from annotations, custom ops, rules for modes, and ``opcheck``."""

import logging
import typing

import pytest

import flambeau as torch
from flambeau import Tag, Tensor, library
from flambeau.library import custom_op, infer_schema, opcheck
from flambeau.utils._python_dispatch import TorchDispatchMode

# ---- schemas


def every_kind(
    x: Tensor,
    a: float,
    y: typing.Optional[Tensor],  # noqa: UP045
    xs: typing.Sequence[Tensor],
    n: int = 3,
    b: float = 1e-5,
    s: str = "a",
    d: torch.dtype = torch.float32,
    dev: torch.device = torch.device("cpu"),  # noqa: B008
    q: typing.Optional[typing.List[float]] = None,  # noqa: UP006, UP045
    *,
    k: bool = True,
    num: int | float | bool = 2,
    z: "typing.Sequence[int | None] | None" = None,
) -> None: ...


def test_a_schema_has_every_kind_of_argument():
    text = infer_schema(every_kind, mutates_args={"x", "xs"}, op_name="f")
    assert text == (
        "f(Tensor(a0!) x, float a, Tensor? y, Tensor(a3!)[] xs, SymInt n=3, float b=1e-05, "
        'str s="a", ScalarType d=float32, Device dev="cpu", float[]? q=None, *, bool k=True, '
        "Scalar num=2, SymInt?[]? z=None) -> ()"
    )
    unknown = infer_schema(every_kind, mutates_args="unknown")
    assert unknown.startswith("(Tensor(a0!) x, float a, Tensor(a2!)? y, Tensor(a3!)[] xs,")


def test_a_schema_has_every_kind_of_result():
    def f(x: Tensor) -> tuple[Tensor, list[Tensor], int]: ...
    def g(x: Tensor) -> "Tensor": ...

    assert infer_schema(f, mutates_args=()) == "(Tensor x) -> (Tensor, Tensor[], SymInt)"
    assert infer_schema(g, mutates_args=[]) == "(Tensor x) -> Tensor"


def bare(x): ...
def tupled(x: tuple[int, int]) -> Tensor: ...
def starred(*x: Tensor) -> Tensor: ...
def endless(x: Tensor): ...
def odd_result(x: Tensor) -> str: ...
def unknown_name(x: "Tensr") -> Tensor: ...  # noqa: F821


@pytest.mark.parametrize(
    "function, mutates, words",
    [
        (bare, (), "must have a type annotation"),
        (tupled, (), "unsupported type.*use a list"),
        (starred, (), "positional-only args, varargs"),
        (endless, (), "No return type annotation"),
        (odd_result, (), "Return has unsupported type"),
        (unknown_name, (), "Unsupported type annotation Tensr"),
        (every_kind, ("nothing",), "mutates_args names .'nothing'., not parameters"),
        (every_kind, ("a",), "only Tensors or collections of Tensors can be mutated"),
        (every_kind, "all", "or the string 'unknown'"),
    ],
)
def test_what_has_no_schema_is_refused(function, mutates, words):
    with pytest.raises(ValueError, match=f"infer_schema: .*{words}"):
        infer_schema(function, mutates_args=mutates)


def test_tags_say_that_arguments_come_back():
    def inplace(x: Tensor, n: int) -> Tensor: ...
    def out(x: Tensor, *, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]: ...

    assert (
        infer_schema(inplace, mutates_args={"x"}, tags=Tag.inplace)
        == "(Tensor(a0!) x, SymInt n) -> Tensor(a0!)"
    )
    assert infer_schema(out, mutates_args=("a", "b"), tags=[Tag.out]) == (
        "(Tensor x, *, Tensor(a1!) a, Tensor(a2!) b) -> (Tensor(a1!), Tensor(a2!))"
    )
    with pytest.raises(ValueError, match="exactly the first positional argument"):
        infer_schema(inplace, mutates_args=(), tags=Tag.inplace)
    with pytest.raises(ValueError, match="keyword-only Tensors"):
        infer_schema(inplace, mutates_args={"x"}, tags=Tag.out)
    with pytest.raises(AssertionError, match="exclude each other"):
        infer_schema(inplace, mutates_args={"x"}, tags=[Tag.inplace, Tag.out])
    with pytest.raises(TypeError, match="a tag is a member of flambeau.Tag, not 'out'"):
        infer_schema(inplace, mutates_args={"x"}, tags="out")


# ---- tags


def test_ops_have_their_tags():
    aten = torch.ops.aten
    assert set(aten.add_.Tensor.tags) == {Tag.pointwise, Tag.inplace, Tag.pt2_compliant_tag}
    assert Tag.out in aten.add.out.tags and Tag.dynamic_output_shape in aten.nonzero.default.tags
    library.define("tagged::f", "(Tensor x) -> Tensor", tags=Tag.pointwise)
    assert torch.ops.tagged.f.default.tags == [Tag.pointwise]
    assert str(Tag.core) == "Tag.core" and repr(Tag.core) == "<Tag.core: 0>"


# ---- custom ops that give back their arguments


@custom_op("whole::inc_", mutates_args={"x"}, tags=Tag.inplace)
def inc_(x: Tensor, by: int = 1) -> Tensor:
    x.numpy()[...] += by
    return x


@custom_op("whole::double_out", mutates_args={"out"}, tags=Tag.out)
def double_out(x: Tensor, *, out: Tensor) -> Tensor:
    out.copy_(x * 2)
    return out


def test_an_op_that_works_in_place():
    x = torch.zeros(2)
    assert inc_(x) is x and x.tolist() == [1, 1] and x._version == 1
    assert inc_(torch.ones(2, device="meta")).is_meta
    assert str(inc_._opoverload._schema).endswith("(Tensor(a0!) x, SymInt by=1) -> Tensor(a0!)")

    @inc_.register_kernel("cpu")
    def wrong(x, by=1):
        return x.clone()

    with pytest.raises(RuntimeError, match="tagged with torch.Tag.inplace must return its first"):
        inc_(x)
    with inc_.set_kernel_enabled("cpu", enabled=False):
        assert inc_(x, 2) is x and x.tolist() == [3, 3]
    with pytest.warns(UserWarning, match="fake registration for <CustomOpDef.whole::inc_.>"):
        inc_.register_fake(lambda x, by=1: x)
    with pytest.raises(RuntimeError, match="non-functional operator whole::inc_ with schema"):
        inc_.register_autograd(lambda ctx, g: g)


def test_an_op_that_writes_to_out():
    out = torch.empty(2)
    assert double_out(torch.ones(2), out=out) is out and out.tolist() == [2, 2]
    meta = torch.empty(2, device="meta")
    assert double_out(meta, out=meta) is meta
    with pytest.raises(RuntimeError, match="Out variants do not support autograd"):
        double_out.register_autograd(lambda ctx, g: g)
    assert set(opcheck(double_out, (torch.ones(2),), {"out": out}).values()) == {"SUCCESS"}


# ---- kernels


def test_kernels_are_turned_off_and_on(caplog):
    @custom_op("whole::which", mutates_args=())
    def which(x: Tensor) -> Tensor:
        return torch.zeros(1)

    @which.register_kernel("cpu")
    def _(x):
        return torch.ones(1)

    assert which(torch.ones(1)).item() == 1
    with caplog.at_level(logging.WARNING):
        with which.set_kernel_enabled("cpu", enabled=False):
            assert which(torch.ones(1)).item() == 0
            with which.set_kernel_enabled("cpu"):
                assert which(torch.ones(1)).item() == 1
            assert which(torch.ones(1)).item() == 0
        assert which(torch.ones(1)).item() == 1 and not caplog.records
        with which.set_kernel_enabled("cuda", enabled=False):
            pass
        with which.set_kernel_enabled("cpu"):
            pass
    words = [r.getMessage() for r in caplog.records]
    assert "no kernel was registered" in words[0] and "cpu but it was already enabled" in words[1]


def test_an_op_may_be_defined_again():
    for value in (1, 2):

        @custom_op("whole::again", mutates_args=())
        def again(x: Tensor, value: int = value) -> Tensor:
            return x + value

        assert again(torch.zeros(1)).item() == value
        assert torch.ops.whole.again(torch.zeros(1)).item() == value


def test_a_schema_that_is_given_agrees_with_mutates_args():
    def f(x):
        x.add_(1)

    for mutates in ((), {"x", "y"}):
        with pytest.raises(ValueError, match="schema suggests that the op mutates {'x'}"):
            custom_op("whole::given", f, mutates_args=mutates, schema="(Tensor(a!) x) -> ()")
    op = custom_op("whole::given", f, mutates_args={"x"}, schema="(Tensor(a!) x) -> ()")
    x = torch.zeros(1)
    assert op(x) is None and x.item() == 1


def test_what_custom_ops_do_not_take():
    def keyword(x: int, *, y: Tensor) -> Tensor: ...
    def no_tensor(n: int) -> Tensor: ...

    with pytest.raises(NotImplementedError, match="kwarg-only Tensor args"):
        custom_op("whole::keyword", keyword, mutates_args=())
    with pytest.raises(ValueError, match="`device: torch.device` argument"):
        custom_op("whole::no_tensor", no_tensor, mutates_args=(), device_types="cpu")
    with pytest.raises(ValueError, match="namespace::name"):
        custom_op("no_namespace", no_tensor, mutates_args=())
    for refused in (lambda: library.triton_op("a::b", mutates_args=()), library.wrap_triton):
        with pytest.raises((NotImplementedError, TypeError)):
            refused()
    with pytest.raises(NotImplementedError, match="never be called"):
        library.fallthrough_kernel()
    with pytest.raises(ValueError, match="register_fake.*unexpected type for op"):
        library.register_fake(3, torch.empty_like)


def test_a_factory_runs_for_its_device():
    @custom_op("whole::made", mutates_args=(), device_types="cpu")
    def made(n: int, device: torch.device) -> Tensor:
        return torch.ones(n, device=device)

    assert made(2, torch.device("cpu")).tolist() == [1, 1]


# ---- layers


def test_a_rule_for_a_mode_and_for_a_class():
    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    class Kept(Tensor):
        __torch_function__ = torch._C._disabled_torch_function_impl

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            raise AssertionError("the rule answers")

    @custom_op("whole::ruled", mutates_args=())
    def ruled(x: Tensor, by: int = 1) -> Tensor:
        return x + by

    seen = []

    @ruled.register_torch_dispatch(Mode)
    def _(mode, func, types, args, kwargs):
        seen.append((mode, func, types, kwargs))
        return func(*args, **kwargs) * 10

    @library.register_torch_dispatch("whole::ruled", Kept)
    def _(cls, func, types, args, kwargs):
        seen.append((cls, func, types, kwargs))
        return torch.full((1,), 7.0)

    mode = Mode()
    with mode:
        assert ruled(torch.zeros(1), 2).item() == 20
        assert (torch.zeros(1) + 1).item() == 1
    assert ruled(torch.zeros(1)).item() == 1
    assert ruled(torch.zeros(1).as_subclass(Kept)).tolist() == [7]
    op = torch.ops.whole.ruled.default
    assert seen == [(mode, op, (), {}), (Kept, op, (Kept,), {})]
    with pytest.raises(ValueError, match="expected a class"):
        library.register_torch_dispatch("whole::ruled", mode)


def test_autocast_gives_an_op_its_dtype():
    @custom_op("whole::cast", mutates_args=())
    def cast(x: Tensor, ys: list[Tensor]) -> Tensor:
        assert not torch.is_autocast_enabled("cpu")
        return x + sum(y.to(x.dtype) for y in ys)

    cast.register_autocast("cpu", torch.bfloat16)
    x = torch.ones(1)
    assert cast(x, [x]).dtype is torch.float32
    with torch.autocast("cpu"):
        assert cast(x, [x]).dtype is torch.bfloat16
        assert cast(x.double(), [x]).dtype is torch.float64
    with pytest.raises(ValueError, match="Unknown device type: tpu"):
        cast.register_autocast("tpu", torch.bfloat16)


def test_layers_are_passed():
    lib = library.Library("whole_passed", "DEF")
    lib.define("f(Tensor x) -> Tensor")
    lib.impl("f", lambda x: x * 2, "CPU")
    lib.impl("f", library.fallthrough_kernel, "Autograd")
    x = torch.ones(1, requires_grad=True)
    out = torch.ops.whole_passed.f(x)
    assert out.item() == 2 and not out.requires_grad
    with pytest.raises(NotImplementedError, match="passes the layers Autograd and Autocast"):
        lib.impl("f", library.fallthrough_kernel, "CPU")
    kernel = library.get_kernel("whole_passed::f", "CPU")
    lib.impl("f", lambda x: x * 3, "CPU")
    assert kernel.call_boxed(None, x.detach()).item() == 2
    assert library.get_kernel(torch.ops.aten.exp.default, "CPU").call_boxed(
        None, torch.zeros(1)
    ).item() == 1  # fmt: skip
    with pytest.raises(ValueError, match="Invalid dispatch key: nowhere"):
        library.get_kernel("whole_passed::f", "nowhere")
    with pytest.raises(RuntimeError, match="no kernel at the dispatch key CUDA"):
        library.get_kernel("whole_passed::f", "CUDA")
    with pytest.raises(RuntimeError, match="global namespace"):
        lib.fallback(library.fallthrough_kernel, "PrivateUse1")
    lib._destroy()


def test_definitions_above_functions():
    lib = library.Library("whole_above", "DEF")

    @library.define(lib, "f(Tensor x) -> Tensor")
    def f(x):
        return x * 2

    library.define("whole_above::g", "(Tensor x) -> Tensor", lib=lib)

    @library.impl(lib, "g", "CPU")
    def g(x):
        return x * 3

    ops = torch.ops.whole_above
    x = torch.ones(1, requires_grad=True)
    assert ops.f(x).requires_grad and ops.g(x.detach()).item() == 3
    with pytest.raises(RuntimeError, match="not in the namespace 'whole_above'"):
        library.define("elsewhere::g", "(Tensor x) -> Tensor", lib=lib)
    with pytest.raises(ValueError, match="expected schema to look like"):
        library.define("whole_above::h", "Tensor x")
    with pytest.raises(RuntimeError, match="Invalid alias_analysis type ODD"):
        lib.define("h(Tensor x) -> Tensor", "ODD")
    lib._destroy()
    assert not hasattr(ops, "g")


# ---- opcheck


def defined(line, kernel, **further):
    lib = library.Library("whole_checked", "FRAGMENT")
    name = lib.define(line)
    lib.impl(name, kernel, "CPU")
    for key, function in further.items():
        lib.impl(name, function, key)
    return lib, getattr(torch.ops.whole_checked, name).default


def write(x, y):
    y.add_(1)
    return x * 2


def gradient_in_kernel(x):
    return x * 2


@pytest.mark.parametrize(
    "line, kernel, fake, test, words",
    [
        ("f(Tensor x, Tensor y) -> Tensor", write, None, "test_schema",
         "Argument y is not defined as mutable but was mutated"),
        ("f(Tensor x) -> Tensor", lambda x: x.view(-1), None, "test_schema",
         "Argument x is not defined to alias output but was aliasing"),
        ("f(Tensor x) -> (Tensor, Tensor)", lambda x: (x * 2,) * 2, None, "test_schema",
         "Outputs 0 and 1 alias unexpectedly"),
        ("f(Tensor x) -> Tensor", gradient_in_kernel, None, "test_autograd_registration",
         "does not have an autograd kernel defined"),
        ("f(Tensor x) -> Tensor", lambda x: x * 2, lambda x: x.new_empty(3), "test_faketensor",
         r"output 0 has shape .*2, 3.*, but its fake rule gives .*3"),
        ("f(Tensor x) -> Tensor", lambda x: (x * 2).t(), lambda x: x.new_empty(3, 2),
         "test_faketensor", r"output 0 has strides \(1, 3\), but its fake rule gives \(2, 1\)"),
        ("f(Tensor x) -> Tensor", lambda x: x.double(), torch.empty_like, "test_faketensor",
         "output 0 has dtype"),
        ("f(Tensor x) -> Tensor[]", lambda x: [x * 2], lambda x: [x, x], "test_faketensor",
         "1 outputs, and 2 on meta"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(line, kernel, fake, test, words):
    lib, op = defined(line, kernel, **({"Meta": fake} if fake else {}))
    args = [torch.ones(2, 3, requires_grad="autograd" in test) for _ in op._schema.arguments]
    with pytest.raises(library.OpCheckError, match=rf"opcheck\(op, ...\): {test} failed with .*"):
        opcheck(op, args, test_utils=test)
    error = opcheck(op, args, test_utils=(test,), raise_exception=False)[test]
    import re

    assert re.search(words, str(error)), error
    assert all(a.equal(torch.ones(2, 3)) for a in args)  # it worked on copies
    lib._destroy()


def test_what_is_right_passes():
    lib, op = defined(
        "f(Tensor(a) x, Tensor(b!) y) -> (Tensor(a), Tensor(b!))",
        lambda x, y: (x.t(), y.add_(1)),
        Meta=lambda x, y: (x.t(), y),
    )
    assert opcheck(op, (torch.ones(2, 3), torch.ones(1))) == dict.fromkeys(
        ["test_schema", "test_autograd_registration", "test_faketensor",
         "test_aot_dispatch_dynamic"], "SUCCESS",
    )  # fmt: skip
    assert set(
        opcheck(torch.ops.aten.sin.default, (torch.ones(2, requires_grad=True),)).values()
    ) == {"SUCCESS"}
    lib._destroy()


def test_gradients_are_tried_on_meta():
    @custom_op("whole::peeking", mutates_args=())
    def peeking(x: Tensor) -> Tensor:
        return x * 2

    peeking.register_fake(torch.empty_like)
    peeking.register_autograd(lambda ctx, g: torch.from_numpy(g.numpy() * 2))
    x = torch.ones(2, requires_grad=True)
    found = opcheck(peeking, (x,), raise_exception=False, test_utils="ALL")
    bad = {name for name, result in found.items() if result != "SUCCESS"}
    assert bad == {"test_aot_dispatch_static", "test_aot_dispatch_dynamic"}


def test_mistakes_in_calls_of_opcheck():
    with pytest.raises(ValueError, match="must specify both"):
        opcheck(torch.ops.aten.sin.default, (torch.ones(1),), rtol=1)
    with pytest.raises(ValueError, match="expected test_utils to be subset"):
        opcheck(torch.ops.aten.sin.default, (torch.ones(1),), test_utils="test_all")
    with pytest.raises(ValueError, match="must be instance of torch._ops.OpOverload"):
        opcheck(torch.sin, (torch.ones(1),))
    with pytest.raises(RuntimeError, match="operators without overloads"):
        opcheck(torch.ops.aten.add, (torch.ones(1), 1))


def test_defaults_print_as_pytorchs():
    library.define(
        "shown::f",
        "(float a=0.1, float b=1e10, float c=1e-05, float d=3, float? e=-2.0, float[] f=[1.0,2.5], "
        "Scalar g=0.5, str h='a', int[2] i=1, bool j=True, *, int[] k=[1,2]) -> ()",
    )
    assert str(torch.ops.shown.f.default._schema) == (
        "shown::f(float a=0.10000000000000001, float b=10000000000., "
        "float c=1.0000000000000001e-05, float d=3., float? e=-2., float[] f=[1., 2.5], "
        'Scalar g=0.5, str h="a", int[2] i=1, bool j=True, *, int[] k=[1, 2]) -> ()'
    )
