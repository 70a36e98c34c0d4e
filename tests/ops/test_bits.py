"""Results have the same bits wherever the memory begins and however many threads there are."""

import itertools

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.ops.record import load

# ---- pointwise ops: f(x)[k:] is f(x[k:])

SHIFTS = range(1, 18)
N = 150  # several vectors of each set and a tail, whatever the shift
INTEGRAL = ("uint8", "int8", "int16", "int32", "int64")
DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128", "bool", *INTEGRAL)
POINTWISE = [r for r in load() if r.kind == "pointwise"]


def values(dtype, seed, n=N):
    """Numbers of all sizes, and those with rules of their own."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return torch.tensor(rng.random(n) < 0.5)
    if dtype in INTEGRAL:
        info = np.iinfo(dtype)
        drawn = rng.integers(info.min, info.max, n, dtype=dtype, endpoint=True)
        drawn[::3] = rng.integers(1, 8, len(drawn[::3]))
        return torch.tensor(np.where(drawn == 0, 1, drawn).astype(dtype))  # it may be a divisor
    drawn = rng.standard_normal(n) * 10.0 ** rng.integers(-6, 6, n)
    drawn[::2] = rng.standard_normal(len(drawn[::2]))
    special = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e-40, 1e30]
    drawn[rng.permutation(n)[: len(special)]] = special
    if dtype.startswith("complex"):
        drawn = np.stack([drawn, rng.permutation(drawn)], 1).view(complex)[:, 0]
    return torch.tensor(drawn).to(getattr(torch, dtype))


def bits(t):
    """The bytes of a tensor's elements, in their order. Which NaN a NaN is, is left open."""
    t = t.detach().contiguous()
    t = torch.view_as_real(t) if t.is_complex() else t
    if t.is_floating_point():
        t = t.masked_fill(t.isnan(), float("nan"))
    return (t.view(torch.int16) if t.dtype is torch.bfloat16 else t).numpy().tobytes()


def overload_of(schema):
    return getattr(getattr(torch.ops.aten, schema.name), schema.overload or "default")


def dtypes_of(record):
    allowed = (
        set.intersection(*map(set, record.dtypes.values()))
        if isinstance(record.dtypes, dict)
        else set(record.dtypes)
    )
    return [d for d in DTYPES if d in allowed]


def arguments(record, dtype, n=N):
    """Each way to call the op: its arguments in order."""
    choices = []
    for i, a in enumerate(record.schema.args):
        if a.is_tensor:
            kind = "bool" if a.name == "condition" else dtype
            choices.append([values(kind, i, n)])
        elif a.type == "Scalar":
            choices.append([2])
        elif a.name in record.static:
            choices.append(list(record.static[a.name]))
        else:
            choices.append([False, True] if a.type == "bool" else [0.5])
    return list(itertools.product(*choices))


def shifted(args, k):
    return [a[k:] if isinstance(a, torch.Tensor) else a for a in args]


def call(record, args, **out):
    schema = record.schema
    op = overload_of(schema.as_out(record.out_overload) if out else schema)
    positional = [a for a, s in zip(args, schema.args) if not s.keyword_only]
    keywords = {s.name: a for a, s in zip(args, schema.args) if s.keyword_only}
    return op(*positional, **keywords, **out)


@pytest.mark.parametrize("record", POINTWISE, ids=lambda r: r.schema.full_name)
def test_any_alignment(record):
    for dtype in dtypes_of(record):
        for args in arguments(record, dtype):
            whole = call(record, args)
            size = whole.element_size()
            expected = bits(whole)
            for k in SHIFTS:
                assert bits(call(record, shifted(args, k))) == expected[k * size :], (dtype, k)


@pytest.mark.parametrize("record", POINTWISE, ids=lambda r: r.schema.full_name)
def test_any_stride(record):
    """One operand aligned, the next not; gathered elements; the last of a short row."""
    for dtype in dtypes_of(record):
        for args in arguments(record, dtype):
            whole = call(record, args)
            mixed = [
                a[1:].clone() if isinstance(a, torch.Tensor) and k % 2 else b
                for k, (a, b) in enumerate(zip(args, shifted(args, 1)))
            ]
            first = next(k for k, a in enumerate(args) if isinstance(a, torch.Tensor))
            mixed[first] = args[first][1:]
            mixed = [m[: N - 1] if isinstance(m, torch.Tensor) else m for m in mixed]
            assert bits(call(record, mixed)) == bits(whole[1:]), dtype
            gathered = [a[1::3] if isinstance(a, torch.Tensor) else a for a in args]
            assert bits(call(record, gathered)) == bits(whole[1::3]), dtype
            short = [a[-3:] if isinstance(a, torch.Tensor) else a for a in args]
            assert bits(call(record, short)) == bits(whole[-3:]), dtype


