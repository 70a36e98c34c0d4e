"""Function transforms beside PyTorch: the same programs, the same results and kinds of errors."""

import warnings

import numpy as np
import pytest
from ops.record_calls import RECORDS, calls, dtypes_of, full_name, is_sparse, overload, parametrised

import flambeau
from flambeau.utils import _pytree as pytree

torch = pytest.importorskip("torch")


def same(got, expected, tolerance=1e-9):
    if isinstance(expected, torch.Tensor):
        assert isinstance(got, flambeau.Tensor), type(got)
        assert tuple(got.shape) == tuple(expected.shape)
        assert str(got.dtype) == str(expected.dtype)
        torch.testing.assert_close(
            torch.tensor(got.detach().resolve_conj().numpy()),
            expected.detach().resolve_conj(),
            rtol=tolerance,
            atol=tolerance,
        )
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            same(got[key], expected[key])
    elif isinstance(expected, (tuple, list)):
        assert type(got) is type(expected) and len(got) == len(expected)
        for a, b in zip(got, expected):
            same(a, b)
    else:
        assert got == expected


def data(t, *shape, seed=0, dtype="float64"):
    """The same numbers for both."""
    g = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=g, dtype=torch.float64)
    return t.tensor(values.tolist(), dtype=getattr(t, dtype))


