"""``library.custom_op``: what its functions may give back, and gradients with lists of tensors."""

import pytest

import flambeau as torch

custom_op = torch.library.custom_op


@custom_op("customs::same", mutates_args=())
def same(x: torch.Tensor) -> torch.Tensor:
    return x


@custom_op("customs::rest", mutates_args=())
def rest(x: torch.Tensor) -> list[torch.Tensor]:
    return [x * 2, x[1:]]


@custom_op("customs::twins", mutates_args=())
def twins(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    out = x * 2
    return out, out


@custom_op("customs::written", mutates_args={"x"})
def written(x: torch.Tensor) -> torch.Tensor:
    return x.add_(1)


@pytest.mark.parametrize("op", [same, rest, twins, written], ids=lambda op: op.__name__)
def test_results_share_no_memory(op):
    with pytest.raises(RuntimeError, match=f"customs::{op.__name__}.*shares memory.*clone"):
        op(torch.ones(3))


def test_further_kernels_share_no_memory_either():
    @custom_op("customs::elsewhere", mutates_args=())
    def op(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    assert op(torch.ones(1)).item() == 2
    torch.library.register_kernel("customs::elsewhere", "cpu", lambda x: x)
    with pytest.raises(RuntimeError, match="shares memory"):
        op(torch.ones(1))


# ---- lists


@custom_op("customs::scaled", mutates_args=())
def scaled(
    xs: list[torch.Tensor], scale: float, y: torch.Tensor, *, k: int = 3
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    return y * scale * k, [x * scale for x in xs]


def test_a_list_of_results_is_a_list():
    out = rest_of_copies(torch.arange(3.0))
    assert type(out) is list and [t.tolist() for t in out] == [[0, 1, 2], [1, 2]]
    assert type(torch.ops.customs.rest_of_copies(torch.ones(2))) is list


@custom_op("customs::rest_of_copies", mutates_args=())
def rest_of_copies(x: torch.Tensor) -> list[torch.Tensor]:
    return [x.clone(), x[1:].clone()]


def test_gradients_come_as_the_results_and_go_as_the_arguments():
    seen = {}

    def setup(ctx, inputs, keyword_only_inputs, output):
        xs, ctx.scale, y = inputs
        ctx.k = keyword_only_inputs["k"]
        assert type(xs) is list and type(output[1]) is list and isinstance(y, torch.Tensor)

    def backward(ctx, gy, gxs):
        seen["needs"], seen["kind"] = ctx.needs_input_grad, type(gxs)
        return [g * ctx.scale for g in gxs], None, gy * ctx.scale * ctx.k

    scaled.register_autograd(backward, setup_context=setup)
    a, y = (torch.ones(2, requires_grad=True) for _ in "ay")
    first, rest = scaled([a, torch.ones(3)], 2.0, y)
    loss = first.sum() + sum(t.sum() for t in rest)
    got = torch.autograd.grad(loss, (a, y))
    assert [g.tolist() for g in got] == [[2, 2], [6, 6]]
    assert seen == {"needs": ([True, False], False, True), "kind": list}


@custom_op("customs::doubled", mutates_args=())
def doubled(xs: list[torch.Tensor]) -> list[torch.Tensor]:
    return [x * 2 for x in xs]


@pytest.mark.parametrize(
    "backward",
    [lambda ctx, gs: [g * 2 for g in gs], lambda ctx, gs: ([g * 2 for g in gs],)],
    ids=["list", "tuple of a list"],
)
def test_the_gradient_of_a_list_is_a_list(backward):
    doubled.register_autograd(backward)
    a, b = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    got = torch.autograd.grad(sum(t.sum() for t in doubled([a, b])), (a, b))
    assert [g.tolist() for g in got] == [[2, 2], [2, 2, 2]]


@pytest.mark.parametrize(
    "backward",
    [lambda ctx, gs: [gs[0]], lambda ctx, gs: (gs, gs), lambda ctx, gs: gs[0]],
    ids=["too few", "too many", "no list"],
)
def test_a_gradient_of_another_structure_is_refused(backward):
    doubled.register_autograd(backward)
    a, b = torch.ones(1, requires_grad=True), torch.ones(1)
    with pytest.raises(RuntimeError, match="customs::doubled: .* same structure as the inputs"):
        doubled([a, b])[0].sum().backward()


def test_an_argument_without_a_tensor_has_no_gradient():
    @custom_op("customs::times", mutates_args=())
    def op(x: torch.Tensor, n: int) -> torch.Tensor:
        return x * n

    op.register_autograd(
        lambda ctx, g: (g * ctx.n, None),
        setup_context=lambda ctx, inputs, output: setattr(ctx, "n", inputs[1]),
    )
    x = torch.ones(2, requires_grad=True)
    op(x, 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


# ---- meta


def test_meta_needs_a_rule():
    ran = []

    @custom_op("customs::noted", mutates_args=())
    def noted(x: torch.Tensor) -> torch.Tensor:
        ran.append(x)
        return x * 2

    x = torch.ones(2, device="meta")
    with pytest.raises(RuntimeError, match="customs::noted: .* register_fake"):
        noted(x)
    assert not ran
    noted.register_fake(torch.empty_like)
    assert noted(x).is_meta and not ran


def test_meta_needs_no_rule_where_nothing_comes_back():
    @custom_op("customs::emptied", mutates_args={"x"})
    def emptied(x: torch.Tensor) -> None:
        raise AssertionError("the body runs for memory alone")

    assert emptied(torch.ones(2, device="meta")) is None


# ---- arguments and schemas


@custom_op("customs::product", mutates_args=())
def product(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
    return x * y


@pytest.mark.parametrize("number", [2, 2.5, True, 1j])
def test_a_number_is_no_tensor(number):
    x = torch.ones(2)
    for op in (product, torch.ops.customs.product, torch.ops.customs.product.default):
        for args in [(x, number), (number, x), (x, x, number)]:
            with pytest.raises(RuntimeError, match=r"customs::product\(\): .*must be Tensor, not "):
                op(*args)
    assert torch.ops.aten.mul.Tensor(2, x).tolist() == [2, 2]  # PyTorch's own take them


@pytest.mark.parametrize(
    "schema, problem, position",
    [
        ("f", r"expected '\(', found the end", 1),
        ("", "expected the name of an op, found the end", 0),
        ("f(Tensor x -> Tensor", r"expected ',' or '\)', found '->'", 11),
        ("f(Tensor x)", "expected '->', found the end", 11),
        ("f(Tensr x) -> Tensor", r"unknown type 'Tensr' \(there are SymInt, Tensor, int", 2),
        ("f(Tensor x) -> Tensr", "unknown type 'Tensr'", 15),
        ("f(Tensor) -> Tensor", r"expected the name of an argument, found '\)'", 8),
        ("f(Tensor x,, int n) -> Tensor", "expected a type, found ','", 11),
        ("f(Tensor x int n) -> Tensor", r"expected ',' or '\)', found 'int'", 11),
        ("f(Tensor(a x) -> Tensor", r"expected '\)', found 'x'", 11),
        ("f(Tensor x, Tensor x) -> Tensor", "a second argument 'x'", 19),
        ("f(int[ x) -> Tensor", r"expected '\]', found 'x'", 7),
        ("f(int n=abc) -> Tensor", "'abc' is no default for int", 8),
        ("f(int n=) -> Tensor", r"expected a default, found '\)'", 8),
        ("f(int n=2, Tensor x) -> Tensor", "'x' needs a default, as 'n' before it has one", 18),
        ("f(Tensor x) -> Tensor -> Tensor", "expected the end", 22),
        ("f(Tensor 1x) -> Tensor", "expected the name of an argument, found '1x'", 9),
        ("f(Tensor x) -> (Tensor, ", "expected a type, found the end", 23),
    ],
)
def test_a_schema_that_cannot_be_read_says_where(schema, problem, position):
    library = torch.library.Library("unread", "FRAGMENT")
    with pytest.raises(RuntimeError, match=f"^define: {problem}") as caught:
        library.define(schema)
    first, line, mark = str(caught.value).splitlines()
    assert first.endswith(f"at position {position} of a schema:")
    assert line.strip() == schema.strip() and mark.index("^") == 4 + position
    name, _, rest = schema.partition("(")
    if name == "f" and rest:
        with pytest.raises(RuntimeError, match=problem):
            torch.library.define("unread::f", f"({rest}")


def test_a_schema_may_name_its_own_namespace():
    library = torch.library.Library("named", "FRAGMENT")
    library.define("named::f(Tensor x, str s='a, (b') -> Tensor")
    assert torch.ops.named.f.default._schema.arguments[1].default_value == "a, (b"
    with pytest.raises(RuntimeError, match="^define: the namespace 'other' of the schema"):
        library.define("other::g(Tensor x) -> Tensor")


def test_what_is_no_text_and_no_function_is_refused():
    library = torch.library.Library("unread", "FRAGMENT")
    with pytest.raises(TypeError, match="^define: a schema is a str, not int"):
        library.define(3)
    with pytest.raises(ValueError, match="namespace::name"):
        torch.library.define(3, "(Tensor x) -> Tensor")
    with pytest.raises(TypeError, match="^register_kernel: an implementation is callable, not 3"):
        torch.library.impl("customs::product", "cpu", 3)


# ---- schemas of any length


def defined(line):
    library = torch.library.Library("customs_long", "FRAGMENT")
    library.define(line)
    return library, line.partition("(")[0]


def test_an_op_of_many_arguments_and_results():
    taken, given = ", ".join(f"Tensor x{i}" for i in range(64)), ", ".join(["Tensor"] * 255)
    library, name = defined(f"many({taken}) -> ({given})")
    library.impl(name, lambda *xs: tuple(xs[i % 64] * 2 for i in range(255)), "CPU")
    made = torch.ops.customs_long.many(*(torch.tensor(float(i)) for i in range(64)))
    assert len(made) == 255 and made[-1].item() == 2.0 * (254 % 64)


@pytest.mark.parametrize("given", [3, 127])
def test_one_number_stands_for_a_list(given):
    library, name = defined(f"list{given}(int[{given}] x, Tensor y) -> Tensor")
    library.impl(name, lambda x, y: y * len(x), "CPU")
    assert getattr(torch.ops.customs_long, name)(2, torch.tensor(1)).item() == given


@pytest.mark.parametrize(
    "line, words",
    [
        (f"a({', '.join(f'Tensor x{i}' for i in range(65))}) -> Tensor", "64 arguments, got 65"),
        (f"b({', '.join(f'Tensor x{i}' for i in range(259))}) -> Tensor", "64 arguments, got 259"),
        (f"c(Tensor x) -> ({', '.join(['Tensor'] * 256)})", "255 results, got 256"),
        ("d(int[300] x) -> Tensor", "127 elements of a list from one number, got 300"),
        ("e(float[128] x) -> Tensor", "127 elements of a list from one number, got 128"),
    ],
    ids=lambda v: v[:1],
)
def test_counts_beyond_what_an_op_keeps_are_refused(line, words):
    with pytest.raises(RuntimeError, match=f"define: customs_long::{line[0]}.*at most {words}"):
        defined(line)
    assert not hasattr(torch.ops.customs_long, line[0])


@pytest.mark.parametrize("default", [(1, 2), [1], torch.float32], ids=str)
def test_a_default_that_no_schema_has_words_for(default):
    def f(x: torch.Tensor, b=default) -> torch.Tensor: ...

    f.__annotations__["b"] = list[int]
    kind = type(default).__name__
    with pytest.raises(ValueError, match=f"parameter 'b' has a default of type {kind}"):
        torch.library.infer_schema(f, mutates_args=())


@custom_op("customs::square_times", mutates_args=())
def times(x: torch.Tensor, y: float) -> torch.Tensor:
    return x**2 * y


def _keep_inputs(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], output)
    ctx.y = inputs[1]


def _times_backward(ctx, grad):
    x, output = ctx.saved_tensors
    assert output.shape == x.shape
    return grad * 2 * x * ctx.y, None


times.register_autograd(_times_backward, setup_context=_keep_inputs)
times.register_vmap(lambda info, in_dims, x, y: (times(x, y), in_dims[0]))


def test_the_registered_gradient_counts_under_transforms():
    func, x = torch.func, torch.tensor([1.0, 2.0, 3.0])
    assert func.grad(lambda x: times(x, 3.0).sum())(x).tolist() == [6, 12, 18]
    assert func.vjp(lambda x: times(x, 3.0), x)[1](torch.ones(3))[0].tolist() == [6, 12, 18]
    assert func.jvp(lambda x: times(x, 3.0), (x,), (torch.ones(3),))[1].tolist() == [6, 12, 18]
    assert func.jacrev(lambda x: times(x, 3.0))(x).diagonal().tolist() == [6, 12, 18]
    second = func.grad(lambda x: func.grad(lambda x: times(x, 3.0).sum())(x).sum())(x)
    assert second.tolist() == [6, 6, 6]
    both = func.vmap(func.grad(lambda x: times(x, 3.0).sum()))(torch.stack([x, x * 2]))
    assert both.tolist() == [[6, 12, 18], [12, 24, 36]]