LENGTHS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 129)


@pytest.mark.parametrize("record", POINTWISE, ids=lambda r: r.schema.full_name)
def test_any_length(record):
    """Whole blocks and what is left over, also where the output is an input."""
    for dtype in dtypes_of(record):
        for args in arguments(record, dtype):
            whole = call(record, args)
            for n in LENGTHS:
                part = [a[:n].clone() if isinstance(a, torch.Tensor) else a for a in args]
                assert bits(call(record, part)) == bits(whole[:n]), (dtype, n)
                first = next(a for a in part if isinstance(a, torch.Tensor))
                if record.out and first.dtype == whole.dtype:
                    call(record, part, out=first)
                    assert bits(first) == bits(whole[:n]), (dtype, n)


def test_a_slice_may_be_written_to():
    x = values("float32", 0)
    expected = bits(torch.exp(x))
    for k in SHIFTS:
        out = torch.zeros(N + k)
        torch.exp(x, out=out[k:])
        assert bits(out[k:]) == expected and not out[:k].any()


REFUSED = {"igamma", "igammac"}  # a gradient of theirs raises NotImplementedError
DIFFERENTIABLE = [
    r for r in POINTWISE if r.gradient and "float32" in r.dtypes and r.name not in REFUSED
]


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=lambda r: r.schema.full_name)
def test_gradients_at_any_alignment(record):
    def gradient(args):
        leaves = [
            a.detach().requires_grad_()
            if isinstance(a, torch.Tensor) and a.is_floating_point()
            else a
            for a in args
        ]
        call(record, leaves).sum().backward()
        found = [a.grad for a in leaves if isinstance(a, torch.Tensor) and a.requires_grad]
        assert any(g is not None for g in found)
        return found

    for dtype in ("float32", "float64"):
        for args in arguments(record, dtype):
            whole = gradient(args)
            for k in SHIFTS:
                parts = gradient(shifted(args, k))
                assert [p is None for p in parts] == [w is None for w in whole], (dtype, k)
                pairs = [(p, w[k:]) for p, w in zip(parts, whole) if p is not None]
                assert [bits(p) for p, _ in pairs] == [bits(w) for _, w in pairs], (dtype, k)


# ---- every family: 1, 2, 3, 5 and 8 threads


def drawn(*shape, dtype=torch.float32, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.standard_normal(shape)).to(dtype)


def indices(n, high, seed=1):
    return torch.tensor(np.random.default_rng(seed).integers(0, high, n))


def with_gradients(f, *leaves):
    """The result of ``f`` and the gradients of its arguments."""

    def run():
        inputs = [t.detach().requires_grad_() for t in leaves]
        result = f(*inputs)
        (result * torch.linspace(0, 1, result.numel()).view(result.shape)).sum().backward()
        return [result, *(t.grad for t in inputs)]

    return run


def seeded(f):
    def run():
        torch.manual_seed(0)
        return f()

    return run


LONG, WIDE, TALL = drawn(300_007), drawn(37, 20_011), drawn(20_011, 37)
SQUARE = drawn(260, 270), drawn(270, 250)
IMAGES, FILTERS = drawn(5, 8, 33, 31), drawn(16, 8, 3, 3)
TABLE, ROWS = drawn(50, 600), indices(5000, 50)