PROGRAMS = {
    "grad": lambda t: t.func.grad(lambda x: (x.sin() * x).sum())(data(t, 3)),
    "grad of grad": lambda t: t.func.grad(t.func.grad(lambda x: x.exp() * x.sin()))(data(t)),
    "grad argnums": lambda t: t.func.grad(lambda x, y: (x * y).sum(), (0, 1))(
        data(t, 3), data(t, 3, seed=1)
    ),
    "grad argnum -1": lambda t: t.func.grad(lambda x, y: (x * y * y).sum(), -1)(
        data(t, 3), data(t, 3, seed=1)
    ),
    "grad of a dict": lambda t: t.func.grad(lambda p: (p["a"] ** 2 * p["b"]).sum())(
        {"a": data(t, 2), "b": data(t, 2, seed=1)}
    ),
    "grad aux": lambda t: t.func.grad(lambda x: (x.sum(), x * 2), has_aux=True)(data(t, 2)),
    "grad unused": lambda t: t.func.grad(lambda x, y: x.sum(), (0, 1))(data(t, 2), data(t, 3)),
    "grad constant": lambda t: t.func.grad(lambda x: t.ones(()))(data(t, 2)),
    "grad and value": lambda t: t.func.grad_and_value(lambda x: (x**3).sum())(data(t, 2)),
    "grad and value aux": lambda t: t.func.grad_and_value(
        lambda x: ((x**3).sum(), {"k": x}), has_aux=True
    )(data(t, 2)),
    "grad with no_grad inside": lambda t: t.func.grad(lambda x: (x * no_grad(t, x)).sum())(
        data(t, 3)
    ),
    "grad under no_grad": lambda t: under_no_grad(
        t, lambda: t.func.grad(lambda x: (x**2).sum())(data(t, 3))
    ),
    "no_grad counts for one level": lambda t: t.func.grad(
        lambda x: t.func.grad(lambda y: (y * no_grad(t, y) * x).sum())(x).sum()
    )(data(t, 3)),
    "grad through a leaf": lambda t: leaf_grad(
        t, lambda x: t.func.grad(lambda y: (y**3).sum())(x).sum()
    ),
    "grad and detach": lambda t: t.func.grad(lambda x: (x * x.detach()).sum())(data(t, 3)),
    "grad in place": lambda t: t.func.grad(lambda x: in_place(x).sum())(data(t, 4)),
    "grad in place on views": lambda t: t.func.grad(lambda x: views_in_place(x).sum())(data(t, 4)),
    "grad writes to new": lambda t: t.func.grad(lambda x: written(t, x).sum())(data(t, 4)),
    "grad data dependent": lambda t: t.func.grad(
        lambda x: x.sum() if x.sum() > 0 else -(x**2).sum()
    )(data(t, 3)),
    "grad item": lambda t: t.func.grad(lambda x: x.sum() * x.sum().item())(data(t, 3)),
    "vjp": lambda t: [
        (y, pull(data(t, 3, seed=2))) for y, pull in [t.func.vjp(lambda x: x.sin(), data(t, 3))]
    ],
    "vjp of trees": lambda t: [
        (y, pull({"s": data(t, 3), "p": data(t, 3, seed=1)}))
        for y, pull in [
            t.func.vjp(
                lambda a, b: {"s": a + b, "p": a * b}, data(t, 3, seed=2), data(t, 3, seed=3)
            )
        ]
    ],
    "vjp twice": lambda t: vjp_twice(t),
    "jvp": lambda t: t.func.jvp(lambda x: x.sin(), (data(t, 3),), (data(t, 3, seed=1),)),
    "jvp of several": lambda t: t.func.jvp(
        lambda x, y: (x @ y, x.sum()),
        (data(t, 2, 3), data(t, 3, 2, seed=1)),
        (data(t, 2, 3, seed=2), data(t, 3, 2, seed=3)),
    ),
    "jvp aux": lambda t: t.func.jvp(
        lambda x: (x.sin(), x), (data(t, 3),), (data(t, 3, seed=1),), has_aux=True
    ),
    "jvp of jvp": lambda t: t.func.jvp(
        lambda x: t.func.jvp(lambda y: y.sin() * y, (x,), (t.ones_like(x),))[1],
        (data(t, 3),),
        (data(t, 3, seed=1),),
    ),
    "jvp of grad": lambda t: t.func.jvp(
        t.func.grad(lambda x: (x**4).sum()), (data(t, 3),), (data(t, 3, seed=1),)
    ),
    "grad of jvp": lambda t: t.func.grad(
        lambda x: t.func.jvp(lambda y: y**3, (x,), (t.ones_like(x),))[1].sum()
    )(data(t, 3)),
    "jvp in place": lambda t: t.func.jvp(in_place, (data(t, 4),), (data(t, 4, seed=1),)),
    "jvp in place on views": lambda t: t.func.jvp(
        views_in_place, (data(t, 4),), (data(t, 4, seed=1),)
    ),
    "jvp writes to new": lambda t: t.func.jvp(
        lambda x: written(t, x), (data(t, 4),), (data(t, 4, seed=1),)
    ),
    "jvp of a constant": lambda t: t.func.jvp(
        lambda x: t.ones(2, dtype=x.dtype), (data(t, 3),), (data(t, 3),)
    ),
    "jvp of complex": lambda t: t.func.jvp(
        lambda x: (t.view_as_complex(x).exp() * 1j).abs(),
        (data(t, 3, 2),),
        (data(t, 3, 2, seed=1),),
    ),
    "linearize": lambda t: [
        (y, push(data(t, 3, seed=1)))
        for y, push in [t.func.linearize(lambda x: x.sin(), data(t, 3))]
    ],
    "vmap": lambda t: t.vmap(lambda x: x.sin().sum())(data(t, 3, 4)),
    "vmap in_dims": lambda t: t.vmap(lambda x, y: x @ y, in_dims=(1, None))(
        data(t, 3, 5), data(t, 3, 2)
    ),
    "vmap out_dims": lambda t: t.vmap(lambda x: (x, x * 2), out_dims=(1, -1))(data(t, 3, 4)),
    "vmap of trees": lambda t: t.vmap(
        lambda d, y: {"s": d["a"] + d["b"][0] * y}, in_dims=({"a": 0, "b": (1,)}, None)
    )({"a": data(t, 2, 3), "b": (data(t, 3, 2),)}, data(t, 3)),
    "vmap of a constant": lambda t: t.vmap(lambda x: t.ones(2, dtype=x.dtype))(data(t, 3, 4)),
    "vmap out_dims None": lambda t: t.vmap(lambda x: (x, 5), out_dims=(0, None))(data(t, 3)),
    "vmap of vmap": lambda t: t.vmap(t.vmap(lambda x, y: x * y, (0, None)), (None, 0))(
        data(t, 3), data(t, 4)
    ),
    "vmap chunks": lambda t: t.vmap(lambda x: x.sum(), chunk_size=2)(data(t, 5, 4)),
    "vmap of promotion": lambda t: t.vmap(lambda x, y: x * y)(
        data(t, 3), data(t, 3, 2, dtype="float32")
    ),
    "vmap of promotion 2": lambda t: t.vmap(lambda x, y: x + y)(
        data(t, 3, dtype="float32"), t.arange(6).reshape(3, 2)
    ),
    "vmap in place": lambda t: t.vmap(in_place)(data(t, 3, 4)),
    "vmap in place on views": lambda t: t.vmap(views_in_place)(data(t, 3, 4)),
    "vmap indexing": lambda t: t.vmap(lambda x, i: x[i])(
        data(t, 3, 4, 2), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "vmap indexing apart": lambda t: t.vmap(lambda x, i: x[i, :, i])(
        data(t, 3, 4, 2, 4), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "vmap indexing second": lambda t: t.vmap(lambda x, i: x[:, i])(
        data(t, 3, 2, 4), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "vmap indexing None": lambda t: t.vmap(lambda x, i: x[i], (None, 0))(
        data(t, 4, 2), t.tensor([[0, 1], [2, 3], [1, 1]])
    ),
    "vmap index_put": lambda t: t.vmap(lambda x, i, v: put(x, i, v))(
        data(t, 3, 4), t.tensor([[0, 1], [2, 3], [1, 0]]), data(t, 3, 2)
    ),
    "vmap setitem": lambda t: t.vmap(lambda x, v: setitem(x, v))(data(t, 3, 4), data(t, 3)),
    "vmap gather": lambda t: t.vmap(lambda x, i: x.gather(0, i))(
        data(t, 3, 4), t.tensor([[0, 1], [2, 3], [1, 0]])
    ),
    "vmap sort": lambda t: tuple(t.vmap(lambda x: t.sort(x, descending=True))(data(t, 3, 4))),
    "vmap max": lambda t: tuple(t.vmap(lambda x: x.max(0))(data(t, 3, 4))),
    "vmap norm": lambda t: t.vmap(lambda x: t.linalg.vector_norm(x))(data(t, 3, 4)),
    "vmap einsum": lambda t: t.vmap(lambda x, y: t.einsum("ij,jk->ik", x, y), (0, 2))(
        data(t, 3, 4, 2), data(t, 2, 5, 3)
    ),
    "vmap split": lambda t: t.vmap(lambda x: tuple(x.split(2)))(data(t, 3, 5)),
    "vmap where": lambda t: t.vmap(lambda x: t.where(x > 0, x, x * 2))(data(t, 3, 4)),
    "vmap where with numbers": lambda t: t.vmap(lambda x: t.where(x > 0, x, 0.0))(data(t, 3)),
    "vmap squeeze": lambda t: t.vmap(lambda x: x.squeeze().unsqueeze(-1))(data(t, 1, 1, 4)),
    "vmap reshape": lambda t: t.vmap(lambda x: x.t().reshape(-1))(data(t, 3, 4, 2)),
    "vmap of leaves": lambda t: leaf_grad(
        t, lambda x: t.vmap(lambda r: r.sin().sum())(x.reshape(3, 1)).sum()
    ),
    "vmap of grad": lambda t: t.vmap(t.func.grad(lambda x, w: (x @ w).tanh().sum(), 1), (0, None))(
        data(t, 4, 3), data(t, 3, 2)
    ),
    "grad of vmap": lambda t: t.func.grad(lambda w: t.vmap(lambda x: (x @ w).exp())(x34(t)).sum())(
        data(t, 4)
    ),
    "jacrev": lambda t: t.func.jacrev(lambda x: x.sin().outer(x))(data(t, 3)),
    "jacrev chunks": lambda t: t.func.jacrev(lambda x: x.sin() * x, chunk_size=2)(data(t, 3)),
    "jacrev argnums": lambda t: t.func.jacrev(lambda x, y: x * y.sum(), argnums=(0, 1))(
        data(t, 3), data(t, 2)
    ),
    "jacrev of trees": lambda t: t.func.jacrev(lambda d: {"o": d["a"] * d["b"]})(
        {"a": data(t, 2), "b": data(t, 2, seed=1)}
    ),
    "jacrev aux": lambda t: t.func.jacrev(lambda x: (x.sin(), x), has_aux=True)(data(t, 3)),
    "jacfwd": lambda t: t.func.jacfwd(lambda x: x.sin().outer(x))(data(t, 3)),
    "jacfwd argnums": lambda t: t.func.jacfwd(lambda x, y: x * y.sum(), argnums=(0, 1))(
        data(t, 3), data(t, 2)
    ),
    "jacfwd aux": lambda t: t.func.jacfwd(lambda x: (x.sin(), x), has_aux=True)(data(t, 3)),
    "hessian": lambda t: t.func.hessian(lambda x: (x.sin() * x.sum()).sum())(data(t, 3)),
    "hessian by jacrev": lambda t: t.func.jacrev(t.func.jacrev(lambda x: (x**3).sum()))(data(t, 3)),
    "hessian by jacfwd": lambda t: t.func.jacfwd(t.func.jacfwd(lambda x: (x**3).sum()))(data(t, 3)),
    "vmap of hessian": lambda t: t.vmap(t.func.hessian(lambda x: (x**3).prod()))(data(t, 2, 3)),
    "per-sample gradients": lambda t: per_sample(t),
    "ensemble": lambda t: ensemble(t),
    "functional_call": lambda t: functional_call(t),
    "conv2d": lambda t: t.vmap(
        lambda x, w, b: t.nn.functional.conv2d(x, w, b, stride=2, padding=1)
    )(data(t, 3, 2, 4, 6, 6), data(t, 3, 6, 4, 3, 3), data(t, 3, 6)),
    "conv2d groups": lambda t: t.vmap(
        lambda x, w: t.nn.functional.conv2d(x, w, groups=2), (None, 0)
    )(data(t, 2, 4, 6, 6), data(t, 3, 6, 2, 3, 3)),
    "max_pool2d": lambda t: t.vmap(lambda x: t.nn.functional.max_pool2d(x, 2))(
        data(t, 3, 2, 4, 6, 6)
    ),
    "layer_norm": lambda t: t.vmap(
        lambda x, w, b: t.nn.functional.layer_norm(x, (4,), w, b), (0, 0, None)
    )(data(t, 3, 2, 4), data(t, 3, 4), data(t, 4)),
    "cross_entropy": lambda t: t.vmap(
        lambda x, y: t.nn.functional.cross_entropy(x, y, label_smoothing=0.1)
    )(data(t, 3, 5, 4), t.tensor([[0, 1, 2, 3, 0]] * 3)),
    "embedding": lambda t: t.vmap(lambda w, i: t.nn.functional.embedding(i, w))(
        data(t, 3, 5, 2), t.tensor([[0, 1], [2, 3], [1, 4]])
    ),
    "vmap of a custom function": lambda t: t.vmap(cube(t).apply)(data(t, 3, 2)),
    "vmap of grad of a custom function": lambda t: t.vmap(
        t.func.grad(lambda x: cube(t).apply(x).sum())
    )(data(t, 3, 2)),
    "grad of vmap of a custom function": lambda t: t.func.grad(
        lambda x: t.vmap(cube(t).apply)(x).sum()
    )(data(t, 3, 2)),
    "jvp of a custom function": lambda t: t.func.jvp(
        lambda x: cube(t, jvp=True).apply(x), (data(t, 3),), (data(t, 3, seed=1),)
    ),
    "vmap rule of a custom function": lambda t: t.vmap(cube(t, rule=True).apply, 1)(data(t, 3, 2)),
    "grad of grad of a custom function": lambda t: t.func.grad(
        lambda x: t.func.grad(lambda y: cube(t).apply(y).sum())(x).sum()
    )(data(t, 3)),
    "random same": lambda t: seeded(
        t, lambda: t.vmap(lambda x: x + t.randn(2, dtype=x.dtype), randomness="same")(data(t, 3, 2))
    ),
    "random different": lambda t: seeded(
        t,
        lambda: t.vmap(lambda x: x + t.randn(2, dtype=x.dtype), randomness="different")(
            data(t, 3, 2)
        ),
    ),
    "dual": lambda t: dual(t, lambda x: (x.sin() * x).sum()),
    "dual in place": lambda t: dual(t, in_place),
}


def no_grad(t, x):
    with t.no_grad():
        return x * 2


def vjp_twice(t):
    pull = t.func.vjp(lambda x: x.exp(), data(t, 3))[1]
    return t.func.vjp(lambda g: pull(g)[0], data(t, 3, seed=2))[1](data(t, 3, seed=4))


def under_no_grad(t, f):
    with t.no_grad():
        return f()


def leaf_grad(t, f):
    x = data(t, 3).requires_grad_()
    f(x).backward()
    return x.grad


def in_place(x):
    y = x.clone()
    y.mul_(x).add_(1)
    y.sin_()
    return y


def views_in_place(x):
    y = x * 1
    y[0] = x[1] * 2
    y[1:3].mul_(x[0])
    y.view(2, 2)[1].add_(x[:2])
    return y


def written(t, x):
    y = t.zeros(4, dtype=x.dtype)
    y[1] = x[0] * 3
    y[2:] = x[:2] ** 2
    return y * x


def put(x, i, v):
    y = x.clone()
    y[i] = v
    return y


def setitem(x, v):
    y = x.clone()
    y[1] = v
    y[2:] = 0
    return y


def x34(t):
    return data(t, 3, 4)


def model(t):
    net = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 2)).double()
    for k, p in enumerate(net.parameters()):
        p.data = data(t, *p.shape, seed=k)
    return net


def per_sample(t):
    net = model(t)
    params = {k: v.detach() for k, v in net.named_parameters()}

    def loss(p, x, y):
        out = t.func.functional_call(net, p, (x.unsqueeze(0),))
        return t.nn.functional.cross_entropy(out, y.unsqueeze(0))

    return t.vmap(t.func.grad(loss), (None, 0, 0))(params, data(t, 5, 3), t.tensor([0, 1, 1, 0, 1]))


def ensemble(t):
    nets = [model(t) for _ in range(3)]
    for k, net in enumerate(nets):
        net[0].bias.data = data(t, 4, seed=50 + k)
    params, buffers = t.func.stack_module_state(nets)
    run = lambda p, b, x: t.func.functional_call(nets[0], (p, b), (x,))  # noqa: E731
    return t.vmap(run, (0, 0, None))(params, buffers, data(t, 5, 3))


def functional_call(t):
    net = model(t)
    before = net[0].weight
    out = t.func.functional_call(net, {"0.weight": data(t, 4, 3, seed=9)}, (data(t, 2, 3),))
    assert net[0].weight is before
    return out


def cube(t, jvp=False, rule=False):
    class Cube(t.autograd.Function):
        generate_vmap_rule = not rule

        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])
            ctx.save_for_forward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2 + 1  # not the derivative: tells whether this ran

    if jvp:
        Cube.jvp = staticmethod(lambda ctx, dx: 5 * dx * ctx.saved_tensors[0])
    if rule:
        Cube.vmap = staticmethod(lambda info, in_dims, x: (x * info.batch_size, in_dims[0]))
    return Cube


