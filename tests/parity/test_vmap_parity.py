"""One op after the other under vmap, jvp and grad, beside PyTorch."""

import warnings

import pytest
from test_func_parity import data, same

import flambeau

torch = pytest.importorskip("torch")

PROGRAMS = {
    "neg dims": lambda t: t.vmap(lambda x: x.sum(-1), in_dims=-1, out_dims=-1)(data(t, 2, 3, 4)),
    "jacfwd int": lambda t: t.func.jacfwd(lambda x: x.long())(data(t, 3)),
    "jacrev of int": lambda t: t.func.jacrev(lambda x: x * 2)(data(t, 2)),
    "vmap tensor": lambda t: t.vmap(lambda x: x * t.tensor([1.0, 2.0], dtype=x.dtype))(
        data(t, 3, 2)
    ),
    "vmap new": lambda t: t.vmap(lambda x: x.new_zeros(2) + x.sum())(data(t, 3, 2)),
    "vmap full": lambda t: t.vmap(lambda x: t.full_like(x, 3.0) + t.zeros_like(x) + t.ones_like(x))(
        data(t, 3, 2)
    ),
    "vmap arange": lambda t: t.vmap(lambda x: x[t.arange(2)])(data(t, 3, 4)),
    "vmap expand": lambda t: t.vmap(lambda x: x.expand(2, 4).contiguous().view(8))(data(t, 3, 4)),
    "vmap repeat": lambda t: t.vmap(lambda x: x.repeat(2, 2))(data(t, 3, 4)),
    "vmap flip": lambda t: t.vmap(lambda x: x.flip(0))(data(t, 3, 4)),
    "vmap roll": lambda t: t.vmap(lambda x: x.roll(1) + x.roll(1, 0))(data(t, 3, 4)),
    "vmap cumsum": lambda t: t.vmap(lambda x: x.cumsum(0) + x.cumprod(-1))(data(t, 3, 4)),
    "vmap var": lambda t: t.vmap(lambda x: (x.var(), x.std(0), x.mean(), x.prod()))(
        data(t, 3, 4, 2)
    ),
    "vmap amax": lambda t: t.vmap(
        lambda x: (
            x.amax(),
            x.amin(0, keepdim=True),
            x.max(),
            x.argmax(),
            x.argmin(0, keepdim=True),
        )
    )(data(t, 3, 4)),
    "vmap any": lambda t: t.vmap(lambda x: ((x > 0).any(), (x > 0).all(0)))(data(t, 3, 4)),
    "vmap 0d": lambda t: t.vmap(
        lambda x: (
            x.sum(0),
            x.cumsum(0),
            x.flip([]),
            x.unsqueeze(0),
            x.reshape(1, 1),
            x.view(-1),
            x.softmax(0),
            x.max(0)[0],
            x.sort()[0],
        )
    )(data(t, 3)),
    "vmap topk": lambda t: tuple(t.vmap(lambda x: x.topk(2))(data(t, 3, 4))),
    "vmap scatter": lambda t: t.vmap(lambda x, i, s: x.scatter_add(0, i, s))(
        data(t, 3, 4), t.tensor([[0, 1], [2, 3], [1, 1]]), data(t, 3, 2)
    ),
    "vmap index_add": lambda t: t.vmap(lambda x, i, s: x.index_add(0, i, s, alpha=2))(
        data(t, 3, 4), t.tensor([[0, 1], [2, 3], [1, 1]]), data(t, 3, 2)
    ),
    "vmap index_select": lambda t: t.vmap(lambda x, i: x.index_select(1, i))(
        data(t, 3, 2, 4), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "vmap take": lambda t: t.vmap(lambda x, m: x.masked_fill(m, 0.0))(
        data(t, 3, 4), data(t, 3, 4) > 0
    ),
    "vmap tri": lambda t: t.vmap(lambda x: x.tril() + x.triu(1))(data(t, 3, 4, 4)),
    "vmap diag": lambda t: t.vmap(lambda x: x.diagonal())(data(t, 3, 4, 4)),
    "vmap unfold": lambda t: t.vmap(lambda x: x.unfold(0, 2, 1))(data(t, 3, 4)),
    "vmap chunk": lambda t: t.vmap(lambda x: tuple(x.chunk(2)))(data(t, 3, 4)),
    "vmap unbind": lambda t: t.vmap(lambda x: tuple(x.unbind()))(data(t, 3, 4)),
    "vmap bmm": lambda t: t.vmap(t.bmm, (0, None))(data(t, 3, 2, 4, 5), data(t, 2, 5, 2)),
    "vmap mv": lambda t: t.vmap(t.mv, (None, 0))(data(t, 4, 5), data(t, 3, 5)),
    "vmap dot": lambda t: t.vmap(t.dot, (None, 0))(data(t, 5), data(t, 3, 5)),
    "vmap addmm": lambda t: t.vmap(lambda a, b, c: t.addmm(a, b, c, beta=0.5, alpha=2))(
        data(t, 3, 2), data(t, 3, 4, 5), data(t, 3, 5, 2)
    ),
    "vmap outer": lambda t: t.vmap(t.outer)(data(t, 3, 2), data(t, 3, 4)),
    "vmap pow": lambda t: t.vmap(lambda x: (x.abs() ** 2.5, 2**x, x.abs() ** x))(data(t, 3, 2)),
    "vmap clamp": lambda t: t.vmap(lambda x: (x.clamp(0, 1), x.clamp(min=x.mean())))(data(t, 3, 2)),
    "vmap lerp": lambda t: t.vmap(lambda x, y: t.lerp(x, y, 0.3))(data(t, 3, 2), data(t, 3, 2)),
    "vmap div mode": lambda t: t.vmap(
        lambda x, y: (t.div(x, y, rounding_mode="floor"), x % y, x // y)
    )(data(t, 3, 2), data(t, 3, 2, seed=1)),
    "vmap ints": lambda t: t.vmap(lambda x, y: (x + y, x * y, x & y, x < y))(
        t.arange(3), t.arange(3) * 2
    ),
    "vmap int scalar": lambda t: t.vmap(lambda x, y: x * y)(
        t.arange(3), data(t, 2, dtype="float32").expand(3, 2)
    ),
    "vmap bool prom": lambda t: t.vmap(lambda x, y: x + y)(
        t.arange(3) > 1, t.arange(6).reshape(3, 2)
    ),
    "vmap to": lambda t: t.vmap(lambda x: x.float().to(t.float64).long())(data(t, 3, 2) * 5),
    "vmap complex": lambda t: t.vmap(lambda x: (t.view_as_complex(x).conj() * 2).real)(
        data(t, 3, 4, 2)
    ),
    "vmap nll": lambda t: t.vmap(
        lambda x, y: t.nn.functional.nll_loss(x, y, reduction="none", ignore_index=1)
    )(data(t, 3, 5, 4), t.tensor([[0, 1, 2, 3, 0]] * 3)),
    "vmap ce none": lambda t: t.vmap(lambda x, y, w: t.nn.functional.cross_entropy(x, y, w))(
        data(t, 3, 5, 4), t.tensor([[0, 1, 2, 3, 0]] * 3), data(t, 3, 4).abs()
    ),
    "vmap mse": lambda t: t.vmap(lambda x, y: t.nn.functional.mse_loss(x, y, reduction="sum"))(
        data(t, 3, 5), data(t, 3, 5, seed=2)
    ),
    "grad ce": lambda t: t.vmap(t.func.grad(lambda x, y: t.nn.functional.cross_entropy(x, y)))(
        data(t, 3, 5, 4), t.tensor([[0, 1, 2, 3, 0]] * 3)
    ),
    "grad sort": lambda t: t.vmap(t.func.grad(lambda x: (x.sort()[0] * t.arange(4)).sum()))(
        data(t, 3, 4)
    ),
    "grad norm": lambda t: t.vmap(t.func.grad(lambda x: x.norm()))(data(t, 3, 4)),
    "grad index": lambda t: t.vmap(t.func.grad(lambda x, i: (x[i] ** 2).sum()))(
        data(t, 3, 4), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "grad max": lambda t: t.func.grad(lambda x: x.max())(
        t.tensor([1.0, 3.0, 3.0], dtype=t.float64)
    ),
    "jvp max": lambda t: t.func.jvp(
        lambda x: x.max(), (t.tensor([1.0, 3.0, 3.0], dtype=t.float64),), (data(t, 3),)
    ),
    "jvp relu": lambda t: t.func.jvp(
        t.relu, (t.tensor([1.0, 0.0, -3.0], dtype=t.float64),), (data(t, 3),)
    ),
    "jvp abs": lambda t: t.func.jvp(
        t.abs, (t.tensor([1.0, 0.0, -3.0], dtype=t.float64),), (data(t, 3),)
    ),
    "jvp clamp": lambda t: t.func.jvp(
        lambda x: x.clamp(0, 1), (t.tensor([1.0, 0.0, -3.0], dtype=t.float64),), (data(t, 3),)
    ),
    "jvp maximum": lambda t: t.func.jvp(
        t.maximum,
        (t.tensor([1.0, 0.0, -3.0], dtype=t.float64), t.tensor([1.0, 2.0, -4.0], dtype=t.float64)),
        (data(t, 3), data(t, 3, seed=1)),
    ),
    "jvp int": lambda t: t.func.jvp(lambda x: (x > 0).sum(), (data(t, 3),), (data(t, 3),)),
    "jvp where": lambda t: t.func.jvp(
        lambda x: t.where(x > 0, x, x * x), (data(t, 3),), (data(t, 3, seed=1),)
    ),
    "jvp stack": lambda t: t.func.jvp(
        lambda x: t.stack([x[0], x[2] * x[1], t.ones((), dtype=x.dtype)]),
        (data(t, 3),),
        (data(t, 3, seed=1),),
    ),
    "jvp f32": lambda t: t.func.jvp(
        lambda x: x.float().exp(), (data(t, 3) * 0,), (data(t, 3) * 0 + 1,)
    ),
    "jvp mixed": lambda t: t.func.jvp(
        lambda x: x * t.ones(3, dtype=t.float32), (data(t, 3),), (data(t, 3),)
    ),
    "jvp linear": lambda t: t.func.jvp(
        lambda x, w, b: t.nn.functional.linear(x, w, b),
        (data(t, 2, 3), data(t, 4, 3), data(t, 4)),
        (data(t, 2, 3, seed=1), data(t, 4, 3, seed=2), data(t, 4, seed=3)),
    ),
    "jvp conv": lambda t: t.func.jvp(
        lambda x, w, b: t.nn.functional.conv2d(x, w, b, padding=1),
        (data(t, 2, 3, 5, 5), data(t, 4, 3, 3, 3), data(t, 4)),
        (data(t, 2, 3, 5, 5, seed=1), data(t, 4, 3, 3, 3, seed=2), data(t, 4, seed=3)),
    ),
    "jvp pool": lambda t: t.func.jvp(
        lambda x: t.nn.functional.max_pool2d(x, 2),
        (data(t, 2, 3, 4, 4),),
        (data(t, 2, 3, 4, 4, seed=1),),
    ),
    "jvp ln": lambda t: t.func.jvp(
        lambda x, w, b: t.nn.functional.layer_norm(x, (4,), w, b),
        (data(t, 3, 4), data(t, 4), data(t, 4)),
        (data(t, 3, 4, seed=1), data(t, 4, seed=2), data(t, 4, seed=3)),
    ),
    "jvp std": lambda t: t.func.jvp(
        lambda x: (x.std(), x.var(0)), (data(t, 3, 4),), (data(t, 3, 4, seed=1),)
    ),
    "jvp lse": lambda t: t.func.jvp(
        lambda x: (x.logsumexp(0), x.softmax(0), x.log_softmax(0)),
        (data(t, 3, 4),),
        (data(t, 3, 4, seed=1),),
    ),
    "jvp cplx": lambda t: t.func.jvp(
        lambda x: (x.exp(), x.abs(), x.angle(), x * x.conj(), x.real),
        (t.view_as_complex(data(t, 3, 2)),),
        (t.view_as_complex(data(t, 3, 2, seed=1)),),
    ),
    "vmap grad cplx": lambda t: t.vmap(
        t.func.grad(lambda x: (t.view_as_complex(x) ** 2).abs().sum())
    )(data(t, 3, 4, 2)),
    "jacrev vec dict": lambda t: t.func.jacrev(
        lambda x, y: {"a": (x * y).sum(), "b": x}, argnums=(1,)
    )(data(t, 3), data(t, 3)),
    "jacfwd trees": lambda t: t.func.jacfwd(lambda d: {"o": d["a"] * d["b"].sum()})(
        {"a": data(t, 2), "b": data(t, 3)}
    ),
    "vmap dropout same": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.nn.functional.dropout(x, 0.5), randomness="same")(data(t, 3, 8)),
    )[1],
    "vmap dropout diff": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.nn.functional.dropout(x, 0.5), randomness="different")(data(t, 3, 8)),
    )[1],
    "vmap bern diff": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.bernoulli(x.sigmoid()), randomness="different")(data(t, 3, 8)),
    )[1],
    "vmap randperm": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.randperm(5) + x.long(), randomness="different")(data(t, 3)),
    )[1],
    "vmap multinomial": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.multinomial(x.exp(), 3, replacement=True), randomness="different")(
            data(t, 3, 8)
        ),
    )[1],
    "vmap normal_": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: x.clone().normal_(), randomness="different")(data(t, 3, 8)),
    )[1],
    "vmap randint": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.randint(0, 9, (4,)) + x.long(), randomness="different")(data(t, 3)),
    )[1],
    "vmap rand_like same": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: t.rand_like(x), randomness="same")(data(t, 3, 8)),
    )[1],
    "vmap normal same": lambda t: (
        t.manual_seed(0),
        t.vmap(lambda x: x.clone().normal_(), randomness="same")(data(t, 3, 8)),
    )[1],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_results(name):
    program = PROGRAMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = program(torch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(program(flambeau), expected)