FAMILIES = {
    "pointwise": lambda: [torch.exp(LONG), LONG * 2 + LONG, torch.where(LONG > 0, LONG, 0.0)],
    "broadcast": lambda: [WIDE + WIDE[:, :1], TALL * TALL[0]],
    "cast and copy": lambda: [LONG.bfloat16(), WIDE.t().contiguous(), LONG.to(torch.int32)],
    "sum": lambda: [LONG.sum(), *(t.sum(dim) for t in (WIDE, TALL) for dim in (0, 1, (0, 1)))],
    "half sums": lambda: [LONG.bfloat16().sum(), WIDE.half().sum(1), TALL.bfloat16().mean(0)],
    "mean": lambda: [LONG.mean(), *torch.var_mean(WIDE, 1), *torch.var_mean(TALL, 0)],
    "norm": lambda: [LONG.norm(), WIDE.norm(3, 1), torch.logsumexp(TALL, 0), LONG.double().prod()],
    "extremes": lambda: [LONG.argmax(), *WIDE.max(1), *TALL.min(0), TALL.amax(0), (LONG > 4).any()],
    "scan": lambda: [LONG.cumsum(0), WIDE.cumsum(1), TALL.cumsum(0), WIDE.cumsum(0)],
    "matmul": with_gradients(torch.matmul, *SQUARE),
    "matmul, many shapes": lambda: [
        drawn(700, 3) @ drawn(3, 900), drawn(3, 9000) @ drawn(9000, 5), WIDE @ TALL,
        TALL @ WIDE[:, :99], WIDE @ WIDE[0], LONG @ LONG, drawn(40, 50, 60) @ drawn(40, 60, 30),
        *(drawn(200, 300).to(d) @ drawn(300, 99).to(d) for d in (torch.bfloat16, torch.float64)),
    ],
    "linear": with_gradients(F.linear, drawn(700, 300), drawn(200, 300), drawn(200)),
    "softmax": with_gradients(lambda x: F.softmax(x, 1), WIDE),
    "log_softmax": with_gradients(lambda x: F.log_softmax(x, 0), TALL),
    "cross_entropy": with_gradients(lambda x: F.cross_entropy(x, indices(20_011, 37)), TALL),
    "layer_norm": with_gradients(
        lambda x, w, b: F.layer_norm(x, (600,), w, b), drawn(3000, 600), drawn(600), drawn(600)
    ),
    "conv2d": with_gradients(lambda x, w: F.conv2d(x, w, padding=1), IMAGES, FILTERS),
    "max_pool2d": with_gradients(lambda x: F.max_pool2d(x, 3, 2), IMAGES),
    "embedding": with_gradients(lambda w: F.embedding(ROWS, w), TABLE),
    "index_add": with_gradients(lambda x, s: x.index_add(0, ROWS, s), TABLE, drawn(5000, 600)),
    "index_put": with_gradients(lambda x: TABLE.index_put((ROWS,), x, True), drawn(5000, 600)),
    "scatter_add": lambda: [
        torch.zeros(999).scatter_add(0, indices(300_007, 999), LONG),
        torch.zeros(50, 600).scatter_add(0, ROWS[:, None].expand(5000, 600), drawn(5000, 600)),
    ],
    "gather": with_gradients(lambda x: x.gather(1, indices(333_000, 20_011).view(37, -1)), WIDE),
    "index": with_gradients(lambda x: x[ROWS], TABLE),
    "sort": lambda: [*LONG.sort(), *WIDE.sort(1), *TALL.sort(0), *torch.topk(WIDE, 9, 1)],
    "unique": lambda: torch.unique(ROWS, return_inverse=True, return_counts=True),
    "nonzero": lambda: [torch.nonzero(LONG > 1), LONG[LONG > 1]],
    "cat": lambda: [torch.cat([WIDE, WIDE], 1), torch.stack([TALL, TALL], 2), WIDE.roll(3, 1)],
    "random": seeded(
        lambda: [
            torch.rand(300_007), torch.randn(300_007), torch.randint(99, (300_007,)),
            torch.randperm(100_003), torch.bernoulli(torch.rand(100_003)), F.dropout(LONG, 0.3),
            torch.multinomial(torch.rand(40, 500), 100), torch.empty(100_003).exponential_(),
            torch.randn(100_003, dtype=torch.float64), torch.rand(50_001).bernoulli_(0.25),
        ]
    ),
}  # fmt: skip


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_any_number_of_threads(family, threads):
    threads(1)
    expected = [bits(t) for t in FAMILIES[family]()]
    for n in (2, 3, 5, 8):
        threads(n)
        assert [bits(t) for t in FAMILIES[family]()] == expected, n


def test_a_training_step_on_any_number_of_threads(threads):
    def train():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(300, 200), torch.nn.ReLU(), torch.nn.Linear(200, 10)
        )
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(3):
            loss = F.cross_entropy(model(drawn(500, 300)), indices(500, 10))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [bits(p) for p in model.parameters()]

    threads(1)
    expected = train()
    for n in (2, 3, 5, 8):
        threads(n)
        assert train() == expected


@pytest.mark.parametrize("n", [1, 3, 8, 33])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_bounds_keep_the_sign_of_a_zero_that_they_equal(dtype, n):
    for zero in (0.0, -0.0):
        t = torch.full((n,), zero, dtype=getattr(torch, dtype))
        for bound in (0.0, -0.0):
            results = [
                t.clamp(min=bound), t.clamp(max=bound), t.clamp(bound, 1.0), t.clamp(-1.0, bound),
                t.relu(), t.clone().clamp_(min=bound), t.clone().relu_(), F.relu(t),
            ]  # fmt: skip
            for result in results:
                assert torch.equal(1 / result, 1 / t)
    for bounds in ((float("nan"), None), (None, float("nan")), (float("nan"), 1.0)):
        assert t.clamp(*bounds).isnan().all()
    nan = torch.full((n,), float("nan"), dtype=getattr(torch, dtype))
    assert all(r.isnan().all() for r in (nan.relu(), nan.clamp(min=0), nan.clamp(max=0)))