def seeded(t, f):
    t.manual_seed(3)
    return f()


def dual(t, f):
    import importlib

    ad = importlib.import_module(f"{t.__name__}.autograd.forward_ad")
    with ad.dual_level():
        out = f(ad.make_dual(data(t, 3), data(t, 3, seed=1)))
        return tuple(ad.unpack_dual(out))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_results(name):
    program = PROGRAMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = program(torch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(program(flambeau), expected)


ERRORS = {
    "item": lambda t: t.vmap(lambda x: x.sum().item())(data(t, 3, 4)),
    "branch": lambda t: t.vmap(lambda x: x if x.sum() > 0 else -x)(data(t, 3, 4)),
    "in place on an outer tensor": lambda t: t.vmap(lambda x: t.zeros(4, dtype=x.dtype).copy_(x))(
        data(t, 3, 4)
    ),
    "random": lambda t: t.vmap(lambda x: t.rand(4) + x)(data(t, 3, 4)),
    "dropout": lambda t: t.vmap(lambda x: t.nn.functional.dropout(x))(data(t, 3, 4)),
    "numpy": lambda t: t.vmap(lambda x: x.numpy())(data(t, 3, 4)),
    "tolist": lambda t: t.vmap(lambda x: x.tolist())(data(t, 3, 4)),
    "data_ptr": lambda t: t.vmap(lambda x: x.data_ptr())(data(t, 3, 4)),
    "captured": lambda t: t.func.grad(lambda y, z=data(t, 3): z.add_(y).sum())(data(t, 3)),
    "captured jvp": lambda t: t.func.jvp(
        lambda y, z=data(t, 3): z.add_(y).sum(), (data(t, 3),), (data(t, 3),)
    ),
    "in_dims of no dimension": lambda t: t.vmap(lambda x: x, in_dims=2)(data(t, 3, 4)),
    "in_dims of another structure": lambda t: t.vmap(lambda x: x, in_dims=(0, 0))(data(t, 3)),
    "in_dims None": lambda t: t.vmap(lambda x: x, in_dims=None)(data(t, 3)),
    "in_dims text": lambda t: t.vmap(lambda x: x, in_dims="a")(data(t, 3)),
    "sizes": lambda t: t.vmap(lambda x, y: x)(data(t, 3), data(t, 2)),
    "number": lambda t: t.vmap(lambda x, y: x)(data(t, 3), 2),
    "no inputs": lambda t: t.vmap(lambda: 1)(),
    "no tensor": lambda t: t.vmap(lambda x: 3)(data(t, 3)),
    "out_dims of another structure": lambda t: t.vmap(lambda x: x, out_dims=(0, 0))(data(t, 3)),
    "out_dims of no dimension": lambda t: t.vmap(lambda x: x, out_dims=2)(data(t, 3)),
    "out_dims text": lambda t: t.vmap(lambda x: x, out_dims="a")(data(t, 3)),
    "out_dims None": lambda t: t.vmap(lambda x: x, out_dims=None)(data(t, 3)),
    "out=": lambda t: t.vmap(lambda x: t.add(x, x, out=t.empty(4)))(data(t, 3, 4)),
    "nonzero": lambda t: t.vmap(lambda x: x.nonzero())(data(t, 3, 4)),
    "mask": lambda t: t.vmap(lambda x: x[x > 0])(data(t, 3, 4)),
    "equal": lambda t: t.vmap(lambda x: t.equal(x, x))(data(t, 3, 4)),
    "unique": lambda t: t.vmap(lambda x: x.unique())(data(t, 3, 4)),
    "grad of a tensor": lambda t: t.func.grad(lambda x: x)(data(t, 3)),
    "grad of a number": lambda t: t.func.grad(lambda x: 3)(data(t, 3)),
    "argnums": lambda t: t.func.grad(lambda x: x.sum(), argnums=1)(data(t, 3)),
    "argnums text": lambda t: t.func.grad(lambda x: x.sum(), argnums="a")(data(t, 3)),
    "grad by a number": lambda t: t.func.grad(lambda x: x.sum())(3),
    "grad by integers": lambda t: t.func.grad(lambda x: x.sum())(t.arange(3)),
    "grad aux": lambda t: t.func.grad(lambda x: x.sum(), has_aux=True)(data(t, 3)),
    "jvp of no tuple": lambda t: t.func.jvp(lambda x: x, data(t, 3), data(t, 3)),
    "jvp structure": lambda t: t.func.jvp(lambda x: x, (data(t, 3),), (data(t, 3), data(t, 3))),
    "jvp shape": lambda t: t.func.jvp(lambda x: x, (data(t, 3),), (data(t, 2),)),
    "jvp number": lambda t: t.func.jvp(lambda x: x, (data(t, 3),), (3,)),
    "jvp of a number": lambda t: t.func.jvp(lambda x: 3, (data(t, 3),), (data(t, 3),)),
    "vjp shape": lambda t: t.func.vjp(lambda x: x.sum(), data(t, 3))[1](data(t, 3)),
    "vjp structure": lambda t: t.func.vjp(lambda x: (x, x), data(t, 3))[1](data(t, 3)),
    "vjp of a number": lambda t: t.func.vjp(lambda x: 3, data(t, 3)),
    "vjp by a number": lambda t: t.func.vjp(lambda x: x, 3),
    "chunk_size": lambda t: t.vmap(lambda x: x, chunk_size=0)(data(t, 3)),
    "randomness": lambda t: t.vmap(lambda x: x, randomness="foo")(data(t, 3)),
    "backward inside": lambda t: t.func.grad(lambda x: x.sum().backward())(data(t, 3)),
    "requires_grad_ inside": lambda t: t.func.grad(lambda x: x.requires_grad_().sum())(data(t, 3)),
    "requires_grad_ in vmap": lambda t: t.vmap(lambda x: x.requires_grad_())(data(t, 3)),
    "no model": lambda t: t.func.stack_module_state([]),
    "two values": lambda t: t.func.functional_call(
        t.nn.Linear(1, 1), ({"bias": data(t, 1)}, {"bias": data(t, 1)}), (data(t, 1),)
    ),
    "strict": lambda t: t.func.functional_call(
        t.nn.Linear(1, 1), {"bias": data(t, 1)}, (data(t, 1),), strict=True
    ),
    "unknown": lambda t: t.func.functional_call(
        t.nn.Linear(1, 1), {"a.b": data(t, 1)}, (data(t, 1),)
    ),
    "escaped": lambda t: escaped(t) + 1,
    "no setup_context": lambda t: t.func.grad(lambda x: old(t).apply(x).sum())(data(t, 3)),
    "no vmap": lambda t: t.vmap(cube_without_vmap(t).apply)(data(t, 3)),
    "no jvp": lambda t: t.func.jvp(cube(t).apply, (data(t, 3),), (data(t, 3),)),
}


def escaped(t):
    kept = []
    t.vmap(lambda x: kept.append(x) or x)(data(t, 3, 4))
    return kept[0]


def old(t):
    class Old(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    return Old


def cube_without_vmap(t):
    kind = cube(t)
    kind.generate_vmap_rule = False
    return kind


@pytest.mark.parametrize("name", ERRORS)
def test_the_same_kinds_of_errors(name):
    with pytest.raises(Exception) as theirs:  # noqa: B017, PT011
        ERRORS[name](torch)
    with pytest.raises(theirs.type):
        ERRORS[name](flambeau)


def test_constants_outlive_their_level():
    kept = []
    flambeau.func.grad(lambda x: kept.append(x) or x.sum())(flambeau.ones(2))
    assert (kept[0] + 1).tolist() == [2, 2]


# ---- gradients of gradients: where PyTorch has one, be it zeros, there is one

# Second derivatives that differ on purpose, each with its reason.
ELSEWHERE = {
    "native_layer_norm_backward": "its mean and deviation have to be those of its input",
    "native_batch_norm_backward": "its mean and deviation have to be those of its input",
    "grid_sampler_2d_backward": "third derivatives of grid_sampler are refused",
    "grid_sampler_3d_backward": "third derivatives of grid_sampler are refused",
    "_fused_rms_norm": "its second result has no gradient here",
    **dict.fromkeys(
        ["_linalg_svd", "linalg_svd", "svd"], "singular vectors have either sign: tests/ops/linalg"
    ),
}


def theirs(value):
    if isinstance(value, flambeau.Tensor):
        return torch.tensor(value.detach().numpy())
    if isinstance(value, flambeau.dtype):
        return getattr(torch, str(value).split(".")[1])
    return value


def second(lib, function, args, kwargs):
    """The sum of each gradient's gradients by each input; None where there is none."""
    flat, spec = pytree.tree_flatten((args, kwargs))
    inputs = [v for v in flat if isinstance(v, lib.Tensor) and v.is_floating_point()]
    inputs = [t.requires_grad_() for t in inputs]
    args, kwargs = pytree.tree_unflatten(flat, spec)
    try:
        made = function(*args, **kwargs)
    except RuntimeError:
        return None
    made = list(made) if isinstance(made, (list, tuple)) else [made]
    made = [t for t in made if isinstance(t, lib.Tensor) and t.requires_grad]
    found = {}
    for i, x in enumerate(inputs):
        try:
            (g,) = lib.autograd.grad(sum(t.sum() for t in made), x, create_graph=True)
        except (RuntimeError, TypeError, AttributeError):
            continue
        for k, y in enumerate(inputs):
            try:
                (h,) = lib.autograd.grad(g.sum(), y, retain_graph=True)
            except RuntimeError:
                continue
            found[i, k] = h.sum().item()
    return found


CHOSEN = [
    r
    for r in RECORDS
    if "float64" in dtypes_of(r)
    and not r.inplace_only
    and full_name(r) not in ELSEWHERE
    and not is_sparse(r)
]


@parametrised(CHOSEN)
def test_second_gradients_are_there(record):
    for call in calls(record, ("float64",)):
        args, kwargs = call.tensors()
        packet = getattr(torch.ops.aten, record.name, None)
        other = getattr(packet, record.schema.overload or "default", None)
        expected = other and second(torch, other, *pytree.tree_map(theirs, (args, kwargs)))
        if not expected:
            continue
        got = second(flambeau, overload(record.schema), args, kwargs)
        assert expected.keys() <= got.keys(), full_name(record)
        for place, value in expected.items():
            np.testing.assert_allclose(got[place], value, rtol=1e-6, atol=1e-9)
